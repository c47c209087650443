//! Whether a log is complete, in order and unchanged, as far as it can be known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use super::checkpoint::{self, Checkpoint};
use super::envelope::{Envelope, SignedBy};
use super::key::Public;
use super::merkle::{Hash, Tree, leaf};
use super::read::{AT_ONCE, indexes};
use super::sign_command::VerifyCommand;
use super::statement::{Entry, Statement};
use super::{baseline_name, checkpoint_name, entry_name, number, record_name};
use crate::digest::sha256;
use crate::outcome::CouldNotRun;
use crate::state::State;
use crate::units::show_counted;

/// The place of a problem with the checkpoint that was kept elsewhere.
const KEPT: &str = "the kept checkpoint";

/// What an auditor, or a drill that goes on with what another one left, brings.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// The keys that may sign; empty where none were named.
    pub keys: Vec<Public>,
    /// The command that verifies what a command signed.
    pub command: Option<VerifyCommand>,
    /// A checkpoint that was kept elsewhere.
    pub checkpoint: Option<Checkpoint>,
}

impl Kept {
    /// Whether it says who may sign.
    pub(super) fn names_signers(&self) -> bool {
        !self.keys.is_empty() || self.command.is_some()
    }

    /// Who signed what a command of this id is said to have signed.
    async fn of_command(
        &self,
        id: String,
        message: &[u8],
        signature: &[u8],
    ) -> Result<SignedBy, CouldNotRun> {
        Ok(match &self.command {
            None => SignedBy::NotVerified(id),
            Some(command) if command.verifies(message, signature).await? => SignedBy::Command(id),
            Some(_) => SignedBy::Wrong(id),
        })
    }
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
    /// Number of entries by the command that signed them.
    pub by_command: BTreeMap<String, u64>,
    /// Number of entries whose signature nobody verified, because a command made it.
    pub not_verified: BTreeMap<String, u64>,
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
    /// The entries that were asked for, by the SHA-256 of their records.
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
    checkpoint: Option<Stated>,
}

/// The checkpoint after an entry, as it was read.
struct Stated {
    /// What it states; `None` where it has another form.
    checkpoint: Option<Checkpoint>,
    by: SignedBy,
}

/// Verifies a state, and finds entries by the SHA-256 of their records or the ids of their runs.
///
/// # Errors
/// The state cannot be read.
pub async fn verify(
    state: &Arc<State>,
    kept: &Kept,
    wanted: &BTreeSet<String>,
) -> Result<Verified, CouldNotRun> {
    let mut verified = Verified::default();
    let known = Kept {
        keys: known_keys(state, kept).await?,
        ..kept.clone()
    };
    let known = Arc::new(known);
    let names = state.store().names("checkpoints").await?;
    let sizes: Arc<BTreeSet<u64>> =
        Arc::new(names.iter().filter_map(|name| number(name)).collect());
    let listed = indexes(state).await?;
    let end = listed.last().map_or(0, |last| last.saturating_add(1));
    let looked = stream::iter(listed).map(|index| {
        let (state, known, sizes) = (Arc::clone(state), Arc::clone(&known), Arc::clone(&sizes));
        // On a thread of its own: signatures and digests are most of the work.
        let task = tokio::spawn(async move {
            let size = index.saturating_add(1);
            if !sizes.contains(&size) {
                return look(&state, index, &known).await;
            }
            let checkpoint = checkpoint_name(size);
            let signature = format!("{checkpoint}.sig");
            let files = [entry_name(index), checkpoint, signature];
            let mut files = state.store().read_each(&files).await?.into_iter();
            let mut file = || files.next().flatten();
            let (entry, checkpoint, signature) = (file(), file(), file());
            let mut looked = look_at(&state, index, entry, &known).await?;
            let checkpoint = checkpoint.unwrap_or_default();
            let stated = stated(&checkpoint, signature, &looked.by, &known).await?;
            looked.checkpoint = Some(stated);
            Ok(looked)
        });
        async move {
            task.await
                .unwrap_or_else(|error| Err(CouldNotRun::new(error.to_string())))
        }
    });
    let mut looked = std::pin::pin!(looked.buffered(AT_ONCE));
    let mut tree = Some(Tree::default());
    let mut before: Option<Entry> = None;
    let mut next = 0;
    while let Some(one) = looked.next().await {
        let mut one = one?;
        let checkpoint = one.checkpoint.take();
        if one.index > next {
            verified.problems.push(gap(next, one.index - 1));
            tree = None;
        }
        next = one.index.saturating_add(1);
        tree = tree.zip(one.leaf).map(|(mut tree, leaf)| {
            tree.push(leaf);
            tree
        });
        verified.add(&one, kept);
        if let Some(tree) = &tree {
            verified.compare(&Checkpoint::of(state.origin(), tree), checkpoint, kept);
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
            if wanted.contains(&entry.record) || wanted.contains(&entry.drill.run) {
                verified.found.insert(entry.record.clone(), entry.clone());
            }
            before = Some(entry);
        }
    }
    if let Some(size) = sizes.last().filter(|size| **size > end) {
        let why = format!("is of {size} entries, and there are {end}: the newest were removed");
        verified.problems.push((format!("checkpoint {size}"), why));
    }
    verified.conclude(state.origin(), end, kept);
    Ok(verified)
}

/// The keys that are known: those that the auditor brings, otherwise those of the state.
async fn known_keys(state: &State, kept: &Kept) -> Result<Vec<Public>, CouldNotRun> {
    if kept.names_signers() {
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
async fn look(state: &State, index: u64, known: &Kept) -> Result<Looked, CouldNotRun> {
    let file = state.store().read(&entry_name(index)).await?;
    look_at(state, index, file, known).await
}

/// Judges an entry, and reads its record.
async fn look_at(
    state: &State,
    index: u64,
    file: Option<Vec<u8>>,
    known: &Kept,
) -> Result<Looked, CouldNotRun> {
    let store = state.store();
    let mut looked = Looked {
        index,
        leaf: None,
        entry: None,
        by: SignedBy::Nobody,
        problems: Vec::new(),
        checkpoint: None,
    };
    let Some(file) = file else {
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
    looked.by = envelope.signed_by(&statement, &known.keys);
    if matches!(looked.by, SignedBy::Unknown(_))
        && let Some((id, message, signature)) = envelope.by_command(&statement)
    {
        looked.by = known.of_command(id, &message, &signature).await?;
    }
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
    if let Some(digest) = &entry.drill.baseline {
        let why = match store.read(&baseline_name(digest)).await? {
            None => Some("is missing"),
            Some(text) if sha256(&text) != *digest => Some("was changed"),
            Some(_) => None,
        };
        let problem = |why| format!("what it left for the next drill, {digest}, {why}");
        looked.problems.extend(why.map(problem));
    }
    looked.entry = Some(entry);
    Ok(looked)
}

/// Why an entry is not one of a signer that was named; `None` where it is. In a log that none of them signed so far, an entry that
/// nobody signed is: there is a first drill with a key.
///
/// # Errors
/// The state cannot be read, or the command that verifies does not run.
pub(super) async fn not_trusted(
    state: &State,
    index: u64,
    kept: &Kept,
) -> Result<Option<String>, CouldNotRun> {
    let looked = look(state, index, kept).await?;
    if let Some(problem) = looked.problems.into_iter().next() {
        return Ok(Some(problem));
    }
    Ok(match looked.by {
        SignedBy::Key(_) | SignedBy::Command(_) => None,
        SignedBy::Nobody => {
            let mut earlier = indexes(state).await?;
            earlier.retain(|earlier| *earlier < index);
            for earlier in earlier.into_iter().rev() {
                let by = look(state, earlier, kept).await?.by;
                if let SignedBy::Key(_) | SignedBy::Command(_) = by {
                    let why = format!("is signed by nobody, and entry {earlier} before it is");
                    return Ok(Some(why));
                }
            }
            None
        }
        SignedBy::NotVerified(id) => Some(format!("is signed by {id}, which is not verified")),
        SignedBy::Unknown(key) => Some(format!("is signed by another key, {key}")),
        SignedBy::Wrong(key) => Some(format!("has a signature that is not one of {key} over it")),
    })
}

/// What is wrong where entries are missing.
fn gap(first: u64, last: u64) -> (String, String) {
    match first == last {
        true => (format!("entry {first}"), "is missing".to_owned()),
        false => (
            format!("entries {first} to {last}"),
            "are missing".to_owned(),
        ),
    }
}

/// Reads a checkpoint and who signed it.
async fn stated(
    text: &[u8],
    signature: Option<Vec<u8>>,
    entry_by: &SignedBy,
    known: &Kept,
) -> Result<Stated, CouldNotRun> {
    let text = String::from_utf8_lossy(text);
    let by = match (signature, entry_by) {
        (None, _) => SignedBy::Nobody,
        // Who writes an entry writes its checkpoint.
        (Some(signature), SignedBy::Command(id) | SignedBy::NotVerified(id)) => {
            let id = id.clone();
            known.of_command(id, text.as_bytes(), &signature).await?
        }
        (Some(signature), _) => {
            let key = Public::of_signed_file(&text, &String::from_utf8_lossy(&signature));
            key.map_or(SignedBy::Wrong(String::new()), SignedBy::Key)
        }
    };
    Ok(Stated {
        checkpoint: checkpoint::read(&text).map(|(checkpoint, _)| checkpoint),
        by,
    })
}

impl Verified {
    /// Compares the state of the log after some entries with its checkpoint, and with the one that was kept.
    fn compare(&mut self, is: &Checkpoint, stated: Option<Stated>, kept: &Kept) {
        let size = is.size;
        if let Some(kept) = kept.checkpoint.as_ref().filter(|kept| kept.size == size)
            && kept.root != is.root
        {
            let why = format!(
                "is not of these entries: the first {size} of the log were changed or written anew"
            );
            self.problems.push((KEPT.to_owned(), why));
        }
        let Some(stated) = stated else {
            return;
        };
        let place = format!("checkpoint {size}");
        if stated.checkpoint.as_ref() != Some(is) {
            if self.unfit {
                self.further += 1;
            } else {
                let why = format!(
                    "is not of the first {size} entries: one of them was changed, added, removed or moved, or it was changed itself"
                );
                self.problems.push((place, why));
            }
            self.unfit = true;
            return;
        }
        let why = match stated.by {
            SignedBy::Command(_) => None,
            SignedBy::NotVerified(_) if !kept.names_signers() => None,
            SignedBy::NotVerified(_) => {
                Some("a command signed it, and `--verify-command` is not given")
            }
            SignedBy::Nobody if !kept.names_signers() => None,
            SignedBy::Nobody => Some("nobody signed it"),
            SignedBy::Key(key) if !kept.names_signers() || kept.keys.contains(&key) => None,
            SignedBy::Key(_) | SignedBy::Unknown(_) => {
                Some("it is signed by a key that is not one of `--signers`")
            }
            SignedBy::Wrong(_) => Some("its signature is not one over this content"),
        };
        match why {
            Some(why) => self.problems.push((place, why.to_owned())),
            None => self.checkpoint = Some(is.clone()),
        }
    }

    /// Adds what was found of one entry.
    fn add(&mut self, one: &Looked, kept: &Kept) {
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
                SignedBy::Command(id) => *self.by_command.entry(id.clone()).or_default() += 1,
                SignedBy::NotVerified(id) if !kept.names_signers() => {
                    *self.not_verified.entry(id.clone()).or_default() += 1;
                }
                SignedBy::NotVerified(id) => problems.push(format!(
                    "it is signed by {id}, and `--verify-command` is not given"
                )),
                SignedBy::Nobody if !kept.names_signers() => {
                    self.unsigned += 1;
                    if !self.signed.is_empty() || !self.not_verified.is_empty() {
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
        for (id, count) in &self.not_verified {
            self.not_proven.push(format!(
                "the signatures of {} and their checkpoints, which {id} made: name the program that verifies them, with `--verify-command`",
                show_counted(*count, "drill")
            ));
        }
        if !kept.names_signers() {
            self.not_proven.push(match self.signed.is_empty() {
                true => "who wrote the entries: nobody signed them".to_owned(),
                false => "whose the keys are: they are those of the state itself; name the keys that you trust with `--signers`".to_owned(),
            });
        }
        self.not_proven
            .push("times: each is that of the machine that wrote it".to_owned());
    }
}
