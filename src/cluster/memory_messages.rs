//! Messages between the members of one process.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    MemberId,
    member_messages::{ANSWER_LIMIT, AskError, MAX_ANSWER_BYTES, MAX_QUESTIONS, MemberMessages, Question},
};

/// The members of one process by the names of their processes. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryMessages(Arc<Mutex<BTreeMap<String, mpsc::Sender<Question>>>>);

impl MemberMessages for MemoryMessages {
    fn ask(&self, member: &MemberId, text: Vec<u8>) -> BoxFuture<'static, Result<Vec<u8>, AskError>> {
        let asked = self.0.lock().get(&member.process_name()).cloned();
        async move {
            let asked = asked.ok_or(AskError::Unreachable)?;
            let (answer, answered) = oneshot::channel();
            asked.send(Question { text, answer }).await.map_err(|_| AskError::Unreachable)?;
            let answer = timeout(ANSWER_LIMIT, answered).await.map_err(|_| AskError::Late)?;
            let answer = answer.map_err(|_| AskError::Late)?;
            if answer.len() > MAX_ANSWER_BYTES { Err(AskError::TooLong) } else { Ok(answer) }
        }
        .boxed()
    }

    fn questions(&self, member: &MemberId) -> mpsc::Receiver<Question> {
        let (sender, receiver) = mpsc::channel(MAX_QUESTIONS);
        self.0.lock().insert(member.process_name(), sender);
        receiver
    }
}
