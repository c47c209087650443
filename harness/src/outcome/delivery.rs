//! The message to the webhook of `[incident]`.

/// What became of a message to the webhook of `[incident]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Scheme, host and port of the address; the rest may be a secret. `None` where the address could not be read.
    pub host: Option<String>,
    /// HTTP status of the last answer.
    pub status: Option<u16>,
    /// Number of attempts.
    pub tries: u8,
    /// How it ended.
    pub end: DeliveryEnd,
}

/// How a delivery ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DeliveryEnd {
    /// It has not ended: reports are written before it, and again afterwards.
    #[default]
    NotKnown,
    /// The message arrived.
    Sent,
    /// It did not arrive, for this reason.
    Failed(String),
}

impl Delivery {
    /// A delivery without an attempt.
    #[must_use]
    pub fn failed(why: impl Into<String>) -> Self {
        Self {
            end: DeliveryEnd::Failed(why.into()),
            ..Self::default()
        }
    }
}
