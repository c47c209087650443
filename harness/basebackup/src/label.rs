//! `backup_label` and `tablespace_map`, as the server writes them into a base backup.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::{Fault, Lsn};

/// Its name in a data folder.
pub const LABEL: &str = "backup_label";
/// The name of the list of tablespaces.
pub const TABLESPACE_MAP: &str = "tablespace_map";
/// Longest file that is read, in bytes.
pub const LONGEST: u64 = 1 << 20;

/// What `backup_label` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where the replay begins.
    pub start: Lsn,
    /// The first segment of WAL.
    pub segment: String,
    /// The checkpoint that the backup begins with.
    pub checkpoint: Lsn,
    /// Whether it was taken of a standby.
    pub of_standby: bool,
    /// The time of the start, as written: `2026-11-24 20:35:30 UTC`.
    pub time: String,
    /// The same, where the time zone is one that everybody reads alike.
    pub made: Option<Timestamp>,
    /// The name that somebody gave it.
    pub name: String,
    /// The timeline that it was taken on.
    pub timeline: u32,
    /// The backup that an incremental one is based on, which has the data that this one has not.
    pub parent: Option<Parent>,
}

/// The beginning of the backup that an incremental one is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Where its replay begins.
    pub start: Lsn,
    /// The timeline of that place.
    pub timeline: u32,
}

/// The lines of an incremental backup: a server refuses to start with them.
const PARENT: [&str; 2] = ["INCREMENTAL FROM LSN", "INCREMENTAL FROM TLI"];

/// The label of the full backup that an incremental one and its parents make, as `pg_combinebackup` writes it.
#[must_use]
pub fn without_parent(text: &str) -> String {
    let names_parent = |line: &&str| {
        let key = line.split_once(": ").map(|(key, _)| key);
        key.is_some_and(|key| PARENT.contains(&key))
    };
    let lines = text.split_inclusive('\n');
    lines.filter(|line| !names_parent(line)).collect()
}

impl Label {
    /// Reads the file.
    ///
    /// # Errors
    /// A line that the server writes is missing or has another form.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let line = |key: &str| {
            let mut lines = text.lines();
            let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
            value.ok_or_else(|| Fault::new(LABEL, format!("a line `{key}: …`"), "no such line"))
        };
        let unreadable = |key: &str, value: &str| {
            let found = format!("`{}`", value.escape_default());
            Fault::new(LABEL, format!("`{key}` as the server writes it"), found)
        };
        let lsn = |key: &str, value: &str| value.parse().map_err(|_| unreadable(key, value));
        let key = "START WAL LOCATION";
        let value = line(key)?;
        let (start, file) = value
            .split_once(" (file ")
            .and_then(|(start, file)| Some((start, file.strip_suffix(')')?)))
            .ok_or_else(|| unreadable(key, value))?;
        let time = line("START TIME")?;
        let timeline = match line("START TIMELINE") {
            Ok(value) => value
                .parse()
                .map_err(|_| unreadable("START TIMELINE", value))?,
            // The first eight digits of the segment are the timeline too.
            Err(_) => file
                .get(..8)
                .and_then(|digits| u32::from_str_radix(digits, 16).ok())
                .ok_or_else(|| unreadable(key, value))?,
        };
        let parent = match PARENT.map(line) {
            [Err(_), Err(_)] => None,
            [of_lsn, of_timeline] => {
                let (start, timeline) = (of_lsn?, of_timeline?);
                let number = timeline.parse().ok().filter(|number| *number > 0);
                Some(Parent {
                    start: lsn(PARENT[0], start)?,
                    timeline: number.ok_or_else(|| unreadable(PARENT[1], timeline))?,
                })
            }
        };
        Ok(Self {
            start: lsn(key, start)?,
            segment: file.to_owned(),
            checkpoint: lsn("CHECKPOINT LOCATION", line("CHECKPOINT LOCATION")?)?,
            of_standby: line("BACKUP FROM").is_ok_and(|from| from == "standby"),
            time: time.to_owned(),
            made: ["UTC", "GMT", "Etc/UTC"].iter().find_map(|zone| {
                let time = time.strip_suffix(zone)?.trim_end();
                let time = DateTime::strptime("%Y-%m-%d %H:%M:%S", time).ok()?;
                let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
                Some(zoned.timestamp())
            }),
            name: line("LABEL").unwrap_or_default().to_owned(),
            timeline,
            parent,
        })
    }
}

/// A tablespace of `tablespace_map`: its OID, and its folder on the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tablespace {
    /// Its OID, which names its tar file and its link.
    pub oid: u32,
    /// Its folder on the source.
    pub location: String,
}

/// Reads `tablespace_map`.
///
/// # Errors
/// A line has no OID and path.
pub fn parse_tablespace_map(text: &str) -> Result<Vec<Tablespace>, Fault> {
    let lines = text.lines().filter(|line| !line.is_empty());
    let each = lines.map(|line| {
        let parts = line.split_once(' ');
        let parsed = parts.and_then(|(oid, path)| {
            Some(Tablespace {
                oid: oid.parse().ok().filter(|oid| *oid > 0)?,
                location: path.to_owned(),
            })
        });
        parsed.ok_or_else(|| {
            let found = format!("`{}`", line.escape_default());
            Fault::new(TABLESPACE_MAP, "an OID and a path in each line", found)
        })
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n\
        CHECKPOINT LOCATION: 0/2000060\nBACKUP METHOD: streamed\nBACKUP FROM: primary\n\
        START TIME: 2026-11-24 20:35:30 UTC\nLABEL: pg_basebackup base backup\nSTART TIMELINE: 1\n";

    #[test]
    fn a_label_is_read() {
        let label = Label::parse(TEXT).unwrap();
        assert_eq!(label.start.to_string(), "0/2000028");
        assert_eq!(label.checkpoint.to_string(), "0/2000060");
        assert_eq!((label.timeline, label.of_standby), (1, false));
        assert_eq!(label.made.unwrap().to_string(), "2026-11-24T20:35:30Z");
        let of_standby = TEXT.replace("primary", "standby");
        assert!(Label::parse(&of_standby).unwrap().of_standby);
        let elsewhere = TEXT.replace("30 UTC", "30 CET");
        assert_eq!(Label::parse(&elsewhere).unwrap().made, None);
    }

    #[test]
    fn the_parent_of_an_incremental_backup_is_read() {
        assert_eq!(Label::parse(TEXT).unwrap().parent, None);
        let text = format!("{TEXT}INCREMENTAL FROM LSN: 0/1000028\nINCREMENTAL FROM TLI: 3\n");
        let parent = Label::parse(&text).unwrap().parent.unwrap();
        assert_eq!((parent.start, parent.timeline), (Lsn(0x100_0028), 3));
        assert_eq!(without_parent(&text), TEXT);
        for odd in [
            text.replace("INCREMENTAL FROM TLI", "X"),
            text.replace("TLI: 3", "TLI: 0"),
            text.replace("0/1000028", "one"),
        ] {
            assert!(Label::parse(&odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_line_that_is_missing_or_odd_is_named() {
        let cut = TEXT.replace("CHECKPOINT LOCATION", "CHECKPOINT");
        let fault = Label::parse(&cut).unwrap_err();
        assert_eq!(fault.expected, "a line `CHECKPOINT LOCATION: …`");
        let odd = TEXT.replace("0/2000028", "two");
        let fault = Label::parse(&odd).unwrap_err();
        assert_eq!(fault.found, "`two`");
    }

    #[test]
    fn tablespaces_are_read() {
        let map = parse_tablespace_map("16400 /srv/fast disk\n16401 /srv/b\n").unwrap();
        assert_eq!(map[0].location, "/srv/fast disk");
        assert_eq!(map[1].oid, 16_401);
        assert!(parse_tablespace_map("../../etc /x\n").is_err());
    }
}
