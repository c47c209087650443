//! In place of the container provider, where redrill was built without it.

use super::machine::{Machine, Wanted};
use super::settings;
use super::tls::Certificate;
use crate::cleanup::{Run, Work};
use crate::outcome::CouldNotRun;

const HINT: &str = "build it with `--features container`";

pub(super) async fn provide(
    _: &settings::Server,
    _: &settings::Container,
    _: &Wanted,
    _: Option<&Certificate>,
    _: &Run,
    _: &str,
) -> Result<Box<dyn Machine>, CouldNotRun> {
    Err(CouldNotRun::with_hint(
        "this redrill was built without the container provider",
        HINT,
    ))
}

pub(super) async fn forget(_: &str) -> Vec<String> {
    Vec::new()
}

/// What was removed of the engine.
#[derive(Default)]
pub(super) struct Removed {
    pub containers: Vec<String>,
    pub volumes: Vec<String>,
    pub failed: Vec<String>,
}

pub(super) async fn sweep(_: &Work) -> Result<Removed, CouldNotRun> {
    Err(CouldNotRun::new(
        "this redrill was built without the container provider",
    ))
}

pub(super) async fn remove_templates(_: bool) -> (Vec<String>, Vec<String>) {
    (Vec::new(), Vec::new())
}

pub(super) async fn found() -> Vec<String> {
    Vec::new()
}
