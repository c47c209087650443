//! Which database each dump of a backup is restored into.

use std::collections::{BTreeMap, BTreeSet};

use super::method;
use super::settings::Restore;
use crate::backup::source::stream_of;
use crate::backup::{Backup, Part};
use crate::outcome::Finding;

/// The database for a dump that names none.
const UNNAMED: &str = "restored";

/// The database to create for a dump; `None` for a dump that connects to its database itself.
#[must_use]
pub fn database_of(part: &Part, settings: &Restore) -> Option<String> {
    if !part.contents.connects.is_empty() || part.is_globals() {
        return None;
    }
    let in_bundle = part.named_database.as_ref();
    let only = settings.database.as_ref().filter(|_| in_bundle.is_none());
    let database = settings
        .databases
        .get(&part.name)
        .or(only)
        .or(part.contents.origin.as_ref())
        .or(in_bundle);
    Some(database.map_or_else(|| UNNAMED.to_owned(), Clone::clone))
}

/// Whether the owner, rights, settings and comment of the database itself are restored: those of an archive, into a
/// database of the name that it had.
#[must_use]
pub fn restores_database(part: &Part, settings: &Restore) -> bool {
    let origin = part.contents.origin.as_ref();
    part.contents.archive.is_some()
        && !method::reads_file(part, settings)
        && origin.is_some()
        && database_of(part, settings).as_ref() == origin
}

/// All databases that the backup is restored into, in order.
#[must_use]
pub fn databases(backup: &Backup, settings: &Restore) -> Vec<String> {
    let mut all = Vec::new();
    for part in &backup.parts {
        let own = database_of(part, settings);
        for database in own.into_iter().chain(part.contents.databases()) {
            if !all.contains(&database) {
                all.push(database);
            }
        }
    }
    all
}

/// Databases that checks name, each once for every check, and that nothing is restored into.
#[must_use]
pub fn absent<'a>(
    backup: &Backup,
    settings: &Restore,
    named: impl Iterator<Item = &'a str>,
) -> Vec<Finding> {
    let there = databases(backup, settings);
    let mut absent: BTreeMap<&str, usize> = BTreeMap::new();
    for name in named {
        // Every server has these.
        if !matches!(name, "postgres" | "template1") && !there.iter().any(|one| one == name) {
            *absent.entry(name).or_default() += 1;
        }
    }
    let findings = absent.into_iter().map(|(name, checks)| {
        let checks = match checks {
            1 => "1 check names it".to_owned(),
            several => format!("{several} checks name it"),
        };
        Finding::about(
            format!("database {name}"),
            format!("a dump that is restored into it: {checks}"),
            format!("the backup is restored into {}", there.join(", ")),
        )
        .hint(match there.as_slice() {
            [only] if only == UNNAMED => format!(
                "the dump does not say of which database it is: write `database = \"{name}\"` in `[restore]`"
            ),
            _ => "its dump is missing from the backup; or the scenario gives it another name, by `database` or `databases` in `[restore]` or in `[[backup.part]]`".to_owned(),
        })
    });
    findings.collect()
}

/// Stubs of extensions whose schema is also one of the application: what is passed over there would be its own.
#[must_use]
pub fn shared_schemas(backup: &Backup, settings: &Restore) -> Vec<Finding> {
    let contents = backup.contents();
    let stubs = settings.stub.iter();
    let stubs = stubs.filter(|stub| contents.extensions.contains(&stub.extension));
    let shared = stubs.filter_map(|stub| {
        let schema = stub.schema.as_ref()?;
        let mut objects = contents.objects.list.iter();
        let is_own = objects.any(|object| match object.kind.as_str() {
            "SCHEMA" => object.name == *schema,
            // About objects of the extension too.
            "ACL" | "COMMENT" | "DEFAULT ACL" | "SECURITY LABEL" => false,
            _ => object.schema == *schema,
        });
        is_own.then(|| {
            Finding::about(
                format!("extension {}", stub.extension),
                format!("nothing but the extension in {schema}, as `schema` in `[[restore.stub]]` says"),
                "the backup defines it, or objects in it, itself",
            )
            .hint("name the schema that CREATE EXTENSION makes, or leave `schema` out: what the backup defines must be restored")
        })
    });
    shared.collect()
}

/// Errors in the databases that the dumps are restored into: several dumps for one, a database for a dump that
/// does not exist.
#[must_use]
pub fn problems(backup: &Backup, settings: &Restore) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut nights: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (at, part) in backup.parts.iter().enumerate() {
        let clashes = backup.parts[..at]
            .iter()
            .find_map(|other| Some((other, clash(part, other, settings)?)));
        let Some((other, what)) = clashes else {
            continue;
        };
        let stream = stream_of(&part.name);
        if stream != part.name && stream == stream_of(&other.name) {
            let names = nights.entry(stream).or_default();
            if names.is_empty() {
                names.push(&other.name);
            }
            names.push(&part.name);
            continue;
        }
        findings.push(
            Finding::about(
                &part.name,
                "a separate database",
                format!("{what}, like {}", other.name),
            )
            .hint("assign a database to each: `[restore] databases = { \"FILE\" = \"DATABASE\" }`"),
        );
    }
    findings.extend(
        nights
            .iter()
            .map(|(stream, names)| several_nights(backup, stream, names)),
    );
    for part in &backup.parts {
        let assigned = settings.databases.get(&part.name);
        if let Some(assigned) = assigned.filter(|assigned| misses(part, assigned)) {
            let own = part.contents.databases().join(", ");
            findings.push(
                Finding::about(
                    &part.name,
                    format!("a dump for the database `{assigned}`, which the scenario assigns to it"),
                    format!("it connects by itself to {own}"),
                )
                .hint("it is another backup, or the scenario names a wrong database: leave `database` out for a dump that creates its own"),
            );
        }
    }
    for name in settings.databases.keys() {
        if !backup.parts.iter().any(|part| part.name == *name) {
            let names: Vec<&str> = backup.parts.iter().map(|part| part.name.as_str()).collect();
            findings.push(
                Finding::about(
                    name,
                    "a dump of the bundle with this name, which `databases` in `[restore]` names",
                    format!("the backup contains {}", names.join(", ")),
                )
                .hint("correct the name, including its folders"),
            );
        }
    }
    findings
}

/// The databases of a dump with something in them.
fn all_of(part: &Part, settings: &Restore) -> BTreeSet<String> {
    let contents = &part.contents;
    let filled = contents
        .rows
        .keys()
        .chain(&contents.tables)
        .map(|(name, _)| name);
    let filled = filled.filter(|name| !name.is_empty()).cloned();
    let own = database_of(part, settings)
        .into_iter()
        .chain(contents.databases());
    own.chain(filled).collect()
}

/// Whether a dump that connects to its databases itself does not connect to this one.
fn misses(part: &Part, database: &str) -> bool {
    let own = part.contents.databases();
    !part.contents.connects.is_empty() && !own.iter().any(|own| own == database)
}

/// What two dumps of one backup cannot both create.
fn clash(part: &Part, other: &Part, settings: &Restore) -> Option<String> {
    if part.server != other.server {
        // A check names a database and no server.
        let own = all_of(part, settings);
        let same = all_of(other, settings)
            .into_iter()
            .find(|name| own.contains(name))?;
        return Some(format!(
            "it has a database `{same}` on another server, and a check could not say which"
        ));
    }
    let own = database_of(part, settings);
    if let Some(database) = own.filter(|own| database_of(other, settings).as_ref() == Some(own)) {
        return Some(format!("it is restored into `{database}`"));
    }
    let twice = |name: &&String| other.contents.creates.contains(name);
    if let Some(database) = part.contents.creates.iter().find(twice) {
        return Some(format!("it creates the database `{database}`"));
    }
    let same_job = stream_of(&part.name) == stream_of(&other.name);
    (same_job && part.is_globals() && other.is_globals()).then(|| "it creates roles".to_owned())
}

/// The finding that dumps of one job at several times are one backup.
fn several_nights(backup: &Backup, stream: &str, names: &[&str]) -> Finding {
    let (first, last) = (names.iter().min(), names.iter().max());
    let finding = Finding::about(
        stream,
        "one dump, since all dumps of a folder are one backup",
        format!(
            "{} dumps of several times, from {} to {}",
            names.len(),
            first.unwrap_or(&""),
            last.unwrap_or(&""),
        ),
    );
    let is_globals = |name: &&&str| {
        let mut parts = backup.parts.iter();
        parts.any(|part| part.name == **name && part.is_globals())
    };
    let hint = match names.iter().find(is_globals) {
        Some(_) => {
            format!("name them next to the newest dump: `globals = \"{stream}\"` in `[backup]`")
        }
        None if backup.path.is_dir() => {
            let folder = std::path::absolute(&backup.path);
            let folder = folder.unwrap_or_else(|_| backup.path.clone());
            format!(
                "drill the newest: `newest = \"{}\"` in `[backup]`, or name one file",
                folder.join(stream).display()
            )
        }
        None => "pack each of them separately".to_owned(),
    };
    finding.hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::inspect::{Inspection, inspect};
    use crate::backup::source::{Rules, path};
    use crate::backup::spool::Spool;
    use rstest::rstest;

    const ROWS: &str = "CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n\\.\n";
    const CREATES: &str = "CREATE DATABASE shop;\n\\connect shop\n";

    fn problems_of(files: &[(&str, &str)], settings: &Restore) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, sql) in files {
            let path = folder.path().join("b").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, sql).unwrap();
        }
        let found = path::find(&folder.path().join("b"), &Rules::default()).unwrap();
        let spool = Spool::in_folder(folder.path().join("spool"));
        let backup = inspect(&found, &Inspection::quiet(spool)).unwrap();
        let findings = problems(&backup, settings);
        let about = findings.into_iter().map(|finding| {
            assert!(finding.hint.is_some());
            format!("{}: {}", finding.object.unwrap_or_default(), finding.actual)
        });
        about.collect()
    }

    #[rstest]
    #[case::two(&["shop.sql", "users-2026-05-25.sql"], &[])]
    #[case::nights(
        &["shop-2026-05-23.sql", "shop-2026-05-24.sql", "shop-2026-05-25.sql", "users-2026-05-25.sql"],
        &["shop-*.sql: 3 dumps of several times, from shop-2026-05-23.sql to shop-2026-05-25.sql"]
    )]
    #[case::folders(
        &["2026-05-24/shop.sql", "2026-05-25/shop.sql"],
        &["*/shop.sql: 2 dumps of several times, from 2026-05-24/shop.sql to 2026-05-25/shop.sql"]
    )]
    #[case::no_dates(&["a/shop.sql", "b/shop.sql"], &["b/shop.sql: it is restored into `shop`, like a/shop.sql"])]
    fn one_database_has_one_dump(#[case] names: &[&str], #[case] expected: &[&str]) {
        let files: Vec<(&str, &str)> = names.iter().map(|name| (*name, ROWS)).collect();
        assert_eq!(problems_of(&files, &Restore::default()), expected);
    }

    #[test]
    fn dumps_that_create_their_database_are_compared_too() {
        let sql = format!("{CREATES}{ROWS}");
        let nights = [
            ("s-2026-05-24.sql", sql.as_str()),
            ("s-2026-05-25.sql", &sql),
        ];
        let found = problems_of(&nights, &Restore::default());
        assert_eq!(found.len(), 1, "{found:?}");
        let two = [("a.sql", sql.as_str()), ("b.sql", &sql)];
        let found = problems_of(&two, &Restore::default());
        assert_eq!(found, ["b.sql: it creates the database `shop`, like a.sql"]);
        let roles = "CREATE ROLE a;\n";
        let nights = [
            ("g-2026-05-24.sql", roles),
            ("g-2026-05-25.sql", roles),
            ("s.sql", ROWS),
        ];
        let found = problems_of(&nights, &Restore::default());
        assert_eq!(
            found,
            ["g-*.sql: 2 dumps of several times, from g-2026-05-24.sql to g-2026-05-25.sql"]
        );
    }

    #[test]
    fn the_scenario_may_assign_a_database_to_each() {
        let files = [("s-2026-05-24.sql", ROWS), ("s-2026-05-25.sql", ROWS)];
        let databases = [("s-2026-05-24.sql", "before"), ("s-2026-05-25.sql", "now")];
        let own = |(file, database): (&str, &str)| (file.to_owned(), database.to_owned());
        let settings = Restore {
            databases: databases.into_iter().map(own).collect(),
            ..Restore::default()
        };
        assert_eq!(problems_of(&files, &settings), [""; 0]);
    }
}
