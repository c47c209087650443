//! Finds the time zone of the session that wrote a dump from the times in it. A server that prints in the same zone prints
//! the same text, also in arrays, ranges and composites.

use crate::database::{DatabaseError, Session};
use crate::sql::quote_literal;

/// The zone whose local time is that of most of these texts; UTC if it is one of several.
const ZONE: &str = "
WITH dumped AS MATERIALIZED (
    SELECT t::pg_catalog.timestamptz AS at,
           pg_catalog.regexp_replace(t, '[+-][0-9:]+$', '')::pg_catalog.timestamp AS shown
      FROM pg_catalog.unnest({times}::pg_catalog.text[]) AS t)
SELECT z.name
  FROM pg_catalog.pg_timezone_names z
 ORDER BY (SELECT pg_catalog.count(*) FROM dumped d WHERE d.at AT TIME ZONE z.name = d.shown) DESC,
          z.name = 'UTC' DESC, z.name LIKE '%/%' DESC, z.name LIKE 'Etc/%', z.name LIKE 'posix/%', z.name
 LIMIT 1";

/// Finds the zone of these times, each with an offset.
pub(super) async fn find(session: &mut Session, times: &[String]) -> Result<String, DatabaseError> {
    let utc = "UTC".to_owned();
    if times.iter().all(|time| time.ends_with("+00")) {
        return Ok(utc);
    }
    let times: Vec<String> = times.iter().map(|time| format!("\"{time}\"")).collect();
    let array = quote_literal(&format!("{{{}}}", times.join(",")));
    match session.value(&ZONE.replace("{times}", &array)).await {
        Ok(zone) => Ok(zone.unwrap_or(utc)),
        // Not every text that looks like a time is one.
        Err(error) if !error.lost => Ok(utc),
        Err(error) => Err(error),
    }
}
