//! `sequence`: sequences are not behind their columns, belong to them, and have room.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::privilege::is_true;
use crate::check::target::Targets;
use crate::check::{Check, Complaint, CouldNotLook, Entry, Observation, Parameters, Restored};
use crate::database::Session;
use crate::outcome::Finding;
use crate::sql::{Glob, NamePattern, QualifiedName, quote_ident, split_qualified};
use crate::units::Percent;
use crate::units::show_count;

/// Sequences are not behind their columns, belong to the column that takes from them, and are not
/// used up. Without any key it is about every sequence of the database.
///
/// Looked at are identity columns, columns whose DEFAULT is `nextval(…)` (OWNED BY or not), and columns
/// that own a sequence and have no DEFAULT. A partitioned table is read with all its partitions, and a
/// table that others inherit from with those that have no sequence of their own.
///
/// ## What it proves
/// - The next value of each sequence is on no row yet, and neither is any that comes after it: rows
///   at or beyond it are counted. With INCREMENT BY 2 or more only values that it will ever give count,
///   so that servers which share numbers out between them do not alarm. Descending sequences are read
///   the other way round.
/// - A sequence is not OWNED BY a column that does not take from it while another does: it would go
///   with the wrong table. With `owned`, each that a DEFAULT takes from is OWNED BY such a column.
/// - The next value is within the sequence's limits and fits into the column's type. With `room`, so
///   much of its range is left.
/// - `columns`: this column takes from this sequence, by identity or by DEFAULT.
/// - `fed-by-application`: rows of this column are not at or beyond this sequence, which the
///   application reads itself.
///
/// ## What it does not prove
/// That the application takes its numbers from the sequence. Sequences that CYCLE are not held to
/// rows, and neither are columns whose DEFAULT makes something else of the number, or that are
/// not numeric. Sequences of Apache AGE's labels are left out: `graph` looks at them.
///
/// ## Example
/// ```toml
/// [[check.sequence]]
/// name = "no sequence of the database is behind"
/// owned = true
/// room = "10%"
///
/// [[check.sequence]]
/// tables = ["app.*"]
///
/// [[check.sequence]]
/// columns = { "app.orders.id" = "app.orders_id_seq" }
/// fed-by-application = { "app.invoices.number" = "app.invoice_number" }
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sequence {
    /// One sequence.
    pub sequence: Option<String>,
    /// Several sequences; `*` and `?` match in schema and name.
    #[serde(default)]
    pub sequences: Vec<String>,
    /// The sequences that columns of these tables own or take from; `*` and `?` match.
    #[serde(default)]
    pub tables: Vec<String>,
    /// The sequences of these schemas; `*` and `?` match.
    #[serde(default)]
    pub schemas: Vec<String>,
    /// Sequences that are left out; `*` and `?` match.
    #[serde(default)]
    pub except: Vec<String>,
    /// Whether a sequence that a DEFAULT takes from must be OWNED BY its column. Default: false.
    #[serde(default)]
    pub owned: bool,
    /// How much of its range each must have left, as in `10%`.
    pub room: Option<Percent>,
    /// Columns, as `schema.table.column`, and the sequence that each takes from.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    /// Columns, as `schema.table.column`, and the sequence that the application fills each from.
    #[serde(default)]
    pub fed_by_application: BTreeMap<String, String>,
}

impl Parameters for Sequence {
    const KIND: &'static str = "sequence";
    const LOOKS_AT_DATA: bool = false;

    fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if let Some(name) = self.sequence.as_deref()
            && name.contains(['*', '?'])
        {
            complaints.push(
                Complaint::about("sequence", "a pattern stands in `sequences`")
                    .hint(format!("write `sequences = [\"{name}\"]`")),
            );
        }
        let one: Vec<&String> = self.sequence.iter().collect();
        let lists = [
            ("sequence", one),
            ("sequences", self.sequences.iter().collect()),
            ("tables", self.tables.iter().collect()),
            ("except", self.except.iter().collect()),
            ("columns", self.columns.values().collect()),
            (
                "fed-by-application",
                self.fed_by_application.values().collect(),
            ),
        ];
        for (key, names) in lists {
            for message in names.iter().filter_map(|n| QualifiedName::parse(n).err()) {
                complaints.push(Complaint::about(key, message).hint("write `schema.name`"));
            }
        }
        for (key, map) in [
            ("columns", &self.columns),
            ("fed-by-application", &self.fed_by_application),
        ] {
            for name in map.keys().filter(|name| column_name(name).is_none()) {
                complaints.push(
                    Complaint::about(key, format!("`{name}` is not a column"))
                        .hint("write `schema.table.column`"),
                );
            }
        }
        complaints
    }
}

/// Reads `schema.table.column`.
fn column_name(text: &str) -> Option<(QualifiedName, String)> {
    let (table, column) = split_qualified(text);
    let table = QualifiedName::parse(table?).ok()?;
    // A name of one part is read as one in `public`.
    let column = QualifiedName::parse(column).ok()?.name;
    Some((table, column))
}

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

/// Rows that the sequence has yet to come to.
const AHEAD: &str = "
SELECT pg_catalog.count(*) FROM {only}{table}
 WHERE {column} {past} {next} AND {column} {within} {end}{lattice}";

/// A sequence and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    oid: String,
    name: QualifiedName,
    increment: i128,
    least: i128,
    most: i128,
    cycles: bool,
    last: i128,
    called: bool,
    uses: Vec<Use>,
}

/// A column that owns a sequence or takes from it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Use {
    relation: String,
    table: QualifiedName,
    partitioned: bool,
    column: String,
    owns: bool,
    takes: bool,
    identity: bool,
    /// Whether its numbers are those of the sequence.
    comparable: bool,
    /// The highest number of its type.
    most: i128,
    /// Whether rows of what inherits from it belong to it.
    with_children: bool,
}

impl Use {
    fn describe(&self) -> String {
        format!("{}.{}", self.table, quote_ident(&self.column))
    }
}

#[async_trait]
impl Check for Sequence {
    fn describe(&self) -> String {
        match (&self.sequence, self.lists().next()) {
            (Some(one), _) => format!("sequence {one}"),
            (None, Some(first)) => format!("sequences of {first}"),
            (None, None) if self.is_of_columns() => "sequences of columns".to_owned(),
            (None, None) => "every sequence".to_owned(),
        }
    }

    fn alone(&self) -> bool {
        false
    }

    async fn look(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotLook> {
        let mut session = restored.session().await?;
        let everything = read(&mut session).await?;
        let (chosen, mut findings) = self.choose(&mut session, &everything).await?;
        findings.extend(self.columns(&mut session, &everything).await?);
        let mut entries = Vec::new();
        let mut compared = 0;
        for found in &chosen {
            let began = Instant::now();
            let mut wrong = self.compare(found);
            for using in found.uses.iter().filter(|using| using.comparable) {
                compared += 1;
                wrong.extend(behind(&mut session, found, using).await?);
            }
            entries.push(Entry {
                object: found.name.to_string(),
                expected: self.expectation(),
                actual: describe(found),
                findings: wrong,
                duration: began.elapsed(),
            });
        }
        session.close().await;
        if chosen.is_empty() && findings.is_empty() && !self.is_of_columns() {
            return Err(CouldNotLook::because("there is no sequence to look at")
                .hint("leave the check out, or correct what it names"));
        }
        let mut actual = match chosen.as_slice() {
            [one] if self.sequence.is_some() => describe(one),
            many => format!(
                "{} sequences, {compared} columns held against them",
                many.len()
            ),
        };
        if chosen.is_empty() {
            let columns = self.columns.len() + self.fed_by_application.len();
            actual = format!("{columns} columns looked at");
        }
        let mut whole = Observation::new(self.expectation(), actual, findings);
        if self.lists().next().is_some() {
            return Ok(whole.with_entries(entries));
        }
        whole
            .findings
            .extend(entries.into_iter().flat_map(|entry| entry.findings));
        Ok(whole)
    }
}

impl Sequence {
    /// Everything that names several.
    fn lists(&self) -> impl Iterator<Item = &String> {
        self.sequences
            .iter()
            .chain(&self.tables)
            .chain(&self.schemas)
    }

    /// Whether it names columns and nothing else.
    fn is_of_columns(&self) -> bool {
        let columns = !self.columns.is_empty() || !self.fed_by_application.is_empty();
        columns && self.sequence.is_none() && self.lists().next().is_none()
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let mut text = "no row at or beyond the next value, which is within its limits".to_owned();
        if self.owned {
            text.push_str(", owned by the column that takes from it");
        }
        if let Some(room) = self.room {
            text.push_str(&format!(", {} % of its range left", room.0));
        }
        text
    }

    /// Picks the sequences that the scenario names; a name that picks none is a finding.
    async fn choose(
        &self,
        session: &mut Session,
        everything: &[Found],
    ) -> Result<(Vec<Found>, Vec<Finding>), CouldNotLook> {
        let mut findings = Vec::new();
        let mut picked: BTreeSet<&str> = BTreeSet::new();
        let mut pick = |entry: &str, expected: &str, is: &dyn Fn(&Found) -> bool| {
            let before: Vec<&str> = everything
                .iter()
                .filter(|found| is(found))
                .map(|found| found.oid.as_str())
                .collect();
            if before.is_empty() {
                findings.push(
                    Finding::about(entry, expected, "there is none in the restored database").hint(
                        "look for its CREATE SEQUENCE in the restore's errors, or correct the name",
                    ),
                );
            }
            picked.extend(before);
        };
        for entry in self.sequence.iter().chain(&self.sequences) {
            let pattern = NamePattern::parse(entry).map_err(CouldNotLook::because)?;
            pick(entry, "a sequence", &|found| pattern.matches(&found.name));
        }
        for entry in &self.schemas {
            let schema = Glob::new(entry);
            pick(entry, "a schema with sequences", &|found| {
                schema.matches(&found.name.schema)
            });
        }
        let mut missing = Vec::new();
        for entry in &self.tables {
            let one = std::slice::from_ref(entry);
            let resolved = Targets {
                table: None,
                tables: one,
            }
            .resolve(session)
            .await?;
            missing.extend(resolved.missing);
            if resolved.tables.is_empty() {
                continue;
            }
            pick(entry, "a table with a sequence", &|found| {
                found
                    .uses
                    .iter()
                    .any(|using| resolved.tables.contains(&using.table))
            });
        }
        let everything_meant =
            self.sequence.is_none() && self.lists().next().is_none() && !self.is_of_columns();
        let mut chosen = Vec::new();
        for found in everything {
            let left_out = self.except.iter().any(|entry| {
                NamePattern::parse(entry).is_ok_and(|pattern| pattern.matches(&found.name))
            });
            if !left_out && (everything_meant || picked.contains(found.oid.as_str())) {
                chosen.push(found.clone());
            }
        }
        findings.extend(missing);
        Ok((chosen, findings))
    }

    /// Looks at the columns that are named with their sequences.
    async fn columns(
        &self,
        session: &mut Session,
        everything: &[Found],
    ) -> Result<Vec<Finding>, CouldNotLook> {
        let mut findings = Vec::new();
        let taken = self.columns.iter().map(|entry| (entry, true));
        let fed = self.fed_by_application.iter().map(|entry| (entry, false));
        for ((column, sequence), takes) in taken.chain(fed) {
            let name = QualifiedName::parse(sequence).map_err(CouldNotLook::because)?;
            let Some((table, attribute)) = column_name(column) else {
                continue;
            };
            let Some(found) = everything.iter().find(|found| found.name == name) else {
                findings.push(
                    Finding::about(
                        sequence,
                        "a sequence",
                        "there is none in the restored database",
                    )
                    .hint("look for its CREATE SEQUENCE in the restore's errors"),
                );
                continue;
            };
            if takes {
                let using = found
                    .uses
                    .iter()
                    .find(|using| using.table == table && using.column == attribute);
                match using {
                    Some(using) if using.takes || using.identity => {
                        findings.extend(behind(session, found, using).await?);
                    }
                    _ => findings.push(
                        Finding::about(
                            format!("{table}.{}", quote_ident(&attribute)),
                            format!("it takes its value from {name}"),
                            taken_from(everything, &table, &attribute),
                        )
                        .hint("look for ALTER COLUMN … SET DEFAULT or ADD GENERATED in the restore's errors"),
                    ),
                }
            } else {
                let using = Use {
                    relation: String::new(),
                    partitioned: true,
                    column: attribute,
                    owns: false,
                    takes: true,
                    identity: false,
                    comparable: true,
                    most: i128::from(i64::MAX),
                    with_children: true,
                    table,
                };
                findings.extend(behind(session, found, &using).await?);
            }
        }
        Ok(findings)
    }

    /// Finds what is wrong with a sequence by itself.
    fn compare(&self, found: &Found) -> Vec<Finding> {
        let name = found.name.to_string();
        let mut findings = Vec::new();
        let takers: Vec<&Use> = found
            .uses
            .iter()
            .filter(|using| using.takes || using.identity)
            .collect();
        let owner = found.uses.iter().find(|using| using.owns);
        let by = |uses: &[&Use]| {
            let names: Vec<String> = uses.iter().map(|using| using.describe()).collect();
            names.join(", ")
        };
        let mend = |using: &Use| format!("ALTER SEQUENCE {name} OWNED BY {}", using.describe());
        match (owner, takers.first()) {
            (Some(owner), Some(taker)) if !owner.takes && !owner.identity => findings.push(
                Finding::about(
                    &name,
                    format!("owned by {}, which takes from it", by(&takers)),
                    format!("owned by {}, which does not", owner.describe()),
                )
                .hint(mend(taker)),
            ),
            (None, Some(taker)) if self.owned => findings.push(
                Finding::about(
                    &name,
                    format!("owned by {}, which takes from it", by(&takers)),
                    "no column owns it: it stays behind when the table is dropped",
                )
                .hint(mend(taker)),
            ),
            _ => {}
        }
        findings.extend(self.room(found));
        findings
    }

    /// Finds a sequence that is used up, or nearly.
    fn room(&self, found: &Found) -> Option<Finding> {
        if found.cycles {
            return None;
        }
        let (end, first) = found.range();
        let next = found.next();
        let left = if found.increment > 0 {
            end - next + 1
        } else {
            next - end + 1
        };
        let size = (end - first).abs() + 1;
        let name = found.name.to_string();
        let hint = "make the column bigint and ALTER SEQUENCE … AS bigint MAXVALUE …, before it is used up";
        if left <= 0 {
            return Some(
                Finding::about(
                    name,
                    format!("a next value of at most {end}"),
                    format!("the next value would be {next}: nextval() or the INSERT fails"),
                )
                .hint(hint),
            );
        }
        let room = self.room?;
        #[expect(clippy::cast_precision_loss, reason = "a share is approximate")]
        let share = left as f64 / size as f64 * 100.0;
        (share < room.0).then(|| {
            Finding::about(
                name,
                format!("{} % of its range left", room.0),
                format!("{share:.1} % left up to {end}"),
            )
            .hint(hint)
        })
    }
}

impl Found {
    /// What nextval() gives next.
    fn next(&self) -> i128 {
        if self.called {
            self.last + self.increment
        } else {
            self.last
        }
    }

    /// The last value that can be used, by the sequence's limits and by its columns' types, and the
    /// first one.
    fn range(&self) -> (i128, i128) {
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
}

/// Reads every sequence with its columns and where it stands.
async fn read(session: &mut Session) -> Result<Vec<Found>, CouldNotLook> {
    let mut uses: BTreeMap<String, Vec<Use>> = BTreeMap::new();
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
    let mut all = Vec::new();
    for row in session.rows(SEQUENCES).await? {
        let text = |at: usize| row.get(at).cloned().flatten();
        let number = |at: usize| text(at)?.parse::<i128>().ok();
        let (Some(oid), Some(schema), Some(name), Some(increment), Some(least), Some(most)) =
            (text(0), text(1), text(2), number(3), number(4), number(5))
        else {
            continue;
        };
        all.push(Found {
            uses: uses.remove(&oid).unwrap_or_default(),
            oid,
            name: QualifiedName { schema, name },
            increment,
            least,
            most,
            cycles: is_true(row.get(6)),
            last: 0,
            called: false,
        });
    }
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
            let Some(oid) = row.first().cloned().flatten() else {
                continue;
            };
            if let Some(found) = some.iter_mut().find(|found| found.oid == oid) {
                let last = row.get(1).cloned().flatten();
                found.last = last.and_then(|text| text.parse().ok()).unwrap_or(0);
                found.called = is_true(row.get(2));
            }
        }
    }
    Ok(all)
}

/// Makes a use of a row of [`USES`].
fn using(row: &[Option<String>]) -> Option<(String, Use)> {
    let text = |at: usize| row.get(at).cloned().flatten();
    let yes = |at: usize| is_true(row.get(at));
    let (owns, takes, identity, has_default, is_plain) = (yes(6), yes(7), yes(8), yes(9), yes(10));
    // Owned, without any default: an object mapper of the application calls nextval() itself.
    let is_its_number = identity || (takes && is_plain) || (owns && !has_default);
    Some((
        text(0)?,
        Use {
            relation: text(1)?,
            table: QualifiedName {
                schema: text(2)?,
                name: text(3)?,
            },
            partitioned: text(4)? == "p",
            column: text(5)?,
            owns,
            takes,
            identity,
            comparable: is_its_number && yes(11),
            most: text(12)?.parse().ok()?,
            with_children: true,
        },
    ))
}

/// Says for each use which rows belong to it: a partition's are read with its parent's, and those of
/// a child by inheritance too, unless the child has a sequence of its own.
fn arrange(uses: &mut BTreeMap<String, Vec<Use>>, inherits: &BTreeMap<String, Vec<String>>) {
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

/// Writes the query that counts the rows that the sequence has yet to come to.
fn ahead(found: &Found, using: &Use) -> String {
    let up = found.increment > 0;
    let (next, step) = (found.next(), found.increment.abs());
    let column = quote_ident(&using.column);
    let lattice = if step > 1 {
        format!(" AND ({column} - ({next})) % {step} = 0")
    } else {
        String::new()
    };
    AHEAD
        .replace("{only}", if using.with_children { "" } else { "ONLY " })
        .replace("{table}", &using.table.to_string())
        .replace("{column}", &column)
        .replace("{past}", if up { ">=" } else { "<=" })
        .replace("{next}", &format!("({next})"))
        .replace("{within}", if up { "<=" } else { ">=" })
        .replace(
            "{end}",
            &format!("({})", if up { found.most } else { found.least }),
        )
        .replace("{lattice}", &lattice)
}

/// Finds rows that the sequence has yet to come to.
async fn behind(
    session: &mut Session,
    found: &Found,
    using: &Use,
) -> Result<Option<Finding>, CouldNotLook> {
    if found.cycles {
        return Ok(None);
    }
    let rows = session.count(&ahead(found, using)).await.map_err(|error| {
        CouldNotLook::because(format!("{} cannot be read: {error}", using.describe()))
    })?;
    Ok((rows > 0).then(|| {
        Finding::about(
            found.name.to_string(),
            format!("a next value beyond every row of {}", using.describe()),
            format!(
                "the next value is {}, and {} rows are at or beyond it",
                found.next(),
                show_count(rows)
            ),
        )
        .hint(format!(
            "the next INSERT meets a number that is taken; look for its setval() in the restore: SELECT setval({}, max({})) FROM {}",
            found.name.literal().trim(),
            quote_ident(&using.column),
            using.table
        ))
    }))
}

/// Says where a column takes its value from, if anywhere.
fn taken_from(everything: &[Found], table: &QualifiedName, column: &str) -> String {
    let other = everything.iter().find(|found| {
        found
            .uses
            .iter()
            .any(|u| (u.takes || u.identity) && u.table == *table && u.column == column)
    });
    match other {
        Some(found) => format!("it takes it from {}", found.name),
        None => "it takes it from no sequence, or is not there".to_owned(),
    }
}

/// Says what was found, in one line.
fn describe(found: &Found) -> String {
    let columns: Vec<String> = found.uses.iter().map(Use::describe).collect();
    if columns.is_empty() {
        format!("next value {}, for no column", found.next())
    } else {
        format!("next value {}, for {}", found.next(), columns.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn used(column: &str) -> Use {
        Use {
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

    fn found(last: i128, increment: i128) -> Found {
        Found {
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

    #[rstest]
    #[case(5, 1, "id >= (6) AND id <= (100)")]
    #[case(5, 10, "id >= (15) AND id <= (100) AND (id - (15)) % 10 = 0")]
    #[case(-5, -1, "id <= (-6) AND id >= (-100)")]
    fn what_is_counted(#[case] last: i128, #[case] increment: i128, #[case] expected: &str) {
        let found = found(last, increment);
        let sql = ahead(&found, &found.uses[0]);
        assert!(sql.contains(expected), "{sql}");
        assert!(sql.contains("FROM app.t\n"), "{sql}");
    }

    #[test]
    fn a_sequence_that_was_never_called_gives_its_last_value() {
        let found = Found {
            called: false,
            ..found(1, 1)
        };
        assert_eq!(found.next(), 1);
    }

    #[rstest]
    #[case(50, 1, "", 0)]
    #[case(100, 1, "", 1)]
    #[case(99, 1, "", 0)]
    #[case(95, 1, "room = '10%'", 1)]
    #[case(50, 1, "room = '10%'", 0)]
    #[case(-100, -1, "", 1)]
    #[case(-95, -1, "room = '10%'", 1)]
    #[case(-50, -1, "room = '10%'", 0)]
    fn room_is_what_is_left(
        #[case] last: i128,
        #[case] increment: i128,
        #[case] toml: &str,
        #[case] broken: usize,
    ) {
        let check: Sequence = toml::from_str(toml).unwrap();
        assert_eq!(check.compare(&found(last, increment)).len(), broken);
    }

    #[test]
    fn a_column_too_narrow_for_its_sequence_ends_it() {
        let mut found = Found {
            most: i128::from(i64::MAX),
            ..found(32_767, 1)
        };
        assert_eq!(Sequence::default().compare(&found), []);
        found.uses[0].most = 32_767;
        assert_eq!(Sequence::default().compare(&found).len(), 1);
        found.cycles = true;
        assert_eq!(Sequence::default().compare(&found), []);
    }

    #[rstest]
    #[case::serial(true, true, false, false, 0)]
    #[case::identity(true, false, true, true, 0)]
    #[case::not_owned(false, true, false, false, 0)]
    #[case::not_owned_but_asked_for(false, true, false, true, 1)]
    #[case::owned_by_one_that_does_not_take(true, false, false, false, 1)]
    fn a_sequence_belongs_to_who_takes_from_it(
        #[case] owns: bool,
        #[case] takes: bool,
        #[case] identity: bool,
        #[case] owned: bool,
        #[case] broken: usize,
    ) {
        let check = Sequence {
            owned,
            ..Sequence::default()
        };
        let mut found = found(5, 1);
        found.uses = vec![Use {
            owns,
            takes,
            identity,
            ..used("id")
        }];
        if owns && !takes && !identity {
            found.uses.push(Use {
                owns: false,
                ..used("other")
            });
        }
        assert_eq!(check.compare(&found).len(), broken);
    }

    #[test]
    fn rows_of_children_are_read_once() {
        let inherits = [("1".to_owned(), vec!["2".to_owned(), "3".to_owned()])].into();
        let of = |relation: &str, owns| Use {
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
        let mut uses: BTreeMap<String, Vec<Use>> = [
            ("s".to_owned(), vec![of("1", true), of("2", false)]),
            ("own".to_owned(), vec![of("3", true)]),
        ]
        .into();
        arrange(&mut uses, &inherits);
        assert_eq!(uses["s"].len(), 2);
        assert!(!uses["s"][0].with_children);
    }

    #[rstest]
    #[case("sequence = 'app.s'", 0)]
    #[case("", 0)]
    #[case("columns = { 'app.t.id' = 'app.s' }", 0)]
    #[case("columns = { 'id' = 'app.s' }", 1)]
    #[case("sequence = 'app.*'", 1)]
    #[case("sequences = ['a.b.c']", 1)]
    fn parameters_must_make_sense(#[case] toml: &str, #[case] complaints: usize) {
        let check: Sequence = toml::from_str(toml).unwrap();
        assert_eq!(check.complaints().len(), complaints);
    }
}
