//! The status of a running host's accounts, once or repeatedly.

use std::io;

use matterhost_actors::model::AccountName;
use url::form_urlencoded;

use super::{
    Client, RemoteError, http_client::encode_path_segment, table, unknown_account, watch::watch_view,
};
use crate::{
    admin::dto::{Account, AccountDetail, Accounts},
    telemetry::color,
};

/// A selection of accounts and an output format.
#[derive(Debug, Clone, Default)]
pub struct StatusQuery {
    /// Show the details of this account.
    pub account: Option<AccountName>,
    /// Only accounts in these states, separated by commas.
    pub state: Option<String>,
    /// Only accounts on this server.
    pub server: Option<String>,
    /// Print the API's JSON.
    pub json: bool,
}

impl StatusQuery {
    fn path(&self) -> String {
        if let Some(account) = &self.account {
            return format!("/v1/accounts/{}", encode_path_segment(account.as_str()));
        }
        let pairs = [("state", &self.state), ("server", &self.server)];
        let given = pairs.iter().filter_map(|(key, value)| Some((*key, value.as_ref()?)));
        let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
        if query.is_empty() { "/v1/accounts".to_owned() } else { format!("/v1/accounts?{query}") }
    }
}

/// Returns the current status as text.
///
/// # Errors
/// When the host cannot be reached or refuses the request.
pub async fn status(client: &Client, query: &StatusQuery) -> Result<String, RemoteError> {
    render(client, query, usize::MAX).await
}

/// Returns one account as the list shows it.
///
/// # Errors
/// When the host cannot be reached or has no such account.
pub async fn account(client: &Client, name: &AccountName) -> Result<Account, RemoteError> {
    let path = format!("/v1/accounts/{}", encode_path_segment(name.as_str()));
    let detail: AccountDetail = client.get(&path).await?;
    Ok(detail.account)
}

/// Prints the status every second.
///
/// # Errors
/// When the first request fails, a later one fails for good, or standard output cannot be written.
pub async fn watch(client: &Client, query: &StatusQuery) -> Result<(), RemoteError> {
    watch_view(query.json, async |max_lines| render(client, query, max_lines).await).await
}

async fn render(client: &Client, query: &StatusQuery, max_lines: usize) -> Result<String, RemoteError> {
    let rendered = render_once(client, query, max_lines).await;
    match (rendered, &query.account) {
        (Err(error), Some(account)) => Err(unknown_account::suggest(client, account, error).await),
        (rendered, _) => rendered,
    }
}

async fn render_once(client: &Client, query: &StatusQuery, max_lines: usize) -> Result<String, RemoteError> {
    let path = query.path();
    if query.json {
        let value: serde_json::Value = client.get(&path).await?;
        return Ok(format!("{value}\n"));
    }
    let colored = color::is_enabled(&io::stdout());
    if query.account.is_some() {
        let detail: AccountDetail = client.get(&path).await?;
        return Ok(table::detail(&detail, colored));
    }
    let Accounts { accounts } = client.get(&path).await?;
    Ok(table::table(&accounts, max_lines, colored))
}
