//! The actions that a client sends over its socket.

use serde_json::{Map, Value, json};

use crate::hub::connection::Outgoing;
use crate::hub::register::Registration;
use crate::state::State;
use crate::wire::reply::{AppError, fail, ok};

/// The effect of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The socket goes on.
    Continue,
    /// The socket is registered from now on.
    Registered,
    /// The server drops the socket.
    Drop,
}

impl State {
    /// A text frame of a client. What is not JSON ends the socket (fact 17).
    pub(crate) fn handle_client_frame(&mut self, key: u64, text: &str) -> Effect {
        let Ok(request) = serde_json::from_str::<Value>(text) else {
            return Effect::Drop;
        };
        let action = request["action"].as_str().unwrap_or_default();
        *self.counters.actions.entry(action.to_owned()).or_default() += 1;
        let seq = request["seq"].as_u64().filter(|seq| *seq > 0);
        if action == "authentication_challenge" {
            return self.challenge(key, seq, &request["data"]);
        }
        let reply = self.reply(key, action, seq, &request["data"]);
        self.hub.enqueue(key, &Outgoing::Reply(reply));
        Effect::Continue
    }

    /// Authenticates a waiting socket; a bad token drops it at once, and one that is already in gets no
    /// reply (facts 1 and 2).
    fn challenge(&mut self, key: u64, seq: Option<u64>, data: &Value) -> Effect {
        let registered = self.hub.connections.get(&key).is_some_and(|c| c.user.is_some());
        if registered {
            return Effect::Continue;
        }
        let token = data["token"].as_str().unwrap_or_default();
        match self.authenticate_socket(key, token, None) {
            Registration::Registered => {
                if let Some(seq) = seq {
                    self.hub.enqueue(key, &Outgoing::Reply(ok(seq, None)));
                }
                Effect::Registered
            }
            Registration::Unauthenticated | Registration::Dropped => Effect::Drop,
        }
    }

    fn reply(&mut self, key: u64, action: &str, seq: Option<u64>, data: &Value) -> String {
        if action.is_empty() {
            let text = "No websocket action.";
            return fail(seq, &AppError::new("api.web_socket_router.no_action.app_error", text, 400));
        }
        let Some(seq) = seq else {
            let text = "Invalid sequence for WebSocket message.";
            return fail(None, &AppError::new("api.web_socket_router.bad_seq.app_error", text, 400));
        };
        match self.check_session(key) {
            Ok(user) => self.act(&user, action, seq, data),
            Err(error) => fail(Some(seq), &error),
        }
    }

    /// The user behind a socket; a deaf socket confesses here (facts 4 and 20).
    fn check_session(&mut self, key: u64) -> Result<String, AppError> {
        let not_authenticated = || {
            let text = "WebSocket connection is not authenticated. Please log in and try again.";
            AppError::new("api.web_socket_router.not_authenticated.app_error", text, 401)
        };
        let connection = self.hub.connections.get_mut(&key).ok_or_else(not_authenticated)?;
        let world = &self.world;
        let token = &connection.token;
        let good = world.authenticate(token).is_some();
        if !connection.session.check(|| good) {
            return Err(not_authenticated());
        }
        if !good {
            // The socket's own session still passes, the token does not: it was revoked (errors).
            let text = format!("Invalid session token={token}, err=");
            return Err(AppError::new("api.context.invalid_token.error", &text, 401));
        }
        connection.user.clone().ok_or_else(not_authenticated)
    }

    fn act(&mut self, user: &str, action: &str, seq: u64, data: &Value) -> String {
        match action {
            "ping" => {
                let time = self.world.now();
                let pong = json!({
                    "node_id": "", "server_time": time, "text": "pong",
                    "version": self.options.version_name()
                });
                ok(seq, Some(&pong))
            }
            "get_statuses" => ok(seq, Some(&Value::Object(self.statuses()))),
            "user_typing" => {
                let text = |name: &str| data[name].as_str().unwrap_or_default();
                let (channel, parent) = (text("channel_id"), text("parent_id"));
                if self.is_member(channel, user) {
                    self.announce_typing(user, channel, parent);
                }
                ok(seq, None)
            }
            _ => {
                let text = "Unknown WebSocket action.";
                let id = "api.web_socket_router.bad_action.app_error";
                fail(Some(seq), &AppError::new(id, text, 500))
            }
        }
    }

    fn statuses(&self) -> Map<String, Value> {
        let seen = |user: &crate::world::account::User| Some((user.id.clone(), json!(user.status?)));
        self.world.users.values().filter_map(seen).collect()
    }
}
