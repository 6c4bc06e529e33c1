//! Floods, for measurements: as many posts as a socket can take.

use crate::Simulator;
use crate::control::require;
use crate::fault::Target;
use crate::hub::connection::SocketCommand;
use crate::hub::flood::FloodPlan;
use crate::state::State;
use crate::wire::event::{Broadcast, Event};
use crate::world::ids::new_id;
use crate::world::post::PostOptions;

impl Simulator {
    /// Sends `count` posts of `bytes` characters to every live socket of a channel's members, as fast as
    /// each takes them. They are events only: no list has them, and a resume does not bring them.
    /// Their ids are all different.
    pub fn flood(&self, channel_id: &str, count: u64, bytes: usize) {
        let members: Vec<String> = {
            let state = self.shared.lock();
            let channel = state.world.channels.get(channel_id);
            require(channel.is_some(), "channel", channel_id);
            channel.into_iter().flat_map(|c| c.members.iter().cloned()).collect()
        };
        self.shared.change(|state| {
            for user in members {
                state.flood(&user, channel_id, count, bytes);
            }
        });
    }

    /// The same for the sockets of one user.
    pub fn flood_user(&self, user_id: &str, channel_id: &str, count: u64, bytes: usize) {
        self.shared.change(|state| state.flood(user_id, channel_id, count, bytes));
    }
}

impl State {
    fn flood(&mut self, user_id: &str, channel_id: &str, count: u64, bytes: usize) {
        let id = new_id(&mut self.random);
        let options = PostOptions {
            user_id: self.world.admin_id.clone(),
            channel_id: channel_id.to_owned(),
            message: "x".repeat(bytes),
            ..PostOptions::default()
        };
        let now = self.world.now();
        let post = self.new_post(&id, &options, now);
        let Some(data) = self.posted_data(&post) else {
            return;
        };
        let event = Event::new(self.options.version, "posted", &data, &Broadcast::channel(channel_id));
        let first = self.world.flood_posts;
        self.world.flood_posts += count;
        if let Some(plan) = FloodPlan::new(event, &id, count, first) {
            self.send_command(&Target::User(user_id.to_owned()), &SocketCommand::Flood(plan));
        }
    }
}
