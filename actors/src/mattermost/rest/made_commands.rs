//! Requests that manage slash commands. They need the token of a user who may do that, which bots may not (fact 39).

use actix_http::Method;
use serde::{Deserialize, Serialize};

use crate::{
    mattermost::{Client, RestError, transport::url::percent_encode},
    model::Token,
};

/// The settings of a slash command of a team.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlashCommand {
    /// The team's id.
    pub team_id: Box<str>,
    /// The word after the slash.
    pub trigger: Box<str>,
    /// `P` for POST, `G` for GET.
    pub method: Box<str>,
    /// The URL that the server calls.
    pub url: Box<str>,
    /// True if the command is in the list that people see.
    #[serde(default)]
    pub auto_complete: bool,
    /// The description in that list.
    #[serde(default)]
    pub auto_complete_desc: Box<str>,
    /// The arguments in that list.
    #[serde(default)]
    pub auto_complete_hint: Box<str>,
    /// The name in the list that administrators see.
    #[serde(default)]
    pub display_name: Box<str>,
}

/// A slash command as the server has it. Unknown fields are ignored.
#[derive(Clone, Deserialize)]
pub struct MadeCommand {
    /// Its id.
    pub id: Box<str>,
    /// The token in its requests; empty if the user may not see it.
    #[serde(default)]
    token: String,
    /// Its settings.
    #[serde(flatten)]
    pub settings: SlashCommand,
}

/// A change of a command, with its id.
#[derive(Serialize)]
struct ChangedCommand<'a> {
    id: &'a str,
    #[serde(flatten)]
    settings: &'a SlashCommand,
}

impl MadeCommand {
    /// Returns the token in its requests, if the user may see it.
    pub fn token(&self) -> Option<Token> {
        Token::new(self.token.as_str()).ok()
    }
}

impl Client {
    /// Returns the slash commands of a team that people made.
    ///
    /// # Errors
    ///
    /// Without the permission it is [`RestErrorKind::Refused`](super::RestErrorKind::Refused) with 403.
    pub async fn commands(&self, token: &Token, team_id: &str) -> Result<Vec<MadeCommand>, RestError> {
        const ROUTE: &str = "/commands";
        let path = format!("{ROUTE}?team_id={}&custom_only=true", percent_encode(team_id));
        self.get_path(ROUTE, &path, Some(token), None).await?.json(ROUTE)
    }

    /// Creates a slash command.
    ///
    /// # Errors
    ///
    /// A trigger that is taken is [`RestErrorKind::Refused`](super::RestErrorKind::Refused) with 400, and a user who may not
    /// create commands with 403.
    pub async fn create_command(
        &self,
        token: &Token,
        command: &SlashCommand,
    ) -> Result<MadeCommand, RestError> {
        const ROUTE: &str = "/commands";
        self.write(Method::POST, ROUTE, ROUTE, token, command).await?.json(ROUTE)
    }

    /// Changes the settings of a slash command. Its token stays.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it or cannot be reached.
    pub async fn change_command(
        &self,
        token: &Token,
        id: &str,
        settings: &SlashCommand,
    ) -> Result<(), RestError> {
        const ROUTE: &str = "/commands/{command_id}";
        let path = format!("/commands/{}", percent_encode(id));
        let body = ChangedCommand { id, settings };
        self.write(Method::PUT, ROUTE, &path, token, &body).await.map(drop)
    }

    /// Deletes a slash command.
    ///
    /// # Errors
    ///
    /// A command that is gone is [`RestErrorKind::NotFound`](super::RestErrorKind::NotFound).
    pub async fn delete_command(&self, token: &Token, id: &str) -> Result<(), RestError> {
        const ROUTE: &str = "/commands/{command_id}";
        let path = format!("/commands/{}", percent_encode(id));
        self.delete(ROUTE, &path, token).await.map(drop)
    }
}
