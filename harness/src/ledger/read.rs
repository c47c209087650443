//! Reads entries. What cannot be read is left out: only `verify` judges a log.

use futures_util::{Stream, StreamExt as _, stream};

use super::checkpoint::Checkpoint;
use super::envelope::Envelope;
use super::statement::{Entry, Kind, Statement, Summary};
use super::verify::{Kept, not_trusted};
use super::{baseline_name, checkpoint_name, entry_name, number, record_name};
use crate::digest::sha256;
use crate::outcome::{CouldNotRun, Evidence};
use crate::state::State;
use crate::verdict::Verdict;

/// How many objects are read at the same time.
pub(super) const AT_ONCE: usize = 32;

/// How many entries before the end of the log are searched for the last drill of a scenario.
const FAR: usize = 1000;

/// The numbers of all entries, ascending.
pub(super) async fn indexes(state: &State) -> Result<Vec<u64>, CouldNotRun> {
    let names = state.store().names("entries").await?;
    Ok(names.iter().filter_map(|name| number(name)).collect())
}

/// All entries that can be read, the oldest first.
///
/// # Errors
/// They cannot be listed.
pub async fn oldest_first(
    state: &State,
) -> Result<impl Stream<Item = Result<Option<Entry>, CouldNotRun>>, CouldNotRun> {
    Ok(each(state, indexes(state).await?))
}

/// All entries that can be read, the oldest first, at once.
///
/// # Errors
/// They cannot be listed or read.
pub async fn entries(state: &State) -> Result<Vec<Entry>, CouldNotRun> {
    let mut read = std::pin::pin!(oldest_first(state).await?);
    let mut entries = Vec::new();
    while let Some(entry) = read.next().await {
        entries.extend(entry?);
    }
    Ok(entries)
}

/// All entries that can be read, the newest first, as far as they are asked for.
///
/// # Errors
/// They cannot be listed.
pub async fn newest_first(
    state: &State,
) -> Result<impl Stream<Item = Result<Option<Entry>, CouldNotRun>>, CouldNotRun> {
    let mut indexes = indexes(state).await?;
    indexes.reverse();
    Ok(each(state, indexes))
}

/// The newest entry about the same scenario and selection of checks, of those that are not far from the end of the log.
///
/// # Errors
/// The log cannot be read.
pub async fn previous(state: &State, summary: &Summary) -> Result<Option<Entry>, CouldNotRun> {
    let mut entries = std::pin::pin!(newest_first(state).await?.take(FAR));
    while let Some(entry) = entries.next().await {
        let same = |entry: &Entry| {
            let drill = &entry.drill;
            (drill.kind, &drill.scenario, &drill.only)
                == (summary.kind, &summary.scenario, &summary.only)
        };
        if let Some(entry) = entry?.filter(same) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// What the newest PROVEN drill of a scenario left for the next one; `None` where none left anything. `kept` says who may have signed
/// its entry; where it names nobody, anybody may, or nobody.
///
/// # Errors
/// The log cannot be read, or what it left is not there, was changed, or is of somebody else: the drill before it is no replacement,
/// since what changed in between would go unnoticed.
pub async fn baseline(
    state: &State,
    scenario: &str,
    kept: &Kept,
) -> Result<Option<String>, CouldNotRun> {
    let mut indexes = indexes(state).await?;
    indexes.reverse();
    let mut entries = std::pin::pin!(stream::iter(indexes.clone()).zip(each(state, indexes)));
    while let Some((index, entry)) = entries.next().await {
        let Some(entry) = entry? else { continue };
        let drill = &entry.drill;
        // Only such a drill leaves one; the log may have been written by somebody else.
        let proven = drill.kind == Kind::Drill && drill.verdict == Verdict::Proven.word();
        let left = drill.baseline.as_ref();
        let left = left.filter(|_| proven && drill.only.is_empty() && drill.scenario == scenario);
        let Some(digest) = left else { continue };
        let text = state.store().read(&baseline_name(digest)).await?;
        let text = text.filter(|text| sha256(text) == *digest);
        let text = text.and_then(|text| String::from_utf8(text).ok());
        let text = text.ok_or_else(|| {
            CouldNotRun::with_hint(
                format!("the record that entry {index} left for the next drill is missing or was changed"),
                "`redrill verify` says what was changed; restore the state from a copy",
            )
        })?;
        if kept.names_signers()
            && let Some(why) = not_trusted(state, index, kept).await?
        {
            return Err(CouldNotRun::with_hint(
                format!(
                    "the record that entry {index} left for the next drill is not used: the entry {why}"
                ),
                "name the public key of whoever may sign with `--signers`; if nobody else may, go on with a copy of the state from before that entry, or with a new state",
            ));
        }
        return Ok(Some(text));
    }
    Ok(None)
}

/// The newest entry of a record, by the SHA-256 of it.
///
/// # Errors
/// The log cannot be read.
pub async fn entry_of(state: &State, record: &str) -> Result<Option<Entry>, CouldNotRun> {
    let mut entries = std::pin::pin!(newest_first(state).await?);
    while let Some(entry) = entries.next().await {
        if let Some(entry) = entry?.filter(|entry| entry.record == record) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// The entry of a number; `None` where there is none that can be read.
///
/// # Errors
/// The log cannot be read.
pub async fn entry(state: &State, index: u64) -> Result<Option<Entry>, CouldNotRun> {
    let mut one = std::pin::pin!(each(state, vec![index]));
    one.next().await.transpose().map(Option::flatten)
}

/// The record of an entry.
///
/// # Errors
/// It cannot be read, or is not that of the entry.
pub async fn record(state: &State, entry: &Entry) -> Result<String, CouldNotRun> {
    let record = state.store().read(&record_name(&entry.record)).await?;
    let record = record.filter(|record| sha256(record) == entry.record);
    let record = record.and_then(|record| String::from_utf8(record).ok());
    record.ok_or_else(|| {
        CouldNotRun::with_hint(
            format!(
                "the record of entry {} is missing or was changed",
                entry.position.index
            ),
            "`redrill verify` says what was changed; restore the state from a copy",
        )
    })
}

/// What the reports of a drill show of its entry, as the log has it; `None` where there is no checkpoint after it.
///
/// # Errors
/// The log cannot be read.
pub async fn evidence(state: &State, entry: &Entry) -> Result<Option<Evidence>, CouldNotRun> {
    let (store, index) = (state.store(), entry.position.index);
    let size = index.saturating_add(1);
    let checkpoint = store.read(&checkpoint_name(size)).await?;
    let checkpoint = checkpoint.and_then(|text| Checkpoint::parse(&String::from_utf8_lossy(&text)));
    let envelope = store.read(&entry_name(index)).await?;
    let envelope = envelope.and_then(|file| Envelope::read(&file));
    Ok(checkpoint.map(|checkpoint| Evidence {
        entry: index,
        record_sha256: entry.record.clone(),
        checkpoint: checkpoint.line(),
        key: envelope.and_then(|envelope| envelope.key_named().map(str::to_owned)),
    }))
}

/// The checkpoint with the newest entry, as reports show it; `None` where there is none that can be read.
///
/// # Errors
/// The log cannot be read.
pub async fn checkpoint_of(state: &State) -> Result<Option<String>, CouldNotRun> {
    let Some(newest) = indexes(state).await?.pop() else {
        return Ok(None);
    };
    let name = checkpoint_name(newest.saturating_add(1));
    let text = state.store().read(&name).await?;
    let checkpoint = text.and_then(|text| Checkpoint::parse(&String::from_utf8_lossy(&text)));
    Ok(checkpoint.map(|checkpoint| checkpoint.line()))
}

/// Reads entries in the order of their numbers here.
pub(super) fn each(
    state: &State,
    indexes: Vec<u64>,
) -> impl Stream<Item = Result<Option<Entry>, CouldNotRun>> {
    let read = stream::iter(indexes).map(move |index| async move {
        let file = state.store().read(&entry_name(index)).await?;
        let statement = file.and_then(|file| Envelope::read(&file)?.statement());
        Ok(statement.and_then(|statement| Statement::entry(&statement)))
    });
    read.buffered(AT_ONCE)
}
