//! An array of a real Slurm on this machine, and the job that merges it. Slow: `ci/slurm.sh`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Site, any_server};
use crate::backup::source::servers::free_port;
use crate::support::root;

/// A cluster of one node, in a folder of its own; ends with this value.
struct Cluster {
    folder: tempfile::TempDir,
    daemons: Vec<Child>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

impl Cluster {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start() -> Self {
        let mut cluster = Self {
            folder: tempfile::tempdir().unwrap(),
            daemons: Vec::new(),
        };
        let folder = cluster.folder.path().to_owned();
        let at = |name: &str| folder.join(name).display().to_string();
        for name in ["munge", "state", "spool"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        let mut key = [0_u8; 128];
        std::io::Read::read_exact(&mut File::open("/dev/urandom").unwrap(), &mut key).unwrap();
        fs::write(folder.join("munge/key"), key).unwrap();
        for (path, mode) in [
            (folder.clone(), 0o755),
            (folder.join("munge"), 0o755),
            (folder.join("munge/key"), 0o400),
        ] {
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        }
        let host = Command::new("hostname").arg("-s").output().unwrap();
        let host = String::from_utf8(host.stdout).unwrap().trim().to_owned();
        let cpus = std::thread::available_parallelism().unwrap();
        let (controller, node) = (free_port(), free_port());
        let configuration = format!(
            "ClusterName=drills\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={controller}\nSlurmdPort={node}\n\
             AuthType=auth/munge\nCredType=cred/munge\nAuthInfo=socket={}\nSlurmUser=root\nSlurmdUser=root\n\
             StateSaveLocation={}\nSlurmdSpoolDir={}\nSlurmctldPidFile={}\nSlurmdPidFile={}\n\
             SlurmctldLogFile={}\nSlurmdLogFile={}\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\nReturnToService=2\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\nJobAcctGatherType=jobacct_gather/none\n\
             AccountingStorageType=accounting_storage/none\nMinJobAge=3600\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN\n\
             PartitionName=drills Nodes={host} Default=YES State=UP\n",
            at("munge/socket"),
            at("state"),
            at("spool"),
            at("slurmctld.pid"),
            at("slurmd.pid"),
            at("slurmctld.log"),
            at("slurmd.log"),
        );
        fs::write(folder.join("slurm.conf"), configuration).unwrap();
        fs::write(folder.join("cgroup.conf"), "CgroupPlugin=cgroup/v1\n").unwrap();
        let munge = |name: &str| at(&format!("munge/{name}"));
        cluster.daemon(
            "munged",
            &[
                "--foreground".to_owned(),
                "--force".to_owned(),
                format!("--key-file={}", munge("key")),
                format!("--socket={}", munge("socket")),
                format!("--pid-file={}", munge("pid")),
                format!("--log-file={}", munge("log")),
                format!("--seed-file={}", munge("seed")),
            ],
        );
        cluster.wait("munged", |cluster| cluster.path("munge/socket").exists());
        cluster.daemon("slurmctld", &["-D".to_owned()]);
        cluster.daemon("slurmd", &["-D".to_owned(), "-N".to_owned(), host]);
        cluster.wait("slurmd", |cluster| {
            let nodes = cluster.call("sinfo", &["--noheader", "--format=%T"], Path::new("/"), &[]);
            nodes.trim() == "idle"
        });
        cluster
    }

    fn daemon(&mut self, program: &str, words: &[String]) {
        let log = File::create(self.path(&format!("{program}.out"))).unwrap();
        let daemon = Command::new(format!("/usr/sbin/{program}"))
            .args(words)
            .env("SLURM_CONF", self.path("slurm.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}: ci/slurm.sh installs it"));
        self.daemons.push(daemon);
    }

    fn wait(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !done(self) {
            if began.elapsed() > Duration::from_secs(90) {
                let logs = [
                    "munged.out",
                    "slurmctld.out",
                    "slurmd.out",
                    "slurmctld.log",
                    "slurmd.log",
                ];
                let logs = logs.map(|log| fs::read_to_string(self.path(log)).unwrap_or_default());
                panic!("{what} took too long\n{}", logs.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn call(
        &self,
        program: &str,
        words: &[&str],
        folder: &Path,
        variables: &[(&str, String)],
    ) -> String {
        let output = Command::new(program)
            .args(words)
            .current_dir(folder)
            .env("SLURM_CONF", self.path("slurm.conf"))
            .envs(variables.iter().map(|(name, value)| (*name, value)))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    }
}

#[test]
#[ignore = "slow: ci/slurm.sh"]
fn an_array_is_one_run() {
    let cluster = Cluster::start();
    let site = Site::new();
    any_server(&site);
    let text = fs::read_to_string(site.path("orgs.toml")).unwrap();
    fs::create_dir(site.path("scenarios")).unwrap();
    for number in 1..=6 {
        let mut text = text
            .replace(
                "name = \"orgs\"\n\n[backup]",
                &format!("name = \"d{number}\"\n\n[backup]"),
            )
            .replace("orgs-2026", "../orgs-2026");
        if number == 6 {
            text = text.replace("exact = 3", "exact = 4");
        }
        fs::write(site.path(&format!("scenarios/d{number}.toml")), text).unwrap();
    }
    let bin = Path::new(env!("CARGO_BIN_EXE_redrill")).parent().unwrap();
    let variables = [
        (
            "PATH",
            format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()),
        ),
        ("REDRILL_STATE", site.path("state").display().to_string()),
    ];
    let script = |name: &str| root().join("ci/pipelines").join(name).display().to_string();
    let folder = site.folder.path();
    // As the comment in the script says.
    let array = cluster.call(
        "sbatch",
        &["--parsable", &script("slurm-array.sh")],
        folder,
        &variables,
    );
    let array = array.trim();
    assert!(array.parse::<u32>().is_ok(), "{array}");
    let after = format!("--dependency=afterany:{array}");
    let merge = cluster.call(
        "sbatch",
        &["--parsable", &after, &script("slurm-merge.sh"), array],
        folder,
        &variables,
    );
    let merge = merge.trim();
    assert!(merge.parse::<u32>().is_ok(), "{merge}");
    let show = |job: &str| cluster.call("scontrol", &["show", "job", job], folder, &[]);
    cluster.wait("the job that merges", |_| {
        ["COMPLETED", "FAILED", "CANCELLED"]
            .iter()
            .any(|state| show(merge).contains(&format!("JobState={state}")))
    });
    let logs = (1..=4).map(|task| {
        fs::read_to_string(site.path(&format!("restore-drills-{array}-{task}.log")))
            .unwrap_or_default()
    });
    let logs: String = logs.collect();
    let said = fs::read_to_string(site.path(&format!("merge-drills-{merge}.log"))).unwrap();
    assert!(
        said.contains("6 scenarios: 5 PROVEN, 1 NOT PROVEN (exit code 10)"),
        "{said}\n{logs}"
    );
    assert!(show(merge).contains("ExitCode=10:0"), "{}", show(merge));
    assert!(site.path("reports/out/drills.md").is_file());
    let plan =
        fs::read_to_string(site.path(&format!("state/batches/slurm-{array}/plan.json"))).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["shards"], 4);
    let record: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(site.path("reports/out/d1/drill.json")).unwrap())
            .unwrap();
    assert_eq!(record["provenance"]["ci"]["system"], "Slurm", "{record:#}");
}
