//! A pattern for names: wildcards in the last part of a path and in its folders.

use globset::{GlobBuilder, GlobMatcher};

/// Characters that make a part of a path a pattern.
pub(crate) const WILDCARDS: [char; 4] = ['*', '?', '[', '{'];

/// A path with wildcards, split where they begin.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// The path before the first part with a wildcard, with its `/`.
    pub base: String,
    /// The parts from there on.
    parts: Vec<GlobMatcher>,
    /// The parts as they were written.
    pub text: String,
}

/// How a name below the base relates to the pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// It matches.
    Whole,
    /// It is in a folder of the pattern and its name does not match.
    Beside,
    /// It is in another folder.
    Elsewhere,
}

impl Pattern {
    /// Parses a pattern; `None` for a text without a wildcard.
    ///
    /// # Errors
    /// A lowercase fragment.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let Some(first) = text.find(WILDCARDS) else {
            return Ok(None);
        };
        if text.contains("**") {
            return Err("`**` is not supported: name every folder, or use `*`".to_owned());
        }
        let cut = text[..first].rfind('/').map_or(0, |at| at + 1);
        let parts = text[cut..]
            .split('/')
            .map(|part| {
                GlobBuilder::new(part)
                    .literal_separator(true)
                    .build()
                    .map(|glob| glob.compile_matcher())
                    .map_err(|error| format!("`{part}` is not a pattern: {}", error.kind()))
            })
            .collect::<Result<_, _>>()?;
        Ok(Some(Self {
            base: text[..cut].to_owned(),
            parts,
            text: text[cut..].to_owned(),
        }))
    }

    /// How many parts a name below the base has.
    pub fn depth(&self) -> usize {
        self.parts.len()
    }

    /// Whether the part `name` at `depth` matches.
    pub fn part(&self, depth: usize, name: &str) -> bool {
        self.parts
            .get(depth)
            .is_some_and(|part| part.is_match(name))
    }

    /// Compares a name below the base with the pattern.
    pub fn judge(&self, name: &str) -> Match {
        let parts: Vec<&str> = name.split('/').collect();
        let Some((last, folders)) = parts.split_last() else {
            return Match::Elsewhere;
        };
        let lies_there = parts.len() == self.depth()
            && folders
                .iter()
                .enumerate()
                .all(|(depth, folder)| self.part(depth, folder));
        match lies_there {
            true if self.part(folders.len(), last) => Match::Whole,
            true => Match::Beside,
            false => Match::Elsewhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("plur-*.sql.gz", "plur-1.sql.gz", Match::Whole)]
    #[case("plur-*.sql.gz", "plur-1.sql", Match::Beside)]
    #[case("plur-*.sql.gz", "a/plur-1.sql.gz", Match::Elsewhere)]
    #[case("*/plur-?.sql", "a/plur-1.sql", Match::Whole)]
    #[case("*/plur-?.sql", "a/plur-12.sql", Match::Beside)]
    #[case("host-[ab]/x*", "host-c/x1", Match::Elsewhere)]
    #[case("x.{sql,dump}", "x.dump", Match::Whole)]
    #[case("x.{sql,dump}", "x.tar", Match::Beside)]
    #[case("plur-*.sql", "plur-ü +%2F.sql", Match::Whole)]
    fn names_are_judged(#[case] pattern: &str, #[case] name: &str, #[case] judged: Match) {
        let pattern = Pattern::parse(&format!("/base/{pattern}"))
            .unwrap()
            .unwrap();
        assert_eq!(pattern.base, "/base/");
        assert_eq!(pattern.judge(name), judged);
    }

    #[rstest]
    #[case("backups/**/x")]
    #[case("backups/[x")]
    #[case("backups/{a,b")]
    fn what_is_no_pattern_is_refused(#[case] text: &str) {
        assert!(Pattern::parse(text).is_err());
        assert!(Pattern::parse("backups/").unwrap().is_none());
    }
}
