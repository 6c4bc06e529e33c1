//! The port by which the members of a cluster ask each other.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::MemberId;

/// The longest wait for the answer of a member. It answers within milliseconds; one that hangs must not keep an operator.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// The longest answer: a hundred thousand accounts have 60 MB.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Questions that wait for their turn: a member answers one after the other.
pub(super) const MAX_QUESTIONS: usize = 16;

/// A question of another member.
#[derive(Debug)]
pub struct Question {
    /// Its text.
    pub text: Vec<u8>,
    /// Takes the answer. Without one the other member waits until its limit.
    pub answer: oneshot::Sender<Vec<u8>>,
}

/// The reason why a member has not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It does not listen, or this member has no connection.
    #[error("it cannot be reached")]
    Unreachable,
    /// It may have got the question.
    #[error("it has not answered within {ANSWER_LIMIT:?}")]
    Late,
    /// Its answer is not taken.
    #[error("its answer is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
}

/// The way from member to member. A question is sent once, and the wait for its answer is bounded by [`ANSWER_LIMIT`].
pub trait MemberMessages: fmt::Debug + Send + Sync + 'static {
    /// Asks a member.
    fn ask(&self, member: &MemberId, question: Vec<u8>) -> BoxFuture<'static, Result<Vec<u8>, AskError>>;

    /// Returns the questions to a member from now on, whatever its incarnation is.
    fn questions(&self, member: &MemberId) -> mpsc::Receiver<Question>;
}
