//! Compatibility of a backup with servers, and the effect of its requirements on the selected one.

use pgdump::contents::Contents;
use pgdump::format::Format;
use pgdump::layout::{Layout, Version};
use pgdump::needs::{Effect, Versions};

use crate::outcome::Finding;

/// The first major version whose `pg_restore` reads an archive of this version.
fn reads_archive(version: Version) -> u32 {
    match (version.major, version.minor) {
        (1, 15) => 16,
        (1, 16) => 17,
        _ => 12,
    }
}

/// What fails on a server of version `(major, minor)` with the psql and pg_restore of that version.
#[must_use]
pub fn fits(contents: &Contents, format: &Format, server: (u32, u32)) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Format::Archive(layout) = format
        && server.0 < reads_archive(layout.version)
    {
        let version = layout.version;
        findings.push(
            Finding::new(
                format!(
                    "`pg_restore` of version {} or newer, for an archive {version}",
                    reads_archive(version)
                ),
                format!(
                    "PostgreSQL {}.{}, whose `pg_restore` does not read it",
                    server.0, server.1
                ),
            )
            .hint("restore into a server that is not older than the program that wrote it"),
        );
    }
    findings.extend(unmet(contents, server, Effect::Fails));
    findings
}

/// Warnings on such a server.
#[must_use]
pub fn warnings(contents: &Contents, server: (u32, u32)) -> Vec<Finding> {
    unmet(contents, server, Effect::Said).collect()
}

fn unmet(
    contents: &Contents,
    server: (u32, u32),
    effect: Effect,
) -> impl Iterator<Item = Finding> + '_ {
    let needs = contents.needs.iter();
    needs
        .filter(move |need| need.effect == effect && !need.versions.hold(server))
        .map(move |need| {
            let outcome = match effect {
                Effect::Fails => "which refuses it",
                Effect::Said => {
                    "which prints an error and continues: nothing of the backup is lost"
                }
            };
            Finding::about(
                need.place.to_string(),
                format!("{}, for {}", need.versions, need.what),
                format!("PostgreSQL {}.{}, {outcome}", server.0, server.1),
            )
            .hint(match effect {
                Effect::Fails => "drill on a server of the version of the source or newer",
                Effect::Said => "a restore that stops at the first error stops here",
            })
        })
}

/// The oldest major version that it can be restored on, as far as archive and statements require one.
#[must_use]
pub fn oldest(contents: &Contents, format: &Format) -> Option<u32> {
    let archive = match format {
        Format::Archive(layout) => Some(reads_archive(layout.version)),
        Format::Plain => None,
    };
    let needs = contents.needs.iter();
    let needs = needs.filter(|need| need.effect == Effect::Fails);
    let from = needs.filter_map(|need| match need.versions {
        Versions::From(major) => Some(major),
        Versions::Until(_) | Versions::Minors(_) => None,
    });
    archive.into_iter().chain(from).max()
}

/// Lists the suitable servers, and why others are not: `PostgreSQL 17 or newer (an archive 1.16)`.
/// Empty where every supported server is suitable.
#[must_use]
pub fn servers(contents: &Contents, format: &Format) -> Vec<String> {
    let archive = match format {
        Format::Archive(Layout { version, .. }) => {
            let reads = Versions::From(reads_archive(*version));
            Some((reads, format!("an archive {version}")))
        }
        Format::Plain => None,
    };
    let needs = contents
        .needs
        .iter()
        .filter(|need| need.effect == Effect::Fails)
        .map(|need| (need.versions, format!("{}, {}", need.what, need.place)));
    let mut minors: Vec<(Versions, String)> = Vec::new();
    let mut first: Option<(u32, String)> = None;
    let mut last: Option<(u32, String)> = None;
    for (versions, why) in archive.into_iter().chain(needs) {
        match versions {
            Versions::From(major) if first.as_ref().is_none_or(|(m, _)| *m < major) => {
                first = Some((major, why));
            }
            Versions::Until(major) if last.as_ref().is_none_or(|(m, _)| *m > major) => {
                last = Some((major, why));
            }
            Versions::From(_) | Versions::Until(_) => {}
            Versions::Minors(_) => minors.push((versions, why)),
        }
    }
    let bounds = first
        .map(|(major, why)| (Versions::From(major), why))
        .into_iter()
        .chain(last.map(|(major, why)| (Versions::Until(major), why)))
        .chain(minors);
    bounds
        .map(|(versions, why)| format!("{versions} ({why})"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgdump::layout::{Compression, Kind};
    use rstest::rstest;

    const PLAIN: Format = Format::Plain;

    fn of(sql: &str) -> Contents {
        pgdump::format::plain::read(sql.as_bytes()).unwrap().0
    }

    #[rstest]
    #[case("SET transaction_timeout = 0;", "F28", (17, 0), (16, 9), false)]
    #[case("\\restrict abc\n\\unrestrict abc", "F30", (16, 10), (16, 9), false)]
    #[case("\\restrict abc\n\\unrestrict abc", "F30", (18, 0), (12, 22), false)]
    #[case("ALTER TABLE a.t ALTER COLUMN b SET (pg_attver='1');", "F29", (15, 20), (15, 19), true)]
    #[case("ALTER TABLE a.t ALTER COLUMN b SET (pg_attver='1');", "F29", (17, 12), (18, 6), true)]
    #[case("GRANT a TO b WITH INHERIT TRUE GRANTED BY postgres;", "R07", (16, 0), (15, 20), true)]
    #[case("GRANT a TO b WITH ADMIN OPTION, SET FALSE;", "R07", (16, 0), (15, 20), true)]
    #[case("CREATE DATABASE d WITH LOCALE_PROVIDER = builtin BUILTIN_LOCALE = 'C';", "", (17, 0), (16, 14), true)]
    #[case("CREATE DATABASE d WITH LOCALE_PROVIDER = libc;", "", (15, 0), (14, 22), true)]
    #[case("CREATE TABLE t (a integer UNIQUE NULLS NOT DISTINCT);", "", (15, 0), (14, 0), true)]
    #[case("GRANT SELECT,MAINTAIN ON TABLE t TO a;", "", (17, 0), (16, 0), true)]
    #[case("CREATE TABLE t (a integer) WITH OIDS;", "", (11, 0), (12, 0), true)]
    fn what_a_server_refuses_is_told(
        #[case] sql: &str,
        #[case] id: &str,
        #[case] good: (u32, u32),
        #[case] bad: (u32, u32),
        #[case] breaks: bool,
    ) {
        let contents = of(sql);
        assert_eq!(fits(&contents, &PLAIN, good), [], "{id} {sql}");
        let oldest = oldest(&contents, &PLAIN);
        assert_eq!(oldest.is_some(), breaks && good.0 > bad.0, "{id} {sql}");
        assert_eq!(warnings(&contents, good), [], "{id} {sql}");
        assert_eq!(
            fits(&contents, &PLAIN, bad).len(),
            usize::from(breaks),
            "{id} {sql}"
        );
        assert_eq!(
            warnings(&contents, bad).len(),
            usize::from(!breaks),
            "{id} {sql}"
        );
    }

    #[rstest]
    #[case("GRANT a TO b GRANTED BY postgres;")]
    #[case("GRANT a TO b WITH ADMIN OPTION GRANTED BY postgres;")]
    #[case("GRANT SELECT ON TABLE t TO a WITH GRANT OPTION;")]
    #[case("SET client_encoding = 'UTF8';")]
    #[case("CREATE TABLE t (a integer, virtual text, CONSTRAINT c CHECK ((a > 0)));")]
    #[case("COMMENT ON TABLE t IS 'BEGIN ATOMIC set (pg_attver=1)';")]
    fn what_every_server_takes_raises_no_alarm(#[case] sql: &str) {
        assert_eq!(of(sql).needs, [], "{sql}");
    }

    #[rstest]
    #[case("1.16", 17, 16)]
    #[case("1.15", 16, 15)]
    fn an_archive_needs_a_pg_restore_of_its_own_age(
        #[case] version: &str,
        #[case] good: u32,
        #[case] bad: u32,
    ) {
        let (_, minor) = version.split_once('.').unwrap();
        let archive = Format::Archive(Layout {
            kind: Kind::Custom,
            version: Version {
                major: 1,
                minor: minor.parse().unwrap(),
            },
            compression: Compression::Gzip,
        });
        let contents = Contents::default();
        assert_eq!(fits(&contents, &archive, (good, 0)), [], "F25");
        assert_eq!(fits(&contents, &archive, (bad, 9)).len(), 1, "F25");
        assert_eq!(oldest(&contents, &archive), Some(good));
        let servers = servers(&contents, &archive);
        assert!(servers[0].starts_with(&format!("PostgreSQL {good} or newer")));
    }

    #[test]
    fn one_sentence_says_which_servers_take_it() {
        let contents = of(
            "CREATE TABLE t (a integer UNIQUE NULLS NOT DISTINCT);\nGRANT a TO b WITH SET TRUE;\nSET transaction_timeout = 0;",
        );
        assert_eq!(
            servers(&contents, &PLAIN),
            ["PostgreSQL 16 or newer (`GRANT … WITH INHERIT`, line 2)"]
        );
        assert!(servers(&Contents::default(), &PLAIN).is_empty());
    }
}
