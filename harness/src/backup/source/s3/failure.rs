//! What an error of the storage means, without what it repeats of the request.

use super::Bucket;
use crate::backup::source::transfer::{self, Failure};
use crate::outcome::CouldNotRun;

impl Bucket {
    /// The error of the storage, without what it repeats of the request.
    pub(super) fn failure(&self, error: &object_store::Error, from: u64) -> Failure {
        let text = chain(error);
        let status =
            after(&text, "status code: ").and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
        let code = after(&text, "<Code>").and_then(|rest| Some(rest.split_once("</Code>")?.0));
        let code = code.unwrap_or_default();
        let last =
            |reason: String, hint: &str| Failure::Final(CouldNotRun::with_hint(reason, hint));
        let no_version = || {
            last(
                "this version of it does not exist".to_owned(),
                "correct `version`, or remove it",
            )
        };
        let keys = "check `access-key-id` and `secret-access-key`, or the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        match (code, status) {
            ("InvalidObjectState", _) => last(
                "it is in an archive tier".to_owned(),
                "restore the object first (`aws s3api restore-object`), or drill a backup that was not archived",
            ),
            ("NoSuchBucket", _) => last(
                format!("the bucket `{}` does not exist", self.name),
                "correct `bucket` or `endpoint`",
            ),
            ("NoSuchVersion", _) => no_version(),
            ("InvalidArgument", Some(400)) if text.to_ascii_lowercase().contains("version") => {
                no_version()
            }
            ("InvalidAccessKeyId", _) => last(
                "the storage does not know the access key (InvalidAccessKeyId)".to_owned(),
                keys,
            ),
            ("SignatureDoesNotMatch", _) => last(
                "the secret of the access key is wrong (SignatureDoesNotMatch)".to_owned(),
                keys,
            ),
            ("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired", _) => last(
                format!("the session token is expired or invalid ({code})"),
                "get new temporary keys",
            ),
            ("RequestTimeTooSkewed", _) => last(
                "the clock of this machine is wrong (RequestTimeTooSkewed)".to_owned(),
                "set the clock",
            ),
            (
                "AuthorizationHeaderMalformed"
                | "PermanentRedirect"
                | "IllegalLocationConstraintException",
                _,
            )
            | (_, Some(301)) => last(
                "the bucket is in another region".to_owned(),
                "correct `region`",
            ),
            ("PreconditionFailed", _) | (_, Some(412)) => transfer::replaced(),
            (_, Some(416)) if from > 0 => transfer::replaced(),
            ("AccessDenied", _) | (_, Some(401 | 403)) => last(
                "the storage refuses access (AccessDenied)".to_owned(),
                "the key requires s3:GetObject, for `newest` also s3:ListBucket, for `version` s3:GetObjectVersion; without s3:ListBucket a missing object gives the same error",
            ),
            ("SlowDown" | "InternalError" | "ServiceUnavailable" | "RequestTimeout", _)
            | (_, Some(429 | 500..=599)) => Failure::Passing(CouldNotRun::with_hint(
                format!("the storage is unavailable ({})", named(code, status)),
                "try again later",
            )),
            ("NoSuchKey", _) | (_, Some(404)) => last(
                format!("the object does not exist in the bucket `{}`", self.name),
                "correct `key`; it is case-sensitive and does not begin with `/`",
            ),
            ("", None) => match error {
                object_store::Error::NotFound { .. } => {
                    last("the object does not exist".to_owned(), "correct `key`")
                }
                _ => transfer::unreachable(&self.endpoint, error),
            },
            _ => last(
                format!("the storage answered {}", named(code, status)),
                "see the log of the storage",
            ),
        }
    }
}

/// The code and the status of an answer.
fn named(code: &str, status: Option<u16>) -> String {
    let status = status.map(|status| status.to_string());
    let code = Some(code.to_owned()).filter(|code| {
        // It is text of the server: only something in the form of a code is repeated.
        !code.is_empty() && code.len() < 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    let parts: Vec<String> = [status, code].into_iter().flatten().collect();
    parts.join(" ")
}

/// An error with all its causes, for matching; never shown.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push('\n');
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.split_once(word).map(|(_, rest)| rest)
}
