//! Custom archives: the table of contents, then one block of data for every entry that has any.

use std::io::{self, BufRead, Read};

use super::data::Coding;
use super::head::{Fields, Head};
use super::stop::{Stop, damaged};
use super::{Archive, ArchiveError, Entry, Reading, Source, Stored};
use crate::compression::{read_from_buffer, up_to};
use crate::digest::show_count;
use crate::fault::{Fault, FaultKind};
use crate::gather::Gather;
use crate::layout::{Compression, Kind};

/// Rows, or INSERT statements.
pub(super) const DATA: u8 = 1;
/// Large objects: the oid and the data of each, then 0.
pub(super) const BLOBS: u8 = 3;

/// Reads a custom archive to its last byte.
///
/// # Errors
/// That the reader fails, or that the archive is of a version that is not known. What is wrong with
/// the archive is in [`Archive::problems`].
pub fn read(reader: impl BufRead) -> Result<Archive, ArchiveError> {
    read_into(reader, Gather::default())
}

/// The same, with a gatherer that does more with rows than to count them.
///
/// # Errors
/// As [`read`].
pub fn read_into(reader: impl BufRead, gather: Gather) -> Result<Archive, ArchiveError> {
    let mut source = Source::new(reader);
    let mut reading = Reading::new(Kind::Custom, gather);
    let ended = all(&mut source, &mut reading);
    let ended = source.ended(ended);
    reading.finish(ended)
}

fn all(source: &mut Source<impl BufRead>, reading: &mut Reading) -> Result<(), Stop> {
    let (head, int_size) = reading.table_of_contents(&mut *source)?;
    let coding = coding(head.compression);
    while !source
        .is_at_end()
        .map_err(|error| broken(source.at, &error))?
    {
        let at = source.at;
        let mut fields = Fields::new(&mut *source, int_size);
        let block = fields.byte()?;
        if !matches!(block, DATA | BLOBS) {
            return behind_the_last(source, reading, &head, int_size);
        }
        let id = fields.int().map_err(|_| cut_at(at))?;
        let Some(entry) = &reading.missing.remove(&id) else {
            let actual = match reading.ids.contains(&id) {
                true => "which has none, or had it before",
                false => "which the table of contents does not name",
            };
            return Err(Stop::damaged(
                "the data of every entry once",
                format!("data of entry {id} at byte {}, {actual}", show_count(at)),
            ));
        };
        reading.comes(id);
        if (block == BLOBS) != (entry.kind == "BLOBS") {
            let actual = format!("another sort of data at byte {}", show_count(at));
            reading.problem(damaged("its own sort of data", actual).about(entry.name()));
        }
        // Written at the end where the output is seekable; pg_restore uses it.
        if let Stored::At(said) = entry.stored
            && said != at
        {
            let expected = format!(
                "its data at byte {}, as the table of contents says",
                show_count(said)
            );
            let actual = format!("its data at byte {}", show_count(at));
            reading.problem(damaged(expected, actual).about(entry.name()));
        }
        if block == DATA {
            stream(source, reading, entry, None, coding, int_size)?;
            continue;
        }
        loop {
            let mut fields = Fields::new(&mut *source, int_size);
            match fields.int().map_err(|_| cut_in(entry, ""))? {
                0 => break,
                oid => stream(source, reading, entry, Some(oid), coding, int_size)?,
            }
        }
    }
    Ok(())
}

/// How the streams of an archive are compressed.
pub(super) fn coding(compression: Compression) -> Coding {
    match compression {
        Compression::None => Coding::Plain,
        Compression::Gzip => Coding::Zlib,
        Compression::Lz4 => Coding::Lz4,
        Compression::Zstd => Coding::Zstd,
    }
}

/// The oid of a large object: beyond 2^31 it is written as a negative number.
pub(super) fn oid(written: i64) -> i64 {
    if written < 0 {
        written + (1 << 32)
    } else {
        written
    }
}

/// Reads one stream: chunks with their lengths, then a length of 0.
fn stream(
    source: &mut Source<impl BufRead>,
    reading: &mut Reading,
    entry: &Entry,
    written: Option<i64>,
    coding: Coding,
    int_size: u8,
) -> Result<(), Stop> {
    let mut chunks = Chunks::new(source, int_size);
    let finding = match written {
        Some(written) => {
            let oid = oid(written).to_string();
            reading.large_object(entry, coding, &oid, &mut chunks)
        }
        None => reading.data(entry, coding, &mut chunks),
    };
    // The next block follows the last chunk, even if this one is damaged.
    let rest = io::copy(&mut chunks, &mut io::sink());
    match (chunks.broken, rest) {
        (Some(what), _) => {
            let rows = reading.after_rows(entry);
            return Err(cut_in(entry, &format!("{rows}{what}")));
        }
        (None, Err(error)) => return Err(broken(source.at, &error)),
        (None, Ok(_)) => {}
    }
    if let Some(finding) = finding {
        reading.problem(finding);
    }
    Ok(())
}

/// Something that is no block: the end of the file is elsewhere, or it is damaged.
fn behind_the_last(
    source: &mut Source<impl BufRead>,
    reading: &mut Reading,
    head: &Head,
    int_size: u8,
) -> Result<(), Stop> {
    let at = source.at - 1;
    let again = is_contents_again(source, reading, head, int_size);
    let rest = source.drain().map_err(|error| broken(at, &error))?;
    if again && rest == 0 && reading.missing.is_empty() {
        return Ok(());
    }
    let rest = source.at - at;
    if !reading.missing.is_empty() {
        let actual = format!("something else at byte {}", show_count(at));
        return Err(Stop::damaged("a block of data", actual));
    }
    let expected = "nothing after the last block of data";
    let actual = format!("{} more bytes, which pg_restore ignores", show_count(rest));
    reading.warning(Fault::new(FaultKind::BehindBlocks, expected, actual));
    Ok(())
}

/// Whether the table of contents follows once more. From version 16 on `pg_dump` opens its standard
/// output for appending: into a file, `pg_dump > FILE`, the places of the data, which it goes back
/// to write, land behind the data. `pg_restore` never looks there.
fn is_contents_again(
    source: &mut Source<impl BufRead>,
    reading: &Reading,
    head: &Head,
    int_size: u8,
) -> bool {
    let mut fields = Fields::new(source, int_size);
    // The sign of the count was taken for the sort of a block.
    let count = fields.magnitude(int_size).ok();
    count == u64::try_from(head.entries).ok()
        && (0..head.entries).all(|_| {
            Entry::read(&mut fields, head, Kind::Custom)
                .is_ok_and(|entry| reading.ids.contains(&entry.id))
        })
}

fn broken(at: u64, error: &io::Error) -> Stop {
    let actual = format!("it cannot be read after byte {}: {error}", show_count(at));
    Stop::damaged("an archive that can be read to its end", actual)
}

fn cut_at(at: u64) -> Stop {
    let actual = format!("the file ends within the block at byte {}", show_count(at));
    Stop::damaged("an archive that can be read to its end", actual)
}

fn cut_in(entry: &Entry, where_: &str) -> Stop {
    let actual = format!("the file ends within its data{where_}");
    let fault = damaged("data that can be read to its end", actual);
    Stop::Damaged(Box::new(fault.about(entry.name())))
}

/// The bytes of one stream, out of its chunks.
pub(super) struct Chunks<'a, R> {
    source: &'a mut Source<R>,
    int_size: u8,
    /// Bytes left of this chunk.
    left: u64,
    ended: bool,
    /// Why no chunk follows, as the end of the message.
    broken: Option<&'static str>,
}

impl<'a, R: BufRead> Chunks<'a, R> {
    /// The next stream.
    pub fn new(source: &'a mut Source<R>, int_size: u8) -> Self {
        Self {
            source,
            int_size,
            left: 0,
            ended: false,
            broken: None,
        }
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        let mut fields = Fields::new(&mut *self.source, self.int_size);
        match fields.int() {
            Ok(0) => self.ended = true,
            Ok(length @ 1..) => self.left = length.unsigned_abs(),
            Ok(_) => return self.stop(", or is damaged: a part of negative length"),
            Err(_) => return self.stop(""),
        }
        Ok(())
    }

    fn stop(&mut self, why: &'static str) -> io::Result<()> {
        self.broken = Some(why);
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

impl<R: BufRead> Read for Chunks<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_from_buffer(self, buffer)
    }
}

impl<R: BufRead> BufRead for Chunks<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.broken.is_some() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.left == 0 && !self.ended {
            self.next_chunk()?;
        }
        if self.ended {
            return Ok(&[]);
        }
        if self.source.is_at_end()? {
            self.stop("")?;
        }
        Ok(up_to(self.left, self.source.fill_buf()?))
    }

    fn consume(&mut self, amount: usize) {
        self.source.consume(amount);
        self.left -= amount as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::super::write::Sample;
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    pub(super) fn problems(bytes: &[u8]) -> Vec<String> {
        let archive = read(bytes).unwrap();
        let shown = |fault: Fault| {
            let object = fault.at.map(|at| at.to_string());
            format!("{}: {}", object.unwrap_or_default(), fault.found)
        };
        archive.problems.problems.into_iter().map(shown).collect()
    }

    #[test]
    fn an_archive_is_read() {
        let (bytes, _) = Sample::default().custom();
        let archive = read(bytes.as_slice()).unwrap();
        assert_eq!(
            (archive.problems.problems, archive.problems.warnings),
            (vec![], vec![])
        );
        let contents = archive.contents;
        assert_eq!(
            contents.archive.unwrap().to_string(),
            "custom archive 1.16, gzip"
        );
        assert_eq!(contents.origin.as_deref(), Some("shop"));
        assert_eq!(contents.major(), Some(17));
        assert_eq!(contents.dump_version.as_deref(), Some("pg_dump 17.6"));
        assert_eq!(contents.extensions, ["vector"]);
        assert_eq!(contents.owners, ["app_owner"]);
        assert_eq!(contents.encoding.as_deref(), Some("UTF8"));
        assert_eq!(contents.large_objects, 2);
        assert!(contents.has_privileges && contents.has_owners);
        // pg_restore creates the database itself only with `--create`.
        assert_eq!(contents.creates, [""; 0]);
        assert_eq!(archive.data_entries, 4);
        let rows: Vec<_> = contents
            .rows
            .iter()
            .map(|((_, table), rows)| (table.to_string(), rows.count))
            .collect();
        assert_eq!(
            rows,
            [
                ("app.t0".to_owned(), 30),
                ("app.t1".to_owned(), 0),
                ("app.t2".to_owned(), 1)
            ]
        );
    }

    #[rstest]
    #[case(Compression::None, false)]
    #[case(Compression::Gzip, false)]
    #[case(Compression::Gzip, true)]
    #[case(Compression::Lz4, false)]
    #[case(Compression::Zstd, false)]
    fn f16_a_cut_after_any_byte_is_found(#[case] compression: Compression, #[case] inserts: bool) {
        for seekable in [true, false] {
            let (bytes, _) = Sample {
                compression,
                inserts,
                seekable,
                ..Sample::default()
            }
            .custom();
            assert_eq!(problems(&bytes), [""; 0]);
            for end in 0..bytes.len() {
                assert_eq!(problems(&bytes[..end]).len(), 1, "cut after {end}");
            }
        }
    }

    #[test]
    fn f17_a_flipped_byte_of_compressed_data_is_found_or_changes_nothing() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::Lz4] {
            let (bytes, data) = Sample {
                compression,
                ..Sample::default()
            }
            .custom();
            let good = read(bytes.as_slice()).unwrap().contents.rows;
            for at in data..bytes.len() {
                for flip in [1, 0x80] {
                    let mut bad = bytes.clone();
                    bad[at] ^= flip;
                    let archive = read(bad.as_slice()).unwrap();
                    let same = archive.contents.rows == good;
                    // Zstd of the library and lz4 of pg_dump write no checksum of the data.
                    let checked = compression == Compression::Gzip;
                    assert!(
                        !archive.problems.problems.is_empty() || same || !checked,
                        "flipped {at}"
                    );
                }
            }
        }
    }

    #[test]
    fn f17_damage_in_one_table_names_it_and_the_others_are_read() {
        let (mut bytes, data) = Sample::default().custom();
        bytes[data + 40] ^= 0x10;
        let archive = read(bytes.as_slice()).unwrap();
        let [finding] = archive.problems.problems.as_slice() else {
            panic!("{:?}", archive.problems)
        };
        assert_eq!(
            finding.at.as_ref().map(ToString::to_string).as_deref(),
            Some("app.t0")
        );
        assert!(
            finding.found.starts_with("its data is damaged"),
            "{finding:?}"
        );
        let last = archive.contents.rows.values().next_back().unwrap();
        assert_eq!(last.count, 1);
    }

    #[test]
    fn blocks_that_do_not_fit_the_table_of_contents_are_told() {
        let sample = Sample {
            compression: Compression::None,
            ..Sample::default()
        };
        let (bytes, data) = sample.custom();
        let block = |number: u8| [1, 0, number, 0, 0, 0];
        let at = bytes
            .windows(6)
            .position(|window| window == block(101))
            .unwrap();
        let with = |number| {
            let mut bad = bytes.clone();
            bad[at..at + 6].copy_from_slice(&block(number));
            problems(&bad).join(", ")
        };
        assert!(with(100).contains("entry 100 at byte"), "{}", with(100));
        assert!(with(99).contains("does not name"), "{}", with(99));
        let mut moved = bytes.clone();
        moved.splice(data..at, []);
        assert!(
            problems(&moved)
                .iter()
                .any(|text| text.starts_with("app.t0: the archive ends without it"))
        );
        assert!(
            problems(&moved)
                .iter()
                .any(|text| text.starts_with("app.t1: its data at byte"))
        );
        for (tail, what) in [
            (vec![0; 512], "512 more bytes"),
            (b"garbage".to_vec(), "7 more bytes"),
        ] {
            let archive = read([bytes.clone(), tail].concat().as_slice()).unwrap();
            assert_eq!(archive.problems.problems, []);
            assert!(archive.problems.warnings[0].found.starts_with(what));
        }
    }

    /// pg_restore would run them.
    #[rstest]
    #[case(
        "COPY app.t1 (v) FROM stdin;",
        "COPY app.t1 TO PROGRAM 'x';",
        "the COPY"
    )]
    #[case("4711\n", "1');\n", "large objects")]
    fn statements_in_other_places_are_refused(
        #[case] text: &str,
        #[case] other: &str,
        #[case] told: &str,
    ) {
        let (mut bytes, _) = Sample::default().custom();
        let at = bytes
            .windows(text.len())
            .position(|window| window == text.as_bytes())
            .unwrap();
        bytes[at..at + text.len()].copy_from_slice(other.as_bytes());
        let problems = problems(&bytes);
        assert!(problems[0].contains(told), "{problems:?}");
    }

    #[test]
    fn the_places_of_data_behind_the_data_are_no_alarm() {
        let of = |seekable| {
            Sample {
                seekable,
                ..Sample::default()
            }
            .custom()
        };
        let ((piped, data), (seekable, _)) = (of(false), of(true));
        let contents = begin_of_contents(&seekable);
        let appended = [&piped, &seekable[contents..data]].concat();
        let read = read(appended.as_slice()).unwrap().problems;
        assert_eq!((read.problems, read.warnings), (vec![], vec![]));
        // Nothing is lost by truncating here; it is reported all the same.
        let cut = super::read(&appended[..appended.len() - 1])
            .unwrap()
            .problems;
        assert_eq!((cut.problems.len(), cut.warnings.len()), (0, 1));
    }

    /// The offset of the number of entries.
    fn begin_of_contents(bytes: &[u8]) -> usize {
        let mut reader = bytes;
        let (_, fields) = super::super::head::read(&mut reader).unwrap();
        let left = fields.reader.len();
        bytes.len() - left - 1 - usize::from(fields.int_size)
    }

    #[test]
    fn a_table_that_is_said_to_have_no_data_is_told() {
        let (bytes, _) = Sample::default().custom();
        // The state of an entry's data: pg_restore leaves a table with 3 empty without a word.
        let state = bytes
            .windows(2)
            .enumerate()
            .filter(|(_, window)| *window == [0, 2]);
        let told = state.filter(|(at, _)| {
            let mut bad = bytes.clone();
            bad[at + 1] = 3;
            problems(&bad)
                .iter()
                .any(|text| text.contains("contradicts itself"))
        });
        assert!(told.count() >= 1);
    }

    #[test]
    fn f25_a_version_that_is_not_known_is_no_fault_of_the_backup() {
        let (mut bytes, _) = Sample::default().custom();
        bytes[6] = 17;
        let error = read(bytes.as_slice()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "an archive of version 1.17; this version reads 1.12 to 1.16"
        );
    }

    #[test]
    fn an_error_of_the_disk_is_no_fault_of_the_backup() {
        struct Failing<'a>(&'a [u8]);
        impl Read for Failing<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0.read(buffer) {
                    Ok(0) => Err(io::Error::other("the disk fails")),
                    read => read,
                }
            }
        }
        let (bytes, _) = Sample::default().custom();
        for end in [0, 8, 300, bytes.len() / 2, bytes.len() - 100, bytes.len()] {
            let failing = io::BufReader::with_capacity(64, Failing(&bytes[..end]));
            let error = read(failing).unwrap_err();
            assert_eq!(
                error.to_string(),
                "cannot read the archive: the disk fails",
                "{end}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            minor in 12_u8..=16,
            compression in 0..4,
            inserts: bool,
            seekable: bool,
            tables in prop::collection::vec(prop::collection::vec("[^\\\\\n\r\0]{0,300}", 0..20), 1..5),
            large_objects in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4),
        ) {
            let compression = match compression {
                2 if minor >= 15 => Compression::Lz4,
                3 if minor >= 15 => Compression::Zstd,
                0 => Compression::None,
                _ => Compression::Gzip,
            };
            let sample = Sample { minor, compression, inserts, seekable, tables, large_objects };
            let (bytes, _) = sample.custom();
            let archive = read(bytes.as_slice()).unwrap();
            prop_assert_eq!(&archive.problems.problems, &[]);
            prop_assert_eq!(&archive.problems.warnings, &[]);
            let counts: Vec<u64> = archive.contents.rows.values().map(|rows| rows.count).collect();
            let expected: Vec<u64> = sample.tables.iter().map(|rows| rows.len() as u64).collect();
            prop_assert_eq!(counts, expected);
            prop_assert_eq!(archive.contents.large_objects, sample.large_objects.len() as u64);
        }

        #[test]
        fn any_change_is_read_to_an_end(at: prop::sample::Index, with: Vec<u8>, compression in 0..4) {
            let compression = [Compression::None, Compression::Gzip, Compression::Lz4, Compression::Zstd][compression as usize];
            let (mut bytes, _) = Sample { compression, ..Sample::default() }.custom();
            let at = at.index(bytes.len());
            let end = (at + with.len()).min(bytes.len());
            bytes.splice(at..end, with);
            let _ = read(bytes.as_slice());
        }
    }
}
