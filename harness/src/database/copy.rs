//! Rows in and out, by COPY.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use sqlx::postgres::{PgConnection, PgCopyIn};

use super::{DatabaseError, Session};
use crate::digest::RowsDigest;
use crate::sqlstate::Names;

impl Session {
    /// Begins `COPY … FROM STDIN`.
    ///
    /// # Errors
    /// The server's error, without values.
    pub(crate) async fn copy_in(&mut self, copy: &str) -> Result<CopyIn<'_>, DatabaseError> {
        let wrong = |error| DatabaseError::of(&error, copy, &self.names);
        let copy = self.connection.copy_in_raw(copy).await.map_err(wrong)?;
        Ok(CopyIn(copy, &self.names))
    }

    /// Reads `COPY … TO STDOUT` to its end; `take` receives each row without its line end.
    ///
    /// # Errors
    /// The server's error, without values.
    pub async fn copy_out(
        &mut self,
        copy: &str,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), DatabaseError> {
        let mut rows = self.rows_out(copy).await?;
        while let Some(row) = rows.next().await? {
            take(&row);
        }
        Ok(())
    }

    /// Begins `COPY … TO STDOUT`, to read its rows one by one.
    ///
    /// # Errors
    /// The server's error, without values.
    pub async fn rows_out(&mut self, copy: &str) -> Result<RowsOut<'_>, DatabaseError> {
        let wrong = |error| DatabaseError::of(&error, copy, &self.names);
        let rows = self.connection.copy_out_raw(copy).await.map_err(wrong);
        if let Some(witness) = &self.witness {
            witness.statement(copy, false, rows.is_err());
        }
        let rows = rows?;
        Ok(RowsOut {
            rows,
            names: &self.names,
            copy: copy.to_owned(),
        })
    }

    /// Digests the rows of `COPY … TO STDOUT`.
    ///
    /// # Errors
    /// The server's error, without values.
    pub async fn digest_rows(&mut self, copy: &str) -> Result<RowsDigest, DatabaseError> {
        let mut digest = RowsDigest::default();
        self.copy_out(copy, |row| digest.add(row)).await?;
        Ok(digest)
    }
}

/// A running `COPY … TO STDOUT`.
pub struct RowsOut<'a> {
    rows: BoxStream<'a, Result<Bytes, sqlx::Error>>,
    names: &'a Names,
    copy: String,
}

impl RowsOut<'_> {
    /// The next row, without its line end; `None` after the last one.
    ///
    /// # Errors
    /// The server's error, without values.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DatabaseError> {
        let row = self.rows.try_next().await;
        let row = row.map_err(|error| DatabaseError::of(&error, &self.copy, self.names))?;
        Ok(row.map(|row| match row.ends_with(b"\n") {
            true => row.slice(..row.len() - 1),
            false => row,
        }))
    }
}

/// A running `COPY … FROM STDIN`.
pub(crate) struct CopyIn<'a>(PgCopyIn<&'a mut PgConnection>, &'a Names);

impl CopyIn<'_> {
    /// Sends a part of the rows.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), DatabaseError> {
        let sent = self.0.send(bytes).await;
        sent.map(drop)
            .map_err(|error| DatabaseError::of(&error, "", self.1))
    }

    /// Ends the rows; returns how many the server copied.
    pub(crate) async fn finish(self) -> Result<u64, DatabaseError> {
        let copied = self.0.finish().await;
        copied.map_err(|error| DatabaseError::of(&error, "", self.1))
    }
}
