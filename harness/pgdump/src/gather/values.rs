//! The values of rows, while they are read: their digest by table, or the rows themselves to be loaded again;
//! and times with a zone, which indicate the time zone of the session that wrote them.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::encoding::Encoding;
use crate::script::literal;
use crate::script::literal::Form;
use crate::script::statement::CopyStatement;
use crate::sql::QualifiedName;
use crate::values::Values;

/// Maximum number of times that are kept of a database.
const TIMES: usize = 400;

/// Number of rows at the beginning of a table that are all searched for times, and the interval of later ones.
const SEARCHED: (u64, u64) = (100, 512);

/// Receives the rows themselves.
pub trait Tap: Send {
    /// Begins rows of COPY text; `columns` is the list as written. Returns whether the rows are wanted.
    fn begin(&mut self, database: &str, table: &QualifiedName, columns: &str) -> bool;
    /// Complete rows or parts of them, with their line ends.
    fn rows(&mut self, bytes: &[u8]);
    /// Ends the rows.
    fn end(&mut self);
    /// INSERTs into a table, written as `written`, in UTF-8; `None` when they are too long, or have letters that are
    /// not known.
    fn inserts(
        &mut self,
        database: &str,
        table: &QualifiedName,
        written: &[u8],
        text: Option<&[u8]>,
    );
}

/// The use of the values of rows.
#[derive(Default)]
pub(super) enum Digesting {
    /// Nothing.
    #[default]
    Off,
    /// They are digested.
    On(Box<Current>),
    /// They are passed on.
    Tapped { tap: Box<dyn Tap>, wanted: bool },
}

impl fmt::Debug for Digesting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::On(_) => "on",
            Self::Tapped { .. } => "tapped",
        })
    }
}

/// The table whose rows come.
#[derive(Default)]
pub(super) struct Current {
    values: Values,
    /// The row whose parts come.
    row: Option<Sha256>,
    /// Times with a zone, by year, month and offset.
    times: BTreeMap<String, String>,
}

impl Digesting {
    /// Whether rows are passed on.
    pub(super) const fn is_tapped(&self) -> bool {
        matches!(self, Self::Tapped { .. })
    }

    /// Whether values are used.
    pub(super) const fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }

    pub(super) fn begin(
        &mut self,
        database: &str,
        table: &QualifiedName,
        copy: CopyStatement<'_>,
        encoding: Encoding,
    ) {
        match self {
            Self::Off => {}
            Self::On(current) => {
                current.values = Values {
                    columns: copy.columns.to_owned(),
                    encoding,
                    form: if copy.is_text {
                        Form::Text
                    } else {
                        Form::Other
                    },
                    ..Values::default()
                };
            }
            Self::Tapped { tap, wanted } => *wanted = tap.begin(database, table, copy.columns),
        }
    }

    /// Whole rows with their line ends.
    pub(super) fn rows(&mut self, lines: &[u8]) {
        match self {
            Self::Off => {}
            Self::On(current) => {
                for line in lines.split_inclusive(|byte| *byte == b'\n') {
                    let row = line.strip_suffix(b"\n").unwrap_or(line);
                    current.row(row.strip_suffix(b"\r").unwrap_or(row));
                }
            }
            Self::Tapped { tap, wanted } => {
                if *wanted {
                    tap.rows(lines);
                }
            }
        }
    }

    /// A part of a row.
    pub(super) fn part(&mut self, text: &[u8]) {
        match self {
            Self::Off => {}
            Self::On(current) => current.row.get_or_insert_default().update(text),
            Self::Tapped { tap, wanted } => {
                if *wanted {
                    tap.rows(text);
                }
            }
        }
    }

    /// A row, or what ends one, without its line end.
    pub(super) fn row(&mut self, row: &[u8]) {
        match self {
            Self::Off => {}
            Self::On(current) => match current.row.take() {
                Some(mut parts) => {
                    parts.update(row);
                    current.values.digest.add_hashed(parts);
                }
                None => current.row(row),
            },
            Self::Tapped { tap, wanted } => {
                if *wanted {
                    tap.rows(row);
                    tap.rows(b"\n");
                }
            }
        }
    }

    /// The rows have ended; gives what is known of their values.
    pub(super) fn end(&mut self) -> Values {
        match self {
            Self::Off => Values::default(),
            Self::On(current) => {
                current.row = None;
                std::mem::take(&mut current.values)
            }
            Self::Tapped { tap, wanted } => {
                if std::mem::take(wanted) {
                    tap.end();
                }
                Values::default()
            }
        }
    }

    /// INSERTs into a table; gives what is known of their values.
    pub(super) fn inserts(&mut self, database: &str, inserts: &Inserted<'_>) -> Values {
        match self {
            Self::Off => Values::default(),
            Self::On(current) => current.inserts(inserts),
            Self::Tapped { tap, .. } => {
                let Inserted {
                    table,
                    written,
                    text,
                    whole,
                    ..
                } = *inserts;
                tap.inserts(database, table, written, whole.then_some(text));
                Values::default()
            }
        }
    }

    /// Times that were found since this was asked last.
    pub(super) fn take_times(&mut self) -> Vec<String> {
        match self {
            Self::On(current) => std::mem::take(&mut current.times).into_values().collect(),
            Self::Off | Self::Tapped { .. } => Vec::new(),
        }
    }
}

/// INSERTs that begin alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inserted<'a> {
    pub table: &'a QualifiedName,
    /// The table as they name it.
    pub written: &'a [u8],
    pub text: &'a [u8],
    /// The encoding of the text.
    pub encoding: Encoding,
    /// Whether that is all of them.
    pub whole: bool,
    /// Their number of rows, if known of all of them.
    pub rows: Option<u64>,
    /// Whether a backslash in quotes is one.
    pub standard_strings: bool,
}

impl Current {
    fn row(&mut self, row: &[u8]) {
        let count = self.values.digest.count;
        self.values.digest.add(row);
        self.search(count, row);
    }

    /// Searches a row for times, now and then.
    fn search(&mut self, count: u64, row: &[u8]) {
        if (count < SEARCHED.0 || count.is_multiple_of(SEARCHED.1)) && self.times.len() < TIMES {
            zoned_times(row, |time, offset| {
                let key = format!("{}{}", &time[..7], &time[offset..]);
                self.times.entry(key).or_insert_with(|| time.to_owned());
            });
        }
    }

    fn inserts(&mut self, inserts: &Inserted<'_>) -> Values {
        let mut values = Values {
            inserts: true,
            encoding: inserts.encoding,
            ..Values::default()
        };
        if inserts.rows.is_none() {
            values.form = Form::Other;
            return values;
        }
        if !inserts.whole || !inserts.standard_strings {
            values.form = Form::Read;
            return values;
        }
        let (mut defaults, mut width, mut mixed) = (None, None, false);
        let columns = literal::rows(inserts.text, inserts.written, |row| {
            let count = values.digest.count;
            values.digest.add(&row.line);
            self.search(count, &row.line);
            values.form = values.form.max(row.form);
            mixed |= *width.get_or_insert(row.width) != row.width;
            mixed |= *defaults.get_or_insert_with(|| row.defaults.clone()) != row.defaults;
        });
        let counted = columns.is_some() && Some(values.digest.count) == inserts.rows;
        match columns.and_then(|columns| inserts.encoding.decode_fully(columns)) {
            Some(columns) if counted => values.columns = columns.into_owned(),
            _ => values.form = Form::Other,
        }
        values.defaults = defaults.unwrap_or_default();
        if values.columns.is_empty() {
            values.width = width.unwrap_or_default();
        }
        if mixed {
            values.form = values.form.max(Form::Mixed);
        }
        values
    }
}

/// Finds times with an offset from UTC, as the ISO style writes them: `2026-07-01 12:00:00.5+02`.
/// `take` gets each with the place of its offset.
fn zoned_times(row: &[u8], mut take: impl FnMut(&str, usize)) {
    let digits = |from: usize, count: usize| {
        row.get(from..from + count)
            .is_some_and(|some| some.iter().all(u8::is_ascii_digit))
    };
    for colon in memchr::memchr_iter(b':', row) {
        let Some(begin) = colon.checked_sub(13) else {
            continue;
        };
        let is_date = digits(begin, 4)
            && digits(begin + 5, 2)
            && digits(begin + 8, 2)
            && digits(begin + 11, 2)
            && row[begin + 4] == b'-'
            && row[begin + 7] == b'-'
            && row[begin + 10] == b' ';
        if !(is_date
            && digits(colon + 1, 2)
            && row.get(colon + 3) == Some(&b':')
            && digits(colon + 4, 2))
        {
            continue;
        }
        let mut at = colon + 6;
        if row.get(at) == Some(&b'.') {
            at += 1;
            while digits(at, 1) {
                at += 1;
            }
        }
        let offset = at;
        if !(matches!(row.get(at), Some(b'+' | b'-')) && digits(at + 1, 2)) {
            continue;
        }
        at += 3;
        while row.get(at) == Some(&b':') && digits(at + 1, 2) {
            at += 3;
        }
        // Years before Christ and beyond 9999 do not indicate a time zone.
        let lone = begin == 0 || !row[begin - 1].is_ascii_digit();
        if lone
            && !row[at..].starts_with(b" BC")
            && let Ok(time) = std::str::from_utf8(&row[begin..at])
        {
            take(time, offset - begin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("1\t2026-07-01 12:00:00.5+02\tx", &["2026-07-01 12:00:00.5+02"])]
    #[case("{\"2026-01-01 00:00:00+05:30\",\"2026-01-02 00:00:00-03\"}", &["2026-01-01 00:00:00+05:30", "2026-01-02 00:00:00-03"])]
    #[case("2026-07-01 12:00:00\t12:00:00+02\t2026-07-01T12:00:00+02", &[])]
    #[case("0044-03-15 12:00:00+00:53:28 BC\t12026-07-01 12:00:00+02", &[])]
    #[case("", &[])]
    fn times_with_a_zone_are_found(#[case] row: &str, #[case] times: &[&str]) {
        let mut found = Vec::new();
        zoned_times(row.as_bytes(), |time, _| found.push(time.to_owned()));
        assert_eq!(found, times);
    }
}
