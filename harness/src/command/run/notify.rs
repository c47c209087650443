//! The webhook of `[incident]`.

use std::path::PathBuf;

use crate::context::Context;
use crate::incident::{self, Webhook};
use crate::outcome::{Delivery, DeliveryEnd, DrillResult};
use crate::report;
use crate::scenario::Scenario;
use crate::verdict::Verdict;

/// The webhook of the scenario, if it receives this verdict.
pub(super) fn webhook(scenario: &Scenario, verdict: Verdict) -> Option<&Webhook> {
    let webhook = scenario.incident.as_ref()?.webhook.as_ref()?;
    webhook.is_for(verdict).then_some(webhook)
}

/// Sends the result to a webhook; `files` are its reports. A failure is only reported: it does not affect the
/// verdict.
pub(super) async fn notify(
    webhook: &Webhook,
    scenario: &Scenario,
    context: &Context,
    (result, verdict): (&DrillResult, Verdict),
    files: &[PathBuf],
) -> Delivery {
    let sender = incident::Sender {
        folder: &scenario.folder,
        environment: &context.environment,
        redactor: &context.redactor,
        interrupted: result.interrupted,
    };
    let deliver = async {
        match report::incident::render(result, verdict, files) {
            Ok(body) => {
                let body = context.redactor.clean(&body);
                incident::deliver(webhook, &sender, &result.run, &body).await
            }
            Err(error) => Delivery::failed(error.to_string()),
        }
    };
    let mut signal = context.interrupted.clone();
    let mut delivery = if result.interrupted {
        deliver.await
    } else {
        tokio::select! {
            biased;
            _ = signal.wait_for(|interrupted| *interrupted) => {
                Delivery::failed("a signal interrupted it")
            }
            delivery = deliver => delivery,
        }
    };
    if let DeliveryEnd::Failed(why) = &mut delivery.end {
        *why = context.redactor.clean(why);
    }
    delivery
}

/// What is printed on standard error about a message that did not arrive.
pub(super) fn describe_failure(scenario: &Scenario, delivery: &Delivery) -> Option<String> {
    let DeliveryEnd::Failed(why) = &delivery.end else {
        return None;
    };
    let host = delivery
        .host
        .as_ref()
        .map(|host| format!("{host} "))
        .unwrap_or_default();
    Some(format!(
        "the result of `{}` was not sent: {host}{why}\nhint: correct `[incident.webhook]`; the verdict is not affected",
        scenario.facts.name
    ))
}
