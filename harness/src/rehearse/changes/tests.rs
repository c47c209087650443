use std::collections::BTreeMap;

use rstest::rstest;

use super::rows::TableColumns;
use super::*;
use crate::catalog::file::parse;
use crate::rehearse::settings::Allow;

const CATALOG: &str = r#"
[database]
owner = "boss"
["role app"]
["role boss"]
["schema app"]
owner = "boss"
["table app.t"]
columns = '''
a
b'''
owner = "boss"
"row security" = "enabled"
"grant to app" = "SELECT"
"column a" = { "not null" = "yes", type = "integer" }
"column b" = { type = "text" }
"constraint c" = { definition = "CHECK ((a > 0))" }
"index i" = { definition = "CREATE INDEX i ON app.t USING btree (a)" }
"policy p" = { command = "all", mode = "permissive", roles = "PUBLIC", using = "(a = 1)" }
"trigger g" = { definition = "CREATE TRIGGER g", enabled = "yes" }
["function app.f(integer)"]
body = "x"
owner = "boss"
"#;

fn state(catalog: &str) -> State {
    let database = DatabaseState {
        catalog: parse(catalog).unwrap(),
        ..DatabaseState::default()
    };
    State {
        databases: [("shop".to_owned(), database)].into(),
        ..State::default()
    }
}

/// One line per change: what it widens or loses, and its name.
fn lines(changes: &[ClusterChange]) -> Vec<String> {
    let mark = |change: &ClusterChange| match (change.widens, change.loses) {
        (true, true) => "wider, loses: ",
        (true, false) => "wider: ",
        (false, true) => "loses: ",
        (false, false) => "",
    };
    changes
        .iter()
        .map(|change| format!("{}{}", mark(change), change.name))
        .collect()
}

#[rstest]
#[case("SELECT", "SELECT, UPDATE (grantable)", &["wider: grant update on table app.t to app with grant option"])]
#[case("\"grant to app\" = \"SELECT\"", "\"grant to PUBLIC\" = \"SELECT\"", &["wider: grant select on table app.t to public", "revoke select on table app.t from app"])]
#[case("\"column b\" = { type", "\"column b\" = { \"grant to app\" = \"UPDATE\", type", &["wider: grant update (b) on table app.t to app"])]
#[case("\"row security\" = \"enabled\"\n", "", &["wider: disable row level security on app.t"])]
#[case("enabled = \"yes\"", "enabled = \"no\"", &["loses: disable trigger g on app.t"])]
#[case("\"not null\" = \"yes\", ", "", &["loses: drop not null on app.t.a"])]
#[case("type = \"text\"", "type = \"character varying(5)\"", &["loses: change type of app.t.b"])]
#[case("type = \"integer\"", "type = \"bigint\"", &["change type of app.t.a"])]
#[case("\"row security\" =", "persistence = \"unlogged\"\n\"row security\" =", &["loses: set unlogged table app.t"])]
#[case("b'''", "b\nc'''", &[])]
#[case("\"trigger g\" = { definition = \"CREATE TRIGGER g\", enabled = \"yes\" }\n", "", &["loses: drop trigger g on app.t"])]
#[case("(a = 1)", "true", &["loses: change policy p on app.t"])]
#[case("body = \"x\"", "body = \"x\"\n\"security definer\" = \"yes\"", &["wider: security definer function app.f(integer)"])]
#[case("[\"role app\"]", "[\"role app\"]\nsuperuser = \"yes\"", &["wider: alter role app superuser"])]
#[case("[\"role app\"]", "[\"role app\"]\n\"member of boss\" = \"admin, inherit, set\"", &["wider: grant admin option of role boss to app", "wider: grant role boss to app"])]
#[case("[\"role app\"]", "[\"role app\"]\n[\"role \\\"New One\\\"\"]\nbypassrls = \"yes\"\n\"member of app\" = \"inherit, set\"", &["wider: alter role \"New One\" bypassrls", "wider: grant role app to \"New One\"", "create role \"New One\""])]
#[case("\"index i\"", "\"index j\"", &["create index app.j", "drop index app.i"])]
#[case("(a)\" }\n\"policy", "(a)\", \"index valid\" = \"no\" }\n\"policy", &["leave index app.i invalid"])]
#[case("(a > 0))\" }", "(a > 0))\" }\n\"constraint d\" = { definition = \"CHECK ((a < 9))\", validated = \"no\" }", &["add constraint d on app.t", "leave constraint d on app.t not valid"])]
fn changes_are_named(#[case] from: &str, #[case] to: &str, #[case] expected: &[&str]) {
    assert!(CATALOG.contains(from), "{from}");
    let (old, new) = (state(CATALOG), state(&CATALOG.replacen(from, to, 1)));
    assert_eq!(lines(&compare(&old, &new)), expected);
    assert_eq!(compare(&old, &old), []);
}

#[test]
fn long_values_are_shown_from_where_they_differ() {
    let long = "same ".repeat(60);
    let (old, new) = (format!("{long}\nOLD"), format!("{long}\nNEW"));
    let text = name::shown_both(Some(&old), Some(&new));
    assert!(
        text.contains("same OLD → … ") && text.ends_with("same NEW"),
        "{text}"
    );
    assert_eq!(name::shown_both(Some("a"), None), "a → none");
}

#[rstest]
#[case("drop column app.account.legacy", true)]
#[case("DROP  Column app.account.*", true)]
#[case("drop column app.account.\"Legacy\"", false)]
#[case("drop *", true)]
#[case("drop column app.account", false)]
fn a_change_is_accepted_by_its_name(#[case] pattern: &str, #[case] accepted: bool) {
    let all = [Allow {
        change: pattern.to_owned(),
        reason: "why".to_owned(),
    }];
    let name = "drop column app.account.legacy";
    assert_eq!(accepted_by(name, &all).is_some(), accepted);
    assert_eq!(unused(&[name], &all).is_empty(), accepted);
}

/// A table with these columns, of which the first `key` are its key.
fn table(columns: &[&str], key: usize, rows: &[&str], cells: usize) -> TableRows {
    let columns = TableColumns {
        oid: 1,
        columns: (1..)
            .zip(columns)
            .map(|(number, name)| ((*name).to_owned(), number))
            .collect(),
        key: (0..key).collect(),
    };
    let mut table = TableRows::new(columns, cells);
    for row in rows {
        table.add(row.as_bytes());
    }
    table
}

fn of_rows(before: TableRows, after: TableRows) -> Vec<String> {
    let state = |rows: TableRows| {
        let mut state = state("");
        let database = state.databases.get_mut("shop").unwrap();
        database.rows = Some(BTreeMap::from([(
            QualifiedName::parse("app.t").unwrap(),
            rows,
        )]));
        state
    };
    let changes = compare(&state(before), &state(after));
    changes
        .iter()
        .map(|change| format!("{} | {}", change.name, change.text))
        .collect()
}

#[rstest]
#[case(1, &["1\ta", "2\tb"], &["2\tb", "1\ta"], &[])]
#[case(1, &["1\ta", "2\tb"], &["1\tb", "2\ta"], &["update rows of app.t | app.t: 2 rows changed in v"])]
#[case(1, &["1\ta", "2\tb"], &["2\tb", "3\tc"], &["delete rows of app.t | app.t: 1 row deleted: 2 rows before, 2 after", "insert rows into app.t | app.t: 1 row inserted: 2 rows before, 2 after"])]
#[case(1, &["1\ta", "2\tb"], &["1\ta", "2\tx", "3\tc"], &["insert rows into app.t | app.t: 1 row inserted: 2 rows before, 3 after", "update rows of app.t | app.t: 1 row changed in v"])]
#[case(1, &["1\ta"], &[], &["empty table app.t | 1 row before, 0 after"])]
#[case(0, &["1\ta", "1\ta"], &["1\ta", "1\ta"], &[])]
#[case(0, &["1\ta", "1\ta"], &["1\ta"], &["delete rows of app.t | app.t: 1 row deleted: 2 rows before, 1 after"])]
#[case(0, &["1\ta"], &["1\tb"], &["update rows of app.t | app.t: rows changed, or were deleted and others inserted: the table has no key that shows which"])]
fn rows_are_compared(
    #[case] key: usize,
    #[case] before: &[&str],
    #[case] after: &[&str],
    #[case] expected: &[&str],
) {
    let of = |rows| table(&["id", "v"], key, rows, 100);
    assert_eq!(of_rows(of(before), of(after)), expected);
}

#[rstest]
#[case(0)]
#[case(1)]
fn a_new_column_changes_no_row(#[case] key: usize) {
    let before = table(&["id", "v"], key, &["1\ta", "2\tb"], 100);
    let after = table(&["id", "v", "n"], key, &["1\ta\t7", "2\tb\t\\N"], 100);
    assert_eq!(of_rows(before.clone(), after), [] as [&str; 0]);
    let other = table(&["id", "v", "n"], key, &["1\ta\t7", "2\tc\t\\N"], 100);
    assert_eq!(of_rows(before, other).len(), 1);
}

#[test]
fn many_rows_are_estimated_from_a_sample() {
    let rows = |range: std::ops::Range<u32>| -> Vec<String> {
        range.map(|id| format!("{id}\tv{id}")).collect()
    };
    let of = |rows: Vec<String>| {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        table(&["id", "v"], 1, &rows, 4000)
    };
    let (before, after) = (of(rows(0..40_000)), of(rows(10_000..60_000)));
    assert!(before.sample.keys.len() <= 2000 && before.sample.level > 3);
    assert_eq!(before.sample.cells.len(), before.sample.keys.len() * 2);
    let level = before.sample.level.max(after.sample.level);
    let found = of_rows(before.clone(), after);
    assert_eq!(found.len(), 2, "{found:?}");
    let count = |line: &str| -> u64 {
        let digits = line
            .split("some ")
            .nth(1)
            .unwrap()
            .split(" row")
            .next()
            .unwrap();
        digits
            .chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
            .parse()
            .unwrap()
    };
    assert!(
        count(&found[0]).abs_diff(10_000) < 1500,
        "{found:?} {level}"
    );
    assert!(count(&found[1]).abs_diff(20_000) < 1500, "{found:?}");
    // One changed row among all is found, though it is not in the sample.
    let mut changed = rows(0..40_000);
    changed[77] = "77\tother".to_owned();
    assert_eq!(of_rows(before, of(changed)).len(), 1);
}
