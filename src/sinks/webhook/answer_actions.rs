//! The actions of answers, and the requests that tell their results.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use tokio::time::sleep;

use super::{Sender, verdict::Verdict};
use crate::{
    actions::{ActionResult, BAD_REQUEST},
    sinks::{
        message::Message,
        queue::Job,
        reply::{HandlerAction, MAX_REPLIES_PER_EVENT, ReplyParseError},
    },
    telemetry::time::rfc3339,
};

/// The type of the event that tells results.
const RESULT_TYPE: &str = "com.matterhost.action_result";
/// The most requests with results for one event. A handler may answer each by further actions.
const MAX_RESULT_REQUESTS: usize = 16;
/// The delays after which results are sent again: the event waits meanwhile, and its actions are done.
const RESULT_RETRIES: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(8)];

/// An event with the results of a handler's actions, as `CloudEvents` JSON.
#[derive(Serialize)]
struct ResultEvent<'a> {
    specversion: &'a str,
    id: &'a str,
    source: &'a str,
    r#type: &'a str,
    time: String,
    subject: &'a str,
    datacontenttype: &'a str,
    account: &'a str,
    data: ResultData<'a>,
}

#[derive(Serialize)]
struct ResultData<'a> {
    action_results: &'a [NamedResult],
}

#[derive(Serialize)]
struct NamedResult {
    /// The name that the handler gave the action.
    id: Box<str>,
    #[serde(flatten)]
    result: ActionResult,
}

impl Sender {
    /// Takes the actions of an answer in order, and tells the results that the handler wants to know.
    pub(super) async fn take_actions(
        &self,
        batch: &[Job<Message>],
        answer: Result<Vec<HandlerAction>, ReplyParseError>,
    ) {
        match answer {
            Ok(mut actions) => {
                for job in batch {
                    let answers = |action: &HandlerAction| {
                        action.event.id == job.item.id && action.event.account == job.item.account
                    };
                    let (own, others) = actions.into_iter().partition(answers);
                    actions = others;
                    self.answer_event(&job.item, own).await;
                }
            }
            Err(error) => {
                if let Some(first) = batch.first() {
                    self.unusable_answer.report_event_failure(&first.item, &error.to_string());
                }
            }
        }
    }

    /// Takes the actions for an event. The handler may answer their results by further ones.
    async fn answer_event(&self, event: &Message, mut actions: Vec<HandlerAction>) {
        let mut posts = 0;
        for round in 0..MAX_RESULT_REQUESTS {
            posts += actions.iter().filter(|action| action.is_post()).count();
            let results = self.take_in_order(event, actions).await;
            if results.is_empty() {
                return;
            }
            actions = self.tell(event, round, &results, posts).await;
        }
        if !actions.is_empty() {
            let problem = format!("more than {MAX_RESULT_REQUESTS} answers to one event and its results");
            self.unusable_answer.report_event_failure(event, &problem);
        }
    }

    async fn take_in_order(&self, event: &Message, actions: Vec<HandlerAction>) -> Vec<NamedResult> {
        let mut results = Vec::new();
        for mut action in actions {
            let name = action.name.take();
            let result = if action.is_post() && action.index >= MAX_REPLIES_PER_EVENT {
                let problem = ReplyParseError::TooMany.describe(&event.id);
                self.unusable_answer.report_event_failure(event, &problem);
                ActionResult::failed(BAD_REQUEST, problem)
            } else {
                self.handler_deps.act(event, action).await
            };
            results.extend(name.map(|id| NamedResult { id, result }));
        }
        results
    }

    /// Sends results to the handler, and returns the actions of its answer.
    async fn tell(
        &self,
        event: &Message,
        round: usize,
        results: &[NamedResult],
        posts: usize,
    ) -> Vec<HandlerAction> {
        let told = result_message(event, round, results);
        let mut retries = RESULT_RETRIES.into_iter();
        loop {
            let problem = match self.handler.deliver_answered(&[&told], posts).await {
                Verdict::Accepted(Ok(actions)) => return actions,
                Verdict::Accepted(Err(error)) => error.to_string(),
                Verdict::RetryLater { cause, .. } => match retries.next() {
                    Some(delay) => {
                        sleep(delay).await;
                        continue;
                    }
                    None => format!("the results of its actions cannot be told: {cause}"),
                },
                Verdict::Refused { cause } => format!("the results of its actions are refused: {cause}"),
            };
            self.unusable_answer.report_event_failure(event, &problem);
            return Vec::new();
        }
    }
}

/// Returns the message that tells results. It has the event's id, so that answers refer to that event, and a source of its
/// own.
fn result_message(event: &Message, round: usize, results: &[NamedResult]) -> Message {
    let source = format!("{}/action-results/{round}", event.source);
    let told = ResultEvent {
        specversion: "1.0",
        id: &event.id,
        source: &source,
        r#type: RESULT_TYPE,
        time: rfc3339(SystemTime::now()),
        subject: event.channel.as_str(),
        datacontenttype: "application/json",
        account: event.account.as_str(),
        data: ResultData { action_results: results },
    };
    // Strings and JSON always serialize.
    let json = serde_json::to_string(&told).unwrap_or_default().into();
    Message { source: source.into(), json, ..event.clone() }
}
