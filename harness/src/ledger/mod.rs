//! The log of all drills of a state: each is an entry, signed, and a leaf of a Merkle tree whose root a checkpoint states.
//!
//! - `merkle`, `checkpoint`: the tree and its state at one time; `key`, `envelope`, `statement`: what an entry says and who signs it
//! - `sign_command`: programs that sign and verify in place of a key
//! - `rehearsals`: which entries may be rehearsals, as a hint
//! - `changes`: what differs between two drills; `gate`: whether a release may go
//! - `latest`: the newest drills of each scenario, what is overdue, waived, and evidence for a control
//! - `append`: adds an entry; `read`: reads them; `verify`: whether the log is complete, in order and unchanged
//!
//! A log shows by itself that nothing before its newest checkpoint was changed, removed or added. It does not show that the
//! newest entries are still there, nor that the owner of the key did not write it anew: only a checkpoint that was kept elsewhere
//! does. Times are those of the machines that wrote them.

mod append;
pub mod changes;
pub mod checkpoint;
mod envelope;
pub mod gate;
pub mod key;
pub mod latest;
pub mod merkle;
mod read;
mod rehearsals;
pub mod sign_command;
mod signing;
pub mod statement;
mod verify;

#[cfg(test)]
mod tests;

pub use append::{Written, append, keep_baseline};
pub use checkpoint::Checkpoint;
pub use read::{
    baseline, checkpoint_of, entries, entry, entry_of, evidence, newest_first, oldest_first,
    previous, record,
};
pub use signing::Signing;
pub use verify::{Kept, Verified, verify};

/// The object of a record.
fn record_name(sha256: &str) -> String {
    format!("records/{sha256}.json")
}

/// The object of what a drill leaves for the next one.
fn baseline_name(sha256: &str) -> String {
    format!("baselines/{sha256}.toml")
}

/// The object of an entry.
fn entry_name(index: u64) -> String {
    format!("entries/{index:010}.json")
}

/// The object of the checkpoint of a size; its signature has the suffix `.sig`.
fn checkpoint_name(size: u64) -> String {
    format!("checkpoints/{size:010}")
}

/// The number in the name of an entry or a checkpoint; `None` for a name that is not written so.
fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json").unwrap_or(name);
    let number = digits.parse().ok()?;
    (format!("{number:010}") == digits).then_some(number)
}
