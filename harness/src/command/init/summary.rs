//! The result of `redrill init` on a terminal: what was found, guessed and left out.

use crate::init::Description;
use crate::init::block::{Block, State};
use crate::init::generate::{GeneratedScenario, InitRequest};
use crate::init::write::incomplete;
use crate::report::terminal::paper::{Hue, Paper};
use crate::units::show_counted;

/// Maximum number of items of a list; the file has all.
const LIST: usize = 30;
/// Where the others are.
const REST: &str = "; the file has them all";

/// Reports what was written, for a terminal of `width` columns.
pub(super) fn summary(
    generated: &GeneratedScenario,
    request: &InitRequest,
    width: usize,
    colour: bool,
) -> String {
    let file = request.file.display();
    let mut paper = Paper::new(width, colour);
    let sections = generated.descriptions.iter().flat_map(|one| &one.sections);
    let blocks: Vec<&Block> = sections.flat_map(|section| &section.blocks).collect();
    let checks = || blocks.iter().filter(|block| !block.is_comment());
    let nothing = nothing_is_checked(&generated.descriptions);
    let word = match nothing {
        true => paper.paint("NOTHING CHECKED", Hue::Yellow),
        false => paper.paint("WRITTEN", Hue::Green),
    };
    let count = show_counted(checks().count(), "check");
    let lists = |block: &&&Block| block.body.iter().any(|(key, _)| key == "tables");
    let each = match checks().find(lists) {
        Some(_) => "; each table of a list has a result of its own in a drill",
        None => "",
    };
    paper
        .text
        .push_str(&format!("{word}  {file}: {count}{each}\n"));
    paper.wrap(
        &format!("         {}: its baseline", request.baseline.display()),
        0,
        0,
    );
    if nothing {
        paper.wrap(
            "         No check remains: each of them is a comment in the file, for the reason below, so a drill compares the \
             restored database with nothing but its backup.",
            0,
            9,
        );
    }
    if let (Some(backup), Some(chosen)) = (&generated.run_on, &request.location.chosen) {
        let roles = request.location.globals.as_ref();
        let roles = roles.map_or_else(String::new, |globals| {
            format!("; its roles are those of `{globals}` of its day")
        });
        let taken = format!("         backup: {}, {chosen}{roles}", backup.origin);
        paper.wrap(&taken, 0, 9);
    }
    if let Some(why) = incomplete(&generated.descriptions) {
        paper.blank();
        paper.wrap(&why, 0, 0);
    }
    for one in &generated.descriptions {
        paper.section(&match &one.database {
            Some(database) => format!("found in {database}"),
            None => "found".to_owned(),
        });
        let found = one
            .sections
            .iter()
            .filter_map(|section| section.found.as_ref());
        for found in found {
            paper.wrap(found, 2, 4);
        }
        let omitted = one.omitted.iter();
        paper.list(
            "not described, and so not checked",
            omitted.map(|(what, why)| format!("{what}: {why}")),
            LIST,
            REST,
        );
    }
    let guesses = checks().filter_map(|block| {
        let guess = block.guess.as_ref()?;
        Some(format!("{}: {guess}", block.name))
    });
    let guesses: Vec<String> = guesses.collect();
    paper.list(
        "guessed: each has a comment in the file",
        guesses,
        LIST,
        REST,
    );
    if !generated.made_roles.is_empty() {
        let (noun, their) = match generated.made_roles.len() {
            1 => ("role", "its"),
            _ => ("roles", "their"),
        };
        paper.blank();
        paper.wrap(
            &format!(
                "The backup does not contain the {noun} {}, so {their} attributes cannot be compared with anything. Add \
                 the output of `pg_dumpall --globals-only` to the backup.",
                generated.made_roles.join(", ")
            ),
            0,
            0,
        );
    }
    failed(&mut paper, generated, &blocks);
    paper.section("next");
    paper.wrap("review the file, edit it, and commit both files", 2, 4);
    let run = match &generated.run_on {
        Some(_) => format!("redrill run {file}"),
        None => format!("redrill run {file} --backup your-backup"),
    };
    paper.wrap(&run, 2, 4);
    paper.text
}

/// Whether there were checks, and all of them were left out.
pub(super) fn nothing_is_checked(descriptions: &[Description]) -> bool {
    let sections = descriptions.iter().flat_map(|one| &one.sections);
    let mut blocks = sections.flat_map(|section| &section.blocks).peekable();
    blocks.peek().is_some() && blocks.all(Block::is_comment)
}

/// Reports checks that failed on the backup: one may be a fault of the backup.
fn failed(paper: &mut Paper, generated: &GeneratedScenario, blocks: &[&Block]) {
    let with = |reason: fn(&State) -> Option<&String>| -> Vec<String> {
        let all = blocks.iter();
        all.filter_map(|block| Some(format!("{}: {}", block.name, reason(&block.state)?)))
            .collect()
    };
    let undescribed = with(|state| match state {
        State::Undescribed(reason) => Some(reason),
        _ => None,
    });
    let left_out = with(|state| match state {
        State::LeftOut(reason) => Some(reason),
        _ => None,
    });
    let weaker = with(|state| match state {
        State::Weaker(reason) => Some(reason),
        _ => None,
    });
    let remark = match (&generated.run_on, left_out.is_empty() && weaker.is_empty()) {
        (None, _) => Some("The checks were not run: give a backup with `--backup` to run them."),
        (Some(_), true) => Some("Every check was run on the restored backup and passed."),
        (Some(_), false) => None,
    };
    if let Some(remark) = remark {
        paper.blank();
        paper.wrap(remark, 0, 0);
    }
    paper.list(
        "left out, because redrill wrote an invalid check, which is a bug in redrill:",
        undescribed,
        LIST,
        REST,
    );
    let word = paper.paint("LEFT OUT", Hue::Yellow);
    paper.list(
        &format!("{word}  these checks fail on this backup and are comments in the file; one may be a real fault:"),
        left_out,
        LIST,
        REST,
    );
    paper.list(
        "weaker than intended, because the stricter check fails on this backup:",
        weaker,
        LIST,
        REST,
    );
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use jiff::Timestamp;
    use rstest::rstest;

    use super::*;
    use crate::baseline::Baseline;
    use crate::init::location::BackupLocation;
    use crate::init::section::Section;
    use crate::outcome::BackupFacts;

    #[rstest]
    #[case::none(&[], false)]
    #[case::kept(&[State::Kept], false)]
    #[case::some(&[State::LeftOut("a".to_owned()), State::Weaker("b".to_owned())], false)]
    #[case::all(&[State::LeftOut("a".to_owned()), State::Undescribed("b".to_owned())], true)]
    fn a_scenario_without_any_check_is_no_success(#[case] states: &[State], #[case] nothing: bool) {
        let mut section = Section::new("rows", "");
        for state in states {
            let mut block = Block::new("row-count", "orders");
            block.state = state.clone();
            section.blocks.push(block);
        }
        let generated = GeneratedScenario {
            text: String::new(),
            baseline: Baseline {
                taken: Timestamp::UNIX_EPOCH,
                from: String::new(),
                server: String::new(),
                dump: None,
                against: None,
                databases: [].into(),
            },
            descriptions: vec![Description {
                sections: vec![section],
                ..Description::default()
            }],
            run_on: Some(BackupFacts::default()),
            made_roles: Vec::new(),
        };
        let request = InitRequest {
            file: PathBuf::from("a.toml"),
            baseline: PathBuf::from("a.baseline.toml"),
            name: "a".to_owned(),
            location: BackupLocation::of(Path::new("a.sql"), Path::new(".")),
            database: None,
        };
        assert_eq!(nothing_is_checked(&generated.descriptions), nothing);
        let text = summary(&generated, &request, 100, false);
        assert_eq!(text.starts_with("NOTHING CHECKED"), nothing, "{text}");
        assert_eq!(text.starts_with("WRITTEN"), !nothing, "{text}");
    }
}
