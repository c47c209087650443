//! Who ran a drill, where and with which program.

use std::borrow::Cow;

/// Who ran a drill, where and with which program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Who ran it.
    pub actor: Actor,
    /// Host name of the machine or container that redrill ran in; `None` where the system gives none.
    pub host: Option<String>,
    /// SHA-256 of the program file that ran, in hex; `None` where it cannot be read.
    pub program_sha256: Option<String>,
    /// The CI system that ran it; `None` outside of those that are known.
    pub ci: Option<CiFacts>,
    /// The commit that was checked out where the scenario is, in hex; `None` outside of a git work tree.
    pub commit: Option<String>,
}

/// Who ran a drill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actor {
    /// The name.
    pub name: String,
    /// The environment variable that says so; `None` where it is the user of the process.
    pub variable: Option<Cow<'static, str>>,
}

/// The CI system that ran a drill, as its own variables say. What a variable does not say is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CiFacts {
    /// Its name: `GitHub Actions`.
    pub system: Cow<'static, str>,
    /// The name of the job; in Kubernetes, of the pod.
    pub job: Option<String>,
    /// Address of the job.
    pub url: Option<String>,
    /// The commit that the job is about, in hex.
    pub commit: Option<String>,
}
