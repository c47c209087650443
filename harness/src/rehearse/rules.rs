//! The rules by which a rehearsal judges what it observed. One rule, one entry: `redrill explain rehearse` lists them.

use crate::outcome::{Finding, Step};

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, which findings end with.
    pub name: &'static str,
    /// The step that judges by it.
    pub step: Step,
    /// Whether it only advises, so that the verdict does not depend on it.
    pub advice: bool,
    /// What is expected, a fragment.
    pub expected: &'static str,
    /// Why: what happens in production, one or two sentences.
    pub why: &'static str,
    /// What to do instead.
    pub hint: &'static str,
}

macro_rules! rules {
    ($($constant:ident = $name:literal, $step:ident, $advice:literal, $expected:literal, $why:literal, $hint:literal;)*) => {
        $(
            #[doc = $expected]
            pub const $constant: Rule = Rule {
                name: $name,
                step: Step::$step,
                advice: $advice,
                expected: $expected,
                why: $why,
                hint: $hint,
            };
        )*
        /// All rules, in the order of the steps.
        pub const RULES: &[Rule] = &[$($constant),*];
    };
}

rules! {
    IGNORED_ERROR = "ignored-error", Run, false,
        "no refused statement is passed over",
        "What the statement was to do is missing, and the history says that it is there.",
        "let the tool end at the first error: psql does with `ON_ERROR_STOP`; a statement that may fail belongs behind a SAVEPOINT";
    OTHER_ROLE = "other-role", Run, false,
        "the tool connects as `role` only",
        "A role with more rights hides those that the deployment lacks, and objects get another owner.",
        "let it use DATABASE_URL or PGUSER, or name the role of the deployment in `role`";
    LEFT_OPEN = "left-open", Run, false,
        "nothing of the tool is open once it has ended",
        "Locks of an open transaction keep others waiting for as long as it is there, and what a session does later is not reported.",
        "let the tool wait for all of its sessions, and end prepared transactions by COMMIT PREPARED";
    REPLACED_SYSTEM = "replaced-system", Run, false,
        "the functions, operators, types and views of PostgreSQL itself stay as they are",
        "Whoever asks the server afterwards, redrill too, gets other answers, and no dump holds what was replaced.",
        "make an object of your own, in a schema of your own";
    LONG_LOCK = "long-lock", Locks, false,
        "locks that keep others waiting for no longer than `lock-limit`",
        "Whoever reads or writes the table waits until the transaction ends, and the pool of the application fills up.",
        "end the transaction right after the statement that takes the lock, and do long work before it or in transactions of its own";
    LOCK_TIMEOUT = "lock-timeout", Locks, true,
        "a `lock_timeout` before a lock that keeps others waiting",
        "A statement that waits for its lock behind one long query makes all queries after it wait too.",
        "set a `lock_timeout` in the session of the migrations, such as `SET lock_timeout = '2s'`, and repeat the migration when it fails";
    SEVERAL_LOCKS = "several-locks", Locks, true,
        "one table at a time is locked against readers",
        "A transaction that locks one table after the other holds the first while it waits for the next, and may deadlock with the application.",
        "put the changes of each table into a transaction of its own";
    REWRITE = "rewrite", Work, false,
        "no table is written anew as a whole",
        "The server writes every row and every index again, and nobody can read the table meanwhile.",
        "add a new column, fill it in batches, and replace the old one in a later release";
    INDEX_UNDER_LOCK = "index-under-lock", Work, false,
        "indexes of existing tables are built without a lock that keeps writers waiting",
        "Nobody can write to the table while the index is built.",
        "build it with `CREATE INDEX CONCURRENTLY` outside a transaction; make a constraint of it by `ADD CONSTRAINT … USING INDEX`";
    SCAN_UNDER_LOCK = "scan-under-lock", Work, false,
        "no table is read as a whole under a lock that keeps writers waiting",
        "The server checks every row of the table while others wait.",
        "add the constraint as `NOT VALID`, then `VALIDATE CONSTRAINT` in another transaction; a valid `CHECK (… IS NOT NULL)` spares the scan of `SET NOT NULL`";
    BACKFILL = "backfill", Work, false,
        "no transaction changes most rows of a large table",
        "The rows stay locked until the transaction ends, the table doubles in size, and replicas fall behind.",
        "change some thousand rows at a time, each batch in a transaction of its own";
    BLOCKED = "blocked", Blocking, false,
        "no reader or writer waits for longer than `lock-limit`",
        "This was measured on the restored data while the migrations ran.",
        "see the locks of the same table";
    REFUSED = "refused", Blocking, false,
        "the application may still do what it did before",
        "A probe that worked before the migrations was refused afterwards.",
        "grant the right again, or change the application first, in a release before";
    JSON_COLUMN = "json-column", Changes, true,
        "new columns of type `jsonb`, not `json`",
        "The type `json` has no equality, so that `SELECT DISTINCT` and `GROUP BY` on the table fail.",
        "use `jsonb`";
    NEW_ENUM = "new-enum", Changes, true,
        "no new enumerated type",
        "A value of an enumerated type cannot be removed, and a new one cannot be used in the transaction that adds it.",
        "a table of values with a foreign key, or a CHECK constraint, can be changed later";
    KEY_WITHOUT_INDEX = "key-without-index", Changes, true,
        "an index on the columns of a new foreign key",
        "Deleting or changing a row of the referenced table reads the whole referencing table.",
        "create an index on the columns of the key, concurrently";
}

/// What is observed of a rewrite that the log does not name.
pub(super) const WRITTEN_ANEW: &str = "every row and every index of it was written anew";

/// A violation of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: &'static Rule,
    /// How a scenario accepts it: `rewrite table app.orders`.
    pub name: String,
    /// The object.
    pub object: String,
    /// What was observed.
    pub actual: String,
}

impl Violation {
    /// What to do instead. Commands that write all of a relation by their nature have others in their place.
    fn hint(&self) -> &'static str {
        match self.actual.as_str() {
            _ if self.rule != &REWRITE => self.rule.hint,
            _ if self.name.starts_with("rewrite materialized view ") => {
                "use `REFRESH MATERIALIZED VIEW CONCURRENTLY`, which needs a unique index"
            }
            WRITTEN_ANEW => {
                "neither `CLUSTER` nor `VACUUM FULL` belongs in a release; pg_repack does it while the table is used"
            }
            _ => self.rule.hint,
        }
    }

    /// The finding of it.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let Rule {
            name,
            expected,
            advice,
            ..
        } = self.rule;
        let hint = self.hint();
        let kind = if *advice { "only advice: " } else { "" };
        Finding::about(self.object.clone(), *expected, self.actual.clone()).hint(format!(
            "{kind}{hint}; rule `{name}`; to accept it: `{}`",
            self.name
        ))
    }
}

/// The rule of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

/// The text of `redrill explain rehearse` about them.
#[must_use]
pub fn documentation() -> String {
    let lines = RULES.iter().map(|rule| {
        let kind = if rule.advice { "advice" } else { "unsafe" };
        format!(
            "  {} ({kind}, step `{}`)\n      Expected: {}. {}\n      Instead: {}.",
            rule.name,
            rule.step.word(),
            rule.expected,
            rule.why,
            rule.hint
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::refresh("rewrite materialized view app.m", WRITTEN_ANEW, "CONCURRENTLY")]
    #[case::cluster("rewrite table app.t", WRITTEN_ANEW, "pg_repack")]
    #[case::alter("rewrite table app.t", "`ALTER TABLE …` writes", REWRITE.hint)]
    fn the_hint_is_that_of_the_command(
        #[case] name: &str,
        #[case] actual: &str,
        #[case] hint: &str,
    ) {
        let violation = Violation {
            rule: &REWRITE,
            name: name.to_owned(),
            object: String::new(),
            actual: actual.to_owned(),
        };
        assert!(violation.hint().contains(hint));
    }
}
