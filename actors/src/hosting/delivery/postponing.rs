//! Channels whose events wait too long: they leave at least half of the permits to the account's other channels.
//!
//! The newest of their waiting events are dropped, and so are later ones, until the channel has been worked off. A
//! catch-up then fetches what was dropped.

use std::{collections::HashMap, time::Duration};

use actix::{AsyncContext as _, Context};
use tokio::time::Instant;

use super::{Delivery, Queued};
use crate::{
    hosting::connection::CatchUpAgain,
    model::{ChannelId, Fact},
};

/// The time after which an event that still waits behind others of its channel is lagging. A sink that works leaves none
/// waiting so long, and people in other channels do not notice it.
const LAGGING_AFTER: Duration = Duration::from_secs(10);

/// The part of what a postponed channel may hold up to which it must be worked off before the rest is fetched: so much
/// that the sink is not idle meanwhile, and so little that the fetched events have room.
const WORKED_OFF: usize = 4;

/// The postponed channels.
#[derive(Debug, Default)]
pub(super) struct PostponedChannels {
    channels: HashMap<ChannelId, Postponed>,
    /// True while a check is scheduled.
    is_checking: bool,
}

/// The progress of a postponed channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Postponed {
    /// Too many of its events wait.
    Waiting,
    /// The Connection was asked to fetch the rest.
    Requested,
}

impl PostponedChannels {
    pub(super) fn contains(&self, channel: &ChannelId) -> bool {
        self.channels.contains_key(channel)
    }
}

impl Delivery {
    /// Checks for lagging channels after a while, if events hold more than half of the permits.
    pub(super) fn check_lag_later(&mut self, ctx: &mut Context<Self>) {
        if self.postponed.is_checking || self.permits.in_use() <= self.permits.channel_limit() {
            return;
        }
        self.postponed.is_checking = true;
        ctx.run_later(LAGGING_AFTER, |act, ctx| {
            act.postponed.is_checking = false;
            act.postpone_lagging();
            act.check_lag_later(ctx);
        });
    }

    /// Drops the newest events of lagging channels that hold more than half of the permits. While nothing can be handed
    /// over at all, no channel delays another.
    fn postpone_lagging(&mut self) {
        if self.stalled || self.sink_broken || self.awaits_store() {
            return;
        }
        let now = Instant::now();
        let is_lagging = |queued: &Queued| now.saturating_duration_since(queued.since) >= LAGGING_AFTER;
        let weight = |queued: &Queued| queued.permit.num_permits();
        for (channel, dropped) in self.queue.trim(is_lagging, weight, self.permits.channel_limit()) {
            self.postpone(channel, &dropped);
        }
    }

    /// Postpones a channel, whose newest events are dropped.
    fn postpone(&mut self, channel: ChannelId, dropped: &[Queued]) {
        let changes = dropped.iter().map(|queued| queued.event.body.change.as_ref());
        self.context.replay.with(|replay| replay.postpone(&channel, changes));
        if self.postponed.channels.insert(channel.clone(), Postponed::Waiting).is_none() {
            let waiting = self.queue.waiting_in(&channel).count();
            self.context.observe(self.generation(), Fact::ChannelPostponed { channel, waiting });
        }
    }

    /// Asks for a catch-up once a postponed channel has been worked off.
    pub(super) fn fetch_if_worked_off(&mut self, channel: &ChannelId) {
        if self.postponed.channels.get(channel) != Some(&Postponed::Waiting) || !self.is_worked_off(channel) {
            return;
        }
        if let Some((_, connection)) = &self.connection {
            connection.do_send(CatchUpAgain);
            self.postponed.channels.insert(channel.clone(), Postponed::Requested);
        }
    }

    /// Lets the round that begins read the channels that have been worked off.
    pub(super) fn resume_postponed(&mut self) {
        let channels = std::mem::take(&mut self.postponed.channels);
        for (channel, _) in channels {
            if self.is_worked_off(&channel) {
                self.context.replay.with(|replay| replay.resume_channel(&channel));
            } else {
                self.postponed.channels.insert(channel, Postponed::Waiting);
            }
        }
    }

    /// Returns true if few of a channel's events are left, and the sink takes them.
    fn is_worked_off(&self, channel: &ChannelId) -> bool {
        let waiting: usize = self.queue.waiting_in(channel).map(|queued| queued.permit.num_permits()).sum();
        waiting <= self.permits.channel_limit() / WORKED_OFF && !self.retrying.contains_key(channel)
    }
}
