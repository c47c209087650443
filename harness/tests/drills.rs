//! The drills of `scenarios/` as tests: each scenario is one, and passes when its verdict is PROVEN.
//!
//! Listing parses the scenario files and starts nothing.
#![allow(
    clippy::expect_used,
    clippy::allow_attributes,
    reason = "a test that cannot go on says so by panicking"
)]

use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package lies in the repository");
    let environment = std::env::vars().collect();
    let files = redrill::scenario::files(&root.join("scenarios"));
    let trials = files
        .into_iter()
        .map(|file| match redrill::scenario::load(&file, &environment) {
            Ok(scenario) => {
                Trial::test(scenario.facts.name.clone(), move || drill(&file)).with_kind("drill")
            }
            Err(diagnostics) => {
                let name = file.display().to_string();
                Trial::test(name, move || Err(Failed::from(diagnostics.to_string())))
                    .with_kind("drill")
            }
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Drills one scenario with the real binary.
fn drill(file: &Path) -> Result<(), Failed> {
    let reports = tempfile::tempdir()?;
    let output = Command::new(env!("CARGO_BIN_EXE_redrill"))
        .arg("run")
        .arg(file)
        .arg("--reports")
        .arg(reports.path())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(Failed::from(String::from_utf8_lossy(&text).into_owned()))
}
