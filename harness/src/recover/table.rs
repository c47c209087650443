//! Reads the restored table from the throwaway server: partitions, columns, rows, and what it requires
//! where it is loaded.

use crate::database::{DatabaseError, Session, Terms};
use crate::outcome::{CouldNotRun, Finding};
use crate::server::ThrowawayServer;
use crate::sql::{QualifiedName, quote_ident};
use crate::stage::Stopped;

/// Limit of counting the rows.
const COUNT_WITHIN: std::time::Duration = std::time::Duration::from_secs(3600);

/// A restored table.
#[derive(Debug, Clone)]
pub struct Table {
    /// The table and all its partitions, the table first.
    pub relations: Vec<QualifiedName>,
    /// OIDs of those on the server.
    pub(super) oids: Vec<String>,
    /// Those of them that are unlogged.
    pub unlogged: Vec<QualifiedName>,
    /// Columns that can be loaded, in order; generated columns are computed again.
    pub columns: Vec<String>,
    /// Whether it is partitioned; its rows are then those of its partitions.
    pub partitioned: bool,
    /// Number of rows.
    pub rows: u64,
    /// What must exist where it is loaded.
    pub needs: Vec<Need>,
    /// Objects that refer to it and are not in the file.
    pub not_with_it: Vec<String>,
}

/// An object that the definition of the table requires and that is not in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// `extension vector`, `type app.mood`, `role app_owner`.
    pub what: String,
}

/// The table with its partitions, and the kind of each.
const RELATIONS: &str = "
WITH RECURSIVE tree AS (
    SELECT c.oid, 0 AS depth FROM pg_catalog.pg_class c
     WHERE c.oid = pg_catalog.to_regclass({name})
    UNION ALL
    SELECT c.oid, t.depth + 1 FROM tree t
      JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
      JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
     WHERE c.relispartition)
SELECT n.nspname, c.relname, c.relkind, c.oid::pg_catalog.text, c.relpersistence = 'u'
  FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 ORDER BY t.depth, 1, 2";

/// Columns that a COPY can load.
const COLUMNS: &str = "
SELECT a.attname FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = {oid}::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
 ORDER BY a.attnum";

/// Dependencies of the tables outside of them. An object of an extension is listed as its extension, an
/// array as its element.
const NEEDS: &str = "
WITH tables AS (SELECT t::pg_catalog.oid AS oid FROM pg_catalog.unnest(ARRAY[{oids}]::pg_catalog.oid[]) t),
relations AS (
    SELECT oid FROM tables
    UNION SELECT i.indexrelid FROM pg_catalog.pg_index i JOIN tables t ON t.oid = i.indrelid
    UNION SELECT d.objid FROM pg_catalog.pg_depend d JOIN tables t ON t.oid = d.refobjid
      JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
     WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
       AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')),
own AS (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AS class, oid FROM relations
    UNION SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, a.oid FROM pg_catalog.pg_attrdef a JOIN tables t ON t.oid = a.adrelid
    UNION SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, c.oid FROM pg_catalog.pg_constraint c JOIN tables t ON t.oid = c.conrelid
    UNION SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, g.oid FROM pg_catalog.pg_trigger g JOIN tables t ON t.oid = g.tgrelid
    UNION SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid FROM pg_catalog.pg_policy p JOIN tables t ON t.oid = p.polrelid
    UNION SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass, r.oid FROM pg_catalog.pg_rewrite r JOIN tables t ON t.oid = r.ev_class
    UNION SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid FROM pg_catalog.pg_statistic_ext s JOIN tables t ON t.oid = s.stxrelid
    UNION SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, y.oid FROM pg_catalog.pg_type y JOIN tables t ON t.oid = y.typrelid),
named AS (
    SELECT DISTINCT d.refclassid AS class,
           CASE WHEN d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass
                THEN coalesce((SELECT y.typelem FROM pg_catalog.pg_type y
                                WHERE y.oid = d.refobjid AND y.typcategory = 'A' AND y.typelem <> 0), d.refobjid)
                ELSE d.refobjid END AS oid
      FROM pg_catalog.pg_depend d JOIN own o ON o.class = d.classid AND o.oid = d.objid
     WHERE d.deptype <> 'p'
       AND NOT EXISTS (SELECT FROM own x WHERE x.class = d.refclassid AND x.oid = d.refobjid)),
whole AS (
    SELECT DISTINCT coalesce(e.refclassid, n.class) AS class, coalesce(e.refobjid, n.oid) AS oid
      FROM named n LEFT JOIN pg_catalog.pg_depend e ON e.classid = n.class AND e.objid = n.oid AND e.deptype = 'e'
     WHERE n.oid >= 16384)
SELECT CASE WHEN w.class = 'pg_catalog.pg_namespace'::pg_catalog.regclass
            THEN 'schema ' || (SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_namespace n WHERE n.oid = w.oid)
            ELSE pg_catalog.pg_describe_object(w.class, w.oid, 0) END
  FROM whole w
 -- Triggers of foreign keys belong to constraints of both tables, and those to the index of the other.
 WHERE w.class NOT IN ('pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass)
   AND NOT (w.class = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND w.oid IN (SELECT i.indexrelid FROM pg_catalog.pg_index i))
UNION
SELECT 'tablespace ' || pg_catalog.quote_ident(s.spcname)
  FROM pg_catalog.pg_class c JOIN relations x ON x.oid = c.oid JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
UNION
SELECT 'role ' || pg_catalog.quote_ident(r.rolname)
  FROM pg_catalog.pg_roles r
 WHERE r.oid IN (SELECT c.relowner FROM pg_catalog.pg_class c JOIN relations x ON x.oid = c.oid
                 UNION SELECT s.refobjid FROM pg_catalog.pg_shdepend s JOIN own o ON o.class = s.classid AND o.oid = s.objid
                  WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
                    AND s.dbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))
 ORDER BY 1";

/// Foreign keys of other tables, views, and tables that inherit.
const NOT_WITH_IT: &str = "
WITH tables AS (SELECT t::pg_catalog.oid AS oid FROM pg_catalog.unnest(ARRAY[{oids}]::pg_catalog.oid[]) t)
SELECT 'foreign key ' || pg_catalog.quote_ident(c.conname) || ' of ' || c.conrelid::pg_catalog.regclass::pg_catalog.text
  FROM pg_catalog.pg_constraint c JOIN tables t ON t.oid = c.confrelid
 WHERE c.contype = 'f' AND c.conparentid = 0 AND c.conrelid NOT IN (SELECT oid FROM tables)
UNION
SELECT CASE v.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || v.oid::pg_catalog.regclass::pg_catalog.text
  FROM pg_catalog.pg_depend d JOIN tables t ON t.oid = d.refobjid
  JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
 WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND v.relkind IN ('v', 'm')
UNION
SELECT 'table ' || c.oid::pg_catalog.regclass::pg_catalog.text || ', which inherits from it'
  FROM pg_catalog.pg_inherits i JOIN tables t ON t.oid = i.inhparent
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
 WHERE NOT c.relispartition AND c.relkind IN ('r', 'f')
 ORDER BY 1";

/// Reads the table.
pub(super) async fn read(
    server: &ThrowawayServer,
    database: &str,
    name: &QualifiedName,
) -> Result<Table, Stopped> {
    let terms = Terms {
        statement_timeout: COUNT_WITHIN,
    };
    let unable = |error: DatabaseError| {
        CouldNotRun::new(format!("cannot read the restored {name}: {error}"))
    };
    let mut session = Session::superuser(server.endpoint(), database, &terms)
        .await
        .map_err(unable)?;
    let rows = session
        .rows(&RELATIONS.replace("{name}", &name.literal()))
        .await
        .map_err(unable)?;
    let found: Vec<(QualifiedName, String, String, bool)> = rows
        .into_iter()
        .filter_map(|row| match <[Option<String>; 5]>::try_from(row) {
            Ok([Some(schema), Some(name), Some(kind), Some(oid), unlogged]) => {
                let unlogged = unlogged.as_deref() == Some("t");
                Some((QualifiedName { schema, name }, kind, oid, unlogged))
            }
            _ => None,
        })
        .collect();
    let Some((_, kind, root, _)) = found.first() else {
        return Err(Stopped::failed(
            format!("{name} is in the backup and not in the restored database"),
            vec![
                Finding::about(name.to_string(), "the table", "it does not exist").hint(
                    "a statement of the backup drops or renames it: `redrill run` shows more",
                ),
            ],
        ));
    };
    if let Some((foreign, ..)) = found
        .iter()
        .find(|(_, kind, ..)| !matches!(kind.as_str(), "r" | "p"))
    {
        return Err(CouldNotRun::with_hint(
            format!("{foreign} contains no rows of its own: it is a view or a foreign table"),
            "name the table that contains the rows",
        )
        .into());
    }
    let partitioned = kind == "p";
    let only = if partitioned { "" } else { "ONLY " };
    let listed: Vec<&str> = found.iter().map(|(_, _, oid, _)| oid.as_str()).collect();
    let oids = listed.join(", ");
    let columns = COLUMNS.replace("{oid}", root);
    let table = Table {
        columns: names(&mut session, &columns).await.map_err(unable)?,
        partitioned,
        rows: session
            .count(&format!("SELECT pg_catalog.count(*) FROM {only}{name}"))
            .await
            .map_err(unable)?,
        needs: names(&mut session, &NEEDS.replace("{oids}", &oids))
            .await
            .map_err(unable)?
            .into_iter()
            .map(|what| Need { what })
            .collect(),
        not_with_it: names(&mut session, &NOT_WITH_IT.replace("{oids}", &oids))
            .await
            .map_err(unable)?,
        oids: listed.into_iter().map(str::to_owned).collect(),
        unlogged: found
            .iter()
            .filter(|(.., unlogged)| *unlogged)
            .map(|(name, ..)| name.clone())
            .collect(),
        relations: found.into_iter().map(|(name, ..)| name).collect(),
    };
    session.close().await;
    Ok(table)
}

/// The first column of the result of a query.
async fn names(session: &mut Session, sql: &str) -> Result<Vec<String>, DatabaseError> {
    let rows = session.rows(sql).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .collect())
}

impl Table {
    /// The table itself.
    #[must_use]
    pub fn name(&self) -> String {
        self.relations
            .first()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    /// Its columns as an SQL list.
    #[must_use]
    pub(super) fn column_list(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|name| quote_ident(name)).collect();
        columns.join(", ")
    }
}
