//! Whether a view shows a role what the policies of a table hide.

use super::Under;
use super::hidden::{self, IS_HIDDEN};
use crate::check::Restored;
use crate::check::privilege::could_not_try;
use crate::database::Attempt;
use crate::outcome::CouldNotRun;
use crate::rights::RelationFacts;
use crate::sql::quote_ident;

/// Whether a view shows a role something else once the rows that it does not see are removed, in a transaction that is
/// rolled back.
pub(super) async fn shows_hidden(
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
    let stable = session.attempt_measured("", "SELECT 1", &before).await;
    let hidden = hidden::list(&mut session, under).await?;
    let remove = format!(
        "RESET SESSION AUTHORIZATION; SET LOCAL session_replication_role = replica;
         DELETE FROM {} t USING pg_temp.redrill_hidden h WHERE {IS_HIDDEN}",
        under.table
    );
    let tried = match stable {
        Ok((_, false)) => session.attempt_measured(&hidden, &remove, &before).await,
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
