//! Compares a database with its baseline.
//!
//! A manifest was taken in the snapshot of the dump, so everything must be equal. A baseline was taken earlier: rows added
//! since, and changed rows of tables that may change, are expected. Definitions, rights, lost rows, sequences that went
//! back and the history of append-only tables are compared.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::difference::{Area, Difference};
use super::{Database, RowsState};
use crate::catalog::compare::{self as catalog, Change, ChangeKind, Scope, Severity, is_right};
use crate::catalog::{Catalog, ObjectId, ObjectKind, Properties};
use crate::input::tables::{LARGE_OBJECTS, TablePattern};
use crate::outcome::Finding;
use crate::sql::{Glob, QualifiedName};
use crate::units::show_counted;

/// What is compared, and what may differ.
#[derive(Debug, Clone, Default)]
pub struct CompareOptions {
    /// Whether rows must be the same; otherwise there may be more, with other values.
    pub exact: bool,
    /// Tables that may lose rows or be dropped.
    pub may_shrink: Vec<TablePattern>,
    /// Tables that may be dropped, and otherwise have all their rows.
    pub may_be_dropped: Vec<TablePattern>,
    /// Objects whose definition may differ.
    pub ignore: Vec<Glob>,
    /// What the backup contains.
    pub scope: Scope,
}

/// The result of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Every difference, failure or not.
    pub differences: Vec<Difference>,
    /// Number of tables with more rows than before.
    pub grown: u64,
    /// Number of tables with as many rows as before and other values.
    pub changed: u64,
    /// Objects whose definition differs and is ignored.
    pub ignored: Vec<ObjectId>,
}

/// Compares a database with its baseline. `rewritten` has the tables whose history differs, which can only be found in
/// the database itself.
#[must_use]
pub fn compare(
    was: &Database,
    now: &Database,
    rewritten: BTreeMap<QualifiedName, Finding>,
    options: &CompareOptions,
) -> Comparison {
    let mut comparison = Comparison::default();
    comparison.compare_definitions(&was.catalog, &now.catalog, options);
    for (table, finding) in rewritten {
        let object = ObjectId::qualified(ObjectKind::Table, &table);
        let fails = match now.catalog.objects.contains_key(&object) {
            true => !options.may_shrink(&table),
            false => !options.may_be_dropped(&table),
        };
        comparison.add(Area::History, object, fails, finding);
    }
    comparison.compare_rows(was, now, options);
    comparison.compare_sequences(was, now, options.exact);
    comparison.differences.sort_by_cached_key(|one| {
        let name = one.area.name_of(&one.object);
        (one.area, name, one.property.clone())
    });
    comparison
}

impl CompareOptions {
    /// Whether a table may lose rows.
    fn may_shrink(&self, table: &QualifiedName) -> bool {
        let mut patterns = self.may_shrink.iter();
        patterns.any(|pattern| pattern.matches(table))
    }

    /// Whether a table may be dropped.
    fn may_be_dropped(&self, table: &QualifiedName) -> bool {
        let mut patterns = self.may_shrink.iter().chain(&self.may_be_dropped);
        patterns.any(|pattern| pattern.matches(table))
    }

    /// Whether there may be fewer large objects.
    fn may_shrink_large_objects(&self) -> bool {
        let mut patterns = self.may_shrink.iter();
        patterns.any(|pattern| pattern.matches_text(LARGE_OBJECTS))
    }

    /// Whether the definition of an object may differ.
    fn ignores(&self, object: &ObjectId) -> bool {
        let object = object.to_string();
        self.ignore.iter().any(|pattern| pattern.matches(&object))
    }
}

impl Comparison {
    fn add(&mut self, area: Area, object: ObjectId, fails: bool, finding: Finding) {
        self.differences.push(Difference {
            area,
            object,
            property: None,
            widened: false,
            weakened: false,
            fails,
            finding,
        });
    }

    fn compare_definitions(&mut self, was: &Catalog, now: &Catalog, options: &CompareOptions) {
        for change in catalog::compare(was, now, &options.scope) {
            let widened = change.severity == Severity::Widened;
            // A right that became wider is reported even for an ignored object.
            if !widened && options.ignores(&change.object) {
                if !self.ignored.contains(&change.object) {
                    self.ignored.push(change.object.clone());
                }
                continue;
            }
            let is_table = change.object.kind == ObjectKind::Table && change.object.part.is_none();
            let table = change.object.qualified_name().filter(|_| is_table);
            let may_be_dropped = change.kind == ChangeKind::Removed
                && change.property.is_none()
                && table.is_some_and(|table| options.may_be_dropped(&table));
            self.differences.push(Difference {
                area: area_of(&change),
                finding: change.finding(),
                weakened: catalog::weakens(&change),
                fails: match change.severity {
                    Severity::Widened | Severity::Broken => !may_be_dropped,
                    Severity::Tuning => options.exact,
                    Severity::Note => false,
                },
                object: change.object,
                property: change.property,
                widened,
            });
        }
    }

    fn compare_rows(&mut self, was: &Database, now: &Database, options: &CompareOptions) {
        for (table, before) in &was.rows {
            let object = ObjectId::qualified(ObjectKind::Table, table);
            let fails = options.exact || !options.may_shrink(table);
            match now.rows.get(table) {
                Some(after) => match compare_counts(before, after, "row", options.exact) {
                    RowsChange::Same => {}
                    RowsChange::Grown => self.grown += 1,
                    RowsChange::Changed => self.changed += 1,
                    RowsChange::Wrong(actual) => {
                        let expected = show_counted(before.count, "row");
                        self.add_rows(object, expected, actual, options.exact, fails);
                    }
                },
                // A dropped table is a difference of its definition, unless that is ignored.
                None if options.ignores(&object) => {
                    let expected =
                        format!("the {} of the baseline", show_counted(before.count, "row"));
                    let finding =
                        Finding::about(table.to_string(), expected, "the table does not exist")
                            .hint("if this table may be dropped, list it in `may-be-dropped`");
                    self.add(Area::Rows, object, !options.may_be_dropped(table), finding);
                }
                None => {}
            }
        }
        let (before, after) = (&was.large_objects, &now.large_objects);
        let noun = "large object";
        if let RowsChange::Wrong(actual) = compare_counts(before, after, noun, options.exact) {
            let fails = options.exact || !options.may_shrink_large_objects();
            let expected = show_counted(before.count, noun);
            let object = ObjectId::large_objects();
            self.add_rows(object, expected, actual, options.exact, fails);
        }
    }

    fn add_rows(
        &mut self,
        object: ObjectId,
        expected: String,
        actual: String,
        exact: bool,
        fails: bool,
    ) {
        let name = Area::Rows.name_of(&object);
        let (expected, hint) = match exact {
            true => (
                format!("{expected}, those of the snapshot"),
                "the manifest belongs to another backup, or the dump or the restore lost or changed data".to_owned(),
            ),
            false => (
                format!("at least the {expected} of the baseline"),
                format!("if there may be fewer, list `{name}` in `may-shrink`"),
            ),
        };
        let finding = Finding::about(name, expected, actual).hint(hint);
        self.add(Area::Rows, object, fails, finding);
    }

    fn compare_sequences(&mut self, was: &Database, now: &Database, exact: bool) {
        for (sequence, before) in &was.sequences {
            let object = ObjectId::qualified(ObjectKind::Sequence, sequence);
            if !was.catalog.objects.contains_key(&object) {
                continue;
            }
            let Some(definition) = now.catalog.objects.get(&object) else {
                continue;
            };
            let cycles = definition.get("cycle").is_some_and(|cycle| cycle == "yes");
            let after = now.sequences.get(sequence).copied();
            if went_back(*before, after, definition) && (exact || !cycles) {
                let limit = if descends(definition) {
                    "at most"
                } else {
                    "at least"
                };
                let actual = after.map_or("never used".to_owned(), |after| after.to_string());
                let name = format!("sequence {sequence}");
                let finding = Finding::about(name, format!("{limit} {before}"), actual)
                    .hint("a sequence that goes back returns numbers a second time");
                self.add(Area::Sequences, object, true, finding);
            }
        }
    }

    /// The failures of one area. Among many, what exposes or weakens the data comes first.
    #[must_use]
    pub fn failing(&self, area: Area) -> Vec<&Difference> {
        let differences = self.differences.iter();
        let mut failing: Vec<&Difference> = differences
            .filter(|difference| difference.fails && difference.area == area)
            .collect();
        failing.sort_by_key(|one| (!one.widened, !one.weakened));
        failing
    }

    /// The differences that are no failures, by area.
    #[must_use]
    pub fn notes(&self) -> BTreeMap<Area, Vec<&Difference>> {
        let mut notes: BTreeMap<Area, Vec<&Difference>> = BTreeMap::new();
        for difference in self.differences.iter().filter(|one| !one.fails) {
            notes.entry(difference.area).or_default().push(difference);
        }
        notes
    }
}

fn descends(sequence: &Properties) -> bool {
    let increment = sequence.get("increment");
    increment.is_some_and(|increment| increment.starts_with('-'))
}

/// Whether a sequence with these properties returns numbers a second time; `None`: it was never used.
#[must_use]
pub fn went_back(before: i64, after: Option<i64>, sequence: &Properties) -> bool {
    after.is_none_or(|after| match descends(sequence) {
        true => after > before,
        false => after < before,
    })
}

/// The area of a change of the catalog.
fn area_of(change: &Change) -> Area {
    let of_right = |property: &str| property == "owner" || is_right(property);
    let about_rights = change.severity == Severity::Widened
        || change.property.as_deref().is_some_and(of_right)
        || [ObjectKind::Role, ObjectKind::DefaultPrivileges].contains(&change.object.kind);
    if about_rights {
        Area::Rights
    } else {
        Area::Definition
    }
}

/// How the rows of a table, or the large objects, differ from the baseline.
#[derive(Debug, PartialEq, Eq)]
enum RowsChange {
    Same,
    Grown,
    Changed,
    /// Too few; or, where they must be the same, not the same. What there is.
    Wrong(String),
}

fn compare_counts(before: &RowsState, after: &RowsState, noun: &str, exact: bool) -> RowsChange {
    let other_values = match (&before.digest, &after.digest) {
        (Some(before), Some(after)) => before != after,
        _ => false,
    };
    match after.count.cmp(&before.count) {
        Ordering::Equal if !other_values => RowsChange::Same,
        Ordering::Equal if exact => RowsChange::Wrong(format!(
            "{}, with other values",
            show_counted(after.count, noun)
        )),
        Ordering::Equal => RowsChange::Changed,
        Ordering::Greater if !exact => RowsChange::Grown,
        Ordering::Less | Ordering::Greater => RowsChange::Wrong(show_counted(after.count, noun)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn rows_of(count: u64, digest: Option<&str>) -> RowsState {
        RowsState {
            count,
            digest: digest.map(str::to_owned),
        }
    }

    #[rstest]
    #[case(5, None, 5, None, false, RowsChange::Same)]
    #[case(5, Some("a"), 5, Some("b"), false, RowsChange::Changed)]
    #[case(5, Some("a"), 5, Some("b"), true, RowsChange::Wrong("5 rows, with other values".to_owned()))]
    #[case(5, Some("a"), 5, Some("a"), true, RowsChange::Same)]
    #[case(5, None, 6, None, false, RowsChange::Grown)]
    #[case(5, None, 6, None, true, RowsChange::Wrong("6 rows".to_owned()))]
    #[case(5, None, 4, None, false, RowsChange::Wrong("4 rows".to_owned()))]
    #[case(5, Some("a"), 0, Some("b"), false, RowsChange::Wrong("0 rows".to_owned()))]
    fn rows_are_compared(
        #[case] before: u64,
        #[case] was: Option<&str>,
        #[case] after: u64,
        #[case] now: Option<&str>,
        #[case] exact: bool,
        #[case] expected: RowsChange,
    ) {
        assert_eq!(
            compare_counts(&rows_of(before, was), &rows_of(after, now), "row", exact),
            expected
        );
    }

    fn database(table: &str, rows: u64, sequence: Option<i64>, cycle: &str) -> Database {
        let mut database = Database::default();
        let name = |text: &str| QualifiedName::parse(text).unwrap();
        database.rows.insert(name(table), rows_of(rows, None));
        let properties = [
            ("increment".to_owned(), "1".to_owned()),
            ("cycle".to_owned(), cycle.to_owned()),
        ];
        database
            .catalog
            .objects
            .insert("sequence app.s".parse().unwrap(), properties.into());
        database
            .sequences
            .extend(sequence.map(|value| (name("app.s"), value)));
        database
    }

    #[rstest]
    #[case(false, false)]
    #[case(true, true)]
    fn tuning_fails_only_where_everything_must_be_equal(#[case] exact: bool, #[case] fails: bool) {
        let of = |fillfactor: &str| {
            let mut database = Database::default();
            let properties = [("option fillfactor".to_owned(), fillfactor.to_owned())];
            let objects = &mut database.catalog.objects;
            objects.insert("table app.t".parse().unwrap(), properties.into());
            database
        };
        let options = CompareOptions {
            exact,
            ..CompareOptions::default()
        };
        let comparison = compare(&of("90"), &of("70"), BTreeMap::new(), &options);
        let found: Vec<bool> = comparison.differences.iter().map(|one| one.fails).collect();
        assert_eq!(found, [fails]);
    }

    fn patterns(texts: &[&str]) -> Vec<TablePattern> {
        let parse = |text: &&str| TablePattern::parse(text).unwrap();
        texts.iter().map(parse).collect()
    }

    #[rstest]
    #[case(&[], 4, Some(9), "no", &[("app.t", true)])]
    #[case(&["app.*"], 4, Some(9), "no", &[("app.t", false)])]
    #[case(&[], 5, Some(8), "no", &[("app.s", true)])]
    #[case(&[], 5, None, "no", &[("app.s", true)])]
    #[case(&[], 5, Some(1), "yes", &[])]
    #[case(&[], 9, Some(90), "no", &[])]
    fn what_shrank_or_went_back_is_reported(
        #[case] may_shrink: &[&str],
        #[case] rows: u64,
        #[case] sequence: Option<i64>,
        #[case] cycle: &str,
        #[case] expected: &[(&str, bool)],
    ) {
        let options = CompareOptions {
            may_shrink: patterns(may_shrink),
            ..CompareOptions::default()
        };
        let was = database("app.t", 5, Some(9), cycle);
        let comparison = compare(
            &was,
            &database("app.t", rows, sequence, cycle),
            BTreeMap::new(),
            &options,
        );
        let found: Vec<(String, bool)> = comparison
            .differences
            .iter()
            .map(|one| (one.area.name_of(&one.object), one.fails))
            .collect();
        let expected: Vec<(String, bool)> = expected
            .iter()
            .map(|(object, fails)| ((*object).to_owned(), *fails))
            .collect();
        assert_eq!(found, expected);
    }

    #[rstest]
    #[case::kept(false, 5, 0)]
    #[case::fewer_rows(false, 4, 2)]
    #[case::dropped(true, 5, 0)]
    fn a_table_that_may_be_dropped_keeps_its_rows(
        #[case] dropped: bool,
        #[case] rows: u64,
        #[case] failing: usize,
    ) {
        let options = CompareOptions {
            may_be_dropped: patterns(&["app.*"]),
            ..CompareOptions::default()
        };
        let with_table = |rows: u64| {
            let mut database = database("app.t", rows, None, "no");
            let objects = &mut database.catalog.objects;
            objects.insert("table app.t".parse().unwrap(), Default::default());
            database
        };
        let now = match dropped {
            true => {
                let mut now = database("app.t", 5, None, "no");
                now.rows.clear();
                now
            }
            false => with_table(rows),
        };
        let mut rewritten = BTreeMap::new();
        if dropped || rows < 5 {
            let table = QualifiedName::parse("app.t").unwrap();
            rewritten.insert(table, Finding::about("app.t", "rows", "others"));
        }
        let comparison = compare(&with_table(5), &now, rewritten, &options);
        let found = comparison.differences.iter().filter(|one| one.fails);
        assert_eq!(found.count(), failing);
    }

    #[rstest]
    #[case(&[], 1)]
    #[case(&["app.t"], 0)]
    fn an_ignored_table_may_not_lose_its_rows(#[case] may_shrink: &[&str], #[case] failing: usize) {
        let options = CompareOptions {
            ignore: vec![Glob::new("table app.*")],
            may_shrink: patterns(may_shrink),
            ..CompareOptions::default()
        };
        let was = database("app.t", 5, None, "no");
        let comparison = compare(&was, &Database::default(), BTreeMap::new(), &options);
        assert_eq!(comparison.failing(Area::Rows).len(), failing);
    }

    #[test]
    fn a_wider_right_on_an_ignored_table_is_reported() {
        let with = |grant: &str, comment: &str| {
            let mut database = Database::default();
            let properties = [
                ("grant to app_ro".to_owned(), grant.to_owned()),
                ("access method".to_owned(), comment.to_owned()),
            ];
            database
                .catalog
                .objects
                .insert("table app.t".parse().unwrap(), properties.into());
            database
        };
        let options = CompareOptions {
            ignore: vec![Glob::new("table app.*")],
            ..CompareOptions::default()
        };
        let comparison = compare(
            &with("SELECT", "heap"),
            &with("SELECT, UPDATE", "other"),
            BTreeMap::new(),
            &options,
        );
        assert_eq!(comparison.ignored, ["table app.t".parse().unwrap()]);
        assert_eq!(comparison.failing(Area::Rights).len(), 1);
        assert_eq!(comparison.failing(Area::Definition).len(), 0);
    }
}
