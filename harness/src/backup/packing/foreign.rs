//! Formats that redrill recognises and cannot read without a command.

use super::keys::{Keys, Way};
use super::layer::Layer;
use crate::outcome::CouldNotRun;

/// Refuses content that needs a decrypt command, and names the command.
pub(super) fn refuse(head: &[u8], keys: &Keys, layers: &[Layer]) -> Result<(), CouldNotRun> {
    let Some((what, command)) = known(head) else {
        return Ok(());
    };
    Err(match &keys.0 {
        Some(Way::Command(decrypt)) => CouldNotRun::with_hint(
            format!("`{}` wrote {what}", decrypt.name()),
            format!("redrill runs one command: it must do this too, as `{command}` does"),
        ),
        _ => {
            let outside = layers
                .iter()
                .map(|layer| format!("{layer} of "))
                .collect::<String>();
            CouldNotRun::with_hint(
                format!("it is {outside}{what}, and the scenario sets no command for it"),
                format!("add `{}` to the scenario", setting(command)),
            )
        }
    })
}

/// A command as written in a scenario.
pub(super) fn setting(command: &str) -> String {
    let words: Vec<String> = command.split(' ').map(|word| format!("{word:?}")).collect();
    format!("[backup.decrypt] command = [{}]", words.join(", "))
}

/// The format, and the command that reads it.
fn known(head: &[u8]) -> Option<(&'static str, &'static str)> {
    const GPG: &str = "gpg --batch --decrypt";
    if head.starts_with(b"-----BEGIN PGP MESSAGE-----") || is_openpgp(head) {
        Some(("an OpenPGP file", GPG))
    } else if head.starts_with(b"Salted__") {
        Some((
            "a file of `openssl enc`",
            "openssl enc -d -aes-256-cbc -pbkdf2 -pass file:/etc/backup.pass",
        ))
    } else if head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY") {
        Some(("a bzip2 file", "bzip2 -dc"))
    } else if head.starts_with(&[0x02, 0x21, 0x4c, 0x18]) {
        Some(("a file in lz4's legacy format", "lz4 -dc"))
    } else {
        None
    }
}

/// Whether this is an OpenPGP packet that contains or introduces encrypted data, according to its tag
/// and the version after its length (RFC 9580, 4.2 and 5).
fn is_openpgp(head: &[u8]) -> bool {
    let (tag, version) = match *head {
        // The old format has the size of its length in the lowest two bits.
        [first @ 0x80..=0xbf, ref rest @ ..] => {
            let length = match first & 3 {
                0 => 1,
                1 => 2,
                2 => 4,
                _ => 0,
            };
            ((first >> 2) & 15, rest.get(length))
        }
        [first @ 0xc0..=0xff, length, ref rest @ ..] => {
            let more = match length {
                0..=191 | 224..=254 => 0,
                192..=223 => 1,
                255 => 4,
            };
            (first & 63, rest.get(more))
        }
        _ => return false,
    };
    matches!(
        (tag, version),
        (1, Some(3 | 6)) | (3, Some(4..=6)) | (18, Some(1 | 2)) | (20, Some(1))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::public_key(b"\x85\x01\x0c\x03\xaa", true)]
    #[case::elliptic(b"\x84\x5e\x03\xaa", true)]
    #[case::passphrase(b"\x8c\x0d\x04\x09", true)]
    #[case::new_format(b"\xc1\xc0\x4c\x03\xaa", true)]
    #[case::armored(b"-----BEGIN PGP MESSAGE-----\n", true)]
    #[case::openssl(b"Salted__\x01\x02", true)]
    #[case::bzip2(b"BZh91AY&SY", true)]
    #[case::sql(b"--\n-- PostgreSQL database dump", false)]
    #[case::archive(b"PGDMP\x01\x10", false)]
    #[case::utf8(b"\xef\xbb\xbfSET x = 1;", false)]
    #[case::utf16(b"\xff\xfe-\0-\0", false)]
    #[case::latin1(b"\xc4nderungen", false)]
    #[case::nothing(b"", false)]
    #[case::one_byte(b"\x85", false)]
    fn what_needs_a_command_is_told(#[case] head: &[u8], #[case] foreign: bool) {
        assert_eq!(known(head).is_some(), foreign);
        if foreign {
            let error = refuse(head, &Keys::default(), &[]).unwrap_err();
            assert!(
                matches!(&error.hint, Some(hint) if hint.contains("[backup.decrypt] command = [\"")),
                "{error:?}"
            );
        }
    }
}
