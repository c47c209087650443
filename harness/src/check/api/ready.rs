//! When a process is ready: a path answers, it listens, it writes a line or a file.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::parameters::check_status;
use crate::units::{Span, show_duration};

/// The path that is asked where nothing is set.
const PATH: &str = "/health";

/// Bytes of one line of output that are compared with a pattern.
const LINE: usize = 16 * 1024;

/// When a process is ready: one of `path`, `output`, `listens` and `file`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Ready {
    /// The path that is asked until it answers with `status`. Default, where nothing else is set: `/health`.
    pub path: Option<String>,
    /// The status that `path` answers with then. Default: 200.
    pub status: Option<u16>,
    /// A regular expression that a line of its output matches, standard error included; `^` and `$` are the ends
    /// of the line.
    pub output: Option<String>,
    /// Whether it is enough that it accepts a connection on its port.
    pub listens: Option<bool>,
    /// A file that it writes, relative to the folder that it starts in. One that is there before it starts must change.
    pub file: Option<PathBuf>,
    /// Limit for coming up. Default: `30s`.
    pub within: Span,
}

impl Default for Ready {
    fn default() -> Self {
        Self {
            path: None,
            status: None,
            output: None,
            listens: None,
            file: None,
            within: Span(Duration::from_secs(30)),
        }
    }
}

impl Ready {
    /// Finds what is wrong with it, each with its key.
    pub fn find_errors(&self) -> Vec<(&'static str, String)> {
        let mut messages = Vec::new();
        let ways = [
            self.path.is_some(),
            self.output.is_some(),
            self.listens.is_some(),
            self.file.is_some(),
        ];
        if ways.iter().filter(|set| **set).count() > 1 {
            let message = "`ready` is one of `path`, `output`, `listens` and `file`";
            messages.push(("", message.to_owned()));
        } else if self.status.is_some() && !ways[0] && ways.contains(&true) {
            messages.push(("status", "only a `path` answers with a `status`".to_owned()));
        }
        if self
            .path
            .as_ref()
            .is_some_and(|path| !path.starts_with('/'))
        {
            messages.push(("path", "a path begins with `/`".to_owned()));
        }
        let status = self.status.and_then(|status| check_status(status).err());
        messages.extend(status.map(|message| ("status", message)));
        match self.output.as_deref() {
            Some("") => messages.push(("output", "every line matches ``".to_owned())),
            Some(output) if Regex::new(output).is_err() => {
                let message = format!("`{output}` is not a regular expression");
                messages.push(("output", message));
            }
            _ => {}
        }
        if self.listens == Some(false) {
            messages.push(("listens", "`listens` is `true` or is left out".to_owned()));
        }
        if self
            .file
            .as_ref()
            .is_some_and(|file| file.as_os_str().is_empty())
        {
            messages.push(("file", "`file` is empty".to_owned()));
        }
        messages
    }

    fn asked(&self) -> (&str, u16) {
        (
            self.path.as_deref().unwrap_or(PATH),
            self.status.unwrap_or(200),
        )
    }

    /// What is expected, with the limit.
    pub fn expectation(&self) -> String {
        let what = if let Some(output) = &self.output {
            format!("a line of output that matches `{output}`")
        } else if self.listens.is_some() {
            "a connection to its port".to_owned()
        } else if let Some(file) = &self.file {
            format!("the file `{}`", file.display())
        } else {
            let (path, status) = self.asked();
            format!("status {status} of GET {path}")
        };
        format!("{what} within {}", show_duration(self.within.0))
    }
}

/// How a process shows that it is ready.
pub enum Way<'a> {
    /// A path answers with a status.
    Answers(&'a str, u16),
    /// It accepts a connection.
    Connects,
    /// It writes a line or a file.
    Writes,
}

/// Watches for one process whether it is ready.
pub struct Watch {
    ready: Ready,
    /// The file that it writes, and what it was before.
    file: Option<(PathBuf, Option<Metadata>)>,
    /// Whether the line was in the output.
    line: Arc<AtomicBool>,
}

impl Watch {
    /// Begins before the process starts; `folder` is where it starts.
    pub fn begin(ready: &Ready, folder: &Path) -> Self {
        let file = ready.file.as_ref().map(|file| {
            let path = folder.join(file);
            let before = path.metadata().ok();
            (path, before)
        });
        Self {
            ready: ready.clone(),
            file,
            line: Arc::default(),
        }
    }

    /// What is expected, and its limit.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Gives what takes the pieces of one output stream.
    pub fn lines(&self) -> impl FnMut(&[u8]) + Send + use<> {
        let pattern = self
            .ready
            .output
            .as_deref()
            .and_then(|output| Regex::new(output).ok());
        let found = Arc::clone(&self.line);
        let mut line = Vec::new();
        move |bytes| {
            let Some(pattern) = &pattern else { return };
            for byte in bytes {
                match byte {
                    b'\n' => {
                        if pattern.is_match(String::from_utf8_lossy(&line).trim_end()) {
                            found.store(true, Ordering::Relaxed);
                        }
                        line.clear();
                    }
                    _ if line.len() < LINE => line.push(*byte),
                    _ => {}
                }
            }
        }
    }

    /// How it shows that it is ready.
    pub fn way(&self) -> Way<'_> {
        if self.ready.output.is_some() || self.file.is_some() {
            Way::Writes
        } else if self.ready.listens.is_some() {
            Way::Connects
        } else {
            let (path, status) = self.ready.asked();
            Way::Answers(path, status)
        }
    }

    /// Whether the line or the file was written; an error says in a few words why not.
    pub fn has_written(&self) -> Result<(), String> {
        let Some((path, before)) = &self.file else {
            let found = self.line.load(Ordering::Relaxed);
            return found.then_some(()).ok_or_else(|| "no such line".to_owned());
        };
        match (path.metadata(), before) {
            (Err(_), _) => Err("no such file".to_owned()),
            (Ok(now), Some(before)) if !differs(&now, before) => {
                Err("it is as it was before the start".to_owned())
            }
            (Ok(_), _) => Ok(()),
        }
    }
}

/// Whether a file was written again.
fn differs(now: &Metadata, before: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |file: &Metadata| (file.ino(), file.len(), file.mtime(), file.mtime_nsec());
    identity(now) != identity(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn what_is_not_set_has_a_default() {
        let ready: Ready = toml::from_str("within = '5s'").unwrap();
        assert_eq!(
            ready.expectation(),
            "status 200 of GET /health within 5.0 s"
        );
    }

    #[rstest]
    #[case(&["booting\nre", "ady\n"], true)]
    #[case(&["ready\r\n"], true)]
    #[case(&["ready"], false)]
    #[case(&["not ready\n"], false)]
    fn a_line_is_found_wherever_it_is_cut(#[case] pieces: &[&str], #[case] expected: bool) {
        let ready: Ready = toml::from_str("output = '^ready$'").unwrap();
        let watch = Watch::begin(&ready, Path::new("/"));
        let mut lines = watch.lines();
        pieces.iter().for_each(|piece| lines(piece.as_bytes()));
        assert_eq!(watch.line.load(Ordering::Relaxed), expected);
    }
}
