//! The teams of an account.

use serde::Deserialize;

use super::bounded_text::bounded_text;
use crate::{
    mattermost::{Client, RateHeaders, RestError, RestResponse},
    model::Token,
};

/// The route that lists the teams of an account.
pub(super) const TEAMS: &str = "/users/me/teams";

/// A team of an account. Unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Team {
    /// The team's permanent id.
    #[serde(deserialize_with = "bounded_text")]
    pub id: Box<str>,
    /// Its name in links.
    #[serde(default, deserialize_with = "bounded_text")]
    pub name: Box<str>,
}

impl Client {
    /// Returns the teams of the account.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it or cannot be reached.
    pub async fn teams(&self, token: &Token) -> Result<RestResponse<Vec<Team>>, RestError> {
        let response = self.get(TEAMS, Some(token), None).await?;
        Ok(RestResponse { value: response.json(TEAMS)?, rate: RateHeaders::read(&response.headers) })
    }
}
