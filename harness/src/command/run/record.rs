//! The state that the drills of a run are recorded in.

use crate::cli::Keeping;
use crate::command::print::err;
use crate::ledger::key::{Public, Signer};
use crate::ledger::statement::Summary;
use crate::ledger::{self, Written};
use crate::outcome::{CouldNotRun, DrillResult, Evidence};
use crate::report::json;
use crate::scenario::Scenario;
use crate::state::{FOLDER, State};
use crate::verdict::Verdict;

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
    pub(super) async fn open(keeping: &Keeping) -> Result<Self, CouldNotRun> {
        if keeping.no_state {
            return Ok(Self::Off);
        }
        let signer = keeping.key.as_deref().map(Signer::read).transpose()?;
        Ok(match &keeping.state {
            Some(place) => Self::Named(State::create(place).await?, signer),
            None => Self::Beside(signer),
        })
    }

    /// Records a drill; `None` where it is not to be recorded.
    ///
    /// # Errors
    /// The named state cannot be written. One beside the scenario need not be: its folder may be read-only.
    pub(super) async fn record(
        &self,
        scenario: &Scenario,
        result: &DrillResult,
        verdict: Verdict,
    ) -> Result<Option<Evidence>, CouldNotRun> {
        match self {
            Self::Off => Ok(None),
            Self::Named(state, signer) => append(state, signer.as_ref(), result, verdict)
                .await
                .map(Some),
            Self::Beside(signer) => {
                let place = scenario.folder.join(FOLDER).display().to_string();
                let recorded = match State::create(&place).await {
                    Ok(state) => append(&state, signer.as_ref(), result, verdict).await,
                    Err(error) => Err(error),
                };
                recorded.map(Some).or_else(|error| {
                    if signer.is_some() {
                        return Err(error);
                    }
                    err(&format!(
                        "note: `{}` is not in a log: {}\nhint: name a folder for it with `--state`, or say `--no-state`",
                        scenario.facts.title(), error.reason
                    ));
                    Ok(None)
                })
            }
        }
    }
}

async fn append(
    state: &State,
    signer: Option<&Signer>,
    result: &DrillResult,
    verdict: Verdict,
) -> Result<Evidence, CouldNotRun> {
    let record =
        json::render(result, verdict).map_err(|error| CouldNotRun::new(error.to_string()))?;
    let written = ledger::append(state, signer, &record, Summary::of(result, verdict)).await?;
    let Written {
        index,
        record,
        checkpoint,
        key,
    } = written;
    Ok(Evidence {
        state: state.place(),
        entry: index,
        record_sha256: record,
        checkpoint: checkpoint.line(),
        key: key.as_ref().map(Public::fingerprint),
    })
}
