//! Keys whose order depends on a collation that the two servers have in different versions.
//!
//! A restore builds every index anew, so nothing is wrong with it. An upgrade in place keeps the indexes, and one whose rows
//! are in another order now does not find them.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{Both, Differences, unreadable};
use crate::backup::Part;
use crate::database::{DatabaseError, Session};
use crate::digest::hex;
use crate::outcome::{CouldNotRun, Finding, NotTested, UpgradeStep};
use crate::pipeline::Cluster;
use crate::server::ThrowawayServer;
use crate::units::{listed, show_counted};

/// Maximum number of names in a step.
const NAMED: usize = 50;

/// Every key that is in the order of a collation: of indexes that are stored, and of tables that are partitioned by ranges.
///
/// Columns: object, collation for people, its version (NULL where it has none), whether it is that of the database, query of
/// the values in order. The keys themselves are in an order that no collation changes, since both lists are compared in
/// step. Operator classes such as `text_pattern_ops` and hash indexes by equality of bytes use no collation.
const KEYS: &str = r#"
WITH database AS (
  SELECT CASE j ->> 'datlocprovider' WHEN 'i' THEN 'ICU' WHEN 'b' THEN 'builtin' ELSE 'libc' END || ' '
           || coalesce(j ->> 'datlocale', j ->> 'daticulocale', d.datcollate) AS locale,
         VERSION AS version
    FROM pg_catalog.pg_database d, pg_catalog.to_jsonb(d) j WHERE d.datname = pg_catalog.current_database()),
used AS (
  SELECT c.oid, c.oid = 100 AS of_database, c.oid::pg_catalog.regcollation::pg_catalog.text AS name,
         CASE c.oid WHEN 100 THEN 'the locale of the database, ' || d.locale
                    ELSE 'collation ' || c.oid::pg_catalog.regcollation::pg_catalog.text END AS shown,
         CASE c.oid WHEN 100 THEN d.version ELSE pg_catalog.pg_collation_actual_version(c.oid) END AS version,
         coalesce(pg_catalog.to_jsonb(c) ->> 'collisdeterministic', 'true') = 'true' AS deterministic
    FROM pg_catalog.pg_collation c, database d),
keys AS (
  SELECT 'index ' || i.indexrelid::pg_catalog.regclass AS object, i.indrelid AS relation, i.indcollation[k - 1] AS collation,
         pg_catalog.pg_get_indexdef(i.indexrelid, k, false) AS key, o.opcname AS class, a.amname AS method, k
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid AND x.relkind = 'i'
    JOIN pg_catalog.pg_am a ON a.oid = x.relam
   CROSS JOIN LATERAL pg_catalog.generate_series(1, i.indnkeyatts) k
    JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[k - 1]
  UNION ALL
  SELECT 'partitions of ' || p.partrelid::pg_catalog.regclass, p.partrelid, p.partcollation[k - 1],
         (SELECT pg_catalog.quote_ident(c.attname) FROM pg_catalog.pg_attribute c
           WHERE c.attrelid = p.partrelid AND c.attnum = p.partattrs[k - 1]), '', 'range', k
    FROM pg_catalog.pg_partitioned_table p, pg_catalog.generate_series(1, p.partnatts) k
   WHERE p.partstrat = 'r')
SELECT keys.object, used.shown, used.version, used.of_database,
       CASE WHEN keys.key IS NOT NULL THEN pg_catalog.format('COPY (SELECT key FROM (SELECT %s AS key FROM %s) t ORDER BY key COLLATE %s, key::pg_catalog.text COLLATE pg_catalog."C") TO STDOUT',
                         keys.key, keys.relation::pg_catalog.regclass, used.name) END
  FROM keys
  JOIN used ON used.oid = keys.collation
  JOIN pg_catalog.pg_class r ON r.oid = keys.relation
  JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
   AND keys.class !~ '_pattern_ops$' AND (keys.method <> 'hash' OR NOT used.deterministic)
 ORDER BY keys.object COLLATE pg_catalog."C", keys.k"#;

/// A key in the order of a collation.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    /// `index app.users_name`, `partitions of app.events`.
    object: String,
    /// `collation "en-x-icu"`.
    collation: String,
    version: Option<String>,
    /// Whether the collation is the locale of the database.
    of_database: bool,
    /// The values in order; `None` where the key is an expression that is not compared.
    query: Option<String>,
}

/// Compares the versions of the collations of all keys, and the order of the values where a version differs.
pub(super) async fn compare(
    both: &Both<'_>,
    cluster: &Cluster<'_>,
    database: &str,
    differences: &mut Differences,
) -> Result<(), CouldNotRun> {
    let opened = tokio::try_join!(open(both.old, database), open(both.new, database));
    let ((mut old, was), (mut new, is)) = opened.map_err(|error| unreadable(&error))?;
    let (from, to) = both.majors();
    let (same_locale, why) = locale(cluster, database, &is);
    let of_database = is.iter().filter(|key| key.of_database).count() as u64;
    if let Some(why) = why.filter(|_| of_database > 0) {
        let keys = show_counted(of_database, "key");
        let what = format!("the order of {keys} by the locale of the database on both majors");
        differences.not_compared.push(NotTested::new(what, why));
    }
    // Keys in the same order although the version differs, by what changes.
    let mut same: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (was, is) in was.iter().zip(&is) {
        // Where not all keys are there, the definitions differ.
        let is_of_source = same_locale || !is.of_database;
        if was.object != is.object || was.version == is.version || !is_of_source {
            continue;
        }
        let version = |key: &Key| key.version.clone().unwrap_or_else(|| "none".to_owned());
        let change = format!(
            "version {} on PostgreSQL {from}, {} on {to}",
            version(was),
            version(is)
        );
        let mut order = None;
        if let (Some(was), Some(is)) = (&was.query, &is.query) {
            let orders = tokio::try_join!(order_of(&mut old, was), order_of(&mut new, is));
            let (was, is) = orders.map_err(|error| unreadable(&error))?;
            order = Some(was == is);
        }
        if order != Some(false) {
            let names = same.entry((is.collation.clone(), change)).or_default();
            let name = match order {
                None => format!("{} (its order was not compared)", is.object),
                Some(_) => is.object.clone(),
            };
            if !names.contains(&name) {
                names.push(name);
            }
            continue;
        }
        let finding = Finding::about(
            &is.object,
            format!("the rows of the backup in the order of PostgreSQL {from}"),
            format!("another order: {}, {change}", is.collation),
        )
        .hint(action(&is.object, to));
        if !differences
            .found
            .iter()
            .any(|(object, _)| *object == is.object)
        {
            differences.found.push((is.object.clone(), finding));
        }
    }
    for ((about, change), names) in same {
        let count = show_counted(names.len() as u64, "key");
        differences.steps.push(UpgradeStep {
            about,
            change: format!("{change}; the rows of the backup are in the same order"),
            action: format!(
                "after an upgrade in place on such a system, `REINDEX` what depends on it, and `ALTER … REFRESH COLLATION VERSION`; {count}: {}",
                listed(&names, NAMED)
            ),
        });
    }
    old.close().await;
    new.close().await;
    Ok(())
}

/// What to do about a key whose order differs.
fn action(object: &str, to: u32) -> String {
    let explain = format!(
        "once the procedure of the upgrade does that: `explained = {{ \"{object}\" = \"…\" }}` in `[server]`"
    );
    match object.strip_prefix("index ") {
        Some(index) => format!(
            "after an upgrade in place it does not find its rows until `REINDEX INDEX {index}`; {explain}"
        ),
        None => format!(
            "after an upgrade in place rows may be in another partition than {to} looks in: dump and restore this table; {explain}"
        ),
    }
}

/// Whether the database has the locale of the source, and why that is not known or not so. A locale without versions is of
/// no interest.
fn locale(cluster: &Cluster<'_>, database: &str, keys: &[Key]) -> (bool, Option<String>) {
    let mut parts = cluster.backup.parts.iter();
    let is_of = |part: &&Part| {
        let names = [&part.contents.origin, &part.named_database];
        let named = |name: &Option<String>| name.as_deref() == Some(database);
        part.contents.connects.is_empty()
            && !part.is_globals()
            && (cluster.databases.len() == 1 || names.into_iter().any(named))
    };
    let Some(part) = parts.find(is_of) else {
        // The backup creates it.
        return (true, None);
    };
    let mut objects = part.contents.objects.list.iter();
    let created = objects.find(|object| object.kind == "DATABASE");
    let text = created.and_then(|object| object.definition.text.as_deref());
    let plain = |locale: &str| locale.to_ascii_lowercase().replace('-', "");
    let of_source = text.and_then(|text| {
        let (_, rest) = text
            .split_once("LOCALE = '")
            .or_else(|| text.split_once("LC_COLLATE = '"))?;
        rest.split('\'').next()
    });
    let mut shown = keys.iter().filter(|key| key.of_database);
    let own = shown
        .next()
        .and_then(|key| key.collation.rsplit(' ').next());
    match (of_source, own) {
        (Some(source), Some(own)) if plain(source) == plain(own) => (true, None),
        (Some("C" | "POSIX" | "C.UTF-8" | "C.UTF8" | "C.utf8"), _) => (false, None),
        (Some(source), _) => {
            let why = "redrill creates the database in the locale of the throwaway server, and the source has";
            (false, Some(format!("{why} {source}")))
        }
        (None, _) => {
            let why = "redrill creates the database in the locale of the throwaway server, and the backup does not name that of the source";
            (false, Some(why.to_owned()))
        }
    }
}

/// Opens a session and lists the keys of the database.
async fn open(
    server: &ThrowawayServer,
    database: &str,
) -> Result<(Session, Vec<Key>), DatabaseError> {
    let mut session = server.session(database).await?;
    session
        .run("SET search_path = ''; SET statement_timeout = 0; SET row_security = off")
        .await?;
    let version = match server.version() / 10_000 {
        ..15 => {
            "(SELECT pg_catalog.pg_collation_actual_version(c.oid) FROM pg_catalog.pg_collation c WHERE c.collname = d.datcollate LIMIT 1)"
        }
        _ => "pg_catalog.pg_database_collation_actual_version(d.oid)",
    };
    let keys = session.rows(&KEYS.replace("VERSION", version)).await?;
    let keys = keys.into_iter().filter_map(|row| {
        let [object, collation, version, of_database, query] = <[_; 5]>::try_from(row).ok()?;
        Some(Key {
            object: object?,
            collation: collation?,
            version,
            of_database: of_database.as_deref() == Some("t"),
            query,
        })
    });
    let keys = keys.collect();
    Ok((session, keys))
}

/// A digest of values in their order.
async fn order_of(session: &mut Session, query: &str) -> Result<String, DatabaseError> {
    let mut sum = Sha256::new();
    let add = |row: &[u8]| {
        sum.update(row);
        sum.update(b"\n");
    };
    session.copy_out(query, add).await?;
    Ok(hex(&sum.finalize()))
}
