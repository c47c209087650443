//! What lasts longer than a drill: a folder or a prefix of a bucket with the record of each drill and the log of them.
//!
//! - `store`: where objects are; `folder`: on this machine, `s3`: in a bucket
//!
//! | object | content | written |
//! | --- | --- | --- |
//! | `state.json` | version of this layout, origin of the log | once |
//! | `records/<sha256>.json` | `drill.json` or `rehearsal.json` | once |
//! | `baselines/<sha256>.toml` | what a drill leaves for `record` of the next one | once |
//! | `entries/<index>.json` | an entry of the log, in its envelope | once: who creates it has the number |
//! | `checkpoints/<size>`, `….sig` | the state of the log after an entry, and its SSH signature | once |
//! | `rehearsals/<index>.<scenario>.<commit>` | nothing: the name says that an entry may be a rehearsal | once |
//! | `keys/<sha256>.pub` | a public key that signed something | once |
//! | `batches/<name>/…` | what the shards of a batch report ([`crate::batch`]); not a part of the log | once |
//! | `tmp/` | on disk: what is being written | by each writer |
//! | `head` | number of entries, as a hint where to look | with each entry |

mod folder;
#[cfg(feature = "s3")]
mod s3;
mod store;

use std::path::Path;

use serde::{Deserialize, Serialize};

use self::folder::Folder;
pub use self::store::{Created, Store};
use crate::digest::hex;
use crate::input::Environment;
use crate::outcome::CouldNotRun;
use crate::redact::Redactor;

/// Name of the folder of a state, where none is named.
pub const FOLDER: &str = ".redrill";

/// What the place of a state in S3 begins with.
const S3: &str = "s3://";

/// Version of the layout.
const VERSION: u32 = 1;

/// The object that every state has.
const ABOUT: &str = "state.json";

/// Where a state is, and what opening it needs.
pub struct At<'a> {
    /// A folder, or `s3://bucket/prefix`.
    pub place: &'a str,
    /// Has the keys of the storage: those that `[backup.s3]` reads too.
    pub environment: &'a Environment,
    /// Learns those keys.
    pub redactor: &'a Redactor,
}

/// A state.
pub struct State {
    store: Box<dyn Store>,
    origin: String,
    announces_rehearsals: bool,
}

/// `state.json`.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    state: u32,
    origin: Option<String>,
    /// Whether each rehearsal of the log has a name in `rehearsals/`: not in a state that an earlier version made.
    #[serde(default)]
    rehearsals: bool,
}

impl State {
    /// Opens the state at a place; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read, or a newer redrill made it.
    pub async fn open(at: &At<'_>) -> Result<Option<Self>, CouldNotRun> {
        Self::of(at.store()?).await
    }

    /// Opens the state at a place, and creates it where there is none.
    ///
    /// # Errors
    /// As for [`State::open`]; it cannot be written.
    pub async fn create(at: &At<'_>) -> Result<Self, CouldNotRun> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|error| CouldNotRun::new(error.to_string()))?;
        let about = About {
            state: VERSION,
            origin: Some(format!("redrill/{}", hex(&random))),
            rehearsals: true,
        };
        let mut text =
            serde_json::to_vec(&about).map_err(|error| CouldNotRun::new(error.to_string()))?;
        text.push(b'\n');
        let store = at.store()?;
        if store.read(ABOUT).await?.is_none() {
            // Of several that create it at the same time one does.
            store.create(ABOUT, text).await?;
        }
        let state = Self::of(store).await?.ok_or_else(|| {
            CouldNotRun::new(format!("{} does not keep what is written to it", at.place))
        })?;
        state.store.check().await?;
        Ok(state)
    }

    async fn of(store: Box<dyn Store>) -> Result<Option<Self>, CouldNotRun> {
        let Some(text) = store.read(ABOUT).await? else {
            return Ok(None);
        };
        let place = store.place();
        let about: Option<About> = serde_json::from_slice(&text).ok();
        match about {
            Some(About {
                state: VERSION,
                origin: Some(origin),
                rehearsals,
            }) if is_origin(&origin) => Ok(Some(Self {
                store,
                origin,
                announces_rehearsals: rehearsals,
            })),
            Some(About { state, .. }) if state > VERSION => Err(CouldNotRun::with_hint(
                format!(
                    "the state {place} has version {state}, and this redrill knows version {VERSION}"
                ),
                "use the redrill that wrote it, or a newer one",
            )),
            _ => Err(CouldNotRun::with_hint(
                format!("{place}: `{ABOUT}` is not that of a state of redrill"),
                "name another folder with `--state`, or restore the file from a copy",
            )),
        }
    }

    /// Where it is, as it was given.
    #[must_use]
    pub fn place(&self) -> String {
        self.store.place()
    }

    /// The name of its log, in each checkpoint.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether each rehearsal of its log has a name in `rehearsals/`.
    pub(crate) const fn announces_rehearsals(&self) -> bool {
        self.announces_rehearsals
    }

    /// Its objects.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }
}

impl At<'_> {
    fn store(&self) -> Result<Box<dyn Store>, CouldNotRun> {
        match self.place.strip_prefix(S3) {
            #[cfg(feature = "s3")]
            Some(location) => Ok(Box::new(s3::Objects::open(location, self)?)),
            #[cfg(not(feature = "s3"))]
            Some(_) => Err(CouldNotRun::with_hint(
                "this redrill was built without S3",
                "build it with the feature `s3`",
            )),
            None => Ok(Box::new(Folder::at(Path::new(self.place)))),
        }
    }
}

fn is_origin(origin: &str) -> bool {
    let id = origin.strip_prefix("redrill/");
    id.is_some_and(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    async fn open(place: &str) -> Result<Option<State>, CouldNotRun> {
        let (environment, redactor) = (Environment::new(), Redactor::default());
        let at = At {
            place,
            environment: &environment,
            redactor: &redactor,
        };
        State::open(&at).await
    }

    async fn create(place: &str) -> Result<State, CouldNotRun> {
        let (environment, redactor) = (Environment::new(), Redactor::default());
        let at = At {
            place,
            environment: &environment,
            redactor: &redactor,
        };
        State::create(&at).await
    }

    #[tokio::test]
    async fn a_state_is_created_once() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a/.redrill").display().to_string();
        assert!(open(&place).await.unwrap().is_none());
        let first = create(&place).await.unwrap();
        let second = create(&place).await.unwrap();
        assert_eq!(first.origin(), second.origin());
        assert_eq!(
            open(&place).await.unwrap().unwrap().origin(),
            first.origin()
        );
    }

    #[rstest]
    #[case::newer("{\"state\":2}", "has version 2, and this redrill knows version 1")]
    #[case::cut("{\"state\":1", "is not that of a state")]
    #[case::without_origin("{\"state\":1}", "is not that of a state")]
    #[case::of_another_log("{\"state\":1,\"origin\":\"redrill/a b\"}", "is not that of a state")]
    #[tokio::test]
    async fn what_is_no_state_is_refused(#[case] about: &str, #[case] why: &str) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(ABOUT), about).unwrap();
        let place = folder.path().display().to_string();
        let error = open(&place).await.err().unwrap();
        assert!(error.reason.contains(why), "{}", error.reason);
        assert!(create(&place).await.is_err());
        assert_eq!(
            fs::read_to_string(folder.path().join(ABOUT)).unwrap(),
            about
        );
    }
}
