//! Errors of `JetStream` that need no operator.

use async_nats::jetstream::{
    Error, ErrorCode,
    context::{GetStreamError, GetStreamErrorKind},
};

/// Returns true if there is no such stream.
pub fn is_missing(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

/// Returns true if a server says that there is no leader.
pub fn is_leaderless(error: &Error) -> bool {
    error.error_code() == ErrorCode::CLUSTER_NOT_AVAILABLE
}
