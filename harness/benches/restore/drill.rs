//! A drill by the real program, and what it took.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a drill took.
pub struct Drilled {
    /// The restore stage.
    pub restore: Duration,
    /// The program from its start to its end.
    pub all: Duration,
    /// The most memory that it had at once.
    pub peak_bytes: u64,
}

/// Drills a backup with a check that reads rows.
pub fn run(backup: &Path, proof: &str, jobs: usize) -> Drilled {
    let folder = backup.with_extension("drill");
    std::fs::create_dir_all(&folder).expect("a folder");
    let scenario = folder.join("bench.toml");
    // The data is on a plain disk, as that of the other servers.
    let text = format!(
        r#"schema = 1
name = "bench"
proof = "{proof}"
[backup]
path = "{}"
[restore]
database = "bench"
jobs = {jobs}
[server.container]
storage = "volume"
[[check.row-count]]
table = "public.marker"
exact = 1
"#,
        backup.display()
    );
    std::fs::write(&scenario, text).expect("a file");
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_redrill"))
        .args(["run", "--reports"])
        .arg(&folder)
        .arg(&scenario)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("redrill");
    let peak = Path::new("/proc")
        .join(child.id().to_string())
        .join("status");
    let mut peak_bytes = 0;
    let status = loop {
        if let Ok(Some(status)) = child.try_wait() {
            break status;
        }
        peak_bytes = peak_bytes.max(high_water(&peak));
        std::thread::sleep(Duration::from_millis(20));
    };
    let all = began.elapsed();
    assert!(
        status.success(),
        "redrill: {status}; see {}",
        folder.display()
    );
    let report = std::fs::read_to_string(folder.join("bench/drill.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let seconds = report["restore"]["duration_s"].as_f64().expect("a time");
    std::fs::remove_dir_all(&folder).expect("an end");
    Drilled {
        restore: Duration::from_secs_f64(seconds),
        all,
        peak_bytes,
    }
}

/// `VmHWM` of a process in bytes; 0 once it has ended.
fn high_water(status: &Path) -> u64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
