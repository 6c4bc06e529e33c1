use std::collections::HashMap;

use secrecy::SecretString;
use url::{Url, form_urlencoded};

use super::{MAX_TEXT_BYTES, MalformedRequest, Origin, bounded, id, optional_id, short};

/// The path below which the server takes later answers to a command.
const RESPONSE_PATH: &str = "/hooks/commands/";

/// A slash command that a person ran.
#[derive(Debug, Clone)]
pub struct CommandRequest {
    /// The person, the channel and the team.
    pub origin: Origin,
    /// The command, with its slash.
    pub command: String,
    /// The text behind the command.
    pub text: String,
    /// The root post of the thread that it was run in; empty outside a thread.
    pub root_id: String,
    /// The trigger, which opens dialogs.
    pub trigger_id: String,
    /// The id in `response_url`, by which later answers are sent. The rest of the URL is not believed.
    pub response_id: Option<String>,
    /// The token that proves that the server sent it.
    pub token: SecretString,
}

impl CommandRequest {
    /// Reads a form: the body of a POST, or the query of a GET.
    ///
    /// # Errors
    /// If a member is missing or has another form.
    pub fn parse(form: &[u8]) -> Result<Self, MalformedRequest> {
        let mut fields: HashMap<_, _> = form_urlencoded::parse(form).into_owned().collect();
        let mut take = |member: &str| fields.remove(member).unwrap_or_default();
        let origin = Origin {
            user_id: id("user_id", take("user_id"))?,
            user_name: short("user_name", take("user_name"))?,
            channel_id: id("channel_id", take("channel_id"))?,
            channel_name: short("channel_name", take("channel_name"))?,
            team_id: optional_id("team_id", take("team_id"))?,
            team_domain: short("team_domain", take("team_domain"))?,
        };
        let command = short("command", take("command"))?;
        if !command.starts_with('/') {
            return Err(MalformedRequest::Member { member: "command" });
        }
        Ok(Self {
            origin,
            command,
            text: bounded("text", take("text"), MAX_TEXT_BYTES)?,
            root_id: optional_id("root_id", take("root_id"))?,
            trigger_id: short("trigger_id", take("trigger_id"))?,
            response_id: response_id(&take("response_url")),
            token: short("token", take("token"))?.into(),
        })
    }
}

/// Returns the last part of a response URL. The host is not believed: later answers go to the configured server.
fn response_id(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let (_, last) = url.path().rsplit_once(RESPONSE_PATH)?;
    id("response_url", last.to_owned()).ok()
}
