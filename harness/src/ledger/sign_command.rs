//! Other signers: a program of the user that signs (cosign, a KMS, openssl, ssh-agent), and one that verifies. redrill has no key.
//!
//! A signer gets what is signed on standard input and writes the signature to standard output, whatever its form. A verifier
//! gets the same, and `{signature}` in its words is a file with the signature; it ends with 0 where that is valid. There is no
//! shell: words are separated by spaces.

use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::input::Environment;
use crate::outcome::CouldNotRun;
use crate::process::{self, Input, Program, keep_end, last_lines};
use crate::redact::{Redactor, Secret};

/// What the id of such a signer begins with, in an envelope.
const COMMAND: &str = "command:";

/// The word of a verifying command that stands for the file with the signature.
const SIGNATURE: &str = "{signature}";

/// How long one signature may take: a person may have to touch a key.
const LIMIT: Duration = Duration::from_secs(60);

/// Bytes that a signature may have; one of a certificate chain has some thousands.
const LONGEST: usize = 64 * 1024;

/// Variables whose values may be in a message. All others may be secrets.
const HARMLESS: [&str; 10] = [
    "PATH", "HOME", "PWD", "OLDPWD", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR",
];

/// Whether the id of a key is that of a command.
pub(super) fn is_command(keyid: &str) -> bool {
    keyid.starts_with(COMMAND)
}

/// A command that signs.
#[derive(Debug, Clone)]
pub struct SignCommand(Words);

/// A command that verifies what a [`SignCommand`] signed.
#[derive(Debug, Clone)]
pub struct VerifyCommand(Words);

impl SignCommand {
    /// Reads a command, and lets it sign two probes: a drill of hours should not end without its signature.
    ///
    /// # Errors
    /// It fails, prints nothing, or something else than a signature: what does not depend on what is signed, or what
    /// `verifier` refuses.
    pub async fn open(
        text: &str,
        verifier: Option<&VerifyCommand>,
        environment: &Environment,
        limit: Option<Duration>,
    ) -> Result<Self, CouldNotRun> {
        let command = Self(Words::read("--sign-command", text, environment, limit)?);
        let (one, other): (&[u8], &[u8]) = (b"redrill probe 1\n", b"redrill probe 2\n");
        let signature = command.sign(one).await?;
        if signature == command.sign(other).await? {
            return Err(command.0.failed(
                "it prints the same for two contents, so it is no signature",
                "it gets what is signed on standard input: some programs need `-` or `/dev/stdin` as an argument",
            ));
        }
        if let Some(verifier) = verifier
            && !verifier.verifies(one, &signature).await?
        {
            return Err(command.0.failed(
                "`--verify-command` refuses its signature",
                "both need the two halves of one key, and the same algorithm",
            ));
        }
        Ok(command)
    }

    /// How it is named in an envelope and in reports: `command:openssl`.
    #[must_use]
    pub fn id(&self) -> String {
        let name = Path::new(&self.0.program).file_name();
        format!("{COMMAND}{}", name.unwrap_or_default().to_string_lossy())
    }

    /// Signs.
    ///
    /// # Errors
    /// It fails, takes too long, or prints nothing, what it got, or too much.
    pub async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CouldNotRun> {
        let signature = self.0.run(message, None).await?;
        let hint = "it has to write the signature, and nothing else, to standard output";
        match signature.map_err(|why| {
            self.0
                .failed(&why, "try the command in a shell: `printf a | COMMAND`")
        })? {
            signature if signature.trim_ascii().is_empty() => {
                Err(self.0.failed("it printed nothing", hint))
            }
            signature if signature == message => {
                Err(self.0.failed("it printed what it should sign", hint))
            }
            signature => Ok(signature),
        }
    }
}

impl VerifyCommand {
    /// Reads a command.
    ///
    /// # Errors
    /// It has no word `{signature}`.
    pub fn read(text: &str, environment: &Environment) -> Result<Self, CouldNotRun> {
        let words = Words::read("--verify-command", text, environment, None)?;
        if !words.arguments.iter().any(|word| word.contains(SIGNATURE)) {
            return Err(words.failed(
                "it has no `{signature}`",
                "write it where the program takes the file with the signature, as in `openssl dgst -sha256 -verify key.pem -signature {signature}`",
            ));
        }
        Ok(Self(words))
    }

    /// Whether it accepts a signature.
    ///
    /// # Errors
    /// It does not start, or takes too long.
    pub async fn verifies(&self, message: &[u8], signature: &[u8]) -> Result<bool, CouldNotRun> {
        let failed = |error: std::io::Error| self.0.failed(&error.to_string(), "");
        let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
        file.write_all(signature).map_err(failed)?;
        Ok(self.0.run(message, Some(file.path())).await?.is_ok())
    }
}

/// The words of a command, and what it gets.
#[derive(Clone)]
struct Words {
    option: &'static str,
    program: String,
    arguments: Vec<String>,
    environment: Environment,
    limit: Duration,
}

impl fmt::Debug for Words {
    /// The environment has secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({})", self.program)
    }
}

impl Words {
    fn read(
        option: &'static str,
        text: &str,
        environment: &Environment,
        limit: Option<Duration>,
    ) -> Result<Self, CouldNotRun> {
        let mut words = text.split_ascii_whitespace().map(str::to_owned);
        let program = words.next().ok_or_else(|| {
            CouldNotRun::with_hint(
                format!("`{option}` names no program"),
                "write the program and its arguments, separated by spaces; there is no shell",
            )
        })?;
        Ok(Self {
            option,
            program,
            arguments: words.collect(),
            environment: environment.clone(),
            limit: limit.unwrap_or(LIMIT),
        })
    }

    fn failed(&self, why: &str, hint: &str) -> CouldNotRun {
        CouldNotRun::with_hint(format!("`{} {} …`: {why}", self.option, self.program), hint)
    }

    /// Runs it with this input; what it printed, or why it failed.
    ///
    /// # Errors
    /// It does not start, or takes too long.
    async fn run(
        &self,
        message: &[u8],
        signature: Option<&Path>,
    ) -> Result<Result<Vec<u8>, String>, CouldNotRun> {
        let file = signature.map(|path| path.display().to_string());
        let with_file = |word: &String| match &file {
            Some(file) => word.replace(SIGNATURE, file),
            None => word.clone(),
        };
        let hint = "the program must be in `PATH` or be named with its folder";
        let mut running = process::spawn(Program {
            path: self.program.clone().into(),
            arguments: self.arguments.iter().map(with_file).collect(),
            environment: self.environment.clone().into_iter().collect(),
            // Files of its arguments are relative to where redrill was started.
            folder: std::env::current_dir().ok(),
            input: Input::Pipe,
            run: "sign".to_owned(),
            ..Program::default()
        })
        .map_err(|error| self.failed(&error.to_string(), hint))?;
        let (stdin, stdout) = (running.stdin(), running.stdout());
        let mut stderr = tokio::spawn(keep_end(running.stderr()));
        let work = async {
            let write = async {
                if let Some(mut stdin) = stdin {
                    // A program that does not read it to the end says with its exit code whether that is an error.
                    let _ = stdin.write_all(message).await;
                    let _ = stdin.shutdown().await;
                }
            };
            let read = async {
                let mut printed = Vec::new();
                if let Some(stdout) = stdout {
                    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX) + 1;
                    // What it could not read is missing, which is an error of its own.
                    let _ = stdout.take(most).read_to_end(&mut printed).await;
                }
                printed
            };
            let ((), printed) = tokio::join!(write, read);
            (running.wait().await, printed)
        };
        let ended = tokio::time::timeout(self.limit, work).await;
        running.kill();
        match ended {
            Err(_) => Err(self.failed(
                &format!("it did not end within {:?} and was ended", self.limit),
                "a program that asks for a passphrase or a touch cannot be answered here",
            )),
            Ok((Err(error), _)) => Err(self.failed(&error.to_string(), hint)),
            Ok((Ok(_), printed)) if printed.len() > LONGEST => {
                Ok(Err(format!("it printed more than {LONGEST} bytes")))
            }
            Ok((Ok(status), printed)) if status.success() => Ok(Ok(printed)),
            Ok((Ok(status), _)) => {
                let said = last_lines(&mut stderr, &self.secrets()).await;
                Ok(Err(format!("it ended with {status}{said}")))
            }
        }
    }

    /// Whatever in its environment may be a secret.
    fn secrets(&self) -> Redactor {
        let redactor = Redactor::default();
        for (name, value) in &self.environment {
            if !HARMLESS.contains(&name.as_str()) {
                redactor.learn(&Secret::new(value.clone()));
            }
        }
        redactor
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use rstest::rstest;

    use super::*;

    fn environment() -> Environment {
        let path = std::env::var("PATH").unwrap();
        [("PATH", path.as_str()), ("PIN", "geheim-4711")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn run(folder: &Path, words: &str) {
        let mut words = words.split(' ');
        let mut command = Command::new(words.next().unwrap());
        let output = command.args(words).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// The commands of the documentation, with the real programs.
    #[rstest]
    #[case::openssl(
        &["openssl ecparam -name prime256v1 -genkey -noout -out key.pem", "openssl ec -in key.pem -pubout -out pub.pem"],
        "openssl dgst -sha256 -sign @/key.pem",
        "openssl dgst -sha256 -verify @/pub.pem -signature {signature}",
    )]
    #[case::ssh(
        &["ssh-keygen -q -t rsa -N  -f key"],
        "ssh-keygen -q -Y sign -n redrill -f @/key",
        "ssh-keygen -q -Y check-novalidate -n redrill -s {signature}",
    )]
    #[tokio::test]
    async fn a_program_signs_and_another_verifies(
        #[case] prepare: &[&str],
        #[case] sign: &str,
        #[case] verify: &str,
    ) {
        let folder = tempfile::tempdir().unwrap();
        prepare.iter().for_each(|words| run(folder.path(), words));
        let at = |text: &str| text.replace('@', &folder.path().display().to_string());
        let verifier = VerifyCommand::read(&at(verify), &environment()).unwrap();
        let signer = SignCommand::open(&at(sign), Some(&verifier), &environment(), None)
            .await
            .unwrap();
        assert!(is_command(&signer.id()));
        let signature = signer.sign(b"a").await.unwrap();
        assert!(verifier.verifies(b"a", &signature).await.unwrap());
        assert!(!verifier.verifies(b"b", &signature).await.unwrap());
        assert!(!verifier.verifies(b"a", b"nonsense").await.unwrap());
    }

    #[rstest]
    #[case::no_program("", "names no program")]
    #[case::not_there("no-such-program -x", "cannot start `no-such-program`")]
    #[case::fails("@/fail", "it ended with exit status: 7: no key for *** here")]
    #[case::prints_nothing("true", "it printed nothing")]
    #[case::blank("echo", "it printed nothing")]
    #[case::does_not_read("echo garbage", "it prints the same for two contents")]
    #[case::prints_its_input("cat", "it printed what it should sign")]
    #[case::prints_without_end("yes", "it printed more than 65536 bytes")]
    #[case::hangs("sleep 600", "it did not end within")]
    #[case::refused("sha256sum", "`--verify-command` refuses its signature")]
    #[tokio::test]
    async fn what_does_not_sign_is_an_error(#[case] command: &str, #[case] why: &str) {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("fail");
        fs::write(
            &script,
            "#!/bin/sh\necho \"no key for $PIN here\" >&2\nexit 7\n",
        )
        .unwrap();
        run(folder.path(), "chmod 700 fail");
        let command = command.replace('@', &folder.path().display().to_string());
        let verifier = VerifyCommand::read("false {signature}", &environment()).unwrap();
        let limit = Some(Duration::from_secs(3));
        let error = SignCommand::open(&command, Some(&verifier), &environment(), limit)
            .await
            .unwrap_err();
        assert!(error.reason.contains(why), "{}", error.reason);
        assert!(!error.reason.contains("geheim"), "{}", error.reason);
        assert!(error.hint.is_some());
    }

    #[test]
    fn a_verifier_needs_the_signature() {
        let error = VerifyCommand::read("openssl dgst", &environment()).unwrap_err();
        assert!(error.reason.contains("it has no `{signature}`"));
        assert!(
            !format!("{:?}", VerifyCommand::read("a {signature}", &environment()))
                .contains("geheim")
        );
    }
}
