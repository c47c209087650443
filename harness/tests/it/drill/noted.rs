//! What must be said about a file is said, and of the good one it is not.

use redrill::backup::format::{Format, plain};
use redrill::backup::{fault, fit};

use super::GOOD;
use super::broken::harmless::CHANGES;
use super::broken::noted::{NOTES, Note};
use super::builder::none;

/// Everything that is said of a file, meant for a server of a version.
pub fn said(sql: &str, server: (u32, u32)) -> (usize, String) {
    let (contents, found, _) = plain::read(sql.as_bytes()).unwrap();
    let format = Format::Plain;
    let findings = fault::findings(found.warnings)
        .chain(fit::fits(&contents, &format, server))
        .chain(fit::warnings(&contents, server));
    let mut all: String = findings
        .map(|finding| format!("{} {}\n", finding.expected, finding.actual))
        .collect();
    for missing in fault::missing(&contents) {
        all.push_str(&format!("{} {}\n", missing.what, missing.why));
    }
    (found.problems.len(), all)
}

#[test]
fn what_must_be_said_of_a_file_is_said() {
    let mut wrong = Vec::new();
    let (_, good) = said(&GOOD.sql, (18, 6));
    for note in NOTES {
        let (problems, all) = said(&(note.file)(&GOOD), note.server);
        if problems > 0 || !all.contains(note.says) || good.contains(note.says) {
            let Note { id, what, .. } = note;
            wrong.push(format!(
                "{id} {what}: {problems} problems\n{all}good:\n{good}"
            ));
        }
    }
    none(wrong);
}

#[test]
fn of_harmless_files_nothing_is_said() {
    let (_, good) = said(&GOOD.sql, (18, 6));
    for id in ["F34", "F35"] {
        let change = CHANGES.iter().find(|change| change.id == id).unwrap();
        let sql = String::from_utf8((change.file)(&GOOD)).unwrap();
        assert_eq!(said(&sql, (18, 6)), (0, good.clone()), "{id}");
    }
}
