//! Work on whole tables, as the server's log tells it: tables that are written anew, rows that are all checked, indexes that are
//! built. At the level `debug1` PostgreSQL names each before it begins.

use std::collections::BTreeMap;
use std::time::Duration;

use super::observe::{HeldLock, Observed, VirtualTransaction};
use super::rules::{INDEX_UNDER_LOCK, REWRITE, Rule, SCAN_UNDER_LOCK, Violation};
use super::settings::Rewrites;
use crate::outcome::CouldNotRun;
use crate::sql::{QualifiedName, quote_ident};

/// Settings of the server by which its log names what it does.
pub(super) const SETTINGS: [(&str, &str); 2] = [
    ("log_min_messages", "debug1"),
    // The process, the transaction as `pg_locks` prints it, and the time in seconds since 1970.
    ("log_line_prefix", "redrill %p %v %n "),
];

/// One thing that the server did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The process of the server that did it.
    process: i32,
    transaction: VirtualTransaction,
    /// The time since 1970.
    at: Duration,
    kind: Kind,
    /// The name of the table, without its schema; empty where the log does not name it.
    table: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Rewritten,
    Checked,
    ForeignKey(String),
    Index(String),
}

/// Reads a line of the log of a server with [`SETTINGS`]; `None` where it names no work.
#[must_use]
pub fn parse(line: &str) -> Option<Work> {
    let rest = line.strip_prefix("redrill ")?;
    let (process, rest) = rest.split_once(' ')?;
    let (transaction, message) = rest.split_once(' ')?;
    let transaction = VirtualTransaction::parse(transaction)?;
    let (at, message) = message.split_once(' ')?;
    let at = Duration::try_from_secs_f64(at.parse().ok()?).ok()?;
    let message = message.trim_start().strip_prefix("DEBUG:")?.trim();
    let named = |before: &str| message.strip_prefix(before)?.strip_suffix('"');
    let (kind, table) = if let Some(table) = named("rewriting table \"") {
        (Kind::Rewritten, table)
    } else if let Some(table) = named("verifying table \"") {
        (Kind::Checked, table)
    } else if let Some(key) = named("validating foreign key constraint \"") {
        (Kind::ForeignKey(key.to_owned()), "")
    } else {
        let rest = message.strip_prefix("building index \"")?;
        let (index, rest) = rest.split_once("\" on table \"")?;
        let (table, _) = rest.rsplit_once('"')?;
        (Kind::Index(index.to_owned()), table)
    };
    Some(Work {
        process: process.parse().ok()?,
        transaction,
        at,
        kind,
        table: table.to_owned(),
    })
}

/// Judges the work of a run; `keys` are constraints after it with their tables.
#[must_use]
pub fn judge(
    observed: &Observed,
    work: &[Work],
    rewrites: &Rewrites,
    keys: &[(String, QualifiedName)],
) -> Vec<Violation> {
    let mut found: Vec<Violation> = Vec::new();
    let mut again: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for one in work {
        let Some(lock) = held(observed, one, keys) else {
            // A table of the migration's own, or a lock that keeps nobody waiting.
            continue;
        };
        let table = lock.of_table();
        // The lock may be that of a statement before.
        let statement = observed.running_at(lock.statement, one.at);
        let statement = observed.statements.get(statement.unwrap_or(lock.statement));
        let statement = statement.map_or("", |statement| &statement.text);
        let (rule, name, actual): (&'static Rule, String, String) = match &one.kind {
            Kind::Rewritten => (
                &REWRITE,
                format!("rewrite table {table}"),
                format!("`{statement}` writes every row and every index of it anew"),
            ),
            Kind::Checked => (
                &SCAN_UNDER_LOCK,
                format!("scan table {table}"),
                format!(
                    "`{statement}` reads all of its rows while {} is held",
                    lock.mode.name()
                ),
            ),
            Kind::ForeignKey(key) => (
                &SCAN_UNDER_LOCK,
                format!("scan table {table}"),
                format!(
                    "`{statement}` compares all rows with the foreign key {} while {} is held",
                    quote_ident(key),
                    lock.mode.name()
                ),
            ),
            Kind::Index(index) => (
                &INDEX_UNDER_LOCK,
                format!("build index {} on {table}", quote_ident(index)),
                format!(
                    "`{statement}` builds the index {} while {} is held",
                    quote_ident(index),
                    lock.mode.name()
                ),
            ),
        };
        let of_rewrite = found
            .iter()
            .any(|other| other.rule == &REWRITE && other.object == table);
        // A table that is written anew has all of its indexes built anew, which is one fault.
        let follows = of_rewrite && matches!(one.kind, Kind::Index(_));
        let allowed = match &one.kind {
            Kind::Rewritten => rewrites.permit(table),
            Kind::Index(index) => rewrites.permit(table) || rewrites.permit(index),
            Kind::Checked | Kind::ForeignKey(_) => false,
        };
        if follows || allowed {
            continue;
        }
        let times = again.entry((rule.name, name.clone())).or_default();
        *times += 1;
        if *times == 1 {
            found.push(Violation {
                rule,
                name,
                object: table.to_owned(),
                actual,
            });
        }
    }
    for one in &mut found {
        let times = again.get(&(one.rule.name, one.name.clone())).copied();
        if let Some(more) = times.filter(|times| *times > 1).map(|times| times - 1) {
            one.actual += &format!("; the same {more} more times");
        }
    }
    found
}

/// Why work is judged by no rule: it was done in a session that was not observed.
#[must_use]
pub fn unobserved(observed: &Observed, work: &[Work]) -> Option<CouldNotRun> {
    let mut work = work.iter();
    work.find(|one| !observed.processes.contains(&one.process))?;
    Some(CouldNotRun::with_hint(
        "the server's log has work on whole tables in a session that was not observed between the tool and the server",
        "code of the database that opens sessions of its own, such as by `dblink` or by a background worker, cannot be rehearsed: let the migrations do that work themselves",
    ))
}

/// The strongest lock of a table that was there before, under which the work was done, where it keeps others waiting.
fn held<'a>(
    observed: &'a Observed,
    work: &Work,
    keys: &[(String, QualifiedName)],
) -> Option<&'a HeldLock> {
    let has_name = |lock: &&HeldLock| match &work.kind {
        // The log names no table for a foreign key, whose both ends are locked, and only one is read.
        Kind::ForeignKey(key) => {
            let table = QualifiedName::parse(lock.of_table());
            table.is_ok_and(|table| keys.iter().any(|(name, of)| name == key && *of == table))
        }
        _ => is_of(lock.of_table(), &work.table),
    };
    let of_transaction = |lock: &&HeldLock| lock.transaction == work.transaction;
    let locks = observed
        .locks
        .iter()
        .filter(of_transaction)
        .filter(has_name);
    let strongest = locks.max_by_key(|lock| (lock.mode, lock.table.is_none()))?;
    strongest.mode.blocks_writers().then_some(strongest)
}

/// Whether a qualified name is that of a table `name`, which has no quotes.
fn is_of(qualified: &str, name: &str) -> bool {
    QualifiedName::parse(qualified).is_ok_and(|qualified| qualified.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::observe::{LockMode, Statement};
    use rstest::rstest;

    const LOG: &str = "\
redrill 7 3/40 4.999 LOG:  checkpoint starting: immediate
redrill 7 3/41 5.250 DEBUG:  rewriting table \"orders\"
redrill 7 3/41 5.250 DEBUG:  building index \"orders_pkey\" on table \"orders\" serially
redrill 7 3/41 6.000 DEBUG:  verifying table \"odd \" name\"
redrill 7 3/41 6.000 DEBUG:  validating foreign key constraint \"fk\"
redrill 7 3/41 7.000 DEBUG:  building index \"i\" on table \"orders\" with request for 1 parallel workers
redrill 7 x 7.000 DEBUG:  rewriting table \"orders\"
rewriting table \"orders\"
";

    fn read(log: &str) -> Vec<Work> {
        log.lines().filter_map(parse).collect()
    }

    #[rstest]
    #[case::of_the_tool(&[6, 7], false)]
    #[case::of_nobody_that_was_seen(&[6], true)]
    fn work_must_be_of_a_session_that_was_observed(
        #[case] processes: &[i32],
        #[case] unobserved: bool,
    ) {
        let observed = Observed {
            processes: processes.to_vec(),
            ..Observed::default()
        };
        let found = super::unobserved(&observed, &read(LOG));
        assert_eq!(found.is_some(), unobserved);
    }

    #[test]
    fn the_log_names_what_the_server_does() {
        let work = read(LOG);
        let kinds: Vec<_> = work.iter().map(|one| (&one.kind, &*one.table)).collect();
        assert_eq!(
            kinds,
            [
                (&Kind::Rewritten, "orders"),
                (&Kind::Index("orders_pkey".to_owned()), "orders"),
                (&Kind::Checked, "odd \" name"),
                (&Kind::ForeignKey("fk".to_owned()), ""),
                (&Kind::Index("i".to_owned()), "orders"),
            ]
        );
        assert_eq!(Some(work[0].transaction), VirtualTransaction::parse("3/41"));
    }

    /// The statement that works is not always the one that took the lock.
    #[test]
    fn work_is_that_of_the_statement_that_ran_then() {
        let mut observed = observed(LockMode::AccessExclusive, "app.orders");
        for (began, connection, text) in [
            (2, 0, "SECOND"),
            (4, 0, "THIRD"),
            (5, 1, "OTHER"),
            (6, 0, "FOURTH"),
        ] {
            observed.statements.push(Statement {
                text: text.to_owned(),
                connection,
                began: Duration::from_secs(began),
                ..Statement::default()
            });
        }
        let work = read(LOG.lines().nth(1).unwrap_or_default());
        assert_eq!(work[0].at, Duration::from_millis(5250));
        let found = judge(&observed, &work, &Rewrites::None, &[]);
        assert!(
            found[0].actual.starts_with("`THIRD`"),
            "{}",
            found[0].actual
        );
    }

    /// One lock of the transaction in the log.
    fn observed(mode: LockMode, relation: &str) -> Observed {
        Observed {
            statements: vec![Statement {
                text: "ALTER TABLE app.orders …".to_owned(),
                ..Statement::default()
            }],
            locks: vec![HeldLock {
                relation: relation.to_owned(),
                mode,
                transaction: VirtualTransaction::parse("3/41").unwrap(),
                ..HeldLock::default()
            }],
            ..Observed::default()
        }
    }

    #[rstest]
    #[case::rewrite(LockMode::AccessExclusive, "app.orders", &["rewrite", "scan-under-lock"])]
    #[case::index(LockMode::Share, "app.orders", &["rewrite", "scan-under-lock"])]
    #[case::nobody_waits(LockMode::ShareUpdateExclusive, "app.orders", &[])]
    #[case::another_table(LockMode::AccessExclusive, "app.\"Orders\"", &["scan-under-lock"])]
    fn work_counts_where_a_lock_keeps_others_waiting(
        #[case] mode: LockMode,
        #[case] relation: &str,
        #[case] rules: &[&str],
    ) {
        let keys = [("fk".to_owned(), QualifiedName::parse(relation).unwrap())];
        let found = judge(
            &observed(mode, relation),
            &read(LOG),
            &Rewrites::None,
            &keys,
        );
        let names: Vec<&str> = found.iter().map(|one| one.rule.name).collect();
        assert_eq!(names, rules);
    }

    #[rstest]
    #[case::reads_the_locked_table("app.orders", &["scan table app.orders"])]
    #[case::reads_a_new_table_that_refers_to_it("app.new", &[])]
    fn a_foreign_key_reads_its_own_table(#[case] of: &str, #[case] names: &[&str]) {
        let work = read("redrill 7 3/41 6.000 DEBUG:  validating foreign key constraint \"fk\"");
        let observed = observed(LockMode::ShareRowExclusive, "app.orders");
        let keys = [("fk".to_owned(), QualifiedName::parse(of).unwrap())];
        let found = judge(&observed, &work, &Rewrites::None, &keys);
        let found: Vec<&str> = found.iter().map(|one| &*one.name).collect();
        assert_eq!(found, names);
    }

    #[rstest]
    #[case(Rewrites::None, &["rewrite table app.orders"])]
    #[case(Rewrites::Any, &[])]
    #[case(Rewrites::Listed(vec!["app.orders".to_owned()]), &[])]
    #[case(Rewrites::Listed(vec!["app.other".to_owned()]), &["rewrite table app.orders"])]
    fn a_scenario_may_permit_rewrites(#[case] rewrites: Rewrites, #[case] names: &[&str]) {
        let work = read(LOG.lines().nth(1).unwrap_or_default());
        let observed = observed(LockMode::AccessExclusive, "app.orders");
        let found = judge(&observed, &work, &rewrites, &[]);
        let found: Vec<&str> = found.iter().map(|one| &*one.name).collect();
        assert_eq!(found, names);
    }
}
