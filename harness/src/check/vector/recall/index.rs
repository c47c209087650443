//! Vector indexes, and whether a plan goes through them.

use serde_json::Value;

use super::super::contents::VectorColumn;
use crate::check::columns::Columns as _;
use crate::database::{DatabaseError, Session, TextRow};
use crate::outcome::CouldNotRun;
use crate::sql::{QualifiedName, quote_ident, quote_literal};

/// Vector indexes of a table whose key is the column or an expression of it: their names, method, key,
/// condition, operator, type, and whether they are valid.
const INDEXES: &str = "
SELECT xn.nspname, x.relname, am.amname,
       pg_catalog.pg_get_indexdef(i.indexrelid, 1, false),
       pg_catalog.pg_get_expr(i.indpred, i.indrelid),
       onsp.nspname, o.oprname, tn.nspname, t.typname,
       i.indisvalid AND i.indisready AND i.indislive
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace xn ON xn.oid = x.relnamespace
  JOIN pg_catalog.pg_am am ON am.oid = x.relam AND am.amname IN ('hnsw', 'ivfflat')
  JOIN pg_catalog.pg_opclass c ON c.oid = i.indclass[0]
  JOIN pg_catalog.pg_amop p ON p.amopfamily = c.opcfamily AND p.amoppurpose = 'o'
   AND p.amoplefttype = c.opcintype
  JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr
  JOIN pg_catalog.pg_namespace onsp ON onsp.oid = o.oprnamespace
  JOIN pg_catalog.pg_type t ON t.oid = o.oprright
  JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attname = {column}
 WHERE i.indrelid = {table}::pg_catalog.regclass
   AND (i.indkey[0] = a.attnum
        OR (i.indkey[0] = 0 AND EXISTS (
              SELECT FROM pg_catalog.pg_depend d
               WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                 AND d.objid = i.indexrelid AND d.refobjid = i.indrelid
                 AND d.refobjsubid = a.attnum)))
 ORDER BY 2";

/// An index that can be searched.
pub struct VectorIndex {
    pub name: QualifiedName,
    pub method: String,
    /// The column or the expression, as SQL.
    pub key: String,
    /// The condition of a partial index.
    pub predicate: Option<String>,
    pub operator: String,
    /// The operator with its schema.
    pub qualified: String,
    /// The type of what is searched for.
    pub of_type: String,
    pub valid: bool,
}

/// What an index or a table is together with all below it.
const MEMBERS: &str = "
SELECT c.relname FROM pg_catalog.pg_class c
 WHERE c.oid = {relation}::pg_catalog.regclass
    OR c.oid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree({relation}::pg_catalog.regclass) p)
    OR c.oid IN (WITH RECURSIVE tree(oid) AS (
                   SELECT {relation}::pg_catalog.regclass::pg_catalog.oid
                    UNION SELECT h.inhrelid FROM pg_catalog.pg_inherits h JOIN tree ON h.inhparent = tree.oid)
                 SELECT oid FROM tree)";

/// Reads the vector indexes of a column.
pub async fn indexes(
    session: &mut Session,
    table: &QualifiedName,
    column: &VectorColumn,
) -> Result<Vec<VectorIndex>, CouldNotRun> {
    let sql = INDEXES
        .replace("{table}", &table.literal())
        .replace("{column}", &quote_literal(&column.name));
    let rows = session.rows(&sql).await?;
    let index = |row: &TextRow| {
        let operator = row.text(6)?;
        Some(VectorIndex {
            name: row.name(0)?,
            method: row.text(2)?,
            key: row.text(3)?,
            predicate: row.text(4),
            qualified: format!("{}.{operator}", quote_ident(&row.text(5)?)),
            operator,
            of_type: row.name(7)?.to_string(),
            valid: row.is_true(9),
        })
    };
    Ok(rows.iter().filter_map(index).collect())
}

/// Names of a relation and of all below it.
pub async fn names(
    session: &mut Session,
    relation: &QualifiedName,
) -> Result<Vec<String>, DatabaseError> {
    let sql = MEMBERS.replace("{relation}", &relation.literal());
    let rows = session.rows(&sql).await?;
    Ok(rows.iter().filter_map(|row| row.text(0)).collect())
}

/// Tells whether every scan of these relations in a plan goes through one of these indexes; else which
/// steps there are.
pub fn uses(plan: &str, indexes: &[String], relations: &[String]) -> Result<(), String> {
    let plan: Value =
        serde_json::from_str(plan).map_err(|_| "the server's plan is not JSON".to_owned())?;
    let mut scans = Vec::new();
    collect(&plan, relations, &mut scans);
    let ours = |scan: &(String, Option<String>)| {
        scan.1.as_ref().is_some_and(|index| indexes.contains(index))
    };
    if !scans.is_empty() && scans.iter().all(ours) {
        return Ok(());
    }
    let steps: Vec<String> = scans
        .into_iter()
        .map(|(step, index)| match index {
            Some(index) => format!("{step} using {}", quote_ident(&index)),
            None => step,
        })
        .collect();
    Err(if steps.is_empty() {
        "no scan of it".to_owned()
    } else {
        steps.join(", ")
    })
}

/// Collects the scans of relations with the index that they use.
fn collect(value: &Value, relations: &[String], scans: &mut Vec<(String, Option<String>)>) {
    match value {
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect(item, relations, scans)),
        Value::Object(fields) => {
            let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
            if let (Some(step), Some(relation)) = (text("Node Type"), text("Relation Name"))
                && relations.contains(&relation)
            {
                scans.push((step, text("Index Name")));
            }
            for key in ["Plan", "Plans"] {
                if let Some(inner) = fields.get(key) {
                    collect(inner, relations, scans);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#"[{"Plan":{"Node Type":"Limit","Plans":[{"Node Type":"Index Scan","Relation Name":"t","Index Name":"i"}]}}]"#, true)]
    #[case(r#"[{"Plan":{"Node Type":"Limit","Plans":[{"Node Type":"Index Scan","Relation Name":"t","Index Name":"j"}]}}]"#, false)]
    #[case(
        r#"[{"Plan":{"Node Type":"Sort","Plans":[{"Node Type":"Seq Scan","Relation Name":"t"}]}}]"#,
        false
    )]
    #[case(r#"[{"Plan":{"Node Type":"Result"}}]"#, false)]
    fn the_plan_must_use_the_index(#[case] plan: &str, #[case] good: bool) {
        let names = |name: &str| vec![name.to_owned()];
        assert_eq!(uses(plan, &names("i"), &names("t")).is_ok(), good);
    }
}
