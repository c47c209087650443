//! Which tables other sessions may load: those that this dump created, that nothing reacts to, and that hold no row yet.

use std::collections::{BTreeMap, BTreeSet};

use pgdump::script::statement::Words;

use super::order::qualified;
use crate::sql::{QualifiedName, Token, TokenKind, read_identifier, tokens};

/// How the rows of a table may be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loading {
    /// In the order of the dump: something may react to a row, or read other tables for it.
    InOrder,
    /// By one other session, after everything before.
    Beside,
    /// By several sessions at once, or in a transaction that first empties the table, which is empty: the server then
    /// writes no WAL, and rows that need no second visit.
    Fresh,
}

/// A table that the dump created.
#[derive(Debug, Clone, Copy)]
struct Created {
    loading: Loading,
    /// Columns whose values COPY can give.
    columns: usize,
    /// In the order of the dump.
    number: usize,
}

/// The tables of a dump, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct FreshTables {
    tables: BTreeMap<QualifiedName, Created>,
    /// Functions of the dump, and what is defined with them: whatever names one of them may run any code.
    code: BTreeSet<String>,
    /// Whether a trigger on commands, or code without a name, may react to anything.
    reacts: bool,
    /// How many tables were created.
    created: usize,
    /// Of tables with a lower number any may hold rows.
    fresh_from: usize,
}

/// Statements that neither add rows nor change what adding one does.
const HARMLESS: &[&str] = &[
    "analyze", "begin", "comment", "commit", "grant", "reset", "revoke", "set",
];

/// Functions that pg_dump calls, of settings, sequences and large objects.
const CALLED: &[&str] = &[
    "pg_catalog.set_config",
    "pg_catalog.setval",
    "pg_catalog.lo_create",
    "pg_catalog.lo_open",
    "pg_catalog.lowrite",
    "pg_catalog.lo_close",
];

/// What may be altered of a table that is loaded later.
const ALTERED: &[[&str; 2]] = &[
    ["owner", "to"],
    ["attach", "partition"],
    ["alter", "column"],
    ["enable", "row"],
    ["force", "row"],
    ["replica", "identity"],
    ["cluster", "on"],
];

impl FreshTables {
    /// Takes note of a statement that is run.
    pub(super) fn note(&mut self, words: &Words<'_>, text: &str) {
        let tokens = words.tokens();
        let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.is_word(text));
        if HARMLESS.iter().any(|word| is(0, word)) {
            return;
        }
        if is(0, "select") && CALLED.iter().any(|name| is(1, name)) {
            return;
        }
        if is(0, "alter") && is(1, "table") {
            let at = 2 + usize::from(is(2, "only"));
            let mut altered = ALTERED.iter();
            let harmless = altered.any(|[first, second]| is(at + 1, first) && is(at + 2, second));
            // A default is evaluated for columns that COPY does not name; it may name code.
            if !harmless || self.runs_code(text) {
                self.limit(qualified(words, at), Loading::InOrder);
            }
            return;
        }
        if is(0, "alter") {
            return;
        }
        if !is(0, "create") {
            // INSERT, SELECT, DO, CALL, and whatever else may add a row somewhere.
            self.all_may_hold_rows();
            return;
        }
        self.created(words, text);
    }

    /// A statement failed: what it would have created may be there already, with rows.
    pub(super) fn failed(&mut self, words: &Words<'_>) {
        let tokens = words.tokens().iter();
        let table = tokens.take(4).position(|token| token.is_word("table"));
        if let Some(table) = table.and_then(|at| qualified(words, at + 1)) {
            self.limit(Some(table), Loading::InOrder);
        }
    }

    fn created(&mut self, words: &Words<'_>, text: &str) {
        let tokens = words.tokens();
        let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.is_word(text));
        let at = if is(1, "or") { 3 } else { 1 };
        let unlogged = is(at, "unlogged");
        if is(at, "table") || (unlogged && is(at + 1, "table")) {
            let name = at + 1 + usize::from(unlogged);
            if let Some(table) = qualified(words, name) {
                // A second definition of a name is an error; the first table may hold rows.
                let known = self.tables.contains_key(&table);
                let mut created = self.of_definition(text);
                if known {
                    created.loading = Loading::InOrder;
                }
                self.created += 1;
                self.tables.insert(table, created);
            }
            return;
        }
        let unnamed = ["operator", "cast", "transform", "conversion"];
        if unnamed.iter().any(|kind| is(at, kind)) {
            // Whatever uses one does not name it.
            self.reacts = true;
        } else if ["function", "procedure", "aggregate"]
            .iter()
            .any(|kind| is(at, kind))
            || (["domain", "type"].iter().any(|kind| is(at, kind)) && self.runs_code(text))
        {
            self.code
                .extend(words.qualified(at + 1).map(|name| name.name));
        } else if is(at, "event") {
            self.reacts = true;
        } else if is(at, "trigger") || is(at, "constraint") || is(at, "rule") {
            let on = tokens
                .iter()
                .position(|token| token.is_word("on") || token.is_word("to"));
            self.limit(on.and_then(|on| qualified(words, on + 1)), Loading::InOrder);
            self.all_may_hold_rows();
        } else if is(at, "unique") || is(at, "index") {
            let on = tokens.iter().position(|token| token.is_word("on"));
            let on = on.map(|on| if is(on + 1, "only") { on + 2 } else { on + 1 });
            let loading = if self.runs_code(text) {
                Loading::InOrder
            } else {
                Loading::Beside
            };
            self.limit(on.and_then(|on| qualified(words, on)), loading);
        }
    }

    /// A table that is defined like this.
    fn of_definition(&self, text: &str) -> Created {
        let tokens: Vec<Token<'_>> = tokens(text).collect();
        let has = |word: &str| tokens.iter().any(|token| token.is_word(word));
        let columns = columns(&tokens);
        let loading = if has("references") || has("if") || self.runs_code(text) {
            Loading::InOrder
        } else if ["primary", "unique", "exclude", "partition", "select"]
            .iter()
            .any(|word| has(word))
            || columns == 0
        {
            Loading::Beside
        } else {
            Loading::Fresh
        };
        Created {
            loading,
            columns,
            number: self.created,
        }
    }

    /// Whether a statement names code of the dump.
    fn runs_code(&self, text: &str) -> bool {
        let words = tokens(text).filter(|token| token.kind == TokenKind::Word);
        let mut names = words.map(|token| match QualifiedName::parse(token.text) {
            Ok(name) => name.name,
            Err(_) => read_identifier(token.text),
        });
        names.any(|name| self.code.contains(&name))
    }

    fn limit(&mut self, table: Option<QualifiedName>, to: Loading) {
        match table {
            Some(table) => {
                if let Some(created) = self.tables.get_mut(&table) {
                    created.loading = less(created.loading, to);
                }
            }
            // It is not known which.
            None if to == Loading::InOrder => self.reacts = true,
            None => self.all_may_hold_rows(),
        }
    }

    fn all_may_hold_rows(&mut self) {
        self.fresh_from = self.created;
    }

    /// How the rows that follow a COPY may be loaded; `columns` is how many it names, 0 for all.
    pub(super) fn loading(&mut self, table: Option<&QualifiedName>, columns: usize) -> Loading {
        let known = table.and_then(|table| self.tables.get_mut(table));
        let Some(created) = known.filter(|one| !self.reacts && one.loading != Loading::InOrder)
        else {
            self.all_may_hold_rows();
            return Loading::InOrder;
        };
        // It holds rows from now on.
        let loading = std::mem::replace(&mut created.loading, Loading::Beside);
        match loading {
            Loading::Fresh if created.number < self.fresh_from => Loading::Beside,
            // Defaults such as those of a sequence are given in the order of the rows.
            Loading::Fresh if columns > 0 && columns < created.columns => Loading::Beside,
            Loading::Fresh => Loading::Fresh,
            loading => {
                // Of a partitioned table the rows are in others.
                self.all_may_hold_rows();
                loading
            }
        }
    }
}

/// Counts the columns of a table definition that have values of their own; 0 where it names none.
fn columns(tokens: &[Token<'_>]) -> usize {
    let Some(open) = tokens.iter().position(|token| token.text == "(") else {
        return 0;
    };
    let (mut depth, mut begins, mut is_column, mut count) = (0_usize, true, false, 0);
    let others = ["constraint", "check", "like", "foreign"];
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" => {
                depth += 1;
                if depth == 1 {
                    continue;
                }
            }
            ")" => {
                depth -= 1;
                if depth == 0 {
                    return count + usize::from(is_column);
                }
            }
            "," if depth == 1 => {
                count += usize::from(is_column);
                (begins, is_column) = (true, false);
                continue;
            }
            _ if depth == 1 && begins => {
                is_column = !others.iter().any(|word| token.is_word(word));
            }
            // `GENERATED ALWAYS AS (…)`, and not `AS IDENTITY`.
            _ if depth == 1 && token.is_word("generated") => {
                let next =
                    |word: &str| tokens[at..].iter().take(5).any(|token| token.is_word(word));
                is_column &= next("identity");
            }
            _ => {}
        }
        begins = false;
    }
    0
}

/// The one that allows less.
fn less(one: Loading, other: Loading) -> Loading {
    match (one, other) {
        (Loading::InOrder, _) | (_, Loading::InOrder) => Loading::InOrder,
        (Loading::Beside, _) | (_, Loading::Beside) => Loading::Beside,
        _ => Loading::Fresh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const TABLE: &str = "CREATE TABLE app.t (id integer NOT NULL, at date DEFAULT now(), CONSTRAINT c CHECK ((id > 0)));";
    const FUNCTION: &str =
        "CREATE FUNCTION app.f(a integer) RETURNS integer LANGUAGE sql AS $$ SELECT a $$;";

    #[rstest]
    #[case(&[TABLE], Loading::Fresh)]
    #[case(&[TABLE, "ALTER TABLE app.t OWNER TO x;", "COMMENT ON TABLE app.t IS 'x';", FUNCTION], Loading::Fresh)]
    #[case(&[TABLE, "ALTER TABLE ONLY app.t ALTER COLUMN id SET DEFAULT nextval('app.s'::regclass);"], Loading::Fresh)]
    #[case(&[TABLE, "ALTER TABLE ONLY app.t ATTACH PARTITION app.u DEFAULT;"], Loading::Fresh)]
    #[case(&[TABLE, "SELECT pg_catalog.lo_create('7');", "BEGIN;", "SELECT pg_catalog.lo_open('7', 131072);", "SELECT pg_catalog.lowrite(0, '\\x37');", "SELECT pg_catalog.lo_close(0);", "COMMIT;"], Loading::Fresh)]
    #[case(&["CREATE TABLE app.t (id int) PARTITION BY LIST (id);"], Loading::Beside)]
    #[case(&["CREATE TABLE app.t (id int PRIMARY KEY);"], Loading::Beside)]
    #[case(&[TABLE, "CREATE INDEX i ON app.t USING btree (id);"], Loading::Beside)]
    #[case(&[TABLE, "INSERT INTO app.t VALUES (1);"], Loading::Beside)]
    #[case(&[TABLE, "SELECT app.fill();"], Loading::Beside)]
    #[case(&["CREATE TABLE app.t (id int REFERENCES app.r);"], Loading::InOrder)]
    #[case(&[TABLE, "ALTER TABLE app.t ADD CONSTRAINT p PRIMARY KEY (id);"], Loading::InOrder)]
    #[case(&[TABLE, "ALTER TABLE app.t DISABLE TRIGGER ALL;"], Loading::InOrder)]
    #[case(&[TABLE, "CREATE TRIGGER g BEFORE INSERT ON app.t FOR EACH ROW EXECUTE FUNCTION app.f();"], Loading::InOrder)]
    #[case(&[TABLE, "CREATE TRIGGER g BEFORE INSERT ON app.u FOR EACH ROW EXECUTE FUNCTION app.f();"], Loading::Beside)]
    #[case(&[TABLE, "CREATE EVENT TRIGGER g ON ddl_command_end EXECUTE FUNCTION app.f();"], Loading::InOrder)]
    #[case(&[FUNCTION, "CREATE TABLE app.t (id integer CHECK ((app.f(id) > 0)));"], Loading::InOrder)]
    #[case(&[FUNCTION, "CREATE DOMAIN app.d AS integer CHECK ((app.f(VALUE) > 0));", "CREATE TABLE app.t (id app.d);"], Loading::InOrder)]
    #[case(&[FUNCTION, TABLE, "ALTER TABLE ONLY app.t ALTER COLUMN id SET DEFAULT app.f(1);"], Loading::InOrder)]
    #[case(&["CREATE OPERATOR app.+ (FUNCTION = app.f, LEFTARG = integer);", TABLE], Loading::InOrder)]
    #[case(&["CREATE TABLE IF NOT EXISTS app.t (id int);"], Loading::InOrder)]
    #[case(&["CREATE TEMPORARY TABLE t (id int);"], Loading::InOrder)]
    #[case(&["CREATE TABLE app.t AS SELECT 1;"], Loading::Beside)]
    #[case(&[], Loading::InOrder)]
    fn how_a_table_may_be_loaded(#[case] statements: &[&str], #[case] expected: Loading) {
        let mut tables = FreshTables::default();
        for statement in statements {
            tables.note(&Words::of(statement.as_bytes()), statement);
        }
        let table = QualifiedName::parse("app.t").unwrap();
        assert_eq!(tables.loading(Some(&table), 2), expected);
    }

    #[rstest]
    #[case("(a int, b int DEFAULT nextval('s'), CONSTRAINT c CHECK ((a > 0)))", 2)]
    #[case(
        "(a int GENERATED ALWAYS AS IDENTITY, b numeric(4,2), c int GENERATED ALWAYS AS ((a * 2)) STORED)",
        2
    )]
    #[case("(\"check\" int, \"constraint\" int)", 2)]
    #[case("()", 0)]
    #[case("OF app.kind", 0)]
    fn columns_are_counted(#[case] definition: &str, #[case] expected: usize) {
        let text = format!("CREATE TABLE app.t {definition};");
        assert_eq!(columns(&tokens(&text).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn values_by_default_are_given_in_order() {
        let mut tables = FreshTables::default();
        tables.note(&Words::of(TABLE.as_bytes()), TABLE);
        let table = QualifiedName::parse("app.t").unwrap();
        assert_eq!(tables.loading(Some(&table), 1), Loading::Beside);
    }

    #[test]
    fn a_table_is_fresh_once() {
        let mut tables = FreshTables::default();
        tables.note(&Words::of(TABLE.as_bytes()), TABLE);
        let table = QualifiedName::parse("app.t").unwrap();
        assert_eq!(tables.loading(Some(&table), 2), Loading::Fresh);
        assert_eq!(tables.loading(Some(&table), 2), Loading::Beside);
    }

    #[test]
    fn a_table_that_was_there_is_not_fresh() {
        let mut tables = FreshTables::default();
        tables.note(&Words::of(TABLE.as_bytes()), TABLE);
        tables.failed(&Words::of(TABLE.as_bytes()));
        let table = QualifiedName::parse("app.t").unwrap();
        assert_eq!(tables.loading(Some(&table), 2), Loading::InOrder);
    }

    #[test]
    fn rows_in_order_may_fill_any_other_table() {
        let mut tables = FreshTables::default();
        tables.note(&Words::of(TABLE.as_bytes()), TABLE);
        assert_eq!(tables.loading(None, 0), Loading::InOrder);
        let table = QualifiedName::parse("app.t").unwrap();
        assert_eq!(tables.loading(Some(&table), 2), Loading::Beside);
    }
}
