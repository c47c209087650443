//! `--metrics`: the Prometheus text file, read by Prometheus's own tool.

use std::fs::{self, File};
use std::process::Command;

use super::Site;

/// The value of a sample.
fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample));
    let line = line.unwrap_or_else(|| panic!("no `{sample}` in\n{text}"));
    line.trim().parse().unwrap()
}

/// The file, which `promtool` accepts.
fn metrics(site: &Site) -> String {
    let path = site.path("node/redrill.prom");
    let promtool = std::env::var("REDRILL_PROMTOOL");
    let promtool = promtool.expect("REDRILL_PROMTOOL: `. ci/setup.sh; need_promtool` sets it");
    let checked = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(File::open(&path).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success() && said.is_empty(), "{said}");
    fs::read_to_string(path).unwrap()
}

#[test]
fn metrics_say_how_a_drill_ended() {
    let site = Site::new();
    site.drill("--metrics node/redrill.prom", 0);
    let proven = metrics(&site);
    let of =
        |text: &str, name: &str| value(text, &format!("redrill_drill_{name}{{scenario=\"orgs\"}}"));
    assert_eq!(of(&proven, "passed"), 1.0);
    assert_eq!(of(&proven, "backup_rows"), 3.0);
    let size = fs::metadata(site.path("orgs-2026-11-20.sql"))
        .unwrap()
        .len();
    assert_eq!(of(&proven, "backup_bytes"), size as f64);
    assert!(of(&proven, "restore_seconds") > 0.0);
    assert!(of(&proven, "duration_seconds") >= of(&proven, "restore_seconds"));
    let began = of(&proven, "started_timestamp_seconds");
    assert_eq!(of(&proven, "last_proven_timestamp_seconds"), began);
    let age = began - of(&proven, "backup_timestamp_seconds");
    assert!((of(&proven, "backup_age_seconds") - age).abs() < 1.0);
    let verdict = |text: &str, word: &str| {
        value(
            text,
            &format!("redrill_drill_verdict{{scenario=\"orgs\",verdict=\"{word}\"}}"),
        )
    };
    assert_eq!(
        (verdict(&proven, "PROVEN"), verdict(&proven, "NOT PROVEN")),
        (1.0, 0.0)
    );
    let checks = "redrill_drill_checks{scenario=\"orgs\",outcome=\"pass\"}";
    assert_eq!(value(&proven, checks), 1.0);

    // When it was proven last is in the log.
    let text = fs::read_to_string(site.path("orgs.toml")).unwrap();
    fs::write(
        site.path("orgs.toml"),
        text.replace("exact = 3", "exact = 4"),
    )
    .unwrap();
    site.drill("--metrics node/redrill.prom", 10);
    let failed = metrics(&site);
    assert_eq!(
        (of(&failed, "passed"), verdict(&failed, "NOT PROVEN")),
        (0.0, 1.0)
    );
    assert!(of(&failed, "started_timestamp_seconds") > began);
    assert!((of(&failed, "last_proven_timestamp_seconds") - began).abs() < 0.01);
    // Without a log it is not known.
    site.drill("--metrics node/redrill.prom --no-state", 10);
    assert!(!metrics(&site).contains("last_proven"));
    let left: Vec<_> = fs::read_dir(site.path("node")).unwrap().collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn metrics_that_cannot_be_written_are_an_error() {
    let site = Site::new();
    fs::write(site.path("file"), "").unwrap();
    let said = site.drill("--metrics file/redrill.prom", 3);
    assert!(
        said.stderr
            .contains("the metrics were not written: cannot write file/redrill.prom"),
        "{}",
        said.stderr
    );
    assert!(said.stdout.contains("PROVEN"), "{}", said.stdout);
}
