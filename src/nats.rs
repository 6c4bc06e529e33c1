//! NATS, for the cluster and for sinks.

#[cfg(feature = "cluster")]
mod client_connection;
#[cfg(feature = "cluster")]
mod jetstream_errors;
#[cfg(feature = "cluster")]
mod leader_wait;
#[cfg(feature = "cluster")]
mod subject_token;

#[cfg(feature = "cluster")]
pub use client_connection::connect;
#[cfg(feature = "cluster")]
pub use jetstream_errors::{is_leaderless, is_missing};
#[cfg(feature = "cluster")]
pub use leader_wait::{RequestFailure, request_of_leader};
#[cfg(feature = "cluster")]
pub use subject_token::{MAX_TOKEN_BYTES, name_of_token, percent_encoded, subject_token};

/// A service of NATS that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{what}; {remedy}")]
pub struct NatsError {
    /// The problem.
    pub what: String,
    /// The way to fix it.
    pub remedy: String,
}
