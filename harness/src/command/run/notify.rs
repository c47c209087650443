//! The webhook of `[incident]`.

use super::one::Recorded;
use crate::context::Context;
use crate::incident::{self, Incident};
use crate::report;
use crate::scenario::Scenario;

/// What is printed about a webhook.
#[derive(Default)]
pub(super) struct Notified {
    /// On standard output.
    pub(super) shown: Option<String>,
    /// On standard error.
    pub(super) error: Option<String>,
}

/// Sends the result to the webhook of the scenario. A failure is only reported: it affects neither the
/// verdict nor the reports.
pub(super) async fn notify(
    incident: &Incident,
    scenario: &Scenario,
    context: &Context,
    recorded: &Recorded,
) -> Notified {
    let Recorded {
        result,
        verdict,
        files,
        ..
    } = recorded;
    let Some(webhook) = incident
        .webhook
        .as_ref()
        .filter(|webhook| webhook.is_for(*verdict))
    else {
        return Notified::default();
    };
    let sender = incident::Sender {
        folder: &scenario.folder,
        environment: &context.environment,
        redactor: &context.redactor,
        interrupted: result.interrupted,
    };
    let deliver = async {
        let body =
            report::incident::render(result, *verdict, files).map_err(|error| error.to_string())?;
        let body = context.redactor.clean(&body);
        incident::deliver(webhook, &sender, &result.run, &body).await
    };
    let mut signal = context.interrupted.clone();
    let sent = if result.interrupted {
        deliver.await
    } else {
        tokio::select! {
            biased;
            _ = signal.wait_for(|interrupted| *interrupted) => {
                Err("a signal interrupted it".to_owned())
            }
            sent = deliver => sent,
        }
    };
    match sent {
        Ok(delivered) => {
            let tries = match delivered.tries {
                1 => String::new(),
                more => format!(", on try {more}"),
            };
            Notified {
                shown: Some(format!("incident   sent to {}{tries}", delivered.host)),
                error: None,
            }
        }
        Err(why) => {
            let why = context.redactor.clean(&why);
            let name = &scenario.facts.name;
            Notified {
                shown: Some("incident   NOT sent, see standard error".to_owned()),
                error: Some(format!(
                    "the result of `{name}` was not sent: {why}\nhint: correct `[incident.webhook]`; the verdict and the reports are not affected"
                )),
            }
        }
    }
}
