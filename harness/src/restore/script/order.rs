//! What a statement of a plain dump is to the order of its restore.
//!
//! Only what pg_dump writes after the rows may run beside other statements: it names the tables that it locks, and whatever
//! it needs of others comes before it in the dump. Any other statement runs alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pgdump::script::statement::Words;

use crate::outcome::RestoreStep;
use crate::sql::QualifiedName;

/// A table that a statement locks, or the name of an index that it creates: of two the first in the dump gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub table: QualifiedName,
    /// Whether others may share it: several indexes of a table are built at once.
    pub shared: bool,
}

/// A statement that may run beside those that claim other tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beside {
    pub claims: Vec<Claim>,
    /// What it builds, for the report: `index app.orders_at`. Empty for what takes no time.
    pub builds: String,
    /// The access method of the index that it builds; empty for anything else.
    pub method: String,
}

impl Beside {
    /// The step that it is.
    pub(super) fn step(self, duration: Duration) -> RestoreStep {
        RestoreStep {
            what: self.builds,
            method: Some(self.method).filter(|method| !method.is_empty()),
            duration,
        }
    }
}

/// What a statement is to the order of the restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// It changes the session: the name of the setting.
    Setting(String),
    /// It may run beside others.
    Beside(Beside),
    /// It runs after everything before it and before everything after it.
    Alone,
}

/// The tables of indexes, as far as statements named both.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    tables: BTreeMap<QualifiedName, QualifiedName>,
    /// The partitions of tables: what is done to a table may be done to them.
    partitions: BTreeMap<QualifiedName, Vec<QualifiedName>>,
}

impl Indexes {
    /// Sorts out a statement, and remembers the index that it creates.
    pub(super) fn role(&mut self, words: &Words<'_>) -> Role {
        if let Some(name) = setting(words) {
            return Role::Setting(name);
        }
        match self.beside(words) {
            Some(beside) => Role::Beside(beside),
            None => Role::Alone,
        }
    }

    fn beside(&mut self, words: &Words<'_>) -> Option<Beside> {
        let word = |at: usize| words.tokens().get(at);
        let is = |at: usize, text: &str| word(at).is_some_and(|token| token.is_word(text));
        if is(0, "create") && (is(1, "index") || (is(1, "unique") && is(2, "index"))) {
            return self.index(words, if is(1, "index") { 2 } else { 3 });
        }
        if is(0, "create") && is(1, "policy") && is(3, "on") {
            return Some(exclusive(qualified(words, 4)?));
        }
        if is(0, "create") && (is(1, "trigger") || is(1, "constraint")) {
            // A constraint trigger may name a second table.
            let on = (2..words.tokens().len()).find(|at| is(*at, "on"))?;
            if is(on + 2, "from") {
                return None;
            }
            let mut beside = exclusive(qualified(words, on + 1)?);
            self.claim_partitions(&mut beside);
            return Some(beside);
        }
        if is(0, "create") && is(1, "table") && is(3, "partition") && is(4, "of") {
            self.add_partition(qualified(words, 5), qualified(words, 2));
            return None;
        }
        if is(0, "alter") && is(1, "table") {
            let at = if is(2, "only") { 3 } else { 2 };
            if is(at + 1, "attach") && is(at + 2, "partition") {
                self.add_partition(qualified(words, at), qualified(words, at + 3));
                return None;
            }
            return self.table(words, at);
        }
        if is(0, "alter") && is(1, "index") {
            let parent = self.tables.get(&qualified(words, 2)?).cloned()?;
            let mut beside = exclusive(parent);
            if is(3, "attach") && is(4, "partition") {
                let table = self.tables.get(&qualified(words, 5)?).cloned()?;
                beside.claims.push(Claim {
                    table,
                    shared: false,
                });
            } else if !is(3, "alter") && !is(3, "set") {
                return None;
            }
            return Some(beside);
        }
        if is(0, "comment") && is(1, "on") {
            return match word(2)? {
                token if token.is_word("index") => {
                    let table = self.tables.get(&qualified(words, 3)?).cloned()?;
                    Some(exclusive(table))
                }
                token
                    if ["constraint", "trigger", "policy", "rule"]
                        .iter()
                        .any(|kind| token.is_word(kind)) =>
                {
                    (is(4, "on") && !is(5, "domain")).then(|| qualified(words, 5).map(exclusive))?
                }
                _ => None,
            };
        }
        None
    }

    fn add_partition(&mut self, of: Option<QualifiedName>, partition: Option<QualifiedName>) {
        if let (Some(of), Some(partition)) = (of, partition) {
            self.partitions.entry(of).or_default().push(partition);
        }
    }

    /// Adds the partitions of the tables that are claimed, and theirs.
    fn claim_partitions(&self, beside: &mut Beside) {
        let claimed = beside.claims.iter().map(|claim| claim.table.clone());
        let mut claimed: BTreeSet<QualifiedName> = claimed.collect();
        let mut at = 0;
        while let Some(claim) = beside.claims.get(at) {
            let partitions = self.partitions.get(&claim.table);
            for table in partitions.into_iter().flatten() {
                if claimed.insert(table.clone()) {
                    beside.claims.push(Claim {
                        table: table.clone(),
                        shared: false,
                    });
                }
            }
            at += 1;
        }
    }

    /// `CREATE INDEX name ON [ONLY] table USING method …`, as the server prints it.
    fn index(&mut self, words: &Words<'_>, at: usize) -> Option<Beside> {
        let is = |at: usize, text: &str| {
            words
                .tokens()
                .get(at)
                .is_some_and(|token| token.is_word(text))
        };
        if !is(at + 1, "on") {
            return None;
        }
        let on = if is(at + 2, "only") { at + 3 } else { at + 2 };
        let table = qualified(words, on)?;
        if !is(on + 1, "using") {
            return None;
        }
        let index = QualifiedName {
            schema: table.schema.clone(),
            name: words.identifier(at)?,
        };
        self.tables.insert(index.clone(), table.clone());
        let claim = |table, shared| Claim { table, shared };
        Some(Beside {
            claims: vec![claim(table, true), claim(index.clone(), false)],
            builds: format!("index {index}"),
            method: words.identifier(on + 2)?,
        })
    }

    /// `ALTER TABLE [ONLY] table …` where it adds one constraint, or switches something on.
    fn table(&mut self, words: &Words<'_>, at: usize) -> Option<Beside> {
        let tokens = words.tokens();
        let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.is_word(text));
        let table = qualified(words, at)?;
        let mut beside = exclusive(table.clone());
        if is(at + 1, "add") && is(at + 2, "constraint") {
            let name = words.identifier(at + 3)?;
            let adds = tokens.iter().filter(|token| token.is_word("add")).count();
            if adds > 1 {
                return None;
            }
            beside.builds = format!("constraint {name} of {table}");
            if is(at + 4, "primary") || is(at + 4, "unique") {
                let schema = table.schema.clone();
                let index = QualifiedName { schema, name };
                beside.claims.push(Claim {
                    table: index.clone(),
                    shared: false,
                });
                self.tables.insert(index, table);
                "btree".clone_into(&mut beside.method);
                return Some(beside);
            }
            if is(at + 4, "foreign") {
                let mut to = (at + 5..tokens.len()).filter(|at| is(*at, "references"));
                let (first, second) = (to.next()?, to.next());
                let table = qualified(words, first + 1)?;
                if second.is_some() {
                    return None;
                }
                beside.claims.push(Claim {
                    table,
                    shared: false,
                });
                self.claim_partitions(&mut beside);
                return Some(beside);
            }
            return None;
        }
        let switches = [
            ["enable", "row"],
            ["force", "row"],
            ["cluster", "on"],
            ["replica", "identity"],
        ];
        let mut switches = switches.iter();
        switches
            .any(|[first, second]| is(at + 1, first) && is(at + 2, second))
            .then_some(beside)
    }
}

/// The name at a place, if it is written with its schema: otherwise `search_path` decides what it means.
pub(super) fn qualified(words: &Words<'_>, at: usize) -> Option<QualifiedName> {
    let token = words.tokens().get(at)?;
    let alone = QualifiedName::parse(&format!("x.{}", token.text)).is_ok();
    words.qualified(at).filter(|_| !alone)
}

fn exclusive(table: QualifiedName) -> Beside {
    Beside {
        claims: vec![Claim {
            table,
            shared: false,
        }],
        builds: String::new(),
        method: String::new(),
    }
}

/// The setting of the session that a statement changes.
pub(super) fn setting(words: &Words<'_>) -> Option<String> {
    let token = |at: usize| words.tokens().get(at);
    let is = |at: usize, text: &str| token(at).is_some_and(|token| token.is_word(text));
    let at = match token(0)? {
        first if first.is_word("set") && is(1, "session") && !is(2, "authorization") => 2,
        first if first.is_word("set") || first.is_word("reset") => 1,
        first if first.is_word("select") && is(1, "pg_catalog.set_config") => {
            let local = words.tokens().get(7)?;
            return local.is_word("false").then(|| words.literal(3))?;
        }
        _ => return None,
    };
    let of_transaction = ["local", "transaction", "constraints", "characteristics"];
    if of_transaction.iter().any(|word| is(at, word)) {
        return None;
    }
    words.identifier(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn claims(role: &Role) -> Vec<String> {
        match role {
            Role::Setting(name) => vec![format!("set {name}")],
            Role::Alone => Vec::new(),
            Role::Beside(beside) => {
                let of = |claim: &Claim| match claim.shared {
                    true => format!("{} shared", claim.table),
                    false => claim.table.to_string(),
                };
                beside.claims.iter().map(of).collect()
            }
        }
    }

    #[rstest]
    #[case("CREATE INDEX i ON app.t USING btree (a);", &["app.t shared", "app.i"])]
    #[case("CREATE UNIQUE INDEX \"I\" ON ONLY app.\"T x\" USING btree (a) WHERE b;", &["app.\"T x\" shared", "app.\"I\""])]
    #[case("CREATE INDEX CONCURRENTLY i ON app.t USING btree (a);", &[])]
    #[case("CREATE INDEX IF NOT EXISTS i ON app.t USING btree (a);", &[])]
    #[case("CREATE INDEX i ON t USING btree (a);", &[])]
    #[case("ALTER TABLE ONLY app.t\n    ADD CONSTRAINT p PRIMARY KEY (id);", &["app.t", "app.p"])]
    #[case("ALTER TABLE app.t ADD CONSTRAINT u UNIQUE (id);", &["app.t", "app.u"])]
    #[case("ALTER TABLE ONLY app.t\n    ADD CONSTRAINT f FOREIGN KEY (a, b) REFERENCES app.r(a, b) ON DELETE CASCADE;", &["app.t", "app.r"])]
    #[case("ALTER TABLE ONLY app.t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES r(a);", &[])]
    #[case("ALTER TABLE ONLY app.t ADD CONSTRAINT a UNIQUE (a), ADD CONSTRAINT b UNIQUE (b);", &[])]
    #[case("ALTER TABLE app.t ADD CONSTRAINT c CHECK (app.f(a)) NOT VALID;", &[])]
    #[case("ALTER TABLE app.t OWNER TO x;", &[])]
    #[case("ALTER TABLE app.t ENABLE ROW LEVEL SECURITY;", &["app.t"])]
    #[case("ALTER TABLE ONLY app.t FORCE ROW LEVEL SECURITY;", &["app.t"])]
    #[case("ALTER TABLE app.t DISABLE TRIGGER ALL;", &[])]
    #[case("ALTER TABLE ONLY app.t REPLICA IDENTITY FULL;", &["app.t"])]
    #[case("CREATE POLICY p ON app.t FOR SELECT USING (true);", &["app.t"])]
    #[case("CREATE TRIGGER g BEFORE UPDATE OF a ON app.t FOR EACH ROW EXECUTE FUNCTION app.f();", &["app.t"])]
    #[case("CREATE CONSTRAINT TRIGGER g AFTER INSERT ON app.t FROM app.r DEFERRABLE FOR EACH ROW EXECUTE FUNCTION app.f();", &[])]
    #[case("COMMENT ON CONSTRAINT p ON app.t IS 'x';", &["app.t"])]
    #[case("COMMENT ON TABLE app.t IS 'x';", &[])]
    #[case("COMMENT ON INDEX app.i IS 'x';", &[])]
    #[case("ALTER INDEX app.i ATTACH PARTITION app.j;", &[])]
    #[case("INSERT INTO app.t VALUES (1);", &[])]
    #[case("SET client_encoding = 'UTF8';", &["set client_encoding"])]
    #[case("SET SESSION AUTHORIZATION 'app';", &["set session"])]
    #[case("SET SESSION search_path = app;", &["set search_path"])]
    #[case("SET LOCAL search_path = app;", &[])]
    #[case("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;", &[])]
    #[case("RESET ROLE;", &["set role"])]
    #[case("SELECT pg_catalog.set_config('search_path', '', false);", &["set search_path"])]
    #[case("SELECT pg_catalog.setval('app.s', 3, true);", &[])]
    fn what_may_run_beside_others(#[case] statement: &str, #[case] expected: &[&str]) {
        let role = Indexes::default().role(&Words::of(statement.as_bytes()));
        assert_eq!(claims(&role), expected);
    }

    #[rstest]
    #[case("ALTER INDEX app.i ATTACH PARTITION app.p;", &["app.t", "app.u"])]
    #[case("ALTER INDEX app.i ALTER COLUMN 1 SET STATISTICS 10;", &["app.t"])]
    #[case("ALTER INDEX app.i RENAME TO k;", &[])]
    #[case("COMMENT ON INDEX app.i IS 'x';", &["app.t"])]
    fn the_table_of_an_index_is_remembered(#[case] statement: &str, #[case] expected: &[&str]) {
        let mut indexes = Indexes::default();
        let _ = indexes.role(&Words::of(b"CREATE INDEX i ON ONLY app.t USING btree (a);"));
        let _ = indexes.role(&Words::of(
            b"ALTER TABLE ONLY app.u ADD CONSTRAINT p PRIMARY KEY (a);",
        ));
        let role = indexes.role(&Words::of(statement.as_bytes()));
        assert_eq!(claims(&role), expected);
    }
    #[rstest]
    #[case("ALTER TABLE app.t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES app.r(a);", &["app.t", "app.r", "app.p", "app.q", "app.s"])]
    #[case("ALTER TABLE app.o ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES app.p(a);", &["app.o", "app.p", "app.q"])]
    #[case("CREATE TRIGGER g AFTER INSERT ON app.t FOR EACH ROW EXECUTE FUNCTION app.f();", &["app.t", "app.p", "app.s", "app.q"])]
    #[case("ALTER TABLE ONLY app.t ADD CONSTRAINT k PRIMARY KEY (a);", &["app.t", "app.k"])]
    fn partitions_are_claimed_with_their_table(#[case] statement: &str, #[case] expected: &[&str]) {
        let mut indexes = Indexes::default();
        for statement in [
            "ALTER TABLE ONLY app.p ATTACH PARTITION app.q DEFAULT;",
            "ALTER TABLE ONLY app.t ATTACH PARTITION app.p FOR VALUES IN (1);",
            "CREATE TABLE app.s PARTITION OF app.t FOR VALUES IN (2);",
        ] {
            assert_eq!(indexes.role(&Words::of(statement.as_bytes())), Role::Alone);
        }
        let role = indexes.role(&Words::of(statement.as_bytes()));
        let (mut claims, mut expected) = (claims(&role), expected.to_vec());
        claims.sort();
        expected.sort_unstable();
        assert_eq!(claims, expected);
    }
}
