//! The pictures of the examples in the README.

use std::process::Command;

use super::driver::{DARK, DESKTOP, Look, with};
use crate::support::root;

/// The largest picture in bytes.
const LARGEST: usize = 150_000;

/// Pictures are made with `REDRILL_UPDATE=1` and differ with the fonts of a machine; otherwise only their size is looked at.
#[test]
fn the_pictures_of_the_readme_are_there() {
    let tall = Look {
        height: 1_000,
        ..DESKTOP
    };
    for (name, example, look) in [
        ("drill", "not-proven", tall),
        (
            "overview",
            "overview",
            Look {
                height: 1_750,
                ..DESKTOP
            },
        ),
        (
            "overview-dark",
            "overview",
            Look {
                height: 1_750,
                ..DARK
            },
        ),
    ] {
        let path = root().join(format!("reports/examples/{name}.png"));
        if std::env::var_os("REDRILL_UPDATE").is_some() {
            let page = root().join(format!("reports/examples/{example}.html"));
            with(async |browser| {
                browser.open_file(&page.canonicalize().unwrap(), look).await;
                std::fs::write(&path, browser.picture().await).unwrap();
            });
            // Where it is installed: a third of the size.
            let _ = Command::new("pngquant")
                .args(["--force", "--ext", ".png", "--skip-if-larger", "64"])
                .arg(&path)
                .status();
        }
        let picture = std::fs::read(&path).unwrap();
        assert!(picture.starts_with(b"\x89PNG"), "{name}");
        assert!(picture.len() <= LARGEST, "{name}: {} bytes", picture.len());
    }
}
