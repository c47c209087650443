//! Faults of the readers of dumps → findings; what a backup does not contain → not tested.

use std::fmt;

use pgdump::contents::Contents;
use pgdump::fault::{Fault, FaultKind};

use crate::outcome::{Finding, NotTested};

/// Turns the faults of a dump into findings, with hints.
pub fn findings(faults: Vec<Fault>) -> impl Iterator<Item = Finding> {
    faults.into_iter().map(finding)
}

/// Turns a fault into a finding.
#[must_use]
pub fn finding(fault: Fault) -> Finding {
    Finding {
        object: fault.at.map(|at| at.to_string()),
        expected: fault.expected,
        actual: fault.found,
        hint: hint(fault.kind).map(str::to_owned),
        waived: None,
    }
}

/// What to do about a fault.
const fn hint(kind: FaultKind) -> Option<&'static str> {
    Some(match kind {
        FaultKind::FileCut => {
            "the file is truncated: check the disk and the transfer of the backup job"
        }
        FaultKind::ArchiveDamaged => {
            "the file is truncated or was changed: compare its size and digest with the original"
        }
        FaultKind::Empty => {
            "a failed pg_dump in a pipe without `pipefail` writes a compressed empty file: see the log of the job"
        }
        FaultKind::Foreign => {
            "this was added to the dump: find out by whom, and do not restore it by hand"
        }
        FaultKind::RowsHidden => "dump as a role with BYPASSRLS, without `--enable-row-security`",
        FaultKind::Encoding => {
            "compare `SET client_encoding` with what the backup job wrote, and check whether the file was converted"
        }
        FaultKind::UnreadNames => {
            "dump with `--encoding=UTF8`; a database in SQL_ASCII or MULE_INTERNAL must be converted first"
        }
        FaultKind::OnlyTables => {
            "`--section=pre-data --section=data` leaves them out, keys and policies with them"
        }
        FaultKind::NoEndMark => {
            "another program wrote this file; compare it with a `row-count` baseline"
        }
        FaultKind::BehindBlocks => "tapes and block devices add padding; check any other bytes",
        FaultKind::BehindTar => "check their source: the file may be two concatenated files",
        FaultKind::Unnamed => {
            "pg_restore ignores it; it may be from another dump into the same folder"
        }
        FaultKind::More | FaultKind::Ignored => return None,
    })
}

/// Lists what a backup does not contain.
#[must_use]
pub fn missing(contents: &Contents) -> Vec<NotTested> {
    let mut missing = Vec::new();
    let mut add = |what: String, why: &str| {
        missing.push(NotTested {
            what,
            why: why.to_owned(),
        })
    };
    let needed = contents.roles_needed();
    if contents.roles.is_empty() || !needed.is_empty() {
        let what = match needed.as_slice() {
            [] => "roles".to_owned(),
            names => format!("roles ({})", listed(names.iter())),
        };
        let why = if contents.roles.is_empty() {
            "pg_dump writes none; `pg_dumpall --globals-only` does"
        } else {
            "it requires them, and creates only others"
        };
        add(what, why);
    }
    if !contents.has_privileges {
        add(
            "privileges".to_owned(),
            "no GRANT is in the file; it may have been written with `--no-privileges`",
        );
    }
    if !contents.has_owners {
        add(
            "owners of objects".to_owned(),
            "no OWNER TO is in the file; it may have been written with `--no-owner`",
        );
    }
    if contents.tables.is_empty() && !contents.rows.is_empty() && contents.statements > 0 {
        add(
            "definitions of tables".to_owned(),
            "it contains only rows, as written with `--data-only`",
        );
    }
    let writer = contents.writer.as_ref();
    if let Some((writer, without)) = writer.map(|writer| (writer, kinds_without(contents)))
        && !without.is_empty()
    {
        add(
            format!("any of these: {}", without.join(", ")),
            &format!(
                "{writer} wrote it, not pg_dump, and may leave out what it does not know: compare it with its source, by `redrill init --from` or `redrill baseline --from` with the address of the database"
            ),
        );
    }
    if !contents.left_out.is_empty() {
        add(
            format!(
                "objects that it refers to ({})",
                listed(contents.left_out.iter())
            ),
            "a filter such as `--schema` or `--table` left it out",
        );
        if contents.large_objects == 0 {
            add(
                "large objects".to_owned(),
                "none is in the file; filters by schema or table leave them out",
            );
        }
    }
    if !contents.without_data.is_empty() {
        let tables = listed(contents.without_data.iter());
        add(
            format!("rows of {tables}"),
            "it defines them without their rows, as with `--exclude-table-data`",
        );
    }
    add(
        "server configuration".to_owned(),
        "postgresql.conf and pg_hba.conf are not part of a dump",
    );
    if !contents.has_statistics {
        add(
            "optimizer statistics".to_owned(),
            "a dump contains none by default; run ANALYZE after a real restore",
        );
    }
    missing
}

/// Kinds of objects that databases of applications often have, and of which there is none.
fn kinds_without(contents: &Contents) -> Vec<&'static str> {
    let counts = &contents.counts;
    let kinds = [
        ("CHECK constraints", counts.checks > 0),
        ("triggers", counts.triggers > 0),
        ("functions", counts.functions > 0),
        ("views", counts.views > 0),
        ("policies", !contents.policies.is_empty()),
    ];
    let without = kinds.into_iter().filter(|(_, there)| !there);
    without.map(|(kind, _)| kind).collect()
}

/// The first names of a list, and the number of the others.
fn listed(names: impl ExactSizeIterator<Item = impl fmt::Display>) -> String {
    const SHOWN: usize = 8;
    let more = names.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> = names.take(SHOWN).map(|name| name.to_string()).collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgdump::fault::Place;
    use pgdump::format::plain;

    #[test]
    fn a_fault_becomes_a_finding_with_a_way_out() {
        let fault = Fault::new(FaultKind::OnlyTables, "keys", "none").at(Place::Line(3));
        let finding = finding(fault);
        assert_eq!(finding.object.as_deref(), Some("line 3"));
        assert_eq!(
            (finding.expected, finding.actual),
            ("keys".into(), "none".into())
        );
        assert!(finding.hint.unwrap().contains("--section"), "F41");
    }

    #[test]
    fn what_another_program_may_have_left_out_is_listed() {
        let begin = "-- Shop database backup\n\nBEGIN;\nCREATE TABLE public.t (a int, CONSTRAINT k PRIMARY KEY (a));\n\
            INSERT INTO public.t (a) VALUES (1);\n";
        let kinds = |more: &str| {
            let sql = format!("{begin}{more}COMMIT;\n");
            let (contents, ..) = plain::read(sql.as_bytes()).unwrap();
            let mut missing = missing(&contents).into_iter();
            missing.find_map(|one| Some(one.what.strip_prefix("any of these: ")?.to_owned()))
        };
        let none = "CHECK constraints, triggers, functions, views, policies";
        assert_eq!(kinds("").as_deref(), Some(none));
        let some = "ALTER TABLE public.t ADD CONSTRAINT c CHECK (a > 0);\nCREATE VIEW public.v AS SELECT 1;\n";
        assert_eq!(
            kinds(some).as_deref(),
            Some("triggers, functions, policies")
        );
    }

    #[test]
    fn what_a_dump_does_not_hold_is_listed() {
        let sql = "CREATE TABLE app.sessions (id integer);
CREATE TABLE app.orders (id integer) INHERITS (gone.parent);
CREATE VIEW app.v AS SELECT 1
   FROM hidden.t;
GRANT SELECT ON TABLE app.orders TO reader, writer;
SELECT pg_catalog.lo_create('1');
-- PostgreSQL database dump
-- Data for Name: orders; Type: TABLE DATA; Schema: app; Owner: -
COPY app.orders (id) FROM stdin;
1
\\.
-- PostgreSQL database dump complete
";
        let (contents, ..) = plain::read(sql.as_bytes()).unwrap();
        let missing: Vec<String> = missing(&contents).into_iter().map(|one| one.what).collect();
        assert_eq!(
            missing,
            [
                "roles (reader, writer)",
                "owners of objects",
                "objects that it refers to (gone.parent, schema hidden)",
                "rows of app.sessions",
                "server configuration",
                "optimizer statistics",
            ]
        );
    }
}
