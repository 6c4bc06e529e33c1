//! Tokens by which a handler answers an event later, without any other credential.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use matterhost_actors::model::AccountName;
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::{AnsweredEvent, EventPosts, ThreadPlace, signed_json};

/// The time for which a token is valid: people do not wait longer for an answer, and a leaked token is of no use later.
const VALID_FOR: Duration = Duration::from_secs(24 * 3600);
/// The longest token, many times the usual length; servers accept headers of 8 KiB in all.
const MAX_BYTES: usize = 4 * 1024;
/// The purpose of the signature: the key signs nothing else.
const PURPOSE: &str = "";

/// The reason why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyTokenError {
    /// It was not issued by this host.
    #[error("the reply token is not valid: this host did not issue it, or its key was replaced")]
    Invalid,
    /// It is too old.
    #[error("the reply token has expired; tokens are valid for 24 hours")]
    Expired,
}

/// The issuer of reply tokens, and the count of the posts in answer to their events. Clones share both.
#[derive(Clone)]
pub struct ReplyTokens {
    key: Arc<hmac::Key>,
    posts: EventPosts,
}

/// The event as a token states it.
#[derive(Serialize, Deserialize)]
struct Statement {
    account: String,
    sink: String,
    id: String,
    channel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    post: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_hook: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_at: Option<i64>,
    /// Seconds since 1970.
    expires: u64,
}

impl ReplyTokens {
    /// Creates an issuer. The key has to be random.
    pub fn new(key: &[u8]) -> Self {
        let key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key));
        Self { key, posts: EventPosts::default() }
    }

    /// Returns the posts in answer to the events of tokens.
    pub fn posts(&self) -> &EventPosts {
        &self.posts
    }

    /// Returns the token for an event; `None` if its ids are too long for one.
    pub fn issue(&self, event: &AnsweredEvent, now: SystemTime) -> Option<String> {
        let statement = Statement {
            account: event.account.as_str().into(),
            sink: event.sink.to_string(),
            id: event.id.to_string(),
            channel: event.channel.to_string(),
            post: event.post.as_ref().map(ToString::to_string),
            root: event.thread.root.as_ref().map(ToString::to_string),
            thread_of: event.thread.post.as_ref().map(ToString::to_string),
            author: event.author.as_ref().map(ToString::to_string),
            is_hook: event.is_hook,
            trigger: event.trigger.clone(),
            create_at: event.create_at,
            expires: seconds(now + VALID_FOR),
        };
        let token = signed_json::sign(&self.key, PURPOSE, &statement);
        (token.len() <= MAX_BYTES).then_some(token)
    }

    /// Returns the event of a token.
    ///
    /// # Errors
    /// If the token is not valid, or too old.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<AnsweredEvent, ReplyTokenError> {
        let invalid = ReplyTokenError::Invalid;
        let token = Some(token).filter(|token| token.len() <= MAX_BYTES).ok_or(invalid)?;
        let keys = std::slice::from_ref(&*self.key);
        let statement: Statement = signed_json::verify(keys, PURPOSE, token).ok_or(invalid)?;
        if statement.expires <= seconds(now) {
            return Err(ReplyTokenError::Expired);
        }
        Ok(AnsweredEvent {
            account: AccountName::new(&statement.account).map_err(|_| invalid)?,
            sink: statement.sink.into(),
            id: statement.id.into(),
            channel: statement.channel.as_str().into(),
            post: statement.post.as_deref().map(Into::into),
            thread: ThreadPlace {
                root: statement.root.as_deref().map(Into::into),
                post: statement.thread_of.as_deref().map(Into::into),
            },
            author: statement.author.as_deref().map(Into::into),
            is_hook: statement.is_hook,
            trigger: statement.trigger,
            create_at: statement.create_at,
        })
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl std::fmt::Debug for ReplyTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReplyTokens(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_states_its_event_until_it_expires() {
        let (tokens, now) = (ReplyTokens::new(b"a key"), SystemTime::now());
        let event = AnsweredEvent {
            account: AccountName::new("helpdesk").unwrap(),
            sink: "hook".into(),
            id: "e1".into(),
            channel: "c1".into(),
            post: Some("p1".into()),
            thread: ThreadPlace { root: Some("root".into()), post: None },
            author: Some("ann".into()),
            is_hook: true,
            trigger: Some("t".into()),
            create_at: Some(7),
        };
        let token = tokens.issue(&event, now).unwrap();
        assert!(token.is_ascii() && token.len() < 500, "it fits a header: {token}");
        assert_eq!(tokens.verify(&token, now), Ok(event.clone()));
        assert_eq!(tokens.issue(&AnsweredEvent { id: "x".repeat(4_096).into(), ..event }, now), None);
        assert_eq!(tokens.verify(&token, now + VALID_FOR), Err(ReplyTokenError::Expired));
        let other = ReplyTokens::new(b"another");
        let forged = token.replacen('e', "f", 1);
        for (by, token) in [(&other, &*token), (&tokens, &*forged), (&tokens, ""), (&tokens, "a.b")] {
            assert_eq!(by.verify(token, now), Err(ReplyTokenError::Invalid), "{token}");
        }
    }
}
