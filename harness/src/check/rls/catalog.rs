//! What the catalog says of a table with policies.

use super::{OtherPolicies, Rls, Views, bypass, policy};
use crate::check::columns::Columns as _;
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::QualifiedName;

const TABLE: &str = "
SELECT c.relkind, c.relrowsecurity, c.relforcerowsecurity
  FROM pg_catalog.pg_class c WHERE c.oid = {table}::pg_catalog.regclass";

impl Rls {
    /// Looks at what the catalog says of one table.
    pub(super) async fn catalog(
        &self,
        session: &mut Session,
        table: &QualifiedName,
    ) -> Result<Vec<Finding>, CouldNotRun> {
        let rows = session
            .rows(&TABLE.replace("{table}", &table.literal()))
            .await?;
        let row = rows.first().map(Vec::as_slice).unwrap_or_default();
        let kind = row.first().and_then(Option::as_deref).unwrap_or_default();
        if !matches!(kind, "r" | "p") {
            return Ok(vec![
                Finding::about(
                    table.to_string(),
                    "a table, which can have row security",
                    "it is a view, a materialised view or a foreign table",
                )
                .hint("name the table, and the view with `through` in a behaviour"),
            ]);
        }
        let (enabled, forced) = (row.is_true(1), row.is_true(2));
        let mut findings = self.switches(table, enabled, forced);
        if self.enabled.unwrap_or(true) {
            findings.extend(bypass::children(session, table).await?);
        }
        if let Some(wanted) = &self.policies {
            let refuse = self.other_policies == OtherPolicies::Refuse;
            findings.extend(policy::compare(session, table, wanted, refuse).await?);
        }
        if self.views == Some(Views::Fenced) {
            findings.extend(bypass::views(session, table).await?);
        }
        Ok(findings)
    }

    /// Compares the two switches of a table.
    fn switches(&self, table: &QualifiedName, enabled: bool, forced: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        let wanted = self.enabled.unwrap_or(true);
        if enabled != wanted {
            let (word, verb) = if wanted {
                ("on", "ENABLE")
            } else {
                ("off", "DISABLE")
            };
            findings.push(
                Finding::about(
                    table.to_string(),
                    format!("row security {word}"),
                    if enabled { "it is on" } else { "it is off" },
                )
                .hint(format!(
                    "ALTER TABLE {table} {verb} ROW LEVEL SECURITY; a dump does it near its end, so check whether the dump was cut"
                )),
            );
        }
        if let Some(wanted) = self.forced
            && wanted != forced
        {
            let (word, verb) = if wanted { ("", "") } else { ("not ", "NO ") };
            findings.push(
                Finding::about(
                    table.to_string(),
                    format!("row security {word}forced on its owner"),
                    if forced { "it is" } else { "it is not" },
                )
                .hint(format!(
                    "ALTER TABLE {table} {verb}FORCE ROW LEVEL SECURITY"
                )),
            );
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(None, None, true, false, 0)]
    #[case(None, None, false, false, 1)]
    #[case(Some(false), None, true, false, 1)]
    #[case(None, Some(true), true, false, 1)]
    #[case(None, Some(false), true, true, 1)]
    #[case(None, Some(true), false, false, 2)]
    fn both_switches_count(
        #[case] enabled: Option<bool>,
        #[case] forced: Option<bool>,
        #[case] is_enabled: bool,
        #[case] is_forced: bool,
        #[case] findings: usize,
    ) {
        let check = Rls {
            enabled,
            forced,
            ..Rls::default()
        };
        let table = QualifiedName::parse("app.t").unwrap();
        assert_eq!(
            check.switches(&table, is_enabled, is_forced).len(),
            findings
        );
    }
}
