//! The servers themselves: what they give, what they keep in, what is left of them.

pub mod drill;
mod hostile;
mod kills;
mod masking;
pub mod native;
mod providers;
mod snapshots;
mod templates;
mod tls;
mod versions;
