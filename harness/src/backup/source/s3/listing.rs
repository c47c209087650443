//! The objects below a prefix, one after the other: their number does not matter.

use std::path::PathBuf;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::{ObjectMeta, ObjectStore as _};

use super::{Bucket, only, path_of};
use crate::backup::source::found::Place;
use crate::backup::source::settings::S3;
use crate::outcome::CouldNotRun;

/// Objects of a bucket in the order of the bytes of their keys, as storages of this kind list them.
pub struct Listing {
    bucket: Bucket,
    objects: BoxStream<'static, object_store::Result<ObjectMeta>>,
    last: Option<String>,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Listing {
    /// Begins a listing of all objects below a prefix, which is empty or a folder.
    ///
    /// # Errors
    /// When there are no keys for the storage, or the prefix cannot be requested.
    pub fn open(settings: &S3, prefix: &str, place: &Place<'_>) -> Result<Self, CouldNotRun> {
        let bucket = Bucket::open(settings, place)?;
        let prefix = match prefix.trim_end_matches('/') {
            "" => None,
            prefix => Some(path_of(prefix)?),
        };
        let objects = bucket.store.list(prefix.as_ref());
        Ok(Self {
            bucket,
            objects,
            last: None,
        })
    }

    /// Fetches an object that was listed.
    ///
    /// # Errors
    /// When it cannot be fetched completely.
    pub async fn fetch(
        &mut self,
        object: &Listed,
        place: &Place<'_>,
    ) -> Result<PathBuf, CouldNotRun> {
        let key = &object.key;
        let object = self.bucket.object(key, None)?;
        let (received, _) = object.receive(place, key).await?;
        Ok(received.path)
    }

    /// The next object.
    ///
    /// # Errors
    /// When the storage does not answer, or not in order.
    pub async fn next(&mut self) -> Result<Option<Listed>, CouldNotRun> {
        let object = match self.objects.next().await {
            None => return Ok(None),
            Some(Ok(object)) => object,
            Some(Err(error)) => {
                let error = only(self.bucket.failure(&error, 0));
                return Err(CouldNotRun {
                    reason: format!("cannot list s3://{}: {}", self.bucket.name, error.reason),
                    ..error
                });
            }
        };
        let key = object.location.as_ref().to_owned();
        if self.last.as_ref().is_some_and(|last| *last >= key) {
            return Err(CouldNotRun::with_hint(
                format!(
                    "s3://{} does not list its objects in order",
                    self.bucket.name
                ),
                "general purpose buckets do; copy the objects into one, or into a folder",
            ));
        }
        self.last = Some(key.clone());
        Ok(Some(Listed {
            key,
            bytes: object.size,
        }))
    }
}
