//! The result of `redrill init`, on a terminal: found, guessed, left out.

use super::paper::{Hue, Paper};
use crate::init::block::{Block, State};
use crate::init::{Made, Wish};

/// Guesses and things left out that are shown; the file has them all.
const LIST: usize = 30;

/// Reports what was written, for a terminal of `width` columns.
#[must_use]
pub fn made(made: &Made, wish: &Wish, width: usize, colour: bool) -> String {
    let file = &wish.file;
    let mut paper = Paper::new(width, colour);
    let word = paper.paint("WRITTEN", Hue::Green);
    let blocks = || {
        let sections = made.looked.iter().flat_map(|one| &one.sections);
        sections.flat_map(|section| &section.blocks)
    };
    let standing = blocks()
        .filter(|block| !matches!(block.state, State::LeftOut(_)))
        .count();
    let noun = if standing == 1 { "check" } else { "checks" };
    paper
        .text
        .push_str(&format!("{word}  {}: {standing} {noun}\n", file.display()));
    paper.wrap(
        &format!("         {}: its baseline", wish.baseline.display()),
        0,
        0,
    );
    for one in &made.looked {
        paper.section(
            match &one.database {
                Some(database) => format!("found in {database}"),
                None => "found".to_owned(),
            }
            .as_str(),
        );
        for found in one
            .sections
            .iter()
            .filter_map(|section| section.found.as_ref())
        {
            paper.wrap(found, 2, 4);
        }
        list(
            &mut paper,
            "not examined",
            one.missed
                .iter()
                .map(|(what, why)| format!("{what}: {why}")),
        );
    }
    list(
        &mut paper,
        "guessed: each has a comment in the file",
        blocks()
            .filter(|block| !matches!(block.state, State::LeftOut(_)))
            .filter_map(|block| {
                let guess = block.guess.as_ref()?;
                Some(format!("{}: {guess}", block.name))
            }),
    );
    if !made.made_roles.is_empty() {
        paper.blank();
        paper.wrap(
            &format!(
                "The backup does not contain the roles {}, so their attributes cannot be compared with \
                 anything. Add the output of `pg_dumpall --globals-only` to the backup.",
                made.made_roles.join(", ")
            ),
            0,
            0,
        );
    }
    let states: Vec<&Block> = blocks().collect();
    tried(&mut paper, made, &states);
    paper.section("next");
    paper.wrap("review the file, edit it, and commit both files", 2, 4);
    let again = match &made.tried_on {
        Some(_) => format!("redrill run {}", file.display()),
        None => format!("BACKUP=your-backup redrill run {}", file.display()),
    };
    paper.wrap(&again, 2, 4);
    paper.text
}

/// Reports checks that failed on the backup. They are prominent: one may be a fault of the backup.
fn tried(paper: &mut Paper, made: &Made, blocks: &[&Block]) {
    if made.tried_on.is_none() {
        paper.blank();
        paper.wrap(
            "The checks were not run: give a backup with `--backup` to run them.",
            0,
            0,
        );
        return;
    }
    let reasons = |left_out: bool| {
        let all = blocks.iter().filter_map(move |block| match &block.state {
            State::LeftOut(reason) if left_out => Some(format!("{}: {reason}", block.name)),
            State::Weaker(reason) if !left_out => Some(format!("{}: {reason}", block.name)),
            _ => None,
        });
        all.collect::<Vec<String>>()
    };
    let (out, weaker) = (reasons(true), reasons(false));
    if out.is_empty() && weaker.is_empty() {
        paper.blank();
        paper.wrap(
            "Every check was run on the restored backup and passed.",
            0,
            0,
        );
        return;
    }
    if !out.is_empty() {
        let word = paper.paint("LEFT OUT", Hue::Yellow);
        paper.section(&format!(
            "{word}  these checks fail on this backup and are comments in the file; one may be a real fault:"
        ));
        items(paper, out);
    }
    if !weaker.is_empty() {
        paper.section("weaker than intended, because the stricter check fails on this backup:");
        items(paper, weaker);
    }
}

fn list(paper: &mut Paper, title: &str, items_: impl Iterator<Item = String>) {
    let all: Vec<String> = items_.collect();
    if !all.is_empty() {
        paper.section(title);
        items(paper, all);
    }
}

fn items(paper: &mut Paper, all: Vec<String>) {
    let more = all.len().saturating_sub(LIST);
    for item in all.into_iter().take(LIST) {
        paper.wrap(&format!("- {item}"), 2, 4);
    }
    if more > 0 {
        paper.wrap(&format!("… and {more} more; the file has them all"), 2, 2);
    }
}
