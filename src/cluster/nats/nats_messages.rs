//! Messages between members through NATS: a subject for each member and topic, one for announcements, and an inbox for each
//! question.
//!
//! A question begins with the time at which the wait for its answer ends, by the clock of the asked member: the clocks of two
//! machines show different times. A message without anything asks for that clock.

use std::time::Duration;

use async_nats::{Client, Message, StatusCode, Subject, client::PublishError, connection::State};
use bytes::Bytes;
use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::FuturesUnordered,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::cluster::{
    ClusterTime, MemberId,
    member_messages::{
        ANSWER_LIMIT, AskError, MAX_ANSWER_BYTES, MOST_ANNOUNCEMENTS, MOST_OPEN, MemberMessages, Question,
        Questions, Topic,
    },
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

    fn subject(&self, member: &MemberId, topic: Topic) -> String {
        let member = format!("{}.member.{}", self.prefix, member.process_name());
        match topic {
            Topic::Accounts => member,
            Topic::Hooks => member + ".hooks",
        }
    }

    /// The subject of announcements. That of a member has more parts.
    fn announcement_subject(&self) -> String {
        format!("{}.member.announcements", self.prefix)
    }
}

impl MemberMessages for NatsMessages {
    fn ask(
        &self,
        member: &MemberId,
        topic: Topic,
        question: Vec<u8>,
        within: Duration,
    ) -> BoxFuture<'static, Result<Vec<u8>, AskError>> {
        let (client, subject) = (self.client.clone(), self.subject(member, topic));
        async move {
            // Otherwise the client would keep the question and send it later.
            if client.connection_state() != State::Connected {
                return Err(AskError::Unreachable);
            }
            ask(client, subject, question, within).await
        }
        .boxed()
    }

    fn questions(&self, member: &MemberId, topic: Topic) -> Questions {
        let (sender, questions) = Questions::channel();
        tokio::spawn(pass_on(self.client.clone(), self.subject(member, topic), sender));
        questions
    }

    fn announce(&self, text: Vec<u8>) -> BoxFuture<'static, bool> {
        let (client, subject) = (self.client.clone(), self.announcement_subject());
        async move {
            // Without a connection the client would keep it and send it later.
            client.connection_state() == State::Connected
                && client.publish(subject, text.into()).await.is_ok()
        }
        .boxed()
    }

    fn announcements(&self) -> mpsc::Receiver<Vec<u8>> {
        let (sender, receiver) = mpsc::channel(MOST_ANNOUNCEMENTS);
        tokio::spawn(listen(self.client.clone(), self.announcement_subject(), sender));
        receiver
    }
}

async fn ask(
    client: Client,
    subject: String,
    question: Vec<u8>,
    within: Duration,
) -> Result<Vec<u8>, AskError> {
    let begun = ClusterTime::now();
    // A member shows its clock within milliseconds, however long it works on the answer.
    let silence = within.min(ANSWER_LIMIT);
    let its_clock = timeout(silence, clock_of(&client, subject.clone())).await;
    let its_clock = its_clock.map_err(|_| AskError::Silent(silence))??;
    // It read its clock before its answer came, so that its deadline is not after this one.
    let left = within.saturating_sub(ClusterTime::now().since(begun));
    let question = with_deadline(its_clock + left, &question);
    timeout(left, ask_once(client, subject, question))
        .await
        .ok()
        .flatten()
        .unwrap_or(Err(AskError::Late(within)))
}

/// Sends a question, and collects its answer; `None` if the connection ends meanwhile.
async fn ask_once(client: Client, subject: String, question: Bytes) -> Option<Result<Vec<u8>, AskError>> {
    let inbox = client.new_inbox();
    let Ok(mut parts) = client.subscribe(inbox.clone()).await else {
        return Some(Err(AskError::Unreachable));
    };
    if client.publish_with_reply(subject, inbox, question).await.is_err() {
        return Some(Err(AskError::Unreachable));
    }
    let mut answer = Vec::new();
    while let Some(part) = parts.next().await {
        if part.status == Some(StatusCode::NO_RESPONDERS) {
            return Some(Err(AskError::Unreachable));
        }
        if part.payload.is_empty() {
            return Some(Ok(answer));
        }
        if answer.len() + part.payload.len() > MAX_ANSWER_BYTES {
            return Some(Err(AskError::TooLong));
        }
        answer.extend_from_slice(&part.payload);
    }
    None
}

/// Returns the time at a member.
async fn clock_of(client: &Client, subject: String) -> Result<ClusterTime, AskError> {
    let answer = client.request(subject, Bytes::new()).await.map_err(|_| AskError::Unreachable)?;
    let nanos = <[u8; 8]>::try_from(&answer.payload[..]).map_err(|_| AskError::Unreachable)?;
    Ok(ClusterTime::after_origin(Duration::from_nanos(u64::from_be_bytes(nanos))))
}

fn to_bytes(time: ClusterTime) -> [u8; 8] {
    u64::try_from(time.since_origin().as_nanos()).unwrap_or(u64::MAX).to_be_bytes()
}

fn with_deadline(deadline: ClusterTime, question: &[u8]) -> Bytes {
    [&to_bytes(deadline)[..], question].concat().into()
}

/// Passes questions on, and sends the answers as they come, until the receiver is dropped and all it has got is answered.
async fn pass_on(client: Client, subject: String, questions: mpsc::Sender<Question>) {
    let mut asked = match client.subscribe(subject.clone()).await {
        Ok(asked) => asked,
        Err(error) => {
            tracing::error!(%error, subject, "the other members cannot ask this one");
            return;
        }
    };
    let mut open = FuturesUnordered::new();
    loop {
        let message = tokio::select! {
            () = questions.closed() => return open.collect().await,
            Some(()) = open.next(), if !open.is_empty() => continue,
            message = asked.next(), if open.len() < MOST_OPEN => message,
        };
        // The client has ended.
        let Some(message) = message else { return };
        let Some((text, deadline, inbox)) = read(&client, message).await else { continue };
        let (answer, answered) = oneshot::channel();
        if questions.send(Question { text, deadline, answer }).await.is_err() {
            return;
        }
        open.push(send_answer(&client, inbox, answered));
    }
}

/// Passes announcements on until the receiver is dropped.
async fn listen(client: Client, subject: String, listener: mpsc::Sender<Vec<u8>>) {
    let mut announcements = match client.subscribe(subject.clone()).await {
        Ok(announcements) => announcements,
        Err(error) => {
            tracing::error!(%error, subject, "the other members cannot tell this one anything");
            return;
        }
    };
    loop {
        tokio::select! {
            () = listener.closed() => return,
            message = announcements.next() => match message {
                // One that is left out is only found later.
                Some(message) => drop(listener.try_send(message.payload.into())),
                // The client has ended.
                None => return,
            },
        }
    }
}

/// Returns a question with its deadline and the inbox for its answer, and answers one for the clock.
async fn read(client: &Client, message: Message) -> Option<(Vec<u8>, ClusterTime, Subject)> {
    // Without an inbox no answer is wanted.
    let inbox = message.reply?;
    let Some((deadline, text)) = message.payload.split_first_chunk::<8>() else {
        let now = to_bytes(ClusterTime::now()).to_vec();
        // The other member has ended, or asks again.
        let _ = client.publish(inbox, now.into()).await;
        return None;
    };
    let deadline = Duration::from_nanos(u64::from_be_bytes(*deadline));
    Some((text.to_vec(), ClusterTime::after_origin(deadline), inbox))
}

async fn send_answer(client: &Client, inbox: Subject, answered: oneshot::Receiver<Vec<u8>>) {
    let Ok(answer) = answered.await else { return };
    if let Err(error) = send(client, inbox, answer.into()).await {
        tracing::warn!(%error, "cannot answer another member");
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
