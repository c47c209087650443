//! Which statements only expand a schema: the previous version of the application runs on the result as it did before.
//!
//! What is not known to expand counts as contracting. Functions that a statement calls are not looked into.

use std::collections::BTreeSet;

use squawk_syntax::ast::{
    AlterColumnOption, AlterTable, AlterTableAction, AlterTypeAction, AstNode, Constraint, Stmt,
};
use squawk_syntax::{SourceFile, SyntaxKind};

use crate::sql::QualifiedName;

/// A statement that may contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contraction {
    /// Line of the file, from 1.
    pub line: usize,
    /// Its first words: `DROP TABLE`.
    pub statement: String,
    /// What it takes from the previous version of the application.
    pub why: &'static str,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Line of the file, from 1.
    pub line: usize,
    /// What the parser expected.
    pub message: String,
}

const GONE: &str = "what the previous version uses may be gone";
const REFUSED: &str = "it may refuse what the previous version writes";
const HIDDEN: &str = "it may hide rows from the previous version, or refuse what it writes";
const UNKNOWN: &str = "it is not known to expand only";

/// The tables that a migration makes.
pub fn tables_made(text: &str) -> BTreeSet<QualifiedName> {
    let parsed = SourceFile::parse(text);
    parsed
        .tree()
        .stmts()
        .filter_map(|statement| made_table(&statement))
        .collect()
}

/// Finds the statements of a migration that may contract. `earlier` are the tables that files before it make: with IF NOT EXISTS
/// it may only seem to make one of them.
///
/// # Errors
/// The first place that cannot be read.
pub fn contractions(
    text: &str,
    earlier: &BTreeSet<QualifiedName>,
) -> Result<Vec<Contraction>, Unreadable> {
    let parsed = SourceFile::parse(text);
    let line_of = |at: usize| {
        1 + text
            .as_bytes()
            .iter()
            .take(at)
            .filter(|b| **b == b'\n')
            .count()
    };
    if let Some(error) = parsed.errors().first() {
        return Err(Unreadable {
            line: line_of(error.range().start().into()),
            message: error.message().to_owned(),
        });
    }
    let mut made = BTreeSet::new();
    let mut found = Vec::new();
    for statement in parsed.tree().stmts() {
        if changes_search_path(&statement) {
            // A name without a schema may mean another table from here on.
            made.clear();
        }
        if let Some(name) = made_table(&statement).filter(|name| !earlier.contains(name)) {
            made.insert(name);
        }
        if let Some(why) = judge(&statement, &made) {
            let node = statement.syntax();
            let words = node.text().to_string();
            let words: Vec<&str> = words.split_whitespace().take(2).collect();
            found.push(Contraction {
                line: line_of(node.text_range().start().into()),
                statement: words.join(" ").trim_end_matches(';').to_uppercase(),
                why,
            });
        }
    }
    Ok(found)
}

/// The table that a statement makes.
fn made_table(statement: &Stmt) -> Option<QualifiedName> {
    match statement {
        Stmt::CreateTable(table) => name(&table.table_name()?),
        Stmt::CreateTableAs(table) => name(&table.table_name()?),
        _ => None,
    }
}

/// Reads a name as it is written.
fn name(node: &impl AstNode) -> Option<QualifiedName> {
    QualifiedName::parse(&node.syntax().text().to_string()).ok()
}

/// Why a statement may contract; `made` are the tables that the file itself makes, which no earlier version knows.
fn judge(statement: &Stmt, made: &BTreeSet<QualifiedName>) -> Option<&'static str> {
    let unless_new = |table: Option<QualifiedName>, why| match table {
        Some(table) if made.contains(&table) => None,
        _ => Some(why),
    };
    if removes_rows(statement) {
        return Some("it may remove rows");
    }
    match statement {
        // They change no definition.
        Stmt::EmptyStmt(_) | Stmt::Begin(_) | Stmt::Commit(_) | Stmt::Rollback(_) | Stmt::Set(_)
        | Stmt::Reset(_) | Stmt::SetRole(_) | Stmt::ResetRole(_) | Stmt::SetConstraints(_)
        | Stmt::Select(_) | Stmt::ParenSelect(_) | Stmt::CompoundSelect(_) | Stmt::Values(_)
        | Stmt::Table(_) | Stmt::Lock(_) | Stmt::Analyze(_) | Stmt::CommentOn(_)
        // They add rows, change values, or build again what is there.
        | Stmt::Insert(_) | Stmt::Update(_) | Stmt::Refresh(_) | Stmt::Reindex(_)
        | Stmt::Grant(_)
        // They make what nobody knows yet.
        | Stmt::CreateAggregate(_) | Stmt::CreateCollation(_) | Stmt::CreateDomain(_)
        | Stmt::CreateExtension(_) | Stmt::CreateFunction(_) | Stmt::CreateMaterializedView(_)
        | Stmt::CreateProcedure(_) | Stmt::CreatePublication(_) | Stmt::CreateRole(_)
        | Stmt::CreateSchema(_) | Stmt::CreateSequence(_) | Stmt::CreateStatistics(_)
        | Stmt::CreateTable(_) | Stmt::CreateTableAs(_) | Stmt::CreateType(_)
        | Stmt::CreateView(_) => None,
        Stmt::CreateIndex(index) if index.unique_token().is_none() => None,
        Stmt::CreateIndex(index) => {
            unless_new(index.table_relation_name().and_then(|node| name(&node)), REFUSED)
        }
        Stmt::CreatePolicy(policy) => {
            let table = policy.on_table().and_then(|on| on.table_name_ref());
            unless_new(table.and_then(|node| name(&node)), HIDDEN)
        }
        Stmt::CreateTrigger(trigger) => {
            let table = trigger.on_relation().and_then(|on| on.relation_name_ref());
            unless_new(table.and_then(|node| name(&node)), REFUSED)
        }
        Stmt::AlterTable(alter) => {
            let table = alter.table_relation_name().and_then(|node| name(&node));
            alter_table(alter).and_then(|why| unless_new(table, why))
        }
        Stmt::AlterType(alter) => match alter.action() {
            Some(AlterTypeAction::AddValue(_)) => None,
            _ => Some(GONE),
        },
        Stmt::Do(_) | Stmt::Call(_) | Stmt::Execute(_) => Some("what it does is not read"),
        Stmt::Revoke(_) => Some("it may take a right from the previous version"),
        other if is_drop(other) => Some(GONE),
        _ => Some(UNKNOWN),
    }
}

/// Whether names without a schema may mean something else afterwards.
fn changes_search_path(statement: &Stmt) -> bool {
    let sets = matches!(statement, Stmt::Set(_) | Stmt::Reset(_) | Stmt::Select(_));
    let text = statement.syntax().text().to_string().to_ascii_lowercase();
    sets && (text.contains("search_path") || text.trim_start().starts_with("reset all"))
}

/// Whether a statement or a part of it, such as `WITH … AS (DELETE …)`, may remove rows.
fn removes_rows(statement: &Stmt) -> bool {
    let removes = |kind| {
        matches!(
            kind,
            SyntaxKind::DELETE | SyntaxKind::MERGE | SyntaxKind::TRUNCATE
        )
    };
    let mut parts = statement.syntax().descendants();
    parts.any(|node| removes(node.kind()))
}

/// Why an ALTER TABLE may contract: its first action that does.
fn alter_table(alter: &AlterTable) -> Option<&'static str> {
    let mut actions = alter.actions().peekable();
    // `ALTER TABLE ALL IN TABLESPACE`, and whatever else has none.
    if actions.peek().is_none() {
        return Some(UNKNOWN);
    }
    actions.find_map(|action| match action {
        AlterTableAction::AddColumn(column) => {
            let (mut required, mut filled, mut defaults) = (false, false, false);
            let (mut unique, mut checked) = (false, false);
            for constraint in column.constraints() {
                match constraint {
                    Constraint::NotNullConstraint(_) | Constraint::PrimaryKeyConstraint(_) => {
                        required = true;
                    }
                    Constraint::DefaultConstraint(default) => {
                        let text = default.syntax().text().to_string();
                        filled |= !text.trim().to_ascii_uppercase().ends_with("NULL");
                        defaults = true;
                    }
                    Constraint::GeneratedConstraint(_) => filled = true,
                    Constraint::UniqueConstraint(_) => unique = true,
                    // It may be about a column that was there before.
                    Constraint::CheckConstraint(_) => checked = true,
                    _ => {}
                }
            }
            if required && !filled {
                return Some("the previous version writes rows without the column");
            }
            (checked || (unique && defaults)).then_some(REFUSED)
        }
        AlterTableAction::AlterColumn(column) => match column.option() {
            Some(
                AlterColumnOption::DropNotNull(_)
                | AlterColumnOption::SetDefault(_)
                | AlterColumnOption::SetStatistics(_)
                | AlterColumnOption::SetStorage(_)
                | AlterColumnOption::SetCompression(_)
                | AlterColumnOption::SetOptions(_)
                | AlterColumnOption::ResetOptions(_),
            ) => None,
            Some(AlterColumnOption::SetNotNull(_)) => Some(REFUSED),
            _ => Some("the previous version knows the column as it was"),
        },
        AlterTableAction::AttachPartition(_)
        | AlterTableAction::ClusterOn(_)
        | AlterTableAction::SetWithoutCluster(_)
        | AlterTableAction::OptionItemList(_)
        | AlterTableAction::SetOptions(_)
        | AlterTableAction::ResetOptions(_)
        | AlterTableAction::ReplicaIdentity(_)
        | AlterTableAction::ValidateConstraint(_) => None,
        AlterTableAction::AddConstraint(_)
        | AlterTableAction::EnableTrigger(_)
        | AlterTableAction::EnableAlwaysTrigger(_) => Some(REFUSED),
        AlterTableAction::EnableRls(_) | AlterTableAction::ForceRls(_) => Some(HIDDEN),
        AlterTableAction::DropColumn(_)
        | AlterTableAction::DropConstraint(_)
        | AlterTableAction::DetachPartition(_)
        | AlterTableAction::RenameColumn(_)
        | AlterTableAction::RenameConstraint(_)
        | AlterTableAction::SetSchema(_)
        | AlterTableAction::TableRenameTo(_) => Some(GONE),
        _ => Some(UNKNOWN),
    })
}

/// Whether a statement begins with DROP.
fn is_drop(statement: &Stmt) -> bool {
    let first = statement.syntax().first_token();
    first.is_some_and(|token| token.text().eq_ignore_ascii_case("drop"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("CREATE TABLE app.t (id int PRIMARY KEY); CREATE UNIQUE INDEX i ON app.t (id); CREATE POLICY p ON app.t USING (true);
            ALTER TABLE app.t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; ALTER TABLE app.t ADD CHECK (id > 0);")]
    #[case(
        "CREATE TABLE \"T 1\" (id int); CREATE TRIGGER x BEFORE UPDATE ON public.\"T 1\" FOR EACH ROW EXECUTE FUNCTION f()"
    )]
    #[case("ALTER TABLE app.t ADD COLUMN a int, ADD b text NOT NULL DEFAULT ''")]
    #[case("ALTER TABLE t ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY")]
    #[case("ALTER TABLE t ALTER COLUMN a DROP NOT NULL, VALIDATE CONSTRAINT c")]
    #[case(
        "SET search_path = public; CREATE INDEX CONCURRENTLY i ON t (a) WHERE a > 0; SET search_path = ''"
    )]
    #[case(
        "ALTER TYPE app.state ADD VALUE 'dead'; COMMENT ON TABLE t IS 'DROP TABLE t'; GRANT SELECT ON t TO r"
    )]
    #[case(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; RETURN NULL; END $$;"
    )]
    #[case(
        "BEGIN; UPDATE t SET a = 1 WHERE a IS NULL; INSERT INTO t SELECT 1; -- DROP TABLE t\nCOMMIT; ;"
    )]
    fn these_expand(#[case] sql: &str) {
        assert_eq!(contractions(sql, &BTreeSet::new()), Ok(Vec::new()), "{sql}");
    }

    #[rstest]
    #[case("DROP TABLE app.t", "DROP TABLE")]
    #[case("DROP INDEX CONCURRENTLY i", "DROP INDEX")]
    #[case("drop view if exists v", "DROP VIEW")]
    #[case("ALTER TABLE t DROP COLUMN a", "ALTER TABLE")]
    #[case("ALTER TABLE t ADD a int, DROP CONSTRAINT c", "ALTER TABLE")]
    #[case("ALTER TABLE t RENAME TO s", "ALTER TABLE")]
    #[case("ALTER TABLE t RENAME COLUMN a TO b", "ALTER TABLE")]
    #[case("ALTER TABLE t ALTER COLUMN a TYPE bigint", "ALTER TABLE")]
    #[case("ALTER TABLE t ALTER a SET NOT NULL", "ALTER TABLE")]
    #[case("ALTER TABLE t ADD COLUMN a int NOT NULL", "ALTER TABLE")]
    #[case(
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
        "ALTER TABLE"
    )]
    #[case("ALTER TABLE t ENABLE ROW LEVEL SECURITY", "ALTER TABLE")]
    #[case(
        "CREATE TABLE s (id int); ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE"
    )]
    #[case("ALTER TABLE t ADD a text NOT NULL DEFAULT '' UNIQUE", "ALTER TABLE")]
    #[case("ALTER TABLE t ADD a int CHECK (id < 0)", "ALTER TABLE")]
    #[case("ALTER TABLE t ADD a int NOT NULL DEFAULT NULL", "ALTER TABLE")]
    #[case(
        "SET search_path = s; CREATE TABLE t (a int); SET search_path = public; ALTER TABLE t DROP COLUMN a",
        "ALTER TABLE"
    )]
    #[case("CREATE UNIQUE INDEX i ON t (a)", "CREATE UNIQUE")]
    #[case("CREATE POLICY p ON t USING (true)", "CREATE POLICY")]
    #[case(
        "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TRIGGER"
    )]
    #[case("CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING", "CREATE RULE")]
    #[case("ALTER TYPE app.state RENAME VALUE 'a' TO 'b'", "ALTER TYPE")]
    #[case("DO $$ BEGIN EXECUTE 'DROP TABLE t'; END $$", "DO $$")]
    #[case("TRUNCATE t", "TRUNCATE T")]
    #[case("DELETE FROM t", "DELETE FROM")]
    #[case(
        "WITH gone AS (DELETE FROM t RETURNING a) INSERT INTO s SELECT a FROM gone",
        "WITH GONE"
    )]
    #[case("REVOKE SELECT ON t FROM r", "REVOKE SELECT")]
    #[case("ALTER SEQUENCE s RENAME TO q", "ALTER SEQUENCE")]
    fn these_may_contract(#[case] sql: &str, #[case] statement: &str) {
        let found = contractions(&format!("-- a comment\n{sql};\n"), &BTreeSet::new()).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].line, found[0].statement.as_str()), (2, statement));
    }

    #[test]
    fn a_table_of_an_earlier_file_is_not_new() {
        let earlier =
            tables_made("CREATE TABLE app.t (a int); CREATE TABLE IF NOT EXISTS s (a int);");
        let of = |table: &str| {
            let sql = format!(
                "CREATE TABLE IF NOT EXISTS {table} (a int); ALTER TABLE {table} DROP COLUMN a;"
            );
            contractions(&sql, &earlier).unwrap().len()
        };
        assert_eq!((of("app.t"), of("public.s"), of("app.new")), (1, 1, 0));
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_line() {
        let error =
            contractions("SELECT 1;\nCREATE TABEL t (id int);\n", &BTreeSet::new()).unwrap_err();
        assert_eq!(error.line, 2, "{error:?}");
    }
}
