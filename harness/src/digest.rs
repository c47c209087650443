//! Digests of rows that a server gives.

pub use pgdump::digest::{RowsDigest, from_hex, hex};

use crate::database::{DatabaseError, Session};

/// Settings under which a server writes values the same way, whatever its configuration says. Those of
/// pg_dump, and UTC, which pg_dump leaves to the server.
pub const CANONICAL: &str = "SET search_path = ''; SET \"TimeZone\" = 'UTC'; SET \"DateStyle\" = 'ISO, YMD'; \
    SET \"IntervalStyle\" = 'postgres'; SET extra_float_digits = 3; SET bytea_output = 'hex'; \
    SET xmloption = 'content'; SET row_security = off";

/// Reads `COPY … TO STDOUT` to its end and digests its rows.
///
/// # Errors
/// The server's error, without values.
pub async fn of_copy(session: &mut Session, copy: &str) -> Result<RowsDigest, DatabaseError> {
    let mut digest = RowsDigest::default();
    session
        .copy_out(copy, |row| {
            digest.add(row.strip_suffix(b"\n").unwrap_or(row));
        })
        .await?;
    Ok(digest)
}
