//! A server in a container that redrill has no part in, with its data on a plain folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The settings of a server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tuning {
    /// Those of PostgreSQL.
    Stock,
    /// What somebody who knows would set for a restore.
    ByHand,
}

const BY_HAND: &[&str] = &[
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=8GB",
    "checkpoint_timeout=1h",
    "autovacuum=off",
    "shared_buffers=1GB",
    "maintenance_work_mem=1GB",
    "max_parallel_maintenance_workers=2",
    "max_locks_per_transaction=512",
];

/// A running server; dropping it removes it with its data.
pub struct Server {
    name: String,
    data: PathBuf,
}

/// The image that redrill chooses for a dump of this version.
pub fn image() -> String {
    std::env::var("REDRILL_BENCH_IMAGE").unwrap_or_else(|_| "redrill/postgres:17".to_owned())
}

impl Server {
    /// Starts one, with `folder` as `/data`.
    pub fn start(folder: &Path, tuning: Tuning) -> Self {
        let name = format!("redrill-bench-{}", std::process::id());
        let data = folder.join("pgdata");
        std::fs::create_dir_all(&data).expect("a folder");
        let server = Self { name, data };
        let folder = folder.display();
        let mut arguments: Vec<String> = [
            "run",
            "--detach",
            "--rm",
            "--network=none",
            "--shm-size=4g",
            "--env=POSTGRES_HOST_AUTH_METHOD=trust",
            "--env=POSTGRES_DB=bench",
        ]
        .map(str::to_owned)
        .into();
        arguments.extend([
            format!("--name={}", server.name),
            format!("--volume={folder}:/data"),
            format!(
                "--volume={}:/var/lib/postgresql/data",
                server.data.display()
            ),
            image(),
            "postgres".to_owned(),
        ]);
        if tuning == Tuning::ByHand {
            let set = BY_HAND
                .iter()
                .flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]);
            arguments.extend(set);
        }
        docker(&arguments);
        server.wait();
        // The folder belongs to whoever measures; the server writes archives to it.
        docker(&["exec", "--user=root", &server.name, "chmod", "777", "/data"].map(str::to_owned));
        server
    }

    /// Waits until it answers; the entrypoint starts another one first, which listens to its socket only.
    fn wait(&self) {
        let began = Instant::now();
        loop {
            let log = Command::new("docker")
                .args(["logs", &self.name])
                .output()
                .expect("docker");
            let text = String::from_utf8_lossy(&log.stderr).into_owned()
                + &String::from_utf8_lossy(&log.stdout);
            let ready = text.matches("ready to accept connections").count();
            if ready >= 2 {
                return;
            }
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "no server: {text}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Runs a command of a shell in the container: its wall time, and the processor time of the container meanwhile.
    pub fn run(&self, command: &str) -> (Duration, Duration) {
        let before = self.processor();
        let began = Instant::now();
        let script = format!("set -o pipefail; {command}");
        docker(&["exec", "--user=postgres", &self.name, "bash", "-c", &script].map(str::to_owned));
        (began.elapsed(), self.processor() - before)
    }

    /// Processor time that the container has used, by its control group.
    fn processor(&self) -> Duration {
        const READ: &str =
            "cat /sys/fs/cgroup/cpu.stat 2>/dev/null || cat /sys/fs/cgroup/cpuacct/cpuacct.usage";
        let output = docker(&["exec", &self.name, "sh", "-c", READ].map(str::to_owned));
        let text = String::from_utf8(output.stdout).expect("text");
        match text
            .lines()
            .find_map(|line| line.strip_prefix("usage_usec "))
        {
            Some(micros) => Duration::from_micros(micros.trim().parse().expect("a number")),
            None => Duration::from_nanos(text.trim().parse().expect("a number")),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What the server wrote belongs to its user.
        let clear = "rm -rf /var/lib/postgresql/data/* /var/lib/postgresql/data/.[!.]*";
        let _ = Command::new("docker")
            .args(["exec", "--user=root", &self.name, "sh", "-c", clear])
            .output();
        let _ = Command::new("docker")
            .args(["rm", "--force", "--volumes", &self.name])
            .output();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

fn docker(arguments: &[String]) -> Output {
    let output = Command::new("docker")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("docker");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "docker {}: {said}",
        arguments.join(" ")
    );
    output
}
