//! Throwaway servers. Only this folder makes a [`ThrowawayServer`], and everything that writes
//! takes `&ThrowawayServer`: no constructor takes the address of a server that redrill did not start.

use crate::database::Endpoint;

/// A server that redrill started and will destroy.
pub struct ThrowawayServer {
    endpoint: Endpoint,
}

impl ThrowawayServer {
    /// Where it answers.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}
