//! NATS, for the cluster and for sinks.

#[cfg(feature = "cluster")]
mod client_connection;

#[cfg(feature = "cluster")]
pub use client_connection::connect;

/// A service of NATS that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{what}; {remedy}")]
pub struct NatsError {
    /// The problem.
    pub what: String,
    /// The way to fix it.
    pub remedy: String,
}
