//! What a role sees and may write, tried as that role.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::write::{judge_refusal, judge_success, picks_rows, require_a_row};
use crate::check::privilege::one_statement;
use crate::check::{ParameterErrors, Restored};
use crate::database::{Attempt, Session};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::QualifiedName;

/// What a role sees and may write.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Behaviour {
    /// The role, in a session of its own.
    pub role: String,
    /// Settings of that session, as the application makes them.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// A view through which the role reads, instead of the table.
    pub through: Option<String>,
    /// It sees exactly this many rows.
    pub sees_rows: Option<u64>,
    /// `none`: it sees no row, although there are some.
    pub sees: Option<Sees>,
    /// It sees the rows for which this condition holds, all of them and no other.
    pub sees_where: Option<String>,
    /// `true`: it may not read at all (SQLSTATE 42501).
    pub denied: Option<bool>,
    /// `none`: INSERT, UPDATE and DELETE write no row of the table, although it has some.
    pub writes: Option<Writes>,
    /// A statement that must be refused (SQLSTATE 42501), or be an UPDATE or DELETE that reaches no
    /// row although it does as superuser.
    pub refuses: Option<String>,
    /// A statement that must go through and touch a row.
    pub allows: Option<String>,
}

/// A word for what is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sees {
    /// No row.
    None,
}

/// A word for what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Writes {
    /// No row.
    None,
}

impl Behaviour {
    /// Finds what asserts nothing, or two things that exclude each other.
    pub fn validate(&self, errors: &mut ParameterErrors<'_>) {
        let key = "behaviour";
        let views = [
            self.sees_rows.is_some(),
            self.sees.is_some(),
            self.sees_where.is_some(),
            self.denied.is_some(),
        ];
        let reads = views.iter().filter(|given| **given).count();
        let writes = self.writes.is_some() || self.refuses.is_some() || self.allows.is_some();
        if reads == 0 && !writes {
            let message = format!("a behaviour of `{}` asserts nothing", self.role);
            errors.at(key, message).add_hint(
                "add `sees-where`, `sees-rows`, `sees`, `denied`, `writes`, `refuses` or `allows`",
            );
        }
        if self.writes.is_some() && self.allows.is_some() {
            errors
                .at(key, "`writes = \"none\"` and `allows` exclude each other")
                .add_hint("give each a behaviour with the settings that it needs");
        }
        if reads > 1 {
            let message = "`sees-rows`, `sees`, `sees-where` and `denied` exclude each other";
            errors.at(key, message).add_hint("give one of them");
        }
        if self.denied == Some(false) {
            errors
                .at(key, "`denied = false` does not say what is seen")
                .add_hint("write `sees-rows` or `sees-where`");
        }
        if self.through.is_some() && reads == 0 {
            errors
                .at(key, "`through` does not say what is seen")
                .add_hint("add `sees-where`, `sees-rows`, `sees` or `denied`");
        }
        errors.require_names(key, &self.through, "schema.view");
        errors.require_statements(key, self.refuses.iter().chain(&self.allows));
        if let Some(condition) = &self.sees_where
            && one_statement(&format!("select {condition}")).is_err()
        {
            errors.at(key, "`sees-where` is one condition");
        }
    }

    /// Tells whether it names rows of one particular table.
    #[must_use]
    pub fn is_of_one_table(&self) -> bool {
        self.through.is_some()
            || self.sees_rows.is_some()
            || self.refuses.is_some()
            || self.allows.is_some()
    }

    /// How a finding names it.
    pub(super) fn object(&self, looked_at: &QualifiedName) -> String {
        let settings: Vec<String> = self
            .settings
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        if settings.is_empty() {
            format!("{looked_at} as {}", self.role)
        } else {
            format!("{looked_at} as {} with {}", self.role, settings.join(", "))
        }
    }

    /// Reads and writes `table`, which has `total` rows, as the role.
    ///
    /// # Errors
    /// When it could not run, or would have passed whatever the policies are.
    pub async fn check(
        &self,
        restored: &Restored<'_>,
        superuser: &mut Session,
        table: &QualifiedName,
        total: u64,
    ) -> Result<Vec<Finding>, CouldNotRun> {
        let looked_at = match &self.through {
            Some(view) => QualifiedName::parse(view).map_err(CouldNotRun::new)?,
            None => table.clone(),
        };
        let settings: Vec<(String, String)> = self.settings.clone().into_iter().collect();
        let mut own = match restored.session_as(&self.role, &settings).await {
            Ok(own) => own,
            Err(error) if error.denied() => {
                return Ok(vec![
                    Finding::about(
                        self.object(&looked_at),
                        "a session of the role",
                        format!("it is not let in: {error}"),
                    )
                    .hint("GRANT CONNECT on the database"),
                ]);
            }
            Err(error) => return Err(error.into()),
        };
        let mut findings = Vec::new();
        findings.extend(
            self.compare_rows(superuser, &mut own, table, &looked_at, total)
                .await?,
        );
        if self.writes == Some(Writes::None) {
            findings.extend(
                self.writes_nothing(restored, superuser, &mut own, table)
                    .await?,
            );
        }
        if let Some(sql) = &self.refuses {
            let tried = own.attempt(sql).await?;
            if tried == Attempt::Allowed(0) && picks_rows(sql) {
                require_a_row(restored, &mut own, sql, &settings).await?;
            }
            let finding = judge_refusal(&tried, sql)?;
            findings.extend(finding.map(|f| self.named(f, table)));
        }
        if let Some(sql) = &self.allows {
            let tried = own.attempt(sql).await?;
            findings.extend(judge_success(&tried, sql)?.map(|f| self.named(f, table)));
        }
        own.close().await;
        Ok(findings)
    }

    fn named(&self, mut finding: Finding, table: &QualifiedName) -> Finding {
        finding.object = Some(self.object(table));
        finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn app() -> Behaviour {
        Behaviour {
            role: "app".to_owned(),
            ..Behaviour::default()
        }
    }

    #[rstest]
    #[case(Behaviour { sees: Some(Sees::None), ..app() }, 0)]
    #[case(Behaviour { sees_rows: Some(3), refuses: Some("DELETE FROM t".to_owned()), ..app() }, 0)]
    #[case(Behaviour { writes: Some(Writes::None), ..app() }, 0)]
    #[case(Behaviour { writes: Some(Writes::None), allows: Some("DELETE FROM t".to_owned()), ..app() }, 1)]
    #[case(app(), 1)]
    #[case(Behaviour { denied: Some(false), ..app() }, 1)]
    #[case(Behaviour { denied: Some(true), sees_rows: Some(1), ..app() }, 1)]
    #[case(Behaviour { through: Some("v".to_owned()), allows: Some("DELETE FROM t".to_owned()), ..app() }, 1)]
    #[case(Behaviour { refuses: Some("COMMIT".to_owned()), ..app() }, 1)]
    #[case(Behaviour { sees_where: Some("true; COMMIT".to_owned()), ..app() }, 1)]
    fn a_behaviour_says_one_thing(#[case] behaviour: Behaviour, #[case] expected: usize) {
        assert_eq!(
            errors_of(|errors| behaviour.validate(errors)).len(),
            expected
        );
    }
}
