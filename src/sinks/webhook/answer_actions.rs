//! The actions of answers, and the requests that tell their results.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use tokio::time::sleep;

use super::{Sender, verdict::Verdict};
use crate::{
    actions::{ActionError, ActionResult, MAX_POSTS_PER_EVENT},
    sinks::{
        message::Message,
        queue::Job,
        reply::{HandlerAction, RefusedAction, ReplyParseError},
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
                for (index, job) in batch.iter().enumerate() {
                    self.tell_results(&job.item, refused(&error, index), 0).await;
                }
            }
        }
    }

    /// Takes the actions for an event, and tells their results.
    async fn answer_event(&self, event: &Message, actions: Vec<HandlerAction>) {
        let posts = count_posts(&actions);
        let results = self.take_in_order(event, actions).await;
        self.tell_results(event, results, posts).await;
    }

    /// Tells the results of actions. The handler may answer them by further ones.
    async fn tell_results(&self, event: &Message, mut results: Vec<NamedResult>, mut posts: usize) {
        for round in 0..MAX_RESULT_REQUESTS {
            if results.is_empty() {
                return;
            }
            let is_last = round + 1 == MAX_RESULT_REQUESTS;
            results = match self.tell(event, round, &results, posts).await {
                Ok(actions) if is_last && !actions.is_empty() => {
                    let most = MAX_RESULT_REQUESTS;
                    let problem = format!("more than {most} answers to one event and its results");
                    return self.unusable_answer.report_event_failure(event, &problem);
                }
                Ok(actions) => {
                    posts += count_posts(&actions);
                    self.take_in_order(event, actions).await
                }
                Err(refused) => refused,
            };
        }
    }

    async fn take_in_order(&self, event: &Message, actions: Vec<HandlerAction>) -> Vec<NamedResult> {
        let mut results = Vec::new();
        for mut action in actions {
            let name = action.name.take();
            let result = self.take_counted(event, action).await;
            results.extend(name.map(|id| NamedResult { id, result }));
        }
        results
    }

    /// Takes an action, which counts among the posts of its event, together with those that come later with its reply token.
    async fn take_counted(&self, event: &Message, action: HandlerAction) -> ActionResult {
        let is_one_too_many = action.is_post() && action.index >= MAX_POSTS_PER_EVENT;
        let counted = match &self.handler_deps.reply_tokens {
            _ if is_one_too_many => Err(ActionError::TooManyPosts),
            Some(tokens) => tokens.posts().count(&action.event, &action.action),
            None => Ok(None),
        };
        if let Ok(counted) = counted {
            let result = self.handler_deps.act(event, action).await;
            if let Some(post) = counted.filter(|_| !result.is_done()) {
                post.forget();
            }
            result
        } else {
            let error = ReplyParseError::TooMany;
            let problem = error.describe(&event.id);
            self.unusable_answer.report_event_failure(event, &problem);
            ActionResult::failed(error.status(), problem)
        }
    }

    /// Sends results to the handler, and returns the actions of its answer.
    ///
    /// # Errors
    /// The results of the actions of an answer that cannot be used.
    async fn tell(
        &self,
        event: &Message,
        round: usize,
        results: &[NamedResult],
        posts: usize,
    ) -> Result<Vec<HandlerAction>, Vec<NamedResult>> {
        let told = result_message(event, round, results);
        let mut retries = RESULT_RETRIES.into_iter();
        loop {
            let problem = match self.handler.deliver_answered(&[&told], posts).await {
                Verdict::Accepted(Ok(actions)) => return Ok(actions),
                Verdict::Accepted(Err(error)) => {
                    self.unusable_answer.report_event_failure(event, &error.to_string());
                    return Err(refused(&error, 0));
                }
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
            return Ok(Vec::new());
        }
    }
}

fn count_posts(actions: &[HandlerAction]) -> usize {
    actions.iter().filter(|action| action.is_post()).count()
}

/// Returns the results of the actions with a name in an answer that cannot be used, for one of its events.
fn refused(error: &ReplyParseError, event: usize) -> Vec<NamedResult> {
    let ReplyParseError::Refused { actions, .. } = error else { return Vec::new() };
    let of_event = actions.iter().filter(|action| action.event == event);
    let result = |action: &RefusedAction| NamedResult {
        id: action.name.clone(),
        result: ActionResult::failed(action.status, action.detail.clone()),
    };
    of_event.map(result).collect()
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
