//! age, binary or armored, for X25519 and ssh identities. Every chunk is authenticated, and the last
//! one is marked as the last.

use std::io::{self, Read};

use age::armor::ArmoredReader;
use age::{DecryptError, Decryptor, Identity};

use super::buffered::Buffered;
use super::compressed::damaged;
use super::error::LayerError;
use super::keys::Identities;
use super::layer::{AGE, ARMORED_AGE, Layer};
use crate::outcome::CouldNotRun;

/// First bytes of a file of the supported version.
const KNOWN: &[u8] = b"age-encryption.org/v1\n";

/// Maximum size of a header in bytes, enough for thousands of recipients.
const HEADER: usize = 1024 * 1024;

/// Maximum length of a line of an armored file; the format allows 64 characters.
const LINE: usize = 1024;

const EXPECTED: &str = "an age file that decrypts to its end";

/// Parses identities from the text of a file of `age-keygen`, or of an ssh private key.
pub(super) fn identities(text: &str) -> Result<Identities, String> {
    let encrypted = "it is encrypted with a passphrase, which redrill does not ask for";
    if text.trim_start().starts_with("-----BEGIN ") {
        if text.as_bytes().starts_with(ARMORED_AGE) {
            return Err(encrypted.to_owned());
        }
        return match age::ssh::Identity::from_buffer(text.as_bytes(), None) {
            Ok(key @ age::ssh::Identity::Unencrypted(_)) => Ok(vec![Box::new(key)]),
            Ok(age::ssh::Identity::Encrypted(_)) => Err(encrypted.to_owned()),
            Ok(age::ssh::Identity::Unsupported(_)) => {
                Err("it is an ssh key of a type that age does not support".to_owned())
            }
            // The text of the error may contain a part of the key.
            Err(_) => Err("it is not an ssh private key in OpenSSH format".to_owned()),
        };
    }
    if text.as_bytes().starts_with(AGE) {
        return Err(encrypted.to_owned());
    }
    let found = age::IdentityFile::from_buffer(text.as_bytes())
        .map_err(|_| "it contains a line that is not an age identity".to_owned())?
        .into_identities()
        .map_err(|_| "it contains an identity that cannot be used".to_owned())?;
    if found.is_empty() {
        return Err("it contains no identity".to_owned());
    }
    Ok(found)
}

/// Decrypts with the first identity that matches.
pub(super) fn decrypt(
    mut input: Buffered,
    identities: &Identities,
) -> Result<impl Read + Send + use<>, LayerError> {
    if input
        .peek(ARMORED_AGE.len())
        .map_err(wrong)?
        .starts_with(ARMORED_AGE)
    {
        input = Buffered::new(Age(ArmoredReader::new(Lines { input, length: 0 })));
    }
    bounded_header(&mut input)?;
    let head = input.peek(KNOWN.len()).map_err(wrong)?;
    if head.len() >= KNOWN.len() && head.starts_with(AGE) && !head.starts_with(KNOWN) {
        return Err(CouldNotRun::with_hint(
            "it is encrypted with an unknown version of the age format",
            "let `[backup.decrypt] command = [\"age\", \"-d\", \"-i\", \"KEY-FILE\"]` decrypt it",
        )
        .into());
    }
    let decryptor = Decryptor::new_buffered(input).map_err(refused)?;
    if decryptor.is_scrypt() {
        return Err(CouldNotRun::with_hint(
            "it is encrypted with a passphrase, which redrill does not ask for",
            "encrypt to a recipient (`age -r age1…`), or set a command that has the passphrase: `[backup.decrypt] command = […]`",
        )
        .into());
    }
    let stream = decryptor
        .decrypt(
            identities
                .iter()
                .map(|identity| &**identity as &dyn Identity),
        )
        .map_err(refused)?;
    Ok(Age(stream))
}

/// Refuses a header without an end: it is kept in memory.
fn bounded_header(input: &mut Buffered) -> Result<(), LayerError> {
    let mut wanted = 4096;
    loop {
        let head = input.peek(wanted).map_err(wrong)?;
        let ends = memchr::memmem::find(head, b"\n--- ").is_some();
        if ends || head.len() < wanted {
            // The decryptor reports a truncated header.
            return Ok(());
        }
        if wanted >= HEADER {
            return Err(wrong(io::Error::other("its header does not end")));
        }
        wanted *= 4;
    }
}

fn refused(error: DecryptError) -> LayerError {
    match error {
        DecryptError::Io(error) => wrong(error),
        DecryptError::NoMatchingKeys => CouldNotRun::with_hint(
            "it is encrypted with age, and to none of the identities in `age-identity`",
            "set the identity of the recipient that the backup job encrypts to",
        )
        .into(),
        DecryptError::KeyDecryptionFailed => CouldNotRun::with_hint(
            "the identity in `age-identity` cannot be used",
            "set one that is not encrypted",
        )
        .into(),
        other => wrong(io::Error::other(other.to_string())),
    }
}

/// Keeps the error of a layer below.
fn wrong(error: io::Error) -> LayerError {
    LayerError::inside(&error)
        .cloned()
        .unwrap_or_else(|| damaged(&Layer::Age, EXPECTED, &error))
}

/// The content, with errors as [`LayerError`].
struct Age<R>(R);

impl<R: Read> Read for Age<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        Ok(self.0.read(out).map_err(wrong)?)
    }
}

/// Refuses a line without an end: armor is read line by line.
struct Lines {
    input: Buffered,
    /// Length of the line so far.
    length: usize,
}

impl Read for Lines {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        let mut rest = &out[..read];
        while let Some(at) = memchr::memchr(b'\n', &rest[..rest.len().min(LINE)]) {
            self.length = 0;
            rest = &rest[at + 1..];
        }
        self.length += rest.len();
        if self.length > LINE {
            return Err(io::Error::other("it has a line that is too long"));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};
    use std::iter::once;
    use std::sync::Arc;

    use age::armor::{ArmoredWriter, Format};
    use age::secrecy::{ExposeSecret as _, SecretString};
    use age::{Encryptor, Recipient, x25519};
    use rstest::rstest;

    use super::super::keys::Way;
    use super::super::{Keys, Unpacked};
    use super::*;

    /// Made for this test; it opens nothing.
    const SSH: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACBULai74g/MoDLxLQo63D/ARLwy+Tb/cse/oAOGaK3mFQAAAIhQ80x4UPNM
eAAAAAtzc2gtZWQyNTUxOQAAACBULai74g/MoDLxLQo63D/ARLwy+Tb/cse/oAOGaK3mFQ
AAAEAhpPorlVvw5mu3Bhdg+oLUQauvf+8K84GeSTVhZ6ivOlQtqLviD8ygMvEtCjrcP8BE
vDL5Nv9yx7+gA4ZoreYVAAAABHRlc3QB
-----END OPENSSH PRIVATE KEY-----
";
    const SSH_RECIPIENT: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFQtqLviD8ygMvEtCjrcP8BEvDL5Nv9yx7+gA4ZoreYV";

    fn keys(text: &str) -> Keys {
        Keys(Some(Way::Age(Arc::new(identities(text).unwrap()))))
    }

    fn encrypt(recipient: &dyn Recipient, armored: bool, content: &[u8]) -> Vec<u8> {
        let format = if armored {
            Format::AsciiArmor
        } else {
            Format::Binary
        };
        let encryptor = Encryptor::with_recipients(once(recipient)).unwrap();
        let armor = ArmoredWriter::wrap_output(Vec::new(), format).unwrap();
        let mut writer = encryptor.wrap_output(armor).unwrap();
        writer.write_all(content).unwrap();
        writer.finish().and_then(ArmoredWriter::finish).unwrap()
    }

    fn read(packed: &[u8], keys: &Keys) -> Result<Vec<u8>, LayerError> {
        let mut unpacked = Unpacked::from_reader("t", Cursor::new(packed.to_vec()), keys)?;
        assert_eq!(unpacked.layers()[0], Layer::Age);
        let mut content = Vec::new();
        unpacked
            .read_to_end(&mut content)
            .map_err(|error| LayerError::of(&error))?;
        Ok(content)
    }

    /// A new key: as text of `age-keygen`, and its recipient.
    fn key() -> (String, x25519::Recipient) {
        let key = x25519::Identity::generate();
        let text = format!("# created: today\n{}\n", key.to_string().expose_secret());
        (text, key.to_public())
    }

    #[rstest]
    fn what_was_encrypted_is_read_whole(
        #[values(false, true)] armored: bool,
        #[values(1, 65_535, 65_536, 65_537, 3 * 65_536)] bytes: usize,
    ) {
        let (text, recipient) = key();
        let ssh: age::ssh::Recipient = SSH_RECIPIENT.parse().unwrap();
        let content = vec![b'-'; bytes];
        for (keys, recipient) in [
            (keys(&text), &recipient as &dyn Recipient),
            (keys(SSH), &ssh),
        ] {
            let packed = encrypt(recipient, armored, &content);
            assert!(read(&packed, &keys).unwrap() == content);
        }
    }

    #[test]
    fn age_of_zstd_is_two_layers() {
        let (text, recipient) = key();
        let inside = ::zstd::encode_all(&b"content"[..], 3).unwrap();
        let packed = encrypt(&recipient, false, &inside);
        let unpacked = Unpacked::from_reader("t", Cursor::new(packed), &keys(&text)).unwrap();
        assert_eq!(unpacked.layers(), [Layer::Age, Layer::Zstd]);
        assert_eq!(unpacked.head(), b"content");
    }

    #[rstest]
    fn f11_a_cut_anywhere_is_an_error(#[values(false, true)] armored: bool) {
        let (text, recipient) = key();
        let keys = keys(&text);
        for bytes in [100, 2 * 65_536] {
            let good = encrypt(&recipient, armored, &vec![b'-'; bytes]);
            // Behind armor stands a line end, which nobody misses.
            let last = good.len() - usize::from(armored);
            let step = if bytes == 100 { 1 } else { 4001 };
            let chunk_ends = [65_536 + 16, 2 * (65_536 + 16)].map(|at| last.saturating_sub(at));
            for end in (ARMORED_AGE.len()..last).step_by(step).chain(chunk_ends) {
                if end < ARMORED_AGE.len() {
                    continue;
                }
                let error = read(&good[..end], &keys).unwrap_err();
                assert!(
                    matches!(error, LayerError::Damaged(_)),
                    "{end} of {last}: {error:?}"
                );
            }
        }
    }

    #[rstest]
    fn f12_f14_what_was_changed_or_appended_is_an_error(#[values(false, true)] armored: bool) {
        let (text, recipient) = key();
        let keys = keys(&text);
        let content = b"some content";
        let good = encrypt(&recipient, armored, content);
        for at in ARMORED_AGE.len()..good.len() {
            for mask in [1, 0x80] {
                let mut bytes = good.clone();
                bytes[at] ^= mask;
                match read(&bytes, &keys) {
                    // A stanza that is changed is one for somebody else.
                    Err(LayerError::Damaged(_)) => {}
                    Err(LayerError::CouldNotRun(error))
                        if ["identit", "passphrase", "version"]
                            .iter()
                            .any(|word| error.reason.contains(word)) => {}
                    Err(error) => panic!("{at}: {error:?}"),
                    Ok(read) => assert_eq!(read, content, "{at}"),
                }
            }
        }
        for tail in [&b"garbage"[..], &[0; 600]] {
            let error = read(&[&good, tail].concat(), &keys).unwrap_err();
            assert!(matches!(error, LayerError::Damaged(_)), "{error:?}");
        }
    }

    #[test]
    fn keys_that_do_not_fit_say_nothing_about_the_backup() {
        let (_, recipient) = key();
        let (other, _) = key();
        let packed = encrypt(&recipient, false, b"content");
        let secret = SecretString::from("passphrase".to_owned());
        let mut with_passphrase = age::scrypt::Recipient::new(secret);
        with_passphrase.set_work_factor(2);
        let with_passphrase = encrypt(&with_passphrase, true, b"content");
        for (packed, keys, expected) in [
            (&packed, Keys::default(), "has no identity"),
            (&packed, keys(&other), "none of the identities"),
            (&packed, keys(SSH), "none of the identities"),
            (&with_passphrase, keys(&other), "a passphrase"),
        ] {
            let error = read(packed, &keys).unwrap_err();
            assert!(
                matches!(&error, LayerError::CouldNotRun(CouldNotRun { reason, hint: Some(_) }) if reason.contains(expected)),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_newer_version_is_no_damage() {
        let error = read(b"age-encryption.org/v2\n-> x\n--- y\n", &keys(SSH)).unwrap_err();
        assert!(
            matches!(&error, LayerError::CouldNotRun(error) if error.reason.contains("version")),
            "{error:?}"
        );
    }

    #[rstest]
    #[case::header([&b"age-encryption.org/v1\n"[..], &b"-> a b\nQUJD\n".repeat(200_000)].concat())]
    #[case::line([ARMORED_AGE, b"\n", &[b'A'; 3_000_000]].concat())]
    fn a_file_without_an_end_is_not_kept_in_memory(#[case] packed: Vec<u8>) {
        let error = read(&packed, &keys(SSH)).unwrap_err();
        assert!(matches!(error, LayerError::Damaged(_)), "{error:?}");
    }
}
