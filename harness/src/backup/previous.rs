//! Compares a backup with the previous one of the same stream: what shrank.
//!
//! A backup that lost most of its data is a valid file with a valid end; only the previous backup
//! shows it. Growth is never a fault.

use std::collections::BTreeMap;

use super::{Backup, Contents};
use crate::outcome::{Before, Finding};
use crate::sql::QualifiedName;
use crate::units::{show_bytes, show_count, show_counted};

/// Below this share of the previous backup, in percent, it is a failure.
const LOST: u64 = 10;

/// Below this share of the previous backup, in percent, it is a warning.
const SHRUNK: u64 = 90;

/// Smaller tables are not compared.
const FEW: u64 = 100;

/// Maximum number of tables that are listed; the rest is counted.
const NAMED: usize = 10;

/// The previous successful backup: the newest earlier one without a fault.
#[derive(Debug, Clone)]
pub struct Previous {
    /// Its name.
    pub name: String,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Its contents, where it was inspected.
    pub contents: Option<PreviousContents>,
    /// Names of newer ones that are incomplete or damaged.
    pub passed_over: Vec<String>,
}

/// Rows by database and table; the database is empty where the dump does not connect to it itself.
type Counted = BTreeMap<(String, QualifiedName), u64>;

/// The contents of the previous backup.
#[derive(Debug, Clone)]
pub struct PreviousContents {
    /// Bytes after decompression.
    pub unpacked_bytes: Option<u64>,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Rows per database and table.
    pub rows: Counted,
}

impl PreviousContents {
    /// Takes the numbers of an inspected backup that a later one is compared with.
    #[must_use]
    pub fn of(backup: &Backup) -> Self {
        Self {
            unpacked_bytes: backup.unpacked_bytes,
            sha256: backup.sha256.clone(),
            rows: counts(&backup.contents()),
        }
    }
}

/// The result of the comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// One sentence for the reports.
    pub summary: String,
    /// Both sizes, as compared.
    pub before: Before,
    /// Failures.
    pub problems: Vec<Finding>,
    /// Warnings.
    pub warnings: Vec<Finding>,
}

/// Compares a backup with the previous one. `may_shrink` selects tables that may lose any number of rows.
#[must_use]
pub fn compare(
    backup: &Backup,
    previous: &Previous,
    may_shrink: impl Fn(&QualifiedName) -> bool,
) -> Compared {
    let mut compared = Compared {
        summary: format!(
            "{}, {} before in {}",
            show_bytes(backup.bytes),
            show_bytes(previous.bytes),
            previous.name
        ),
        ..Compared::default()
    };
    let sizes = match previous
        .contents
        .as_ref()
        .map(|inspected| inspected.unpacked_bytes)
    {
        // Sizes are compared after decompression: another compression is not a loss.
        Some(Some(before)) => (backup.unpacked_bytes.unwrap_or(backup.bytes), before),
        Some(None) => (
            backup.unpacked_bytes.unwrap_or(backup.bytes),
            previous.bytes,
        ),
        None => (backup.bytes, previous.bytes),
    };
    compared.before = Before {
        name: previous.name.clone(),
        now: sizes.0,
        before: sizes.1,
    };
    if let Some((list, finding)) = size(sizes, &previous.name, &mut compared) {
        list.push(finding);
    }
    let Some(inspected) = &previous.contents else {
        return compared;
    };
    if inspected.sha256 == backup.sha256 {
        compared.warnings.push(
            Finding::new(
                format!("a file that differs from {}", previous.name),
                "identical bytes",
            )
            .hint("the job stored an old file again, or nothing has changed in the database"),
        );
        return compared;
    }
    let now = counts(&backup.contents());
    let (now, before) = alike_named(now, inspected.rows.clone());
    let total = |rows: &Counted| rows.values().sum::<u64>();
    compared.summary.push_str(&format!(
        "; {}, {} before",
        show_counted(total(&now), "row"),
        show_count(total(&before))
    ));
    rows(&now, &before, &previous.name, may_shrink, &mut compared);
    compared
}

/// Compares the size.
fn size<'a>(
    (now, before): (u64, u64),
    name: &str,
    compared: &'a mut Compared,
) -> Option<(&'a mut Vec<Finding>, Finding)> {
    let share = percent(now, before)?;
    let finding =
        |expected: String| Finding::new(expected, format!("{}, {share} % of it", show_bytes(now)));
    if share < LOST {
        let expected = format!("at least {LOST} % of {} in {name}", show_bytes(before));
        let hint = "most of the backup is missing: check what the job dumped; if the database really shrank, set `compare = \"off\"` in `[backup.previous]` once";
        Some((&mut compared.problems, finding(expected).hint(hint)))
    } else if share < SHRUNK {
        let expected = format!("about {} as in {name}", show_bytes(before));
        Some((&mut compared.warnings, finding(expected)))
    } else {
        None
    }
}

/// A dump with `--create` names its database and one without does not. One of each are of the same database all the same.
fn alike_named(now: Counted, before: Counted) -> (Counted, Counted) {
    let unnamed = |rows: &Counted| rows.keys().all(|(database, _)| database.is_empty());
    let of_one = |rows: &Counted| {
        let mut databases = rows.keys().map(|(database, _)| database);
        let first = databases.next();
        databases.all(|other| Some(other) == first)
    };
    let without = |rows: Counted| {
        let rows = rows.into_iter();
        rows.map(|((_, table), count)| ((String::new(), table), count))
            .collect()
    };
    match (unnamed(&now) && of_one(&before)) || (unnamed(&before) && of_one(&now)) {
        true => (without(now), without(before)),
        false => (now, before),
    }
}

/// Compares every table of the previous backup.
fn rows(
    now: &Counted,
    before: &Counted,
    name: &str,
    may_shrink: impl Fn(&QualifiedName) -> bool,
    compared: &mut Compared,
) {
    let (mut lost, mut shrunk) = (Vec::new(), Vec::new());
    for (key @ (database, table), before) in before {
        let rows_now = now.get(key);
        let Some(share) = percent(rows_now.copied().unwrap_or(0), *before) else {
            continue;
        };
        if *before < FEW || share >= SHRUNK || may_shrink(table) {
            continue;
        }
        let object = if database.is_empty() {
            table.to_string()
        } else {
            format!("{database}: {table}")
        };
        let actual = match rows_now {
            Some(rows) => format!("{}, {share} % of it", show_counted(*rows, "row")),
            None => "the table is not in the backup".to_owned(),
        };
        if share < LOST {
            let expected = format!(
                "at least {LOST} % of the {} in {name}",
                show_counted(*before, "row")
            );
            lost.push(Finding::about(object, expected, actual).hint(
                "check whether the table was excluded or emptied; add a table that may lose its rows to `may-shrink` in `[backup.previous]`",
            ));
        } else {
            let expected = format!("about {} as in {name}", show_counted(*before, "row"));
            shrunk.push(Finding::about(object, expected, actual));
        }
    }
    for (list, found) in [
        (&mut compared.problems, lost),
        (&mut compared.warnings, shrunk),
    ] {
        let more = found.len().saturating_sub(NAMED);
        list.extend(found.into_iter().take(NAMED));
        if more > 0 {
            list.push(Finding::new(
                format!("about the rows of {name}"),
                format!("{more} more tables like these"),
            ));
        }
    }
}

/// `now` in percent of `before`, rounded down.
fn percent(now: u64, before: u64) -> Option<u64> {
    let share = u128::from(now) * 100 / u128::from(before).max(1);
    (before > 0).then(|| u64::try_from(share).unwrap_or(u64::MAX))
}

fn counts(contents: &Contents) -> Counted {
    contents
        .rows
        .iter()
        .map(|(key, rows)| (key.clone(), rows.count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Part;
    use crate::backup::contents::Rows;
    use crate::backup::format::Format;
    use crate::backup::packing::Keys;
    use rstest::rstest;
    use std::sync::Arc;

    fn backup(bytes: u64, tables: &[(&str, u64)]) -> Backup {
        let mut contents = Contents::default();
        for (table, count) in tables {
            let rows = Rows {
                count: *count,
                ..Rows::default()
            };
            let table = QualifiedName::parse(table).unwrap();
            contents.rows.insert((String::new(), table), rows);
        }
        Backup {
            path: "x".into(),
            origin: "x".to_owned(),
            chosen: String::new(),
            candidates: (Vec::new(), 0),
            picked: None,
            format: "plain SQL".to_owned(),
            fetched_in: None,
            bytes,
            unpacked_bytes: None,
            sha256: format!("{bytes} {tables:?}"),
            digest: None,
            manifest: None,
            made: None,
            physical: None,
            parts: vec![Part {
                name: "x".to_owned(),
                path: "x".into(),
                unpacked: None,
                layers: Vec::new(),
                keys: Keys::default(),
                format: Format::Plain,
                bytes,
                unpacked_bytes: bytes,
                text_bytes: bytes,
                sha256: String::new(),
                named_database: None,
                server: None,
                contents: Arc::new(contents),
            }],
            tiers: Vec::new(),
            companions: Vec::new(),
            previous: None,
            before: None,
            globals_beside: None,
            missing_roles: None,
            problems: Vec::new(),
            warnings: Vec::new(),
            consists_of: Vec::new(),
        }
    }

    fn compared(now: &Backup, before: &Backup) -> (usize, usize) {
        let previous = Previous {
            name: "before".to_owned(),
            bytes: before.bytes,
            contents: Some(PreviousContents::of(before)),
            passed_over: Vec::new(),
        };
        let found = compare(now, &previous, |table| table.name == "outbox");
        (found.problems.len(), found.warnings.len())
    }

    #[rstest]
    #[case(1000, 1000, (0, 0))]
    #[case(5000, 1000, (0, 0))]
    #[case(900, 1000, (0, 0))]
    #[case(899, 1000, (0, 1))]
    #[case(100, 1000, (0, 1))]
    #[case(99, 1000, (1, 0))]
    #[case(0, 1000, (1, 0))]
    #[case(10, 0, (0, 0))]
    fn f45_sizes_are_compared(
        #[case] now: u64,
        #[case] before: u64,
        #[case] expected: (usize, usize),
    ) {
        assert_eq!(
            compared(&backup(now, &[("a.b", 1)]), &backup(before, &[("a.b", 2)])),
            expected
        );
    }

    #[rstest]
    #[case(&[("app.orders", 1000)], &[("app.orders", 1000), ("app.new", 5)], (0, 0))]
    #[case(&[("app.orders", 1000)], &[("app.orders", 950)], (0, 0))]
    #[case(&[("app.orders", 1000)], &[("app.orders", 500)], (0, 1))]
    #[case(&[("app.orders", 1000)], &[("app.orders", 99)], (1, 0))]
    #[case(&[("app.orders", 1000)], &[], (1, 0))]
    #[case(&[("app.few", 99)], &[("app.few", 0)], (0, 0))]
    #[case(&[("app.outbox", 1000)], &[("app.outbox", 0)], (0, 0))]
    fn f39_tables_are_compared(
        #[case] before: &[(&str, u64)],
        #[case] now: &[(&str, u64)],
        #[case] expected: (usize, usize),
    ) {
        assert_eq!(compared(&backup(7, now), &backup(7, before)), expected);
    }

    #[rstest]
    #[case::with_create_since(&["", ""], &["shop", "shop"], (0, 0))]
    #[case::without_since(&["shop", "shop"], &["", ""], (0, 0))]
    #[case::another_database(&["shop", "shop"], &["stage", "stage"], (2, 0))]
    #[case::one_of_two(&["shop", "crm"], &["", ""], (2, 0))]
    fn a_dump_with_create_is_of_the_same_database(
        #[case] before: &[&str],
        #[case] now: &[&str],
        #[case] expected: (usize, usize),
    ) {
        let of = |databases: &[&str]| -> Counted {
            let tables =
                ["app.orders", "app.items"].map(|name| QualifiedName::parse(name).unwrap());
            let keys = databases.iter().map(|name| (*name).to_owned()).zip(tables);
            keys.map(|key| (key, 1000)).collect()
        };
        let (now, before) = alike_named(of(now), of(before));
        let mut compared = Compared::default();
        rows(&now, &before, "before", |_| false, &mut compared);
        assert_eq!((compared.problems.len(), compared.warnings.len()), expected);
    }

    #[test]
    fn f46_the_same_file_again_is_a_warning() {
        let one = backup(7, &[("a.b", 5)]);
        assert_eq!(compared(&one, &one.clone()), (0, 1));
    }

    #[test]
    fn many_tables_are_counted() {
        let tables: Vec<(String, u64)> = (0..30).map(|n| (format!("a.t{n}"), 1000)).collect();
        let before: Vec<(&str, u64)> = tables.iter().map(|(t, n)| (t.as_str(), *n)).collect();
        assert_eq!(
            compared(&backup(7, &[]), &backup(7, &before)),
            (NAMED + 1, 0)
        );
    }
}
