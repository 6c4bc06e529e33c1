//! What one account has heard of each channel, what it has missed, and what would be a double.

mod audit;
#[cfg(test)]
mod tests;

pub(crate) use audit::AuditReadiness;

use std::collections::HashMap;

use super::{
    backlog::{BacklogKind, ChannelBacklog, ListedChannel},
    channel::{ChannelState, Membership},
    recent::RecentPosts,
};
use crate::model::{AccountRecord, Change, ChannelId, Records, ResumePoint, UserId};

/// Where accounts begin that nothing is known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartFrom {
    /// Now: what is posted after the first hello.
    #[default]
    Now,
    /// At a time, in server milliseconds; 0 is all there is.
    At(i64),
}

/// What a book goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplaySettings {
    /// How much later than a younger one a post may become visible, in server milliseconds.
    pub overlap_ms: i64,
    /// Where an account begins that nothing is known of.
    pub from: StartFrom,
}

/// The memory of one account. It outlives sockets, what hands events over, and by [`Records`] the process.
#[derive(Debug)]
pub struct ReplayState {
    settings: ReplaySettings,
    account: AccountRecord,
    channels: HashMap<ChannelId, ChannelState>,
    lately: RecentPosts,
    /// Channels that differ from what was last given out to be kept; each is marked so.
    dirty: Vec<ChannelId>,
    account_is_dirty: bool,
}

impl ReplayState {
    /// A book in which nothing is written.
    pub fn new(settings: ReplaySettings) -> Self {
        Self::restore(settings, Records::default())
    }

    /// A book as it was kept.
    pub(crate) fn restore(settings: ReplaySettings, records: Records) -> Self {
        let pages = records.channels.into_iter();
        Self {
            channels: pages
                .map(|(id, record)| (id, ChannelState::restore(record, settings.overlap_ms)))
                .collect(),
            account: records.account.unwrap_or_default(),
            settings,
            lately: RecentPosts::default(),
            dirty: Vec::new(),
            account_is_dirty: false,
        }
    }

    /// What it goes by.
    pub(crate) fn settings(&self) -> &ReplaySettings {
        &self.settings
    }

    /// The operator set something else: it holds for what is heard, fetched and begun from now on.
    pub(crate) fn configure(&mut self, settings: ReplaySettings) {
        self.settings = settings;
        self.channels.values_mut().for_each(|page| page.set_overlap(settings.overlap_ms));
    }

    /// The account itself.
    pub(crate) fn account(&self) -> &AccountRecord {
        &self.account
    }

    /// Whether no listing was ever finished: the account begins.
    pub(crate) fn is_new(&self) -> bool {
        self.account.listed_at.is_none()
    }

    /// A Connection begins with this baseline. What it was resumed by is used up.
    pub(crate) fn set_baseline(&mut self, user: &UserId, baseline: i64) {
        let account = &mut self.account;
        account.user.get_or_insert_with(|| user.clone());
        account.baseline = Some(baseline);
        account.resume = None;
        self.account_is_dirty = true;
    }

    /// The account rests: where its connection may be taken up again.
    pub(crate) fn set_resume_point(&mut self, resume: Option<ResumePoint>) {
        self.account.resume = resume;
        self.account_is_dirty = true;
    }

    /// A listing came, at this server time or later. Channels seen for the first time begin; those that are to be read
    /// are given back.
    pub(crate) fn apply_listing(
        &mut self,
        listing: &[ListedChannel],
        server_time: i64,
    ) -> Vec<ChannelBacklog> {
        let lost_at = self.account.server_time;
        let newest = listing.iter().map(|listed| listed.last_post_at).max().unwrap_or_default();
        self.account.server_time = lost_at.max(newest).max(server_time);
        // A channel that was active when the socket was lost is looked at even if the list shows nothing new: a post
        // that became visible after a younger one does not move last_post_at (fact 23).
        let active = lost_at.saturating_sub(self.settings.overlap_ms);
        for page in self.channels.values_mut() {
            page.listed(None);
            page.due |= page.heard > 0 && page.heard >= active;
        }
        let mut news: Vec<ChannelBacklog> =
            listing.iter().filter_map(|listed| self.news_of(listed)).collect();
        news.extend(self.unlisted());
        news
    }

    fn news_of(&mut self, listed: &ListedChannel) -> Option<ChannelBacklog> {
        let page = self.page_of(listed);
        page.listed(Some(listed.last_post_at));
        let moved = listed.last_post_at > page.seen_until;
        let news = ChannelBacklog {
            channel: listed.channel.clone(),
            from: page.cursor.anchor().clone(),
            edits_since: moved.then(|| page.edits.until()),
            kind: if page.membership == Membership::Joining {
                BacklogKind::Joining
            } else {
                BacklogKind::Known
            },
        };
        (moved || page.due).then_some(news)
    }

    /// The page of a listed channel; one that was not there before begins.
    fn page_of(&mut self, listed: &ListedChannel) -> &mut ChannelState {
        let ReplaySettings { overlap_ms, from } = self.settings;
        let earlier = self.account.listed_at;
        let page = self.channels.entry(listed.channel.clone()).or_insert_with(|| {
            let mut page = beginning(listed, earlier, from, overlap_ms);
            mark(&mut self.dirty, &listed.channel, &mut page);
            page
        });
        if page.membership == Membership::Left {
            page.rejoin(earlier.unwrap_or_default(), overlap_ms);
            mark(&mut self.dirty, &listed.channel, page);
        }
        page
    }

    /// Channels with a cursor that the listing lacks.
    fn unlisted(&self) -> impl Iterator<Item = ChannelBacklog> {
        let lacking =
            self.channels.iter().filter(|(_, page)| !page.is_listed() && page.membership != Membership::Left);
        lacking.map(|(channel, page)| ChannelBacklog {
            channel: channel.clone(),
            from: page.cursor.anchor().clone(),
            edits_since: None,
            kind: BacklogKind::Unlisted,
        })
    }

    /// All that the last listing promised has been fetched, but for those channels.
    pub(crate) fn finish_round(&mut self, skipped: &[ChannelId]) {
        for channel in skipped {
            if let Some(page) = self.channels.get_mut(channel) {
                page.skipped();
            }
        }
        self.account.listed_at = Some(self.account.server_time);
        self.account_is_dirty = true;
        for (channel, page) in &mut self.channels {
            if page.fetched(self.settings.overlap_ms) {
                mark(&mut self.dirty, channel, page);
            }
        }
    }

    /// Whether that channel refused to be read for the first time since it last could be.
    pub(crate) fn is_newly_refused(&self, channel: &ChannelId) -> bool {
        self.channels.get(channel).is_none_or(|page| !page.refused)
    }

    /// The account is out of the channel, as soon as what was taken of it is acknowledged.
    pub(crate) fn leave_channel(&mut self, channel: &ChannelId) {
        if let Some(page) = self.channels.get_mut(channel) {
            page.leave();
            mark(&mut self.dirty, channel, page);
        }
    }

    /// Takes a change to hand it over. False for one that was taken before: by its id only, never by its time.
    pub fn admit(&mut self, channel: &ChannelId, change: &Change) -> bool {
        let Self { channels, account, lately, dirty, settings: ReplaySettings { overlap_ms, .. }, .. } = self;
        // A look-up first: a key is made only for a channel that is new.
        let page = match channels.get_mut(channel) {
            Some(page) => page,
            None => {
                channels.entry(channel.clone()).or_insert_with(|| first_heard(account, change, *overlap_ms))
            }
        };
        if page.knows(change) {
            return false;
        }
        if let Change::Posted(post) = change {
            if lately.has(&post.id) {
                return false;
            }
            if page.membership == Membership::Left {
                page.rejoin(post.create_at.saturating_sub(*overlap_ms), *overlap_ms);
            }
            if page.reach_back(post.create_at, *overlap_ms) {
                mark(dirty, channel, page);
            }
            page.heard = page.heard.max(post.create_at);
            lately.add(post.id.clone());
            account.server_time = account.server_time.max(post.create_at);
        }
        page.open.insert(change.clone());
        true
    }

    /// A change was acknowledged. Within a channel they are in the order in which they were taken.
    pub fn acknowledge(&mut self, channel: &ChannelId, change: Change) {
        if let Some(page) = self.channels.get_mut(channel) {
            page.acknowledge(change, self.settings.overlap_ms);
            mark(&mut self.dirty, channel, page);
        }
    }

    /// Takes a change that was fetched. Where its channel's cursor has moved on since the listing, what lies behind it was
    /// received before, and its id may be forgotten.
    pub(crate) fn admit_fetched(&mut self, channel: &ChannelId, change: &Change) -> bool {
        let is_behind = self.channels.get(channel).is_some_and(|page| page.has_passed(change));
        !is_behind && self.admit(channel, change)
    }

    /// What was taken and not acknowledged is gone: it is to come again.
    pub(crate) fn forget_unacknowledged(&mut self) {
        for page in self.channels.values_mut() {
            for change in page.forget_unacknowledged() {
                if let Change::Posted(post) = change {
                    self.lately.forget(&post.id);
                }
            }
        }
    }

    /// What has changed since it was last asked for. If it cannot be kept, it goes back by [`mark_unsaved`](Self::mark_unsaved).
    pub fn take_changes(&mut self) -> Records {
        if self.dirty.is_empty() && !self.account_is_dirty {
            return Records::default();
        }
        self.account_is_dirty = false;
        let channels = std::mem::take(&mut self.dirty).into_iter().filter_map(|channel| {
            let page = self.channels.get_mut(&channel)?;
            page.dirty = false;
            let record = page.record();
            Some((channel, record))
        });
        Records { channels: channels.collect(), account: Some(self.account.clone()) }
    }

    /// Changes that could not be kept: they have changed still.
    pub(crate) fn mark_unsaved(&mut self, changes: Records) {
        self.account_is_dirty |= changes.account.is_some();
        for channel in changes.channels.into_keys() {
            if let Some(page) = self.channels.get_mut(&channel) {
                mark(&mut self.dirty, &channel, page);
            }
        }
    }
}

/// Marks a page as changed.
fn mark(dirty: &mut Vec<ChannelId>, channel: &ChannelId, page: &mut ChannelState) {
    if !std::mem::replace(&mut page.dirty, true) {
        dirty.push(channel.clone());
    }
}

/// A channel that the last listing did not show begins at that listing, not at the first post heard of it: an older one
/// may become visible later (fact 23).
fn first_heard(account: &AccountRecord, change: &Change, overlap_ms: i64) -> ChannelState {
    let first = match change {
        Change::Posted(post) => post.create_at.saturating_sub(1),
        Change::Edited { .. } | Change::Deleted { .. } | Change::Left => account.server_time,
    };
    let begin = account.listed_at.map_or(first, |listed_at| listed_at.min(first));
    ChannelState::beginning(begin, begin, Membership::Joining, overlap_ms)
}

/// Where a channel begins that no listing had before.
fn beginning(listed: &ListedChannel, earlier: Option<i64>, from: StartFrom, overlap_ms: i64) -> ChannelState {
    let created = listed.create_at.saturating_sub(1);
    match (earlier, from) {
        // The first start is now: what the server knows already is past.
        (None, StartFrom::Now) => {
            ChannelState::beginning(listed.last_post_at, listed.last_post_at, Membership::Member, overlap_ms)
        }
        (None, StartFrom::At(time)) => {
            ChannelState::beginning(time, listed.last_post_at, Membership::Member, overlap_ms)
        }
        (Some(_), _) if listed.is_direct => {
            ChannelState::beginning(created, created, Membership::Member, overlap_ms)
        }
        (Some(earlier), _) => ChannelState::beginning(earlier, earlier, Membership::Joining, overlap_ms),
    }
}
