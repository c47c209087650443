//! Who signs: a key, or a command of the user.

use super::key::{Public, Signer};
use super::sign_command::SignCommand;
use crate::outcome::CouldNotRun;

/// Who signs entries and checkpoints.
#[derive(Debug, Clone, Copy)]
pub enum Signing<'a> {
    /// A key that redrill has.
    Key(&'a Signer),
    /// A command that has one.
    Command(&'a SignCommand),
}

impl<'a> From<&'a Signer> for Signing<'a> {
    fn from(signer: &'a Signer) -> Self {
        Self::Key(signer)
    }
}

impl Signing<'_> {
    /// How it is named in an envelope: fingerprint of the key, or `command:` and the program.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Key(signer) => signer.public().fingerprint(),
            Self::Command(command) => command.id(),
        }
    }

    /// The key; `None` where only a command knows it.
    #[must_use]
    pub fn public(&self) -> Option<Public> {
        match self {
            Self::Key(signer) => Some(signer.public()),
            Self::Command(_) => None,
        }
    }

    /// Signs a message.
    ///
    /// # Errors
    /// The command fails.
    pub async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CouldNotRun> {
        match self {
            Self::Key(signer) => Ok(signer.sign(message)),
            Self::Command(command) => command.sign(message).await,
        }
    }

    /// Signs a file: by a key in the form of OpenSSH, by a command in the form that it has.
    ///
    /// # Errors
    /// The command fails.
    pub async fn sign_file(&self, text: &str) -> Result<Vec<u8>, CouldNotRun> {
        match self {
            Self::Key(signer) => Ok(signer.sign_file(text)?.into_bytes()),
            Self::Command(command) => command.sign(text.as_bytes()).await,
        }
    }
}
