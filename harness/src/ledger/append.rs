//! Adds an entry to the log. Many machines may do so at the same time: whoever creates the object of a number has that number.

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use super::checkpoint::{self, Checkpoint};
use super::envelope::Envelope;
use super::key::Public;
use super::merkle::{Tree, leaf};
use super::read::AT_ONCE;
use super::rehearsals::announce;
use super::signing::Signing;
use super::statement::{Entry, Position, Statement, Summary};
use super::{baseline_name, checkpoint_name, entry_name, number, record_name};
use crate::digest::sha256;
use crate::outcome::CouldNotRun;
use crate::state::{Created, State, Store};

/// The object that says where to look for the end of the log.
const HEAD: &str = "head";

/// How many checkpoints before the newest entry are tried before all are listed.
const NEAR: u64 = 16;

/// An entry that is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its number, from 0.
    pub index: u64,
    /// SHA-256 of its record, in hex.
    pub record: String,
    /// The state of the log with it.
    pub checkpoint: Checkpoint,
    /// Who signed it: see [`Signing::id`].
    pub key: Option<String>,
}

/// Writes a record and its entry. When it returns, both were read back.
///
/// # Errors
/// They cannot be written, or the log was changed so that nothing can be added.
pub async fn append(
    state: &State,
    signer: Option<Signing<'_>>,
    record: &str,
    summary: Summary,
) -> Result<Written, CouldNotRun> {
    let store = state.store();
    let record_sha256 = sha256(record);
    keep(store, &record_name(&record_sha256), record.as_bytes()).await?;
    if let Some(key) = signer.and_then(|signer| signer.public()) {
        let key = key.openssh() + "\n";
        keep(store, &format!("keys/{}.pub", sha256(&key)), key.as_bytes()).await?;
    }
    let mut entry = Entry {
        position: Position {
            log: state.origin().to_owned(),
            index: next(store).await?,
            recorded: Timestamp::now(),
        },
        record: record_sha256.clone(),
        drill: summary,
    };
    let file = loop {
        let failed = |error: serde_json::Error| CouldNotRun::new(error.to_string());
        announce(state, entry.position.index, &entry.drill).await?;
        let statement = Statement::of(entry.clone()).write().map_err(failed)?;
        let file = Envelope::seal(&statement, signer)
            .await?
            .write()
            .map_err(failed)?;
        if claimed(store, &entry_name(entry.position.index), &file).await? {
            break file;
        }
        entry.position.index += 1;
    };
    let index = entry.position.index;
    let mut tree = tree_before(state, index, signer).await?;
    tree.push(leaf(&file));
    let text = checkpoint::write(state.origin(), &tree);
    let name = checkpoint_name(tree.size());
    if let Some(signer) = signer {
        // First, so that there is never a checkpoint whose signature is missing.
        keep(
            store,
            &format!("{name}.sig"),
            &signer.sign_file(&text).await?,
        )
        .await?;
    }
    keep(store, &name, text.as_bytes()).await?;
    // A hint only: without it the end of the log is found by a list.
    let _ = store
        .replace(HEAD, tree.size().to_string().into_bytes())
        .await;
    Ok(Written {
        index,
        record: record_sha256,
        checkpoint: Checkpoint::of(state.origin(), &tree),
        key: signer.map(|signer| signer.id()),
    })
}

/// Writes what a drill leaves for the next one, and gives its SHA-256 for the entry, which is added afterwards.
///
/// # Errors
/// It cannot be written.
pub async fn keep_baseline(state: &State, text: &str) -> Result<String, CouldNotRun> {
    let digest = sha256(text);
    keep(state.store(), &baseline_name(&digest), text.as_bytes()).await?;
    Ok(digest)
}

/// Writes an object whose content follows from its name, and reads it back.
async fn keep(store: &dyn Store, name: &str, content: &[u8]) -> Result<(), CouldNotRun> {
    store.create(name, content.to_vec()).await?;
    match store.read(name).await? {
        Some(read) if read == content => Ok(()),
        Some(_) => Err(CouldNotRun::with_hint(
            format!(
                "{} has another `{name}`: its log was changed",
                store.place()
            ),
            "`redrill verify` says what was changed; restore the state from a copy, or begin a new one",
        )),
        None => Err(not_kept(store, name)),
    }
}

fn not_kept(store: &dyn Store, name: &str) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!(
            "{} said that `{name}` was written, and does not have it",
            store.place()
        ),
        "look at the server of the storage: what it confirms must be there",
    )
}

/// Writes an entry, unless another one has its number.
async fn claimed(store: &dyn Store, name: &str, file: &[u8]) -> Result<bool, CouldNotRun> {
    let created = store.create(name, file.to_vec()).await?;
    match (store.read(name).await?, created) {
        // Also where the answer to an earlier attempt was lost.
        (Some(read), _) if read == file => Ok(true),
        (Some(_), Created::Exists) => Ok(false),
        (Some(_), Created::New) => Err(CouldNotRun::with_hint(
            format!(
                "{} replaced `{name}`, which was there before",
                store.place()
            ),
            "use a storage that honours conditional writes (`If-None-Match`)",
        )),
        (None, _) => Err(not_kept(store, name)),
    }
}

/// The number of the next entry, or of one before it.
async fn next(store: &dyn Store) -> Result<u64, CouldNotRun> {
    let head = store.read(HEAD).await?;
    let head = head.and_then(|head| String::from_utf8(head).ok()?.trim().parse::<u64>().ok());
    if let Some(last) = head.and_then(|head| head.checked_sub(1)) {
        // Never past the end: a number that is left out looks like an entry that was removed.
        if store.read(&entry_name(last)).await?.is_some() {
            return Ok(last + 1);
        }
    }
    let names = store.names("entries").await?;
    let mut next = 0;
    for index in names.iter().filter_map(|name| number(name)) {
        if index != next {
            // Whoever adds an entry takes the number after one that is there.
            return Err(missing(store, &entry_name(next)));
        }
        next += 1;
    }
    Ok(next)
}

/// The error that an object of the log is not there.
fn missing(store: &dyn Store, name: &str) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!(
            "{}: `{name}` is missing, so its log was changed",
            store.place()
        ),
        "`redrill verify` says what was changed; restore the state from a copy, or begin a new one",
    )
}

/// The tree of all entries before one: from the newest checkpoint of the same key, and the entries since.
async fn tree_before(
    state: &State,
    index: u64,
    signer: Option<Signing<'_>>,
) -> Result<Tree, CouldNotRun> {
    let store = state.store();
    let mut tree = Tree::default();
    let near = (index.saturating_sub(NEAR).max(1)..=index).rev();
    for size in near {
        if let Some(found) = trusted(state, size, signer).await? {
            tree = found;
            break;
        }
    }
    if tree.size() == 0 && index > NEAR {
        let names = store.names("checkpoints").await?;
        let sizes = names.iter().rev().filter_map(|name| number(name));
        for size in sizes.filter(|size| *size < index - NEAR) {
            if let Some(found) = trusted(state, size, signer).await? {
                tree = found;
                break;
            }
        }
    }
    let files = stream::iter(tree.size()..index).map(async |earlier| {
        let name = entry_name(earlier);
        let file = store.read(&name).await?;
        file.ok_or_else(|| missing(store, &name))
    });
    let mut files = std::pin::pin!(files.buffered(AT_ONCE));
    while let Some(file) = files.next().await {
        tree.push(leaf(&file?));
    }
    Ok(tree)
}

/// The tree of a checkpoint, if this key signed it. A checkpoint of somebody else may state what the entries do not.
async fn trusted(
    state: &State,
    size: u64,
    signer: Option<Signing<'_>>,
) -> Result<Option<Tree>, CouldNotRun> {
    let (store, name) = (state.store(), checkpoint_name(size));
    let Some(text) = store
        .read(&name)
        .await?
        .and_then(|text| String::from_utf8(text).ok())
    else {
        return Ok(None);
    };
    let Some((checkpoint, tree)) = checkpoint::read(&text) else {
        return Ok(None);
    };
    if let Some(signer) = signer {
        // What a command signed only another command could verify.
        let Some(key) = signer.public() else {
            return Ok(None);
        };
        let signature = store
            .read(&format!("{name}.sig"))
            .await?
            .unwrap_or_default();
        if Public::of_signed_file(&text, &String::from_utf8_lossy(&signature)) != Some(key) {
            return Ok(None);
        }
    }
    Ok((checkpoint.origin == state.origin() && tree.size() == size).then_some(tree))
}
