//! The time zone of the session that wrote a dump, told by the times in it. A server that writes in the
//! same zone writes the same text, in arrays, ranges and composites too.

use crate::database::{DatabaseError, Session};
use crate::sql::quote_literal;

/// The zone whose clocks show most of these times as they are written. UTC where that is as good.
const ZONE: &str = "
WITH seen AS MATERIALIZED (
    SELECT t::pg_catalog.timestamptz AS at,
           pg_catalog.regexp_replace(t, '[+-][0-9:]+$', '')::pg_catalog.timestamp AS shown
      FROM pg_catalog.unnest({times}::pg_catalog.text[]) AS t)
SELECT z.name
  FROM pg_catalog.pg_timezone_names z
 ORDER BY (SELECT pg_catalog.count(*) FROM seen WHERE seen.at AT TIME ZONE z.name = seen.shown) DESC,
          z.name = 'UTC' DESC, z.name LIKE '%/%' DESC, z.name LIKE 'Etc/%', z.name LIKE 'posix/%', z.name
 LIMIT 1";

/// Finds the zone in which these times were written; each has an offset.
pub(super) async fn of(session: &mut Session, times: &[String]) -> Result<String, DatabaseError> {
    let utc = "UTC".to_owned();
    if times.iter().all(|time| time.ends_with("+00")) {
        return Ok(utc);
    }
    let array = format!(
        "{{{}}}",
        times
            .iter()
            .map(|time| format!("\"{time}\""))
            .collect::<Vec<_>>()
            .join(",")
    );
    match session
        .value(&ZONE.replace("{times}", &quote_literal(&array)))
        .await
    {
        Ok(zone) => Ok(zone.unwrap_or(utc)),
        // A text may look like a time and be none.
        Err(error) if !error.lost => Ok(utc),
        Err(error) => Err(error),
    }
}
