//! The settings of the sources: `[backup.s3]`, `[backup.http]`, `[backup.command]`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::de::DeValue;

use super::pattern::Pattern;
use crate::input::Problem;
use crate::input::decode::Table;
use crate::input::secret::SecretText;
use crate::input::table::{
    check_http_url, key_span, refuse_plain_secrets, require_with, table_at, text_at,
};
use crate::units::Span;

/// A backup in S3-compatible storage. Exactly one of `key` and `newest`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct S3 {
    /// The bucket.
    pub bucket: String,
    /// The key of one object.
    pub key: Option<String>,
    /// A pattern for keys, such as `nightly/plur-*.sql.gz`, or a prefix that ends with `/`. Selects the
    /// newest by the time in its name, never by the time of its upload.
    pub newest: Option<String>,
    /// The version of the object `key`. Default: the current one.
    pub version: Option<String>,
    /// The address of the storage. Default: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, otherwise AWS itself.
    pub endpoint: Option<String>,
    /// The region. Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, otherwise `us-east-1`.
    pub region: Option<String>,
    /// Whether the bucket is in the path instead of the host name. Default: true with an `endpoint`.
    pub path_style: Option<bool>,
    /// The id of the access key. Default: `AWS_ACCESS_KEY_ID`.
    pub access_key_id: Option<SecretText>,
    /// The secret of the access key. Default: `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Option<SecretText>,
    /// The token of a temporary key. Default: `AWS_SESSION_TOKEN`, if the key comes from the environment.
    pub session_token: Option<SecretText>,
    /// A file of certificates (PEM) to trust in addition to those of the system.
    pub ca: Option<PathBuf>,
}

/// A folder in S3-compatible storage.
// The keys of the storage are those of `S3`. A flattened struct of them could not refuse unknown keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct S3Folder {
    /// The bucket.
    pub bucket: String,
    /// The folder in it, such as `main/wal`; folders in it are searched too. Default: the whole bucket.
    #[serde(default)]
    pub prefix: String,
    /// The address of the storage. Default: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, otherwise AWS itself.
    pub endpoint: Option<String>,
    /// The region. Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, otherwise `us-east-1`.
    pub region: Option<String>,
    /// Whether the bucket is in the path instead of the host name. Default: true with an `endpoint`.
    pub path_style: Option<bool>,
    /// The id of the access key. Default: `AWS_ACCESS_KEY_ID`.
    pub access_key_id: Option<SecretText>,
    /// The secret of the access key. Default: `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Option<SecretText>,
    /// The token of a temporary key. Default: `AWS_SESSION_TOKEN`, if the key comes from the environment.
    pub session_token: Option<SecretText>,
    /// A file of certificates (PEM) to trust in addition to those of the system.
    pub ca: Option<PathBuf>,
}

impl S3Folder {
    /// Its storage, without an object.
    #[must_use]
    pub fn storage(&self) -> S3 {
        let of = self.clone();
        S3 {
            bucket: of.bucket,
            endpoint: of.endpoint,
            region: of.region,
            path_style: of.path_style,
            access_key_id: of.access_key_id,
            secret_access_key: of.secret_access_key,
            session_token: of.session_token,
            ca: of.ca,
            ..S3::default()
        }
    }

    /// `s3://bucket/prefix`.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }
}

/// A backup that is fetched by HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Http {
    /// The address; one with a signature comes from `{ env = … }` or `{ file = … }`.
    pub url: SecretText,
    /// A token, sent as `Authorization: Bearer …`.
    pub bearer: Option<SecretText>,
    /// A user, sent with `password` as basic authentication.
    pub user: Option<SecretText>,
    /// The password of `user`.
    pub password: Option<SecretText>,
    /// Additional headers.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretText>,
    /// A file of certificates (PEM) to trust in addition to those of the system.
    pub ca: Option<PathBuf>,
}

/// A backup that a command writes to its standard output.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Command {
    /// Program and arguments, without a shell. A program with a `/` is relative to the scenario
    /// file, one without is searched in `PATH`. It starts in the folder of the scenario file.
    pub run: Vec<String>,
    /// Name of its output, such as `orders-2026-05-25.dump`: the time in it is that of the backup.
    pub name: Option<String>,
    /// Additional variables. It inherits `PATH`, `HOME`, `USER`, `LANG` and `SSH_AUTH_SOCK`.
    #[serde(default)]
    pub env: BTreeMap<String, SecretText>,
    /// Limit for the whole command. Default: `6h`.
    pub timeout: Option<Span>,
    /// Files and folders that it may write, such as `["/home/ada/.cache/restic"]`, relative to the scenario file. It writes
    /// nowhere else on this machine but to a temporary folder of its own, `TMPDIR`.
    #[serde(default)]
    pub writes: Vec<PathBuf>,
}

/// Validates the values of the sources in `[backup]`. Values of a wrong type are reported when the table
/// is decoded.
pub fn validate(backup: &Table<'_>, problems: &mut Vec<Problem>) {
    validate_pattern(backup, problems);
    if let Some((s3, span)) = table_at(backup, "s3") {
        validate_s3(s3, "[backup.s3]", span, problems);
    }
    if let Some((http, _)) = table_at(backup, "http") {
        validate_http(http, problems);
    }
    if let Some((command, _)) = table_at(backup, "command")
        && let Some(run) = command.get("run")
        && let DeValue::Array(words) = run.get_ref()
        && words
            .first()
            .is_none_or(|word| word.get_ref().as_str() == Some(""))
    {
        problems.push(
            Problem::at(run.span(), "no program is set")
                .hint("write `run = [\"ssh\", \"backup-host\", \"cat /backups/latest.dump\"]`"),
        );
    }
}

/// Reports a pattern in `newest` that cannot be parsed.
pub fn validate_pattern(table: &Table<'_>, problems: &mut Vec<Problem>) {
    if let Some((text, span)) = text_at(table, "newest")
        && let Err(why) = Pattern::parse(text)
    {
        problems.push(Problem::at(span, why));
    }
}

/// Validates `[backup.http]`.
fn validate_http(http: &Table<'_>, problems: &mut Vec<Problem>) {
    check_http_url(http, "url", problems);
    for (one, other) in [("user", "password"), ("password", "user")] {
        require_with(http, one, other, problems);
    }
    refuse_plain_secrets(http, &["bearer", "password"], problems);
    if let (Some(key), true) = (key_span(http, "bearer"), http.contains_key("user")) {
        problems.push(
            Problem::at(key, "two ways of authentication")
                .hint("keep `bearer`, or `user` with `password`"),
        );
    }
}

/// Validates `[backup.s3]`, or the table of an object in another section; `span` is its key.
pub fn validate_s3(s3: &Table<'_>, section: &str, span: Range<usize>, problems: &mut Vec<Problem>) {
    match (key_span(s3, "key"), key_span(s3, "newest")) {
        (Some(_), None) | (None, Some(_)) => {}
        (Some(_), Some(second)) => problems.push(
            Problem::at(second, format!("`{section}` names exactly one object"))
                .hint("keep `key` or `newest`"),
        ),
        (None, None) => {
            let problem = Problem::at(span, format!("`{section}` names no object"));
            problems.push(problem.hint(
                "add `key = \"nightly/plur.sql.gz\"`, or `newest = \"nightly/plur-*.sql.gz\"`",
            ));
        }
    }
    validate_pattern(s3, problems);
    if let (Some(version), true) = (key_span(s3, "version"), s3.contains_key("newest")) {
        problems.push(
            Problem::at(version, "a version belongs to one `key`")
                .hint("set `key`, or remove `version`"),
        );
    }
    if let Some((key, span)) = text_at(s3, "key")
        && (key.is_empty() || key.starts_with("s3://"))
    {
        problems.push(Problem::at(span, "this is not a name of an object").hint(NAMES));
    }
    validate_storage(s3, problems);
}

/// Validates the table of a folder.
pub fn validate_s3_folder(s3: &Table<'_>, problems: &mut Vec<Problem>) {
    if let Some((prefix, span)) = text_at(s3, "prefix")
        && (prefix.starts_with('/') || prefix.starts_with("s3://"))
    {
        problems.push(Problem::at(span, "this is not the name of a folder").hint(NAMES));
    }
    validate_storage(s3, problems);
}

/// What the parts of an address are.
const NAMES: &str = "of `s3://bucket/folder/file` the bucket is `bucket`, the prefix is `folder` and the key is `folder/file`";

/// Validates the bucket, the address and the keys.
fn validate_storage(s3: &Table<'_>, problems: &mut Vec<Problem>) {
    if let Some((bucket, span)) = text_at(s3, "bucket")
        && (bucket.is_empty() || bucket.contains('/'))
    {
        problems.push(Problem::at(span, "this is not a name of a bucket").hint(NAMES));
    }
    check_http_url(s3, "endpoint", problems);
    for (one, other) in [
        ("access-key-id", "secret-access-key"),
        ("secret-access-key", "access-key-id"),
        ("session-token", "access-key-id"),
    ] {
        require_with(s3, one, other, problems);
    }
    refuse_plain_secrets(s3, &["secret-access-key", "session-token"], problems);
}
