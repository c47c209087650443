//! Whether a log is complete, in order and unchanged, as far as it can be known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use super::checkpoint::{self, Checkpoint};
use super::envelope::{Envelope, SignedBy};
use super::key::Public;
use super::merkle::{Hash, Tree, leaf};
use super::read::{AT_ONCE, indexes};
use super::statement::{Entry, Statement};
use super::{checkpoint_name, entry_name, number, record_name};
use crate::digest::sha256;
use crate::outcome::CouldNotRun;
use crate::state::State;

/// The place of a problem with the checkpoint that was kept elsewhere.
const KEPT: &str = "the kept checkpoint";

/// What an auditor brings.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// The keys that may sign; empty where none were named.
    pub keys: Vec<Public>,
    /// A checkpoint that was kept elsewhere.
    pub checkpoint: Option<Checkpoint>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verified {
    /// Number of entries.
    pub entries: u64,
    /// Number of records that are those of their entries.
    pub records: u64,
    /// Number of entries by the key that signed them.
    pub signed: BTreeMap<Public, u64>,
    /// Number of entries that nobody signed.
    pub unsigned: u64,
    /// The newest checkpoint that fits the entries.
    pub checkpoint: Option<Checkpoint>,
    /// What is wrong, by place: `entry 7`. None: everything that can be verified is.
    pub problems: Vec<(String, String)>,
    /// What is unusual and no proof of a change.
    pub notes: Vec<String>,
    /// What this does not prove.
    pub not_proven: Vec<String>,
    /// The entries of the records that were asked for, by SHA-256.
    pub found: BTreeMap<String, Entry>,
    /// Number of checkpoints, besides the first, that are not of these entries.
    further: u64,
    unfit: bool,
}

/// An entry as it was read.
struct Looked {
    index: u64,
    leaf: Option<Hash>,
    entry: Option<Entry>,
    by: SignedBy,
    problems: Vec<String>,
}

/// Verifies a state, and looks for the entries of some records by their SHA-256.
///
/// # Errors
/// The state cannot be read.
pub async fn verify(
    state: &Arc<State>,
    kept: &Kept,
    wanted: &BTreeSet<String>,
) -> Result<Verified, CouldNotRun> {
    let mut verified = Verified::default();
    let keys = Arc::new(known_keys(state, kept).await?);
    let checkpoints = Checkpoints::read(state).await?;
    let listed = indexes(state).await?;
    let end = listed.last().map_or(0, |last| last + 1);
    let looked = stream::iter(0..end).map(|index| {
        let (state, keys) = (Arc::clone(state), Arc::clone(&keys));
        // On a thread of its own: signatures and digests are most of the work.
        let task = tokio::spawn(async move { look(&state, index, &keys).await });
        async move {
            task.await
                .unwrap_or_else(|error| Err(CouldNotRun::new(error.to_string())))
        }
    });
    let mut looked = std::pin::pin!(looked.buffered(AT_ONCE));
    let mut tree = Some(Tree::default());
    let mut before: Option<Entry> = None;
    while let Some(one) = looked.next().await {
        let one = one?;
        tree = tree.zip(one.leaf).map(|(mut tree, leaf)| {
            tree.push(leaf);
            tree
        });
        verified.add(&one, &kept.keys);
        if let Some(tree) = &tree {
            checkpoints
                .compare(state, tree, kept, &mut verified)
                .await?;
        }
        if let Some(entry) = one.entry {
            if let Some(before) = &before
                && before.position.recorded > entry.position.recorded
            {
                verified.notes.push(format!(
                    "entry {} was written at {}, and entry {} before it at {}: the clock of a machine was wrong",
                    entry.position.index, entry.position.recorded,
                    before.position.index, before.position.recorded,
                ));
            }
            if wanted.contains(&entry.record) {
                verified.found.insert(entry.record.clone(), entry.clone());
            }
            before = Some(entry);
        }
    }
    checkpoints.after(end, &mut verified);
    verified.conclude(state.origin(), end, kept);
    Ok(verified)
}

/// The keys that are known: those that the auditor brings, otherwise those of the state.
async fn known_keys(state: &State, kept: &Kept) -> Result<Vec<Public>, CouldNotRun> {
    if !kept.keys.is_empty() {
        return Ok(kept.keys.clone());
    }
    let store = state.store();
    let mut keys = Vec::new();
    for name in store.names("keys").await? {
        let text = store
            .read(&format!("keys/{name}"))
            .await?
            .unwrap_or_default();
        keys.extend(Public::parse(&String::from_utf8_lossy(&text)));
    }
    Ok(keys)
}

/// Reads an entry and its record.
async fn look(state: &State, index: u64, keys: &[Public]) -> Result<Looked, CouldNotRun> {
    let store = state.store();
    let mut looked = Looked {
        index,
        leaf: None,
        entry: None,
        by: SignedBy::Nobody,
        problems: Vec::new(),
    };
    let Some(file) = store.read(&entry_name(index)).await? else {
        looked.problems.push("is missing".to_owned());
        return Ok(looked);
    };
    looked.leaf = Some(leaf(&file));
    let envelope = Envelope::read(&file);
    let statement = envelope.as_ref().and_then(Envelope::statement);
    let entry = statement
        .as_ref()
        .and_then(|statement| Statement::read(statement));
    let (Some(envelope), Some(statement), Some(entry)) = (envelope, statement, entry) else {
        looked
            .problems
            .push("is no entry that redrill wrote".to_owned());
        return Ok(looked);
    };
    if entry.position.log != state.origin() {
        looked
            .problems
            .push(format!("belongs to the log {}", entry.position.log));
    }
    if entry.position.index != index {
        looked
            .problems
            .push(format!("was written as entry {}", entry.position.index));
    }
    looked.by = envelope.signed_by(&statement, keys);
    match store.read(&record_name(&entry.record)).await? {
        None => looked
            .problems
            .push(format!("its record {} is missing", entry.record)),
        Some(record) if sha256(&record) != entry.record => {
            looked
                .problems
                .push(format!("its record {} was changed", entry.record));
        }
        Some(_) => {}
    }
    looked.entry = Some(entry);
    Ok(looked)
}

impl Verified {
    /// Adds what was found of one entry.
    fn add(&mut self, one: &Looked, keys: &[Public]) {
        let mut problems = one.problems.clone();
        if one.entry.is_some() {
            self.entries += 1;
            self.records += u64::from(
                !one.problems
                    .iter()
                    .any(|problem| problem.starts_with("its record")),
            );
            match &one.by {
                SignedBy::Key(key) => *self.signed.entry(*key).or_default() += 1,
                SignedBy::Nobody if keys.is_empty() => {
                    self.unsigned += 1;
                    if !self.signed.is_empty() {
                        self.notes.push(format!(
                            "entry {} is not signed, although earlier ones are",
                            one.index
                        ));
                    }
                }
                SignedBy::Nobody => problems.push("nobody signed it".to_owned()),
                SignedBy::Unknown(key) => problems.push(format!(
                    "it is signed by {key}, which is not one of the known keys"
                )),
                SignedBy::Wrong(key) => problems.push(format!(
                    "its signature is not one of {key} over this content"
                )),
            }
        }
        let place = format!("entry {}", one.index);
        self.problems
            .extend(problems.into_iter().map(|why| (place.clone(), why)));
    }

    /// What the log alone does not show.
    fn conclude(&mut self, origin: &str, end: u64, kept: &Kept) {
        if self.further > 0 {
            self.notes.push(format!(
                "{} further checkpoints are not of these entries either",
                self.further
            ));
        }
        let covered = self
            .checkpoint
            .as_ref()
            .map_or(0, |checkpoint| checkpoint.size);
        if covered < end && self.problems.is_empty() {
            self.notes.push(format!(
                "{} written after the newest checkpoint: their drill was interrupted, or is being written now",
                if end - covered == 1 { "1 entry was".to_owned() } else { format!("{} entries were", end - covered) },
            ));
        }
        match &kept.checkpoint {
            Some(kept) if kept.origin != origin => {
                self.problems.push((
                    KEPT.to_owned(),
                    format!("is of the log {}, and this is {origin}", kept.origin),
                ));
            }
            Some(kept) if kept.size > end => {
                let why = format!(
                    "is of {} entries, and there are {end}: the newest were removed",
                    kept.size
                );
                self.problems.push((KEPT.to_owned(), why));
            }
            _ => {}
        }
        if kept.checkpoint.is_none() {
            self.not_proven.push(
                "that the newest entries are still there, and that the owner of the key did not write the log anew: compare a checkpoint that was kept elsewhere, with `--checkpoint`".to_owned(),
            );
        }
        if kept.keys.is_empty() {
            self.not_proven.push(match self.signed.is_empty() {
                true => "who wrote the entries: nobody signed them".to_owned(),
                false => "whose the keys are: they are those of the state itself; name the keys that you trust with `--signers`".to_owned(),
            });
        }
        self.not_proven
            .push("times: each is that of the machine that wrote it".to_owned());
    }
}

/// The checkpoints of a state.
struct Checkpoints(BTreeSet<u64>);

impl Checkpoints {
    async fn read(state: &State) -> Result<Self, CouldNotRun> {
        let names = state.store().names("checkpoints").await?;
        Ok(Self(names.iter().filter_map(|name| number(name)).collect()))
    }

    /// Compares the checkpoint of the size of a tree, and the one that was kept.
    async fn compare(
        &self,
        state: &State,
        tree: &Tree,
        kept: &Kept,
        verified: &mut Verified,
    ) -> Result<(), CouldNotRun> {
        let is = Checkpoint::of(state.origin(), tree);
        let size = tree.size();
        if let Some(kept) = kept.checkpoint.as_ref().filter(|kept| kept.size == size)
            && kept.root != is.root
        {
            let why = format!(
                "is not of these entries: the first {size} of the log were changed or written anew"
            );
            verified.problems.push((KEPT.to_owned(), why));
        }
        if !self.0.contains(&size) {
            return Ok(());
        }
        let name = checkpoint_name(size);
        let place = format!("checkpoint {size}");
        let text = state.store().read(&name).await?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let stated = checkpoint::read(&text).map(|(stated, _)| stated);
        if stated.as_ref() != Some(&is) {
            if verified.unfit {
                verified.further += 1;
            } else {
                let why = format!(
                    "is not of the first {size} entries: one of them was changed, added, removed or moved, or it was changed itself"
                );
                verified.problems.push((place, why));
            }
            verified.unfit = true;
            return Ok(());
        }
        let signature = state.store().read(&format!("{name}.sig")).await?;
        let why = match signature {
            None if kept.keys.is_empty() => None,
            None => Some("nobody signed it"),
            Some(signature) => {
                match Public::of_signed_file(&text, &String::from_utf8_lossy(&signature)) {
                    None => Some("its signature is not one over this content"),
                    Some(key) if !kept.keys.is_empty() && !kept.keys.contains(&key) => {
                        Some("it is signed by a key that is not one of `--signers`")
                    }
                    Some(_) => None,
                }
            }
        };
        match why {
            Some(why) => verified.problems.push((place, why.to_owned())),
            None => verified.checkpoint = Some(is),
        }
        Ok(())
    }

    /// Whether there is one of more entries than there are.
    fn after(&self, end: u64, verified: &mut Verified) {
        if let Some(size) = self.0.last().filter(|size| **size > end) {
            verified.problems.push((
                format!("checkpoint {size}"),
                format!("is of {size} entries, and there are {end}: the newest were removed"),
            ));
        }
    }
}
