//! Commands, buttons and dialogs by script.

use std::sync::Arc;
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::Simulator;
use crate::hooks::{HookRequest, SentHook, send};
use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::ApiResponse;
use crate::rest::{commands, interactions};
use crate::state::{Shared, State};
use crate::world::integrations::OpenedDialog;
use crate::world::post::Post;

type Handler = fn(&mut State, &ApiRequest) -> RouteResult;

/// Each gives the status and the JSON that the user's app gets, once the integration has answered.
impl Simulator {
    /// Makes a slash command as the admin, and returns its token.
    pub fn create_command(&self, team_id: &str, trigger: &str, url: &str) -> String {
        let body = json!({ "team_id": team_id, "trigger": trigger, "method": "P", "url": url });
        let admin = self.admin().user_id;
        let made = self.ask_as(&admin, commands::create, ApiRequest { body, ..ApiRequest::default() }).1;
        made["token"].as_str().unwrap_or_default().to_owned()
    }

    /// The slash commands of a team, as the server shows them to the admin.
    pub fn commands(&self, team_id: &str) -> Value {
        let query = [("team_id".to_owned(), team_id.to_owned())].into();
        self.ask_as(&self.admin().user_id, commands::list, ApiRequest { query, ..ApiRequest::default() }).1
    }

    /// Runs a slash command as a user.
    pub fn run_command(&self, user_id: &str, channel_id: &str, line: &str) -> (u16, Value) {
        let body = json!({ "channel_id": channel_id, "command": line });
        self.ask_as(user_id, commands::execute, ApiRequest { body, ..ApiRequest::default() })
    }

    /// Presses a button as a user, or chooses in a menu.
    pub fn press(&self, user_id: &str, post_id: &str, action: &str, chosen: Option<&str>) -> (u16, Value) {
        let params = [("post_id", post_id.to_owned()), ("action_id", action.to_owned())].into();
        let body = chosen.map_or(Value::Null, |chosen| json!({ "selected_option": chosen }));
        self.ask_as(user_id, interactions::press, ApiRequest { params, body, ..ApiRequest::default() })
    }

    /// Sends a dialog as the user who has it open, or cancels it.
    pub fn submit_dialog(
        &self,
        opened: &OpenedDialog,
        channel_id: &str,
        submission: Option<&Value>,
    ) -> (u16, Value) {
        let body = json!({
            "url": opened.url, "callback_id": opened.dialog["callback_id"], "state": opened.dialog["state"],
            "channel_id": channel_id, "submission": submission.unwrap_or(&json!({})),
            "cancelled": submission.is_none(),
        });
        self.ask_as(
            &opened.user_id,
            interactions::submit_dialog,
            ApiRequest { body, ..ApiRequest::default() },
        )
    }

    /// The dialogs that were opened so far.
    pub fn opened_dialogs(&self) -> Vec<OpenedDialog> {
        self.shared.lock().world.integrations.dialogs.clone()
    }

    /// The requests that integrations got so far, with their answers.
    pub fn sent_hooks(&self) -> Vec<SentHook> {
        self.shared.lock().world.integrations.hooks.clone()
    }

    /// The posts that only this user has seen so far.
    pub fn ephemeral_posts(&self, user_id: &str) -> Vec<Post> {
        let state = self.shared.lock();
        let shown = state.world.ephemeral.iter().filter(|(user, _)| user == user_id);
        shown.map(|(_, post)| post.clone()).collect()
    }

    /// Sends a request to an integration: one from [`Self::sent_hooks`] a second time, changed, or slowly.
    pub fn send_hook(&self, request: &HookRequest) -> SentHook {
        let (sender, answer) = mpsc::channel();
        let sending = send(request.clone());
        self.shared.runtime.spawn(async move { sender.send(sending.await) });
        let unanswered =
            || SentHook { request: request.clone(), answer: None, took: std::time::Duration::ZERO };
        answer.recv().unwrap_or_else(|_| unanswered())
    }

    fn ask_as(&self, user_id: &str, handler: Handler, request: ApiRequest) -> (u16, Value) {
        let request = ApiRequest { user: user_id.to_owned(), ..request };
        let answer = self.shared.change(|state| match handler(state, &request) {
            Ok(answer) => answer,
            Err(error) => state.error_response(error),
        });
        let (sender, finished) = mpsc::channel();
        let shared = Arc::clone(&self.shared);
        self.shared.runtime.spawn(async move { sender.send(finish_call(&shared, answer).await) });
        match finished.recv() {
            Ok(answer) => (answer.status.as_u16(), serde_json::from_str(&answer.body).unwrap_or_default()),
            Err(_) => (0, Value::Null),
        }
    }
}

/// Makes the request that a route's answer waits for, if it waits for one.
pub(crate) async fn finish_call(shared: &Shared, mut answer: ApiResponse) -> ApiResponse {
    let Some(call) = answer.call.take() else { return answer };
    let sent = send(call.request).await;
    shared.change(|state| {
        state.world.integrations.hooks.push(sent.clone());
        match (call.then)(state, sent.answer.as_ref()) {
            Ok(answer) => answer,
            Err(error) => state.error_response(error),
        }
    })
}
