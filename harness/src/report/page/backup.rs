//! Which backup it was, what it contains and what it does not.

use super::LIST;
use super::block::Page;
use super::inline::{code, fixed, known, names, words};
use crate::outcome::{BackupFacts, DrillResult};
use crate::report::view;
use crate::units::{show_bytes, show_count};

pub(in crate::report) fn write(page: &mut Page, result: &DrillResult, backup: &BackupFacts) {
    page.heading(2, fixed("Backup"));
    let mut size = format!(
        "{} ({} bytes)",
        show_bytes(backup.bytes),
        show_count(backup.bytes)
    );
    if let Some(bytes) = backup.uncompressed_bytes {
        size.push_str(&format!(", {} decompressed", show_bytes(bytes)));
    }
    page.facts(vec![
        ("Location", code(&backup.origin)),
        ("Selected as", words(&backup.chosen)),
        ("SHA-256", code(&backup.sha256)),
        (
            "Digest check",
            match &backup.digest {
                Some(agrees) => words(agrees),
                None => fixed("not done: no expected digest is given"),
            },
        ),
        ("Size", words(&size)),
        ("Taken", words(&view::made(backup, result.started))),
        (
            "Compared with the previous backup",
            match &backup.previous {
                Some(compared) => words(compared),
                None => fixed("no: no earlier backup was found"),
            },
        ),
        ("Format", words(&backup.format)),
        ("Restores on", words(&backup.servers)),
        (
            "Taken from PostgreSQL",
            known(backup.source_version.as_deref()),
        ),
        ("Written by", known(backup.dump_version.as_deref())),
        ("Contents", words(&view::contents(backup))),
        ("Databases", names(&backup.databases)),
        ("Schemas", names(&backup.schemas)),
        ("Graphs", names(&backup.graphs)),
        ("Required extensions", names(&backup.extensions)),
        ("Roles it creates", names(&backup.roles)),
        (
            "Required roles not in the backup",
            names(&backup.roles_needed),
        ),
    ]);
    if let Some(base) = &backup.physical {
        page.paragraph(fixed("What a recovery reads:"));
        let facts = view::recovery(base).into_iter();
        page.facts(facts.map(|(name, value)| (name, words(&value))).collect());
    }
    consists_of(page, result, backup);
    companions(page, result, backup);
    dumps(page, backup);
    candidates(page, backup);
    page.heading(3, fixed("What the backup does not contain"));
    match backup.not_held.as_slice() {
        [] => page.paragraph(fixed("Nothing is known to be missing.")),
        all => {
            page.paragraph(fixed(
                "After a restore from this backup alone, these must come from elsewhere:",
            ));
            page.reasons(all);
        }
    }
}

/// Each of the backups that this one consists of, with its own candidates.
fn consists_of(page: &mut Page, result: &DrillResult, backup: &BackupFacts) {
    if backup.consists_of.is_empty() {
        return;
    }
    page.paragraph(fixed("It consists of these backups:"));
    let rows = backup.consists_of.iter().take(LIST).map(|(name, one)| {
        vec![
            code(name),
            code(&one.origin),
            words(&one.chosen),
            words(&view::made(one, result.started)),
            words(&show_bytes(one.bytes)),
            code(&one.sha256),
        ]
    });
    page.table(
        &[
            "backup",
            "location",
            "selected as",
            "taken",
            "size",
            "SHA-256",
        ],
        rows.collect(),
    );
    page.more(backup.consists_of.len().saturating_sub(LIST));
    for (_, one) in backup.consists_of.iter().take(LIST) {
        candidates(page, one);
    }
}

/// What belongs to the backup and is not in it.
fn companions(page: &mut Page, result: &DrillResult, backup: &BackupFacts) {
    if backup.companions.is_empty() {
        return;
    }
    page.paragraph(fixed("What belongs to it and is not in it:"));
    let rows = backup.companions.iter().take(LIST).map(|one| {
        vec![
            words(&view::companion(one, result.started)),
            one.sha256.as_deref().map_or(fixed("not read"), code),
        ]
    });
    page.table(&["companion", "SHA-256"], rows.collect());
    page.more(backup.companions.len().saturating_sub(LIST));
}

fn dumps(page: &mut Page, backup: &BackupFacts) {
    if backup.parts.is_empty() {
        return;
    }
    page.paragraph(fixed("Dumps, in the order of their restore:"));
    let rows = backup.parts.iter().take(LIST).map(|part| {
        vec![
            code(&part.name),
            words(&part.format),
            words(&show_bytes(part.bytes)),
            words(&show_count(part.rows)),
            code(&part.sha256),
        ]
    });
    page.table(
        &["dump", "format", "size", "rows", "SHA-256"],
        rows.collect(),
    );
    page.more(backup.parts.len().saturating_sub(LIST));
}

fn candidates(page: &mut Page, backup: &BackupFacts) {
    if backup.candidates.is_empty() {
        return;
    }
    page.paragraph(fixed("Candidates, newest first:"));
    let rows = backup.candidates.iter().take(LIST).map(|candidate| {
        vec![
            code(&candidate.name),
            words(&show_bytes(candidate.bytes)),
            match &candidate.not_taken {
                None => fixed("**selected**"),
                Some(why) => words(why),
            },
        ]
    });
    page.table(
        &["candidate", "size", "why it was not selected"],
        rows.collect(),
    );
    let more = backup.candidates.len().saturating_sub(LIST);
    page.more(more + usize::try_from(backup.unlisted).unwrap_or(usize::MAX));
}
