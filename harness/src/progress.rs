//! Progress on stderr while drills run: a line per stage and per check that does not pass, and regular
//! progress with the time left in long steps. Without a terminal there is no bar and no colour.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::event::{Event, Listener};
use crate::outcome::Outcome;
use crate::units::{show_bytes, show_duration};

/// Without a terminal, a step that is silent for this long prints its progress.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// An estimate of the time left needs this much time behind it.
const MEASURED_LONG_ENOUGH: Duration = Duration::from_secs(5);

/// Which lines are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// None, and no progress.
    None,
    /// Stages, and checks that do not pass.
    Short,
    /// Stages and checks.
    All,
}

/// The progress of a command, which may run several drills at once.
pub struct Progress {
    bars: MultiProgress,
    terminal: bool,
    lines: Lines,
}

/// Creates a listener for a command that runs one drill.
#[must_use]
pub fn listener(quiet: bool) -> Listener {
    let lines = if quiet { Lines::None } else { Lines::Short };
    Progress::new(lines).listener("")
}

impl Progress {
    /// Creates the progress of a command on stderr.
    #[must_use]
    pub fn new(lines: Lines) -> Self {
        Self {
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            terminal: std::io::stderr().is_terminal(),
            lines,
        }
    }

    /// Creates a listener that shows the events of one drill; each line begins with `prefix`.
    #[must_use]
    pub fn listener(&self, prefix: &str) -> Listener {
        let bar = if self.terminal && self.lines != Lines::None {
            let bar = self.bars.add(ProgressBar::no_length());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}{msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.set_prefix(prefix.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        } else {
            ProgressBar::hidden()
        };
        let one = One {
            bars: self.bars.clone(),
            bar,
            prefix: prefix.to_owned(),
            terminal: self.terminal,
            lines: self.lines,
            last: Mutex::new(Instant::now()),
            step: Mutex::new(None),
        };
        Arc::new(move |event| one.show(&event))
    }

    /// Prints a text while no bar is drawn.
    pub fn pause<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bars.suspend(print)
    }
}

/// Shows the events of one drill.
struct One {
    bars: MultiProgress,
    bar: ProgressBar,
    prefix: String,
    terminal: bool,
    lines: Lines,
    last: Mutex<Instant>,
    /// When the step began whose bytes are counted, and its number of bytes.
    step: Mutex<Option<(Instant, u64)>>,
}

impl One {
    /// Prints a line above the bars.
    fn line(&self, text: &str) {
        if self.lines == Lines::None {
            return;
        }
        if let Ok(mut last) = self.last.lock() {
            *last = Instant::now();
        }
        self.bars.suspend(|| {
            // A closed stderr does not end a drill.
            let _ = writeln!(std::io::stderr(), "{}{text}", self.prefix);
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

    /// Shows how much of a step is done, and about how long the rest will take at the speed so far.
    fn part(&self, what: &str, done_word: &str, bytes: u64, total: u64) {
        let percent = bytes.saturating_mul(100).checked_div(total).unwrap_or(0);
        let size = show_bytes(total);
        let since = self.begun(total);
        let left = time_left(since.and_then(|since| left_of(since, bytes, total)));
        self.alive(format!("{what}: {percent} % of {size} {done_word}{left}"));
    }

    /// How long the step of `total` bytes has been running.
    fn begun(&self, total: u64) -> Option<Duration> {
        let mut step = self.step.lock().ok()?;
        match *step {
            Some((began, of)) if of == total => Some(began.elapsed()),
            _ => {
                *step = Some((Instant::now(), total));
                None
            }
        }
    }

    /// Prints how a stage or a step ended.
    fn ended(&self, word: &str, outcome: &Outcome, summary: &str, duration: Duration) {
        self.line(&format!(
            "  {:<7} {word:<9} {summary}  [{}]",
            mark(outcome),
            show_duration(duration)
        ));
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
                self.part("restore", "sent", *bytes, *total);
            }
            Event::Built {
                built,
                of,
                work,
                total,
            } => {
                let left = self.begun(*total);
                let left = time_left(left.and_then(|since| left_of(since, *work, *total)));
                self.alive(format!(
                    "restore: {built} of {of} indexes and constraints built{left}"
                ));
            }
            Event::Proven { bytes, total } => {
                self.part("proof", "compared", *bytes, *total);
            }
            Event::Written { bytes } => self.alive(format!("{} written", show_bytes(*bytes))),
            Event::StageEnded {
                stage,
                outcome,
                summary,
                duration,
            } => self.ended(stage.word(), outcome, summary, *duration),
            Event::Step(step) => self.alive(format!("rehearsal: {}", step.word())),
            Event::StepEnded {
                step,
                outcome,
                summary,
                duration,
            } => self.ended(step.word(), outcome, summary, *duration),
            Event::Check { id } => self.alive(id.clone()),
            Event::CheckEnded {
                id,
                outcome,
                duration,
            } => {
                if *outcome == Outcome::Pass && self.lines != Lines::All {
                    return;
                }
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
        Outcome::Waived => "waived",
        Outcome::Error(_) => "ERROR",
        Outcome::Skipped { .. } => "skipped",
    }
}

/// The end of a line of progress.
fn time_left(left: Option<Duration>) -> String {
    let left = left.map(|left| format!(", about {} left", show_duration(left)));
    left.unwrap_or_default()
}

/// The rest of a step at the speed so far, once that says something.
fn left_of(since: Duration, done: u64, total: u64) -> Option<Duration> {
    if since < MEASURED_LONG_ENOUGH {
        return None;
    }
    let rest = u128::from(total.saturating_sub(done));
    let seconds = (u128::from(since.as_secs()) * rest).checked_div(u128::from(done))?;
    let seconds = u64::try_from(seconds).ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

impl Drop for One {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(2, 50, 100, None)]
    #[case(60, 0, 100, None)]
    #[case(60, 25, 100, Some(180))]
    #[case(60, 100, 100, None)]
    #[case(60, 120, 100, None)]
    fn the_time_left_follows_from_the_speed(
        #[case] seconds: u64,
        #[case] done: u64,
        #[case] total: u64,
        #[case] expected: Option<u64>,
    ) {
        let left = left_of(Duration::from_secs(seconds), done, total);
        assert_eq!(left.map(|left| left.as_secs()), expected);
    }
}
