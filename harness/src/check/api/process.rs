//! The processes of an application, as the scenario sets them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Api;
use super::ready::Ready;
use crate::input::secret::SecretText;
use crate::units::show_duration;

/// The name of the process of `command`, in requests and placeholders.
pub const MAIN: &str = "application";

/// A process of the application in addition to that of `command`, such as a worker.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ApiProcess {
    /// Its name in findings, in `process` of a request, and in the placeholder `{name.port}`.
    pub name: String,
    /// Program and arguments, as `command` of the check.
    pub command: Vec<String>,
    /// Where it starts, relative to the scenario file. Default: that of the check.
    pub working_directory: Option<PathBuf>,
    /// The role that it connects as. Default: that of the check.
    pub role: Option<String>,
    /// More variables, in addition to those of the check, which they replace.
    #[serde(default)]
    pub env: BTreeMap<String, SecretText>,
    /// The variable that holds its own port. Default: that of the check.
    pub port_variable: Option<String>,
    /// The variable that holds the database's URL. Default: that of the check.
    pub url_variable: Option<String>,
    /// When it is ready. Default: `{ path = "/health", status = 200, within = "30s" }`.
    #[serde(default)]
    pub ready: Ready,
}

/// What one process is started with.
pub struct ProcessSettings<'a> {
    /// Its name; [`MAIN`] for that of `command`.
    pub name: &'a str,
    /// Program and arguments.
    pub command: &'a [String],
    /// Where it starts.
    pub working_directory: Option<&'a Path>,
    /// The role that it connects as.
    pub role: &'a str,
    /// More variables; later ones replace earlier ones.
    pub env: Vec<&'a BTreeMap<String, SecretText>>,
    /// The variable that holds its port.
    pub port_variable: Option<&'a str>,
    /// The variable that holds the database's URL.
    pub url_variable: Option<&'a str>,
    /// When it is ready.
    pub ready: &'a Ready,
}

impl ApiProcess {
    /// What it is started with: what it does not set is as in the check.
    pub fn settings<'a>(&'a self, api: &'a Api) -> ProcessSettings<'a> {
        let folder = self.working_directory.as_ref();
        let role = self.role.as_ref().unwrap_or(&api.role);
        let port = self.port_variable.as_ref();
        let url = self.url_variable.as_ref();
        ProcessSettings {
            name: &self.name,
            command: &self.command,
            working_directory: folder
                .or(api.working_directory.as_ref())
                .map(PathBuf::as_path),
            role,
            env: vec![&api.env, &self.env],
            port_variable: port.or(api.port_variable.as_ref()).map(String::as_str),
            url_variable: url.or(api.url_variable.as_ref()).map(String::as_str),
            ready: &self.ready,
        }
    }
}

impl ProcessSettings<'_> {
    /// Says a time of the process: `ready after 2.0 s`, `worker ready after 1.0 s`.
    pub fn named(&self, words: &str, time: Duration) -> String {
        let said = format!("{words} {}", show_duration(time));
        match self.name {
            MAIN => said,
            name => format!("{name} {said}"),
        }
    }
}
