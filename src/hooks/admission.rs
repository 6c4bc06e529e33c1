//! The checks of a request before its event is made: signature, account, channel, person, options, first time.

use std::time::{Duration, Instant, SystemTime};

use matterhost_actors::model::Excerpt;
use serde_json::Value;

use super::{
    hook_request::{ActionRequest, DialogRequest},
    refusal::Refusal,
    seen::Seen,
    signer::{ActionClaims, DialogClaims, Signer},
};

/// The time for which a trigger is remembered. The server's own are good for 30 s (fact 45).
const TRIGGERS_KEPT: Duration = Duration::from_secs(600);
/// The time for which a dialog is remembered: as long as its state is valid.
const DIALOGS_KEPT: Duration = super::DIALOG_LIFETIME;

/// The requests and dialogs that were taken.
#[derive(Debug)]
pub(super) struct Admission {
    triggers: Seen,
    dialogs: Seen,
}

impl Default for Admission {
    fn default() -> Self {
        Self { triggers: Seen::new(TRIGGERS_KEPT), dialogs: Seen::new(DIALOGS_KEPT) }
    }
}

impl Admission {
    /// Takes the trigger of a command or button, once.
    pub(super) fn take_trigger(&mut self, trigger: &str, now: Instant) -> Result<(), Refusal> {
        // The server sends one with each request; a body without one was made elsewhere.
        let is_new = !trigger.is_empty() && self.triggers.is_new(trigger, now);
        if is_new { Ok(()) } else { Err(Refusal::Replayed) }
    }

    /// Takes a dialog, once unless it is opened again.
    pub(super) fn take_dialog(&mut self, claims: &DialogClaims, now: Instant) -> Result<(), Refusal> {
        if self.dialogs.is_new(&claims.nonce, now) { Ok(()) } else { Err(Refusal::Replayed) }
    }

    /// Opens a dialog again: the person is sent back to it.
    pub(super) fn reopen_dialog(&mut self, claims: &DialogClaims) {
        self.dialogs.remove(&claims.nonce);
    }
}

/// Returns the claims of a button or menu whose request is the server's own and for this account.
pub(super) fn check_action(
    request: &ActionRequest,
    account: &str,
    signer: &Signer,
    now: SystemTime,
) -> Result<ActionClaims, Refusal> {
    let claims: ActionClaims = signer.verify(&request.signed, now)?;
    same("account", &claims.account, account)?;
    if claims.post.is_none() || !claims.channel.is_empty() {
        same("channel", &claims.channel, &request.origin.channel_id)?;
    }
    if let Some(post) = &claims.post {
        same("post", post, &request.post_id)?;
    }
    match (&claims.options, &request.selected_option) {
        (Some(offered), Some(chosen)) if offered.contains(chosen) => {}
        (None, _) => {}
        (Some(_), chosen) => {
            let shown = Excerpt::of(chosen.as_deref().unwrap_or_default());
            return Err(Refusal::NotOffered(shown.to_string()));
        }
    }
    Ok(claims)
}

/// Returns the claims of a dialog whose request is the server's own and for this account.
pub(super) fn check_dialog(
    request: &DialogRequest,
    account: &str,
    signer: &Signer,
    now: SystemTime,
) -> Result<DialogClaims, Refusal> {
    let claims: DialogClaims = signer.verify(&request.signed, now)?;
    same("account", &claims.account, account)?;
    same("channel", &claims.origin.channel_id, &request.channel_id)?;
    same("person", &claims.origin.user_id, &request.user_id)?;
    for (name, value) in &request.submission {
        let Some((_, offered)) = claims.fields.iter().find(|(known, _)| known == name) else {
            return Err(Refusal::NotOffered(Excerpt::of(name).to_string()));
        };
        if let Some(offered) = offered {
            check_offered(name, value, offered)?;
        }
    }
    Ok(claims)
}

/// Checks a value, or each of several that a field may take. A field that is left empty is null or an empty text.
fn check_offered(name: &str, value: &Value, offered: &[String]) -> Result<(), Refusal> {
    let is_offered = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || offered.contains(text),
        _ => false,
    };
    let all = match value {
        Value::Array(several) => several.iter().all(is_offered),
        one => is_offered(one),
    };
    if all { Ok(()) } else { Err(Refusal::NotOffered(Excerpt::of(name).to_string())) }
}

fn same(what: &'static str, signed: &str, found: &str) -> Result<(), Refusal> {
    if signed == found { Ok(()) } else { Err(Refusal::Elsewhere(what)) }
}

#[cfg(test)]
mod tests;
