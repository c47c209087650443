//! What is there of S3 in a redrill that was built without it.

use std::path::PathBuf;

use super::found::{Found, Place, Rules};
use super::settings::S3;
use crate::outcome::CouldNotRun;

/// Objects of a bucket; there is none of it.
pub enum Listing {}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Listing {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn open(_: &S3, _: &str, _: &Place<'_>) -> Result<Self, CouldNotRun> {
        Err(unable())
    }

    /// Is never called.
    ///
    /// # Errors
    /// None: there is no listing.
    pub async fn fetch(&mut self, _: &Listed, _: &Place<'_>) -> Result<PathBuf, CouldNotRun> {
        match *self {}
    }

    /// Is never called.
    ///
    /// # Errors
    /// None: there is no listing.
    pub async fn next(&mut self) -> Result<Option<Listed>, CouldNotRun> {
        match *self {}
    }
}

pub(super) async fn find(
    _: &S3,
    _: &Rules,
    _: Option<&str>,
    _: &Place<'_>,
) -> Result<Found, CouldNotRun> {
    Err(unable())
}

pub(super) async fn is_absent(_: &S3, _: &Place<'_>) -> bool {
    false
}

fn unable() -> CouldNotRun {
    CouldNotRun::with_hint(
        "this redrill was built without S3",
        "build it with the feature `s3`",
    )
}
