//! Triggers as the catalog knows them, for every check that is about them.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::columns::Columns as _;
use crate::check::privilege::Relation;
use crate::database::{DatabaseError, Session, TextRow};
use crate::sql::{QualifiedName, tokens};

/// How often a trigger fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TriggerLevel {
    /// For each row.
    Row,
    /// For each statement.
    Statement,
}

impl TriggerLevel {
    /// As in `for each row`.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Row => "for each row",
            Self::Statement => "for each statement",
        }
    }
}

/// A trigger as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Its own oid.
    pub oid: String,
    /// The oid of its table.
    pub relation: String,
    /// Its name.
    pub name: String,
    /// `tgtype`: bit 0 is "for each row", the rest when and on what.
    pub kind: u32,
    /// `tgenabled`: `O`, `A`, `R` or `D`.
    pub enabled: char,
    /// Whether it fires only on UPDATE of some columns.
    pub some_columns: bool,
    /// The function that it calls.
    pub function: QualifiedName,
    /// As `pg_get_triggerdef` writes it.
    pub definition: String,
    /// The oid of the trigger that it was cloned from; PostgreSQL 12 does not say.
    pub parent: Option<String>,
}

const TRIGGERS: &str = "
SELECT t.oid, t.tgrelid, t.tgname, t.tgtype, t.tgenabled, t.tgattr::pg_catalog.text <> '',
       n.nspname, p.proname, pg_catalog.pg_get_triggerdef(t.oid),
       pg_catalog.to_jsonb(t) ->> 'tgparentid'
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE t.tgrelid IN ({oids})
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                    WHERE k.oid = t.tgconstraint AND k.contype <> 't')
 ORDER BY t.tgname";

/// Reads the triggers of all tables, except those that carry out a foreign or deferred key.
///
/// `tgisinternal` does not tell them apart: up to PostgreSQL 14 a clone on a partition has it too.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn read(
    session: &mut Session,
    relations: &[Relation],
) -> Result<Vec<Trigger>, DatabaseError> {
    let oids: Vec<&str> = relations.iter().map(|r| r.oid.as_str()).collect();
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = TRIGGERS.replace("{oids}", &oids.join(", "));
    Ok(session
        .rows(&sql)
        .await?
        .iter()
        .filter_map(Trigger::of)
        .collect())
}

impl Trigger {
    fn of(row: &TextRow) -> Option<Self> {
        Some(Self {
            oid: row.text(0)?,
            relation: row.text(1)?,
            name: row.text(2)?,
            kind: row.number(3)?,
            enabled: row.number(4)?,
            some_columns: row.is_true(5),
            function: row.name(6)?,
            definition: row.text(8)?,
            parent: row.text(9).filter(|oid| oid != "0"),
        })
    }

    /// Tells whether it stands on that table.
    #[must_use]
    pub fn is_on(&self, relation: &Relation) -> bool {
        self.relation == relation.oid
    }

    /// Whether it fires for each row or for each statement.
    #[must_use]
    pub const fn level(&self) -> TriggerLevel {
        if self.kind & 1 == 1 {
            TriggerLevel::Row
        } else {
            TriggerLevel::Statement
        }
    }

    /// The definition without the table's name, so that those of several tables can be compared.
    #[must_use]
    pub fn shape(&self) -> String {
        let mut words: Vec<&str> = tokens(&self.definition).map(|token| token.text).collect();
        // CREATE [CONSTRAINT] TRIGGER name …: the name itself may be `on`, so look behind it.
        let name = words
            .iter()
            .position(|word| *word == "TRIGGER")
            .unwrap_or(0)
            + 1;
        if let Some(on) = words.iter().skip(name + 1).position(|word| *word == "ON") {
            let table = name + 1 + on + 1;
            if table < words.len() {
                words.remove(table);
            }
        }
        words.join(" ")
    }
}

/// Says in words in which sessions a trigger of this `tgenabled` fires.
#[must_use]
pub const fn state(enabled: char) -> &'static str {
    match enabled {
        'O' => "enabled",
        'A' => "enabled ALWAYS",
        'R' => "enabled REPLICA only",
        _ => "disabled",
    }
}

/// The words of ALTER TABLE … TRIGGER that set this `tgenabled`.
#[must_use]
pub const fn set_state(enabled: char) -> &'static str {
    match enabled {
        'O' => "ENABLE",
        'A' => "ENABLE ALWAYS",
        'R' => "ENABLE REPLICA",
        _ => "DISABLE",
    }
}

#[cfg(test)]
impl Trigger {
    /// Makes one for tests: on the table with oid 1, calling `app.refuse`.
    pub fn for_tests(name: &str, kind: u32, enabled: char) -> Self {
        Self {
            oid: "10".to_owned(),
            relation: "1".to_owned(),
            name: name.to_owned(),
            kind,
            enabled,
            some_columns: false,
            function: QualifiedName {
                schema: "app".to_owned(),
                name: "refuse".to_owned(),
            },
            definition: format!(
                "CREATE TRIGGER {name} BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.refuse()"
            ),
            parent: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_names_no_table() {
        let mut trigger = Trigger::for_tests("\"on\"", 1, 'O');
        let shape = trigger.shape();
        assert!(shape.contains("UPDATE ON FOR EACH ROW"), "{shape}");
        trigger.definition = trigger.definition.replace("app.t ", "\"My\".\"T 1\" ");
        assert_eq!(trigger.shape(), shape);
        trigger.definition = trigger.definition.replace("UPDATE", "DELETE");
        assert_ne!(trigger.shape(), shape);
    }
}
