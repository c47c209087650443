//! The webhooks of `[incident]` and `[[notify]]`.

use std::path::PathBuf;

use crate::context::Context;
use crate::incident::{self, Format, News, Webhook};
use crate::outcome::{Delivery, DeliveryEnd, DrillResult};
use crate::report;
use crate::scenario::Scenario;
use crate::verdict::Verdict;

/// The webhook of the scenario, if it receives this verdict.
pub(super) fn webhook(scenario: &Scenario, verdict: Verdict) -> Option<&Webhook> {
    let webhook = scenario.incident.as_ref()?.webhook.as_ref()?;
    webhook.is_for(verdict).then_some(webhook)
}

/// The webhooks of `[[notify]]` that receive this verdict.
pub(super) fn targets(scenario: &Scenario, verdict: Verdict) -> Vec<&Webhook> {
    let targets = scenario.notify.iter();
    targets.filter(|webhook| webhook.is_for(verdict)).collect()
}

/// Calls the addresses of `start`; gives what is printed about those that do not answer.
pub(super) async fn announce(scenario: &Scenario, context: &Context) -> Vec<String> {
    let incident = scenario.incident.iter();
    let webhooks = incident.filter_map(|incident| incident.webhook.as_ref());
    let calls = webhooks
        .chain(&scenario.notify)
        .map(|webhook| send(webhook, scenario, context, false, "", News::Began));
    let deliveries = futures_util::future::join_all(calls).await;
    let deliveries = deliveries.into_iter().flatten();
    deliveries
        .filter_map(|delivery| describe_failure(scenario, "the beginning", &delivery))
        .collect()
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
    let body = match webhook.format {
        Format::Message => report::incident::render(result, verdict, files),
        Format::Slack => report::incident::render_slack(result, verdict),
        Format::Ping => Ok(String::new()),
    };
    match body {
        Ok(body) => {
            let body = context.redactor.clean(&body);
            let news = News::Ended(verdict, &body);
            let sent = send(
                webhook,
                scenario,
                context,
                result.interrupted,
                &result.run,
                news,
            );
            sent.await.unwrap_or_default()
        }
        Err(error) => Delivery::failed(error.to_string()),
    }
}

/// Sends news, until a signal interrupts it.
async fn send(
    webhook: &Webhook,
    scenario: &Scenario,
    context: &Context,
    interrupted: bool,
    run: &str,
    news: News<'_>,
) -> Option<Delivery> {
    let sender = incident::Sender {
        folder: &scenario.folder,
        environment: &context.environment,
        redactor: &context.redactor,
        interrupted,
    };
    let deliver = incident::deliver(webhook, &sender, run, news);
    let mut signal = context.interrupted.clone();
    let mut delivery = if interrupted {
        deliver.await
    } else {
        tokio::select! {
            biased;
            _ = signal.wait_for(|interrupted| *interrupted) => {
                Some(Delivery::failed("a signal interrupted it"))
            }
            delivery = deliver => delivery,
        }
    };
    if let Some(Delivery {
        end: DeliveryEnd::Failed(why),
        ..
    }) = &mut delivery
    {
        *why = context.redactor.clean(why);
    }
    delivery
}

/// What is printed on standard error about a message that did not arrive.
pub(super) fn describe_failure(
    scenario: &Scenario,
    what: &str,
    delivery: &Delivery,
) -> Option<String> {
    let DeliveryEnd::Failed(why) = &delivery.end else {
        return None;
    };
    let host = delivery
        .host
        .as_ref()
        .map(|host| format!("{host} "))
        .unwrap_or_default();
    Some(format!(
        "{what} of `{}` was not sent: {host}{why}\nhint: correct `[incident.webhook]` or `[[notify]]`; the verdict is not affected",
        scenario.facts.name
    ))
}
