//! Compares the objects of a database with what must and must not be there.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::NamedKind;
use super::name::NameEntry;
use crate::catalog::ObjectId;
use crate::check::{absent, target};
use crate::outcome::{CouldNotRun, Finding, NotTested};
use crate::units::show_count;

/// How many objects of one pattern have a finding of their own.
const MOST_FINDINGS: usize = 20;

/// An object of the kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundObject<'a> {
    /// Its name in parts.
    pub path: Vec<&'a str>,
    /// Its name in findings.
    pub text: String,
    /// Its key in [`crate::catalog::identities`].
    key: &'a str,
}

/// The objects of a database, for a check of one kind.
pub struct FoundObjects<'a> {
    kind: NamedKind,
    all: &'a BTreeMap<String, ObjectId>,
    /// Those of the kind, each once.
    pub found: Vec<FoundObject<'a>>,
    /// Schemas, tables, views and domains, in parts.
    containers: BTreeSet<Vec<&'a str>>,
    /// Roles that no statement of the backup creates.
    pub not_of_the_backup: BTreeSet<String>,
    /// The superuser of the throwaway server, where it is one of those.
    pub superuser: Option<String>,
    /// The key of each function that an entry names with types, by the entry.
    pub functions: BTreeMap<String, String>,
    /// The extension of each object that belongs to one, by schema and name.
    pub members: BTreeMap<(String, String), String>,
}

impl<'a> FoundObjects<'a> {
    /// Selects the objects of a kind.
    pub fn of_kind(kind: NamedKind, all: &'a BTreeMap<String, ObjectId>) -> Self {
        let mut found: Vec<FoundObject<'a>> = all
            .iter()
            .filter_map(|(key, id)| {
                let path = kind.path(key, id)?;
                let text = kind.describe(&path, id);
                Some(FoundObject { path, text, key })
            })
            .collect();
        found.sort();
        found.dedup_by(|a, b| (&a.path, &a.text) == (&b.path, &b.text));
        let containers = all.values().filter(|id| id.part.is_none());
        let containers = containers.filter_map(|id| match (&id.schema, id.kind.word()) {
            (None, "schema") => Some(vec![id.name.as_str()]),
            (Some(schema), "domain") => Some(vec![schema.as_str(), id.name.as_str()]),
            (Some(schema), _) if id.kind.is_relation() => {
                Some(vec![schema.as_str(), id.name.as_str()])
            }
            _ => None,
        });
        Self {
            kind,
            all,
            found,
            containers: containers.collect(),
            not_of_the_backup: BTreeSet::new(),
            superuser: None,
            functions: BTreeMap::new(),
            members: BTreeMap::new(),
        }
    }

    /// Lists the objects that an entry matches.
    pub fn matching(&self, entry: &NameEntry) -> Vec<&FoundObject<'a>> {
        let is_meant = |object: &&FoundObject<'a>| match &entry.function {
            Some(_) => self.functions.get(&entry.text).map(String::as_str) == Some(object.key),
            None => entry.matches(&object.path),
        };
        self.found.iter().filter(is_meant).collect()
    }

    /// Whether the schema or the table that an entry names something in is there.
    pub fn has_container(&self, entry: &NameEntry) -> bool {
        entry.container().is_none() || self.containers.iter().any(|path| entry.is_in(path))
    }

    /// Finds that nothing is there that an entry of `present` matches.
    ///
    /// # Errors
    /// When only roles match that the drill may have made itself.
    pub fn missing(&self, entry: &NameEntry) -> Result<Option<Finding>, CouldNotRun> {
        let there = self.matching(entry);
        let is_made_here =
            |object: &&FoundObject<'a>| self.not_of_the_backup.contains(&object.path.join("."));
        if !there.iter().all(is_made_here) {
            return Ok(None);
        }
        if let Some(object) = there.first() {
            return Err(CouldNotRun::new(format!(
                "{} is there, but no statement of the backup creates it: the drill may have made it",
                object.text
            ))
            .hint("give the drill the file of roles (`globals` in `[backup]`), or leave the name out"));
        }
        let word = self.kind.word();
        let Some(path) = entry.exact() else {
            let expected = format!("at least one {word} that matches");
            let hint = self.why_no_container(entry).unwrap_or_else(|| {
                "correct the pattern, or leave out what the backup does not have".to_owned()
            });
            return Ok(Some(target::missing(&entry.text, &expected, hint)));
        };
        let finding = |actual: String, hint: String| {
            let object = format!("{word} {}", entry.text);
            Ok(Some(
                Finding::about(object, "it is there", actual).hint(hint),
            ))
        };
        if let Some(why) = self.why_no_container(entry) {
            return finding("there is none in the restored database".to_owned(), why);
        }
        if let [schema, name, ..] = path.as_slice()
            && let Some(extension) = self
                .members
                .get(&((*schema).to_owned(), (*name).to_owned()))
        {
            return finding(
                format!("{schema}.{name} belongs to the extension {extension}"),
                "no dump has the definition of such an object; `kind = \"extension\"` says that the extension is there".to_owned(),
            );
        }
        if let Some(other) = self.of_another_kind(&path) {
            return finding(
                format!("the {other} is there instead"),
                "correct `kind`, or find out what replaced it".to_owned(),
            );
        }
        let there: Vec<String> = self
            .found
            .iter()
            .map(|object| object.path.join("."))
            .collect();
        let there = there.iter().map(String::as_str);
        let hint = absent::why_or_meant(&self.kind.statement(), &path.join("."), there);
        finding("there is none in the restored database".to_owned(), hint)
    }

    /// Finds what an entry of `absent` matches.
    pub fn unexpected(&self, entry: &NameEntry) -> Vec<Finding> {
        let there = self.of_database(self.matching(entry));
        let word = self.kind.word();
        let hint = format!(
            "`{}` of `absent` matches it: the backup still has it, or has it again; if it belongs there, correct `absent`",
            entry.text
        );
        each(&there, &entry.text, &format!("no such {word}"), &hint)
    }

    /// Finds what an entry of `no-others-in` matches, and no entry of `present`.
    pub fn others(&self, entry: &NameEntry, present: &[NameEntry]) -> Vec<Finding> {
        let mut named = BTreeSet::new();
        for entry in present {
            named.extend(self.matching(entry));
        }
        let mut there = self.of_database(self.matching(entry));
        there.retain(|object| !named.contains(object));
        let expected = format!("no other {} than those of `present`", self.kind.word());
        let hint = "name it in `present` if it belongs there; if not, find out what made it";
        each(&there, &entry.text, &expected, hint)
    }

    /// Says that an entry of `absent` or `no-others-in` matches nothing because all that it would be in is missing.
    pub fn not_tested(&self, entry: &NameEntry) -> Option<NotTested> {
        let why = self.why_no_container(entry)?;
        let what = format!(
            "whether {} {} is gone by itself",
            self.kind.word(),
            entry.text
        );
        Some(NotTested::new(what, why))
    }

    /// Why nothing of an entry can be there: its schema or table is not.
    fn why_no_container(&self, entry: &NameEntry) -> Option<String> {
        let container = entry.container().filter(|_| !self.has_container(entry))?;
        let (word, depth) = match self.kind.is_of_a_table() {
            true => ("table", 2),
            false => ("schema", 1),
        };
        let all = self.containers.iter().filter(|path| path.len() == depth);
        let all: Vec<String> = all.map(|path| path.join(".")).collect();
        Some(
            match crate::input::diagnostic::nearest(&container, all.iter().map(String::as_str)) {
                Some(meant) => {
                    format!(
                        "the restored database has no {word} {container}; did you mean `{meant}`?"
                    )
                }
                None => format!(
                    "the restored database has no {word} {container}; if it is gone on purpose, say so with `kind = \"{word}\"` and `absent = [\"{container}\"]`"
                ),
            },
        )
    }

    /// An object of another kind with this name.
    fn of_another_kind(&self, path: &[&str]) -> Option<String> {
        let [schema, name] = path else {
            return None;
        };
        let same = |id: &&ObjectId| {
            id.part.is_none() && id.schema.as_deref() == Some(schema) && id.name == *name
        };
        self.all.values().find(same).map(ToString::to_string)
    }

    /// Without the superuser that every throwaway server has.
    fn of_database<'f>(&self, mut objects: Vec<&'f FoundObject<'a>>) -> Vec<&'f FoundObject<'a>> {
        objects.retain(|object| object.path.first().copied() != self.superuser.as_deref());
        objects
    }
}

/// Makes a finding of each object, and one of all that are too many.
fn each(objects: &[&FoundObject<'_>], entry: &str, expected: &str, hint: &str) -> Vec<Finding> {
    let shown = objects.iter().take(MOST_FINDINGS);
    let mut findings: Vec<Finding> = shown
        .map(|object| Finding::about(&object.text, expected, "it is there").hint(hint))
        .collect();
    if let Some(more @ 1..) = objects.len().checked_sub(MOST_FINDINGS) {
        let actual = format!("{} more of them", show_count(more as u64));
        findings.push(Finding::about(entry, expected, actual));
    }
    findings
}
