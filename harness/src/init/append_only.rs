//! Tables whose rows are added and never changed, told by what the database itself says of them.
//!
//! The rule. Evidence is, from the strongest: triggers or rules that stop both UPDATE and DELETE of
//! any row; grants, where roles other than the owner may INSERT and nobody of them may UPDATE, DELETE
//! or TRUNCATE, while some other table may be updated; a name (`audit`, `log`, `event`, `history`,
//! `ledger`, `journal`, `trail`, `migrations`). Grants alone and a name alone are not enough: the table must also have
//! a column that says when a row was added, and none that says when it was changed or deleted. Evidence
//! against goes before: a role that may UPDATE or DELETE, or a name that says that rows come and go.

use std::sync::LazyLock;

use regex::Regex;

use super::block::{Block, Keys, keys};
use super::relation::{self, Relation, Relations, text};
use super::rows::is_passing;
use super::section::{Section, named};
use crate::check::privilege::is_true;
use crate::database::{DatabaseError, Session};
use crate::sql::QualifiedName;

/// A table whose rows are added and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendOnly {
    /// The table; partitions belong to it.
    pub table: QualifiedName,
    /// Its columns, in order, generated ones left out.
    pub columns: Vec<String>,
    /// The columns of its primary key.
    pub key: Vec<String>,
    /// A column that grows with every row: NOT NULL, fed by a sequence, in the key; else NOT NULL and
    /// `DEFAULT now()`. A uuid is none, of whatever version.
    pub watermark: Option<String>,
    /// Why it is taken for one.
    pub why: String,
    /// Roles that may read or add, and may not change; superusers and the owner left out.
    pub roles: Vec<String>,
    /// Those of them that may add.
    pub insert_by: Vec<String>,
    /// Triggers that stop changes: the name, whether for each row, on what, and whether always.
    pub triggers: Vec<Guard>,
    /// Whether triggers or rules stop UPDATE and DELETE, whoever tries.
    pub guarded: bool,
}

/// A trigger that stops changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    name: String,
    row: bool,
    events: Vec<&'static str>,
    always: bool,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    of_type: String,
    not_null: bool,
    default: String,
    identity: bool,
    in_key: bool,
}

const COLUMNS: &str = "
SELECT a.attrelid, a.attname, pg_catalog.format_type(a.atttypid, NULL), a.attnotnull,
       coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), ''), a.attidentity <> '',
       EXISTS (SELECT FROM pg_catalog.pg_constraint k
                WHERE k.conrelid = a.attrelid AND k.contype = 'p' AND a.attnum = ANY (k.conkey))
  FROM pg_catalog.pg_attribute a
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid IN ({oids}) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
 ORDER BY a.attrelid, a.attnum";

/// Triggers that fire before any change, of any column, under no condition.
const TRIGGERS: &str = "
SELECT t.tgrelid, t.tgname, t.tgtype, t.tgenabled, p.prosrc
  FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
 WHERE t.tgrelid IN ({oids}) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
   AND t.tgqual IS NULL AND t.tgattr::pg_catalog.text = ''
 ORDER BY t.tgrelid, t.tgname";

/// Rules that do nothing instead.
const RULES: &str = "
SELECT r.ev_class, pg_catalog.string_agg(r.ev_type::pg_catalog.text, '')
  FROM pg_catalog.pg_rewrite r
 WHERE r.ev_class IN ({oids}) AND r.is_instead AND r.ev_enabled IN ('O', 'A') AND r.ev_type IN ('2', '4')
   AND pg_catalog.pg_get_ruledef(r.oid) ~ 'DO INSTEAD NOTHING;?$' AND r.ev_qual = '<>'
 GROUP BY 1";

/// What every role that is neither superuser nor owner may do: select, insert, change; whether it
/// belongs to the server; and whether it may become the owner.
const GRANTS: &str = "
SELECT c.oid, r.rolname,
       pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT'),
       pg_catalog.has_table_privilege(r.oid, c.oid, 'INSERT'),
       pg_catalog.has_table_privilege(r.oid, c.oid, 'UPDATE, DELETE, TRUNCATE')
         OR pg_catalog.has_any_column_privilege(r.oid, c.oid, 'UPDATE'),
       pg_catalog.pg_has_role(r.oid, c.relowner, 'MEMBER')
  FROM pg_catalog.pg_class c, pg_catalog.pg_roles r
 WHERE c.oid IN ({oids}) AND NOT r.rolsuper AND r.oid <> c.relowner AND r.rolname !~ '^pg_'
   AND (r.rolcreaterole IS FALSE OR pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 160000)
   AND (pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE')
        OR pg_catalog.has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE'))
 ORDER BY c.oid, r.rolname";

/// Words of tables that keep history.
const NAMES: &[&str] = &[
    "audit",
    "audits",
    "log",
    "logs",
    "event",
    "events",
    "history",
    "histories",
    "ledger",
    "journal",
    "trail",
    "changelog",
    "migration",
    "migrations",
    "auditlog",
];

/// A default that says when a row was added.
static NOW: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^\(?(now\(\)|CURRENT_TIMESTAMP|(statement|transaction|clock)_timestamp\(\)|timezone\('utc'::text, (now\(\)|CURRENT_TIMESTAMP)\)|\(now\(\) AT TIME ZONE 'utc'::text\)|LOCALTIMESTAMP)").ok()
});

/// A body that raises an error, whatever the row is.
static RAISES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?is)\braise\s+(exception|sqlstate|'|[a-z_]+(\s+using|\s*;))").ok()
});

/// A body that lets some rows pass.
static LETS_PASS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?is)\breturn\s+(new|old|coalesce)\b").ok());

fn says(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern
        .as_ref()
        .is_some_and(|pattern| pattern.is_match(text))
}

/// What roles may do with a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Grant {
    role: String,
    select: bool,
    insert: bool,
    change: bool,
    may_be_owner: bool,
}

/// What there is to judge a table by.
#[derive(Debug, Clone, Default)]
struct Evidence {
    columns: Vec<Column>,
    guards: Vec<Guard>,
    /// `2` for UPDATE and `4` for DELETE, where a rule does nothing instead.
    rules: String,
    grants: Vec<Grant>,
}

/// Finds them.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn look(session: &mut Session) -> Result<Vec<AppendOnly>, DatabaseError> {
    let relations = relation::look(session).await?;
    among(session, &relations).await
}

/// Finds them among relations that are known already.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn among(
    session: &mut Session,
    relations: &Relations,
) -> Result<Vec<AppendOnly>, DatabaseError> {
    let tables: Vec<&Relation> = relations.tables().collect();
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let oids: Vec<&str> = tables.iter().map(|one| one.oid.as_str()).collect();
    let oids = oids.join(", ");
    let mut evidence: Vec<Evidence> = vec![Evidence::default(); tables.len()];
    let place = |oid: &str| tables.iter().position(|one| one.oid == oid);
    for row in session.rows(&COLUMNS.replace("{oids}", &oids)).await? {
        if let Some(known) = place(&text(&row, 0)).and_then(|at| evidence.get_mut(at)) {
            known.columns.push(Column {
                name: text(&row, 1),
                of_type: text(&row, 2),
                not_null: is_true(row.get(3)),
                default: text(&row, 4),
                identity: is_true(row.get(5)),
                in_key: is_true(row.get(6)),
            });
        }
    }
    for row in session.rows(&TRIGGERS.replace("{oids}", &oids)).await? {
        if let Some(known) = place(&text(&row, 0)).and_then(|at| evidence.get_mut(at)) {
            known.guards.extend(guard(
                &text(&row, 1),
                &text(&row, 2),
                &text(&row, 3),
                &text(&row, 4),
            ));
        }
    }
    for row in session.rows(&RULES.replace("{oids}", &oids)).await? {
        if let Some(known) = place(&text(&row, 0)).and_then(|at| evidence.get_mut(at)) {
            known.rules = text(&row, 1);
        }
    }
    for row in session.rows(&GRANTS.replace("{oids}", &oids)).await? {
        if let Some(known) = place(&text(&row, 0)).and_then(|at| evidence.get_mut(at)) {
            known.grants.push(Grant {
                role: text(&row, 1),
                select: is_true(row.get(2)),
                insert: is_true(row.get(3)),
                change: is_true(row.get(4)),
                may_be_owner: is_true(row.get(5)),
            });
        }
    }
    let others_change = |at: usize| {
        let others = evidence
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at);
        others
            .flat_map(|(_, known)| &known.grants)
            .any(|grant| grant.change)
    };
    let judged = tables.iter().zip(&evidence).enumerate();
    Ok(judged
        .filter_map(|(at, (table, known))| known.judge(&table.name, others_change(at)))
        .collect())
}

/// Reads a trigger as one that stops changes.
fn guard(name: &str, kind: &str, enabled: &str, body: &str) -> Option<Guard> {
    let kind: u32 = kind.parse().ok()?;
    // Bit 1 is BEFORE; an AFTER trigger that raises stops the change as well.
    if !says(&RAISES, body) || says(&LETS_PASS, body) {
        return None;
    }
    let events: Vec<&'static str> = [(4, "update"), (3, "delete"), (5, "truncate")]
        .into_iter()
        .filter(|(bit, _)| kind & (1 << bit) != 0)
        .map(|(_, word)| word)
        .collect();
    (!events.is_empty() && kind & (1 << 2) == 0).then(|| Guard {
        name: name.to_owned(),
        row: kind & 1 == 1,
        events,
        always: enabled == "A",
    })
}

/// Whether a name is that of a table that keeps history.
fn keeps_history(name: &str) -> bool {
    let mut words = name.split(|c: char| !c.is_alphanumeric());
    words.any(|word| NAMES.contains(&word.to_lowercase().as_str()))
        || ["AuditLog", "EventLog", "History", "Audit", "Ledger"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// Whether a column says that a row was changed or marked as deleted.
fn of_change(name: &str) -> bool {
    let name = name.to_lowercase().replace('_', "");
    [
        "updatedat",
        "updatedon",
        "updated",
        "modifiedat",
        "modifiedon",
        "modified",
        "lastmodified",
        "changedat",
        "deletedat",
        "archivedat",
        "updateddate",
        "updatetime",
        "lockversion",
    ]
    .contains(&name.as_str())
}

impl Column {
    fn is_time(&self) -> bool {
        self.of_type.starts_with("timestamp")
    }

    /// Whether it says when a row was added.
    fn of_insert(&self) -> bool {
        self.is_time() && self.not_null && says(&NOW, &self.default)
    }

    /// Whether a sequence feeds it.
    fn counts(&self) -> bool {
        let number = matches!(self.of_type.as_str(), "bigint" | "integer");
        number && self.not_null && (self.identity || self.default.starts_with("nextval("))
    }
}

impl Evidence {
    /// The column that grows with every row.
    fn watermark(&self) -> Option<String> {
        let mut columns = self.columns.iter();
        columns
            .find(|column| column.in_key && column.counts())
            .or_else(|| self.columns.iter().find(|column| column.of_insert()))
            .map(|column| column.name.clone())
    }

    fn judge(&self, table: &QualifiedName, others_change: bool) -> Option<AppendOnly> {
        let stops = |word: &str, letter: char| {
            self.rules.contains(letter)
                || self.guards.iter().any(|guard| guard.events.contains(&word))
        };
        let guarded = stops("update", '2') && stops("delete", '4');
        let may_change = self.grants.iter().any(|grant| grant.change);
        let by_grants =
            others_change && !may_change && self.grants.iter().any(|grant| grant.insert);
        let by_name = keeps_history(&table.name);
        let like_history = self.columns.iter().any(Column::of_insert)
            && !self.columns.iter().any(|column| of_change(&column.name));
        let why = if guarded {
            "triggers or rules stop every UPDATE and DELETE"
        } else if may_change || is_passing(&table.name) || !like_history {
            return None;
        } else if by_grants && by_name {
            "by its name, and nobody but its owner may change or remove rows"
        } else if by_grants {
            "rows may be added, and nobody but the owner may change or remove them"
        } else if by_name {
            "by its name; it tells when a row was added and not when one was changed"
        } else {
            return None;
        };
        let grants = || {
            let all = self.grants.iter();
            all.filter(|grant| !grant.change && !grant.may_be_owner)
        };
        Some(AppendOnly {
            table: table.clone(),
            columns: self
                .columns
                .iter()
                .map(|column| column.name.clone())
                .collect(),
            key: self
                .columns
                .iter()
                .filter(|column| column.in_key)
                .map(|column| column.name.clone())
                .collect(),
            watermark: self.watermark(),
            why: why.to_owned(),
            roles: grants()
                .filter(|grant| grant.select || grant.insert)
                .map(|grant| grant.role.clone())
                .collect(),
            insert_by: grants()
                .filter(|grant| grant.insert)
                .map(|grant| grant.role.clone())
                .collect(),
            triggers: self.guards.clone(),
            guarded,
        })
    }
}

/// Makes checks of them.
#[must_use]
pub fn section(all: &[AppendOnly]) -> Section {
    let mut section = Section::new("history: rows are added and never changed");
    let mut only_named = Vec::new();
    for table in all {
        // A partition that was put away is history of the same table.
        if all.iter().any(|of| table.was_part_of(of)) {
            continue;
        }
        let also: Vec<String> = all
            .iter()
            .filter(|other| other.was_part_of(table))
            .map(|other| other.table.to_string())
            .collect();
        match table.block(&also) {
            Some(block) => section.blocks.push(block),
            None => only_named.push(table.table.clone()),
        }
    }
    if !only_named.is_empty() {
        section.note(format!(
            "Guessed to be append-only by name and columns; nothing in the database keeps anyone from changing rows, so \
             only a baseline can tell: {}.",
            named(&only_named, 12)
        ));
    }
    if !all.is_empty() {
        let names: Vec<&QualifiedName> = all.iter().map(|one| &one.table).collect();
        section.found(format!("append-only: {}", named(&names, 6)));
    }
    section
}

impl AppendOnly {
    /// Whether it looks like a partition of another that was detached.
    fn was_part_of(&self, other: &Self) -> bool {
        let rest = self.table.name.strip_prefix(&other.table.name);
        self.table.schema == other.table.schema
            && rest.is_some_and(|rest| rest.starts_with('_'))
            && self.columns == other.columns
    }

    fn block(&self, also: &[String]) -> Option<Block> {
        if self.roles.is_empty() && !self.guarded {
            return None;
        }
        let plain = Block::new(
            "append-only",
            format!("rows of {} are never changed", self.table),
        )
        .guess(self.why.clone())
        .with("table", self.table.to_string())
        .maybe("also", (!also.is_empty()).then(|| also.to_vec()))
        .maybe(
            "roles",
            (!self.roles.is_empty()).then(|| self.roles.clone()),
        )
        .maybe(
            "insert-by",
            (!self.insert_by.is_empty()).then(|| self.insert_by.clone()),
        );
        if !self.guarded {
            return Some(plain);
        }
        let triggers = |truncate: bool| -> Vec<(&'static str, Keys)> {
            let all = self.triggers.iter();
            all.filter(|guard| truncate || !guard.events.contains(&"truncate"))
                .map(|guard| {
                    let mut body = keys([
                        ("name", guard.name.as_str().into()),
                        ("on", if guard.row { "row" } else { "statement" }.into()),
                        ("events", guard.events.clone().into()),
                    ]);
                    if guard.always {
                        body.push(("enabled".to_owned(), "always".into()));
                    }
                    ("triggers", body)
                })
                .collect()
        };
        let with = |truncate: bool, owner: bool| {
            let mut block = plain
                .clone()
                .maybe("attempt-as-owner", owner.then_some(true));
            block.tables = triggers(truncate);
            block
        };
        let mut strict = with(true, true)
            .or(with(true, false))
            .or(with(false, false));
        if !self.roles.is_empty() {
            strict = strict.or(plain.clone());
        }
        Some(strict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn column(name: &str, of_type: &str, default: &str) -> Column {
        Column {
            name: name.to_owned(),
            of_type: of_type.to_owned(),
            not_null: true,
            default: default.to_owned(),
            identity: false,
            in_key: name == "id",
        }
    }

    fn history() -> Evidence {
        Evidence {
            columns: vec![
                column("id", "bigint", "nextval('app.x_id_seq'::regclass)"),
                column("at", "timestamp with time zone", "now()"),
            ],
            ..Evidence::default()
        }
    }

    fn grant(insert: bool, change: bool) -> Grant {
        Grant {
            role: "app".to_owned(),
            select: true,
            insert,
            change,
            may_be_owner: false,
        }
    }

    fn name(text: &str) -> QualifiedName {
        QualifiedName::parse(text).unwrap()
    }

    #[rstest]
    #[case("app.audit_log", true)]
    #[case("app.\"AuditLog\"", true)]
    #[case("app.events", true)]
    #[case("app.orders", false)]
    #[case("app.event_queue", false)]
    #[case("app.catalog", false)]
    fn a_name_needs_columns_of_history(#[case] table: &str, #[case] is: bool) {
        assert_eq!(history().judge(&name(table), true).is_some(), is);
        let mut changes = history();
        changes
            .columns
            .push(column("updated_at", "timestamp with time zone", "now()"));
        assert!(changes.judge(&name(table), true).is_none());
        let mut without = history();
        without.columns.truncate(1);
        assert!(without.judge(&name(table), true).is_none());
    }

    #[rstest]
    #[case(true, false, true, true)]
    #[case(true, false, false, false)]
    #[case(true, true, true, false)]
    #[case(false, false, true, false)]
    fn grants_tell_where_others_may_be_changed(
        #[case] insert: bool,
        #[case] change: bool,
        #[case] others: bool,
        #[case] is: bool,
    ) {
        let mut evidence = history();
        evidence.grants.push(grant(insert, change));
        assert_eq!(evidence.judge(&name("app.payments"), others).is_some(), is);
    }

    #[test]
    fn a_right_to_change_is_evidence_against_and_a_trigger_goes_before() {
        let mut evidence = history();
        evidence.grants.push(grant(true, true));
        assert!(evidence.judge(&name("app.audit"), true).is_none());
        evidence
            .guards
            .extend(guard("no", "27", "A", "BEGIN RAISE EXCEPTION 'no'; END"));
        let judged = evidence.judge(&name("app.audit"), true).unwrap();
        assert!(judged.guarded && judged.roles.is_empty());
        assert_eq!(judged.watermark.as_deref(), Some("id"));
    }

    #[rstest]
    #[case("BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '42501'; END", true)]
    #[case("begin raise exception 'no'; return null; end", true)]
    #[case(
        "BEGIN IF OLD.done THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END",
        false
    )]
    #[case("BEGIN RAISE NOTICE 'changed'; RETURN NULL; END", false)]
    #[case("BEGIN RAISE insufficient_privilege USING MESSAGE = 'no'; END", true)]
    fn only_what_always_raises_stops(#[case] body: &str, #[case] stops: bool) {
        assert_eq!(guard("t", "27", "O", body).is_some(), stops);
    }

    #[test]
    fn a_watermark_is_a_counter_or_a_time() {
        let mut evidence = history();
        assert_eq!(evidence.watermark().as_deref(), Some("id"));
        evidence.columns[0] = column("id", "uuid", "gen_random_uuid()");
        assert_eq!(evidence.watermark().as_deref(), Some("at"));
        evidence.columns[1].not_null = false;
        assert_eq!(evidence.watermark(), None);
    }
}
