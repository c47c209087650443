use rstest::rstest;

use super::*;
use crate::catalog::file::{parse, write};
use crate::catalog::{ObjectPart, PartKind, unreadable};
use crate::sql::QualifiedName;

const OLD: &str = r#"
["server"]
version = "17.6"
[database]
collation = "en_US.utf8"
owner = "boss"
settings = { "set TimeZone" = "UTC" }
["extension vector"]
comment = "v"
version = "0.8.0"
["function app.f()"]
body = '''
one
two
three'''
["role app"]
login = "yes"
["role boss"]
["role god"]
superuser = "yes"
["role rw"]
"member of boss" = "set"
["subscription s"]
enabled = "yes"
["table app.t"]
columns = '''
a
b'''
"grant to app" = "SELECT"
owner = "boss"
"column a" = { type = "text" }
"column b" = { "default" = "(1 + 2)", type = "integer" }
"constraint c" = { definition = "CHECK ((a > 0))" }
"index i" = { definition = "CREATE INDEX i ON app.t USING btree (a)" }
["view app.v"]
definition = "SELECT t.a FROM app.t WHERE (t.a > 1);"
owner = "boss"
"#;

/// `OLD` with a text replaced, compared with `OLD`; one line per change.
fn told(from: &str, to: &str, scope: &Scope) -> Vec<String> {
    assert!(OLD.contains(from), "{from}");
    let (old, new) = (parse(OLD).unwrap(), parse(&OLD.replace(from, to)).unwrap());
    let changes = compare(&old, &new, scope);
    changes
        .iter()
        .map(|change| {
            let property = change.property.as_deref().unwrap_or("-");
            format!(
                "{:?} {:?} {} | {property}",
                change.weight, change.what, change.object
            )
        })
        .collect()
}

#[rstest]
#[case("", "", &[])]
#[case("login = \"yes\"", "", &["Broken Removed role app | login"])]
#[case("\"column a\"", "\"column z\"", &["Broken Removed table app.t column a | -", "Broken Added table app.t column z | -"])]
#[case("a\nb", "b\na", &["Broken Changed table app.t | columns"])]
#[case("a\nb", "a\nmore\nb", &[])]
#[case("(1 + 2)", "(1 + 3)", &["Broken Changed table app.t column b | default"])]
#[case("\"grant to app\" = \"SELECT\"", "\"grant to app\" = \"INSERT\"", &["Widened Changed table app.t | grant to app"])]
#[case("comment = \"v\"", "comment = \"w\"", &["Note Changed extension vector | comment"])]
#[case("version = \"0.8.0\"", "version = \"0.8.1\"", &["Note Changed extension vector | version"])]
#[case("[\"subscription s\"]\nenabled = \"yes\"", "[\"subscription s\"]\nenabled = \"no\"", &["Note Changed subscription s | enabled"])]
#[case("en_US.utf8", "en_US.UTF-8", &["Note Changed database | collation"])]
#[case("en_US.utf8", "C", &["Broken Changed database | collation"])]
#[case("superuser = \"yes\"", "superuser = \"yes\"\npassword = \"md5\"", &["Note Added role god | password"])]
#[case("[\"role rw\"]\n\"member of boss\" = \"set\"", "[\"role rw\"]\n\"member of boss\" = \"inherit, set\"", &["Widened Changed role rw | member of boss"])]
fn weights(#[case] from: &str, #[case] to: &str, #[case] expected: &[&str]) {
    assert_eq!(told(from, to, &Scope::default()), expected);
}

/// The same text means less where it comes from a server of another major version; what protects is held to it.
#[rstest]
#[case("(1 + 2)", "1 + 2", &[])]
#[case("(1 + 2)", "3", &["Note Changed table app.t column b | default"])]
#[case("SELECT t.a FROM app.t WHERE (t.a > 1);", "SELECT a FROM app.t WHERE (a > 1);", &[])]
#[case("SELECT t.a FROM app.t WHERE (t.a > 1);", "SELECT a FROM app.t;", &["Note Changed view app.v | definition"])]
#[case("CHECK ((a > 0))", "CHECK ((a > 1))", &["Broken Changed table app.t constraint c | definition"])]
#[case("\"grant to app\" = \"SELECT\"", "\"grant to app\" = \"MAINTAIN, SELECT\"", &["Note Changed table app.t | grant to app"])]
fn two_majors(#[case] from: &str, #[case] to: &str, #[case] expected: &[&str]) {
    let old = parse(OLD).unwrap();
    assert!(OLD.contains(from), "{from}");
    let new = parse(&OLD.replace("17.6", "18.1").replace(from, to)).unwrap();
    let changes = compare(&old, &new, &Scope::default());
    let told: Vec<String> = changes
        .iter()
        .map(|change| {
            let property = change.property.as_deref().unwrap_or("-");
            format!(
                "{:?} {:?} {} | {property}",
                change.weight, change.what, change.object
            )
        })
        .filter(|line| line != "Note Changed server | version")
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn what_the_scope_leaves_out_is_not_compared_and_said() {
    let none = Scope {
        roles: Some(["boss".to_owned()].into()),
        cluster: false,
        owners: false,
        privileges: false,
        database_settings: false,
        comments: false,
    };
    for (from, to) in [
        ("login = \"yes\"", ""),
        ("owner = \"boss\"", "owner = \"app\""),
        (
            "\"grant to app\" = \"SELECT\"",
            "\"grant to PUBLIC\" = \"DELETE\"",
        ),
        ("settings = { \"set TimeZone\" = \"UTC\" }", ""),
        ("en_US.utf8", "C"),
    ] {
        assert_eq!(told(from, to, &none), [] as [&str; 0], "{from}");
        assert_ne!(told(from, to, &Scope::default()), [] as [&str; 0], "{from}");
    }
    let old = parse(OLD).unwrap();
    let mut new = old.clone();
    new.unreadable.insert(unreadable::SUBSCRIPTIONS.to_owned());
    new.objects.remove(&"subscription s".parse().unwrap());
    assert_eq!(compare(&old, &new, &none), []);
    let said: Vec<String> = not_compared(&old, &new, &none)
        .into_iter()
        .map(|(what, _)| what)
        .collect();
    assert_eq!(
        said,
        [
            "attributes, memberships and settings of app, god, rw",
            "tablespaces and rights on parameters",
            "owners",
            "grants",
            "properties, rights and settings of the database",
            "subscriptions",
        ]
    );
    assert_eq!(not_compared(&old, &old, &Scope::default()), []);
}

#[test]
fn a_finding_shows_what_differs() {
    let (old, new) = (
        parse(OLD).unwrap(),
        parse(&OLD.replace("two\n", "2\n")).unwrap(),
    );
    let changes = compare(&old, &new, &Scope::default());
    let [change] = changes.as_slice() else {
        panic!("{changes:?}");
    };
    assert_eq!(
        change.finding(),
        Finding::about("function app.f(): body", "line 2: two", "line 2: 2")
    );
}

#[test]
fn a_membership_is_told_with_what_it_lets_a_role_do() {
    let to = "[\"role app\"]\n\"member of rw\" = \"inherit, set\"";
    let (old, new) = (
        parse(OLD).unwrap(),
        parse(&OLD.replace("[\"role app\"]", to)).unwrap(),
    );
    let why = |new: &Catalog| {
        compare(&old, new, &Scope::default())[0]
            .why
            .clone()
            .unwrap()
    };
    // rw itself has boss's rights only after SET ROLE.
    assert_eq!(
        why(&new),
        "it is a member of rw now; app can now act as owner of table app.t, after SET ROLE, by way of rw, and 2 more"
    );
    let new = parse(&OLD.replace(
        "[\"role app\"]",
        "[\"role app\"]\n\"member of boss\" = \"set\"",
    ))
    .unwrap();
    assert_eq!(
        why(&new),
        "it is a member of boss now; app can now act as owner of table app.t, after SET ROLE, by way of boss, and 2 more"
    );
}

/// Names that hold words of identities, dots and quotes; what is compared is the object that they name.
#[rstest]
#[case("app", "a index b")]
#[case("app", "x rule y")]
#[case("my.app", "t")]
#[case("app", "a.b")]
#[case("app", " ends with a space ")]
#[case("app", "two\nlines")]
#[case("app", "it \"says\" trigger t")]
#[case("app", "server")]
#[case("role x", "database settings")]
fn names_are_no_words(#[case] schema: &str, #[case] name: &str) {
    let table = |name: &str| {
        let (schema, name) = (schema.to_owned(), name.to_owned());
        ObjectId::qualified(ObjectKind::Table, &QualifiedName { schema, name })
    };
    let part = |kind, name: &str| ObjectPart::new(kind, name);
    let (parent, child) = (table(name), table(&format!("{name}_1")));
    let of = |name: ObjectId| name.qualified_name().unwrap().to_string();
    let catalog = |version: &str, check: &str, indexed: bool| {
        let mut catalog = Catalog::default();
        let mut add = |object: ObjectId, properties: &[(&str, &str)]| {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let properties = properties.iter().map(own).collect();
            catalog.objects.insert(object, properties);
        };
        add(ObjectId::server(), &[("version", version)]);
        add(parent.clone(), &[("owner", "boss")]);
        add(
            child.clone(),
            &[("owner", "boss"), ("partition of", &of(parent.clone()))],
        );
        let checked = parent.with_part(part(PartKind::Constraint, "c"));
        add(checked, &[("definition", check)]);
        if indexed {
            let index = of(table("an index"));
            add(
                parent.with_part(part(PartKind::Index, "an index")),
                &[("definition", "i")],
            );
            let below = child.with_part(part(PartKind::Index, "its index"));
            add(below, &[("definition", "j"), ("partition of", &index)]);
        }
        parse(&write(&catalog)).unwrap()
    };
    let told = |old: &Catalog, new: &Catalog| -> Vec<(Weight, ObjectId, Option<String>)> {
        let changes = compare(old, new, &Scope::default()).into_iter();
        let changes = changes.filter(|change| change.object.kind != ObjectKind::Server);
        changes
            .map(|change| (change.weight, change.object, change.property))
            .collect()
    };
    let good = catalog("17.6", "CHECK ((a > 0))", true);
    assert_eq!(told(&good, &good), []);
    // A constraint is no text that servers of two versions write in two ways.
    let other = catalog("18.1", "CHECK ((a > 1))", true);
    let check = parent.with_part(part(PartKind::Constraint, "c"));
    assert_eq!(
        told(&good, &other),
        [(Weight::Broken, check, Some("definition".to_owned()))]
    );
    // An index that is gone is told of the table, and not of each partition again.
    let without = catalog("17.6", "CHECK ((a > 0))", false);
    let index = parent.with_part(part(PartKind::Index, "an index"));
    assert_eq!(told(&good, &without), [(Weight::Broken, index, None)]);
    let mut accepted = good.clone();
    for change in compare(&good, &without, &Scope::default()) {
        accept(&mut accepted, &change, &without);
    }
    assert_eq!(accepted, without);
}

#[test]
fn a_trigger_of_a_view_is_no_text_of_the_server() {
    let catalog = |version: &str, trigger: &str| {
        let text = format!(
            "[server]\nversion = \"{version}\"\n[\"view app.v\"]\n\"trigger t\" = {{ definition = \"{trigger}\" }}\n"
        );
        parse(&text).unwrap()
    };
    let (old, new) = (
        catalog("17.6", "INSTEAD OF INSERT"),
        catalog("18.1", "INSTEAD OF UPDATE"),
    );
    let changes = compare(&old, &new, &Scope::default());
    let weights: Vec<Weight> = changes.iter().map(|change| change.weight).collect();
    assert_eq!(weights, [Weight::Note, Weight::Broken]);
}

/// Owners are kept as they are called, grantees as SQL writes them.
#[test]
fn a_role_whose_name_needs_quotes_is_one_role() {
    let catalog = |grant: &str| {
        let text = format!(
            r#"
["role \"The Boss\""]
["role app"]
{grant}
["table app.t"]
owner = "The Boss"
"#
        );
        parse(&text).unwrap()
    };
    let old = catalog("");
    let new = catalog(r#"'member of "The Boss"' = "inherit, set""#);
    let changes = compare(&old, &new, &Scope::default());
    assert_eq!(
        changes[0].why.as_deref(),
        Some(
            "it is a member of \"The Boss\" now; app can now act as owner of table app.t, by membership in \"The Boss\""
        )
    );
    // A superuser under such a name is one, whatever the quotes.
    let roles = Some(["The Boss".to_owned()].into());
    let scope = Scope {
        roles,
        ..Scope::default()
    };
    let left_out = not_compared(&old, &new, &scope);
    assert_eq!(left_out[0].0, "attributes, memberships and settings of app");
}

/// What roles can do more, in words; `OLD` with `extra` appended and in that a text replaced.
fn why(extra: &str, from: &str, to: &str) -> Vec<String> {
    let text = format!("{OLD}{extra}");
    assert!(text.contains(from), "{from}");
    let (old, new) = (
        parse(&text).unwrap(),
        parse(&text.replacen(from, to, 1)).unwrap(),
    );
    let changes = compare(&old, &new, &Scope::default());
    changes
        .into_iter()
        .filter_map(|change| change.why)
        .collect()
}

#[test]
fn a_membership_leads_where_the_server_lets_it() {
    let extra = "[\"role \\\"Shop Owner\\\"\"]\nlogin = \"yes\"\n[\"role idle\"]\n\"member of boss\" = \"\"\n[\"role heir\"]\n\"member of rw\" = \"inherit\"\n[\"table app.u\"]\nowner = \"Shop Owner\"\n";
    let app = |membership: &str| {
        why(
            extra,
            "[\"role app\"]",
            &format!("[\"role app\"]\n{membership}"),
        )
    };
    // A name in quotes is the owner's name all the same.
    assert_eq!(
        app("\"member of \\\"Shop Owner\\\"\" = \"inherit, set\""),
        [
            "it is a member of \"Shop Owner\" now; app can now act as owner of table app.u, by membership in \"Shop Owner\""
        ]
    );
    // Neither INHERIT nor SET nor ADMIN: there is nothing that it could do.
    assert_eq!(
        app("\"member of boss\" = \"\""),
        ["it is a member of boss now"]
    );
    // The group's own SET ROLE is not inherited.
    assert_eq!(
        app("\"member of rw\" = \"inherit\""),
        ["it is a member of rw now"]
    );
    assert_eq!(
        app("\"member of boss\" = \"admin\""),
        [
            "it is a member of boss now; app can now act as owner of table app.t, after granting itself boss by ADMIN OPTION, and 2 more"
        ]
    );
    // `idle` is a member and can do nothing with it; `heir` inherits from rw, and boss's role is not rw's by inheritance.
    assert_eq!(
        why(
            extra,
            "\"grant to app\" = \"SELECT\"",
            "\"grant to boss\" = \"DELETE\""
        )[0],
        "boss can DELETE now; so can the members of boss: rw"
    );
}
