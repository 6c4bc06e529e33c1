//! Changes of accounts that they hear of themselves, and a proxy that refuses requests.

use matterhost_actors::mattermost::RestErrorKind;

use super::FakeServer;

/// The requests that a proxy refuses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    All,
    /// Those about users; a probe without a token is answered.
    Accounts,
}

impl FakeServer {
    /// Changes the account as a custom status does: it hears of it itself, too (fact 48).
    pub(crate) fn change_itself(&self, name: &str) {
        self.touch(name);
        self.announce(name);
    }

    /// Sends the account its own `user_updated`.
    pub(crate) fn announce(&self, name: &str) {
        let update_at = self.with(name, |user| user.update_at);
        let data = format!(r#"{{"user":{{"id":"id-{name}","update_at":{update_at}}}}}"#);
        self.server_socket(name).event("user_updated", "", &data);
    }

    /// Makes a proxy in front of the server refuse requests.
    pub(crate) fn refuse(&self, refusal: Option<(RestErrorKind, Refused)>) {
        self.state().refusal = refusal;
    }
}
