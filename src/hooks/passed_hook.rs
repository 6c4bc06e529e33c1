//! A request of the server on its way from the member that got it to the one that hosts the account.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

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

/// A token that a request for a command has shown, and the member that got it does not know. The token itself is not passed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShownToken {
    pub(super) account: String,
    /// The word after the slash.
    pub(super) trigger: String,
    /// The hash of the account and the token, in Base64.
    hash: String,
}

/// The question of the member that got a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum HookQuestion {
    /// Asks whether the other member hosts the account. It is small, so that it can be asked often.
    Hosts(String),
    /// Asks whether the other member hosts the account, and whether a token is one of the command's. It is small, too.
    Accepts(ShownToken),
    /// Passes the request on.
    Hook(PassedHook),
}

/// The answer of the member that a request was passed on to.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum HookReply {
    /// The account is hosted here.
    Hosted,
    /// The account is hosted here, and the token is none of the command's.
    WrongToken,
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

impl ShownToken {
    pub(super) fn new(account: &str, trigger: &str, token: &str) -> Self {
        let hash = hash(account, token);
        Self { account: account.to_owned(), trigger: trigger.to_owned(), hash }
    }

    /// Returns true if it is this token.
    pub(super) fn is(&self, token: &str) -> bool {
        self.hash.as_bytes().ct_eq(hash(&self.account, token).as_bytes()).into()
    }
}

/// Returns a hash of a token, which is another one for another account.
fn hash(account: &str, token: &str) -> String {
    let mut hash = Context::new(&SHA256);
    // No account has a zero byte in its name.
    for part in [account.as_bytes(), &[0], token.as_bytes()] {
        hash.update(part);
    }
    BASE64_STANDARD.encode(hash.finish())
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
    fn a_shown_token_is_known_again_and_does_not_show() {
        let shown = ShownToken::new("helpdesk", "deploy", "mustnotshow");
        let question = HookQuestion::Accepts(shown.clone()).to_question();
        assert!(question.len() < 200 && !String::from_utf8_lossy(&question).contains("mustnotshow"));
        assert_eq!(HookQuestion::read(&question), Some(HookQuestion::Accepts(shown.clone())));
        assert!(shown.is("mustnotshow") && !shown.is("mustnotsho") && !shown.is(""));
        assert_ne!(shown.hash, ShownToken::new("other", "deploy", "mustnotshow").hash);
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
        for reply in
            [HookReply::Hosted, HookReply::WrongToken, HookReply::Response(response), HookReply::NotTaken]
        {
            let answer = reply.into_answer();
            assert_eq!(HookReply::read(&answer).map(HookReply::into_answer), Some(answer));
        }
        assert_eq!(HookReply::read(br#"{"refused":{"status":501,"detail":"what?"}}"#), None);
    }
}
