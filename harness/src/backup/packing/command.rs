//! A decrypt command: it reads the file and writes the content, and only its exit code proves that the
//! content is complete.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStdout;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::buffered::Buffered;
use super::compressed::Notes;
use super::error::LayerError;
use super::keys::Command;
use crate::outcome::{CouldNotRun, Finding};
use crate::process::{self, Input, Program, Running};
use crate::units::show_duration;

/// The output of the command. Dropping it kills the command and its child processes.
pub(super) struct Output {
    command: Arc<Command>,
    runtime: Handle,
    running: Running,
    stdout: ChildStdout,
    stderr: tokio::task::JoinHandle<String>,
    feeder: Option<JoinHandle<io::Result<u64>>>,
    notes: Notes,
    given: u64,
    ended: bool,
}

/// Starts the command and a thread that writes to it. Must run on a blocking thread of a tokio
/// runtime.
pub(super) fn decrypt(
    command: &Arc<Command>,
    mut input: Buffered,
    notes: Notes,
) -> Result<Output, CouldNotRun> {
    let runtime = Handle::try_current().map_err(|error| CouldNotRun::new(error.to_string()))?;
    let name = command.name();
    let mut running = process::spawn(Program {
        path: command.program.clone(),
        arguments: command.arguments.clone(),
        environment: command.environment.clone(),
        folder: command.folder.clone(),
        input: Input::Pipe,
        run: command.run.clone(),
        ..Program::default()
    })
    .map_err(|error| {
        CouldNotRun::with_hint(
            command.redactor.clean(&error.to_string()),
            "`command` of `[backup.decrypt]` is searched in PATH, or relative to the scenario file",
        )
    })?;
    let (Some(stdin), Some(stdout)) = (running.stdin(), running.stdout()) else {
        return Err(CouldNotRun::new(format!(
            "`{name}` without standard streams"
        )));
    };
    let stderr = runtime.spawn(process::keep_end(running.stderr()));
    let feeder = stdin
        .into_owned_fd()
        .map(File::from)
        .and_then(|mut stdin| {
            Builder::new()
                .name("feed".to_owned())
                .spawn(move || io::copy(&mut input, &mut stdin))
        })
        .map_err(|error| CouldNotRun::new(format!("cannot write to `{name}`: {error}")))?;
    Ok(Output {
        command: Arc::clone(command),
        runtime,
        running,
        stdout,
        stderr,
        feeder: Some(feeder),
        notes,
        given: 0,
        ended: false,
    })
}

impl Output {
    /// Waits for the end of the command; an error if its output is not complete.
    fn finish(&mut self) -> Result<(), LayerError> {
        let name = self.command.name();
        let waited = self
            .runtime
            .block_on(async { timeout(self.command.timeout, self.running.wait()).await });
        self.running.kill();
        let status = match waited {
            Err(_) => return Err(self.too_long().into()),
            Ok(status) => {
                status.map_err(|error| CouldNotRun::new(format!("lost `{name}`: {error}")))?
            }
        };
        let read_all = match self.feeder.take().map(JoinHandle::join) {
            Some(Ok(Ok(_))) => true,
            Some(Ok(Err(error))) if error.kind() == io::ErrorKind::BrokenPipe => false,
            Some(Ok(Err(error))) => return Err(LayerError::of(&error)),
            Some(Err(_)) | None => {
                return Err(
                    CouldNotRun::new(format!("the thread that writes to `{name}` ended")).into(),
                );
            }
        };
        if status.success() {
            if !read_all {
                self.notes.add(
                    Finding::new(
                        format!("`{name}` reads the file to its end"),
                        "it ended successfully before that",
                    )
                    .hint("data may have been appended to the file: check it"),
                );
            }
            return Ok(());
        }
        let words = self.runtime.block_on(process::last_lines(
            &mut self.stderr,
            &self.command.redactor,
        ));
        let Some(code) = status.code() else {
            return Err(CouldNotRun::new(format!("`{name}` was killed by a signal{words}")).into());
        };
        let ended = format!("`{name}` ended with exit code {code}");
        if self.given == 0 {
            let hint = "it wrote nothing: check that the key is right and that the command may use it without a prompt; run it by hand with the file on its standard input";
            return Err(CouldNotRun::with_hint(format!("{ended}{words}"), hint).into());
        }
        Err(LayerError::Damaged(
            Finding::new(
                format!("`{name}` decrypts the file to its end"),
                format!("{ended} after {} bytes{words}", self.given),
            )
            .hint("the file is truncated or was changed, unless the command reports another reason above"),
        ))
    }

    fn too_long(&self) -> CouldNotRun {
        CouldNotRun::new(format!(
            "`{}` wrote nothing for {} and was killed",
            self.command.name(),
            show_duration(self.command.timeout)
        ))
        .hint("check whether it prompts for something; if it needs more time, set `timeout` in `[backup.decrypt]`")
    }
}

impl Read for Output {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ended || out.is_empty() {
            return Ok(0);
        }
        let read = self
            .runtime
            .block_on(async { timeout(self.command.timeout, self.stdout.read(out)).await });
        match read {
            Err(_) => {
                self.running.kill();
                Err(LayerError::from(self.too_long()).into())
            }
            Ok(Err(error)) => {
                let reason = format!(
                    "cannot read the output of `{}`: {error}",
                    self.command.name()
                );
                Err(LayerError::from(CouldNotRun::new(reason)).into())
            }
            Ok(Ok(0)) => {
                self.ended = true;
                self.finish()?;
                Ok(0)
            }
            Ok(Ok(read)) => {
                self.given += read as u64;
                Ok(read)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::time::{Duration, Instant};

    use rstest::rstest;

    use super::super::settings::Decrypt;
    use super::super::{Ended, Keys, Unpacked};
    use super::*;
    use crate::input::Environment;
    use crate::redact::Redactor;

    fn keys(settings: &str) -> Keys {
        let environment: Environment = [
            ("PATH", "/usr/bin:/bin"),
            ("HOME", "/nonexistent"),
            ("SECRET", "tops3cret"),
            ("OTHER", "not for the command"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let decrypt: Decrypt = toml::from_str(settings).unwrap();
        let folder = std::env::temp_dir();
        decrypt
            .keys(&folder, &environment, &Redactor::default(), "test")
            .unwrap()
    }

    /// A shell as the decrypt command, with little patience.
    fn shell(script: &str) -> Keys {
        keys(&format!(
            "command = ['sh', '-c', {script:?}]\ntimeout = '2s'\nenv = {{ S = {{ env = 'SECRET' }} }}"
        ))
    }

    /// Opens and reads to the end, on a thread as drills do.
    async fn read(packed: Vec<u8>, keys: Keys) -> Result<(Vec<u8>, Ended), LayerError> {
        tokio::task::spawn_blocking(move || {
            let mut unpacked = Unpacked::from_reader("t", Cursor::new(packed), &keys)?;
            let mut content = Vec::new();
            unpacked
                .read_to_end(&mut content)
                .map_err(|error| LayerError::of(&error))?;
            Ok((content, unpacked.end()?))
        })
        .await
        .unwrap()
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn the_file_goes_in_and_the_content_comes_out() {
        let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let (read, ended) = read(gzip(&content), shell("cat")).await.unwrap();
        assert!(read == content);
        assert_eq!((ended.problem, ended.warnings), (None, vec![]));
    }

    #[rstest]
    #[case::gpg(
        &["gpg", "--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase=p", "--symmetric"],
        "command = ['gpg', '--batch', '--quiet', '--pinentry-mode=loopback', '--passphrase=p', '--decrypt']"
    )]
    #[case::openssl(
        &["openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-pass", "pass:tops3cret"],
        "command = ['openssl', 'enc', '-d', '-aes-256-cbc', '-pbkdf2', '-pass', 'env:P']\nenv = { P = { env = 'SECRET' } }"
    )]
    #[tokio::test]
    async fn real_programs_decrypt(#[case] encrypt: &[&str], #[case] settings: &str) {
        let home = tempfile::tempdir().unwrap();
        let content = b"line\n".repeat(200_000);
        let plain = home.path().join("plain");
        std::fs::write(&plain, gzip(&content)).unwrap();
        let packed = std::process::Command::new(encrypt[0])
            .args(&encrypt[1..])
            .env("GNUPGHOME", home.path())
            .stdin(File::open(&plain).unwrap())
            .output()
            .unwrap();
        assert!(packed.status.success(), "{packed:?}");
        // Settings end with `env` or have none.
        let settings = match settings.contains("env =") {
            true => settings.to_owned(),
            false => format!("{settings}\nenv = {{ GNUPGHOME = {:?} }}", home.path()),
        };
        let (whole, ended) = read(packed.stdout.clone(), keys(&settings)).await.unwrap();
        assert!(whole == content);
        assert_eq!(ended.problem, None);
        // F11: cut in the middle.
        let cut = packed.stdout[..packed.stdout.len() / 2].to_vec();
        let error = read(cut, keys(&settings)).await.unwrap_err();
        assert!(error.to_string().contains("exit code"), "{error:?}");
        // Without the command it is known by sight.
        let error = read(packed.stdout, Keys::default()).await.unwrap_err();
        assert!(
            matches!(&error, LayerError::CouldNotRun(CouldNotRun { reason, hint: Some(_) }) if reason.contains("no command")),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn a_failure_behind_the_last_byte_is_an_error() {
        let error = read(
            b"content".to_vec(),
            shell("cat; echo bad tops3cret >&2; exit 3"),
        )
        .await;
        let Err(LayerError::Damaged(finding)) = error else {
            panic!("{error:?}")
        };
        assert_eq!(
            finding.actual,
            "`sh` ended with exit code 3 after 7 bytes: bad ***"
        );
    }

    #[rstest]
    #[case::no_output("cat > /dev/null; echo no key >&2; exit 2", "exit code 2: no key")]
    #[case::not_there("exec no-such-program", "exit code 127")]
    #[tokio::test]
    async fn a_command_that_gives_nothing_has_no_key(#[case] script: &str, #[case] expected: &str) {
        let error = read(b"content".to_vec(), shell(script)).await.unwrap_err();
        assert!(
            matches!(&error, LayerError::CouldNotRun(CouldNotRun { reason, hint: Some(_) }) if reason.contains(expected)),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let keys = keys("command = ['no-such-program']");
        let error = read(b"content".to_vec(), keys).await.unwrap_err();
        assert!(
            matches!(&error, LayerError::CouldNotRun(CouldNotRun { reason, hint: Some(_) }) if reason.contains("no-such-program")),
            "{error:?}"
        );
    }

    #[rstest]
    #[case::at_once("sleep 60")]
    #[case::in_the_middle("echo content; sleep 60")]
    #[case::at_its_end("cat; exec >&-; sleep 60")]
    #[case::without_reading("echo content; exec >&- <&-; sleep 60")]
    #[tokio::test]
    async fn a_command_that_hangs_is_killed(#[case] script: &str) {
        let began = Instant::now();
        let error = read(vec![b'x'; 1_000_000], shell(script))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, LayerError::CouldNotRun(CouldNotRun { reason, .. }) if reason.contains("wrote nothing for 2")),
            "{error:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    #[tokio::test]
    async fn a_command_that_a_signal_ends_says_nothing_about_the_backup() {
        let error = read(b"content".to_vec(), shell("cat; kill -9 $$"))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, LayerError::CouldNotRun(error) if error.reason.contains("killed by a signal")),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn a_flood_of_messages_neither_blocks_nor_is_kept() {
        let script = "yes flood | head -c 5000000 >&2; cat; exit 1";
        let error = read(b"content".to_vec(), shell(script)).await.unwrap_err();
        assert!(error.to_string().len() < 200, "{error}");
    }

    #[tokio::test]
    async fn it_gets_its_own_environment_and_nothing_else() {
        let script = "cat > /dev/null; env | cut -d= -f1 | sort | tr '\\n' ' '";
        let (content, _) = read(b"content".to_vec(), shell(script)).await.unwrap();
        assert_eq!(
            String::from_utf8_lossy(&content),
            "HOME PATH PWD REDRILL_RUN S "
        );
    }

    #[tokio::test]
    async fn a_file_that_is_not_read_to_its_end_is_a_warning() {
        let (content, ended) = read(vec![b'x'; 1_000_000], shell("head -c 9"))
            .await
            .unwrap();
        assert_eq!((content.len(), ended.file.bytes), (9, 1_000_000));
        assert_eq!(
            ended.warnings[0].actual,
            "it ended successfully before that"
        );
    }

    #[tokio::test]
    async fn who_stops_reading_leaves_nothing_running() {
        let mark = format!("97{}", std::process::id());
        let script = format!("echo content; sleep {mark} & setsid sleep {mark} & yes");
        let keys = shell(&script);
        tokio::task::spawn_blocking(move || {
            let packed = Cursor::new(vec![b'x'; 1_000_000]);
            drop(Unpacked::from_reader("t", packed, &keys).unwrap());
        })
        .await
        .unwrap();
        let line = format!("sleep\0{mark}\0").into_bytes();
        let left = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|process| {
                std::fs::read(process.path().join("cmdline")).is_ok_and(|found| found == line)
            });
        assert_eq!(left.count(), 0);
    }
}
