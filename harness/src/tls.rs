//! One provider of cryptography for all of TLS.

/// Sees that it is installed; every HTTP client needs it, also one that speaks no TLS.
pub fn install() {
    // An error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
