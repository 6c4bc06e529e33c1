//! The errors of starting a simulator.

use std::io;

/// Why a [`Simulator`](crate::Simulator) did not start, or did not listen again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulatorError {
    /// The address cannot be listened on.
    #[error("cannot listen on the address")]
    Listen(#[source] io::Error),
    /// The runtime or its thread cannot be made.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    /// The certificate authority or the certificate cannot be made.
    #[error("cannot make a certificate")]
    Certificate(#[source] rcgen::Error),
    /// The TLS configuration is refused.
    #[error("cannot make a TLS configuration")]
    Tls(#[source] rustls::Error),
}
