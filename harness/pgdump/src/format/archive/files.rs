//! What directory and tar archives share: which file or member belongs to what, and the lists of
//! large objects.

use std::collections::BTreeSet;
use std::io::{BufRead, Read};

use super::Reading;
use super::stop::damaged as archive_damaged;
use crate::digest::show_count;
use crate::fault::{Fault, FaultKind};

/// A line of a list of large objects is never longer.
const LONGEST: u64 = 4096;

/// Whether a name can only be that of a file of data in the folder itself.
pub(super) fn is_own_file(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.starts_with('.')
        && !name.starts_with("toc.dat")
        && !name.is_empty()
        && name.bytes().all(plain)
}

/// Whether a file holds the data of a large object.
pub(super) fn is_large_object(name: &str) -> bool {
    name.starts_with("blob_")
}

/// The lists of large objects, `blobs.toc` or `blobs_N.toc`: lines of an oid and the name of a file.
#[derive(Debug, Default)]
pub(super) struct LargeObjects {
    /// Oid and file of each.
    pub named: Vec<(String, String)>,
    /// The files.
    pub files: BTreeSet<String>,
}

impl LargeObjects {
    /// Reads a list; returns its faults.
    pub fn read(&mut self, name: &str, mut reader: impl BufRead) -> Option<Fault> {
        let damaged = |actual: String| {
            let fault = archive_damaged("lines of an oid and the name of a file", actual);
            Some(fault.about(format!("large objects in `{name}`")))
        };
        let before = self.named.len();
        loop {
            let mut line = Vec::new();
            match (&mut reader).take(LONGEST).read_until(b'\n', &mut line) {
                Ok(0) if self.named.len() == before => return damaged("an empty file".to_owned()),
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return damaged(format!("it cannot be read: {error}")),
            }
            let number = self.named.len() - before + 1;
            let text = std::str::from_utf8(&line).ok();
            let parts = text
                .and_then(|text| text.strip_suffix('\n'))
                .and_then(|text| text.split_once(' '))
                .filter(|(oid, file)| oid.parse::<u32>().is_ok() && is_own_file(file));
            let Some((oid, file)) = parts else {
                return damaged(format!("line {number} is not such a line, or is truncated"));
            };
            if !self.files.insert(file.to_owned()) {
                return damaged(format!("line {number} names the same file again"));
            }
            self.named.push((oid.to_owned(), file.to_owned()));
        }
    }
}

/// Warns about files that belong to no entry.
pub(super) fn strange(reading: &mut Reading, names: &[String]) {
    if let Some(first) = names.first() {
        let more = match names.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let actual = format!("`{first}`{more}, which the table of contents does not name");
        let fault = Fault::new(FaultKind::Unnamed, "only what pg_dump writes", actual);
        reading.warning(fault);
    }
}

/// Reports data of large objects that no list contains and that is not restored.
pub(super) fn unnamed<'a>(reading: &mut Reading, files: impl Iterator<Item = &'a String>) {
    let mut files = files.peekable();
    if let Some(first) = files.peek().map(|name| (*name).clone()) {
        let actual = format!(
            "{} files with such data are in none of them, `{first}` first",
            show_count(files.count() as u64)
        );
        let expected = "all of them in a `blobs.toc` or `blobs_N.toc`";
        reading.problem(archive_damaged(expected, actual).about("large objects"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("4711 blob_4711.dat\n4712 blob_4712.dat\n", 2, "")]
    #[case("4711 blob_4711.dat", 0, "line 1 is not such a line, or is truncated")]
    #[case("4711 a\n4711 a\n", 1, "line 2 names the same file again")]
    #[case("4711 /etc/passwd\n", 0, "line 1 is not such a line, or is truncated")]
    #[case("x blob_4711.dat\n", 0, "line 1 is not such a line, or is truncated")]
    #[case("", 0, "an empty file")]
    fn f24_a_list_is_read_or_told(#[case] list: &str, #[case] named: usize, #[case] says: &str) {
        let mut objects = LargeObjects::default();
        let fault = objects.read("blobs.toc", list.as_bytes());
        let actual = fault.map(|fault| fault.found).unwrap_or_default();
        assert_eq!((objects.named.len(), actual.as_str()), (named, says));
    }

    #[rstest]
    #[case("100.dat", true)]
    #[case("", false)]
    #[case("..", false)]
    #[case("../x", false)]
    #[case("a/b", false)]
    #[case("toc.dat", false)]
    fn f50_only_names_of_own_files_are_taken(#[case] name: &str, #[case] own: bool) {
        assert_eq!(is_own_file(name), own);
    }
}
