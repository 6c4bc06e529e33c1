//! A request of the server on its way from the member that got it to the one that hosts the account.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use super::HookResponse;

/// The kind of a request, by the path below its account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookPath {
    /// A slash command, with its trigger.
    Command(String),
    /// A button or a menu.
    Action,
    /// A dialog.
    Dialog,
}

/// A request as it came, with nothing checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PassedHook {
    /// The account in its path.
    pub(super) account: String,
    pub(super) path: HookPath,
    /// The body in Base64, which is never longer than a message of NATS may be.
    body: String,
}

/// The question of the member that got a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum HookQuestion {
    /// Asks whether the other member hosts the account. It is small, so that it can be asked often.
    Hosts(String),
    /// Passes the request on.
    Hook(PassedHook),
}

/// The answer of the member that a request was passed on to.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum HookReply {
    /// The account is hosted here.
    Hosted,
    /// The response for the server.
    Response(HookResponse),
    /// Nothing was done: the account is hosted elsewhere, or the time is over.
    NotTaken,
}

impl HookPath {
    /// Returns the name of the kind in logs and metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Action => "action",
            Self::Dialog => "dialog",
        }
    }
}

impl PassedHook {
    pub(super) fn new(account: &str, path: &HookPath, body: &[u8]) -> Self {
        Self { account: account.to_owned(), path: path.clone(), body: BASE64_STANDARD.encode(body) }
    }

    /// Returns the body; `None` if it is not Base64.
    pub(super) fn body(&self) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(&self.body).ok()
    }
}

impl HookQuestion {
    /// Reads the question of another member; `None` if it is about something else.
    pub(super) fn read(question: &[u8]) -> Option<Self> {
        serde_json::from_slice(question).ok()
    }

    pub(super) fn to_question(&self) -> Vec<u8> {
        // Texts always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl HookReply {
    /// Reads the answer of another member.
    pub(super) fn read(answer: &[u8]) -> Option<Self> {
        serde_json::from_slice(answer).ok()
    }

    pub(super) fn into_answer(self) -> Vec<u8> {
        // JSON always serializes.
        serde_json::to_vec(&self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::dto::MemberQuestion;

    #[test]
    fn a_request_arrives_as_it_came() {
        let bodies: [&[u8]; 3] = [b"", b"token=t&text=%C3%A9", &[0, 255, b'"', 10]];
        for path in [HookPath::Command("deploy".into()), HookPath::Action, HookPath::Dialog] {
            for body in bodies {
                let hook = PassedHook::new("helpdesk", &path, body);
                let question = HookQuestion::Hook(hook.clone());
                assert_eq!(HookQuestion::read(&question.to_question()), Some(question));
                assert_eq!(hook.body().as_deref(), Some(body));
            }
        }
    }

    #[test]
    fn the_longest_body_fits_a_message_of_nats() {
        let longest = vec![b'"'; 256 * 1024];
        let question = HookQuestion::Hook(PassedHook::new("helpdesk", &HookPath::Action, &longest));
        let question = question.to_question();
        assert!(question.len() < 1_000_000, "{}", question.len());
    }

    #[test]
    fn other_questions_and_answers_are_told_apart() {
        for other in [MemberQuestion::Accounts, MemberQuestion::Account("helpdesk".into())] {
            assert_eq!(HookQuestion::read(&serde_json::to_vec(&other).unwrap()), None);
        }
        let response = HookResponse { status: 200, body: json!({ "text": "hi" }) };
        for reply in [HookReply::Hosted, HookReply::Response(response), HookReply::NotTaken] {
            let answer = reply.into_answer();
            assert_eq!(HookReply::read(&answer).map(HookReply::into_answer), Some(answer));
        }
        assert_eq!(HookReply::read(br#"{"refused":{"status":501,"detail":"what?"}}"#), None);
    }
}
