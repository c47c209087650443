//! The provider of cryptography for TLS.

/// Installs it; every HTTP client requires it, also one without TLS.
pub fn install() {
    // It is an error if there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
