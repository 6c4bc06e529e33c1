//! The operations of the API on the host's sinks.

use futures_util::future::BoxFuture;
use matterhost_actors::model::AccountName;

use super::api_error::ApiError;
use crate::{
    actions::{AnsweredEvent, CheckedAction},
    admin::dto::{
        DeadLetters, DroppedLetters, LetterSelection, RetriedLetters, Sink, SinkAction, SkipRequest, Skipped,
    },
};

/// The future of an answer.
pub type SinkAnswer<T> = BoxFuture<'static, Result<T, SinkRefused>>;

/// The operations on the sinks of a host.
pub trait SinkOperations: Send + Sync + 'static {
    /// Returns the sinks, sorted by name.
    fn list(&self) -> SinkAnswer<Vec<Sink>>;

    /// Returns one sink.
    fn get(&self, sink: &str) -> SinkAnswer<Sink>;

    /// True if an account delivers to the sink.
    fn delivers(&self, account: &AccountName, sink: &str) -> bool;

    /// Begins an update in answer to an event that is not waited for: if it fails, the sink of the event keeps it. Returns
    /// false if it is not taken.
    fn update(&self, event: &AnsweredEvent, update: &CheckedAction) -> bool;

    /// Carries out an action.
    fn act(&self, sink: &str, action: SinkAction) -> SinkAnswer<()>;

    /// Takes the first event of a channel from a sink and keeps it as a dead letter.
    fn skip(&self, sink: &str, request: SkipRequest) -> SinkAnswer<Skipped>;

    /// Starts the sinks of an account that rest or wait for their handler, delivers at once what waits there, and returns
    /// their names.
    fn start_resting(&self, account: &AccountName) -> BoxFuture<'static, Vec<String>>;

    /// Returns the dead letters of a sink.
    fn dead_letters(&self, sink: &str) -> SinkAnswer<DeadLetters>;

    /// Delivers dead letters again, in order. It goes on if the caller no longer waits.
    fn retry_letters(&self, sink: &str, selection: LetterSelection) -> SinkAnswer<RetriedLetters>;

    /// Deletes dead letters.
    fn drop_letters(&self, sink: &str, selection: LetterSelection) -> SinkAnswer<DroppedLetters>;
}

/// The reason why an operation on a sink was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkRefused {
    /// There is no such sink or dead letter.
    Unknown(String),
    /// The state of the sink does not allow it.
    Conflict(String),
    /// It failed.
    Failed(String),
}

impl From<SinkRefused> for ApiError {
    fn from(refused: SinkRefused) -> Self {
        match refused {
            SinkRefused::Unknown(detail) => Self::not_found(detail),
            SinkRefused::Conflict(detail) => Self::conflict(detail),
            SinkRefused::Failed(detail) => Self::unavailable(detail),
        }
    }
}
