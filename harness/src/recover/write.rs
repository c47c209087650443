//! The file of a recovered table: written under a temporary name, read back, and only then renamed.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::table::Table;
use crate::atomic_file;
use crate::backup::inspect::{Inspection, inspect};
use crate::backup::source;
use crate::backup::spool::Spool;
use crate::digest::hex;
use crate::event::{Event, Listener};
use crate::outcome::{BackupFacts, CouldNotRun};
use crate::server::{Client, ClientInput, ThrowawayServer};
use crate::sql::{QualifiedName, quote};
use crate::sqlstate;
use crate::stage::Stopped;
use crate::units::{show_count, show_counted};

/// Bytes per read.
const CHUNK: usize = 128 * 1024;
/// Maximum size of the kept standard error of a program, in bytes.
const COMPLAINT: usize = 16 * 1024;

/// The format of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Definition and rows, for psql.
    Sql,
    /// The rows; the first line contains the names of the columns.
    Csv,
}

/// Where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A file, which may exist only if it is to be replaced.
    File {
        /// Its path.
        path: PathBuf,
        /// Whether it may replace another.
        replace: bool,
    },
    /// Standard output, once the file is complete.
    Stdout,
}

/// The written file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its path; `None` for standard output.
    pub path: Option<PathBuf>,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// Number of rows, counted in the file itself.
    pub rows: u64,
}

/// The source and the destination of the file.
pub(super) struct Job<'a> {
    pub(super) server: &'a ThrowawayServer,
    pub(super) database: &'a str,
    pub(super) table: &'a Table,
    pub(super) backup: &'a BackupFacts,
    pub(super) listener: &'a Listener,
}

/// Writes the table, reads the file back, and renames it.
pub(super) async fn write(
    job: &Job<'_>,
    format: Format,
    destination: &Destination,
    spool: &Path,
) -> Result<Written, Stopped> {
    let mut file = staged(destination, spool).map_err(|error| cannot_write(&error))?;
    let head = match format {
        Format::Sql => header(job),
        Format::Csv => String::new(),
    };
    let mut client = job.server.client(client(job, format)).await?;
    let mut taken = Taken::new(file.as_file_mut());
    let (copied, complaint) = tokio::join!(
        taken.all(&head, &mut client.stdout, job.listener),
        complaint(&mut client.stderr)
    );
    copied.map_err(|error| cannot_write(&error))?;
    let (bytes, sha256, csv_rows) = taken.end();
    let code = client.end.wait().await?;
    if code != Some(0) {
        let complaint = complaint
            .lines()
            .map(|line| {
                let why = line.split_once("error: ").map_or(line, |(_, why)| why);
                sqlstate::shown("", why, false, &job.server.endpoint().names)
            })
            .next()
            .unwrap_or_else(|| "it printed no message".to_owned());
        return Err(
            CouldNotRun::new(format!("the table could not be written: {complaint}")).into(),
        );
    }
    let rows = match format {
        // The names of the columns are a separate line, even without any column.
        Format::Csv => csv_rows.saturating_sub(1),
        Format::Sql => read_back(file.path(), job, spool).await?,
    };
    if rows != job.table.rows {
        return Err(CouldNotRun::new(format!(
            "the file contains {} and the restored table {}",
            show_counted(rows, "row"),
            show_counted(job.table.rows, "row")
        ))
        .into());
    }
    let path = give(file, destination)
        .await
        .map_err(|error| cannot_write(&error))?;
    Ok(Written {
        path,
        bytes,
        sha256,
        rows,
    })
}

/// A temporary file that is removed unless it is renamed; readable by its owner only.
fn staged(destination: &Destination, spool: &Path) -> io::Result<NamedTempFile> {
    match destination {
        Destination::Stdout => tempfile::Builder::new()
            .prefix("recovered-")
            .tempfile_in(spool),
        Destination::File { path, .. } => atomic_file::create(path, atomic_file::PRIVATE),
    }
}

/// Renames the file, or copies it to standard output.
async fn give(file: NamedTempFile, destination: &Destination) -> io::Result<Option<PathBuf>> {
    match destination {
        Destination::File { path, replace } => {
            atomic_file::rename(file, path, *replace)?;
            Ok(Some(path.clone()))
        }
        Destination::Stdout => {
            let send = move || -> io::Result<()> {
                let mut from = file.reopen()?;
                let mut out = io::stdout().lock();
                io::copy(&mut from, &mut out)?;
                out.flush()
            };
            tokio::task::spawn_blocking(send)
                .await
                .map_err(io::Error::other)??;
            Ok(None)
        }
    }
}

fn cannot_write(error: &io::Error) -> CouldNotRun {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull => "free some space, or set another file with `--out`",
        io::ErrorKind::AlreadyExists => {
            "set another file with `--out`, or replace it with `--force`"
        }
        _ => "set a file in a writable folder with `--out`",
    };
    CouldNotRun::with_hint(format!("the table was not written: {error}"), hint)
}

/// The program that writes the table, of the version of the server.
fn client(job: &Job<'_>, format: Format) -> Client {
    let mut arguments: Vec<String> = Vec::new();
    let connection = job.server.endpoint().connection_string(job.database);
    let program = match format {
        Format::Sql => {
            arguments.extend(["--no-password".to_owned(), "--dbname".to_owned()]);
            arguments.push(connection);
            for relation in &job.table.relations {
                arguments.extend(["--table".to_owned(), pattern(relation)]);
            }
            "pg_dump"
        }
        Format::Csv => {
            let only = if job.table.partitioned { "" } else { "ONLY " };
            let copy = format!(
                "COPY (SELECT {} FROM {only}{}) TO STDOUT (FORMAT csv, HEADER, ENCODING 'UTF8')",
                job.table.column_list(),
                job.table.name()
            );
            arguments.extend(
                [
                    "--no-psqlrc",
                    "--quiet",
                    "--no-password",
                    "--set=ON_ERROR_STOP=1",
                    "--dbname",
                    &connection,
                    // Settings of a database or a role must not affect the file.
                    "--command",
                    "SET search_path = ''; SET statement_timeout = 0; SET DateStyle = 'ISO, YMD'; \
                     SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET extra_float_digits = 3; \
                     SET bytea_output = 'hex'; SET row_security = off",
                    "--command",
                ]
                .map(str::to_owned),
            );
            arguments.push(copy);
            "psql"
        }
    };
    Client {
        program,
        arguments,
        input: ClientInput::Nothing,
    }
}

/// A pattern of pg_dump that matches only this table: in quotes every character is literal.
fn pattern(table: &QualifiedName) -> String {
    format!("{}.{}", quote(&table.schema), quote(&table.name))
}

/// Copies the output of a program into the file and the digest, and counts lines outside of quotes.
struct Taken<'a> {
    file: &'a mut std::fs::File,
    digest: Sha256,
    bytes: u64,
    lines: u64,
    quoted: bool,
}

impl<'a> Taken<'a> {
    fn new(file: &'a mut std::fs::File) -> Self {
        Self {
            file,
            digest: Sha256::new(),
            bytes: 0,
            lines: 0,
            quoted: false,
        }
    }

    async fn all(
        &mut self,
        head: &str,
        from: &mut (dyn AsyncRead + Send + Unpin),
        listener: &Listener,
    ) -> io::Result<()> {
        self.some(head.as_bytes())?;
        let mut buffer = vec![0_u8; CHUNK];
        loop {
            let read = from.read(&mut buffer).await?;
            if read == 0 {
                return self.file.flush();
            }
            self.some(&buffer[..read])?;
            listener(Event::Written { bytes: self.bytes });
        }
    }

    fn some(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        for byte in bytes {
            match byte {
                // A doubled quote closes and reopens the text.
                b'"' => self.quoted = !self.quoted,
                b'\n' if !self.quoted => self.lines += 1,
                _ => {}
            }
        }
        self.file.write_all(bytes)
    }

    fn end(self) -> (u64, String, u64) {
        (self.bytes, hex(&self.digest.finalize()), self.lines)
    }
}

/// The beginning of the standard error of a program; the rest is read and dropped.
async fn complaint(from: &mut (dyn AsyncRead + Send + Unpin)) -> String {
    let mut kept = Vec::new();
    let mut buffer = vec![0_u8; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let room = COMPLAINT.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(&buffer[..room]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Reads the SQL back like any backup: it must be complete and safe. Returns its number of rows.
async fn read_back(path: &Path, job: &Job<'_>, spool: &Path) -> Result<u64, Stopped> {
    let (path, spool) = (path.to_owned(), spool.join("recovered"));
    let inspect = move || {
        let found = source::path::find(&path, &source::Rules::default())?;
        inspect(&found, &Inspection::quiet(Spool::in_folder(spool)))
    };
    let inspected = tokio::task::spawn_blocking(inspect)
        .await
        .map_err(|error| CouldNotRun::new(error.to_string()))??;
    let contents = inspected.contents();
    // A partitioned table without partitions has no rows.
    let hollow = job.table.partitioned && job.table.relations.len() == 1;
    match inspected.problems.first() {
        Some(problem) if !hollow || !contents.rows.is_empty() => Err(Stopped::could_not_run(
            format!(
                "pg_dump did not write the table correctly: {}",
                problem.actual
            ),
            inspected.problems,
        )),
        _ => Ok(contents.rows.values().map(|rows| rows.count).sum()),
    }
}

/// Instructions for loading the file, as comments at its beginning.
fn header(job: &Job<'_>) -> String {
    let table = job.table;
    let mut lines = vec![
        format!(
            "{}, recovered by redrill {} from {}",
            table.name(),
            env!("CARGO_PKG_VERSION"),
            job.backup.origin
        ),
        format!("SHA-256 of that backup: {}", job.backup.sha256),
    ];
    lines.push(format!(
        "written by pg_dump of PostgreSQL {}; the backup was taken from {}",
        job.server.facts().version,
        job.backup
            .source_version
            .as_deref()
            .unwrap_or("an unknown version")
    ));
    if let Some((made, _)) = job.backup.made {
        lines.push(format!("made: {made}"));
    }
    if let Some(base) = &job.backup.physical {
        lines.push(format!("recovered to {}", base.recovered_to()));
    }
    let partitions = table.relations.len() - 1;
    let within = match partitions {
        0 => String::new(),
        1 => " in one partition".to_owned(),
        some => format!(" in {} partitions", show_count(some as u64)),
    };
    lines.push(format!("{}{within}", show_counted(table.rows, "row")));
    lines.extend([
        String::new(),
        "Load it, all or nothing:  psql -X -1 -v ON_ERROR_STOP=1 -f FILE DATABASE".to_owned(),
        String::new(),
        "It creates the table. If a damaged table exists, rename or move that first, with its"
            .to_owned(),
        "indexes and sequences; afterwards copy rows that are not damaged from it:".to_owned(),
        "  CREATE SCHEMA damaged;".to_owned(),
    ]);
    for relation in &table.relations {
        lines.push(format!("  ALTER TABLE {relation} SET SCHEMA damaged;"));
    }
    if !table.needs.is_empty() {
        lines.push(String::new());
        lines.push("Required objects, which must exist before:".to_owned());
        lines.extend(table.needs.iter().map(|need| format!("  {}", need.what)));
    }
    if !table.not_with_it.is_empty() {
        lines.push(String::new());
        lines.push(
            "These refer to it and are not in this file; they stay with the table that was moved:"
                .to_owned(),
        );
        lines.extend(table.not_with_it.iter().map(|what| format!("  {what}")));
    }
    comment(&lines)
}

/// Formats lines as SQL comments.
fn comment(lines: &[String]) -> String {
    let mut text = String::from("--\n");
    for line in lines {
        // A name may contain a line end, which must not end the comment.
        let line: String = line
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        text.push_str(format!("-- {line}").trim_end());
        text.push('\n');
    }
    text.push_str("--\n\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("app.orders", "\"app\".\"orders\"")]
    #[case("\"A.b\".\"c*\"\"d\"", "\"A.b\".\"c*\"\"d\"")]
    fn a_pattern_stands_for_one_table(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(pattern(&QualifiedName::parse(name).unwrap()), expected);
    }

    #[test]
    fn a_name_cannot_end_the_comment_that_it_stands_in() {
        let lines = ["a".to_owned(), "x\nDROP TABLE y;\r\u{85}z".to_owned()];
        let text = comment(&lines);
        assert!(
            text.lines()
                .all(|line| line.is_empty() || line.starts_with("--"))
        );
        assert_eq!(text.matches('\n').count(), 5, "{text}");
    }

    #[rstest]
    #[case("id,note\n1,a\n2,b\n", 3)]
    #[case("id,note\n1,\"a\nb\"\n2,\"say \"\"hi\"\"\n\"\n", 3)]
    #[case("\"a\"\"\n\"\"b\"\n", 1)]
    fn lines_of_a_csv_are_counted_outside_of_quotes(#[case] text: &str, #[case] lines: u64) {
        let mut file = tempfile::tempfile().unwrap();
        for cut in [1, 3, 100] {
            let mut taken = Taken::new(&mut file);
            for chunk in text.as_bytes().chunks(cut) {
                taken.some(chunk).unwrap();
            }
            assert_eq!(taken.end().2, lines);
        }
    }
}
