//! The table of faults of a file: every id of F01 to F30 has a file made by code that shows it and a
//! finding that names it, before any server starts. What is no fault of a file is listed with the reason.

use std::collections::BTreeMap;

use redrill::backup::fit;
use redrill::backup::format::Format;
use redrill::backup::format::archive::custom;
use redrill::backup::inspect::{Inspection, inspect};
use redrill::backup::source::{self, Rules};
use redrill::backup::spool::Spool;

use super::broken::archive::{CUSTOM, DIRECTORY, Folder, TAR};
use super::broken::file::FAULTS;
use super::broken::harmless::CHANGES;
use super::broken::noted::NOTES;
use super::builder::{Redrill, none, redrill};
use super::dumps::{Dumps, dumps};
use super::noted::said;
use super::{GOOD, SCENARIO};

/// Ids that no file can show.
const NOT_OF_A_FILE: &[(&str, &str)] = &[
    (
        "F04",
        "how psql is called: redrill reads every message, `drill/restore.rs`",
    ),
    (
        "F05",
        "how psql is called: no transaction of redrill's own is around the dump",
    ),
    (
        "F26",
        "the client's programs: those of the server's own version restore, `drill/formats.rs`",
    ),
];

/// What was found, by id.
#[derive(Default)]
struct Table {
    found: BTreeMap<String, Vec<String>>,
    wrong: Vec<String>,
}

impl Table {
    /// Drills a broken backup and notes what the backup stage says of it.
    fn drill(&mut self, ids: &str, what: &str, says: &str, drill: Redrill) {
        let ended = drill.scenario(SCENARIO).run();
        if let Err(why) = ended.fails_in("backup", &[says]) {
            self.wrong.push(format!("{ids} {what}: {why}"));
        } else if !ended.drill()["server"].is_null()
            || ended.checks("skipped") != ["row-count/orgs"]
        {
            let shown = &ended.stdout;
            self.wrong
                .push(format!("{ids} {what}: the drill went on:\n{shown}"));
        }
        let findings = ended.findings("backup");
        let named = findings.lines().find(|line| line.contains(says));
        self.note(ids, named.unwrap_or_default());
    }

    fn note(&mut self, ids: &str, finding: &str) {
        if finding.is_empty() {
            self.wrong.push(format!("{ids}: no finding"));
            return;
        }
        for id in ids.split(' ') {
            let known = self.found.entry(id.to_owned()).or_default();
            known.push(finding.to_owned());
        }
    }

    fn plain(&mut self) {
        for fault in FAULTS {
            for (number, bytes) in (fault.files)(&GOOD).into_iter().enumerate() {
                let what = format!("{}, file {number}", fault.what);
                let drill = redrill().backup(bytes, "broken.sql.gz");
                self.drill(fault.id, &what, fault.says, drill);
            }
        }
    }

    fn archives(&mut self, dumps: &Dumps) {
        for (faults, name) in [(CUSTOM, "users-seekable.dump"), (TAR, "users.tar")] {
            let good = dumps.read(name);
            for fault in faults {
                for (number, bytes) in (fault.files)(&good).into_iter().enumerate() {
                    let what = format!("{}, file {number}", fault.what);
                    let drill = redrill().backup(bytes, name);
                    self.drill(fault.id, &what, fault.says, drill);
                }
            }
        }
        let good: Folder = std::fs::read_dir(dumps.path("users.dir"))
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                (name, std::fs::read(entry.path()).unwrap())
            })
            .collect();
        let tables = good.iter().filter(|(name, _)| name.ends_with(".dat.gz"));
        let largest = tables.max_by_key(|(_, bytes)| bytes.len()).unwrap().0;
        for fault in DIRECTORY {
            let mut files = good.clone();
            (fault.change)(&mut files, largest);
            let drill = redrill().names("users.dir");
            let drill = files.iter().fold(drill, |drill, (name, bytes)| {
                drill.file(&format!("users.dir/{name}"), bytes)
            });
            self.drill(fault.id, fault.what, fault.says, drill);
        }
    }

    /// What restores, and is told beforehand: warnings, and which servers do not take it.
    fn told(&mut self) {
        for note in NOTES {
            let (_, all) = said(&(note.file)(&GOOD), note.server);
            let named = all.lines().find(|line| line.contains(note.says));
            self.note(note.id, named.unwrap_or_default());
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup");
        for change in CHANGES.iter().filter(|change| !change.warns.is_empty()) {
            std::fs::write(&path, (change.file)(&GOOD)).unwrap();
            let found = source::path::find(&path, &Rules::default()).unwrap();
            let spool = Spool::in_folder(folder.path().join("spool"));
            let backup = inspect(&found, &Inspection::quiet(spool)).unwrap();
            let mut warnings = backup.warnings.iter().map(|warning| &warning.actual);
            let named = warnings.find(|warning| warning.contains(change.warns));
            self.note(change.id, named.map_or("", String::as_str));
        }
        let archive = custom::read(dumps(17).read("users.dump").as_slice()).unwrap();
        let format = Format::Archive(archive.layout.unwrap());
        let unfit = fit::fits(&archive.contents, &format, (15, 20));
        self.note("F25", unfit.first().map_or("", |finding| &finding.expected));
    }
}

#[test]
fn every_fault_of_a_file_is_named_before_a_server_starts() {
    let mut table = Table::default();
    table.plain();
    for major in [15, 18] {
        table.archives(dumps(major));
    }
    table.told();
    for id in (1..=30).map(|number| format!("F{number:02}")) {
        let reason = NOT_OF_A_FILE.iter().find(|(other, _)| *other == id);
        match (table.found.get(&id), reason) {
            (Some(findings), None) => eprintln!("{id}  {} files: {}", findings.len(), findings[0]),
            (None, Some((_, reason))) => eprintln!("{id}  no fault of a file: {reason}"),
            (None, None) => table.wrong.push(format!("{id}: no file shows it")),
            (Some(_), Some(_)) => table.wrong.push(format!("{id}: it is a fault of a file")),
        }
    }
    none(table.wrong);
}
