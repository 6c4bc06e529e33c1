mod absent_channels;
mod audit;
mod listing;
mod new_channel;
mod saving;
mod server_clock;
mod start;
#[cfg(test)]
mod tests;

pub(crate) use audit::AuditReadiness;

use std::time::Instant;

use self::{absent_channels::AbsentChannels, new_channel::new_unlisted_channel, start::Start};
use super::{
    channel::{ChannelState, Membership, TimeBounds},
    channel_refusal::ChannelRefusal,
    clock::ServerClock,
    known_teams::{KnownTeams, TeamIds},
    recent::RecentChanges,
};
use crate::model::{AccountRecord, Change, ChannelId, IdMap, Records, ResumePoint, UserId};

/// The starting point of accounts without a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartFrom {
    /// The first hello: only later posts are delivered.
    #[default]
    Now,
    /// A time, in server milliseconds; 0 delivers all existing posts.
    At(i64),
}

/// The settings of an account's replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplaySettings {
    /// The maximum delay with which a post may become visible after a later one, in server milliseconds.
    pub overlap_ms: i64,
    /// The starting point of an account without a record.
    pub from: StartFrom,
}

/// The received, acknowledged and missing changes of one account. It outlives sockets and the Delivery and, by its
/// [`Records`], the process.
#[derive(Debug)]
pub struct ReplayState {
    settings: ReplaySettings,
    account: AccountRecord,
    /// Boxed: a table of tens of thousands that grows would hold all states twice.
    channels: IdMap<ChannelId, Box<ChannelState>>,
    recent: RecentChanges,
    /// The server's time at the last listing.
    listing_at: i64,
    /// False if the last listing may lack channels of the account.
    listing_is_complete: bool,
    /// The server's clock, once a response has shown it.
    clock: Option<ServerClock>,
    /// The earliest and the latest time that the server's clock can show.
    earliest: i64,
    latest: i64,
    /// The channels that differ from the last returned changes; each is marked dirty.
    dirty: Vec<ChannelId>,
    account_is_dirty: bool,
    /// True if a record of the account is in the store, so that its server time can be saved alone.
    account_is_recorded: bool,
    start: Start,
    absent: AbsentChannels,
    teams: KnownTeams,
}

impl ReplayState {
    /// Creates the state of a new account.
    pub fn new(settings: ReplaySettings) -> Self {
        Self::restore(settings, Records::default())
    }

    /// Restores the state from its records.
    pub(crate) fn restore(settings: ReplaySettings, records: Records) -> Self {
        let restore = |(id, record)| (id, Box::new(ChannelState::restore(record, settings.overlap_ms)));
        Self {
            channels: records.channels.into_iter().map(restore).collect(),
            account_is_recorded: records.account.is_some(),
            start: Start::of(records.account.as_ref()),
            account: records.account.unwrap_or_default(),
            settings,
            recent: RecentChanges::default(),
            listing_at: 0,
            listing_is_complete: true,
            clock: None,
            earliest: i64::MAX,
            latest: i64::MAX,
            dirty: Vec::new(),
            account_is_dirty: false,
            absent: AbsentChannels::default(),
            teams: KnownTeams::default(),
        }
    }

    /// Returns the settings.
    pub(crate) fn settings(&self) -> &ReplaySettings {
        &self.settings
    }

    /// Changes the settings for future posts, listings and channels.
    pub(crate) fn configure(&mut self, settings: ReplaySettings) {
        self.settings = settings;
        self.channels.values_mut().for_each(|state| state.set_overlap(settings.overlap_ms));
    }

    /// Returns the record of the account itself.
    pub(crate) fn account(&self) -> &AccountRecord {
        &self.account
    }

    /// True if no listing has ever been completed.
    fn is_new(&self) -> bool {
        self.account.listed_at.is_none()
    }

    /// Records the baseline of a new Connection, which uses up the resume point.
    pub(crate) fn set_baseline(&mut self, user: &UserId, baseline: i64) {
        let account = &mut self.account;
        account.user.get_or_insert_with(|| user.clone());
        account.baseline = Some(baseline);
        account.resume = None;
        self.account_is_dirty = true;
    }

    /// Returns the teams of the account, if they are known to be the same as when they were listed.
    pub(crate) fn known_teams(&self, now: Instant) -> Option<TeamIds> {
        self.teams.get(self.account.baseline?, now).cloned()
    }

    /// Records the teams that were listed for an account with this `update_at` or a later one.
    pub(crate) fn set_known_teams(&mut self, teams: TeamIds, update_at: i64, now: Instant) {
        self.teams.set(teams, update_at, now);
    }

    /// Sets or clears the point at which the connection can be resumed.
    pub(crate) fn set_resume_point(&mut self, resume: Option<ResumePoint>) {
        self.account.resume = resume;
        self.account_is_dirty = true;
    }

    fn bounds(&self) -> TimeBounds {
        TimeBounds { overlap_ms: self.settings.overlap_ms, earliest: self.earliest, latest: self.latest }
    }

    /// Counts a round in which the channel refused to be read.
    pub(crate) fn count_refusal(&mut self, channel: &ChannelId) -> ChannelRefusal {
        ChannelRefusal::nth(self.channels.get_mut(channel).map_or(1, |state| state.count_refusal()))
    }

    /// Ends the membership in a channel once its admitted changes are acknowledged.
    pub(crate) fn leave_channel(&mut self, channel: &ChannelId) {
        let bounds = self.bounds();
        if let Some(state) = self.channels.get_mut(channel) {
            state.leave(bounds);
            mark(&mut self.dirty, channel, state);
        }
    }

    /// Admits a live change for delivery. Returns false for one that was admitted before, by id and never by time.
    pub fn admit(&mut self, channel: &ChannelId, change: &Change) -> bool {
        self.admit_change(channel, change, false)
    }

    fn admit_change(&mut self, channel: &ChannelId, change: &Change, is_fetched: bool) -> bool {
        let bounds = self.bounds();
        self.make_room();
        let Self { channels, account, recent, dirty, listing_is_complete, absent, .. } = self;
        // Look up first: the key is cloned only for a new channel.
        let state = match channels.get_mut(channel) {
            Some(state) => state,
            None => channels.entry(channel.clone()).or_insert_with(|| {
                absent.count += 1;
                Box::new(new_unlisted_channel(account, change, bounds, *listing_is_complete))
            }),
        };
        if state.knows(change) {
            if !is_fetched && matches!(change, Change::Posted(_)) && state.returned() {
                mark(dirty, channel, state);
            }
            return false;
        }
        if !recent.add(change) {
            return false;
        }
        if let Change::Posted(post) = change {
            let time = post.create_at.min(bounds.latest);
            if state.membership == Membership::Left {
                state.rejoin(bounds.reached(post.create_at).saturating_sub(bounds.overlap_ms), bounds);
            } else if !is_fetched {
                state.returned();
            }
            if state.reach_back(post.create_at, bounds) {
                mark(dirty, channel, state);
            }
            state.newest_activity = state.newest_activity.max(time);
            account.server_time = account.server_time.max(time.min(bounds.earliest));
        }
        if let Change::Edited { edit_at, .. } = change {
            state.newest_activity = state.newest_activity.max((*edit_at).min(bounds.latest));
        }
        state.open(change.clone(), is_fetched);
        true
    }

    /// Drops received changes of a channel and postpones it: no round reads it until [`Self::resume_channel`].
    pub(crate) fn postpone<'a>(
        &mut self,
        channel: &ChannelId,
        dropped: impl Iterator<Item = Option<&'a Change>>,
    ) {
        let Some(state) = self.channels.get_mut(channel) else { return };
        for change in dropped {
            state.retract(change);
            if let Some(change) = change {
                self.recent.forget(change);
            }
        }
    }

    /// Lets the next listing announce a postponed channel.
    pub(crate) fn resume_channel(&mut self, channel: &ChannelId) {
        if let Some(state) = self.channels.get_mut(channel) {
            state.resume_reading();
        }
    }

    /// Acknowledges a change. Within a channel, changes must be acknowledged in the order of their admission.
    pub fn acknowledge(&mut self, channel: &ChannelId, change: Change) {
        let bounds = self.bounds();
        if let Some(state) = self.channels.get_mut(channel) {
            state.acknowledge(change, bounds);
            mark(&mut self.dirty, channel, state);
        }
    }

    /// Acknowledges a post made while the account was out.
    pub(crate) fn acknowledge_while_out(&mut self, channel: &ChannelId, change: Change) {
        self.acknowledge(channel, change);
        if let Some(state) = self.channels.get_mut(channel) {
            state.was_out();
        }
    }

    /// Admits a fetched change. If the channel's cursor has passed it since the listing, it was received before,
    /// although its id may be forgotten.
    pub(crate) fn admit_fetched(&mut self, channel: &ChannelId, change: &Change) -> bool {
        let has_passed = self.channels.get(channel).is_some_and(|state| state.has_passed(change));
        !has_passed && self.admit_change(channel, change, true)
    }

    /// Drops the changes that were admitted and not acknowledged, so that they are delivered again. The caller does not
    /// know whether the last changes were saved: the next ones are whole records. Those of the channels for which
    /// `is_needed` is true are left to save at once.
    pub(crate) fn forget_unacknowledged(&mut self, is_needed: impl Fn(&ChannelId) -> bool) {
        self.account_is_recorded = false;
        self.forget_start_save();
        for (channel, state) in &mut self.channels {
            state.mark_unsaved();
            if is_needed(channel) {
                mark(&mut self.dirty, channel, state);
            }
            for change in state.forget_unacknowledged() {
                self.recent.forget(&change);
            }
        }
    }
}

/// Marks a channel as changed.
fn mark(dirty: &mut Vec<ChannelId>, channel: &ChannelId, state: &mut ChannelState) {
    if !std::mem::replace(&mut state.dirty, true) {
        dirty.push(channel.clone());
    }
}
