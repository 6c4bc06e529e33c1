//! Messages between members through NATS: a subject for each member, and an inbox for each question.

use async_nats::{Client, StatusCode, Subject, client::PublishError, connection::State};
use bytes::Bytes;
use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::cluster::{
    MemberId,
    member_messages::{ANSWER_LIMIT, AskError, MAX_ANSWER_BYTES, MAX_QUESTIONS, MemberMessages, Question},
};

/// The most bytes of one message of an answer. NATS takes 1 MB by default; between these the renewals of leases go through.
const PART_BYTES: usize = 128 * 1024;

/// The messages of a cluster through its connection to NATS.
#[derive(Debug, Clone)]
pub struct NatsMessages {
    client: Client,
    prefix: String,
}

impl NatsMessages {
    pub(super) fn new(client: Client, prefix: &str) -> Self {
        Self { client, prefix: prefix.to_owned() }
    }

    fn subject(&self, member: &MemberId) -> String {
        format!("{}.member.{}", self.prefix, member.process_name())
    }
}

impl MemberMessages for NatsMessages {
    fn ask(&self, member: &MemberId, question: Vec<u8>) -> BoxFuture<'static, Result<Vec<u8>, AskError>> {
        let (client, subject) = (self.client.clone(), self.subject(member));
        async move {
            // Otherwise the client would keep the question and send it much later.
            if client.connection_state() != State::Connected {
                return Err(AskError::Unreachable);
            }
            timeout(ANSWER_LIMIT, ask(client, subject, question)).await.unwrap_or(Err(AskError::Late))
        }
        .boxed()
    }

    fn questions(&self, member: &MemberId) -> mpsc::Receiver<Question> {
        let (sender, receiver) = mpsc::channel(MAX_QUESTIONS);
        tokio::spawn(pass_on(self.client.clone(), self.subject(member), sender));
        receiver
    }
}

async fn ask(client: Client, subject: String, question: Vec<u8>) -> Result<Vec<u8>, AskError> {
    let inbox = client.new_inbox();
    let mut parts = client.subscribe(inbox.clone()).await.map_err(|_| AskError::Unreachable)?;
    let sent = client.publish_with_reply(subject, inbox, question.into()).await;
    sent.map_err(|_| AskError::Unreachable)?;
    let mut answer = Vec::new();
    while let Some(part) = parts.next().await {
        if part.status == Some(StatusCode::NO_RESPONDERS) {
            break;
        }
        if part.payload.is_empty() {
            return Ok(answer);
        }
        if answer.len() + part.payload.len() > MAX_ANSWER_BYTES {
            return Err(AskError::TooLong);
        }
        answer.extend_from_slice(&part.payload);
    }
    Err(AskError::Unreachable)
}

/// Passes questions on one after the other, and sends the answers, until the receiver is dropped.
async fn pass_on(client: Client, subject: String, questions: mpsc::Sender<Question>) {
    let mut asked = match client.subscribe(subject.clone()).await {
        Ok(asked) => asked,
        Err(error) => {
            tracing::error!(%error, subject, "the other members cannot ask this one");
            return;
        }
    };
    loop {
        let message = tokio::select! {
            () = questions.closed() => return,
            message = asked.next() => message,
        };
        // Without a message the client has ended; without an inbox no answer is wanted.
        let Some(message) = message else { return };
        let Some(inbox) = message.reply else { continue };
        let (answer, answered) = oneshot::channel();
        if questions.send(Question { text: message.payload.to_vec(), answer }).await.is_err() {
            return;
        }
        let Ok(answer) = answered.await else { continue };
        if let Err(error) = send(&client, inbox, answer.into()).await {
            tracing::warn!(%error, "cannot answer another member");
        }
    }
}

/// Sends an answer in parts, of which an empty one is the last.
async fn send(client: &Client, inbox: Subject, answer: Bytes) -> Result<(), PublishError> {
    let starts = (0..answer.len()).step_by(PART_BYTES);
    let parts = starts.map(|start| answer.slice(start..answer.len().min(start + PART_BYTES)));
    for part in parts.chain([Bytes::new()]) {
        client.publish(inbox.clone(), part).await?;
    }
    Ok(())
}
