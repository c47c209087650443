//! What the reports for people say, as blocks without a format: `markdown` and `html` print the same ones.
//!
//! A page leads with what a reader comes for: the verdict, which backup, how fast it was restored
//! against which objective, what failed, what was not tested. Details follow.
//!
//! Every text that comes from outside passes through `Inline`, which keeps it apart from our own.

pub(super) mod backup;
pub(super) mod block;
pub(super) mod checks;
pub(super) mod inline;
pub(super) mod lead;
pub(super) mod merged;
pub(super) mod rehearsal;
pub(super) mod restore;
pub(super) mod rows;
pub(super) mod server;
pub(super) mod upgrade;

use block::Page;
use inline::{fixed, words};

use crate::outcome::{DrillResult, Evidence, Since, WaiverFacts};
use crate::report::text::shell_word;
use crate::report::view::{self, Recorded};
use crate::verdict::Verdict;

/// The longest list whose limit is not set where it is written.
const LIST: usize = 100;

/// The file of a drill that is complete.
pub(super) const COMPLETE: &str = "drill.json";

/// Everything that is said of a drill.
pub(super) fn drill(result: &DrillResult, verdict: Verdict) -> Page {
    let mut page = Page::beside(COMPLETE);
    lead::write(&mut page, result, verdict);
    waivers(&mut page, &result.waivers);
    if let Some(last) = &result.since {
        since(&mut page, last);
    }
    checks::write(&mut page, result);
    checks::conduct(&mut page, result);
    rows::write(&mut page, result);
    upgrade::write(&mut page, result);
    restore::write(&mut page, result);
    backup(&mut page, result);
    servers(&mut page, result);
    origin(&mut page, result);
    if let Some(evidence) = &result.evidence {
        recorded(
            &mut page,
            Recorded::Drill,
            result.state.as_deref(),
            evidence,
        );
    }
    terms(&mut page);
    page
}

/// Which backup it was.
pub(super) fn backup(page: &mut Page, result: &DrillResult) {
    match &result.backup {
        Some(backup) => backup::write(page, result, backup),
        None => page.section("Backup", "No backup was found, or it could not be read."),
    }
}

/// The servers that it was restored into.
pub(super) fn servers(page: &mut Page, result: &DrillResult) {
    match &result.server {
        Some(server) => {
            server::write(page, None, server);
            for (name, other) in &result.other_servers {
                server::write(page, Some(name), other);
            }
        }
        None => page.section("Server", "No throwaway server was started."),
    }
}

/// What identifies the drill, and how to repeat it.
pub(super) fn origin(page: &mut Page, result: &DrillResult) {
    page.heading(2, fixed("Drill"));
    let scenario = &result.scenario;
    let mut facts = vec![
        ("Run", inline::code(&result.run)),
        ("redrill version", words(&result.redrill)),
        (
            "Scenario file",
            inline::code(&scenario.file.display().to_string()),
        ),
        (
            "SHA-256 of the scenario file",
            inline::code(&scenario.sha256),
        ),
    ];
    let provenance = view::provenance(&result.provenance);
    facts.extend(
        provenance
            .into_iter()
            .map(|(name, value)| (name, inline::code(&value))),
    );
    page.facts(facts);
    inputs(page, result);
    page.paragraph(
        fixed("To repeat it, with redrill ")
            + words(&result.redrill)
            + " and with the scenario file and the backup of these SHA-256 digests:",
    );
    page.block("sh", &result.repeat);
}

/// The files that checks are compared with or start, as they were.
fn inputs(page: &mut Page, result: &DrillResult) {
    let inputs = &result.scenario.inputs;
    if inputs.is_empty() {
        return;
    }
    page.paragraph(fixed(
        "What the checks are compared with, and what they start, as it was when the drill began:",
    ));
    let rows = inputs.iter().map(|input| {
        vec![
            inline::code(&input.path),
            inline::code(input.sha256.as_deref().unwrap_or("not read")),
            words(&input.checks.join(", ")),
        ]
    });
    page.table(&["file or folder", "SHA-256", "checks"], rows.collect());
}

/// Findings that the scenario accepts for a time.
pub(super) fn waivers(page: &mut Page, all: &[WaiverFacts]) {
    if all.is_empty() {
        return;
    }
    page.heading(2, fixed("Waivers"));
    let rows = all.iter().map(|waiver| {
        vec![
            inline::code(&waiver.check),
            inline::code(&waiver.object),
            words(&waiver.owner),
            words(&waiver.until.to_string()),
            words(&waiver.reason),
            words(&waiver.end()),
            words(&waiver.line.to_string()),
        ]
    });
    page.table(
        &[
            "check", "object", "owner", "until", "reason", "result", "line",
        ],
        rows.collect(),
    );
}

/// What changed since the last drill.
pub(super) fn since(page: &mut Page, last: &Since) {
    page.heading(2, fixed("Since the last drill"));
    let which = words(&view::since(last));
    if last.changes.is_empty() {
        page.paragraph(fixed("Nothing that the log has changed since ") + which + fixed("."));
        return;
    }
    page.paragraph(fixed("Since ") + which + fixed(":"));
    page.list(last.changes.iter().map(|change| words(change)).collect());
}

/// Where a drill or a rehearsal is recorded, and how to verify it.
pub(super) fn recorded(
    page: &mut Page,
    recorded: Recorded,
    state: Option<&str>,
    evidence: &Evidence,
) {
    page.heading(2, fixed("Evidence"));
    let facts = view::evidence(recorded, state, evidence).into_iter();
    page.facts(
        facts
            .map(|(name, value)| (name, inline::code(&value)))
            .collect(),
    );
    page.paragraph(fixed(
        "Keep the checkpoint where nobody who can write to the state can change it. With it, this command shows that the entry \
         is still there, and that nothing before it was changed:",
    ));
    let command = format!(
        "redrill verify --state {} --checkpoint '{}'",
        shell_word(state.unwrap_or_default()),
        evidence.checkpoint
    );
    page.block("sh", &command);
}

/// What the words mean.
pub(super) fn terms(page: &mut Page) {
    page.heading(2, fixed("Terms"));
    page.list(vec![
        fixed("**drill**: one run of one scenario. The backup is restored into a throwaway server and checked there."),
        fixed("**pass**: the stage or check ran and found what is expected. **FAIL**: it ran and found something else."),
        fixed("**ERROR**: it could not run, which says nothing about the backup. **skipped**: it was not run, for the reason given."),
        fixed("**not required**: a check that is reported and does not affect the verdict."),
        fixed("**waived**: the check found something else than is expected, and somebody accepts all of it until a day."),
        fixed("**exit code**: 0 PROVEN or CHECKS PASSED, 3 INCONCLUSIVE, 4 NOTHING CHECKED, 10 NOT PROVEN, 11 OBJECTIVE MISSED, 13 the verdict of 0 with waivers, 130 INTERRUPTED."),
    ]);
    page.paragraph(fixed(
        "The file `drill.json` in the same folder is complete; this report shortens long lists.",
    ));
}
