//! The policies of a table, and how they differ from those that it must have.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::ParameterErrors;
use crate::check::columns::Columns as _;
use crate::check::privilege::one_statement;
use crate::database::{Attempt, DatabaseError, Session, TextRow};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, quote_ident, quote_literal};

/// A policy that a table must have. What is left out is what CREATE POLICY takes by itself.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WantedPolicy {
    /// Its name.
    pub name: String,
    /// Which command it is for. Default: `all`.
    #[serde(default)]
    pub command: PolicyCommand,
    /// Whether it opens the table (permissive) or only takes away (restrictive). Default: true.
    #[serde(default = "yes")]
    pub permissive: bool,
    /// Whom it is for. Default: `["public"]`.
    #[serde(default = "everyone")]
    pub roles: Vec<String>,
    /// Which rows are there, as an SQL expression.
    pub using: Option<String>,
    /// Which rows may be written. Without it an `all` or `update` policy takes `using`.
    pub with_check: Option<String>,
}

/// What a policy is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyCommand {
    /// Every command.
    #[default]
    All,
    /// SELECT.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}

const fn yes() -> bool {
    true
}

fn everyone() -> Vec<String> {
    vec!["public".to_owned()]
}

impl PolicyCommand {
    const fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// Reads `pg_policy.polcmd`.
    fn of(letter: &str) -> Self {
        match letter {
            "r" => Self::Select,
            "a" => Self::Insert,
            "w" => Self::Update,
            "d" => Self::Delete,
            _ => Self::All,
        }
    }

    /// Tells whether a policy without WITH CHECK holds what is written to its USING.
    const fn checks_by_using(self) -> bool {
        match self {
            Self::All | Self::Update => true,
            Self::Select | Self::Insert | Self::Delete => false,
        }
    }
}

/// A policy as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPolicy {
    name: String,
    command: PolicyCommand,
    permissive: bool,
    roles: BTreeSet<String>,
    using: Option<String>,
    with_check: Option<String>,
}

const POLICIES: &str = "
SELECT p.polname, p.polcmd, p.polpermissive,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid),
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
       CASE r.oid WHEN 0 THEN 'public'
            ELSE pg_catalog.pg_get_userbyid(r.oid)::pg_catalog.text END
  FROM pg_catalog.pg_policy p, pg_catalog.unnest(p.polroles) r(oid)
 WHERE p.polrelid = {table}::pg_catalog.regclass
 ORDER BY p.polname, 6";

/// Reads the policies of a table.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn read(
    session: &mut Session,
    table: &QualifiedName,
) -> Result<Vec<FoundPolicy>, DatabaseError> {
    let sql = POLICIES.replace("{table}", &table.literal());
    Ok(gather(session.rows(&sql).await?))
}

/// Puts the rows of [`POLICIES`], one per role, together.
fn gather(rows: Vec<TextRow>) -> Vec<FoundPolicy> {
    let mut policies: Vec<FoundPolicy> = Vec::new();
    for row in rows {
        let [Some(name), Some(command), _, using, with_check, Some(role)] = row.as_slice() else {
            continue;
        };
        if let Some(last) = policies.last_mut()
            && last.name == *name
        {
            last.roles.insert(role.clone());
            continue;
        }
        policies.push(FoundPolicy {
            name: name.clone(),
            command: PolicyCommand::of(command),
            permissive: row.is_true(2),
            roles: [role.clone()].into(),
            using: using.clone(),
            with_check: with_check.clone(),
        });
    }
    policies
}

impl WantedPolicy {
    /// Finds what makes no policy.
    pub fn validate(&self, errors: &mut ParameterErrors<'_>) {
        if self.using.is_none() && self.with_check.is_none() {
            let name = &self.name;
            let message = format!("policy `{name}` has neither `using` nor `with-check`");
            errors
                .at("policies", message)
                .add_hint("copy them from the migration that creates it");
        }
        for expression in [&self.using, &self.with_check].into_iter().flatten() {
            // It is read by the server inside a statement that is rolled back.
            if one_statement(&format!("select {expression}")).is_err() {
                errors.at(
                    "policies",
                    format!("policy `{}` has more than an expression", self.name),
                );
            }
        }
    }

    /// What rows are held to when they are written.
    fn effective_check(&self) -> Option<&str> {
        let own = self.with_check.as_deref();
        if self.command.checks_by_using() {
            own.or(self.using.as_deref())
        } else {
            own
        }
    }
}

impl FoundPolicy {
    /// What rows are held to when they are written.
    fn effective_check(&self) -> Option<&str> {
        let own = self.with_check.as_deref();
        if self.command.checks_by_using() {
            own.or(self.using.as_deref())
        } else {
            own
        }
    }
}

/// Compares the policies of a table with those that it must have.
///
/// # Errors
/// When an expression of the scenario is not one on this table.
pub async fn compare(
    session: &mut Session,
    table: &QualifiedName,
    wanted: &[WantedPolicy],
    refuse_others: bool,
) -> Result<Vec<Finding>, CouldNotRun> {
    let policies = read(session, table).await?;
    let mut findings = Vec::new();
    for wish in wanted {
        let Some(policy) = policies.iter().find(|policy| policy.name == wish.name) else {
            findings.push(missing(table, wish));
            continue;
        };
        findings.extend(attributes(table, wish, policy));
        let pairs = [
            ("USING", wish.using.as_deref(), policy.using.as_deref()),
            (
                "WITH CHECK",
                wish.effective_check(),
                policy.effective_check(),
            ),
        ];
        for (clause, expected, actual) in pairs {
            let same = match (expected, actual) {
                (None, None) => true,
                (Some(expected), Some(actual)) => same(session, table, expected, actual).await?,
                (Some(_), None) | (None, Some(_)) => false,
            };
            if !same {
                findings.push(
                    Finding::about(
                        object(table, &wish.name),
                        format!("{clause} ({})", expected.unwrap_or("nothing")),
                        format!("{clause} ({})", actual.unwrap_or("nothing")),
                    )
                    .hint("ALTER POLICY, or correct the scenario if a migration changed it"),
                );
            }
        }
    }
    if refuse_others {
        findings.extend(extra(table, wanted, &policies));
    }
    Ok(findings)
}

fn object(table: &QualifiedName, policy: &str) -> String {
    format!("policy {} on {table}", quote_ident(policy))
}

fn missing(table: &QualifiedName, wish: &WantedPolicy) -> Finding {
    let consequence = if wish.permissive {
        "without a permissive policy its rows are gone for the role"
    } else {
        "it only took away: without it the role sees more than it should"
    };
    Finding::about(
        object(table, &wish.name),
        format!(
            "a {} policy for {}",
            kind(wish.permissive),
            wish.command.word()
        ),
        format!("there is none; {consequence}"),
    )
    .hint("a policy for a role that is not there fails in the restore: look in its errors")
}

fn extra(table: &QualifiedName, wanted: &[WantedPolicy], policies: &[FoundPolicy]) -> Vec<Finding> {
    policies
        .iter()
        .filter(|policy| wanted.iter().all(|wish| wish.name != policy.name))
        .map(|policy| {
            Finding::about(
                object(table, &policy.name),
                "no policy that the scenario does not name",
                format!(
                    "a {} policy for {} to {}",
                    kind(policy.permissive),
                    policy.command.word(),
                    list(&policy.roles)
                ),
            )
            .hint("add it to `policies`, drop it, or say `other-policies = \"allow\"`")
        })
        .collect()
}

/// Compares everything but the expressions.
fn attributes(table: &QualifiedName, wish: &WantedPolicy, policy: &FoundPolicy) -> Vec<Finding> {
    let mut findings = Vec::new();
    let roles: BTreeSet<String> = wish.roles.iter().cloned().collect();
    let pairs = [
        (
            kind(wish.permissive).to_owned(),
            kind(policy.permissive).to_owned(),
        ),
        (
            format!("for {}", wish.command.word()),
            format!("for {}", policy.command.word()),
        ),
        (
            format!("to {}", list(&roles)),
            format!("to {}", list(&policy.roles)),
        ),
    ];
    for (expected, actual) in pairs {
        if expected != actual {
            findings.push(
                Finding::about(object(table, &wish.name), expected, actual)
                    .hint("drop the policy and create it as it was"),
            );
        }
    }
    findings
}

const fn kind(permissive: bool) -> &'static str {
    if permissive {
        "permissive"
    } else {
        "restrictive"
    }
}

fn list(roles: &BTreeSet<String>) -> String {
    roles.iter().cloned().collect::<Vec<_>>().join(", ")
}

/// The name of the policies that are made to be compared, and rolled back.
const PROBE: &str = "redrill compares";

/// Gives one row when the server writes two expressions alike.
const SAME: &str = "
SELECT 1
  FROM pg_catalog.pg_policy a JOIN pg_catalog.pg_policy b ON b.polrelid = a.polrelid
 WHERE a.polrelid = {table}::pg_catalog.regclass AND a.polname = {one} AND b.polname = {two}
   AND pg_catalog.pg_get_expr(a.polqual, a.polrelid) = pg_catalog.pg_get_expr(b.polqual, b.polrelid)";

/// Tells whether two expressions are the same to the server.
///
/// A text comparison would fail on every cast and parenthesis that the server adds. So the server
/// reads both: as two policies that are made in a transaction, written back, compared, and rolled
/// back. Unqualified names are looked for in the table's schema, then in public; the server's own
/// form comes from a session that only sees `pg_catalog`, so it names everything else in full.
/// Event triggers of the database, which may forbid such statements, sleep meanwhile.
async fn same(
    session: &mut Session,
    table: &QualifiedName,
    expected: &str,
    actual: &str,
) -> Result<bool, CouldNotRun> {
    if expected == actual {
        return Ok(true);
    }
    let names = [format!("{PROBE} 1"), format!("{PROBE} 2")];
    let create = |name: &str, expression: &str| {
        format!(
            "CREATE POLICY {} ON {table} USING ({expression}\n);\n",
            quote_ident(name)
        )
    };
    let path = if table.schema == "public" {
        "public".to_owned()
    } else {
        format!("{}, public", quote_ident(&table.schema))
    };
    let sql = format!(
        "SET LOCAL session_replication_role = replica;\nSET LOCAL search_path = pg_catalog, {path};\n{}{}{}",
        create(&names[0], expected),
        create(&names[1], actual),
        SAME.replace("{table}", &table.literal())
            .replace("{one}", &quote_literal(&names[0]))
            .replace("{two}", &quote_literal(&names[1]))
    );
    match session.attempt(&sql).await? {
        Attempt::Allowed(rows) => Ok(rows == 1),
        Attempt::Refused(error) => Err(CouldNotRun::new(format!(
            "the server does not take the scenario's expression ({expected}) as a policy on {table}: {error}"
        ))
        .hint("write schemas in front of tables and functions that are neither in the table's schema nor in public")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn wish() -> WantedPolicy {
        WantedPolicy {
            name: "fence".to_owned(),
            command: PolicyCommand::All,
            permissive: true,
            roles: everyone(),
            using: Some("org = 'a'".to_owned()),
            with_check: None,
        }
    }

    fn policy() -> FoundPolicy {
        FoundPolicy {
            name: "fence".to_owned(),
            command: PolicyCommand::All,
            permissive: true,
            roles: ["public".to_owned()].into(),
            using: Some("org = 'a'".to_owned()),
            with_check: None,
        }
    }

    fn table() -> QualifiedName {
        QualifiedName::parse("app.t").unwrap()
    }

    #[rstest]
    #[case(policy(), 0)]
    #[case(FoundPolicy { permissive: false, ..policy() }, 1)]
    #[case(FoundPolicy { command: PolicyCommand::Select, ..policy() }, 1)]
    #[case(FoundPolicy { roles: ["app".to_owned()].into(), ..policy() }, 1)]
    #[case(FoundPolicy { roles: ["app".to_owned(), "public".to_owned()].into(), ..policy() }, 1)]
    fn each_attribute_counts(#[case] policy: FoundPolicy, #[case] findings: usize) {
        assert_eq!(attributes(&table(), &wish(), &policy).len(), findings);
    }

    #[rstest]
    #[case(PolicyCommand::All, Some("org = 'a'"))]
    #[case(PolicyCommand::Update, Some("org = 'a'"))]
    #[case(PolicyCommand::Select, None)]
    #[case(PolicyCommand::Delete, None)]
    fn using_checks_what_is_written_where_nothing_else_does(
        #[case] command: PolicyCommand,
        #[case] check: Option<&str>,
    ) {
        let wish = WantedPolicy { command, ..wish() };
        assert_eq!(wish.effective_check(), check);
        let policy = FoundPolicy {
            command,
            ..policy()
        };
        assert_eq!(policy.effective_check(), check);
    }

    #[test]
    fn a_policy_for_several_roles_is_one() {
        let row = |role: &str| {
            ["fence", "*", "t", "x", "-", role]
                .iter()
                .map(|value| (*value != "-").then(|| (*value).to_owned()))
                .collect::<TextRow>()
        };
        let policies = gather(vec![row("a"), row("b")]);
        assert_eq!(policies.len(), 1);
        assert_eq!(list(&policies[0].roles), "a, b");
    }

    #[test]
    fn others_are_named() {
        let others = extra(&table(), &[], &[policy()]);
        assert_eq!(others[0].object.as_deref(), Some("policy fence on app.t"));
    }

    #[test]
    fn a_missing_restrictive_policy_is_an_opening() {
        let wish = WantedPolicy {
            permissive: false,
            ..wish()
        };
        assert!(missing(&table(), &wish).actual.contains("sees more"));
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        let wish = WantedPolicy {
            using: Some("true); DROP TABLE t; --".to_owned()),
            ..wish()
        };
        assert_eq!(errors_of(|errors| wish.validate(errors)).len(), 1);
    }
}
