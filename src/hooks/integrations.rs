//! Buttons, menus and dialogs of handlers, filled in with what the server needs to call back: the URL, and the signed context or
//! state.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use matterhost_actors::model::AccountName;
use serde_json::{Map, Value, json};

use super::{
    DIALOG_LIFETIME,
    hook_request::{Origin, SIGNED_CONTEXT},
    signer::{ActionClaims, DialogClaims, MAX_SIGNED_BYTES, Signer},
};

/// The buttons and menus of a post that are filled in; Mattermost's apps show far fewer.
const MAX_ACTIONS: usize = 100;

/// The reason why buttons or a dialog cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntegrationError {
    /// A button has no id.
    #[error("a button or menu needs an id of letters and digits: {0:?}")]
    Id(String),
    /// There are too many buttons.
    #[error("a post has at most {MAX_ACTIONS} buttons and menus; this one has {0}")]
    TooMany(usize),
    /// The context, the options or the state are too large.
    #[error("the context and the options of {0} are too large: {MAX_SIGNED_BYTES} bytes are the limit")]
    TooLarge(String),
}

/// Fills in the buttons, menus and dialogs of one host.
#[derive(Debug, Clone)]
pub struct Integrations {
    signer: Signer,
    /// The address under which the server reaches the hooks, without a slash at its end.
    public_url: String,
    /// The time for which a button can be pressed.
    button_lifetime: Duration,
}

impl Integrations {
    /// Returns the integrations that call back at this URL.
    pub fn new(signer: Signer, public_url: &str, button_lifetime: Duration) -> Self {
        Self { signer, public_url: public_url.trim_end_matches('/').to_owned(), button_lifetime }
    }

    /// Returns the URL that the server calls.
    pub fn url(&self, account: &AccountName, hook: &str) -> String {
        format!("{}/hooks/{account}/{hook}", self.public_url)
    }

    /// Returns the signer.
    pub(super) fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Fills in the buttons and menus in the attachments of a post's props. Those with an `integration` of their own stay as
    /// they are.
    ///
    /// # Errors
    /// If a button has no id, or too much is to be signed.
    pub fn fill(
        &self,
        account: &AccountName,
        channel: &str,
        post: Option<&str>,
        props: &mut Map<String, Value>,
        now: SystemTime,
    ) -> Result<(), IntegrationError> {
        let attachments = props.get_mut("attachments").and_then(Value::as_array_mut);
        let actions = attachments.into_iter().flatten().filter_map(|row| row.get_mut("actions"));
        let actions: Vec<_> = actions.filter_map(Value::as_array_mut).flatten().collect();
        if actions.len() > MAX_ACTIONS {
            return Err(IntegrationError::TooMany(actions.len()));
        }
        let template = ActionClaims {
            account: account.to_string(),
            channel: channel.to_owned(),
            post: post.map(ToOwned::to_owned),
            expires: seconds(now + self.button_lifetime),
            id: String::new(),
            options: None,
            context: Map::new(),
        };
        for action in actions.into_iter().filter_map(Value::as_object_mut) {
            if !action.contains_key("integration") {
                self.fill_action(account, action, template.clone())?;
            }
        }
        Ok(())
    }

    fn fill_action(
        &self,
        account: &AccountName,
        action: &mut Map<String, Value>,
        mut claims: ActionClaims,
    ) -> Result<(), IntegrationError> {
        let id = action.get("id").and_then(Value::as_str).unwrap_or_default();
        // The server's paths take no other.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(IntegrationError::Id(id.chars().take(100).collect()));
        }
        id.clone_into(&mut claims.id);
        claims.options = offered(action.get("options"));
        if let Some(Value::Object(context)) = action.remove("context") {
            claims.context = context;
        }
        let signed = self.signer.sign(&claims);
        if signed.len() > MAX_SIGNED_BYTES {
            return Err(IntegrationError::TooLarge(claims.id));
        }
        if !action.contains_key("type") {
            action.insert("type".into(), json!(if claims.options.is_some() { "select" } else { "button" }));
        }
        let integration =
            json!({ "url": self.url(account, "action"), "context": { SIGNED_CONTEXT: signed } });
        action.insert("integration".into(), integration);
        Ok(())
    }

    /// Signs the state of a dialog for one person, and returns the URL that the server sends it to.
    ///
    /// # Errors
    /// If too much is to be signed.
    pub fn fill_dialog(
        &self,
        account: &AccountName,
        origin: Origin,
        dialog: &mut Map<String, Value>,
        now: SystemTime,
    ) -> Result<String, IntegrationError> {
        let state = dialog.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
        let elements = dialog.get("elements").and_then(Value::as_array).into_iter().flatten();
        let field = |element: &Value| {
            let name = element["name"].as_str().unwrap_or_default().to_owned();
            (name, offered(element.get("options")))
        };
        let claims = DialogClaims {
            account: account.to_string(),
            origin,
            expires: seconds(now + DIALOG_LIFETIME),
            nonce: format!("{:032x}", fastrand::u128(..)),
            fields: elements.map(field).collect(),
            state,
        };
        let signed = self.signer.sign(&claims);
        if signed.len() > MAX_SIGNED_BYTES {
            return Err(IntegrationError::TooLarge("the dialog".into()));
        }
        dialog.insert("state".into(), signed.into());
        // A dialog that is given up ends its wait at the handler.
        dialog.entry("notify_on_cancel").or_insert(Value::Bool(true));
        Ok(self.url(account, "dialog"))
    }
}

/// Returns the values that a menu or field offers; `None` if it has no list of its own.
fn offered(options: Option<&Value>) -> Option<Vec<String>> {
    let options = options?.as_array().filter(|options| !options.is_empty())?;
    Some(options.iter().filter_map(|option| option["value"].as_str()).map(ToOwned::to_owned).collect())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secrets;

    fn integrations() -> Integrations {
        let secrets = Secrets::parse("whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw").unwrap();
        Integrations::new(Signer::new(&secrets), "https://hooks.test/", Duration::from_secs(60))
    }

    fn account() -> AccountName {
        AccountName::new("helpdesk").unwrap()
    }

    fn filled(actions: &Value) -> Result<Value, IntegrationError> {
        let mut props = json!({ "attachments": [{ "text": "pick", "actions": actions }] });
        let props = props.as_object_mut().unwrap();
        integrations().fill(&account(), "c1", Some("p1"), props, UNIX_EPOCH)?;
        Ok(props["attachments"][0]["actions"].clone())
    }

    #[test]
    fn buttons_and_menus_get_a_url_and_a_signed_context() {
        let menu = json!({ "id": "menu", "name": "M", "options": [{ "text": "One", "value": "1" }] });
        let own = json!({ "id": "x", "integration": { "url": "http://else" } });
        let button = json!({ "id": "ok", "name": "OK", "context": { "do": "ok" } });
        let actions = filled(&json!([button, menu, own])).unwrap();
        assert_eq!(actions[0]["integration"]["url"], "https://hooks.test/hooks/helpdesk/action");
        assert_eq!((&actions[0]["type"], &actions[0]["context"]), (&json!("button"), &Value::Null));
        assert_eq!(actions[1]["type"], "select");
        assert_eq!(actions[2], own);
        let claims = |n: usize| {
            let signed = actions[n]["integration"]["context"][SIGNED_CONTEXT].as_str().unwrap();
            integrations().signer.verify::<ActionClaims>(signed, UNIX_EPOCH).unwrap()
        };
        assert_eq!((&*claims(0).id, claims(0).context["do"].as_str()), ("ok", Some("ok")));
        assert_eq!((claims(0).options, claims(1).options), (None, Some(vec!["1".into()])));
        assert_eq!(
            (&*claims(0).channel, claims(0).post.as_deref(), claims(0).expires),
            ("c1", Some("p1"), 60)
        );
    }

    #[test]
    fn unusable_buttons_are_refused() {
        for id in [json!(""), json!("a/b"), json!(1), Value::Null] {
            assert!(matches!(filled(&json!([{ "id": id }])), Err(IntegrationError::Id(_))), "{id}");
        }
        let many: Vec<_> = (0..=MAX_ACTIONS).map(|n| json!({ "id": n.to_string() })).collect();
        assert_eq!(filled(&json!(many)), Err(IntegrationError::TooMany(MAX_ACTIONS + 1)));
        let large = json!([{ "id": "ok", "context": { "x": "y".repeat(MAX_SIGNED_BYTES) } }]);
        assert_eq!(filled(&large), Err(IntegrationError::TooLarge("ok".into())));
        for props in [json!({}), json!({ "attachments": 1 }), json!({ "attachments": [{ "actions": 1 }, 2] })]
        {
            let mut filled = props.as_object().unwrap().clone();
            assert!(integrations().fill(&account(), "c1", None, &mut filled, UNIX_EPOCH).is_ok());
            assert_eq!(Value::Object(filled), props);
        }
    }

    #[test]
    fn a_dialog_gets_a_signed_state_with_its_fields() {
        let mut dialog = json!({ "title": "T", "state": "st", "elements": [
            { "name": "name", "type": "text" }, { "name": "kind", "options": [{ "value": "a" }] },
        ] });
        let dialog = dialog.as_object_mut().unwrap();
        let origin = Origin { user_id: "ann".into(), channel_id: "c1".into(), ..Origin::default() };
        let url = integrations().fill_dialog(&account(), origin, dialog, UNIX_EPOCH).unwrap();
        assert_eq!(url, "https://hooks.test/hooks/helpdesk/dialog");
        let signed = dialog["state"].as_str().unwrap();
        let claims: DialogClaims = integrations().signer.verify(signed, UNIX_EPOCH).unwrap();
        assert_eq!((&*claims.state, &*claims.origin.user_id, claims.nonce.len()), ("st", "ann", 32));
        assert_eq!(claims.fields, [("name".into(), None), ("kind".into(), Some(vec!["a".to_owned()]))]);
    }
}
