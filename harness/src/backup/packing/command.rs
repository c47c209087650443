//! A decrypt command: it reads the file and writes the content, and only its exit code proves that the
//! content is complete.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStdout;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::Layer;
use super::buffered::Buffered;
use super::compressed::Notes;
use super::keys::Command;
use super::trouble::Trouble;
use crate::outcome::Finding;
use crate::process::{self, Input, Program, Running};
use crate::units::show_duration;

/// Lines of standard error that a message shows, and characters of each.
const LINES: usize = 5;
const LINE: usize = 300;

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
) -> Result<Output, Trouble> {
    let runtime = Handle::try_current().map_err(|error| Trouble::place(error.to_string()))?;
    let name = command.name();
    let mut running = process::spawn(Program {
        path: command.program.clone(),
        arguments: command.arguments.clone(),
        environment: command.environment.clone(),
        folder: Some(command.folder.clone()),
        input: Input::Pipe,
        run: command.run.clone(),
        ..Program::default()
    })
    .map_err(|error| {
        Trouble::keys(
            command.redactor.clean(&error.to_string()),
            "`command` of `[backup.decrypt]` is searched in PATH, or relative to the scenario file",
        )
    })?;
    let (Some(stdin), Some(stdout)) = (running.stdin(), running.stdout()) else {
        return Err(Trouble::place(format!("`{name}` without standard streams")));
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
        .map_err(|error| Trouble::place(format!("cannot write to `{name}`: {error}")))?;
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
    fn finish(&mut self) -> Result<(), Trouble> {
        let name = self.command.name();
        let waited = self
            .runtime
            .block_on(async { timeout(self.command.timeout, self.running.wait()).await });
        self.running.kill();
        let status = match waited {
            Err(_) => return Err(self.too_long()),
            Ok(status) => {
                status.map_err(|error| Trouble::place(format!("lost `{name}`: {error}")))?
            }
        };
        let read_all = match self.feeder.take().map(JoinHandle::join) {
            Some(Ok(Ok(_))) => true,
            Some(Ok(Err(error))) if error.kind() == io::ErrorKind::BrokenPipe => false,
            Some(Ok(Err(error))) => return Err(Trouble::of(&error)),
            Some(Err(_)) | None => {
                return Err(Trouble::place(format!(
                    "the thread that writes to `{name}` ended"
                )));
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
        let words = self.last_words();
        let Some(code) = status.code() else {
            return Err(Trouble::place(format!(
                "`{name}` was killed by a signal{words}"
            )));
        };
        let ended = format!("`{name}` ended with exit code {code}");
        if self.given == 0 {
            let hint = "it wrote nothing: check that the key is right and that the command may use it without a prompt; run it by hand with the file on its standard input";
            return Err(Trouble::keys(format!("{ended}{words}"), hint));
        }
        Err(Trouble::Backup(
            Finding::new(
                format!("`{name}` decrypts the file to its end"),
                format!("{ended} after {} bytes{words}", self.given),
            )
            .hint("the file is truncated or was changed, unless the command reports another reason above"),
        ))
    }

    fn too_long(&self) -> Trouble {
        Trouble::place(format!(
            "`{}` wrote nothing for {} and was killed",
            self.command.name(),
            show_duration(self.command.timeout)
        ))
        .hint("check whether it prompts for something; if it needs more time, set `timeout` in `[backup.decrypt]`")
    }

    /// The end of its standard error, without secrets.
    fn last_words(&mut self) -> String {
        // The pipe closes with the processes; one that escaped must not block the drill.
        let waited = self
            .runtime
            .block_on(async { timeout(Duration::from_secs(2), &mut self.stderr).await });
        let Ok(Ok(text)) = waited else {
            return String::new();
        };
        let text = self.command.redactor.clean(&text);
        let lines: Vec<String> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(|line| {
                line.chars()
                    .map(|c| if c.is_control() { ' ' } else { c })
                    .take(LINE)
                    .collect()
            })
            .collect();
        match &lines[lines.len().saturating_sub(LINES)..] {
            [] => String::new(),
            last => format!(": {}", last.join("; ")),
        }
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
                Err(self.too_long().into())
            }
            Ok(Err(error)) => {
                let what = format!(
                    "cannot read the output of `{}`: {error}",
                    self.command.name()
                );
                Err(Trouble::place(what).into())
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

impl Layer {
    /// The layer that a command removes.
    pub(super) fn of_command(command: &Command) -> Self {
        Self::Command(command.name())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::time::Instant;

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
    async fn read(packed: Vec<u8>, keys: Keys) -> Result<(Vec<u8>, Ended), Trouble> {
        tokio::task::spawn_blocking(move || {
            let mut unpacked = Unpacked::from_reader("t", Cursor::new(packed), &keys)
                .map_err(|error| error.trouble)?;
            let mut content = Vec::new();
            unpacked
                .read_to_end(&mut content)
                .map_err(|error| Trouble::of(&error))?;
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
        let trouble = read(cut, keys(&settings)).await.unwrap_err();
        assert!(!matches!(trouble, Trouble::Place { .. }), "{trouble:?}");
        // Without the command it is known by sight.
        let trouble = read(packed.stdout, Keys::default()).await.unwrap_err();
        assert!(
            matches!(&trouble, Trouble::Keys { reason, .. } if reason.contains("no command")),
            "{trouble:?}"
        );
    }

    #[tokio::test]
    async fn a_failure_behind_the_last_byte_is_an_error() {
        let trouble = read(
            b"content".to_vec(),
            shell("cat; echo bad tops3cret >&2; exit 3"),
        )
        .await;
        let Err(Trouble::Backup(finding)) = trouble else {
            panic!("{trouble:?}")
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
        let trouble = read(b"content".to_vec(), shell(script)).await.unwrap_err();
        assert!(
            matches!(&trouble, Trouble::Keys { reason, .. } if reason.contains(expected)),
            "{trouble:?}"
        );
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let keys = keys("command = ['no-such-program']");
        let trouble = read(b"content".to_vec(), keys).await.unwrap_err();
        assert!(
            matches!(&trouble, Trouble::Keys { reason, .. } if reason.contains("no-such-program")),
            "{trouble:?}"
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
        let trouble = read(vec![b'x'; 1_000_000], shell(script))
            .await
            .unwrap_err();
        assert!(
            matches!(&trouble, Trouble::Place { reason, .. } if reason.contains("wrote nothing for 2")),
            "{trouble:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    #[tokio::test]
    async fn a_command_that_a_signal_ends_says_nothing_about_the_backup() {
        let trouble = read(b"content".to_vec(), shell("cat; kill -9 $$"))
            .await
            .unwrap_err();
        assert!(matches!(trouble, Trouble::Place { .. }), "{trouble:?}");
    }

    #[tokio::test]
    async fn a_flood_of_messages_neither_blocks_nor_is_kept() {
        let script = "yes flood | head -c 5000000 >&2; cat; exit 1";
        let trouble = read(b"content".to_vec(), shell(script)).await.unwrap_err();
        assert!(trouble.to_string().len() < 200, "{trouble}");
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
