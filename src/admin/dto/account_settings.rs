//! An account, as a tool puts it.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::config::NewAccount;

/// The settings of an account: the keys of `[accounts.NAME]` in the configuration. What is left out has its default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// The server, by its name in the configuration; optional if there is only one.
    server: Option<String>,
    /// The bot's access token. No response ever contains it; without it, the account keeps the one it has.
    #[schema(write_only, format = Password)]
    token: Option<String>,
    /// The sinks, by their names in the configuration; optional if there is only one.
    sinks: Option<Vec<String>>,
    /// Keys of `[catch_up]` that differ for this account.
    catch_up: Option<Map<String, Value>>,
    /// Keys of `[delivery]` that differ for this account.
    delivery: Option<Map<String, Value>>,
    /// Keys of `[health]` that differ for this account.
    health: Option<Map<String, Value>>,
    /// Keys of `[replies]` that differ for this account.
    replies: Option<Map<String, Value>>,
    /// Keys of `[restart]` that differ for this account.
    restart: Option<Map<String, Value>>,
}

impl From<AccountSettings> for NewAccount {
    fn from(of: AccountSettings) -> Self {
        let AccountSettings { server, token, sinks, catch_up, delivery, health, replies, restart } = of;
        let sections = [
            ("catch_up", catch_up),
            ("delivery", delivery),
            ("health", health),
            ("replies", replies),
            ("restart", restart),
        ];
        let sections = sections.into_iter().map(|(key, table)| (key, table.map(Value::Object)));
        let keys = [("server", server.map(Value::from)), ("sinks", sinks.map(Value::from))];
        let settings = keys.into_iter().chain(sections);
        let settings = settings.filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        Self { settings, token: token.map(SecretString::from) }
    }
}
