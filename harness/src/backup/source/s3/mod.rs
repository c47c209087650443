//! `[backup.s3]`: an object in S3-compatible storage.

mod failure;
mod keys;
mod listing;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, Certificate, ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore as _,
    ObjectStoreExt as _, RetryConfig,
};
use std::time::Duration;

use self::failure::chain;
use self::keys::Keys;
pub use self::listing::{Listed, Listing};
use super::candidates::{Choice, Entry, choose};
use super::download::Received;
use super::found::{Found, Place, Rules};
use super::pattern::{Match, Pattern};
use super::settings::S3;
use super::transfer::{self, CONNECT, Failure, Identity, Opened, Remote, STALL, only};
use super::{digest, globals, manifest};
use crate::backup::files::base_name;
use crate::http;
use crate::outcome::CouldNotRun;

/// Limit of a listing.
const LIST_WITHIN: Duration = Duration::from_secs(300);

/// A bucket with a client.
pub struct Bucket {
    store: Arc<AmazonS3>,
    name: String,
    endpoint: String,
}

/// One object in it.
struct Object<'a> {
    bucket: &'a Bucket,
    key: Key,
    version: Option<String>,
}

/// Finds the object and fetches it, with the one of its roles.
pub(super) async fn find(
    settings: &S3,
    rules: &Rules,
    globals: Option<&str>,
    place: &Place<'_>,
) -> Result<Found, CouldNotRun> {
    let bucket = Bucket::open(settings, place)?;
    let (key, choice) = match (&settings.key, &settings.newest) {
        (Some(key), _) => (key.clone(), None),
        (None, pattern) => {
            let pattern = pattern.as_deref().unwrap_or_default();
            let (key, choice) = bucket.newest(pattern, rules).await?;
            (key, Some(choice))
        }
    };
    let version = settings.version.clone();
    let mut found = bucket.fetch(&key, version, choice, rules, place).await?;
    if let Some(globals) = globals {
        bucket
            .add_globals(&mut found, &key, globals, rules, place)
            .await?;
    }
    Ok(found)
}

/// Whether the bucket has no such object, or none that matches the pattern.
pub(super) async fn is_absent(settings: &S3, place: &Place<'_>) -> bool {
    let Ok(bucket) = Bucket::open(settings, place) else {
        return false;
    };
    if let Some(key) = &settings.key {
        let Ok(key) = path_of(key) else {
            return false;
        };
        let asked = bucket.store.get(&key).await;
        return asked.is_err_and(|error| bucket.is_absent(&error));
    }
    let pattern = settings.newest.as_deref().unwrap_or_default();
    match bucket.matching(pattern).await {
        Ok((_, _, entries)) => !entries.iter().any(|entry| entry.matches),
        Err(_) => false,
    }
}

/// A key in the form that the client of the storage accepts.
fn path_of(key: &str) -> Result<Key, CouldNotRun> {
    let parsed = Key::parse(key).ok().filter(|path| path.as_ref() == key);
    parsed.ok_or_else(|| {
        CouldNotRun::with_hint(
            format!("the key `{key}` cannot be requested: it has an empty part, `.`, `..` or control characters"),
            "rename the object, or fetch it with `[backup.command]`",
        )
    })
}

impl Bucket {
    /// Creates the client. Sends no request, and uses only the environment of the scenario.
    ///
    /// # Errors
    /// There are no keys, or the settings have mistakes.
    pub fn open(settings: &S3, place: &Place<'_>) -> Result<Self, CouldNotRun> {
        crate::tls::install();
        let variable = |names: &[&str]| {
            let mut values = names.iter().filter_map(|name| place.environment.get(*name));
            values.find(|value| !value.is_empty()).cloned()
        };
        let endpoint = settings
            .endpoint
            .clone()
            .or_else(|| variable(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]));
        let region = settings
            .region
            .clone()
            .or_else(|| variable(&["AWS_REGION", "AWS_DEFAULT_REGION"]))
            .unwrap_or_else(|| "us-east-1".to_owned());
        let mut client = ClientOptions::new()
            // A limit for the whole request would interrupt every large object.
            .with_timeout_disabled()
            .with_read_timeout(STALL)
            .with_connect_timeout(CONNECT);
        if let Some(ca) = &settings.ca {
            for certificate in
                http::read_certificates(place.folder, ca, Certificate::from_pem_bundle)?
            {
                client = client.with_root_certificate(certificate);
            }
        }
        let path_style = settings.path_style.unwrap_or(endpoint.is_some());
        let mut builder = AmazonS3Builder::new()
            .with_client_options(client)
            .with_bucket_name(&settings.bucket)
            .with_region(region)
            .with_virtual_hosted_style_request(!path_style)
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    init_backoff: Duration::from_millis(200),
                    max_backoff: Duration::from_secs(1),
                    base: 2.0,
                },
                max_retries: 1,
                retry_timeout: Duration::from_secs(5),
            });
        if let Some(endpoint) = &endpoint {
            builder = builder
                .with_endpoint(endpoint)
                .with_allow_http(endpoint.starts_with("http://"));
        }
        let keys = Keys::of(settings, place)?;
        builder = builder
            .with_access_key_id(keys.id)
            .with_secret_access_key(keys.secret);
        if let Some(token) = keys.token {
            builder = builder.with_token(token);
        }
        let store = builder.build().map_err(|error| {
            CouldNotRun::with_hint(
                format!("no client for the storage: {}", http::cause(&error)),
                "correct the settings next to `bucket`",
            )
        })?;
        Ok(Self {
            store: Arc::new(store),
            name: settings.bucket.clone(),
            endpoint: endpoint.unwrap_or_else(|| "AWS S3".to_owned()),
        })
    }

    /// Its client.
    #[must_use]
    pub fn store(&self) -> &AmazonS3 {
        &self.store
    }

    /// Whether an error says that there is no such object. A bucket that is not there has the same status.
    #[must_use]
    pub fn is_absent(&self, error: &object_store::Error) -> bool {
        matches!(error, object_store::Error::NotFound { .. })
            && !chain(error).contains("<Code>NoSuchBucket</Code>")
    }

    /// What an error means, without what it repeats of the request.
    #[must_use]
    pub fn cause(&self, error: &object_store::Error) -> CouldNotRun {
        match self.failure(error, 0) {
            Failure::Final(cause) | Failure::Passing(cause) => cause,
        }
    }

    /// Reads a file next to an object; `None` also if access is denied.
    async fn side_file(
        &self,
        key: &str,
        endings: &[&str],
        up_to: u64,
    ) -> Option<(String, Result<String, String>)> {
        for ending in endings {
            let side = format!("{key}{ending}");
            let Ok(found) = self.store.get(&path_of(&side).ok()?).await else {
                continue;
            };
            let read = async {
                if found.meta.size > up_to {
                    return Err("it is too long".to_owned());
                }
                let bytes = found.bytes().await;
                let bytes = bytes.map_err(|error| format!("it cannot be read: {error}"))?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            };
            let shown = format!("s3://{}/{side}", self.name);
            return Some((shown, read.await));
        }
        None
    }

    fn object(&self, key: &str, version: Option<String>) -> Result<Object<'_>, CouldNotRun> {
        Ok(Object {
            bucket: self,
            key: path_of(key)?,
            version,
        })
    }

    /// Fetches an object, with the digest and the manifest next to it.
    async fn fetch(
        &self,
        key: &str,
        version: Option<String>,
        choice: Option<Choice>,
        rules: &Rules,
        place: &Place<'_>,
    ) -> Result<Found, CouldNotRun> {
        let is_current = version.is_none();
        let object = self.object(key, version)?;
        let (received, identity) = object.receive(place, key).await?;
        let mut found = match choice {
            Some(choice) => choice.into_found(received.path, object.shown(), rules),
            None => Found::named(received.path, object.shown(), key, rules),
        };
        found.modified = identity.modified;
        found.received_sha256 = Some(received.sha256);
        // The digest file next to an older version is that of the current one.
        if found.expected_sha256.is_none()
            && is_current
            && let Some((side, text)) = self.side_file(key, digest::ENDINGS, digest::READ).await
        {
            digest::stated(&mut found, base_name(key), side, text);
        }
        if is_current
            && let Some((side, text)) = self
                .side_file(key, &[manifest::ENDING], manifest::READ)
                .await
        {
            manifest::stated(&mut found, side, text);
        }
        Ok(found)
    }

    /// Selects the object of the roles of the backup `key`, and fetches it.
    async fn add_globals(
        &self,
        found: &mut Found,
        key: &str,
        globals: &str,
        rules: &Rules,
        place: &Place<'_>,
    ) -> Result<(), CouldNotRun> {
        let mut folder = key.rfind('/').map_or("", |at| &key[..=at]);
        let mut below = globals;
        while let Some(rest) = below.strip_prefix("../") {
            let parent = folder.trim_end_matches('/');
            folder = parent.rfind('/').map_or("", |at| &parent[..=at]);
            below = rest;
        }
        let rules = &rules.of_globals(globals);
        let entries = match globals::parse(below)? {
            None => vec![Entry::named(below)],
            Some(pattern) => {
                let base = format!("{folder}{}", pattern.base);
                let mut entries = self.list(&base, Some(&pattern)).await?;
                for entry in &mut entries {
                    entry.name.insert_str(0, &pattern.base);
                }
                entries
            }
        };
        let wanted = globals::Wanted {
            globals,
            backup: base_name(key),
            time: found.named_time,
        };
        match wanted.select(entries, rules)? {
            Err(missing) => found.problems.push(missing),
            Ok(entry) => {
                let key = format!("{folder}{}", entry.name);
                // The two may have one name in different folders.
                let spool = place.spool.join("globals");
                let place = &Place {
                    spool: &spool,
                    ..*place
                };
                let globals = self.fetch(&key, None, None, rules, place).await?;
                found.set_globals(&entry.name, globals);
            }
        }
        Ok(())
    }

    /// Lists the objects of a pattern, with the folder that it begins with and its part below that.
    async fn matching(&self, pattern: &str) -> Result<(String, String, Vec<Entry>), CouldNotRun> {
        let read = Pattern::parse(pattern)
            .map_err(|why| CouldNotRun::with_hint(why, "correct `newest` in `[backup.s3]`"))?;
        let (base, own) = match &read {
            Some(pattern) => (pattern.base.clone(), pattern.text.clone()),
            None if pattern.is_empty() || pattern.ends_with('/') => {
                (pattern.to_owned(), String::new())
            }
            None => (format!("{pattern}/"), String::new()),
        };
        let entries = self.list(&base, read.as_ref()).await?;
        Ok((base, own, entries))
    }

    /// Selects the newest of the objects that match.
    async fn newest(&self, pattern: &str, rules: &Rules) -> Result<(String, Choice), CouldNotRun> {
        let (base, own, entries) = self.matching(pattern).await?;
        // An upload is visible only when it is complete.
        let shown = format!("s3://{}/{base}{own}", self.name);
        let choice =
            choose(entries, rules, &shown, &own, |_| None).map_err(|error| CouldNotRun {
                // A pattern in the scenario has no scheme and no bucket.
                hint: error
                    .hint
                    .map(|hint| hint.replace(&format!("s3://{}/", self.name), "")),
                ..error
            })?;
        Ok((format!("{base}{}", choice.taken.name), choice))
    }

    /// Lists the objects below `base` in the folders of a pattern; without a pattern, those in `base`.
    async fn list(&self, base: &str, pattern: Option<&Pattern>) -> Result<Vec<Entry>, CouldNotRun> {
        let prefix = path_of(base.trim_end_matches('/'))?;
        let listing = async {
            if pattern.map_or(1, Pattern::depth) == 1 {
                let listed = self.store.list_with_delimiter(Some(&prefix)).await;
                listed.map(|listed| listed.objects)
            } else {
                self.store.list(Some(&prefix)).try_collect().await
            }
        };
        let objects: Vec<ObjectMeta> = match tokio::time::timeout(LIST_WITHIN, listing).await {
            Ok(listed) => listed.map_err(|error| {
                let error = only(self.failure(&error, 0));
                CouldNotRun {
                    reason: format!("cannot list s3://{}/{base}: {}", self.name, error.reason),
                    ..error
                }
            })?,
            Err(_) => {
                return Err(CouldNotRun::with_hint(
                    format!("listing s3://{}/{base} did not end", self.name),
                    "use a longer prefix in the pattern",
                ));
            }
        };
        let entries = objects.into_iter().filter_map(|object| {
            let name = object.location.as_ref().strip_prefix(base)?;
            let judged = match pattern {
                Some(pattern) => pattern.judge(name),
                None if name.contains('/') => Match::Elsewhere,
                None => Match::Whole,
            };
            (judged != Match::Elsewhere && !name.is_empty()).then(|| Entry {
                name: name.to_owned(),
                bytes: object.size,
                modified: changed(&object),
                path: None,
                matches: judged == Match::Whole,
            })
        });
        Ok(entries.collect())
    }
}

/// When an object was uploaded.
fn changed(object: &ObjectMeta) -> Option<Timestamp> {
    Timestamp::from_second(object.last_modified.timestamp()).ok()
}

impl Object<'_> {
    fn shown(&self) -> String {
        let version = match &self.version {
            Some(version) => format!(" (version {version})"),
            None => String::new(),
        };
        format!("s3://{}/{}{version}", self.bucket.name, self.key)
    }

    /// Fetches it into the folder for fetched files, with a name like `key`.
    async fn receive(
        &self,
        place: &Place<'_>,
        key: &str,
    ) -> Result<(Received, Identity), CouldNotRun> {
        let received = transfer::fetch(self, place, key).await;
        received.map_err(|error| CouldNotRun {
            reason: format!("{}: {}", self.shown(), error.reason),
            ..error
        })
    }
}

/// What identifies an object, to detect that another one replaced it.
fn identity(object: &ObjectMeta) -> Identity {
    Identity {
        tag: object.e_tag.clone(),
        size: Some(object.size),
        modified: changed(object),
        sha256: None,
    }
}

#[async_trait]
impl Remote for Object<'_> {
    async fn open(&self, from: u64, seen: Option<&Identity>) -> Result<Opened, Failure> {
        // Not every storage supports a range without an end.
        let range = match seen.and_then(|seen| seen.size) {
            Some(size) => GetRange::Bounded(from..size),
            None => GetRange::Offset(from),
        };
        let options = GetOptions {
            range: (from > 0).then_some(range),
            if_match: seen.and_then(|seen| seen.tag.clone()),
            version: self.version.clone(),
            ..GetOptions::default()
        };
        let asked = self.bucket.store.get_opts(&self.key, options).await;
        let given = match (asked, seen) {
            (Ok(given), _) => given,
            (Err(error), None) => return Err(self.bucket.failure(&error, from)),
            // Some storages answer a range with status 200, which the client refuses: begin again.
            (Err(error), Some(seen)) if chain(&error).contains("non-partial response") => {
                return match self.query().await {
                    Ok(Some(now)) if seen.differs(&now) => Err(transfer::replaced()),
                    _ => self.open(0, None).await,
                };
            }
            (Err(error), Some(seen)) => {
                // The current object may not have this range.
                return Err(match self.query().await {
                    Ok(Some(now)) if seen.differs(&now) => transfer::replaced(),
                    _ => self.bucket.failure(&error, from),
                });
            }
        };
        let endpoint = self.bucket.endpoint.clone();
        Ok(Opened {
            from: given.range.start,
            identity: identity(&given.meta),
            body: given
                .into_stream()
                .map_err(move |error| transfer::unreachable(&endpoint, &error))
                .boxed(),
        })
    }

    async fn query(&self) -> Result<Option<Identity>, Failure> {
        let options = GetOptions {
            version: self.version.clone(),
            head: true,
            ..GetOptions::default()
        };
        let asked = self.bucket.store.get_opts(&self.key, options).await;
        match asked {
            Ok(given) => Ok(Some(identity(&given.meta))),
            Err(error) => Err(self.bucket.failure(&error, 0)),
        }
    }
}
