//! Sources of backups. One source, one file.
//!
//! - `path`, `newest`: on this machine; `s3`, `http`, `command`, `base`: fetched into the folder of the run
//! - `run`: runs the commands of `command`, `base` and of archived WAL; `confine`: what they may write
//! - `globals`: the file of roles that belongs to a backup
//! - `found`: what is searched for and found; `settings`: the settings of the sources
//! - `candidates`: selects one of several, `pick` which; `name`: time and stream in a name
//! - `download`, `transfer`: downloads; `digest`: the expected digest

mod base;
pub mod candidates;
mod command;
pub(super) mod confine;
mod digest;
mod download;
mod found;
pub mod globals;
mod http;
mod manifest;
pub mod name;
pub mod newest;
pub mod path;
mod pattern;
pub mod pick;
pub(super) mod run;
#[cfg(feature = "s3")]
mod s3;
#[cfg(not(feature = "s3"))]
#[path = "without_s3.rs"]
mod s3;
pub mod settings;
mod transfer;

use std::io::ErrorKind;
use std::path::Path;
use std::time::Instant;

use crate::backup::files::blocking;
use crate::outcome::CouldNotRun;

pub(super) use download::{Download, no_room};
pub use found::{Earlier, Found, HeaderTime, Location, Place, Rules, Source, apart, made, renamed};
pub use manifest::ENDING as MANIFEST;
pub use name::{TimePattern, stream_of, time_in_name};
pub(crate) use pattern::Pattern;
#[cfg(feature = "s3")]
pub use s3::Bucket;
pub use s3::{Listed, Listing};

/// Whether nothing is at a location: no file, folder or object, or none that matches the pattern. Whatever prevents an answer
/// is no absence.
pub async fn is_absent(source: &Source, place: &Place<'_>) -> bool {
    let folder = place.folder;
    let not_there = |path: &Path| {
        path.symlink_metadata()
            .is_err_and(|error| error.kind() == ErrorKind::NotFound)
    };
    match &source.location {
        Location::Path(path) => not_there(&folder.join(path)),
        Location::Newest(pattern) => match Pattern::parse(pattern) {
            Ok(Some(pattern)) => {
                let base = folder.join(&pattern.base);
                let mut entries = Vec::new();
                let listed =
                    newest::list(&base, "", 0, Some(&pattern), &source.rules, &mut entries);
                not_there(&base) || (listed.is_ok() && !entries.iter().any(|entry| entry.matches))
            }
            _ => not_there(&folder.join(pattern)),
        },
        Location::S3(settings) => s3::is_absent(settings, place).await,
        Location::Http(_) | Location::Command(_) | Location::Base(_) => false,
    }
}

/// Finds the backup, and fetches it when it is not on this machine.
///
/// # Errors
/// When there is none, it cannot be read, or the selection is ambiguous.
pub async fn find(source: &Source, place: &Place<'_>) -> Result<Found, CouldNotRun> {
    let (rules, globals) = (source.rules.clone(), source.globals.clone());
    let with_globals = move |mut found: Found| {
        if let Some(globals) = &globals {
            globals::add(&mut found, globals, &rules)?;
        }
        Ok(found)
    };
    let rules = source.rules.clone();
    let began = Instant::now();
    let found = match &source.location {
        Location::Path(path) => {
            let path = place.folder.join(path);
            return blocking(move || path::find(&path, &rules).and_then(with_globals)).await;
        }
        Location::Newest(pattern) => {
            let (folder, pattern) = (place.folder.to_owned(), pattern.clone());
            let find = move || newest::find(&folder, &pattern, &rules).and_then(with_globals);
            return blocking(find).await;
        }
        Location::S3(settings) => {
            s3::find(settings, &rules, source.globals.as_deref(), place).await
        }
        Location::Http(settings) => http::find(settings, &rules, place).await,
        Location::Command(settings) => command::find(settings, &rules, place).await,
        Location::Base(settings) => base::find(settings, &rules, place).await,
    };
    let mut found = found?;
    found.fetched_in = Some(began.elapsed());
    Ok(found)
}
