//! Event triggers, and rules of tables and views.

use schemars::JsonSchema;
use serde::Deserialize;

use super::wanted::TriggerState;
use crate::check::ParameterErrors;
use crate::check::absent;
use crate::check::privilege::Relation;
use crate::check::triggers::{set_state, state};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, is_same_definition, quote_ident};

/// A rule that a table or view must have.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WantedRule {
    /// Its name.
    pub name: String,
    /// Exactly this state. Without it, it must act in ordinary sessions (`origin` or `always`).
    pub enabled: Option<TriggerState>,
    /// The whole definition, as `pg_get_ruledef` writes it.
    pub definition: Option<String>,
}

/// An event trigger that the database must have.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WantedEventTrigger {
    /// Its name.
    pub name: String,
    /// Exactly this state. Without it, it must fire in ordinary sessions (`origin` or `always`).
    pub enabled: Option<TriggerState>,
    /// What it fires on, as in `sql_drop`.
    pub event: Option<String>,
    /// The commands that it is only for, as in `DROP TABLE`, in any order.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The function that it calls, as `schema.name`.
    pub function: Option<String>,
    /// The role that owns it.
    pub owner: Option<String>,
}

impl WantedRule {
    /// Reports a definition where the check is about `several` tables.
    pub fn validate(&self, several: bool, errors: &mut ParameterErrors<'_>) {
        if self.definition.is_some() && several {
            errors
                .at("rules", "a `definition` names one table")
                .add_hint("write `table = \"schema.name\"`, and a check for each");
        }
    }
}

const EVENT_TRIGGERS: &str = "
SELECT e.evtname, e.evtenabled, e.evtevent, n.nspname, p.proname,
       pg_catalog.pg_get_userbyid(e.evtowner),
       COALESCE(pg_catalog.array_to_string(e.evttags, ','), '')
  FROM pg_catalog.pg_event_trigger e
  JOIN pg_catalog.pg_proc p ON p.oid = e.evtfoid
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace";

/// The rule of a view that makes it one is not a rule to anybody.
const RULES: &str = "
SELECT r.rulename, r.ev_enabled, pg_catalog.pg_get_ruledef(r.oid)
  FROM pg_catalog.pg_rewrite r
 WHERE r.ev_class = {table}::pg_catalog.regclass AND r.rulename <> '_RETURN'";

const VIEW: &str = "
SELECT c.oid, pg_catalog.pg_get_userbyid(c.relowner)
  FROM pg_catalog.pg_class c
 WHERE c.oid = pg_catalog.to_regclass({table}) AND c.relkind = 'v'";

/// Finds a view, as what triggers are on.
pub async fn view(
    session: &mut Session,
    table: &QualifiedName,
) -> Result<Option<Relation>, CouldNotRun> {
    let rows = session
        .rows(&VIEW.replace("{table}", &table.literal()))
        .await?;
    Ok(match rows.first().map(Vec::as_slice) {
        Some([Some(oid), Some(owner)]) => Some(Relation {
            oid: oid.clone(),
            name: table.clone(),
            kind: 'v',
            owner: owner.clone(),
            level: 0,
        }),
        _ => None,
    })
}

/// Compares the rules of a table with those that it must have.
pub async fn rules(
    session: &mut Session,
    table: &QualifiedName,
    wanted: &[WantedRule],
) -> Result<Vec<Finding>, CouldNotRun> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let rows = session
        .rows(&RULES.replace("{table}", &table.literal()))
        .await?;
    let mut findings = Vec::new();
    for wish in wanted {
        let object = format!("rule {} on {table}", quote_ident(&wish.name));
        let here = rows
            .iter()
            .find(|row| row.first() == Some(&Some(wish.name.clone())));
        let Some([_, Some(enabled), Some(definition)]) = here.map(Vec::as_slice) else {
            findings.push(
                Finding::about(object, "a rule", "there is none").hint(absent::why("CREATE RULE")),
            );
            continue;
        };
        let letter = enabled.chars().next().unwrap_or('D');
        if let Some((expected, set)) = TriggerState::differs(wish.enabled, letter) {
            findings.push(
                Finding::about(&object, expected, state(letter)).hint(format!(
                    "ALTER TABLE {table} {} RULE {}",
                    set_state(set),
                    quote_ident(&wish.name)
                )),
            );
        }
        if let Some(expected) = &wish.definition
            && !is_same_definition(expected, definition)
        {
            findings.push(Finding::about(object, expected, definition));
        }
    }
    Ok(findings)
}

/// Compares the event triggers of the database with those that it must have.
pub async fn event_triggers(
    session: &mut Session,
    wanted: &[WantedEventTrigger],
) -> Result<Vec<Finding>, CouldNotRun> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let rows = session.rows(EVENT_TRIGGERS).await?;
    let mut findings = Vec::new();
    for wish in wanted {
        let here = rows
            .iter()
            .find(|row| row.first() == Some(&Some(wish.name.clone())));
        match here {
            Some(row) => findings.extend(wish.differs(row)),
            None => findings.push(
                Finding::about(
                    format!("event trigger {}", quote_ident(&wish.name)),
                    "an event trigger",
                    "there is none",
                )
                .hint(absent::why("CREATE EVENT TRIGGER")),
            ),
        }
    }
    Ok(findings)
}

impl WantedEventTrigger {
    /// Compares one row of [`EVENT_TRIGGERS`] with the wish.
    fn differs(&self, row: &[Option<String>]) -> Vec<Finding> {
        let name = quote_ident(&self.name);
        let object = format!("event trigger {name}");
        let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        let mut findings = Vec::new();
        let letter = text(1).chars().next().unwrap_or('D');
        if let Some((expected, set)) = TriggerState::differs(self.enabled, letter) {
            findings.push(
                Finding::about(&object, expected, state(letter))
                    .hint(format!("ALTER EVENT TRIGGER {name} {}", set_state(set))),
            );
        }
        if let Some(event) = &self.event
            && *event != text(2)
        {
            findings.push(Finding::about(
                &object,
                format!("it fires on {event}"),
                format!("it fires on {}", text(2)),
            ));
        }
        let calls = QualifiedName {
            schema: text(3),
            name: text(4),
        };
        if let Some(function) = &self.function
            && QualifiedName::parse(function).is_ok_and(|name| name != calls)
        {
            findings.push(Finding::about(
                &object,
                format!("it calls {function}"),
                format!("it calls {calls}"),
            ));
        }
        if let Some(owner) = &self.owner
            && *owner != text(5)
        {
            findings.push(Finding::about(
                &object,
                format!("owner {owner}"),
                format!("owner {}", text(5)),
            ));
        }
        let sorted = |tags: &mut Vec<String>| tags.sort_unstable();
        let mut expected: Vec<String> = self.tags.iter().map(|tag| tag.to_uppercase()).collect();
        let mut actual: Vec<String> = text(6)
            .split(',')
            .filter(|tag| !tag.is_empty())
            .map(str::to_owned)
            .collect();
        sorted(&mut expected);
        sorted(&mut actual);
        if !expected.is_empty() && expected != actual {
            let show = |tags: &[String]| match tags {
                [] => "for every command".to_owned(),
                tags => format!("for {}", tags.join(", ")),
            };
            findings.push(Finding::about(&object, show(&expected), show(&actual)));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", 0)]
    #[case("enabled = 'origin'", 0)]
    #[case("enabled = 'always'", 1)]
    #[case("event = 'sql_drop'", 0)]
    #[case("event = 'ddl_command_end'", 1)]
    #[case("function = 'app.refuse'", 0)]
    #[case("function = 'app.other'", 1)]
    #[case("owner = 'dba'", 0)]
    #[case("owner = 'app'", 1)]
    #[case("tags = ['drop table', 'DROP SCHEMA']", 0)]
    #[case("tags = ['DROP TABLE']", 1)]
    fn event_triggers_are_held_to_the_wish(#[case] toml: &str, #[case] broken: usize) {
        let wish: WantedEventTrigger = toml::from_str(&format!("name = 'a'\n{toml}")).unwrap();
        let row = [
            "a",
            "O",
            "sql_drop",
            "app",
            "refuse",
            "dba",
            "DROP SCHEMA,DROP TABLE",
        ]
        .map(|text| Some(text.to_owned()));
        assert_eq!(wish.differs(&row).len(), broken);
    }
}
