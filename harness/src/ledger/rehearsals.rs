//! Which entries may be rehearsals of a scenario: names without content, so that a gate that finds none need not read the log.
//!
//! They are a hint. A writer leaves the name before it takes the number, so a name may be too many and none is too few, unless
//! somebody removed it: then a gate stays closed that would be open, and never the other way, because a gate that finds a
//! rehearsal by its name still reads whatever is newer.

use std::collections::BTreeSet;

use super::statement::{Kind, Summary};
use crate::digest::sha256;
use crate::outcome::CouldNotRun;
use crate::state::State;

/// The folder of the names.
const FOLDER: &str = "rehearsals";

/// Where a rehearsal has no commit, or one that is no name.
const NO_COMMIT: &str = "-";

/// Says that an entry may become a rehearsal.
pub(super) async fn announce(
    state: &State,
    index: u64,
    summary: &Summary,
) -> Result<(), CouldNotRun> {
    if summary.kind != Kind::Rehearsal {
        return Ok(());
    }
    let commit = summary.commit.as_deref().filter(|commit| is_hex(commit));
    let commit = commit.unwrap_or(NO_COMMIT);
    let name = format!("{FOLDER}/{index:010}.{}.{commit}", of(&summary.scenario));
    state.store().create(&name, b"\n".to_vec()).await.map(drop)
}

/// The numbers of all entries that may be rehearsals of a scenario and a commit, by its beginning; `None` where the state is
/// older than these names.
pub(super) async fn announced(
    state: &State,
    scenario: &str,
    commit: Option<&str>,
) -> Result<Option<BTreeSet<u64>>, CouldNotRun> {
    if !state.announces_rehearsals() {
        return Ok(None);
    }
    let scenario = of(scenario);
    let commit = commit.map(str::to_ascii_lowercase).unwrap_or_default();
    let names = state.store().names(FOLDER).await?;
    let may_be = |name: &String| {
        let mut parts = name.split('.');
        let index = super::number(parts.next()?)?;
        let (of, is) = (parts.next()?, parts.next()?);
        // A commit in another case than git writes is compared by its entry.
        let fits = is == NO_COMMIT || is.to_ascii_lowercase().starts_with(&commit);
        (of == scenario && fits).then_some(index)
    };
    Ok(Some(names.iter().filter_map(may_be).collect()))
}

/// A name for a scenario: its own may have any letter.
fn of(scenario: &str) -> String {
    sha256(scenario)[..16].to_owned()
}

fn is_hex(commit: &str) -> bool {
    (7..=64).contains(&commit.len()) && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
}
