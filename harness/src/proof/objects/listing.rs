//! Lists the objects of a database with the pg_dump of the server.

use std::io::BufReader;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio_util::io::SyncIoBridge;

use crate::backup::Part;
use crate::backup::format::archive::custom;
use crate::backup::format::plain;
use crate::backup::objects::{Object, ObjectSource, Objects};
use crate::outcome::CouldNotRun;
use crate::server::{Client, ClientInput, ThrowawayServer};
use crate::sqlstate;

/// Time limit of a dump without rows.
const WITHIN: Duration = Duration::from_secs(30 * 60);

/// Bytes that are read at once.
const CHUNK: usize = 128 * 1024;

/// Bytes of the messages of pg_dump that are kept: the first one is the reason of a failure.
const MESSAGES: u64 = 16 * 1024;

/// The options of pg_dump with which a dump was written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct DumpOptions {
    /// Whether it is an archive.
    archive: bool,
    /// Whether it creates the database.
    create: bool,
    encoding: Option<String>,
    /// Whether every name is quoted.
    quoted: bool,
    /// Whether bodies of functions are in single quotes.
    without_dollars: bool,
    /// Whether it may contain comments.
    pub comments: bool,
    /// Whether it may contain security labels.
    labels: bool,
}

impl DumpOptions {
    /// Finds the options of a dump from its objects.
    pub(super) fn of(part: &Part, objects: &[&Object]) -> Self {
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
        // Names that need no quotes are quoted only on request; bodies are in dollar quotes unless disabled.
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
        let lists_every_object = lists_every_object(part);
        Self {
            archive: part.is_archive(),
            create: has("DATABASE"),
            encoding: part.contents.encoding.clone(),
            quoted,
            without_dollars: bodies("    AS '") && !bodies("    AS $"),
            // Extensions have comments, so a dump with one and without comments was written without.
            comments: has("COMMENT") || !has("EXTENSION") || !lists_every_object,
            labels: has("SECURITY LABEL") || !lists_every_object,
        }
    }

    fn arguments(&self, connection: &str) -> Vec<String> {
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
        arguments.extend(["--dbname".to_owned(), connection.to_owned()]);
        arguments
    }
}

/// Whether a dump names each of its objects, as pg_dump does.
pub(super) fn lists_every_object(part: &Part) -> bool {
    part.contents.objects.listed_by == ObjectSource::ByEntries
}

/// Lists the objects of a database; its dump is read while pg_dump writes it.
pub(super) async fn list(
    server: &ThrowawayServer,
    database: &str,
    options: &DumpOptions,
) -> Result<Objects, CouldNotRun> {
    let archive = options.archive;
    let mut client = server
        .client(Client {
            program: "pg_dump",
            arguments: options.arguments(&server.endpoint().connection_string(database)),
            input: ClientInput::Nothing,
        })
        .await?;
    let stdout = SyncIoBridge::new(client.stdout);
    let reader = tokio::task::spawn_blocking(move || {
        let reader = BufReader::with_capacity(CHUNK, stdout);
        if archive {
            let read = custom::read(reader).map_err(|error| error.to_string())?;
            Ok(Arc::unwrap_or_clone(read.contents.objects))
        } else {
            let (contents, _, _) = plain::read(reader).map_err(|error| error.to_string())?;
            Ok::<_, String>(Arc::unwrap_or_clone(contents.objects))
        }
    });
    let mut messages = String::new();
    let work = async {
        let mut bytes = Vec::new();
        let mut stderr = client.stderr;
        // Without messages there is only no reason.
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
        let why = why.map_or_else(
            || "it printed no message".to_owned(),
            |why| sqlstate::shown("", why, false, &server.endpoint().names),
        );
        return Err(CouldNotRun::new(format!(
            "pg_dump cannot read the restored database: {why}"
        )));
    }
    let read = read
        .map_err(|error| error.to_string())
        .and_then(|read| read);
    read.map_err(|error| CouldNotRun::new(format!("the output of pg_dump cannot be read: {error}")))
}
