//! Ways past the policies of a table for reading: views are tried, functions listed.

use super::{Indirect, could_not_rule_out};
use crate::check::Restored;
use crate::check::columns::Columns as _;
use crate::check::privilege::could_not_try;
use crate::database::{Attempt, Session};
use crate::outcome::{CouldNotRun, Finding};
use crate::rights::{Actor, Facts, KnownRights, ReadReach, RelationFacts, Roles};
use crate::sql::{Glob, QualifiedName, quote_ident, quote_literal};

/// What the ways of some roles follow from.
#[derive(Debug)]
pub struct PastPolicies {
    roles: Roles,
    indirect: Indirect,
    rights: Facts,
    /// Views that may show what the policies hide.
    shared: Vec<(Glob, Glob)>,
}

/// A session whose rows the policies select.
#[derive(Debug, Clone, Copy)]
pub struct Under<'a> {
    /// The role.
    pub role: &'a str,
    /// Its settings.
    pub settings: &'a [(String, String)],
    /// The table with the policies.
    pub table: &'a QualifiedName,
}

const TABLE: &str = "
SELECT pg_catalog.pg_get_userbyid(relowner), relforcerowsecurity
  FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({table}) AND relrowsecurity AND relkind IN ('r', 'p')";

/// Removes every row of `{table}`, for a role that may not read it.
const REMOVE_ALL: &str = "
RESET SESSION AUTHORIZATION;
SET LOCAL session_replication_role = replica;
DELETE FROM {table}";

/// Removes every row of `{table}` that `{role}` does not see.
const REMOVE: &str = "
RESET SESSION AUTHORIZATION;
CREATE TEMPORARY TABLE redrill_visible (holder pg_catalog.oid, place pg_catalog.tid) ON COMMIT DROP;
GRANT INSERT ON redrill_visible TO PUBLIC;
SET LOCAL SESSION AUTHORIZATION {role};
INSERT INTO pg_temp.redrill_visible SELECT tableoid, ctid FROM {table};
RESET SESSION AUTHORIZATION;
SET LOCAL session_replication_role = replica;
DELETE FROM {table} t
 WHERE NOT EXISTS (SELECT FROM pg_temp.redrill_visible v WHERE v.holder = t.tableoid AND v.place = t.ctid)";

impl PastPolicies {
    /// Reads it; also gives a finding for each trusted function that is not there.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn read(
        session: &mut Session,
        names: &[&str],
        (trusted_functions, shared_views): (&[String], &[String]),
    ) -> Result<(Self, Vec<Finding>), CouldNotRun> {
        let roles = Roles::read(session).await?;
        let (indirect, missing) = Indirect::read(session, trusted_functions).await?;
        let rights = indirect
            .rights(session, &roles, names.iter().copied(), &[])
            .await?;
        let shared = shared_views.iter().filter_map(|view| {
            let name = QualifiedName::parse(view).ok()?;
            Some((Glob::new(&name.schema), Glob::new(&name.name)))
        });
        let found = Self {
            shared: shared.collect(),
            roles,
            indirect,
            rights,
        };
        Ok((found, missing))
    }

    /// Tries or lists the ways of a role past the policies of a table.
    ///
    /// # Errors
    /// When the server is gone.
    pub async fn find(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
        under: Under<'_>,
    ) -> Result<(Vec<Finding>, Vec<CouldNotRun>), CouldNotRun> {
        let (mut findings, mut open) = (Vec::new(), Vec::new());
        let sql = TABLE.replace("{table}", &under.table.literal());
        let rows = session.rows(&sql).await?;
        let (Some(row), Some(role)) = (rows.first(), self.roles.all.get(under.role)) else {
            return Ok((findings, open));
        };
        let (owner, forced) = (row.text(0).unwrap_or_default(), row.is_true(1));
        let exempt = |name: &str| self.roles.is_exempt(name, &owner, forced);
        let (writes, trusted) = (&self.indirect.writes, &self.indirect.trusted);
        let known = KnownRights::new(writes, &self.roles, &self.rights);
        let tree = writes.tree_of(under.table);
        let reach = ReadReach::new(writes, &known, &tree, exempt, trusted);
        let (views, functions) = reach.of_role(&Actor::new(&self.roles, role));
        for view in views {
            let QualifiedName { schema, name } = &view.name;
            let mut shared = self.shared.iter();
            if shared.any(|(in_schema, named)| in_schema.matches(schema) && named.matches(name)) {
                continue;
            }
            match shows_hidden(restored, under, view).await {
                Ok(false) => {}
                Ok(true) => findings.push(
                    Finding::about(
                        view.name.to_string(),
                        format!("nothing of {} that its policies hide from {}", under.table, under.role),
                        format!("it shows the role something else without these rows: it reads with the rights of {}", view.owner),
                    )
                    .hint(format!(
                        "ALTER VIEW {} SET (security_invoker = true), or give it an owner under the policies; where it is meant, add it to `shared-views`",
                        view.name
                    )),
                ),
                Err(error) => open.push(error),
            }
        }
        if !functions.is_empty() {
            let ways = format!("role {} past the policies of {}", under.role, under.table);
            let what = "to whom the policies do not apply";
            open.push(could_not_rule_out(&ways, what, &functions));
        }
        Ok((findings, open))
    }
}

/// Whether a view shows a role something else once the rows that it does not see are removed, in a transaction that is
/// rolled back.
async fn shows_hidden(
    restored: &Restored<'_>,
    under: Under<'_>,
    view: &RelationFacts,
) -> Result<bool, CouldNotRun> {
    let role = quote_ident(under.role);
    let superuser = &restored.server.endpoint().superuser;
    let mut session = restored.session_as(superuser, under.settings).await?;
    let what = format!("reading {} as {}", view.name, under.role);
    let digest = format!(
        "SELECT pg_catalog.concat(pg_catalog.count(*), ' ', pg_catalog.sum(pg_catalog.hashtextextended((v.*)::pg_catalog.text, 0))) FROM {} v",
        view.name
    );
    // Before the measurement the session is the role, and after the removal it is again.
    let before = format!("SET LOCAL SESSION AUTHORIZATION {role}; {digest}");
    let stable = session.attempt_measured("SELECT 1", &before).await;
    let reads = format!(
        "SELECT pg_catalog.has_any_column_privilege({}, {}, 'SELECT')",
        quote_literal(under.role),
        under.table.literal()
    );
    let remove = match session.value(&reads).await?.as_deref() {
        Some("t") => REMOVE,
        _ => REMOVE_ALL,
    };
    let remove = remove
        .replace("{role}", &role)
        .replace("{table}", &under.table.to_string());
    let tried = match stable {
        Ok((_, false)) => session.attempt_measured(&remove, &before).await,
        Ok((_, true)) => {
            return Err(
                CouldNotRun::new(format!("{what} gives other rows each time"))
                    .hint("where the view may show them, add it to `shared-views`"),
            );
        }
        // What the role may not read shows it nothing.
        Err(error) if error.denied() => return Ok(false),
        Err(error) => Err(error),
    };
    session.close().await;
    match tried {
        Ok((Attempt::Allowed(_), changed)) => Ok(changed),
        Ok((Attempt::Refused(error), _)) | Err(error) => Err(could_not_try(&what, &error)
            .hint("where the view may show what the policies hide, add it to `shared-views`")),
    }
}
