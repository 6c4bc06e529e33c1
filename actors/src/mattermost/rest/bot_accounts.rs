//! Requests that manage bot accounts. They need the token of an administrator.

use actix_http::Method;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::RestRequest;
use crate::{
    mattermost::{Client, RestError, RestErrorKind, transport::url::percent_encode},
    model::{ChannelId, Token, UserId},
};

/// The bots in a page of the list; the server allows 200.
const BOTS_PER_PAGE: usize = 200;
/// More pages than a server with ten thousand bots has.
const MAX_BOT_PAGES: usize = 100;
/// The tokens of one user that are read; the server allows 200 in a page.
const TOKENS_PER_PAGE: usize = 200;
/// The separator of a form's parts: no picture holds it by accident.
const BOUNDARY: &str = "matterhost-5f0e9d1c7ab24c63";
const FORM: &str = "multipart/form-data; boundary=matterhost-5f0e9d1c7ab24c63";

/// A bot account to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewBot {
    /// The name after the @.
    pub username: String,
    /// The name that people see; empty for none.
    pub display_name: String,
    /// A description for administrators.
    pub description: String,
}

/// A bot account as administrators see it. Unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Bot {
    /// The account's permanent id.
    pub user_id: UserId,
    /// The name after the @.
    pub username: Box<str>,
    /// The name that people see.
    #[serde(default)]
    pub display_name: Box<str>,
    /// The time at which it was disabled; 0 while it is enabled.
    #[serde(default)]
    pub delete_at: i64,
}

/// An access token without its secret part.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TokenRow {
    /// The id by which it is revoked.
    pub id: Box<str>,
    /// The purpose that was given when it was created.
    #[serde(default)]
    pub description: Box<str>,
}

/// The response to the creation of a token.
#[derive(Deserialize)]
struct CreatedToken {
    id: Box<str>,
    token: String,
}

/// An item with an id, such as a team.
#[derive(Deserialize)]
struct Identified<T> {
    id: T,
}

impl Client {
    /// Creates a bot account.
    ///
    /// # Errors
    ///
    /// A name that is taken is [`RestErrorKind::Refused`] with 400; a server that allows no bots refuses with 403.
    pub async fn create_bot(&self, admin: &Token, bot: &NewBot) -> Result<Bot, RestError> {
        const ROUTE: &str = "/bots";
        self.write(Method::POST, ROUTE, ROUTE, admin, bot).await?.json(ROUTE)
    }

    /// Returns the bots, disabled ones too.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it or cannot be reached.
    pub async fn bots(&self, admin: &Token) -> Result<Vec<Bot>, RestError> {
        const ROUTE: &str = "/bots";
        let mut bots = Vec::new();
        for page in 0..MAX_BOT_PAGES {
            let path = format!("{ROUTE}?include_deleted=true&page={page}&per_page={BOTS_PER_PAGE}");
            let rows: Vec<Bot> = self.get_path(ROUTE, &path, Some(admin), None).await?.json(ROUTE)?;
            let is_last = rows.len() < BOTS_PER_PAGE;
            bots.extend(rows);
            if is_last {
                break;
            }
        }
        Ok(bots)
    }

    /// Returns the bot with a name, also if it is disabled; `None` if there is no such account.
    ///
    /// # Errors
    ///
    /// An account of a person is [`RestErrorKind::Refused`] with 409.
    pub async fn bot_by_name(&self, admin: &Token, username: &str) -> Result<Option<Bot>, RestError> {
        const ROUTE: &str = "/users/username/{username}";
        const BOT_ROUTE: &str = "/bots/{user_id}";
        let path = format!("/users/username/{}", percent_encode(username));
        let user = match self.get_path(ROUTE, &path, Some(admin), None).await {
            Ok(response) => response.json::<Identified<UserId>>(ROUTE)?,
            Err(error) if error.kind == RestErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let path = format!("/bots/{}?include_deleted=true", percent_encode(user.id.as_str()));
        match self.get_path(BOT_ROUTE, &path, Some(admin), None).await {
            Ok(response) => response.json(BOT_ROUTE).map(Some),
            Err(error) if error.kind == RestErrorKind::NotFound => {
                let message = format!("@{username} is the account of a person, not a bot");
                Err(RestError::new(RestErrorKind::Refused(409), BOT_ROUTE, message))
            }
            Err(error) => Err(error),
        }
    }

    /// Disables or enables a bot.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it or cannot be reached.
    pub async fn set_bot_enabled(&self, admin: &Token, bot: &UserId, enabled: bool) -> Result<(), RestError> {
        const ROUTE: &str = "/bots/{user_id}/disable";
        let action = if enabled { "enable" } else { "disable" };
        let path = format!("/bots/{}/{action}", percent_encode(bot.as_str()));
        self.write(Method::POST, ROUTE, &path, admin, &json!({})).await.map(drop)
    }

    /// Creates an access token for a user, and returns its id and itself.
    ///
    /// # Errors
    ///
    /// A server that allows no personal access tokens refuses with 501 or 403.
    pub async fn create_token(
        &self,
        admin: &Token,
        user: &UserId,
        description: &str,
    ) -> Result<(Box<str>, Token), RestError> {
        const ROUTE: &str = "/users/{user_id}/tokens";
        let path = format!("/users/{}/tokens", percent_encode(user.as_str()));
        let body = json!({ "description": description });
        let created: CreatedToken =
            self.write(Method::POST, ROUTE, &path, admin, &body).await?.json(ROUTE)?;
        // The token itself is not part of the message.
        let token = Token::new(created.token)
            .map_err(|error| RestError::new(RestErrorKind::BadBody, ROUTE, error.to_string()))?;
        Ok((created.id, token))
    }

    /// Returns a user's access tokens.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it or cannot be reached.
    pub async fn tokens(&self, admin: &Token, user: &UserId) -> Result<Vec<TokenRow>, RestError> {
        const ROUTE: &str = "/users/{user_id}/tokens";
        let user = percent_encode(user.as_str());
        let path = format!("/users/{user}/tokens?page=0&per_page={TOKENS_PER_PAGE}");
        self.get_path(ROUTE, &path, Some(admin), None).await?.json(ROUTE)
    }

    /// Revokes an access token by its id.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it or cannot be reached.
    pub async fn revoke_token(&self, admin: &Token, id: &str) -> Result<(), RestError> {
        const ROUTE: &str = "/users/tokens/revoke";
        self.write(Method::POST, ROUTE, ROUTE, admin, &json!({ "token_id": id })).await.map(drop)
    }

    /// Returns the id of the team with a name, as it is in addresses.
    ///
    /// # Errors
    ///
    /// A team that does not exist is [`RestErrorKind::NotFound`].
    pub async fn team_by_name(&self, admin: &Token, name: &str) -> Result<Box<str>, RestError> {
        const ROUTE: &str = "/teams/name/{name}";
        let path = format!("/teams/name/{}", percent_encode(name));
        let team: Identified<Box<str>> = self.get_path(ROUTE, &path, Some(admin), None).await?.json(ROUTE)?;
        Ok(team.id)
    }

    /// Returns the id of the channel with a name in a team.
    ///
    /// # Errors
    ///
    /// A channel that does not exist is [`RestErrorKind::NotFound`].
    pub async fn channel_by_name(
        &self,
        admin: &Token,
        team_id: &str,
        name: &str,
    ) -> Result<ChannelId, RestError> {
        const ROUTE: &str = "/teams/{team_id}/channels/name/{name}";
        let path = format!("/teams/{}/channels/name/{}", percent_encode(team_id), percent_encode(name));
        let channel: Identified<ChannelId> =
            self.get_path(ROUTE, &path, Some(admin), None).await?.json(ROUTE)?;
        Ok(channel.id)
    }

    /// Adds a user to a team. Adding a member again changes nothing.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it or cannot be reached.
    pub async fn add_to_team(&self, admin: &Token, team_id: &str, user: &UserId) -> Result<(), RestError> {
        const ROUTE: &str = "/teams/{team_id}/members";
        let path = format!("/teams/{}/members", percent_encode(team_id));
        let body = json!({ "team_id": team_id, "user_id": user });
        self.write(Method::POST, ROUTE, &path, admin, &body).await.map(drop)
    }

    /// Adds a member of the team to a channel. Adding a member again changes nothing.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it or cannot be reached.
    pub async fn add_to_channel(
        &self,
        admin: &Token,
        channel: &ChannelId,
        user: &UserId,
    ) -> Result<(), RestError> {
        const ROUTE: &str = "/channels/{channel_id}/members";
        const MEMBER: &str = "/channels/{channel_id}/members/{user_id}";
        let path = format!("/channels/{}/members", percent_encode(channel.as_str()));
        // Some servers post "added to the channel" again for a member.
        let member = format!("{path}/{}", percent_encode(user.as_str()));
        match self.get_path(MEMBER, &member, Some(admin), None).await {
            Err(error) if error.kind == RestErrorKind::NotFound => {
                let body: Value = json!({ "user_id": user });
                self.write(Method::POST, ROUTE, &path, admin, &body).await.map(drop)
            }
            member => member.map(drop),
        }
    }

    /// Sets a user's picture.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it, for example because it is no picture, or cannot be reached.
    pub async fn set_picture(&self, admin: &Token, user: &UserId, picture: &[u8]) -> Result<(), RestError> {
        const ROUTE: &str = "/users/{user_id}/image";
        let path = format!("/users/{}/image", percent_encode(user.as_str()));
        let request = RestRequest {
            method: Method::POST,
            route: ROUTE,
            path: &path,
            token: Some(admin),
            etag: None,
            body: Some((FORM, form(picture).into())),
            time_limit: self.limits().request_timeout,
        };
        self.execute(request).await.map(drop)
    }
}

/// Returns a form with a picture (RFC 7578).
fn form(picture: &[u8]) -> Bytes {
    let head = "Content-Disposition: form-data; name=\"image\"; filename=\"picture\"\r\n\
                Content-Type: application/octet-stream";
    let (start, end) = (format!("--{BOUNDARY}\r\n{head}\r\n\r\n"), format!("\r\n--{BOUNDARY}--\r\n"));
    [start.as_bytes(), picture, end.as_bytes()].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_holds_the_picture_between_its_boundaries() {
        let body = form(b"\x89PNG\r\n--");
        let text = String::from_utf8_lossy(&body);
        assert_eq!(FORM.split_once('=').unwrap().1, BOUNDARY);
        assert!(text.starts_with(&format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"image\"")));
        assert!(body.windows(8).any(|part| part == b"\x89PNG\r\n--"));
        assert!(text.ends_with(&format!("\r\n--{BOUNDARY}--\r\n")));
    }
}
