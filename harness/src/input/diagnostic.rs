//! Errors of a scenario file, with line, caret and hint.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::units::show_counted;

/// One error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A lowercase fragment.
    pub message: String,
    /// Bytes of the file that it concerns; `None` for the whole file.
    pub span: Option<Range<usize>>,
    /// What to do.
    pub hint: Option<String>,
}

impl Problem {
    /// Creates an error about some bytes of the file.
    pub fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span: Some(span),
            hint: None,
        }
    }

    /// Creates an error about the whole file.
    pub fn whole(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span: None,
            hint: None,
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.add_hint(hint);
        self
    }

    /// Adds what to do, to an error that is in a list already.
    pub fn add_hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }
}

/// All errors of one file.
#[derive(Debug)]
pub struct Diagnostics {
    path: PathBuf,
    text: String,
    /// The errors, in the order of the file.
    pub problems: Vec<Problem>,
}

impl Diagnostics {
    /// Collects the errors of a file.
    #[must_use]
    pub fn new(path: &Path, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.as_ref().map_or(usize::MAX, |span| span.start));
        problems.dedup();
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            problems,
        }
    }

    /// Creates the error of a file that cannot be read.
    #[must_use]
    pub fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let problem = Problem::whole(format!("cannot read the scenario: {error}"));
        let problem = match error.kind() {
            std::io::ErrorKind::NotFound => problem.hint(
                "give a scenario file, or a folder of them, such as `redrill run scenarios/`",
            ),
            _ => problem,
        };
        Self::new(path, "", vec![problem])
    }

    /// Formats all errors for people, with or without colour.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let path = self.path.display().to_string();
        let mut out = String::new();
        for problem in &self.problems {
            let title = Level::ERROR.primary_title(problem.message.as_str());
            let mut group = match &problem.span {
                Some(span) => {
                    let end = span.end.min(self.text.len()).max(span.start);
                    title.element(
                        Snippet::source(self.text.as_str())
                            .path(path.as_str())
                            .annotation(AnnotationKind::Primary.span(span.start..end)),
                    )
                }
                None => title.element(annotate_snippets::Origin::path(path.as_str())),
            };
            if let Some(hint) = &problem.hint {
                group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
            }
            out.push_str(&renderer.render(&[group]));
            out.push_str("\n\n");
        }
        let count = self.problems.len();
        out.push_str(&format!("{} in {path}\n", show_counted(count, "error")));
        out
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// Returns the name in `known` that is most similar to `given`, if any is.
#[must_use]
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| {
            // `minimum` means `min`, although many letters differ.
            let (short, long) = if name.len() < given.len() {
                (name, given)
            } else {
                (given, name)
            };
            let begins = short.len() >= 3 && long.starts_with(short);
            let distance = strsim::damerau_levenshtein(given, name);
            (if begins { 1 } else { distance }, name)
        })
        .filter(|(distance, name)| *distance <= 1 + name.len().max(given.len()) / 3)
        .min()
        .map(|(_, name)| name)
}
