//! A state in S3-compatible storage that honours conditional writes.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use object_store::path::Path as Key;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _, PutMode};

use super::store::{Created, Store};
use super::{ABOUT, At};
use crate::backup::source::settings::S3;
use crate::backup::source::{Bucket, Place};
use crate::event::Listener;
use crate::outcome::CouldNotRun;

/// The objects of a bucket below a prefix.
pub(super) struct Objects {
    bucket: Bucket,
    prefix: String,
    place: String,
}

impl Objects {
    /// Creates the client for `bucket/prefix`. Sends no request.
    ///
    /// # Errors
    /// No bucket is named, or there are no keys.
    pub(super) fn open(location: &str, at: &At<'_>) -> Result<Self, CouldNotRun> {
        let (bucket, prefix) = location.split_once('/').unwrap_or((location, ""));
        let prefix = prefix.trim_matches('/');
        if bucket.is_empty() || (!prefix.is_empty() && Key::parse(prefix).is_err()) {
            return Err(CouldNotRun::with_hint(
                format!("`{}` is no place for a state", at.place),
                "it has the form `s3://bucket/prefix`",
            ));
        }
        let settings = S3 {
            bucket: bucket.to_owned(),
            ..S3::default()
        };
        let silent: Listener = Arc::new(|_| {});
        let place = Place {
            folder: Path::new("."),
            spool: Path::new("."),
            run: "",
            environment: at.environment,
            redactor: at.redactor,
            listener: &silent,
        };
        Ok(Self {
            bucket: Bucket::open(&settings, &place)?,
            prefix: prefix.to_owned(),
            place: at.place.to_owned(),
        })
    }

    fn key(&self, name: &str) -> Key {
        self.prefix
            .split('/')
            .chain(name.split('/'))
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// What an error means.
    fn failed(&self, doing: &str, name: &str, error: &Error) -> CouldNotRun {
        let why = self.bucket.cause(error);
        CouldNotRun {
            reason: format!("cannot {doing} {}/{name}: {}", self.place, why.reason),
            ..why
        }
    }
}

#[async_trait]
impl Store for Objects {
    fn place(&self) -> String {
        self.place.clone()
    }

    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, CouldNotRun> {
        let read = async {
            self.bucket
                .store()
                .get(&self.key(name))
                .await?
                .bytes()
                .await
        };
        match read.await {
            Ok(content) => Ok(Some(content.to_vec())),
            Err(error) if self.bucket.is_absent(&error) => Ok(None),
            Err(error) => Err(self.failed("read", name, &error)),
        }
    }

    async fn create(&self, name: &str, content: Vec<u8>) -> Result<Created, CouldNotRun> {
        let (key, store) = (self.key(name), self.bucket.store());
        match store
            .put_opts(&key, content.into(), PutMode::Create.into())
            .await
        {
            Ok(_) => Ok(Created::New),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Created::Exists),
            Err(error) => Err(self.failed("write", name, &error)),
        }
    }

    async fn replace(&self, name: &str, content: Vec<u8>) -> Result<(), CouldNotRun> {
        let (key, store) = (self.key(name), self.bucket.store());
        let put = store.put(&key, content.into()).await;
        put.map(drop)
            .map_err(|error| self.failed("write", name, &error))
    }

    async fn names(&self, folder: &str) -> Result<Vec<String>, CouldNotRun> {
        let prefix = self.key(folder);
        let listed = self.bucket.store().list(Some(&prefix));
        let names =
            listed.try_filter_map(async |object| Ok(object.location.filename().map(str::to_owned)));
        let names: Result<Vec<String>, Error> = names.try_collect().await;
        let mut names = names.map_err(|error| self.failed("list", folder, &error))?;
        names.sort_unstable();
        Ok(names)
    }

    /// A storage that replaces what it was asked to create would lose entries of others: it is tried on an object whose content
    /// is the same.
    async fn check(&self) -> Result<(), CouldNotRun> {
        let Some(content) = self.read(ABOUT).await? else {
            return Ok(());
        };
        match self.create(ABOUT, content).await? {
            Created::Exists => Ok(()),
            Created::New => Err(CouldNotRun::with_hint(
                format!(
                    "the storage of {} does not honour conditional writes (`If-None-Match`)",
                    self.place
                ),
                "two drills at the same time would lose an entry: use another storage, or a folder",
            )),
        }
    }
}
