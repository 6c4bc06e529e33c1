//! Suggestions for accounts that do not exist.

use matterhost_actors::model::AccountName;

use super::{Client, RemoteError, http_client::encode_path_segment};
use crate::{
    admin::dto::{AccountDetail, Accounts},
    config::did_you_mean,
};

/// The status of the response about an account that does not exist.
const NOT_FOUND: u16 = 404;

/// Adds the account that was probably meant to the error about one that does not exist.
pub(super) async fn suggest(client: &Client, name: &AccountName, error: RemoteError) -> RemoteError {
    let RemoteError::Refused { mut problem } = error else { return error };
    if problem.status == NOT_FOUND {
        // Without the list, the error is shown as it is.
        let known =
            client.get::<Accounts>("/v1/accounts").await.map(|list| list.accounts).unwrap_or_default();
        let meant = did_you_mean(name.as_str(), known.iter().map(|account| account.name.as_str()));
        problem.detail += &meant.map_or_else(
            || "; `matterhost status` lists the accounts".to_owned(),
            |meant| format!("; did you mean {meant}?"),
        );
    }
    RemoteError::Refused { problem }
}

/// Returns true if the host does not have the account; a channel or a user that does not exist is another error.
pub(super) fn is_of_unknown_account(error: &RemoteError) -> bool {
    let RemoteError::Refused { problem } = error else { return false };
    problem.status == NOT_FOUND && problem.detail.starts_with("there is no account ")
}

/// Returns an error for the first of these accounts that does not exist.
pub(super) async fn check(client: &Client, names: &[AccountName]) -> Result<(), RemoteError> {
    for name in names {
        let path = format!("/v1/accounts/{}", encode_path_segment(name.as_str()));
        if let Err(error) = client.get::<AccountDetail>(&path).await {
            return Err(suggest(client, name, error).await);
        }
    }
    Ok(())
}
