//! The state that the drills of a run are recorded in.

use crate::cli::Keeping;
use crate::context::Context;
use crate::input::Environment;
use crate::ledger::key::{Public, Signer};
use crate::ledger::statement::Summary;
use crate::ledger::{self, Written};
use crate::outcome::{CouldNotRun, Evidence};
use crate::redact::Redactor;
use crate::scenario::Scenario;
use crate::state::{At, FOLDER, State};

/// The lines about an entry, after those about the reports.
pub(super) fn lines(evidence: &Evidence) -> String {
    format!(
        "log        {}: entry {}\ncheckpoint {}\n",
        evidence.state, evidence.entry, evidence.checkpoint
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

/// Where drills are recorded.
pub(super) enum Recorder {
    /// Nowhere: `--no-state`.
    Off,
    /// In this state, for all scenarios.
    Named(State, Option<Signer>),
    /// Beside each scenario, where that can be written to.
    Beside(Option<Signer>),
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
        let signer = keeping.key.as_deref().map(Signer::read).transpose()?;
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

    /// Records a drill or a rehearsal. The second value says what is to be printed where a state beside the scenario cannot be written, which may
    /// be read-only.
    ///
    /// # Errors
    /// A state that was named, or a key, cannot be used.
    pub(super) async fn record(
        &self,
        scenario: &Scenario,
        context: &Context,
        (record, summary): (serde_json::Result<String>, Summary),
    ) -> Result<(Option<Evidence>, Option<String>), CouldNotRun> {
        let record = record.map_err(|error| CouldNotRun::new(error.to_string()))?;
        let signer = match self {
            Self::Off => return Ok((None, None)),
            Self::Named(state, signer) => {
                let evidence = append(state, signer.as_ref(), &record, summary).await?;
                return Ok((Some(evidence), None));
            }
            Self::Beside(signer) => signer.as_ref(),
        };
        let place = scenario.folder.join(FOLDER);
        let place = place
            .strip_prefix(".")
            .unwrap_or(&place)
            .display()
            .to_string();
        let at = At {
            place: &place,
            environment: &context.environment,
            redactor: &context.redactor,
        };
        let recorded = async { append(&State::create(&at).await?, signer, &record, summary).await };
        match recorded.await {
            Ok(evidence) => Ok((Some(evidence), None)),
            Err(error) if signer.is_some() => Err(error),
            Err(error) => Ok((
                None,
                Some(format!(
                    "note: `{}` is not in a log: {}\nhint: name a folder for it with `--state`, or say `--no-state`",
                    scenario.facts.title(),
                    error.reason
                )),
            )),
        }
    }
}

async fn append(
    state: &State,
    signer: Option<&Signer>,
    record: &str,
    summary: Summary,
) -> Result<Evidence, CouldNotRun> {
    let Written {
        index,
        record,
        checkpoint,
        key,
    } = ledger::append(state, signer, record, summary).await?;
    Ok(Evidence {
        state: state.place(),
        entry: index,
        record_sha256: record,
        checkpoint: checkpoint.line(),
        key: key.as_ref().map(Public::fingerprint),
    })
}
