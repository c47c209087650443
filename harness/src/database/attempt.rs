//! Statements in a transaction that is always rolled back.

use super::{Answer, DatabaseError, Session};

/// The result of a statement in a transaction that was rolled back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It succeeded, and affected so many rows.
    Allowed(u64),
    /// The server refused it.
    Refused(DatabaseError),
}

impl Session {
    /// Runs `sql` in a read-write transaction that is always rolled back. Deferred constraint triggers are
    /// fired, since there is no commit.
    ///
    /// # Errors
    /// Only when the connection is lost; a refusal is an [`Attempt`].
    pub async fn attempt(&mut self, sql: &str) -> Result<Attempt, DatabaseError> {
        Ok(self.attempt_measured("", sql, "SELECT 1").await?.0)
    }

    /// The same after what `prepare` does, and whether the value of the query `measure` was another one afterwards.
    ///
    /// # Errors
    /// When the connection is lost, or `prepare` or `measure` is refused.
    pub async fn attempt_measured(
        &mut self,
        prepare: &str,
        sql: &str,
        measure: &str,
    ) -> Result<(Attempt, bool), DatabaseError> {
        self.unnoted("BEGIN READ WRITE").await?;
        let tried = match self.unnoted(prepare).await {
            Ok(_) => self.measured(sql, measure).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &tried
            && error.lost
        {
            return Err(error.clone());
        }
        self.unnoted("ROLLBACK").await?;
        match tried? {
            (Ok(answer), changed) => Ok((Attempt::Allowed(answer.affected), changed)),
            (Err(error), changed) => Ok((Attempt::Refused(error), changed)),
        }
    }

    /// Runs what is attempted, between two measurements.
    async fn measured(
        &mut self,
        sql: &str,
        measure: &str,
    ) -> Result<(Result<Answer, DatabaseError>, bool), DatabaseError> {
        let before = self.measure(measure).await?;
        let tried = match self.unnoted(sql).await {
            Ok(answer) => {
                let checked = self.unnoted("SET CONSTRAINTS ALL IMMEDIATE").await;
                checked.map(|_| answer)
            }
            Err(error) => Err(error),
        };
        if let Some(witness) = &self.witness {
            witness.statement(sql, true, tried.is_err());
        }
        match tried {
            Err(error) if error.lost => Err(error),
            Err(error) => Ok((Err(error), false)),
            Ok(answer) => Ok((Ok(answer), self.measure(measure).await? != before)),
        }
    }

    /// The first value of a query.
    async fn measure(&mut self, sql: &str) -> Result<Option<String>, DatabaseError> {
        let rows = self.unnoted(sql).await?.rows;
        Ok(rows.into_iter().flatten().next().flatten())
    }
}
