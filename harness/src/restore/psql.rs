//! Restores plain SQL with `psql` of the version of the server, as in `gunzip -c FILE | psql`.
//!
//! The file is decompressed here and streamed into psql, so that memory use is constant and progress
//! is known. Three queries with a random word are inserted between its statements, on existing lines:
//! they time the phases, and the last one proves that psql reached the end. It is followed by a
//! deliberate error with that word: once it is read, so is every message before it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader as AsyncBufReader};
use tokio::sync::mpsc;

use super::log::{Gather, Log, Message, Tolerance};
use super::{PartLog, Work};
use crate::backup::Part;
use crate::backup::packing::Layer;
use crate::backup::script::lexer::{Lexer, Piece};
use crate::event::Event;
use crate::outcome::{CouldNotRun, Finding, Phase};
use crate::redact::Secret;
use crate::server::{Client, ClientInput};

/// How much is handed on at once.
const CHUNK: usize = 128 * 1024;

/// Restores a plain dump, beginning in `database`.
pub(super) async fn restore(
    work: &Work<'_>,
    part: &Part,
    database: &str,
) -> Result<PartLog, CouldNotRun> {
    let Work {
        server,
        settings,
        redactor,
        listener,
    } = work;
    let word = Secret::random().map_err(|error| CouldNotRun::new(error.to_string()))?;
    let began = Instant::now();
    let mut client = server.client(psql(database)).await?;
    let Some(mut stdin) = client.stdin.take() else {
        return Err(CouldNotRun::new("psql without standard input"));
    };

    let (sender, mut receiver) = mpsc::channel::<Bytes>(8);
    let reader = tokio::task::spawn_blocking({
        let (part, word) = (part.clone(), word.expose().to_owned());
        move || pump(&part, &word, &sender)
    });
    let total = part.unpacked_bytes;
    let write = async {
        let (mut bytes, mut reported) = (0_u64, Instant::now());
        while let Some(chunk) = receiver.recv().await {
            // psql may end early: its messages give the reason.
            if stdin.write_all(&chunk).await.is_err() {
                break;
            }
            bytes += chunk.len() as u64;
            if reported.elapsed() > Duration::from_millis(200) {
                listener(Event::Restored {
                    bytes: bytes.min(total),
                    total,
                });
                reported = Instant::now();
            }
        }
        // Closes the channel, so that the reading thread ends too.
        receiver.close();
        let _ = stdin.shutdown().await;
        drop(stdin);
    };
    let mut marks = Vec::new();
    let watch = async {
        // Bytes, not text: what a dump selects may be in any encoding, and must not stop the reader.
        let mut lines = AsyncBufReader::new(client.stdout).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let line = String::from_utf8_lossy(&line);
            if let Some(mark) = line.strip_prefix(word.expose()) {
                marks.push((mark.trim_start_matches('-').to_owned(), began.elapsed()));
            }
        }
    };
    let tolerance = Tolerance {
        scenario: &settings.tolerate,
        superuser: &server.endpoint().superuser,
    };
    let mut log = Log::default();
    let mut heard_to_the_end = false;
    let listen = async {
        let mut add = |message: Message| {
            if message.raw.contains(word.expose()) {
                heard_to_the_end = true;
            } else {
                log.add(message, &tolerance, redactor);
            }
        };
        let mut gather = Gather::default();
        let mut lines = AsyncBufReader::new(client.stderr).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            gather
                .psql(&String::from_utf8_lossy(&line))
                .into_iter()
                .for_each(&mut add);
        }
        gather.end().into_iter().for_each(&mut add);
    };
    tokio::join!(write, watch, listen);
    let code = client.end.wait().await?;
    let duration = began.elapsed();
    let pumped = reader
        .await
        .map_err(|error| CouldNotRun::new(error.to_string()))?;

    let statements = if log.errors.is_empty() {
        Vec::new()
    } else {
        statements(part, &log.errors).await
    };
    let (mut errors, mut unable) = log.findings(redactor, |message| {
        statements
            .iter()
            .find(|(line, _)| *line == message.line)
            .map(|(_, text)| text.clone())
    });
    let reached_end = marks.iter().any(|(mark, _)| mark == "end");
    match pumped {
        Ok(digest) if digest == part.sha256 => {}
        // A reader that stopped early has no digest: the messages of psql give the reason.
        Ok(_) if !reached_end => {}
        Ok(_) => unable.push(
            Finding::about(
                part.path.display().to_string(),
                "the file that was inspected",
                "it changed while it was restored",
            )
            .hint("drill a file that is not being written to"),
        ),
        Err(error) => {
            return Err(CouldNotRun::new(format!(
                "cannot read {}: {error}",
                part.path.display()
            )));
        }
    }
    if reached_end && !heard_to_the_end && errors.is_empty() {
        // A message that was not read may have been an error.
        return Err(
            CouldNotRun::new("the messages of psql were not received completely").hint(
                "run the drill again; if it happens again, see the log of the container engine",
            ),
        );
    }
    if !reached_end && errors.is_empty() && unable.is_empty() {
        let code = code.map_or_else(|| "a signal".to_owned(), |code| format!("code {code}"));
        match server.ended().await {
            Some(why) => {
                return Err(CouldNotRun::new(format!(
                    "the server stopped during the restore: {why}"
                )));
            }
            None => errors.push(
                Finding::about(
                    "the restore",
                    "psql runs to the end of the dump",
                    format!("it ended before that, with {code}"),
                )
                .hint(
                    "a statement or quote is not closed at the end of the dump, or psql was killed",
                ),
            ),
        }
    }
    let mut facts = crate::outcome::RestoreFacts {
        method: format!(
            "psql, as in `{} FILE | psql`",
            part.layers.first().map_or("cat", Layer::undone_by)
        ),
        duration,
        phases: phases(&marks, duration),
        errors: log.count,
        tolerated: log.tolerated,
        rows: Vec::new(),
    };
    facts.errors = facts.errors.max(errors.len() as u64);
    Ok(PartLog {
        tolerated_at: log.tolerated_at,
        facts,
        errors,
        unable,
    })
}

/// The command: no start-up file, every message with SQLSTATE, no stop at an error.
fn psql(database: &str) -> Client {
    let arguments = [
        "--no-psqlrc",
        "--quiet",
        "--no-align",
        "--tuples-only",
        "--no-password",
        "--set=ON_ERROR_STOP=0",
        "--set=VERBOSITY=verbose",
        "--set=SHOW_CONTEXT=never",
        "--dbname",
        database,
        "--file=-",
    ];
    Client {
        program: "psql",
        arguments: arguments.map(str::to_owned).into(),
        input: ClientInput::Pipe,
    }
}

/// Times of the phases, from the marks that psql printed.
fn phases(marks: &[(String, Duration)], whole: Duration) -> Vec<Phase> {
    let at = |name: &str| {
        marks
            .iter()
            .find(|(mark, _)| mark == name)
            .map(|(_, at)| *at)
    };
    let end = at("end").unwrap_or(whole);
    let data = at("data");
    let post = at("post-data");
    let mut phases = vec![("pre-data", Duration::ZERO, data.unwrap_or(end))];
    if let Some(data) = data {
        phases.push(("data", data, post.unwrap_or(end)));
    }
    if let Some(post) = post {
        phases.push(("post-data", post, end));
    }
    phases
        .into_iter()
        .map(|(name, from, to)| Phase {
            name: name.to_owned(),
            duration: to.saturating_sub(from),
        })
        .collect()
}

/// Sends the whole dump with its marks; returns the digest of the file as stored. Runs on a separate
/// thread.
fn pump(part: &Part, word: &str, sender: &mpsc::Sender<Bytes>) -> io::Result<String> {
    let mut content = part.open().map_err(|error| error.trouble)?;
    let mark = |name: &str| format!("SELECT '{word}-{name}';");
    let marks = [
        (part.contents.data_begins, mark("data")),
        (part.contents.data_ends, mark("post-data")),
    ];
    let mut marks: Vec<(u64, String)> = marks
        .into_iter()
        .filter_map(|(at, text)| at.map(|at| (at, text)))
        .collect();
    let mut offset = 0_u64;
    let mut send = |chunk: &[u8], offset: &mut u64| {
        let mut rest = chunk;
        while let Some((at, text)) = marks.first() {
            let Ok(before) = usize::try_from(at.saturating_sub(*offset)) else {
                break;
            };
            if before >= rest.len() {
                break;
            }
            let (head, tail) = rest.split_at(before);
            *offset += head.len() as u64;
            let sent = sender
                .blocking_send(Bytes::copy_from_slice(head))
                .and_then(|()| sender.blocking_send(Bytes::copy_from_slice(text.as_bytes())));
            if sent.is_err() {
                return false;
            }
            rest = tail;
            marks.remove(0);
        }
        *offset += rest.len() as u64;
        sender.blocking_send(Bytes::copy_from_slice(rest)).is_ok()
    };
    let mut buffer = vec![0_u8; CHUNK];
    let mut copy = |reader: &mut dyn Read| -> io::Result<bool> {
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(true),
                read if !send(&buffer[..read], &mut offset) => return Ok(false),
                _ => {}
            }
        }
    };
    if copy(&mut content)? {
        // Whether psql still reads is visible in its output.
        let heard = format!("SELECT \"{word}-heard\";");
        let _ = sender.blocking_send(Bytes::from(format!("\n{}\n{heard}\n", mark("end"))));
    }
    Ok(content.end()?.file.sha256)
}

/// Finds the statements that end in the lines of the errors, shortened so that they contain no value.
async fn statements(part: &Part, errors: &[Message]) -> Vec<(u64, String)> {
    let wanted: BTreeSet<u64> = errors.iter().map(|error| error.line).collect();
    let part = part.clone();
    let find = move || -> io::Result<Vec<(u64, String)>> {
        let content = BufReader::with_capacity(CHUNK, part.open().map_err(|error| error.trouble)?);
        find_statements(Lexer::new(content), &wanted)
    };
    // Only the wording of a finding depends on it.
    match tokio::task::spawn_blocking(find).await {
        Ok(Ok(found)) => found,
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

/// Reads until the last wanted line and names the statement that each of them belongs to. Rows belong
/// to their COPY: an error in one of them is reported for the line that ends them.
fn find_statements(
    mut lexer: Lexer<impl io::BufRead>,
    wanted: &BTreeSet<u64>,
) -> io::Result<Vec<(u64, String)>> {
    let mut found = Vec::new();
    let last = wanted.last().copied().unwrap_or(0);
    // The line before the next row, and the COPY.
    let mut copy: Option<(u64, String)> = None;
    loop {
        let mut copies = false;
        match lexer.next_piece()? {
            None => break,
            Some(Piece::Part(_)) => {}
            Some(piece @ (Piece::Rows { .. } | Piece::Row { .. } | Piece::EndOfRows)) => {
                if let Some((line, text)) = &mut copy {
                    let lines = match piece {
                        Piece::Rows { count, .. } => count,
                        _ => 1,
                    };
                    for wanted in wanted.range(*line + 1..=*line + lines) {
                        found.push((*wanted, text.clone()));
                    }
                    *line += lines;
                }
            }
            Some(Piece::Inserts(inserts)) => {
                if inserts.line > last {
                    break;
                }
                let short = summarise(&beginning(inserts.text));
                for line in wanted.range(inserts.line..=inserts.last_line) {
                    found.push((*line, short.clone()));
                }
            }
            Some(Piece::Statement(statement)) => {
                if statement.line > last {
                    break;
                }
                let text = beginning(statement.text);
                let lower = text.to_ascii_lowercase();
                copies = lower.starts_with("copy ") && lower.contains("from stdin");
                let short = summarise(&text);
                for line in wanted.range(statement.line..=statement.last_line) {
                    found.push((*line, short.clone()));
                }
                copy = copies.then_some((statement.last_line, short));
            }
            Some(Piece::Meta { .. } | Piece::Comment { .. }) => {}
        }
        if copies {
            lexer.expect_rows();
        }
    }
    Ok(found)
}

/// The part of a statement that its summary may need.
fn beginning(text: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&text[..text.len().min(2000)])
}

/// Words that statements of a dump begin with.
const COMMANDS: &[&str] = &[
    "ALTER", "ANALYZE", "BEGIN", "CALL", "CLUSTER", "COMMENT", "COMMIT", "COPY", "CREATE",
    "DELETE", "DO", "DROP", "GRANT", "IMPORT", "INSERT", "LOAD", "LOCK", "REFRESH", "REINDEX",
    "RESET", "REVOKE", "SECURITY", "SELECT", "SET", "START", "TRUNCATE", "UPDATE", "VACUUM",
    "WITH",
];

/// Shortens a statement to its first words: no literal, no list of columns, no body. Text that does
/// not begin like a statement may be rows whose COPY is missing, so nothing of it is shown.
pub(super) fn summarise(text: &str) -> String {
    let end = text.find(['(', '\'', '$', ';', '=']).unwrap_or(text.len());
    let words: Vec<&str> = text[..end].split_whitespace().collect();
    let known = words
        .first()
        .is_some_and(|word| COMMANDS.contains(&word.to_ascii_uppercase().as_str()));
    if !known {
        return "the statement succeeds".to_owned();
    }
    let mut short: String = words.join(" ").chars().take(160).collect();
    if words[0].eq_ignore_ascii_case("SET") {
        short = words[..words.len().min(2)].join(" ");
    }
    // What follows is one, quoted or not.
    if let Some(at) = short.to_ascii_uppercase().find(" PASSWORD ") {
        short.truncate(at + " PASSWORD".len());
    }
    format!("`{short}` succeeds")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Contents;
    use crate::backup::format::Format;
    use crate::backup::packing::Keys;
    use crate::digest::hex;
    use rstest::rstest;
    use sha2::{Digest as _, Sha256};

    #[rstest]
    #[case(
        "ALTER ROLE a WITH LOGIN PASSWORD 'x';",
        "`ALTER ROLE a WITH LOGIN PASSWORD` succeeds"
    )]
    #[case(
        "ALTER TABLE ONLY app.o\n    ADD CONSTRAINT p PRIMARY KEY (id);",
        "`ALTER TABLE ONLY app.o ADD CONSTRAINT p PRIMARY KEY` succeeds"
    )]
    #[case("17\tAlice\tBern\n18\tBob\tThun;", "the statement succeeds")]
    #[case("SET app.key = abc;", "`SET app.key` succeeds")]
    #[case("SET app.key TO abc;", "`SET app.key` succeeds")]
    #[case("CREATE ROLE a PASSWORD abc;", "`CREATE ROLE a PASSWORD` succeeds")]
    #[case("INSERT INTO t VALUES ('secret');", "`INSERT INTO t VALUES` succeeds")]
    fn statements_are_shortened_so_that_they_contain_no_value(
        #[case] text: &str,
        #[case] short: &str,
    ) {
        assert_eq!(summarise(text), short);
    }

    #[test]
    fn errors_are_reported_with_their_statement() {
        let sql = "SET a = 1;\nCREATE TABLE t\n  (a int);\nCOPY t (a) FROM stdin;\n1\nx\n\\.\nSELECT\n 1;\n";
        let wanted = BTreeSet::from([1, 3, 6, 7, 9]);
        let found = find_statements(Lexer::new(sql.as_bytes()), &wanted).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|(line, text)| (*line, text.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (1, "`SET a` succeeds"),
                (3, "`CREATE TABLE t` succeeds"),
                (6, "`COPY t` succeeds"),
                (7, "`COPY t` succeeds"),
                (9, "`SELECT 1` succeeds"),
            ]
        );
    }

    #[test]
    fn phases_follow_the_marks() {
        let at = |name: &str, millis| (name.to_owned(), Duration::from_millis(millis));
        let marks = [at("data", 10), at("post-data", 30), at("end", 100)];
        let phases = phases(&marks, Duration::from_millis(110));
        let shown: Vec<_> = phases
            .iter()
            .map(|phase| (phase.name.as_str(), phase.duration.as_millis()))
            .collect();
        assert_eq!(shown, [("pre-data", 10), ("data", 20), ("post-data", 70)]);
    }

    #[test]
    fn marks_are_put_between_bytes_wherever_chunks_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sql");
        let text = format!(
            "{}COPY x\n{}\\.\nTAIL",
            "a".repeat(CHUNK - 3),
            "b\n".repeat(CHUNK)
        );
        std::fs::write(&path, &text).unwrap();
        let part = Part {
            name: "x.sql".to_owned(),
            path,
            layers: Vec::new(),
            keys: Keys::default(),
            format: Format::Plain,
            bytes: text.len() as u64,
            unpacked_bytes: text.len() as u64,
            text_bytes: text.len() as u64,
            sha256: String::new(),
            named_database: None,
            contents: Contents {
                data_begins: Some(text.find("COPY").unwrap() as u64),
                data_ends: Some(text.find("TAIL").unwrap() as u64),
                ..Contents::default()
            },
        };
        let (sender, mut receiver) = mpsc::channel(1000);
        let digest = pump(&part, "w", &sender).unwrap();
        drop(sender);
        let mut got = Vec::new();
        while let Some(chunk) = receiver.blocking_recv() {
            got.extend_from_slice(&chunk);
        }
        let got = String::from_utf8(got).unwrap();
        assert!(
            got.contains("SELECT 'w-data';COPY x")
                && got.contains("SELECT 'w-post-data';TAIL\nSELECT 'w-end';\n")
        );
        let stripped = got
            .replace("SELECT 'w-data';", "")
            .replace("SELECT 'w-post-data';", "")
            .replace("\nSELECT 'w-end';\nSELECT \"w-heard\";\n", "");
        assert_eq!(stripped, text);
        assert_eq!(digest, hex(&Sha256::digest(text.as_bytes())));
    }
}
