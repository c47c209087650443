//! One run over several machines: a batch. Each machine drills the share that a plan gives it, its shard.
//!
//! - `shard`: which shard a machine is, and of which batch; `plan`: which shard drills what; `part`: what a shard reports
//! - `collect`: what became of all of them
//!
//! All shards share one state (`--state`), and nothing else. In it a batch has a folder:
//!
//! | object, below `batches/<name>/` | content | written |
//! | --- | --- | --- |
//! | `plan.json` | the drills, and the shard of each | once: by the first shard, all others follow it |
//! | `shard-<number>.<attempt>.began.json` | who began it | once: who creates it has the number |
//! | `drill-<number>.<attempt>.json` | the entry of a drill in the log | after the drill |
//! | `shard-<number>.<attempt>.ended.json` | that it came to its end | last |
//! | `refused-<random>.json` | a shard that could not take part, and why | instead |
//!
//! What these objects say proves nothing: a drill counts where the log has its entry and its record.

mod collect;
mod part;
mod plan;
mod shard;

pub use collect::{Batch, Reported, ShardReport, collect, newest};
pub use part::{NoPart, Part};
pub use plan::{Drill, Durations, Plan, expected, partition};
pub use shard::{Sharding, batch_name};

/// The folder of a batch.
fn folder(batch: &str) -> String {
    format!("{FOLDER}/{batch}")
}

/// The folder of all batches.
const FOLDER: &str = "batches";

/// Version of the objects of a batch.
const VERSION: u32 = 1;
