//! The receivers of an event.

use std::sync::Arc;

use serde::Serialize;

use crate::fault::{EventFault, FaultSubject};
use crate::hub::connection::Outgoing;
use crate::state::State;
use crate::wire::event::{Broadcast, Event};

impl State {
    /// Encodes an event once and queues it for every connection it is for.
    pub(crate) fn publish<T: Serialize>(&mut self, name: &str, data: &T, broadcast: &Broadcast) {
        let event = Event::new(self.options.version, name, data, broadcast);
        for user in self.receivers(broadcast) {
            self.deliver(&user, &event);
        }
    }

    pub(crate) fn receivers(&self, broadcast: &Broadcast) -> Vec<String> {
        if !broadcast.user_id.is_empty() {
            return vec![broadcast.user_id.clone()];
        }
        let omitted = |id: &str| broadcast.omit_users.as_ref().is_some_and(|omit| omit.contains_key(id));
        let members = if broadcast.channel_id.is_empty() {
            self.world.teams.get(&broadcast.team_id).map(|team| &team.members)
        } else {
            self.world.channels.get(&broadcast.channel_id).map(|channel| &*channel.members)
        };
        let connected = &self.hub.by_user;
        let users: Vec<&String> = match members {
            // Whichever are fewer: members of a small channel, or the connected of a large one.
            Some(members) if members.len() <= connected.len() => {
                members.iter().filter(|id| connected.contains_key(*id)).collect()
            }
            Some(members) => connected.keys().filter(|id| members.contains(*id)).collect(),
            None if broadcast.channel_id.is_empty() && broadcast.team_id.is_empty() => {
                connected.keys().collect()
            }
            None => Vec::new(),
        };
        users.into_iter().filter(|id| !omitted(id)).cloned().collect()
    }

    /// Queues an event for the sockets of one user that are not deaf.
    pub(crate) fn deliver(&mut self, user: &str, event: &Arc<Event>) {
        for key in self.hub.keys_of(user) {
            let Some(connection) = self.hub.connections.get_mut(&key) else {
                continue;
            };
            let world = &self.world;
            let token = &connection.token;
            if !connection.session.check(|| world.authenticate(token).is_some()) {
                continue;
            }
            let subject = FaultSubject::user(user);
            if self.faults.trigger_event(EventFault::Lose, &subject) {
                continue;
            }
            self.hub.enqueue(key, &Outgoing::Event(Arc::clone(event)));
        }
    }
}
