//! Rows compared with constraints, as if none of them had ever been checked.

use super::catalog::oids;
use crate::check::columns::Columns as _;
use crate::check::privilege::Relation;
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, quote_ident};
use crate::units::show_counted;

/// What the rows of one table show.
#[derive(Debug, Default)]
pub struct Held {
    /// How many constraints the rows were held to.
    pub read: usize,
    /// Constraints that rows break.
    pub findings: Vec<Finding>,
    /// Constraints that could not be tried.
    pub unclear: Vec<CouldNotRun>,
}

/// For each foreign key the query that counts its orphans. The server itself asks in the same way:
/// with the key's own operators, ONLY where a table is not partitioned. What a partition has
/// from its parent is read with the parent.
const FOREIGN_KEYS: &str = "
SELECT k.conname, n.nspname, f.relname,
       COALESCE(pg_catalog.to_jsonb(k) ->> 'conperiod', 'false') = 'true',
       pg_catalog.format(
         'SELECT (SELECT pg_catalog.count(*) FROM %s%I.%I f WHERE %s AND NOT EXISTS (SELECT FROM %s%I.%I p WHERE %s))%s',
         CASE f.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, n.nspname, f.relname, c.whole,
         CASE p.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, pn.nspname, p.relname, c.joined,
         CASE WHEN k.confmatchtype = 'f' AND pg_catalog.array_length(k.conkey, 1) > 1
              THEN pg_catalog.format(
                ' + (SELECT pg_catalog.count(*) FROM %s%I.%I f WHERE NOT (%s) AND (%s))',
                CASE f.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, n.nspname, f.relname, c.whole, c.some)
              ELSE '' END)
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class f ON f.oid = k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = f.relnamespace
  JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
  JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
 CROSS JOIN LATERAL (
       SELECT pg_catalog.string_agg(pg_catalog.format('f.%I IS NOT NULL', fa.attname), ' AND ' ORDER BY i) AS whole,
              pg_catalog.string_agg(pg_catalog.format('f.%I IS NOT NULL', fa.attname), ' OR ' ORDER BY i) AS some,
              pg_catalog.string_agg(pg_catalog.format('p.%I OPERATOR(%I.%s) f.%I%s', pa.attname, opn.nspname, o.oprname, fa.attname,
                CASE WHEN pa.attcollation NOT IN (0, fa.attcollation)
                     THEN pg_catalog.format(' COLLATE %I.%I', cn.nspname, co.collname) ELSE '' END), ' AND ' ORDER BY i) AS joined
         FROM pg_catalog.generate_subscripts(k.conkey, 1) i
         JOIN pg_catalog.pg_attribute fa ON fa.attrelid = k.conrelid AND fa.attnum = k.conkey[i]
         JOIN pg_catalog.pg_attribute pa ON pa.attrelid = k.confrelid AND pa.attnum = k.confkey[i]
         JOIN pg_catalog.pg_operator o ON o.oid = k.conpfeqop[i]
         JOIN pg_catalog.pg_namespace opn ON opn.oid = o.oprnamespace
         LEFT JOIN pg_catalog.pg_collation co ON co.oid = pa.attcollation
         LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace) c
 WHERE k.contype = 'f' AND k.conrelid IN ({oids})
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint up
                    WHERE up.oid = k.conparentid AND up.conrelid IN ({oids}))
 ORDER BY 2, 3, 1";

/// For each key the query that counts the values that are there more than once.
const KEYS: &str = "
SELECT k.conname, n.nspname, c.relname,
       COALESCE(pg_catalog.to_jsonb(k) ->> 'conperiod', 'false') = 'true',
       pg_catalog.format(
         'SELECT pg_catalog.count(*) FROM (SELECT 1 FROM %s%I.%I%s GROUP BY %s HAVING pg_catalog.count(*) > 1) d',
         CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, n.nspname, c.relname,
         CASE WHEN pg_catalog.to_jsonb(x) ->> 'indnullsnotdistinct' = 'true' THEN ''
              ELSE ' WHERE ' || a.whole END, a.names)
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_index x ON x.indexrelid = k.conindid
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL (
       SELECT pg_catalog.string_agg(pg_catalog.format('%I IS NOT NULL', t.attname), ' AND ' ORDER BY i) AS whole,
              pg_catalog.string_agg(pg_catalog.quote_ident(t.attname), ', ' ORDER BY i) AS names
         FROM pg_catalog.generate_subscripts(k.conkey, 1) i
         JOIN pg_catalog.pg_attribute t ON t.attrelid = k.conrelid AND t.attnum = k.conkey[i]) a
 WHERE k.contype IN ('p', 'u') AND k.conrelid IN ({oids})
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint up
                    WHERE up.oid = k.conparentid AND up.conrelid IN ({oids}))
 ORDER BY 2, 3, 1";

/// CHECK constraints of tables that hold rows themselves.
const CHECKS: &str = "
SELECT k.conname, n.nspname, c.relname, pg_catalog.pg_get_expr(k.conbin, k.conrelid)
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid AND c.relkind = 'r'
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'c' AND k.conrelid IN ({oids})
 ORDER BY 2, 3, 1";

/// Keys are read from the table: an index that is wrong would agree with itself.
const WITHOUT_INDEXES: &str = "
SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off";
const WITH_INDEXES: &str = "
RESET enable_indexscan; RESET enable_indexonlyscan; RESET enable_bitmapscan";

/// One constraint and the query that counts what breaks it.
struct Probe {
    name: String,
    table: QualifiedName,
    query: String,
}

impl Probe {
    fn object(&self) -> String {
        format!("constraint {} on {}", quote_ident(&self.name), self.table)
    }

    fn unclear(&self, why: impl Into<String>) -> CouldNotRun {
        CouldNotRun::new(format!(
            "{} could not be tried: {}",
            self.object(),
            why.into()
        ))
        .hint("name it in `not-valid` to leave it out")
    }
}

/// Compares the rows of a table, and of everything below it, with their constraints.
pub async fn compare_rows(
    session: &mut Session,
    relations: &[Relation],
    but_for: &[String],
) -> Result<Held, CouldNotRun> {
    let mut held = Held::default();
    let oids = oids(relations);
    let orphans = probes(session, FOREIGN_KEYS, &oids, but_for, &mut held).await?;
    for probe in orphans {
        let count = session.count(&probe.query).await;
        held.judge(
            &probe,
            count.map_err(|error| error.to_string()),
            "no row without its other end",
            ("row", "without a referenced row"),
            "rows were lost on one side, or changed while triggers were off; delete or correct them at the source",
        );
    }
    let keys = probes(session, KEYS, &oids, but_for, &mut held).await?;
    session.run(WITHOUT_INDEXES).await?;
    for probe in keys {
        let count = session.count(&probe.query).await;
        held.judge(
            &probe,
            count.map_err(|error| error.to_string()),
            "every key once",
            ("key", "with duplicates"),
            "the index at the source is damaged, often by a collation that changed; look for duplicates there",
        );
    }
    session.run(WITH_INDEXES).await?;
    checks(session, &oids, but_for, &mut held).await?;
    Ok(held)
}

/// Makes the probes of one sort. Constraints that no query can check are noted.
async fn probes(
    session: &mut Session,
    sql: &str,
    oids: &str,
    but_for: &[String],
    held: &mut Held,
) -> Result<Vec<Probe>, CouldNotRun> {
    let mut probes = Vec::new();
    for row in session.rows(&sql.replace("{oids}", oids)).await? {
        let Some(probe) = probe(&row, 4, but_for) else {
            continue;
        };
        if row.is_true(3) {
            held.unclear
                .push(probe.unclear("it is about periods of time"));
        } else {
            probes.push(probe);
        }
    }
    Ok(probes)
}

/// Makes a probe of a row: name, table, and in the column `at` the query.
fn probe(row: &[Option<String>], at: usize, but_for: &[String]) -> Option<Probe> {
    Some(Probe {
        name: row.text(0).filter(|name| !but_for.contains(name))?,
        table: row.name(1)?,
        query: row.text(at)?,
    })
}

/// Counts the rows that make a CHECK false: all those of a table in one read.
async fn checks(
    session: &mut Session,
    oids: &str,
    but_for: &[String],
    held: &mut Held,
) -> Result<(), CouldNotRun> {
    let mut tables: Vec<(QualifiedName, Vec<Probe>)> = Vec::new();
    for row in session.rows(&CHECKS.replace("{oids}", oids)).await? {
        let Some(mut probe) = probe(&row, 3, but_for) else {
            continue;
        };
        probe.query = format!(
            "pg_catalog.count(*) FILTER (WHERE ({}) IS FALSE)",
            probe.query
        );
        match tables.last_mut() {
            Some((last, probes)) if *last == probe.table => probes.push(probe),
            _ => tables.push((probe.table.clone(), vec![probe])),
        }
    }
    for (table, probes) in tables {
        let columns: Vec<&str> = probes.iter().map(|probe| probe.query.as_str()).collect();
        let together = session
            .rows(&format!("SELECT {} FROM ONLY {table}", columns.join(", ")))
            .await;
        let row = together.ok().and_then(|rows| rows.into_iter().next());
        for (at, probe) in probes.iter().enumerate() {
            let count = match &row {
                Some(row) => row.number(at).ok_or_else(|| "it gave no number".to_owned()),
                // One of them cannot be tried: which one, and what about the others?
                None => session
                    .count(&format!("SELECT {} FROM ONLY {table}", probe.query))
                    .await
                    .map_err(|error| error.to_string()),
            };
            held.judge(
                probe,
                count,
                "no row that makes it false",
                ("row", "for which it is false"),
                "the rows came in while it was NOT VALID or its function was another; correct them at the source",
            );
        }
    }
    Ok(())
}

impl Held {
    /// Adds the result of a probe.
    fn judge(
        &mut self,
        probe: &Probe,
        count: Result<u64, String>,
        expected: &str,
        (noun, fault): (&str, &str),
        hint: &str,
    ) {
        match count {
            Ok(0) => self.read += 1,
            Ok(count) => {
                self.read += 1;
                self.findings.push(
                    Finding::about(
                        probe.object(),
                        expected,
                        format!("{} {fault}", show_counted(count, noun)),
                    )
                    .hint(hint),
                );
            }
            Err(why) => self.unclear.push(probe.unclear(why)),
        }
    }
}
