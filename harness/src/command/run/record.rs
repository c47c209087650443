//! The state that the drills of a run are recorded in.

use std::sync::Arc;

use crate::baseline::{Baseline, file};
use crate::cli::Keeping;
use crate::command::abort::Abort;
use crate::command::verify::brought;
use crate::context::Context;
use crate::input::Environment;
use crate::ledger::changes::changes;
use crate::ledger::key::Signer;
use crate::ledger::sign_command::{SignCommand, VerifyCommand};
use crate::ledger::statement::Summary;
use crate::ledger::{self, Kept, Signing, Written, keep_baseline, previous};
use crate::outcome::{CouldNotRun, Evidence, Since};
use crate::redact::Redactor;
use crate::scenario::{Scenario, ScenarioCheck};
use crate::state::{At, FOLDER, State};

/// The lines about an entry, after those about the reports.
pub(super) fn lines(state: &str, evidence: &Evidence) -> String {
    format!(
        "log        {state}: entry {}\ncheckpoint {}\n",
        evidence.entry, evidence.checkpoint
    )
}

/// What is printed about a drill that is not in the log.
pub(super) fn failure(error: CouldNotRun) -> String {
    let hint = error.hint.map(|hint| format!("\nhint: {hint}"));
    format!(
        "it was not recorded: {}{}",
        error.reason,
        hint.unwrap_or_default()
    )
}

/// A key, or a command that has one.
pub(super) enum OwnSigner {
    Key(Signer),
    Command(SignCommand),
}

impl OwnSigner {
    const fn lend(&self) -> Signing<'_> {
        match self {
            Self::Key(signer) => Signing::Key(signer),
            Self::Command(command) => Signing::Command(command),
        }
    }
}

/// Where drills are recorded.
pub(super) enum Recorder {
    /// Nowhere: `--no-state`.
    Off,
    /// In this state, for all scenarios.
    Named(State, Option<OwnSigner>),
    /// Beside each scenario, where that can be written to.
    Beside(Option<OwnSigner>),
}

/// The state for the record of one drill.
pub(super) enum Place<'a> {
    /// None is wanted, or none can be written beside the scenario; then with what is to be printed.
    Nowhere(Option<String>),
    /// The one that was named.
    Named(&'a State, Option<Signing<'a>>),
    /// The one beside the scenario.
    Beside(State, Option<Signing<'a>>),
}

impl Recorder {
    /// Reads the key and opens the state that was named: a drill of hours should not end without its record.
    pub(super) async fn open(
        keeping: &Keeping,
        environment: &Environment,
        redactor: &Redactor,
    ) -> Result<Self, CouldNotRun> {
        if keeping.no_state {
            return Ok(Self::Off);
        }
        let verifier = keeping.verify_command.as_deref();
        let verifier = verifier
            .map(|text| VerifyCommand::read(text, environment))
            .transpose()?;
        let signer = match (&keeping.key, &keeping.sign_command) {
            (Some(key), _) => Some(OwnSigner::Key(Signer::read(key)?)),
            (None, Some(text)) => {
                let command = SignCommand::open(text, verifier.as_ref(), environment, None);
                Some(OwnSigner::Command(command.await?))
            }
            (None, None) => None,
        };
        Ok(match &keeping.state {
            Some(place) => {
                let at = At {
                    place,
                    environment,
                    redactor,
                };
                Self::Named(State::create(&at).await?, signer)
            }
            None => Self::Beside(signer),
        })
    }

    /// Whose drills a drill goes on with: its own signer, and those that `--signers` names. Of a command without `--verify-command`
    /// nothing can be verified.
    pub(super) fn trusted(
        &self,
        keeping: &Keeping,
        environment: &Environment,
    ) -> Result<Kept, Abort> {
        let mut kept = brought(
            keeping.signers.as_deref(),
            None,
            (keeping.verify_command.as_deref(), environment),
        )?;
        let own = match self {
            Self::Off => None,
            Self::Named(_, signer) | Self::Beside(signer) => signer.as_ref(),
        };
        kept.keys.extend(own.and_then(|own| own.lend().public()));
        Ok(kept)
    }

    /// The state that was named.
    pub(super) fn named(&self) -> Option<&State> {
        match self {
            Self::Named(state, _) => Some(state),
            Self::Off | Self::Beside(_) => None,
        }
    }

    /// The state for the record of a scenario.
    ///
    /// # Errors
    /// There is a key, and the state beside the scenario cannot be written. Without a key it may be read-only.
    pub(super) async fn place(
        &self,
        scenario: &Scenario,
        context: &Context,
    ) -> Result<Place<'_>, CouldNotRun> {
        let signer = match self {
            Self::Off => return Ok(Place::Nowhere(None)),
            Self::Named(state, signer) => {
                return Ok(Place::Named(state, signer.as_ref().map(OwnSigner::lend)));
            }
            Self::Beside(signer) => signer.as_ref().map(OwnSigner::lend),
        };
        let place = scenario.folder.join(FOLDER);
        let place = place.strip_prefix(".").unwrap_or(&place);
        let at = At {
            place: &place.display().to_string(),
            environment: &context.environment,
            redactor: &context.redactor,
        };
        match State::create(&at).await {
            Ok(state) => Ok(Place::Beside(state, signer)),
            Err(error) if signer.is_some() => Err(error),
            Err(error) => Ok(Place::Nowhere(Some(format!(
                "note: `{}` is not in a log: {}\nhint: name a folder for it with `--state`, or say `--no-state`",
                scenario.facts.title(),
                error.reason
            )))),
        }
    }
}

impl Place<'_> {
    /// What is to be printed about it.
    pub(super) fn note(&self) -> Option<&String> {
        match self {
            Self::Nowhere(note) => note.as_ref(),
            Self::Named(..) | Self::Beside(..) => None,
        }
    }

    /// Where the state is, as it was given; `None` where there is none.
    pub(super) fn name(&self) -> Option<String> {
        self.state().map(|(state, _)| state.place())
    }

    /// The state.
    pub(super) fn open(&self) -> Option<&State> {
        self.state().map(|(state, _)| state)
    }

    fn state(&self) -> Option<(&State, Option<Signing<'_>>)> {
        match self {
            Self::Nowhere(_) => None,
            Self::Named(state, signer) => Some((state, *signer)),
            Self::Beside(state, signer) => Some((state, *signer)),
        }
    }

    /// What changed since the last drill of the scenario.
    ///
    /// # Errors
    /// The log cannot be read.
    pub(super) async fn since(&self, summary: &Summary) -> Result<Option<Since>, CouldNotRun> {
        let Some((state, _)) = self.state() else {
            return Ok(None);
        };
        let last = previous(state, summary).await?;
        Ok(last.map(|last| Since {
            entry: last.position.index,
            began: last.drill.began,
            changes: changes(&last.drill, summary),
        }))
    }

    /// What the last PROVEN drill left for `record` of a `baseline` check, where one of `trusted` signed it; `None` where the scenario
    /// has none.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) async fn last_record(
        &self,
        scenario: &Scenario,
        trusted: &Kept,
    ) -> Result<Option<Arc<Baseline>>, CouldNotRun> {
        let wanted = |check: &ScenarioCheck| check.check.reads_last_record();
        let state = self.state().filter(|_| scenario.checks.iter().any(wanted));
        let Some((state, _)) = state else {
            return Ok(None);
        };
        let Some(text) = ledger::baseline(state, &scenario.facts.name, trusted).await? else {
            return Ok(None);
        };
        let baseline = file::parse(&text).map_err(|error| {
            CouldNotRun::with_hint(
                format!("the record of the last drill in {}: {error}", state.place()),
                "if a newer redrill wrote it, use that one",
            )
        })?;
        Ok(Some(Arc::new(baseline)))
    }

    /// Adds a record to the log, and what the drill leaves for the next one; `None` where there is no log.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) async fn record(
        &self,
        record: serde_json::Result<String>,
        mut summary: Summary,
        left: Option<&Baseline>,
    ) -> Result<Option<Evidence>, CouldNotRun> {
        let Some((state, signer)) = self.state() else {
            return Ok(None);
        };
        let record = record.map_err(|error| CouldNotRun::new(error.to_string()))?;
        if let Some(left) = left {
            let text = file::write(left).map_err(CouldNotRun::new)?;
            summary.baseline = Some(keep_baseline(state, &text).await?);
        }
        let Written {
            index,
            record,
            checkpoint,
            key,
        } = ledger::append(state, signer, &record, summary).await?;
        Ok(Some(Evidence {
            entry: index,
            record_sha256: record,
            checkpoint: checkpoint.line(),
            key,
        }))
    }
}
