//! Holds a database against its baseline; gives the differences, each of which can be accepted by itself.
//!
//! A manifest speaks of the very rows that are in the dump, so everything must be equal. A baseline speaks of
//! an earlier moment: rows added since and changed in tables that may change are life; definitions, rights,
//! tables that shrank, sequences that went back and the history of append-only tables are held to it.

use std::collections::BTreeMap;

use super::{Database, Rows};
use crate::catalog::compare::{Change, Scope, Weight, What, compare as compare_catalogs, is_right};
use crate::catalog::{Catalog, ObjectId, ObjectKind};
use crate::input::tables::{LARGE_OBJECTS, TablePattern};
use crate::outcome::Finding;
use crate::sql::{Glob, QualifiedName};
use crate::units::show_count;

/// What a difference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// Who may do what.
    Rights,
    /// How an object is defined.
    Definition,
    /// The history of a table that only grows.
    History,
    /// How many rows a table holds, or which.
    Rows,
    /// The value of a sequence.
    Sequences,
}

impl Area {
    /// All, in the order of reports.
    pub const ALL: [Self; 5] = [
        Self::Rights,
        Self::Definition,
        Self::History,
        Self::Rows,
        Self::Sequences,
    ];

    /// The area of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|area| area.word() == word)
    }

    /// The word of reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rights => "rights",
            Self::Definition => "definition",
            Self::History => "history",
            Self::Rows => "rows",
            Self::Sequences => "sequences",
        }
    }

    /// What an object is called where the area says of which kind it is: a table and a sequence by their name alone.
    #[must_use]
    pub fn name_of(self, object: &ObjectId) -> String {
        match (self, object.qualified_name()) {
            (Self::History | Self::Rows | Self::Sequences, Some(name)) => name.to_string(),
            _ => object.to_string(),
        }
    }

    /// Reads what [`Area::name_of`] gives.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn parse_object(self, text: &str) -> Result<ObjectId, String> {
        let kind = match self {
            Self::Rights | Self::Definition => return text.parse(),
            Self::Rows if text == LARGE_OBJECTS => {
                return Ok(ObjectId::large_objects());
            }
            Self::History | Self::Rows => ObjectKind::Table,
            Self::Sequences => ObjectKind::Sequence,
        };
        let name = QualifiedName::parse(text)?;
        Ok(ObjectId::qualified(kind, &name))
    }
}

/// What is held, and what may differ.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Whether rows must be the same, and not only not fewer.
    pub exact: bool,
    /// Tables that may lose rows or end, as patterns.
    pub may_shrink: Vec<TablePattern>,
    /// Objects whose definition is not held, as patterns.
    pub ignore: Vec<Glob>,
    /// What the backup can speak of.
    pub scope: Scope,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is about.
    pub area: Area,
    /// The object; of rows, history and sequences the table, the sequence, or all large objects.
    pub object: ObjectId,
    /// The property of it, where it is one.
    pub property: Option<String>,
    /// Whether a right became wider.
    pub widened: bool,
    /// Whether it is a failure; otherwise it is life, and told.
    pub fails: bool,
    /// As reports show it.
    pub finding: Finding,
}

/// What a comparison gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Everything that is not as it was.
    pub differences: Vec<Difference>,
    /// Tables with more rows than there were.
    pub grown: u64,
    /// Tables with as many rows and other values.
    pub changed: u64,
    /// Objects that an `ignore` left out.
    pub ignored: Vec<ObjectId>,
}

/// Compares a database with its baseline. What became of histories was looked at in the database itself:
/// `rewritten` has the tables whose history is not what it was.
#[must_use]
pub fn compare(
    was: &Database,
    now: &Database,
    rewritten: BTreeMap<QualifiedName, Finding>,
    terms: &Terms,
) -> Compared {
    let mut compared = Compared::default();
    definitions(&was.catalog, &now.catalog, terms, &mut compared);
    histories(rewritten, terms, &mut compared);
    rows(was, now, terms, &mut compared);
    sequences(was, now, terms.exact, &mut compared);
    compared.differences.sort_by_cached_key(|one| {
        let name = one.area.name_of(&one.object);
        (one.area, name, one.property.clone())
    });
    compared
}

impl Terms {
    /// Whether a table may lose rows.
    fn may_shrink(&self, table: &QualifiedName) -> bool {
        let mut patterns = self.may_shrink.iter();
        patterns.any(|pattern| pattern.matches(table))
    }

    /// Whether large objects may become fewer.
    fn may_shrink_large_objects(&self) -> bool {
        let mut patterns = self.may_shrink.iter();
        patterns.any(|pattern| pattern.matches_text(LARGE_OBJECTS))
    }

    /// Whether the definition of an object is left out.
    fn ignores(&self, object: &ObjectId) -> bool {
        let object = object.to_string();
        self.ignore.iter().any(|pattern| pattern.matches(&object))
    }
}

fn definitions(was: &Catalog, now: &Catalog, terms: &Terms, compared: &mut Compared) {
    for change in compare_catalogs(was, now, &terms.scope) {
        let widened = change.weight == Weight::Widened;
        // What opens a door is told whatever else is left out.
        if !widened && terms.ignores(&change.object) {
            if !compared.ignored.contains(&change.object) {
                compared.ignored.push(change.object.clone());
            }
            continue;
        }
        let is_table = change.object.kind == ObjectKind::Table && change.object.part.is_none();
        let table = change.object.qualified_name().filter(|_| is_table);
        let ended = change.what == What::Removed
            && change.property.is_none()
            && table.is_some_and(|table| terms.may_shrink(&table));
        let fails = match change.weight {
            Weight::Widened | Weight::Broken => !ended,
            Weight::Note => false,
        };
        compared.differences.push(Difference {
            area: area(&change),
            finding: change.finding(),
            object: change.object,
            property: change.property,
            widened,
            fails,
        });
    }
}

/// What a change of the catalog is about.
fn area(change: &Change) -> Area {
    let of_right = |property: &str| property == "owner" || is_right(property);
    let about_rights = change.weight == Weight::Widened
        || change.property.as_deref().is_some_and(of_right)
        || [ObjectKind::Role, ObjectKind::DefaultPrivileges].contains(&change.object.kind);
    if about_rights {
        Area::Rights
    } else {
        Area::Definition
    }
}

fn histories(rewritten: BTreeMap<QualifiedName, Finding>, terms: &Terms, compared: &mut Compared) {
    for (table, finding) in rewritten {
        compared.differences.push(Difference {
            area: Area::History,
            fails: !terms.may_shrink(&table),
            object: ObjectId::qualified(ObjectKind::Table, &table),
            property: None,
            widened: false,
            finding,
        });
    }
}

fn rows(was: &Database, now: &Database, terms: &Terms, compared: &mut Compared) {
    let mut tell = |object: ObjectId, fails: bool, finding: Finding| {
        compared.differences.push(Difference {
            area: Area::Rows,
            object,
            property: None,
            widened: false,
            fails,
            finding,
        });
    };
    let mut grown = 0;
    let mut changed = 0;
    for (table, before) in &was.rows {
        let object = ObjectId::qualified(ObjectKind::Table, table);
        let may_shrink = terms.may_shrink(table);
        let Some(after) = now.rows.get(table) else {
            // That a table is gone, its definition says, unless nobody holds that: its rows are held all the same.
            if terms.ignores(&object) {
                let expected = format!("the {} rows of the baseline", show_count(before.count));
                let finding = Finding::about(table.to_string(), expected, "the table is not there")
                    .hint("if this table may end, name it in `may-shrink`");
                tell(object, !may_shrink, finding);
            }
            continue;
        };
        match judge(before, after, terms.exact) {
            Judged::Same => {}
            Judged::Grown => grown += 1,
            Judged::Changed => changed += 1,
            Judged::Wrong(actual) => {
                let expected = match terms.exact {
                    true => format!("{} rows, those of the snapshot", show_count(before.count)),
                    false => format!(
                        "at least the {} rows of the baseline",
                        show_count(before.count)
                    ),
                };
                let hint = match terms.exact {
                    true => {
                        "the backup is not the one that the manifest was written with, or rows were lost or changed on the way"
                    }
                    false => "if rows of this table may end, name it in `may-shrink`",
                };
                let fails = terms.exact || !may_shrink;
                tell(
                    object,
                    fails,
                    Finding::about(table.to_string(), expected, actual).hint(hint),
                );
            }
        }
    }
    let (before, after) = (&was.large_objects, &now.large_objects);
    if let Judged::Wrong(actual) = judge(before, after, terms.exact) {
        let finding = Finding::about(
            LARGE_OBJECTS,
            format!("{} of them, as they were", show_count(before.count)),
            actual.replace("rows", "of them"),
        );
        tell(
            ObjectId::large_objects(),
            terms.exact || !terms.may_shrink_large_objects(),
            finding,
        );
    }
    compared.grown = grown;
    compared.changed = changed;
}

/// What became of the rows of a table.
#[derive(Debug, PartialEq, Eq)]
enum Judged {
    Same,
    Grown,
    Changed,
    Wrong(String),
}

fn judge(before: &Rows, after: &Rows, exact: bool) -> Judged {
    let other_values = match (&before.digest, &after.digest) {
        (Some(before), Some(after)) => before != after,
        _ => false,
    };
    match after.count.cmp(&before.count) {
        std::cmp::Ordering::Equal if !other_values => Judged::Same,
        std::cmp::Ordering::Equal if exact => Judged::Wrong(format!(
            "{} rows, with other values",
            show_count(after.count)
        )),
        std::cmp::Ordering::Equal => Judged::Changed,
        std::cmp::Ordering::Greater if !exact => Judged::Grown,
        std::cmp::Ordering::Less | std::cmp::Ordering::Greater => {
            Judged::Wrong(format!("{} rows", show_count(after.count)))
        }
    }
}

fn sequences(was: &Database, now: &Database, exact: bool, compared: &mut Compared) {
    for (sequence, before) in &was.sequences {
        let object = ObjectId::qualified(ObjectKind::Sequence, sequence);
        let (Some(definition), Some(_)) = (
            now.catalog.objects.get(&object),
            was.catalog.objects.get(&object),
        ) else {
            continue;
        };
        let cycles = definition.get("cycle").is_some_and(|cycle| cycle == "yes");
        let down = definition
            .get("increment")
            .is_some_and(|increment| increment.starts_with('-'));
        let after = now.sequences.get(sequence).copied();
        let back = match after {
            None => true,
            Some(after) if down => after > *before,
            Some(after) => after < *before,
        };
        if back && (exact || !cycles) {
            let actual = after.map_or("it was never used".to_owned(), |after| after.to_string());
            compared.differences.push(Difference {
                area: Area::Sequences,
                object,
                property: None,
                widened: false,
                fails: true,
                finding: Finding::about(
                    format!("sequence {sequence}"),
                    format!("{before}, or further on"),
                    actual,
                )
                .hint("a sequence that goes back gives numbers again that were given before"),
            });
        }
    }
}

impl Compared {
    /// The findings that are failures, of one area.
    pub fn failing(&self, area: Area) -> impl Iterator<Item = &Finding> {
        self.differences
            .iter()
            .filter(move |difference| difference.fails && difference.area == area)
            .map(|difference| &difference.finding)
    }

    /// What is told and no failure, by area: the objects.
    #[must_use]
    pub fn notes(&self) -> BTreeMap<Area, Vec<&Difference>> {
        let mut notes: BTreeMap<Area, Vec<&Difference>> = BTreeMap::new();
        for difference in self
            .differences
            .iter()
            .filter(|difference| !difference.fails)
        {
            notes.entry(difference.area).or_default().push(difference);
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn rows_of(count: u64, digest: Option<&str>) -> Rows {
        Rows {
            count,
            digest: digest.map(str::to_owned),
        }
    }

    #[rstest]
    #[case(5, None, 5, None, false, Judged::Same)]
    #[case(5, Some("a"), 5, Some("b"), false, Judged::Changed)]
    #[case(5, Some("a"), 5, Some("b"), true, Judged::Wrong("5 rows, with other values".to_owned()))]
    #[case(5, Some("a"), 5, Some("a"), true, Judged::Same)]
    #[case(5, None, 6, None, false, Judged::Grown)]
    #[case(5, None, 6, None, true, Judged::Wrong("6 rows".to_owned()))]
    #[case(5, None, 4, None, false, Judged::Wrong("4 rows".to_owned()))]
    #[case(5, Some("a"), 0, Some("b"), false, Judged::Wrong("0 rows".to_owned()))]
    fn rows_are_judged(
        #[case] before: u64,
        #[case] was: Option<&str>,
        #[case] after: u64,
        #[case] now: Option<&str>,
        #[case] exact: bool,
        #[case] judged: Judged,
    ) {
        assert_eq!(
            judge(&rows_of(before, was), &rows_of(after, now), exact),
            judged
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
    fn what_shrank_or_went_back_is_told(
        #[case] may_shrink: &[&str],
        #[case] rows: u64,
        #[case] sequence: Option<i64>,
        #[case] cycle: &str,
        #[case] told: &[(&str, bool)],
    ) {
        let terms = Terms {
            may_shrink: patterns(may_shrink),
            ..Terms::default()
        };
        let was = database("app.t", 5, Some(9), cycle);
        let compared = compare(
            &was,
            &database("app.t", rows, sequence, cycle),
            BTreeMap::new(),
            &terms,
        );
        let found: Vec<(String, bool)> = compared
            .differences
            .iter()
            .map(|one| (one.area.name_of(&one.object), one.fails))
            .collect();
        let told: Vec<(String, bool)> = told
            .iter()
            .map(|(object, fails)| ((*object).to_owned(), *fails))
            .collect();
        assert_eq!(found, told);
    }

    #[rstest]
    #[case(&[], 1)]
    #[case(&["app.t"], 0)]
    fn a_table_that_is_ignored_still_may_not_take_its_rows_away(
        #[case] may_shrink: &[&str],
        #[case] failing: usize,
    ) {
        let terms = Terms {
            ignore: vec![Glob::new("table app.*")],
            may_shrink: patterns(may_shrink),
            ..Terms::default()
        };
        let was = database("app.t", 5, None, "no");
        let compared = compare(&was, &Database::default(), BTreeMap::new(), &terms);
        assert_eq!(compared.failing(Area::Rows).count(), failing);
    }

    #[test]
    fn a_table_that_is_ignored_still_may_not_open_a_door() {
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
        let terms = Terms {
            ignore: vec![Glob::new("table app.*")],
            ..Terms::default()
        };
        let compared = compare(
            &with("SELECT", "heap"),
            &with("SELECT, UPDATE", "other"),
            BTreeMap::new(),
            &terms,
        );
        assert_eq!(compared.ignored, ["table app.t".parse().unwrap()]);
        assert_eq!(compared.failing(Area::Rights).count(), 1);
        assert_eq!(compared.failing(Area::Definition).count(), 0);
    }
}
