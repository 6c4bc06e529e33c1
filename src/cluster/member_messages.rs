//! The port by which the members of a cluster ask and tell each other.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::{ClusterTime, MemberId};

/// The longest wait of an operator for the answer of a member. It answers within milliseconds; one that hangs must not keep
/// an operator.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// The longest answer: a hundred thousand accounts have 60 MB.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Questions that wait for their turn: what takes time is answered elsewhere.
const MAX_QUESTIONS: usize = 16;

/// The questions on a topic that wait for their answers at once, such as those for which a handler works for seconds. The others
/// wait in the connection, and those that wait there too long are left out.
pub const MOST_OPEN: usize = 512;

/// Announcements that wait for the member that hears them. The next ones are left out.
pub const MOST_ANNOUNCEMENTS: usize = 64;

/// The topic of questions. Each has a queue of its own, so that handlers that take long keep no operator waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// The accounts that the member hosts.
    Accounts,
    /// Requests to hooks.
    Hooks,
}

/// A question of another member.
#[derive(Debug)]
pub struct Question {
    /// Its text.
    pub text: Vec<u8>,
    /// The end of the other member's wait, by the clock of this process: later it is not to be carried out.
    pub deadline: ClusterTime,
    /// Takes the answer. Without one the other member waits until its limit.
    pub answer: oneshot::Sender<Vec<u8>>,
}

/// The questions to a member. Those whose deadline has passed are left out.
#[derive(Debug)]
pub struct Questions(mpsc::Receiver<Question>);

/// The reason why a member has not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It has not got the question: it does not listen, or this member has no connection.
    #[error("it cannot be reached")]
    Unreachable,
    /// It has not got the question, because it gave no sign of life.
    #[error("it has not answered within {0:?}")]
    Silent(Duration),
    /// It may have got the question. It does not carry it out later than this.
    #[error("it has not answered within {0:?}")]
    Late(Duration),
    /// Its answer is not taken.
    #[error("its answer is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
}

/// The way from member to member. A question is sent once, and is not carried out after the wait for its answer. An announcement
/// is sent once to all members, and may be lost.
pub trait MemberMessages: fmt::Debug + Send + Sync + 'static {
    /// Asks a member on a topic, and waits so long for its answer.
    fn ask(
        &self,
        member: &MemberId,
        topic: Topic,
        question: Vec<u8>,
        within: Duration,
    ) -> BoxFuture<'static, Result<Vec<u8>, AskError>>;

    /// Returns the questions to a member on a topic from now on, whatever its incarnation is.
    fn questions(&self, member: &MemberId, topic: Topic) -> Questions;

    /// Tells all members that listen, this one included. Returns false if nothing was sent, without a connection for instance.
    fn announce(&self, text: Vec<u8>) -> BoxFuture<'static, bool>;

    /// Returns what members announce from now on. What comes while [`MOST_ANNOUNCEMENTS`] wait is left out.
    fn announcements(&self) -> mpsc::Receiver<Vec<u8>>;
}

impl Questions {
    /// Returns a queue of questions.
    pub fn channel() -> (mpsc::Sender<Question>, Self) {
        let (sender, receiver) = mpsc::channel(MAX_QUESTIONS);
        (sender, Self(receiver))
    }

    /// Returns the next question; `None` once there are no more.
    pub async fn next(&mut self) -> Option<Question> {
        loop {
            let question = self.0.recv().await?;
            if ClusterTime::now() < question.deadline {
                return Some(question);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_that_nobody_waits_for_any_more_is_left_out() {
        let (sender, mut questions) = Questions::channel();
        let now = ClusterTime::now();
        for (text, deadline) in [(b"late", now), (b"soon", now + Duration::from_secs(60))] {
            let (answer, _) = oneshot::channel();
            sender.send(Question { text: text.to_vec(), deadline, answer }).await.unwrap();
        }
        drop(sender);
        assert_eq!(questions.next().await.unwrap().text, b"soon");
        assert!(questions.next().await.is_none());
    }
}
