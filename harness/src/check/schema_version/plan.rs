//! Sqitch's plan: the order of its changes, and the id that each has in the registry.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use reqwest::Url;

use super::digests::{Digests, sha1};
use super::files::{Label, MigrationFile, Version, unreadable};
use super::history::Applied;
use crate::outcome::CouldNotRun;

/// The file of the plan, below the folder of the migrations.
const PLAN: &str = "sqitch.plan";

/// The folder of the scripts that deploy changes, next to the plan.
const DEPLOY: &str = "deploy";

/// A plan, as far as ids depend on it.
#[derive(Debug, Default)]
struct Plan {
    project: String,
    uri: Option<String>,
    changes: Vec<Change>,
}

/// A line of a plan that is a change.
#[derive(Debug)]
struct Change {
    name: String,
    /// As in the registry: without the name of the own project.
    requires: Vec<String>,
    conflicts: Vec<String>,
    date: String,
    planner: String,
    note: String,
    /// Tags that follow it, with `@`.
    tags: Vec<String>,
}

/// Reads the plan and the deploy script of each change.
///
/// # Errors
/// When the plan or a script cannot be read: all of this says something about the repository and nothing about the
/// backup.
pub fn read(folder: &Path) -> Result<BTreeMap<Version, MigrationFile>, CouldNotRun> {
    let path = folder.join(PLAN);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        unreadable(&path, &error).hint("`files` is the folder with `sqitch.plan` and `deploy/`")
    })?;
    let plan = Plan::parse(&text).map_err(|(line, why)| {
        CouldNotRun::new(format!("{}, line {line}: {why}", path.display()))
            .hint("`sqitch plan` shows whether Sqitch can read it")
    })?;
    let ids: Vec<Vec<String>> = plan.uris().iter().map(|uri| plan.ids(uri)).collect();
    let mut files = BTreeMap::new();
    for (position, change) in plan.changes.iter().enumerate() {
        let script = plan.script(folder, position);
        let path = folder.join(&script);
        let inside = |part| matches!(part, Component::Normal(_));
        if !Path::new(&script).components().all(inside) {
            let reason = format!(
                "{}: `{}` is no name of a change",
                path.display(),
                change.name
            );
            return Err(CouldNotRun::new(reason));
        }
        let bytes = std::fs::read(&path).map_err(|error| {
            unreadable(&path, &error).hint(format!(
                "`{PLAN}` has a change for it: Sqitch would not deploy it either"
            ))
        })?;
        // Registries of before version 1.0 have the id in place of the digest of the script.
        let own = ids.iter().map(|ids| ids[position].clone());
        let digests = Digests::Sha1.of(&script, &bytes).into_iter().chain(own);
        let label = plan.label(position);
        let file = MigrationFile {
            name: label.clone(),
            digests: digests.collect(),
            superseded: false,
        };
        files.insert(version(position, label), file);
    }
    if files.is_empty() {
        return Err(CouldNotRun::new(format!(
            "{} has no change",
            path.display()
        )));
    }
    Ok(files)
}

/// The change that a scenario names.
///
/// # Errors
/// When the plan has no such change.
pub fn find(files: &BTreeMap<Version, MigrationFile>, text: &str) -> Result<Version, CouldNotRun> {
    let found = files.iter().find(|(_, file)| file.name == text);
    found.map(|(version, _)| version.clone()).ok_or_else(|| {
        CouldNotRun::new(format!("no change in `{PLAN}` is called `{text}`"))
            .hint("name a change, such as `users`; `users@v1.0` is one that was reworked after the tag `v1.0`")
    })
}

/// Replaces the id of each row by the change of the plan that has it. Rows of other projects are left out: those of
/// projects none of whose rows is in the plan, where another has one.
pub fn matched(files: &BTreeMap<Version, MigrationFile>, rows: Vec<Applied>) -> Vec<Applied> {
    let mut read = Vec::new();
    let mut projects = BTreeSet::new();
    for (number, row) in rows.into_iter().enumerate() {
        let text = match &row.version {
            Some(Version::Text(text)) => text.clone(),
            _ => continue,
        };
        let mut words = text.splitn(3, ' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        let (project, id, name) = (word(), word(), word());
        let known = files.iter().find(|(_, file)| file.digests.contains(&id));
        if known.is_some() {
            projects.insert(project.clone());
        }
        let version = known.map_or_else(
            || {
                let id: String = id.chars().take(12).collect();
                unknown(number, format!("{project}:{name} with id {id}"))
            },
            |(version, _)| version.clone(),
        );
        let version = Some(version);
        read.push((project, Applied { version, ..row }));
    }
    let of_plan = |project: &String| projects.is_empty() || projects.contains(project);
    read.retain(|(project, _)| of_plan(project));
    read.into_iter().map(|(_, row)| row).collect()
}

fn version(position: usize, label: String) -> Version {
    Version::Entry {
        when: 0,
        position,
        tag: Label(label),
    }
}

/// A row that is of no change of the plan: after every change.
const fn unknown(number: usize, label: String) -> Version {
    Version::Entry {
        when: i64::MAX,
        position: number,
        tag: Label(label),
    }
}

impl Plan {
    /// Reads the lines of a plan. The error is the number of a line, and what is wrong with it.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut plan = Self::default();
        for (number, line) in text.lines().enumerate() {
            plan.add(line).map_err(|why| (number + 1, why))?;
        }
        match plan.project.is_empty() {
            true => Err((1, "no `%project`".to_owned())),
            false => Ok(plan),
        }
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let (line, note) = line.split_once('#').unwrap_or((line, ""));
        let line = line.trim();
        if let Some(pragma) = line.strip_prefix('%') {
            let (name, value) = pragma.split_once('=').unwrap_or((pragma, ""));
            match name.trim() {
                "project" => value.trim().clone_into(&mut self.project),
                "uri" => self.uri = Some(value.trim().to_owned()),
                _ => {}
            }
            return Ok(());
        }
        if line.is_empty() {
            return Ok(());
        }
        let line = line.strip_prefix('+').map_or(line, str::trim_start);
        let (name, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        if let Some(tag) = name.strip_prefix('@') {
            let change = self.changes.last_mut();
            let change = change.ok_or_else(|| format!("the tag `{tag}` follows no change"))?;
            change.tags.push(name.to_owned());
            return Ok(());
        }
        let mut rest = rest.trim_start();
        let (mut requires, mut conflicts) = (Vec::new(), Vec::new());
        if let Some(list) = rest.strip_prefix('[') {
            let (list, after) = list.split_once(']').ok_or("no `]`")?;
            rest = after.trim_start();
            for word in list.split_whitespace() {
                let (to, word) = match word.strip_prefix('!') {
                    Some(word) => (&mut conflicts, word),
                    None => (&mut requires, word),
                };
                let own = word.strip_prefix(&self.project);
                let own = own.and_then(|word| word.strip_prefix(':'));
                to.push(own.unwrap_or(word).to_owned());
            }
        }
        let expected = || format!("`{name}` is not followed by its time and its planner");
        let (date, planner) = rest.split_once([' ', '\t']).ok_or_else(expected)?;
        let (person, address) = planner.split_once('<').ok_or_else(expected)?;
        let address = address.split_once('>').ok_or_else(expected)?.0;
        self.changes.push(Change {
            name: name.to_owned(),
            requires,
            conflicts,
            date: date.to_owned(),
            planner: format!("{} <{address}>", person.trim()),
            note: unescaped(note.trim()),
            tags: Vec::new(),
        });
        Ok(())
    }

    /// The forms of the address of the project: Sqitch writes it in its canonical form into an id, which for an unusual
    /// address may be neither of these.
    fn uris(&self) -> Vec<Option<String>> {
        let Some(uri) = &self.uri else {
            return vec![None];
        };
        let canonical = Url::parse(uri).ok().map(String::from);
        [Some(uri.clone()), canonical]
            .into_iter()
            .flatten()
            .map(Some)
            .collect()
    }

    /// The id of each change: of Git's form, SHA-1 of `change LENGTH`, a NUL and a text.
    fn ids(&self, uri: &Option<String>) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for change in &self.changes {
            let mut lines = vec![format!("project {}", self.project)];
            lines.extend(uri.iter().map(|uri| format!("uri {uri}")));
            lines.push(format!("change {}", change.name));
            lines.extend(ids.last().map(|parent| format!("parent {parent}")));
            lines.push(format!("planner {}", change.planner));
            lines.push(format!("date {}", change.date));
            let lists = [
                ("requires", "+", &change.requires),
                ("conflicts", "-", &change.conflicts),
            ];
            for (heading, sign, names) in lists {
                if !names.is_empty() {
                    lines.push(heading.to_owned());
                    lines.extend(names.iter().map(|name| format!("  {sign} {name}")));
                }
            }
            if !change.note.is_empty() {
                lines.extend([String::new(), change.note.clone()]);
            }
            let text = lines.join("\n");
            ids.push(sha1(format!("change {}\0{text}", text.len()).as_bytes()));
        }
        ids
    }

    /// The next change of the same name, which reworks this one.
    fn reworked(&self, position: usize) -> Option<usize> {
        let name = &self.changes[position].name;
        let later = position + 1..self.changes.len();
        later.into_iter().find(|at| self.changes[*at].name == *name)
    }

    /// The name of a change, with the tag that follows it where it was reworked.
    fn label(&self, position: usize) -> String {
        let name = &self.changes[position].name;
        let Some(end) = self.reworked(position) else {
            return name.clone();
        };
        let mut tags = self.changes[position..end].iter().flat_map(|one| &one.tags);
        format!("{name}{}", tags.next().map_or("", String::as_str))
    }

    /// The deploy script of a change, below the folder of the plan. That of a reworked change has a tag in its name: one of
    /// those between the two, the last for which there is a file.
    fn script(&self, folder: &Path, position: usize) -> String {
        let name = &self.changes[position].name;
        let path = |tag: &str| format!("{DEPLOY}/{name}{tag}.sql");
        let end = self.reworked(position).unwrap_or(position);
        let between = self.changes[position..end].iter().rev();
        let paths: Vec<String> = between
            .flat_map(|one| &one.tags)
            .map(|tag| path(tag))
            .collect();
        let there = paths.iter().find(|path| folder.join(path).exists());
        there.or(paths.first()).cloned().unwrap_or_else(|| path(""))
    }
}

/// A note, in which line ends and backslashes are escaped.
fn unescaped(note: &str) -> String {
    let mut text = String::new();
    let mut characters = note.chars();
    while let Some(character) = characters.next() {
        let next = characters.clone().next();
        let escaped = match (character, next) {
            ('\\', Some('\\')) => '\\',
            ('\\', Some('n')) => '\n',
            ('\\', Some('r')) => '\r',
            _ => {
                text.push(character);
                continue;
            }
        };
        characters.next();
        text.push(escaped);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// Written by Sqitch 1.3.1, as the registry in the same folder.
    const PLAN_TEXT: &str = include_str!("../../../tests/it/check/sqitch/sqitch.plan");
    const REGISTRY: &str = include_str!("../../../tests/it/check/sqitch/registry.sql");

    #[test]
    fn ids_are_those_of_sqitch() {
        let plan = Plan::parse(PLAN_TEXT).unwrap();
        let uris = plan.uris();
        assert_eq!(uris[1].as_deref(), Some("https://example.test/shop"));
        let ids = plan.ids(&uris[1]);
        assert_eq!(ids.len(), 4);
        for (id, change) in ids.iter().zip(&plan.changes) {
            let row = format!("INSERT INTO sqitch.changes VALUES ('{id}', ");
            let rows: Vec<&str> = REGISTRY
                .lines()
                .filter(|line| line.starts_with(&row))
                .collect();
            assert_eq!(rows.len(), 1, "{}", change.name);
        }
        let labels: Vec<String> = (0..4).map(|at| plan.label(at)).collect();
        assert_eq!(labels, ["schema", "users@v1.0", "app/orders", "users"]);
    }

    #[rstest]
    #[case::whole("a 2026-11-23T16:08:50Z Ada <a@b.test>", None)]
    #[case::no_planner("a 2026-11-23T16:08:50Z", Some("is not followed by"))]
    #[case::no_time("a", Some("is not followed by"))]
    #[case::open_list("a [b 2026-11-23T16:08:50Z Ada <a@b.test>", Some("no `]`"))]
    #[case::tag_of_nothing("@v1 2026-11-23T16:08:50Z Ada <a@b.test>", Some("follows no change"))]
    #[case::leads_out(
        "../../x 2026-11-23T16:08:50Z Ada <a@b.test>",
        Some("no name of a change")
    )]
    #[case::no_script("b 2026-11-23T16:08:50Z Ada <a@b.test>", Some("cannot read"))]
    #[case::empty("# nothing", Some("has no change"))]
    fn a_plan_that_cannot_be_read_is_no_failure(#[case] line: &str, #[case] why: Option<&str>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(DEPLOY)).unwrap();
        std::fs::write(folder.path().join("deploy/a.sql"), "x").unwrap();
        std::fs::write(folder.path().join(PLAN), format!("%project=p\n\n{line}\n")).unwrap();
        let read = read(folder.path());
        match why {
            None => assert_eq!(read.unwrap().len(), 1),
            Some(why) => {
                let error = read.unwrap_err();
                assert!(error.reason.contains(why), "{}", error.reason);
            }
        }
    }

    #[test]
    fn notes_are_read_as_sqitch_writes_them() {
        assert_eq!(unescaped(r"a\nb \\n \x \"), "a\nb \\n \\x \\");
    }
}
