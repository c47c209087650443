//! The part of the output that says where a drill comes from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outcome;

/// Who ran the drill, where and with which program. All of it is what the machine and the environment said when it began.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Provenance {
    /// Who ran it: as the CI system says, otherwise the user of the process; of root, who became it by `sudo`.
    actor: String,
    /// The environment variable that names the actor; null where it is the user of the process.
    actor_variable: Option<String>,
    /// Host name of the machine or container that redrill ran in; null where the system gives none.
    host: Option<String>,
    /// SHA-256 of the program file that ran; null where it cannot be read. Its version is `redrill`.
    program_sha256: Option<String>,
    /// The CI system; null outside of GitHub Actions, GitLab CI, Buildkite, Jenkins and Kubernetes.
    ci: Option<Ci>,
    /// The commit that was checked out where the scenario file is, read from `.git`; null outside of a git work tree. The
    /// file itself may differ from it: `scenario.sha256` is that of the file.
    commit: Option<String>,
}

/// The CI system, as its own variables say.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Ci {
    /// `GitHub Actions`, `GitLab CI`, `Buildkite`, `Jenkins` or `Kubernetes`.
    system: String,
    /// Name of the job (`GITHUB_JOB`, `CI_JOB_NAME`, `BUILDKITE_LABEL`, `JOB_NAME`), in Kubernetes of the pod (`HOSTNAME`);
    /// null if not set.
    job: Option<String>,
    /// Address of the job, from `GITHUB_SERVER_URL`, `GITHUB_REPOSITORY`, `GITHUB_RUN_ID` and `GITHUB_RUN_ATTEMPT`, from
    /// `CI_JOB_URL`, `BUILDKITE_BUILD_URL` and `BUILDKITE_JOB_ID`, or `BUILD_URL`; null if not set.
    job_url: Option<String>,
    /// The commit that the job is about (`GITHUB_SHA`, `CI_COMMIT_SHA`, `BUILDKITE_COMMIT`, `GIT_COMMIT`); null if not set,
    /// or no commit.
    commit: Option<String>,
}

impl Provenance {
    pub(super) fn of(provenance: &outcome::Provenance) -> Self {
        Self {
            actor: provenance.actor.name.clone(),
            actor_variable: provenance.actor.variable.as_deref().map(str::to_owned),
            host: provenance.host.clone(),
            program_sha256: provenance.program_sha256.clone(),
            ci: provenance.ci.as_ref().map(|ci| Ci {
                system: ci.system.to_string(),
                job: ci.job.clone(),
                job_url: ci.url.clone(),
                commit: ci.commit.clone(),
            }),
            commit: provenance.commit.clone(),
        }
    }

    pub(super) fn read(self) -> outcome::Provenance {
        outcome::Provenance {
            actor: outcome::Actor {
                name: self.actor,
                variable: self.actor_variable.map(Into::into),
            },
            host: self.host,
            program_sha256: self.program_sha256,
            ci: self.ci.map(|ci| outcome::CiFacts {
                system: ci.system.into(),
                job: ci.job,
                url: ci.job_url,
                commit: ci.commit,
            }),
            commit: self.commit,
        }
    }
}
