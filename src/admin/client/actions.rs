//! Has something done with accounts.

use std::fmt::Write as _;

use matterhost_actors::model::AccountName;

use super::{Client, RemoteError};
use crate::admin::dto::{Action, ActionAccepted};

/// Has it done with each of these accounts; gives back a line for each. What one of them refuses does not keep the
/// others from it.
///
/// # Errors
/// When the host cannot be asked, or refused for one of them; then the message has a line for each that was refused.
pub async fn apply_action(
    client: &Client,
    action: Action,
    accounts: &[AccountName],
) -> (String, Option<RemoteError>) {
    // Texts cannot fail to be written.
    let mut text = String::new();
    let mut failed = None;
    for account in accounts {
        match client
            .post::<ActionAccepted>(&format!(
                "/v1/accounts/{}/{}",
                encode_path_segment(account),
                action.label()
            ))
            .await
        {
            Ok(_) => {
                let _ = writeln!(text, "{account}: {}", told(action));
            }
            Err(RemoteError::Refused { problem }) if accounts.len() > 1 => {
                let _ = writeln!(text, "{account}: not done: {}", problem.detail);
                failed = Some(RemoteError::Unhealthy("not all of it was done".into()));
            }
            Err(error) => return (text, Some(error)),
        }
    }
    (text, failed)
}

/// A name as a part of a path: it may hold letters beyond ASCII.
pub(super) fn encode_path_segment(account: &AccountName) -> String {
    url::form_urlencoded::byte_serialize(account.as_str().as_bytes()).collect()
}

fn told(action: Action) -> &'static str {
    match action {
        Action::Restart => "restarting",
        Action::Stop => "stopping",
        Action::Start => "starting",
        Action::Reset => "its whole restart budget is back",
        Action::Audit => "the audit is under way; `matterhost tail` tells what it finds",
    }
}
