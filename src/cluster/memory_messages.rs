//! Messages between the members of one process.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    time::timeout,
};

use super::{
    ClusterTime, MemberId,
    member_messages::{
        AskError, MAX_ANSWER_BYTES, MOST_ANNOUNCEMENTS, MemberMessages, Question, Questions, Topic,
    },
};

/// The members of one process by the names of their processes, and topics. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryMessages(Arc<Mutex<Members>>);

#[derive(Debug, Default)]
struct Members {
    asked: BTreeMap<Subject, mpsc::Sender<Question>>,
    listeners: Vec<mpsc::Sender<Vec<u8>>>,
}

/// The name of a process, and a topic.
type Subject = (String, Topic);

impl MemberMessages for MemoryMessages {
    fn ask(
        &self,
        member: &MemberId,
        topic: Topic,
        text: Vec<u8>,
        within: Duration,
    ) -> BoxFuture<'static, Result<Vec<u8>, AskError>> {
        let asked = self.0.lock().asked.get(&(member.process_name(), topic)).cloned();
        let deadline = ClusterTime::now() + within;
        let ask = async move {
            let asked = asked.ok_or(AskError::Unreachable)?;
            let (answer, answered) = oneshot::channel();
            let question = Question { text, deadline, answer };
            asked.send(question).await.map_err(|_| AskError::Unreachable)?;
            let answer = answered.await.map_err(|_| AskError::Late(within))?;
            if answer.len() > MAX_ANSWER_BYTES { Err(AskError::TooLong) } else { Ok(answer) }
        };
        async move { timeout(within, ask).await.unwrap_or(Err(AskError::Late(within))) }.boxed()
    }

    fn questions(&self, member: &MemberId, topic: Topic) -> Questions {
        let (sender, questions) = Questions::channel();
        self.0.lock().asked.insert((member.process_name(), topic), sender);
        questions
    }

    fn announce(&self, text: Vec<u8>) -> BoxFuture<'static, bool> {
        self.0.lock().listeners.retain(|listener| {
            let told = listener.try_send(text.clone());
            !matches!(told, Err(TrySendError::Closed(_)))
        });
        std::future::ready(true).boxed()
    }

    fn announcements(&self) -> mpsc::Receiver<Vec<u8>> {
        let (sender, receiver) = mpsc::channel(MOST_ANNOUNCEMENTS);
        self.0.lock().listeners.push(sender);
        receiver
    }
}
