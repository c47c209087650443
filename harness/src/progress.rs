//! Progress on stderr while a drill runs: a line per stage and per check that does not pass, and regular
//! progress in long steps. Without a terminal there is no bar and no colour.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::event::{Event, Listener};
use crate::outcome::Outcome;
use crate::units::{show_bytes, show_duration};

/// Without a terminal, a step that is silent for this long prints its progress.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// Shows events.
struct Progress {
    bar: ProgressBar,
    terminal: bool,
    quiet: bool,
    last: Mutex<Instant>,
}

/// Creates a listener that shows events on stderr.
#[must_use]
pub fn listener(quiet: bool) -> Listener {
    let terminal = std::io::stderr().is_terminal();
    let bar = if terminal && !quiet {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    } else {
        ProgressBar::hidden()
    };
    let progress = Progress {
        bar,
        terminal,
        quiet,
        last: Mutex::new(Instant::now()),
    };
    std::sync::Arc::new(move |event| progress.show(&event))
}

impl Progress {
    /// Prints a line above the bar.
    fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        if let Ok(mut last) = self.last.lock() {
            *last = Instant::now();
        }
        self.bar.suspend(|| {
            // A closed stderr does not end a drill.
            let _ = writeln!(std::io::stderr(), "{text}");
        });
    }

    /// Shows progress: in the bar, or as a line from time to time.
    fn alive(&self, text: String) {
        if self.terminal {
            self.bar.set_message(text);
        } else if self
            .last
            .lock()
            .is_ok_and(|last| last.elapsed() > SIGN_OF_LIFE)
        {
            self.line(&format!("  … {text}"));
        }
    }

    fn show(&self, event: &Event) {
        match event {
            Event::Begun { scenario } => self.line(&format!("drill {scenario}")),
            Event::Stage(stage) => self.alive(stage.word().to_owned()),
            Event::Inspected { bytes } => {
                self.alive(format!("backup: {} inspected", show_bytes(*bytes)));
            }
            Event::Fetched { bytes, total } => {
                let total = total.map(|total| format!(" of {}", show_bytes(total)));
                self.alive(format!(
                    "backup: {}{} fetched",
                    show_bytes(*bytes),
                    total.unwrap_or_default()
                ));
            }
            Event::Restored { bytes, total } => {
                let percent = bytes.saturating_mul(100).checked_div(*total).unwrap_or(0);
                self.alive(format!(
                    "restore: {percent} % of {} taken",
                    show_bytes(*total)
                ));
            }
            Event::Proven { bytes, total } => {
                let percent = bytes.saturating_mul(100).checked_div(*total).unwrap_or(0);
                self.alive(format!(
                    "proof: {percent} % of {} compared",
                    show_bytes(*total)
                ));
            }
            Event::Written { bytes } => self.alive(format!("{} written", show_bytes(*bytes))),
            Event::StageEnded {
                stage,
                outcome,
                summary,
                duration,
            } => self.line(&format!(
                "  {:<7} {:<9} {summary}  [{}]",
                mark(outcome),
                stage.word(),
                show_duration(*duration)
            )),
            Event::Check { id } => self.alive(id.clone()),
            Event::CheckEnded {
                id,
                outcome,
                duration,
            } => {
                self.line(&format!(
                    "  {:<7} {id}  [{}]",
                    mark(outcome),
                    show_duration(*duration)
                ));
            }
            Event::Ended { .. } => self.bar.set_message(String::new()),
            Event::Note(text) => self.line(text),
        }
    }
}

/// The first word of a line.
const fn mark(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "ok",
        Outcome::Fail => "FAIL",
        Outcome::Error(_) => "ERROR",
        Outcome::Skipped { .. } => "skipped",
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
