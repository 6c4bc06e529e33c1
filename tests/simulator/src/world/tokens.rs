//! Personal access tokens. None of these changes tells a socket anything (fact 8); on 11.1 a revoked one makes its sockets
//! deaf at once (fact 31).

use crate::state::State;
use crate::world::World;
use crate::world::account::Token;
use crate::world::ids::{new_id, new_token};

impl State {
    /// Makes a token; gives its id and itself.
    pub(crate) fn create_token(&mut self, user_id: &str, description: &str) -> (String, String) {
        let id = new_id(&mut self.random);
        let token = new_token(&mut self.random);
        let row = Token {
            id: id.clone(),
            user_id: user_id.to_owned(),
            description: description.to_owned(),
            is_active: true,
        };
        self.world.tokens.insert(token.clone(), row);
        self.world.token_ids.insert(id.clone(), token.clone());
        (id, token)
    }

    /// Disables or enables a token by its id; tells whether there is one.
    pub(crate) fn set_token_active(&mut self, token_id: &str, active: bool) -> bool {
        let Some(token) = self.world.token_ids.get(token_id) else {
            return false;
        };
        let Some(row) = self.world.tokens.get_mut(token) else {
            return false;
        };
        row.is_active = active;
        true
    }

    /// Removes a token by its id; tells whether there was one.
    pub(crate) fn revoke_token_id(&mut self, token_id: &str) -> bool {
        let Some(token) = self.world.token_ids.remove(token_id) else {
            return false;
        };
        if self.options.version.is_current() {
            self.hub
                .connections
                .values_mut()
                .filter(|c| c.token == token)
                .for_each(|c| c.session.invalidate());
        }
        self.world.tokens.remove(&token).is_some()
    }
}

impl World {
    /// The user that a token stands for, if both are active.
    pub(crate) fn authenticate(&self, token: &str) -> Option<&str> {
        let row = self.tokens.get(token).filter(|row| row.is_active)?;
        let user = self.users.get(&row.user_id).filter(|user| user.is_active())?;
        Some(&user.id)
    }
}
