//! The second look: rows whose text is not the backup's own, though they are as many. The same value may be
//! written in several ways, so the server is asked to read the backup's rows once more, into temporary
//! tables of the same types without a trigger, a default or a constraint, in a transaction that is rolled
//! back, and to write both sets.
//!
//! What is read twice the same way cannot be told apart: a column whose type is narrower than in the
//! backup rounds both. So types that have one way of writing alone, numbers and texts among them, are
//! compared as they stand in the backup, as far as pg_dump wrote it; and that the types are the backup's
//! is for the proof of objects.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, BufReader};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::fields::Fields;
use super::rows::{Style, Table};
use crate::backup::format::{Format, plain};
use crate::backup::gather::{Gather, Tap};
use crate::backup::script::lexer::Lexer;
use crate::backup::script::literal;
use crate::backup::values;
use crate::backup::{Backup, Part};
use crate::database::{DatabaseError, Session};
use crate::outcome::Finding;
use crate::server::ThrowawayServer;
use crate::sql::{QualifiedName, quote_ident};
use crate::units::show_count;
use pgdump::format::archive::{ArchiveError, custom, directory, tar};
use pgdump::layout::Kind;

/// How much is read and sent at once.
const CHUNK: usize = 256 * 1024;

/// Columns that a finding names; the rest is counted.
const NAMED: usize = 8;

/// Columns of a table: the name, whether it is generated, and whether each of its values is written in
/// one way only.
const COLUMNS: &str = "
SELECT a.attname, a.attgenerated <> '',
       coalesce(nullif(t.typbasetype, 0), CASE t.typcategory WHEN 'A' THEN nullif(t.typelem, 0) END, t.oid)
           = ANY ('{int2,int4,int8,oid,bool,text,varchar,bpchar,name,uuid,json,jsonb,numeric,bit,varbit,inet,cidr,macaddr}'::pg_catalog.regtype[])
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
 WHERE a.attrelid = {table}::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum";

/// What is against the rows of a table.
#[derive(Debug)]
pub(super) enum Unlike {
    /// Their values are others.
    Differ(Finding),
    /// They cannot be compared, for this reason.
    NotCompared(String),
}

/// Looks a second time; gives what it found of every table.
///
/// # Errors
/// When the server or the backup cannot be looked at.
pub(super) async fn look(
    server: &ThrowawayServer,
    backup: &Backup,
    tables: Vec<(Table, Style)>,
) -> Result<Vec<(Table, Result<(), Unlike>)>, DatabaseError> {
    let mut by_part: BTreeMap<usize, Vec<(Table, Style)>> = BTreeMap::new();
    for (table, style) in tables {
        by_part.entry(table.part).or_default().push((table, style));
    }
    let mut all = Vec::new();
    for (at, tables) in by_part {
        all.extend(part(server, &backup.parts[at], tables).await?);
    }
    Ok(all)
}

/// A table that is loaded again.
struct Loaded {
    table: Table,
    style: Style,
    /// The temporary table.
    temporary: String,
    /// Columns that the backup has values for, quoted.
    columns: Vec<String>,
    /// Of each, whether its values are written in one way only.
    strict: Vec<bool>,
    /// The rows as they stand in the backup.
    raw: Fields,
    /// Whether they have their columns in several orders.
    turned: bool,
    /// Why it could not be loaded.
    broken: Option<String>,
}

/// Looks at tables of one dump.
async fn part(
    server: &ThrowawayServer,
    part: &Part,
    tables: Vec<(Table, Style)>,
) -> Result<Vec<(Table, Result<(), Unlike>)>, DatabaseError> {
    let mut sessions: BTreeMap<Style, Session> = BTreeMap::new();
    let (mut loaded, mut wanted) = (Vec::new(), HashMap::new());
    for (table, style) in tables {
        let session = match sessions.entry(style.clone()) {
            std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
            std::collections::btree_map::Entry::Vacant(none) => {
                none.insert(begin(server, part, &table.named, &style).await?)
            }
        };
        wanted.insert((table.named.clone(), table.name.clone()), loaded.len());
        loaded.push(Loaded::make(session, table, style, loaded.len()).await?);
    }
    let (sender, receiver) = channel(16);
    let reading = tokio::task::spawn_blocking({
        let part = part.clone();
        let tap = Hand { wanted, sender };
        move || read(&part, Gather::tapped(Box::new(tap)))
    });
    load(receiver, &mut sessions, &mut loaded).await?;
    let unable = |message: String| DatabaseError {
        sqlstate: None,
        message,
        lost: false,
    };
    match reading.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(unable(format!("the backup cannot be read again: {error}"))),
        Err(error) => return Err(unable(format!("reading the backup again ended: {error}"))),
    }
    let mut all = Vec::new();
    for (style, session) in &mut sessions {
        session.run(&style.settings()).await?;
    }
    for loaded in loaded {
        if let Some(session) = sessions.get_mut(&loaded.style) {
            let judged = loaded.judge(session, part).await?;
            all.push((loaded.table, judged));
        }
    }
    for session in sessions.into_values() {
        // What was loaded goes with it, and so does the transaction.
        session.close().await;
    }
    Ok(all)
}

/// Opens a session that reads values as the restore did, in a transaction that is never committed.
async fn begin(
    server: &ThrowawayServer,
    part: &Part,
    named: &str,
    style: &Style,
) -> Result<Session, DatabaseError> {
    let mut session = Session::plain(server.endpoint(), &style.database).await?;
    session
        .run(
            "SET session_replication_role = replica; SET statement_timeout = 0; SET row_security = off; \
             SET client_encoding = 'UTF8'",
        )
        .await?;
    let settings = part.contents.settings.iter();
    for (_, setting) in settings.filter(|(database, _)| database == named) {
        session.run(setting).await?;
    }
    session.run("BEGIN READ WRITE").await?;
    Ok(session)
}

/// Reads a dump again.
fn read(part: &Part, gather: Gather) -> io::Result<()> {
    let layout = match part.format {
        Format::Archive(layout) => layout,
        Format::Plain => {
            let content = part.open().map_err(|error| error.trouble)?;
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
    let content = part.open().map_err(|error| error.trouble)?;
    let reader = BufReader::with_capacity(CHUNK, content);
    archive(match layout.kind {
        Kind::Tar => tar::read_into(reader, gather).map(drop),
        Kind::Custom | Kind::Directory => custom::read_into(reader, gather).map(drop),
    })
}

/// Rows on their way from the backup to the server.
enum Load {
    /// Rows of this table follow.
    Begin(usize, Vec<String>),
    Rows(Vec<u8>),
    End,
    /// What stands behind the table's name in INSERTs; none when it is not known.
    Inserts(usize, Option<Vec<Vec<u8>>>),
}

/// Hands rows on.
struct Hand {
    wanted: HashMap<(String, QualifiedName), usize>,
    sender: Sender<Load>,
}

impl Hand {
    fn find(&self, database: &str, table: &QualifiedName) -> Option<usize> {
        self.wanted
            .get(&(database.to_owned(), table.clone()))
            .copied()
    }

    fn send(&self, load: Load) {
        // Where nobody listens any more, an error is on its way.
        let _ = self.sender.blocking_send(load);
    }
}

impl Tap for Hand {
    fn begin(&mut self, database: &str, table: &QualifiedName, columns: &str) -> bool {
        let found = self.find(database, table);
        if let Some(at) = found {
            self.send(Load::Begin(at, values::names(columns)));
        }
        found.is_some()
    }

    fn rows(&mut self, bytes: &[u8]) {
        self.send(Load::Rows(bytes.to_vec()));
    }

    fn end(&mut self) {
        self.send(Load::End);
    }

    fn inserts(
        &mut self,
        database: &str,
        table: &QualifiedName,
        written: &str,
        text: Option<&[u8]>,
    ) {
        if let Some(at) = self.find(database, table) {
            let mut rests = Vec::new();
            let understood = text.and_then(|text| {
                literal::statements(text, written, |_| {}, |rest| rests.push(rest.to_vec()))
            });
            self.send(Load::Inserts(at, understood.map(|_| rests)));
        }
    }
}

/// Loads what comes.
async fn load(
    mut receiver: Receiver<Load>,
    sessions: &mut BTreeMap<Style, Session>,
    tables: &mut [Loaded],
) -> Result<(), DatabaseError> {
    while let Some(next) = receiver.recv().await {
        match next {
            Load::Begin(at, columns) => {
                let loaded = &mut tables[at];
                if let Some(session) = sessions.get_mut(&loaded.style) {
                    loaded.copy(session, columns, &mut receiver).await?;
                }
            }
            Load::Inserts(at, rests) => {
                let loaded = &mut tables[at];
                if let Some(session) = sessions.get_mut(&loaded.style)
                    && loaded.broken.is_none()
                {
                    loaded.insert(session, rests).await?;
                }
            }
            Load::Rows(_) | Load::End => {}
        }
    }
    Ok(())
}

impl Loaded {
    /// Makes the temporary table.
    async fn make(
        session: &mut Session,
        table: Table,
        style: Style,
        number: usize,
    ) -> Result<Self, DatabaseError> {
        let temporary = format!("pg_temp.redrill_{number}");
        let name = &table.name;
        session
            .run(&format!(
                "CREATE TEMPORARY TABLE redrill_{number} AS SELECT * FROM ONLY {name} WITH NO DATA"
            ))
            .await?;
        let rows = session
            .rows(&COLUMNS.replace("{table}", &name.literal()))
            .await?;
        let mut all = Vec::new();
        for row in rows {
            if let [Some(column), Some(generated), Some(strict)] = row.as_slice() {
                all.push((quote_ident(column), generated == "t", strict == "t"));
            }
        }
        let kept: Vec<(String, bool)> = match table.columns.as_slice() {
            [] => all
                .into_iter()
                .filter(|(_, generated, _)| !generated)
                .map(|(name, _, strict)| (name, strict))
                .collect(),
            named => {
                let strict =
                    |name: &String| all.iter().any(|(one, _, strict)| one == name && *strict);
                named
                    .iter()
                    .map(|name| (name.clone(), strict(name)))
                    .collect()
            }
        };
        let (columns, strict) = kept.into_iter().unzip();
        Ok(Self {
            table,
            style,
            temporary,
            columns,
            strict,
            raw: Fields::default(),
            turned: false,
            broken: None,
        })
    }

    /// Loads rows of COPY text, up to their end.
    async fn copy(
        &mut self,
        session: &mut Session,
        named: Vec<String>,
        receiver: &mut Receiver<Load>,
    ) -> Result<(), DatabaseError> {
        let columns = if named.is_empty() {
            self.columns.clone()
        } else {
            named
        };
        self.turned |= columns != self.columns;
        let list = match columns.as_slice() {
            [] => String::new(),
            columns => format!("({})", columns.join(", ")),
        };
        let options = self.style.options();
        let statement = format!("COPY {} {list} FROM STDIN {options}", self.temporary);
        let mut copy = session.copy_in(&statement).await?;
        let mut row: Vec<u8> = Vec::new();
        let mut batch: Vec<u8> = Vec::new();
        while let Some(Load::Rows(bytes)) = receiver.recv().await {
            for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                row.extend_from_slice(piece);
                if row.ends_with(b"\n") {
                    row.pop();
                    if row.ends_with(b"\r") {
                        row.pop();
                    }
                    self.raw.add(&row);
                    batch.append(&mut row);
                    batch.push(b'\n');
                }
            }
            if batch.len() > CHUNK {
                copy.send(&batch).await?;
                batch.clear();
            }
        }
        copy.send(&batch).await?;
        copy.finish().await.map(drop)
    }

    /// Runs INSERTs, each with this table's name.
    async fn insert(
        &mut self,
        session: &mut Session,
        rests: Option<Vec<Vec<u8>>>,
    ) -> Result<(), DatabaseError> {
        let Some(rests) = rests else {
            self.broken = Some("its INSERTs are not understood".to_owned());
            return Ok(());
        };
        let mut batch = String::new();
        let mut rests = rests.into_iter().peekable();
        while let Some(rest) = rests.next() {
            let readable = self.style.encoding == "UTF8" || rest.is_ascii();
            let Some(rest) = String::from_utf8(rest).ok().filter(|_| readable) else {
                self.broken = Some("its INSERTs are not in UTF-8".to_owned());
                return Ok(());
            };
            batch.push_str(&format!("INSERT INTO {}{rest}\n", self.temporary));
            if batch.len() > CHUNK || rests.peek().is_none() {
                session.run("SAVEPOINT redrill").await?;
                let done = session.run(&batch).await;
                batch.clear();
                match done {
                    Ok(_) => session.run("RELEASE redrill").await?,
                    Err(error) if error.lost => return Err(error),
                    Err(error) => {
                        session.run("ROLLBACK TO redrill").await?;
                        self.broken =
                            Some(format!("its INSERTs cannot be run by themselves: {error}"));
                        return Ok(());
                    }
                };
            }
        }
        Ok(())
    }

    /// Compares what was loaded with what was restored.
    async fn judge(
        &self,
        session: &mut Session,
        part: &Part,
    ) -> Result<Result<(), Unlike>, DatabaseError> {
        if let Some(why) = &self.broken {
            return Ok(Err(Unlike::NotCompared(why.clone())));
        }
        let select = if self.columns.is_empty() {
            String::new()
        } else {
            self.columns.join(", ")
        };
        let anew = fields(
            session,
            &format!(
                "COPY (SELECT {select} FROM {}) TO STDOUT {}",
                self.temporary,
                self.style.options()
            ),
        )
        .await?;
        let table = Table {
            columns: self.columns.clone(),
            ..self.table.clone()
        };
        let restored = fields(session, &table.copy(&self.style)).await?;
        let mut unlike: BTreeSet<usize> = anew.unlike(&restored).into_iter().collect();
        let by_pg_dump =
            part.contents.dump_version.is_some() && !self.table.held.values.inserts && !self.turned;
        if by_pg_dump {
            let strict = |at: &usize| self.strict.get(*at) == Some(&true);
            unlike.extend(self.raw.unlike(&restored).into_iter().filter(strict));
        }
        if anew.all == restored.all && unlike.is_empty() {
            return Ok(Ok(()));
        }
        let least = match anew.at_least(&restored) {
            0 => self.raw.at_least(&restored),
            rows => rows,
        };
        Ok(Err(Unlike::Differ(self.finding(
            &unlike,
            least.max(1),
            restored.all.count,
        ))))
    }

    fn finding(&self, unlike: &BTreeSet<usize>, least: u64, rows: u64) -> Finding {
        let names: Vec<&str> = unlike
            .iter()
            .filter_map(|at| self.columns.get(*at))
            .map(String::as_str)
            .collect();
        let columns = match names.as_slice() {
            [] => "its values stand in other rows".to_owned(),
            [one] => format!("in the column {one}"),
            many if many.len() > NAMED => {
                format!(
                    "in the columns {} and {} more",
                    many[..NAMED].join(", "),
                    many.len() - NAMED
                )
            }
            many => format!("in the columns {}", many.join(", ")),
        };
        Finding::about(
            self.table.name.to_string(),
            format!("{} rows with the values of the backup", show_count(rows)),
            format!("at least {} of as many rows with other values: {columns}", show_count(least)),
        )
        .hint("check triggers, rules and defaults that apply while rows are loaded, and programs that write to the database")
    }
}

/// Reads a COPY to its end.
async fn fields(session: &mut Session, copy: &str) -> Result<Fields, DatabaseError> {
    let mut fields = Fields::default();
    session
        .copy_out(copy, |row| {
            fields.add(row.strip_suffix(b"\n").unwrap_or(row))
        })
        .await?;
    Ok(fields)
}
