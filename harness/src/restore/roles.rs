//! Required roles that neither the backup nor the scenario creates. Each makes many statements fail, so they are
//! one finding, which is known before a server is started.

use super::log::Message;
use super::settings::Restore;
use super::tolerance::Tolerance;
use crate::backup::Backup;
use crate::backup::source::globals::Suggestion;
use crate::outcome::Finding;
use crate::server::extension::is_part_of_postgres;
use crate::toml_text::line;

/// Extensions outside of Postgres that are known to create no role.
const WITHOUT_ROLES: &[&str] = &[
    "age",
    "hll",
    "pg_repack",
    "pgtap",
    "postgis",
    "postgis_topology",
    "vector",
];

/// Words that a statement may have in place of a role.
const KEYWORDS: &[&str] = &[
    "all",
    "current_role",
    "current_user",
    "group",
    "session_user",
    "user",
];

/// Finds the roles without which the restore fails; `None` also where that is not certain, because an extension or
/// a tolerated error may be the reason that the backup restores without them.
#[must_use]
pub fn missing(backup: &Backup, settings: &Restore) -> Option<Finding> {
    let contents = backup.contents();
    let creates_roles = |extension: &String| {
        !is_part_of_postgres(extension) && !WITHOUT_ROLES.contains(&extension.as_str())
    };
    if contents.extensions.iter().any(creates_roles) {
        return None;
    }
    let tolerance = Tolerance {
        scenario: &settings.tolerate,
        superuser: &contents.bootstrap_superuser(),
        drops: &Default::default(),
    };
    let missing: Vec<String> = contents
        .roles_needed()
        .into_iter()
        .filter(|role| !KEYWORDS.contains(role) && !settings.makes_role(role))
        .filter(|role| !is_tolerated(role, &tolerance))
        .map(str::to_owned)
        .collect();
    let expected = "the roles that own its objects or are named in its rights and policies";
    let globals = backup.parts.iter().find(|part| part.is_globals());
    (!missing.is_empty()).then(|| match globals {
        Some(globals) => with_hint(
            &missing,
            expected.to_owned(),
            &format!(
                "{} creates other roles and not {}: it is of another server or another time, or was edited; write both with one \
                 job, `pg_dumpall --globals-only` and the dump",
                globals.name,
                if missing.len() == 1 { "this one" } else { "these" }
            ),
        ),
        None => finding(&missing, expected.to_owned(), backup.globals_beside.as_ref()),
    })
}

/// Whether the scenario tolerates the errors of a missing role. Servers differ in the SQLSTATE, and pg_restore
/// prints none.
fn is_tolerated(role: &str, tolerance: &Tolerance<'_>) -> bool {
    ["42704", "22023", ""].iter().any(|sqlstate| {
        let message = Message {
            sqlstate: (*sqlstate).to_owned(),
            raw: format!("role \"{role}\" does not exist"),
            ..Message::default()
        };
        tolerance.reason(&message).is_some()
    })
}

/// One finding for all roles that are missing.
pub(super) fn finding(
    roles: &[String],
    expected: String,
    suggestion: Option<&Suggestion>,
) -> Finding {
    let with_the_backup = match suggestion {
        Some(Suggestion { file, globals }) => format!(
            "pg_dump writes no roles; {file} is next to the backup: write in `[backup]`: globals = {}",
            line(globals)
        ),
        None => "pg_dump writes no roles: keep the output of `pg_dumpall --globals-only` with the backup, and name it by `globals` in `[backup]`, or in its `[[backup.part]]`".to_owned(),
    };
    with_hint(roles, expected, &with_the_backup)
}

/// The same with what to do about the backup.
fn with_hint(roles: &[String], expected: String, with_the_backup: &str) -> Finding {
    let quoted: Vec<String> = roles.iter().map(|role| format!("\"{role}\"")).collect();
    let actual = match quoted.as_slice() {
        [] => "a role does not exist".to_owned(),
        [one] => format!("role {one} does not exist"),
        all => format!("roles {} do not exist", all.join(", ")),
    };
    let list: Vec<String> = roles
        .iter()
        .map(|role| format!("{{ name = {} }}", line(role)))
        .collect();
    Finding::about("roles", expected, actual).hint(format!(
        "{with_the_backup}; or write in `[restore]`: role = [{}]",
        list.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::inspect::{Inspection, inspect};
    use crate::backup::source::{Rules, path};
    use crate::backup::spool::Spool;
    use crate::restore::settings::Tolerate;
    use rstest::rstest;

    const TABLE: &str = "CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n\\.\n";

    fn missing_in(sql: &str, settings: &Restore) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sql");
        std::fs::write(&path, format!("{TABLE}{sql}\n")).unwrap();
        let found = path::find(&path, &Rules::default()).unwrap();
        let spool = Spool::in_folder(folder.path().join("spool"));
        let backup = inspect(&found, &Inspection::quiet(spool)).unwrap();
        assert_eq!(backup.problems, [], "{sql}");
        missing(&backup, settings).map(|finding| finding.actual)
    }

    #[rstest]
    #[case("ALTER TABLE t OWNER TO boss;", Some("role \"boss\" does not exist"))]
    #[case(
        "GRANT SELECT ON TABLE t TO reader, PUBLIC, pg_monitor;\nALTER TABLE t OWNER TO boss;",
        Some("roles \"boss\", \"reader\" do not exist")
    )]
    #[case(
        "CREATE POLICY p ON t TO reader USING (true);",
        Some("role \"reader\" does not exist")
    )]
    #[case(
        "GRANT app TO boss;\nCREATE ROLE boss;",
        Some("role \"app\" does not exist")
    )]
    #[case("ALTER TABLE t OWNER TO postgres;", None)]
    #[case("ALTER TABLE t OWNER TO CURRENT_USER;", None)]
    #[case("GRANT SELECT ON TABLE t TO GROUP staff;", None)]
    #[case("ALTER TABLE t RENAME COLUMN owner TO boss;", None)]
    #[case("CREATE ROLE boss;\nALTER TABLE t OWNER TO boss;", None)]
    #[case("CREATE EXTENSION pg_tle;\nGRANT pgtle_admin TO boss;", None)]
    #[case(
        "CREATE EXTENSION pg_trgm;\nALTER TABLE t OWNER TO boss;",
        Some("role \"boss\" does not exist")
    )]
    fn only_roles_that_certainly_lack_are_reported(#[case] sql: &str, #[case] says: Option<&str>) {
        assert_eq!(
            missing_in(sql, &Restore::default()).as_deref(),
            says,
            "{sql}"
        );
    }

    #[test]
    fn a_file_of_roles_that_lacks_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let dump = format!("{TABLE}ALTER TABLE t OWNER TO boss;\n");
        for (name, text) in [("globals.sql", "CREATE ROLE app;\n"), ("shop.sql", &dump)] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let spool = Spool::in_folder(folder.path().with_extension("spool"));
        let found = path::find(folder.path(), &Rules::default()).unwrap();
        let backup = inspect(&found, &Inspection::quiet(spool)).unwrap();
        let finding = missing(&backup, &Restore::default()).unwrap();
        let hint = finding.hint.unwrap();
        let expected = "globals.sql creates other roles and not this one: ";
        assert!(hint.starts_with(expected), "{hint}");
    }

    #[test]
    fn the_scenario_may_create_or_tolerate_them() {
        let sql = "ALTER TABLE t OWNER TO boss;\nGRANT SELECT ON TABLE t TO app;";
        let created = Restore {
            create_roles: vec!["boss".to_owned()],
            login_roles: vec!["app".to_owned()],
            ..Restore::default()
        };
        assert_eq!(missing_in(sql, &created), None);
        let tolerated = Restore {
            tolerate: vec![Tolerate {
                sqlstate: Some("42704".to_owned()),
                message: Some("\"boss\"".to_owned()),
                reason: "it left".to_owned(),
            }],
            ..Restore::default()
        };
        let says = "role \"app\" does not exist".to_owned();
        assert_eq!(missing_in(sql, &tolerated), Some(says));
    }
}
