//! Whether a way writes rows that the policies of a table hide.

use super::Under;
use super::hidden::{self, IS_HIDDEN};
use crate::check::Restored;
use crate::check::indirect::attempt::{
    self, PathEnd, Trial, become_role, begins_with_key, try_path,
};
use crate::check::privilege::could_not_try;
use crate::check::row::columns;
use crate::database::Session;
use crate::outcome::CouldNotRun;
use crate::rights::{RelationFacts, WriteEvent, WriteFacts, WritePath, WriteTarget};
use crate::sql::quote_ident;

/// A row that the policies hide is removed, for the role to insert it again; `redrill_row` has its columns `{columns}`.
const REMOVE_ONE: &str = "
CREATE TEMPORARY TABLE redrill_one ON COMMIT DROP AS SELECT * FROM pg_temp.redrill_hidden LIMIT 1;
CREATE TEMPORARY TABLE redrill_row ON COMMIT DROP AS
SELECT {columns} FROM {table} t JOIN pg_temp.redrill_one h ON {is_hidden};
GRANT SELECT ON redrill_row TO PUBLIC;
CREATE TEMPORARY TABLE redrill_seen (rows pg_catalog.int8) ON COMMIT DROP;
GRANT INSERT ON redrill_seen TO PUBLIC;
SET LOCAL session_replication_role = replica;
DELETE FROM {table} t USING pg_temp.redrill_one h WHERE {is_hidden};
SET LOCAL session_replication_role = origin;";

/// Counts the rows that the role does not see.
const COUNT_UNSEEN: &str = "
RESET SESSION AUTHORIZATION;
DELETE FROM pg_temp.redrill_seen;
SET LOCAL SESSION AUTHORIZATION {role};
INSERT INTO pg_temp.redrill_seen SELECT pg_catalog.count(*) FROM {table};
RESET SESSION AUTHORIZATION;
SELECT (SELECT pg_catalog.count(*) FROM {table}) - (SELECT rows FROM pg_temp.redrill_seen)";

/// What is tried.
pub(super) struct Written<'a> {
    pub writes: &'a WriteFacts,
    pub path: &'a WritePath<'a>,
    pub relation: &'a RelationFacts,
    pub event: WriteEvent,
    pub targets: &'a [WriteTarget],
}

impl Written<'_> {
    /// Tries it as the role, in a session of the superuser with the settings of the role.
    pub(super) async fn try_hidden(
        &self,
        restored: &Restored<'_>,
        under: Under<'_>,
    ) -> Result<PathEnd, CouldNotRun> {
        let superuser = &restored.server.endpoint().superuser;
        let mut session = restored.session_as(superuser, under.settings).await?;
        let hidden = hidden::list(&mut session, under).await?;
        let tried = match self.event {
            WriteEvent::Insert if self.path.by_views => {
                self.inserts(&mut session, under, hidden).await?
            }
            _ => self.changes(&mut session, under, hidden).await?,
        };
        let end = match tried {
            Ok((statements, mut trial)) => {
                let role = quote_ident(under.role);
                let acts = become_role(under.role, self.path);
                trial.become_role = format!("SET LOCAL SESSION AUTHORIZATION {role}; {acts}");
                let of = (under.role, self.event);
                try_path(&mut session, self.path, of, &statements, &trial).await
            }
            Err(why) => Ok(PathEnd::Unclear(why)),
        };
        session.close().await;
        end
    }

    /// A row that the policies hide is inserted again.
    async fn inserts(
        &self,
        session: &mut Session,
        under: Under<'_>,
        hidden: String,
    ) -> Result<Result<(Vec<String>, Trial), String>, CouldNotRun> {
        let table = under.table.to_string();
        let own = self.writes.tree_of(under.table);
        let mut all = columns(session, &self.relation.oid).await?;
        let mut of_table = Vec::new();
        for oid in own.iter().take(1) {
            of_table = columns(session, oid).await?;
        }
        all.retain(|one| of_table.iter().any(|other| other.name == one.name));
        if all.is_empty() {
            return Ok(Err(
                "none of its columns is named as one of the table".to_owned()
            ));
        }
        let names: Vec<String> = all.iter().map(|one| quote_ident(&one.name)).collect();
        let names = names.join(", ");
        let remove = REMOVE_ONE
            .replace("{columns}", &names)
            .replace("{is_hidden}", IS_HIDDEN)
            .replace("{table}", &table);
        let measure = COUNT_UNSEEN
            .replace("{role}", &quote_ident(under.role))
            .replace("{table}", &table);
        let view = &self.relation.name;
        let insert =
            format!("INSERT INTO {view} ({names}) SELECT {names} FROM pg_temp.redrill_row");
        let trial = Trial {
            prepare: format!("{hidden}{remove}"),
            become_role: String::new(),
            measure,
            is_aimed: true,
        };
        Ok(Ok((vec![insert], trial)))
    }

    /// Rows that the policies hide are changed or removed.
    async fn changes(
        &self,
        session: &mut Session,
        under: Under<'_>,
        hidden: String,
    ) -> Result<Result<(Vec<String>, Trial), String>, CouldNotRun> {
        let mut prepare = hidden;
        let mut place = "true".to_owned();
        if begins_with_key(self.path) {
            let among = format!(
                " AND EXISTS (SELECT FROM pg_temp.redrill_hidden h WHERE {})",
                IS_HIDDEN.replace("t.", "c.")
            );
            prepare.push_str(
                "CREATE TEMPORARY TABLE redrill_row (place pg_catalog.tid, holder pg_catalog.oid) ON COMMIT DROP;
                 GRANT SELECT ON redrill_row TO PUBLIC;",
            );
            for query in attempt::referenced_rows(
                self.writes,
                self.path,
                self.relation,
                self.targets,
                &among,
            ) {
                prepare.push_str(&format!("INSERT INTO redrill_row {query};"));
            }
            let rows = hidden::count(session, &prepare, "redrill_row").await;
            let what = format!("a write of {}", self.relation.name);
            match rows.map_err(|error| could_not_try(&what, &error))? {
                0 => {
                    return Ok(Err(
                        "no row that the policies hide refers to one there".to_owned()
                    ));
                }
                _ => {
                    place = "(tableoid, ctid) IN (SELECT holder, place FROM pg_temp.redrill_row)"
                        .to_owned()
                }
            }
        }
        let of = (self.relation, self.event);
        let columns = columns(session, &self.relation.oid).await?;
        let trial = Trial {
            prepare,
            become_role: String::new(),
            measure: format!(
                "RESET SESSION AUTHORIZATION; SELECT pg_catalog.count(*) FROM {} t JOIN pg_temp.redrill_hidden h ON {IS_HIDDEN}",
                under.table
            ),
            is_aimed: true,
        };
        Ok(Ok((
            attempt::commands(self.writes, self.path, of, columns, &[place]),
            trial,
        )))
    }
}
