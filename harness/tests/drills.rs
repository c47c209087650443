//! The drills of `scenarios/` as tests: every stage and every check of every scenario is one.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    redrill::libtest::main(root.unwrap_or(Path::new(".")).join("scenarios"))
}
