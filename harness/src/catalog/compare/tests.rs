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
fn compare_with(from: &str, to: &str, scope: &Scope) -> Vec<String> {
    assert!(OLD.contains(from), "{from}");
    let (old, new) = (parse(OLD).unwrap(), parse(&OLD.replace(from, to)).unwrap());
    let changes = compare(&old, &new, scope);
    changes
        .iter()
        .map(|change| {
            let property = change.property.as_deref().unwrap_or("-");
            format!(
                "{:?} {:?} {} | {property}",
                change.severity, change.kind, change.object
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
fn severities(#[case] from: &str, #[case] to: &str, #[case] expected: &[&str]) {
    assert_eq!(compare_with(from, to, &Scope::default()), expected);
}

/// Texts that a server of another major version may print differently are only noted, except those that protect data.
#[rstest]
#[case("(t.a > 1)", "(t.a > 0)", true)]
#[case("two", "2", true)]
#[case(
    "\"column b\" = { ",
    "\"column b\" = { identity = \"by default\", ",
    true
)]
#[case("CHECK ((a > 0))", "CHECK ((a >= 0))", true)]
#[case("type = \"text\"", "type = \"varchar\"", false)]
#[case("comment = \"v\"", "comment = \"w\"", false)]
fn what_may_weaken_is_accepted_by_name(#[case] from: &str, #[case] to: &str, #[case] weaker: bool) {
    let (old, new) = (parse(OLD).unwrap(), parse(&OLD.replace(from, to)).unwrap());
    let changes = compare(&old, &new, &Scope::default());
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(weakens(&changes[0]), weaker, "{changes:?}");
}

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
    let found: Vec<String> = changes
        .iter()
        .map(|change| {
            let property = change.property.as_deref().unwrap_or("-");
            format!(
                "{:?} {:?} {} | {property}",
                change.severity, change.kind, change.object
            )
        })
        .filter(|line| line != "Note Changed server | version")
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn what_the_scope_leaves_out_is_listed() {
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
        assert_eq!(compare_with(from, to, &none), [] as [&str; 0], "{from}");
        assert_ne!(
            compare_with(from, to, &Scope::default()),
            [] as [&str; 0],
            "{from}"
        );
    }
    let old = parse(OLD).unwrap();
    let mut new = old.clone();
    new.unreadable.insert(unreadable::SUBSCRIPTIONS.to_owned());
    new.objects.remove(&"subscription s".parse().unwrap());
    assert_eq!(compare(&old, &new, &none), []);
    let listed: Vec<String> = not_compared(&old, &new, &none)
        .into_iter()
        .map(|(what, _)| what)
        .collect();
    assert_eq!(
        listed,
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
fn the_reason_of_a_membership_says_what_the_role_can_do() {
    let to = "[\"role app\"]\n\"member of rw\" = \"inherit, set\"";
    let (old, new) = (
        parse(OLD).unwrap(),
        parse(&OLD.replace("[\"role app\"]", to)).unwrap(),
    );
    let reason = |new: &Catalog| {
        compare(&old, new, &Scope::default())[0]
            .reason
            .clone()
            .unwrap()
    };
    // rw itself has boss's rights only after SET ROLE.
    assert_eq!(
        reason(&new),
        "it is now a member of rw; app can now act as owner of table app.t, after SET ROLE, through rw, and 2 more"
    );
    let new = parse(&OLD.replace(
        "[\"role app\"]",
        "[\"role app\"]\n\"member of boss\" = \"set\"",
    ))
    .unwrap();
    assert_eq!(
        reason(&new),
        "it is now a member of boss; app can now act as owner of table app.t, after SET ROLE, through boss, and 2 more"
    );
}

/// Names that contain words of identities, dots and quotes.
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
fn words_in_names_are_not_parsed(#[case] schema: &str, #[case] name: &str) {
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
    let differences = |old: &Catalog, new: &Catalog| -> Vec<(Severity, ObjectId, Option<String>)> {
        let changes = compare(old, new, &Scope::default()).into_iter();
        let changes = changes.filter(|change| change.object.kind != ObjectKind::Server);
        changes
            .map(|change| (change.severity, change.object, change.property))
            .collect()
    };
    let good = catalog("17.6", "CHECK ((a > 0))", true);
    assert_eq!(differences(&good, &good), []);
    // A changed constraint fails even between major versions.
    let other = catalog("18.1", "CHECK ((a > 1))", true);
    let check = parent.with_part(part(PartKind::Constraint, "c"));
    assert_eq!(
        differences(&good, &other),
        [(Severity::Broken, check, Some("definition".to_owned()))]
    );
    // A missing index is reported for the table, and not again for each partition.
    let without = catalog("17.6", "CHECK ((a > 0))", false);
    let index = parent.with_part(part(PartKind::Index, "an index"));
    assert_eq!(
        differences(&good, &without),
        [(Severity::Broken, index, None)]
    );
    let mut accepted = good.clone();
    for change in compare(&good, &without, &Scope::default()) {
        accept(&mut accepted, &change, &without);
    }
    assert_eq!(accepted, without);
}

#[test]
fn a_trigger_of_a_view_is_compared_between_major_versions() {
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
    let severities: Vec<Severity> = changes.iter().map(|change| change.severity).collect();
    assert_eq!(severities, [Severity::Note, Severity::Broken]);
}

/// Owners are unquoted in a catalog, grantees quoted.
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
        changes[0].reason.as_deref(),
        Some(
            "it is now a member of \"The Boss\"; app can now act as owner of table app.t, by membership in \"The Boss\""
        )
    );
    // The scope has names without quotes.
    let roles = Some(["The Boss".to_owned()].into());
    let scope = Scope {
        roles,
        ..Scope::default()
    };
    let left_out = not_compared(&old, &new, &scope);
    assert_eq!(left_out[0].0, "attributes, memberships and settings of app");
}

/// The reasons of all changes; `OLD` with `extra` appended, and in that a text replaced.
fn reasons(extra: &str, from: &str, to: &str) -> Vec<String> {
    let text = format!("{OLD}{extra}");
    assert!(text.contains(from), "{from}");
    let (old, new) = (
        parse(&text).unwrap(),
        parse(&text.replacen(from, to, 1)).unwrap(),
    );
    let changes = compare(&old, &new, &Scope::default());
    changes
        .into_iter()
        .filter_map(|change| change.reason)
        .collect()
}

#[test]
fn a_membership_gives_what_its_options_allow() {
    let extra = "[\"role \\\"Shop Owner\\\"\"]\nlogin = \"yes\"\n[\"role idle\"]\n\"member of boss\" = \"\"\n[\"role heir\"]\n\"member of rw\" = \"inherit\"\n[\"table app.u\"]\nowner = \"Shop Owner\"\n";
    let app = |membership: &str| {
        reasons(
            extra,
            "[\"role app\"]",
            &format!("[\"role app\"]\n{membership}"),
        )
    };
    // The grantee is quoted, the owner is not.
    assert_eq!(
        app("\"member of \\\"Shop Owner\\\"\" = \"inherit, set\""),
        [
            "it is now a member of \"Shop Owner\"; app can now act as owner of table app.u, by membership in \"Shop Owner\""
        ]
    );
    // Neither INHERIT nor SET nor ADMIN: the membership allows nothing.
    assert_eq!(
        app("\"member of boss\" = \"\""),
        ["it is now a member of boss"]
    );
    // SET ROLE of the group is not inherited.
    assert_eq!(
        app("\"member of rw\" = \"inherit\""),
        ["it is now a member of rw"]
    );
    assert_eq!(
        app("\"member of boss\" = \"admin\""),
        [
            "it is now a member of boss; app can now act as owner of table app.t, after granting itself boss by ADMIN OPTION, and 2 more"
        ]
    );
    // `idle` has a membership without options; `heir` inherits from rw, which does not inherit from boss.
    assert_eq!(
        reasons(
            extra,
            "\"grant to app\" = \"SELECT\"",
            "\"grant to boss\" = \"DELETE\""
        )[0],
        "boss can now DELETE; so can the members of boss: rw"
    );
}

#[test]
fn a_view_that_is_not_populated_is_named_so() {
    let view = "[\"materialized view app.m\"]\nowner = \"boss\"\n";
    let empty = format!("{view}populated = \"no\"\n");
    let (old, new) = (parse(view).unwrap(), parse(&empty).unwrap());
    let changes = compare(&old, &new, &Scope::default());
    let finding = changes[0].finding();
    assert_eq!(
        (finding.expected.as_str(), finding.actual.as_str()),
        ("populated", "not populated")
    );
}
