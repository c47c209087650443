//! Sequences with their columns, as the catalog knows them.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::columns::Columns as _;
use crate::database::Session;
use crate::outcome::CouldNotRun;
use crate::sql::{QualifiedName, quote_ident};

/// Every sequence but those of Apache AGE's graphs.
const SEQUENCES: &str = "
SELECT s.seqrelid, n.nspname, c.relname, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle
  FROM pg_catalog.pg_sequence s
  JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid AND c.relpersistence <> 't'
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class g
                    WHERE g.relnamespace = c.relnamespace AND g.relname = '_ag_label_vertex')
 ORDER BY 2, 3";

/// Which columns own a sequence or take from one, and how. Defaults that name a sequence as text are
/// not known to the catalog.
const USES: &str = "
WITH use(seq, rel, att, owns, takes) AS (
  SELECT d.objid, d.refobjid, d.refobjsubid, true, false
    FROM pg_catalog.pg_depend d
   WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
     AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
     AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
   UNION ALL
  SELECT d.refobjid, f.adrelid, f.adnum, false, true
    FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
   WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
     AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
)
SELECT u.seq, c.oid, n.nspname, c.relname, c.relkind, a.attname,
       pg_catalog.bool_or(u.owns), pg_catalog.bool_or(u.takes), a.attidentity <> '',
       f.oid IS NOT NULL,
       COALESCE(pg_catalog.pg_get_expr(f.adbin, f.adrelid)
         ~ '^\\(?nextval\\(''([^'']|'''')*''::regclass\\)\\)?(::[a-z ]+)?$', false),
       b.typcategory = 'N',
       CASE b.typname WHEN 'int2' THEN 32767 WHEN 'int4' THEN 2147483647 ELSE 9223372036854775807 END
  FROM use u
  JOIN pg_catalog.pg_sequence s ON s.seqrelid = u.seq
  JOIN pg_catalog.pg_class c ON c.oid = u.rel AND c.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = u.rel AND a.attnum = u.att AND NOT a.attisdropped
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  JOIN pg_catalog.pg_type b ON b.oid = COALESCE(NULLIF(t.typbasetype, 0), t.oid)
  LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
 GROUP BY u.seq, c.oid, n.nspname, c.relname, c.relkind, a.attname, a.attidentity,
          f.oid, f.adbin, f.adrelid, b.typcategory, b.typname
 ORDER BY 3, 4, 6";

const INHERITS: &str = "SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits";

const STATE: &str = "SELECT '{oid}', last_value, is_called FROM {sequence}";

/// A sequence and its last value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceState {
    pub oid: String,
    pub name: QualifiedName,
    pub increment: i128,
    pub least: i128,
    pub most: i128,
    pub cycles: bool,
    pub last: i128,
    pub called: bool,
    pub uses: Vec<ColumnUse>,
}

/// A column that owns a sequence or takes from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnUse {
    pub relation: String,
    pub table: QualifiedName,
    pub partitioned: bool,
    pub column: String,
    pub owns: bool,
    pub takes: bool,
    pub identity: bool,
    /// Whether its numbers are those of the sequence.
    pub comparable: bool,
    /// The highest number of its type.
    pub most: i128,
    /// Whether rows of what inherits from it belong to it.
    pub with_children: bool,
}

impl ColumnUse {
    /// Names the column as SQL does.
    pub fn describe(&self) -> String {
        format!("{}.{}", self.table, quote_ident(&self.column))
    }

    /// Whether the column's value comes from the sequence, by identity or by DEFAULT.
    pub fn is_fed(&self) -> bool {
        self.takes || self.identity
    }
}

impl SequenceState {
    /// What nextval() gives next.
    pub fn next(&self) -> i128 {
        if self.called {
            self.last + self.increment
        } else {
            self.last
        }
    }

    /// The last value that can be used, by the sequence's limits and by its columns' types, and the
    /// first one.
    pub fn range(&self) -> (i128, i128) {
        if self.increment < 0 {
            return (self.least, self.most);
        }
        let narrowest = self
            .uses
            .iter()
            .filter(|using| using.comparable)
            .map(|using| using.most)
            .min();
        (
            narrowest.map_or(self.most, |most| most.min(self.most)),
            self.least,
        )
    }

    /// Says what was found, in one line.
    pub fn describe(&self) -> String {
        let columns: Vec<String> = self.uses.iter().map(ColumnUse::describe).collect();
        if columns.is_empty() {
            format!("next value {}, for no column", self.next())
        } else {
            format!("next value {}, for {}", self.next(), columns.join(", "))
        }
    }
}

/// Reads every sequence with its columns and its last value.
pub async fn read(session: &mut Session) -> Result<Vec<SequenceState>, CouldNotRun> {
    let mut uses: BTreeMap<String, Vec<ColumnUse>> = BTreeMap::new();
    for row in session.rows(USES).await? {
        if let Some((sequence, using)) = using(&row) {
            uses.entry(sequence).or_default().push(using);
        }
    }
    let mut inherits: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in session.rows(INHERITS).await? {
        if let [Some(child), Some(parent)] = row.as_slice() {
            inherits
                .entry(parent.clone())
                .or_default()
                .push(child.clone());
        }
    }
    arrange(&mut uses, &inherits);
    let mut all: Vec<SequenceState> = session
        .rows(SEQUENCES)
        .await?
        .iter()
        .filter_map(|row| {
            let oid = row.text(0)?;
            Some(SequenceState {
                uses: uses.remove(&oid).unwrap_or_default(),
                oid,
                name: row.name(1)?,
                increment: row.number(3)?,
                least: row.number(4)?,
                most: row.number(5)?,
                cycles: row.is_true(6),
                last: 0,
                called: false,
            })
        })
        .collect();
    for some in all.chunks_mut(200) {
        let parts: Vec<String> = some
            .iter()
            .map(|found| {
                STATE
                    .replace("{oid}", &found.oid)
                    .replace("{sequence}", &found.name.to_string())
            })
            .collect();
        for row in session.rows(&parts.join(" UNION ALL ")).await? {
            let oid = row.text(0);
            if let Some(found) = some
                .iter_mut()
                .find(|found| Some(&found.oid) == oid.as_ref())
            {
                found.last = row.number(1).unwrap_or(0);
                found.called = row.is_true(2);
            }
        }
    }
    Ok(all)
}

/// Makes a use of a row of [`USES`].
fn using(row: &[Option<String>]) -> Option<(String, ColumnUse)> {
    let (owns, takes, identity) = (row.is_true(6), row.is_true(7), row.is_true(8));
    let (has_default, is_plain) = (row.is_true(9), row.is_true(10));
    // Owned, without any default: an object mapper of the application calls nextval() itself.
    let is_its_number = identity || (takes && is_plain) || (owns && !has_default);
    let using = ColumnUse {
        relation: row.text(1)?,
        table: row.name(2)?,
        partitioned: row.text(4)? == "p",
        column: row.text(5)?,
        owns,
        takes,
        identity,
        comparable: is_its_number && row.is_true(11),
        most: row.number(12)?,
        with_children: true,
    };
    Some((row.text(0)?, using))
}

/// Says for each use which rows belong to it: a partition's are read with its parent's, and those of
/// a child by inheritance too, unless the child has a sequence of its own.
fn arrange(uses: &mut BTreeMap<String, Vec<ColumnUse>>, inherits: &BTreeMap<String, Vec<String>>) {
    let others: Vec<(String, String, String)> = uses
        .iter()
        .flat_map(|(sequence, uses)| {
            uses.iter()
                .map(|u| (sequence.clone(), u.relation.clone(), u.column.clone()))
        })
        .collect();
    for (sequence, uses) in &mut *uses {
        for using in &mut *uses {
            let below = descendants(&using.relation, inherits);
            using.with_children = using.partitioned
                || !others.iter().any(|(other, relation, column)| {
                    other != sequence && *column == using.column && below.contains(relation)
                });
        }
        let covered: BTreeSet<(String, String)> = uses
            .iter()
            .filter(|using| using.with_children)
            .flat_map(|using| {
                descendants(&using.relation, inherits)
                    .into_iter()
                    .map(|relation| (relation, using.column.clone()))
            })
            .collect();
        uses.retain(|u| u.owns || !covered.contains(&(u.relation.clone(), u.column.clone())));
    }
}

/// Everything that inherits from a table, itself left out.
fn descendants(relation: &str, inherits: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut open = vec![relation.to_owned()];
    while let Some(next) = open.pop() {
        for child in inherits.get(&next).into_iter().flatten() {
            if all.insert(child.clone()) {
                open.push(child.clone());
            }
        }
    }
    all
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn used(column: &str) -> ColumnUse {
        ColumnUse {
            relation: "1".to_owned(),
            table: QualifiedName::parse("app.t").unwrap(),
            partitioned: false,
            column: column.to_owned(),
            owns: true,
            takes: true,
            identity: false,
            comparable: true,
            most: 2_147_483_647,
            with_children: true,
        }
    }

    pub fn found(last: i128, increment: i128) -> SequenceState {
        SequenceState {
            oid: "9".to_owned(),
            name: QualifiedName::parse("app.s").unwrap(),
            increment,
            least: if increment > 0 { 1 } else { -100 },
            most: if increment > 0 { 100 } else { -1 },
            cycles: false,
            last,
            called: true,
            uses: vec![used("id")],
        }
    }

    #[test]
    fn a_sequence_that_was_never_called_gives_its_last_value() {
        let found = SequenceState {
            called: false,
            ..found(1, 1)
        };
        assert_eq!(found.next(), 1);
    }

    #[test]
    fn rows_of_children_are_read_once() {
        let inherits = [("1".to_owned(), vec!["2".to_owned(), "3".to_owned()])].into();
        let of = |relation: &str, owns| ColumnUse {
            relation: relation.to_owned(),
            owns,
            ..used("id")
        };
        // The child has the parent's default: it is read with the parent.
        let mut uses = [("s".to_owned(), vec![of("1", true), of("2", false)])].into();
        arrange(&mut uses, &inherits);
        assert_eq!(uses["s"].len(), 1);
        assert!(uses["s"][0].with_children);
        // One child has a sequence of its own: each is read alone.
        let mut uses: BTreeMap<String, Vec<ColumnUse>> = [
            ("s".to_owned(), vec![of("1", true), of("2", false)]),
            ("own".to_owned(), vec![of("3", true)]),
        ]
        .into();
        arrange(&mut uses, &inherits);
        assert_eq!(uses["s"].len(), 2);
        assert!(!uses["s"][0].with_children);
    }
}
