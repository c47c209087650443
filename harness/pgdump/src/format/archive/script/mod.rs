//! An archive as SQL: the settings, statements and rows that `pg_restore` sends for it, in its order.
//!
//! The archive was inspected before: whatever is wrong with it here has changed since, and is an error of the reader.
//!
//! - `entry`: the statements of an entry; `foreign`: what pg_dump writes into none of them; `settings`: what is set before it; `large_object`: the data of such
//!
//! The order is that of `RestoreArchive` in `pg_backup_archiver.c`: everything but rights in the order of the table of
//! contents, then rights, then what needs them.

mod entry;
mod foreign;
mod large_object;
mod settings;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::path::Path;

pub(super) use self::foreign::foreign;
use self::settings::Settings;
use super::custom::{self, BLOBS, Chunks, DATA};
use super::data::{Coding, Decoder};
use super::files::LargeObjects;
use super::folder::Files;
use super::head::{self, Fields};
use super::stop::Stop;
use super::{Entry, Source, Stored};
use crate::encoding::Encoding;
use crate::format::tar::Members;
use crate::layout::Kind;

/// Bytes that are decompressed at once.
const BUFFER: usize = 64 * 1024;

/// Where the script is written to.
pub trait Output: Write {
    /// Everything that is written from here on belongs to this entry.
    fn entry(&mut self, entry: &Entry);
}

/// Why an archive with this entry has to be restored by `pg_restore` itself; `encoding` is that of the archive.
#[must_use]
pub(super) fn obstacle(entry: &Entry, encoding: Encoding) -> Option<String> {
    let texts = [
        &entry.definition,
        &entry.copy,
        &entry.tag,
        &entry.namespace,
        &entry.owner,
        &entry.drop,
        &entry.tablespace,
    ];
    let unicode = encoding == Encoding::default();
    let foreign = |text: &&&String| !text.is_ascii() && !unicode || text.contains('\u{fffd}');
    if texts.iter().any(|text| foreign(&text)) {
        return Some(format!(
            "{} is written in {}, not in UTF8",
            entry.name(),
            encoding.name()
        ));
    }
    if entry.has_data && entry.kind != "TABLE DATA" && entry.kind != "BLOBS" {
        return Some(format!("data of the kind {} is not known", entry.kind));
    }
    entry::owner_of(entry).err()
}

/// Writes the script of a custom archive that is restored into `database`, and reads it to its last byte. Where that is the
/// name of the database in the archive, its owner, rights, settings and comment are last.
///
/// # Errors
/// That the archive cannot be read, or is not the one that was inspected; errors of `out`.
pub fn custom(reader: impl BufRead, database: &str, out: &mut impl Output) -> io::Result<()> {
    let mut source = Source::new(reader);
    let ended = custom_archive(&mut source, database, out);
    source.ended(ended).map_err(changed)?;
    source.drain().map(drop)
}

/// The same for a directory archive. Returns its digest, as [`super::directory::Directory::sha256`].
///
/// # Errors
/// As [`custom()`].
pub fn directory(folder: &Path, database: &str, out: &mut impl Output) -> io::Result<String> {
    let mut files = Files::list(folder)?;
    directory_archive(&mut files, database, out).map_err(changed)?;
    Ok(files.digest()?.0)
}

/// The same for a tar archive.
///
/// # Errors
/// As [`custom()`].
pub fn tar(reader: impl BufRead, database: &str, out: &mut impl Output) -> io::Result<()> {
    let mut source = Source::new(reader);
    let ended = tar_archive(&mut Members::new(&mut source), database, out);
    source.ended(ended).map_err(changed)?;
    source.drain().map(drop)
}

/// What stops the reading of an archive that was read before.
fn changed(stop: Stop) -> io::Error {
    match stop {
        Stop::Io(error) => error,
        Stop::Unsupported(_) => other("its version is another one"),
        Stop::Damaged(fault) => other(&fault.found),
    }
}

fn other(what: &str) -> io::Error {
    io::Error::other(format!("the archive changed after its inspection: {what}"))
}

/// Reads the header and the table of contents; also returns the size of numbers.
fn table_of_contents(
    reader: impl BufRead,
    kind: Kind,
) -> Result<(head::Head, Vec<Entry>, u8), Stop> {
    let (head, mut fields) = head::read(reader)?;
    let entries = (0..head.entries).map(|_| Entry::read(&mut fields, &head, kind).map(slim));
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    Ok((head, entries, fields.int_size))
}

/// An entry without what no statement is made of: a table of contents may be long, and is kept to the end.
fn slim(entry: Entry) -> Entry {
    Entry {
        catalog: String::new(),
        oid: String::new(),
        // Rights of large objects name theirs first.
        dependencies: entry.dependencies.into_iter().take(1).collect(),
        ..entry
    }
}

/// Writes the statements of all entries, and by `data` what is behind them.
fn write<O: Output>(
    entries: &[Entry],
    database: &str,
    out: &mut O,
    mut data: impl FnMut(&Entry, &mut O) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut settings = Settings::begin(entries, out).map_err(Stop::Io)?;
    for pass in entry::Pass::ALL {
        let restored = entries.iter().filter(|entry| entry::is_restored(entry));
        for entry in restored.filter(|entry| entry::Pass::of(entry) == pass) {
            out.entry(entry);
            settings.change(entry, out).map_err(Stop::Io)?;
            entry::write(entry, entries, out).map_err(Stop::Io)?;
            if entry.has_data {
                out.write_all(entry.copy.as_bytes()).map_err(Stop::Io)?;
                data(entry, out)?;
            }
        }
    }
    // Last, so that no setting of the database becomes one of the restore.
    if entries
        .iter()
        .any(|entry| entry::is_database(entry, database))
    {
        for entry in entries.iter().filter(|entry| !entry.is_within_database()) {
            out.entry(entry);
            entry::write_of_database(entry, out).map_err(Stop::Io)?;
        }
    }
    Ok(())
}

/// Writes what is inside a stream.
fn decoded(coding: Coding, mut reader: impl BufRead, out: &mut impl Write) -> io::Result<()> {
    let mut decoder = Decoder::new(coding, &mut reader);
    // On the stack: between the blocks of very many tables, small allocations would keep the heap in pieces.
    let mut buffer = [0; BUFFER];
    loop {
        match decoder.read(&mut buffer)? {
            0 => return Ok(()),
            read => out.write_all(&buffer[..read])?,
        }
    }
}

fn custom_archive<R: BufRead>(
    source: &mut Source<R>,
    database: &str,
    out: &mut impl Output,
) -> Result<(), Stop> {
    let (head, entries, int_size) = table_of_contents(&mut *source, Kind::Custom)?;
    let coding = custom::coding(head.compression);
    write(&entries, database, out, |entry, out| {
        let mut fields = Fields::new(&mut *source, int_size);
        let (block, id) = (fields.byte()?, fields.int()?);
        let blobs = entry.kind == "BLOBS";
        if id != entry.id || block != if blobs { BLOBS } else { DATA } {
            return Err(Stop::Io(other("its data is in another order")));
        }
        if !blobs {
            return stream(source, int_size, |chunks| decoded(coding, chunks, out));
        }
        large_object::begin(out).map_err(Stop::Io)?;
        loop {
            let oid = Fields::new(&mut *source, int_size).int()?;
            if oid == 0 {
                break;
            }
            stream(source, int_size, |chunks| {
                large_object::write(&custom::oid(oid).to_string(), coding, chunks, out)
            })?;
        }
        large_object::end(out).map_err(Stop::Io)
    })
}

/// Reads one stream with `read`, then to its end.
fn stream<R: BufRead>(
    source: &mut Source<R>,
    int_size: u8,
    read: impl FnOnce(&mut Chunks<'_, R>) -> io::Result<()>,
) -> Result<(), Stop> {
    let mut chunks = Chunks::new(source, int_size);
    read(&mut chunks).map_err(Stop::Io)?;
    io::copy(&mut chunks, &mut io::sink()).map_err(Stop::Io)?;
    Ok(())
}

fn directory_archive(
    files: &mut Files<'_>,
    database: &str,
    out: &mut impl Output,
) -> Result<(), Stop> {
    let missing = |name: &str| Stop::Io(other(&format!("`{name}` is not there")));
    let (toc, coding) = files.find("toc.dat").ok_or_else(|| missing("toc.dat"))?;
    let (_, entries, _) = files.read(&toc, |file| {
        table_of_contents(BufReader::new(Decoder::new(coding, file)), Kind::Directory)
    })??;
    write(&entries, database, out, |entry, out| {
        let Stored::File(name) = &entry.stored else {
            return Err(missing(&entry.name()));
        };
        let (file, coding) = files.find(name).ok_or_else(|| missing(name))?;
        if entry.kind != "BLOBS" {
            let read = files.read(&file, |file| decoded(coding, file, out))?;
            return read.map_err(Stop::Io);
        }
        let mut objects = LargeObjects::default();
        files.read(&file, |file| objects.read(name, file))?;
        large_object::begin(out).map_err(Stop::Io)?;
        for (oid, name) in &objects.named {
            let (file, coding) = files.find(name).ok_or_else(|| missing(name))?;
            let read = |file: &mut Source<_>| large_object::write(oid, coding, file, out);
            files.read(&file, read)?.map_err(Stop::Io)?;
        }
        large_object::end(out).map_err(Stop::Io)
    })
}

/// The members come in the order of the entries; the list of large objects comes after them.
fn tar_archive(
    members: &mut Members<impl BufRead>,
    database: &str,
    out: &mut impl Output,
) -> Result<(), Stop> {
    let order = || Stop::Io(other("its members are in another order"));
    members.next_member()?.ok_or_else(order)?;
    let (_, entries, _) = table_of_contents(&mut *members, Kind::Tar)?;
    write(&entries, database, out, |entry, out| {
        let Stored::File(name) = &entry.stored else {
            return Err(order());
        };
        if entry.kind == "BLOBS" {
            large_object::begin(out).map_err(Stop::Io)?;
            loop {
                let member = members.next_member()?.ok_or_else(order)?;
                if member.name == *name {
                    break;
                }
                let oid = member.name.trim_matches(|c: char| !c.is_ascii_digit());
                let oid: u32 = oid.parse().map_err(|_| order())?;
                let oid = oid.to_string();
                large_object::write(&oid, Coding::Plain, &mut *members, out).map_err(Stop::Io)?;
            }
            return large_object::end(out).map_err(Stop::Io);
        }
        let member = members.next_member()?.ok_or_else(order)?;
        if member.name != *name {
            return Err(order());
        }
        decoded(Coding::Plain, &mut *members, out).map_err(Stop::Io)
    })
}
