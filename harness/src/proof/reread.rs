//! Reads a dump a second time and sends the rows of some tables to the server.

use std::collections::HashMap;
use std::io::{self, BufReader};

use tokio::sync::mpsc::Sender;

use crate::backup::Part;
use crate::backup::format::{Format, plain};
use crate::backup::gather::{Gather, Tap};
use crate::backup::script::lexer::Lexer;
use crate::backup::script::literal;
use crate::backup::values;
use crate::sql::QualifiedName;
use pgdump::format::archive::{ArchiveError, custom, directory, tar};
use pgdump::layout::Kind;

/// Bytes that are read at once.
const CHUNK: usize = 256 * 1024;

/// Reads a dump and sends the rows of the wanted tables, each with the number that `wanted` gives it.
pub(super) fn read(
    part: &Part,
    wanted: HashMap<TableKey, usize>,
    sender: Sender<Reread>,
) -> io::Result<()> {
    let gather = Gather::tapped(Box::new(RowSender { wanted, sender }));
    let layout = match part.format {
        Format::Archive(layout) => layout,
        Format::Plain => {
            let content = part.open()?;
            let lexer =
                Lexer::new(BufReader::with_capacity(CHUNK, content)).keeping(gather.keeps());
            return plain::read_into(lexer, gather).map(drop);
        }
    };
    let archive = |ended: Result<(), ArchiveError>| {
        ended.map_err(|error| match error {
            ArchiveError::Io(error) => error,
            error @ ArchiveError::Unsupported(_) => io::Error::other(error.to_string()),
        })
    };
    if layout.kind == Kind::Directory {
        return archive(directory::read_into(&part.path, gather).map(drop));
    }
    let content = part.open()?;
    let reader = BufReader::with_capacity(CHUNK, content);
    archive(match layout.kind {
        Kind::Tar => tar::read_into(reader, gather).map(drop),
        Kind::Custom | Kind::Directory => custom::read_into(reader, gather).map(drop),
    })
}

/// A table of a dump: the database as the dump names it, and the table.
pub(super) type TableKey = (String, QualifiedName);

/// A part of the rows of a table.
pub(super) enum Reread {
    /// Rows of this table with these columns follow.
    Begin(usize, Vec<String>),
    /// COPY text.
    Rows(Vec<u8>),
    End,
    /// The text after the name of the table in each INSERT; `None` when it cannot be parsed.
    Inserts(usize, Option<Vec<Vec<u8>>>),
}

struct RowSender {
    wanted: HashMap<TableKey, usize>,
    sender: Sender<Reread>,
}

impl RowSender {
    fn find(&self, database: &str, table: &QualifiedName) -> Option<usize> {
        self.wanted
            .get(&(database.to_owned(), table.clone()))
            .copied()
    }

    fn send(&self, rows: Reread) {
        // The receiver only ends early with an error of its own.
        let _ = self.sender.blocking_send(rows);
    }
}

impl Tap for RowSender {
    fn begin(&mut self, database: &str, table: &QualifiedName, columns: &str) -> bool {
        let found = self.find(database, table);
        if let Some(at) = found {
            self.send(Reread::Begin(at, values::names(columns)));
        }
        found.is_some()
    }

    fn rows(&mut self, bytes: &[u8]) {
        self.send(Reread::Rows(bytes.to_vec()));
    }

    fn end(&mut self) {
        self.send(Reread::End);
    }

    fn inserts(
        &mut self,
        database: &str,
        table: &QualifiedName,
        written: &[u8],
        text: Option<&[u8]>,
    ) {
        if let Some(at) = self.find(database, table) {
            let mut rests = Vec::new();
            let understood = text.and_then(|text| {
                literal::statements(text, written, |_| {}, |rest| rests.push(rest.to_vec()))
            });
            self.send(Reread::Inserts(at, understood.map(|_| rests)));
        }
    }
}
