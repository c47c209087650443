//! Where a drill comes from: who ran it, where, with which program, from which commit.
//!
//! Everything is what this machine and the environment say. Neither is proof against whoever controls them; a record that
//! is kept elsewhere, or signed, is.
//!
//! - `ci`: the CI systems and their variables; `actor`: who ran it; `commit`: the commit of a git work tree; `inputs`: what the
//!   checks are compared with

mod actor;
mod ci;
mod commit;
mod inputs;

pub use ci::{Shard, run_of, shard_of};

use std::fs::File;
use std::future::Future;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::cleanup::host_name;
use crate::context::Context;
use crate::digest::sha256_of;
use crate::input::Environment;
use crate::outcome::{InputFacts, Provenance};
use crate::scenario::Scenario;

/// Gathers where a drill comes from, beside the drill, which needs it at its end. What cannot be found out is absent: it never stops
/// a drill.
pub fn gather(
    scenario: &Scenario,
    context: &Context,
) -> impl Future<Output = (Provenance, Vec<InputFacts>)> + use<> {
    let (environment, folder) = (context.environment.clone(), scenario.folder.clone());
    let named = inputs::named(scenario);
    let gathered = tokio::task::spawn_blocking(move || {
        let inputs = inputs::read(&folder, named);
        (read(&environment, folder), inputs)
    });
    async { gathered.await.unwrap_or_default() }
}

/// The same for an environment and the folder of a scenario. Blocks.
fn read(environment: &Environment, folder: PathBuf) -> Provenance {
    let (ci, by) = match ci::detect(environment) {
        Some((facts, by)) => (Some(facts), by),
        None => (None, None),
    };
    Provenance {
        actor: by.unwrap_or_else(|| actor::of_process(environment)),
        host: host_name(),
        program_sha256: program(),
        ci,
        commit: std::path::absolute(folder)
            .ok()
            .and_then(|folder| commit::of(&folder)),
    }
}

/// The digest of the running program, even where its file was replaced or removed since it started. Read once.
fn program() -> Option<String> {
    static DIGEST: OnceLock<Option<String>> = OnceLock::new();
    let digest = || sha256_of(File::open("/proc/self/exe").ok()?).ok();
    DIGEST.get_or_init(digest).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_environment_has_a_user_a_host_and_a_program() {
        let folder = tempfile::tempdir().unwrap();
        let found = read(&Environment::new(), folder.path().to_owned());
        assert!(!found.actor.name.is_empty());
        assert_eq!(found.actor.variable, None);
        assert_eq!(found.host, host_name());
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(found.program_sha256, Some(crate::digest::sha256(own)));
        assert_eq!((found.ci, found.commit), (None, None));
    }
}
