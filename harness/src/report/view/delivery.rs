//! The message to the webhook.

use crate::outcome::{Delivery, DeliveryEnd};

/// What became of the message to the webhook: where it was sent to, with which status, or why it was not.
pub(in crate::report) fn delivery(delivery: &Delivery) -> String {
    let to = delivery
        .host
        .as_ref()
        .map_or_else(String::new, |host| format!(" to {host}"));
    match &delivery.end {
        DeliveryEnd::NotKnown => {
            "not known: this report was written before the delivery ended".to_owned()
        }
        DeliveryEnd::Sent => {
            let tries = match delivery.tries {
                0 | 1 => String::new(),
                tries => format!(", on try {tries}"),
            };
            let status = delivery
                .status
                .map_or_else(String::new, |status| format!(", status {status}"));
            format!("sent{to}{tries}{status}")
        }
        DeliveryEnd::Failed(why) => format!("NOT sent{to}: {why}"),
    }
}
