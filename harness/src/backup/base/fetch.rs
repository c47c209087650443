//! `command` in `[backup.wal]`: gives archived WAL file by file, as a `restore_command` does.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::asked::{Answer, Asker};
use super::settings::{FILE, FOLDER, FetchCommand, SCENARIO, SEGMENT};
use crate::backup::source::run::{FetchTerms, path_text, run, show_command};
use crate::backup::source::{Download, Place, no_room};
use crate::disk;
use crate::event::Event;
use crate::input::program::absolute_folder;
use crate::outcome::CouldNotRun;

/// Default limit of one file.
const TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// The last exit code that says something about the archive. A server ends its recovery at a higher one of its `restore_command`: it is
/// that of a shell that found no program, or of ssh without a connection.
const LAST_EXIT_CODE: i32 = 125;

/// Where an answer goes.
pub(super) type ReplySender<T> = oneshot::Sender<Result<T, CouldNotRun>>;

/// Sends a request from the thread that reads the WAL, and waits for the answer; blocks.
///
/// # Errors
/// Those of the answer.
pub(super) fn ask<R, T>(
    requests: &mpsc::Sender<R>,
    request: impl FnOnce(ReplySender<T>) -> R,
) -> Result<T, CouldNotRun> {
    let (reply, answered) = oneshot::channel();
    let sent = requests.blocking_send(request(reply)).ok();
    let answered = sent.and_then(|()| answered.blocking_recv().ok());
    answered.unwrap_or_else(|| Err(CouldNotRun::new("the drill ended while WAL was fetched")))
}

/// A request of the thread that reads the WAL.
pub struct Request {
    name: String,
    bytes: RangeInclusive<u64>,
    reply: ReplySender<Answer>,
}

/// Runs the command for each request. Dropping it kills the command.
pub struct Fetcher<'a> {
    settings: &'a FetchCommand,
    /// The folder of the base backup.
    base: PathBuf,
    place: &'a Place<'a>,
    /// Where the files are.
    spool: PathBuf,
    /// Where the command writes them to, so that it cannot change one that was read.
    arriving: PathBuf,
    /// The command without secrets.
    shown: String,
    /// Bytes so far.
    bytes: u64,
    requests: mpsc::Receiver<Request>,
}

impl<'a> Fetcher<'a> {
    /// A fetcher, and what asks it from another thread.
    ///
    /// # Errors
    /// The folder for the files cannot be created.
    pub fn new(
        settings: &'a FetchCommand,
        base: &Path,
        place: &'a Place<'a>,
    ) -> Result<(Self, Asker), CouldNotRun> {
        // The command starts in the folder of the scenario.
        let made = std::path::absolute(place.spool.join("wal")).and_then(|spool| {
            let arriving = spool.join("arriving");
            std::fs::create_dir_all(&arriving)?;
            Ok((spool, arriving, std::path::absolute(base)?))
        });
        let (spool, arriving, base) = made.map_err(|error| {
            CouldNotRun::with_hint(
                format!("cannot write to {}: {error}", place.spool.display()),
                "set another folder with `--work-dir`",
            )
        })?;
        let (sender, requests) = mpsc::channel(1);
        let fetcher = Self {
            settings,
            base,
            place,
            spool,
            arriving,
            shown: show_command(&settings.words, &settings.env, place),
            bytes: 0,
            requests,
        };
        let ask = move |name: &str, bytes: RangeInclusive<u64>| {
            ask(&sender, |reply| Request {
                name: name.to_owned(),
                bytes,
                reply,
            })
        };
        let asker = Asker {
            shown: fetcher.shown.clone(),
            ask: Box::new(ask),
        };
        Ok((fetcher, asker))
    }

    /// Answers until nobody asks any more.
    pub async fn serve(mut self) {
        while let Some(request) = self.requests.recv().await {
            let answer = self.fetch(&request.name, &request.bytes).await;
            let answer = answer.map_err(|error| CouldNotRun {
                reason: format!(
                    "the command `{}` for {}: {}",
                    self.shown, request.name, error.reason
                ),
                ..error
            });
            // The thread that asked may have ended.
            let _ = request.reply.send(answer);
        }
    }

    /// Runs the command for one file. A file that is there already stays.
    async fn fetch(
        &mut self,
        name: &str,
        bytes: &RangeInclusive<u64>,
    ) -> Result<Answer, CouldNotRun> {
        let place = self.place;
        disk::fits(&self.spool, *bytes.start()).map_err(|reason| no_room(&self.spool, &reason))?;
        let (to, path) = (self.arriving.join(name), self.spool.join(name));
        let scenario = absolute_folder(place.folder)?;
        let values = [
            (SEGMENT, name),
            (FILE, path_text(&to)?),
            (FOLDER, path_text(&self.base)?),
            (SCENARIO, path_text(&scenario)?),
        ];
        let words = self.settings.with(&values);
        let fetch = FetchTerms {
            keys: self.settings.keys,
            words: &words,
            env: &self.settings.env,
            limit: self.settings.timeout.unwrap_or(TIMEOUT),
            writes: &self.settings.writes,
            folders: &[&self.arriving],
        };
        let writes_file = self.settings.words.iter().any(|word| word.contains(FILE));
        let arriving = Place {
            spool: &self.arriving,
            ..*place
        };
        let mut output = match writes_file {
            true => None,
            false => Some(Download::begin(&arriving, name).await?),
        };
        let ended = run(&fetch, place, output.as_mut()).await?;
        let refuse = |found: &str, hint: &str| {
            let errors = &ended.errors;
            Err(CouldNotRun::with_hint(
                format!("{found}{errors}"),
                ended.hint(hint),
            ))
        };
        if let Some(failure) = ended.failure() {
            // What it began is no file.
            let _ = std::fs::remove_file(&to);
            return match ended.status.code() {
                Some(code) if code <= LAST_EXIT_CODE => Ok(Answer::Nothing(CouldNotRun {
                    reason: failure,
                    hint: ended.refused,
                })),
                _ => Err(CouldNotRun::with_hint(
                    failure,
                    ended.hint("this says nothing about the archive: run the command by hand"),
                )),
            };
        }
        if let Some(output) = output {
            output.end().await?;
        }
        let file = to.symlink_metadata().ok().filter(|file| file.is_file());
        let Some(file) = file else {
            let hint = "it must write the file to `{file}`, or end with an exit code from 1 to 125 where the archive does not have it";
            return refuse("it ended with exit code 0 and wrote no file", hint);
        };
        let written = file.len();
        if !bytes.contains(&written) {
            // It would be taken for the file at the next request.
            let _ = std::fs::remove_file(&to);
            let found = match written {
                0 => "it ended with exit code 0 and wrote an empty file".to_owned(),
                _ => format!(
                    "it ended with exit code 0 and wrote {written} bytes, where {} are expected",
                    bytes.end()
                ),
            };
            let hint = "it must write the file as the server wrote it, without compression and encryption, or end with an exit code from 1 to 125 where the archive does not have it";
            return refuse(&found, hint);
        }
        let moved = match path.exists() {
            true => std::fs::remove_file(&to),
            false => std::fs::rename(&to, &path),
        };
        moved.map_err(|error| CouldNotRun::new(format!("{}: {error}", to.display())))?;
        self.bytes += written;
        (self.place.listener)(Event::Fetched {
            bytes: self.bytes,
            total: None,
        });
        Ok(Answer::File(path))
    }
}
