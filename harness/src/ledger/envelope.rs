//! The envelope of an entry: DSSE, the Dead Simple Signing Envelope, version 1.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::key::Public;
use super::sign_command::is_command;
use super::signing::Signing;
use crate::outcome::CouldNotRun;

/// The type of what is inside: an in-toto statement.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// An envelope, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    payload_type: String,
    /// Base64.
    payload: String,
    signatures: Vec<Signed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Signed {
    /// Fingerprint of the key.
    keyid: String,
    /// Base64.
    sig: String,
}

/// Who signed an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedBy {
    /// Nobody.
    Nobody,
    /// This key.
    Key(Public),
    /// A command, by its id, whose signature another command accepted.
    Command(String),
    /// A command, by its id; nobody verified the signature.
    NotVerified(String),
    /// A key that is not known, by its fingerprint: the signature was not verified.
    Unknown(String),
    /// The signature is not one of this key, by its fingerprint, over this content.
    Wrong(String),
}

impl Envelope {
    /// Puts a statement into an envelope, signed where there is a key.
    ///
    /// # Errors
    /// A command does not sign.
    pub async fn seal(statement: &[u8], signer: Option<Signing<'_>>) -> Result<Self, CouldNotRun> {
        let signatures = match signer {
            Some(signer) => Some(Signed {
                keyid: signer.id(),
                sig: BASE64_STANDARD
                    .encode(signer.sign(&signed_bytes(PAYLOAD_TYPE, statement)).await?),
            }),
            None => None,
        };
        Ok(Self {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: BASE64_STANDARD.encode(statement),
            signatures: signatures.into_iter().collect(),
        })
    }

    /// The file of the envelope: one line.
    ///
    /// # Errors
    /// None in practice: every envelope can be written.
    pub fn write(&self) -> serde_json::Result<Vec<u8>> {
        let mut file = serde_json::to_vec(self)?;
        file.push(b'\n');
        Ok(file)
    }

    /// Reads the file of an envelope; `None` where it has another form.
    #[must_use]
    pub fn read(file: &[u8]) -> Option<Self> {
        let envelope: Self = serde_json::from_slice(file).ok()?;
        (envelope.payload_type == PAYLOAD_TYPE).then_some(envelope)
    }

    /// The statement, not verified; `None` where it is no base64.
    #[must_use]
    pub fn statement(&self) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(&self.payload).ok()
    }

    /// The fingerprint of the key that is named as the one that signed it, not verified; `None` where nobody did.
    #[must_use]
    pub fn key_named(&self) -> Option<&str> {
        self.signatures.first().map(|signed| signed.keyid.as_str())
    }

    /// What a command signed of a statement that was in this envelope: its id, the content, the signature.
    pub(super) fn by_command(&self, statement: &[u8]) -> Option<(String, Vec<u8>, Vec<u8>)> {
        let mut signatures = self.signatures.iter();
        let signed = signatures.find(|signed| is_command(&signed.keyid))?;
        let signature = BASE64_STANDARD.decode(&signed.sig).unwrap_or_default();
        let message = signed_bytes(&self.payload_type, statement);
        Some((signed.keyid.clone(), message, signature))
    }

    /// Who signed a statement that was in this envelope: the first of `keys` with a valid signature.
    #[must_use]
    pub fn signed_by(&self, statement: &[u8], keys: &[Public]) -> SignedBy {
        let message = signed_bytes(&self.payload_type, statement);
        let mut by = SignedBy::Nobody;
        for Signed { keyid, sig } in &self.signatures {
            let Some(key) = keys.iter().find(|key| key.fingerprint() == *keyid) else {
                by = SignedBy::Unknown(keyid.clone());
                continue;
            };
            let valid = BASE64_STANDARD.decode(sig);
            if valid.is_ok_and(|signature| key.verifies(&message, &signature)) {
                return SignedBy::Key(*key);
            }
            return SignedBy::Wrong(keyid.clone());
        }
        by
    }
}

/// What is signed: the type and the content, each with its length.
fn signed_bytes(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn what_is_signed_is_that_of_the_specification() {
        assert_eq!(
            signed_bytes("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[tokio::test]
    async fn an_envelope_without_a_key_is_signed_by_nobody() {
        let envelope = Envelope::seal(b"{}", None).await.unwrap();
        let file = envelope.write().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&file),
            "{\"payloadType\":\"application/vnd.in-toto+json\",\"payload\":\"e30=\",\"signatures\":[]}\n"
        );
        let read = Envelope::read(&file).unwrap();
        assert_eq!(read.statement().unwrap(), b"{}");
        assert_eq!(read.signed_by(b"{}", &[]), SignedBy::Nobody);
        assert_eq!(Envelope::read(b"{}"), None);
        let other = "{\"payloadType\":\"text/plain\",\"payload\":\"e30=\",\"signatures\":[]}";
        assert_eq!(Envelope::read(other.as_bytes()), None);
    }
}
