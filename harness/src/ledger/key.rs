//! The key that signs entries and checkpoints: ed25519, in the files that `ssh-keygen` writes.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, Signature, SshSig};

use crate::outcome::CouldNotRun;

/// What the SSH signature of a checkpoint is for: `ssh-keygen -Y verify -n redrill-checkpoint`.
pub const NAMESPACE: &str = "redrill-checkpoint";

/// Bits of the mode that let others read or write.
const OTHERS: u32 = 0o077;

/// A private key.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: Public,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public.fingerprint())
    }
}

impl Signer {
    /// Reads a private key.
    ///
    /// # Errors
    /// It cannot be read, others may read it, it has a passphrase, or is no ed25519 key.
    pub fn read(path: &Path) -> Result<Self, CouldNotRun> {
        let shown = path.display();
        let cannot = |why: String, hint: &str| {
            CouldNotRun::with_hint(format!("the key {shown} cannot sign: {why}"), hint)
        };
        let make = "make one with `ssh-keygen -t ed25519 -N '' -f FILE`";
        let mode = fs::metadata(path)
            .map_err(|error| cannot(error.to_string(), make))?
            .permissions()
            .mode();
        if mode & OTHERS != 0 {
            return Err(cannot(
                format!(
                    "its mode is {:04o}, so that others can use it",
                    mode & 0o7777
                ),
                &format!("`chmod 600 {shown}`; if others may have read it, make a new one"),
            ));
        }
        let text = fs::read(path).map_err(|error| cannot(error.to_string(), make))?;
        let other = || cannot("it is no ed25519 key of OpenSSH".to_owned(), make);
        let key = PrivateKey::from_openssh(&text).map_err(|_| other())?;
        if key.is_encrypted() {
            return Err(cannot("it has a passphrase".to_owned(), make));
        }
        let pair = key.key_data().ed25519().ok_or_else(other)?;
        let public = Public(pair.public.0);
        Ed25519KeyPair::from_seed_and_public_key(&pair.private.to_bytes(), &public.0)
            .map(|pair| Self { pair, public })
            .map_err(|_| cannot("its two halves do not belong together".to_owned(), make))
    }

    /// Its public half.
    #[must_use]
    pub const fn public(&self) -> Public {
        self.public
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// Signs a file as `ssh-keygen -Y sign -n redrill-checkpoint` does.
    ///
    /// # Errors
    /// None in practice: every text can be signed.
    pub fn sign_file(&self, text: &str) -> Result<String, CouldNotRun> {
        let signed = || {
            let data = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, text.as_bytes())?;
            let signature = Signature::new(Algorithm::Ed25519, self.sign(&data))?;
            let key = KeyData::from(Ed25519PublicKey(self.public.0));
            SshSig::new(key, NAMESPACE, HashAlg::Sha512, signature)?.to_pem(LineEnding::LF)
        };
        signed().map_err(|error| CouldNotRun::new(format!("cannot sign: {error}")))
    }
}

/// A public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Public([u8; 32]);

impl Public {
    /// Reads a key in the form of OpenSSH: `ssh-ed25519 AAAA… comment`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let key = PublicKey::from_openssh(line.trim()).ok()?;
        Some(Self(key.key_data().ed25519()?.0))
    }

    /// In the form of OpenSSH, without a comment.
    #[must_use]
    pub fn openssh(&self) -> String {
        let key = PublicKey::from(Ed25519PublicKey(self.0));
        key.to_openssh().unwrap_or_default()
    }

    /// As `ssh-keygen -l` shows it: `SHA256:…`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let key = PublicKey::from(Ed25519PublicKey(self.0));
        key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Whether the key signed a message.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(message, signature)
            .is_ok()
    }

    /// The key that signed a file, in the form of [`Signer::sign_file`]; `None` where the signature is not one of this file.
    #[must_use]
    pub fn of_signed_file(text: &str, signature: &str) -> Option<Self> {
        let signature = SshSig::from_pem(signature).ok()?;
        let key = Self(signature.public_key().ed25519()?.0);
        let data = SshSig::signed_data(NAMESPACE, signature.hash_alg(), text.as_bytes()).ok()?;
        let right = signature.namespace() == NAMESPACE && signature.reserved().is_empty();
        (right && key.verifies(&data, signature.signature_bytes())).then_some(key)
    }
}

/// Reads the keys of a public key file or of an `allowed_signers` file of OpenSSH: all that are ed25519.
#[must_use]
pub fn allowed(text: &str) -> Vec<Public> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    let keys = lines.filter_map(|line| Public::parse(&line[line.find("ssh-ed25519 ")?..]));
    keys.collect()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::path::PathBuf;
    use std::process::Command;

    use rstest::rstest;

    use super::*;

    /// A key made by `ssh-keygen`.
    fn key(folder: &Path, arguments: &[&str]) -> PathBuf {
        let path = folder.join("key");
        let mut command = Command::new("ssh-keygen");
        let output = command
            .args(["-q", "-f"])
            .arg(&path)
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        path
    }

    #[test]
    fn what_is_signed_is_verified_by_its_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = key(folder.path(), &["-t", "ed25519", "-N", "", "-C", "ops"]);
        let signer = Signer::read(&path).unwrap();
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        assert_eq!(Public::parse(&public), Some(signer.public()));
        assert_eq!(public.trim_end(), signer.public().openssh() + " ops");
        assert_eq!(
            allowed(&format!("# drills\nops@x namespaces=\"a\" {public}\n")),
            [signer.public()]
        );
        let signature = signer.sign(b"a");
        assert!(signer.public().verifies(b"a", &signature));
        assert!(!signer.public().verifies(b"b", &signature));
        let file = signer.sign_file("a\n").unwrap();
        assert_eq!(Public::of_signed_file("a\n", &file), Some(signer.public()));
        assert_eq!(Public::of_signed_file("b\n", &file), None);
        assert_eq!(Public::of_signed_file("a\n", "nonsense"), None);
    }

    #[rstest]
    #[case::others_read_it(&["-t", "ed25519", "-N", ""], 0o640, "its mode is 0640, so that others can use it")]
    #[case::of_another_type(&["-t", "ecdsa", "-N", ""], 0o600, "it is no ed25519 key of OpenSSH")]
    #[case::of_one_more(&["-t", "rsa", "-N", ""], 0o600, "it is no ed25519 key of OpenSSH")]
    #[case::with_a_passphrase(&["-t", "ed25519", "-N", "secret"], 0o600, "it has a passphrase")]
    fn a_key_that_cannot_sign_is_refused(
        #[case] arguments: &[&str],
        #[case] mode: u32,
        #[case] why: &str,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = key(folder.path(), arguments);
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = Signer::read(&path).unwrap_err();
        assert!(error.reason.ends_with(why), "{}", error.reason);
        assert!(error.hint.is_some());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(
            Signer::read(&path)
                .unwrap_err()
                .reason
                .contains("No such file")
        );
        fs::write(&path, "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let error = Signer::read(&path).unwrap_err();
        assert!(
            error.reason.ends_with("it is no ed25519 key of OpenSSH"),
            "{}",
            error.reason
        );
    }
}
