//! What is in a database, in the words of the server's own pg_dump.

use std::io::BufReader;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio_util::io::SyncIoBridge;

use super::{is_told, not_compared};
use crate::backup::Part;
use crate::backup::format::archive::custom;
use crate::backup::format::{Format, plain};
use crate::backup::objects::{Object, Objects};
use crate::outcome::{CouldNotRun, NotTested};
use crate::server::{Client, ClientInput, ThrowawayServer};
use crate::sqlstate;

/// How long a dump without rows may take.
const WITHIN: Duration = Duration::from_secs(30 * 60);

/// How much is read at once.
const CHUNK: usize = 128 * 1024;

/// Bytes of a program's messages that are kept: its first words say why it failed.
const MESSAGES: u64 = 16 * 1024;

/// How a dump is written, so that another one can be written alike.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// Whether it is an archive.
    archive: bool,
    /// Whether it makes the database itself.
    create: bool,
    encoding: Option<String>,
    /// Whether every name is quoted.
    quoted: bool,
    /// Whether bodies of functions are quoted as texts.
    without_dollars: bool,
    /// Whether it holds any comment.
    comments: bool,
    /// Whether it holds any security label.
    labels: bool,
}

impl Shape {
    /// Tells how a dump was written by what it holds.
    pub(super) fn like(part: &Part, objects: &[&Object]) -> Self {
        let has = |kind: &str| objects.iter().any(|object| object.kind == kind);
        let of = |kinds: &'static [&str]| {
            let objects = objects
                .iter()
                .filter(|object| kinds.contains(&object.kind.as_str()));
            objects.map(|object| {
                (
                    object.schema.as_str(),
                    object.definition.text.as_deref().unwrap_or_default(),
                )
            })
        };
        // Names that need no quotes, and bodies that stand in dollars unless that was not wanted.
        let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase());
        let quoted = of(&["TABLE"])
            .any(|(schema, text)| plain(schema) && text.starts_with("CREATE TABLE \""));
        let bodies = |opened: &str| {
            of(&["FUNCTION", "PROCEDURE"]).any(|(_, text)| {
                text.contains(opened)
                    && !text.contains("LANGUAGE c")
                    && !text.contains("LANGUAGE internal")
            })
        };
        let told = is_told(part);
        Self {
            archive: matches!(part.format, Format::Archive(_)),
            create: has("DATABASE"),
            encoding: part.contents.encoding.clone(),
            quoted,
            without_dollars: bodies("    AS '") && !bodies("    AS $"),
            // An extension that is made anew brings its own.
            comments: has("COMMENT") || !has("EXTENSION") || !told,
            labels: has("SECURITY LABEL") || !told,
        }
    }

    /// What is left out because the dump holds none of it.
    pub(super) fn not_compared(&self) -> Vec<NotTested> {
        let mut list = Vec::new();
        if !self.comments {
            list.push(not_compared(
                "comments",
                "the dump contains none, as with `--no-comments`",
            ));
        }
        list
    }

    fn arguments(&self, database: &str) -> Vec<String> {
        let mut arguments = vec!["--schema-only", "--no-password"];
        arguments.push(if self.archive {
            "--format=custom"
        } else {
            "--format=plain"
        });
        let flags = [
            (self.archive, "--compress=0"),
            (self.create && !self.archive, "--create"),
            (self.quoted, "--quote-all-identifiers"),
            (self.without_dollars, "--disable-dollar-quoting"),
            (!self.comments, "--no-comments"),
            (!self.labels, "--no-security-labels"),
        ];
        arguments.extend(
            flags
                .into_iter()
                .filter_map(|(is, flag)| is.then_some(flag)),
        );
        let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        arguments.extend(
            self.encoding
                .iter()
                .map(|name| format!("--encoding={name}")),
        );
        arguments.extend(["--dbname".to_owned(), connection(database)]);
        arguments
    }
}

/// Names a database so that nothing in its name is read as a connection string.
fn connection(database: &str) -> String {
    let name = database.replace('\\', "\\\\").replace('\'', "\\'");
    format!("dbname='{name}'")
}

/// Lists what is in a database: its dump is read while it comes.
pub(super) async fn of_database(
    server: &ThrowawayServer,
    database: &str,
    shape: &Shape,
) -> Result<Objects, CouldNotRun> {
    let archive = shape.archive;
    let mut client = server
        .client(Client {
            program: "pg_dump",
            arguments: shape.arguments(database),
            input: ClientInput::Nothing,
        })
        .await?;
    let stdout = SyncIoBridge::new(client.stdout);
    let reader = tokio::task::spawn_blocking(move || {
        let reader = BufReader::with_capacity(CHUNK, stdout);
        if archive {
            let read = custom::read(reader).map_err(|error| error.to_string())?;
            Ok((*read.contents.objects).clone())
        } else {
            let (contents, _, _) = plain::read(reader).map_err(|error| error.to_string())?;
            Ok::<_, String>((*contents.objects).clone())
        }
    });
    let mut messages = String::new();
    let work = async {
        let mut bytes = Vec::new();
        let mut stderr = client.stderr;
        // What cannot be read is not told.
        let _ = (&mut stderr).take(MESSAGES).read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        messages = String::from_utf8_lossy(&bytes).into_owned();
        (reader.await, client.end.wait().await)
    };
    let (read, code) = tokio::time::timeout(WITHIN, work).await.map_err(|_| {
        CouldNotRun::new(format!(
            "pg_dump of the restored database did not end within {WITHIN:?}"
        ))
    })?;
    if code? != Some(0) {
        let why = messages
            .lines()
            .find_map(|line| line.split_once("error: ").map(|(_, why)| why));
        let why = sqlstate::shown("", why.unwrap_or("it says nothing"), false);
        return Err(CouldNotRun::new(format!(
            "pg_dump cannot read the restored database: {why}"
        )));
    }
    let read = read
        .map_err(|error| error.to_string())
        .and_then(|read| read);
    read.map_err(|error| CouldNotRun::new(format!("what pg_dump wrote cannot be read: {error}")))
}
