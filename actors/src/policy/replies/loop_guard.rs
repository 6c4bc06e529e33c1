//! A guard against bots that answer each other endlessly.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use crate::model::{ChannelId, UserId};

/// The maximum number of counted channels. Beyond it all counts are reset: a loop is detected a little later.
const MOST_CHANNELS: usize = 10_000;

/// The maximum number of accounts remembered for their first answer in a row; others have no free answer.
const MOST_ANSWERERS: usize = 1_000;

/// The maximum number of remembered bots on other members. Beyond it all are forgotten, until they post again.
const MOST_ELSEWHERE: usize = 10_000;

/// The time, in server milliseconds, within which an act after a post of a hosted bot may be the answer of a program. A
/// person reads first.
const QUICK_MS: i64 = 2_000;

/// The time, in server milliseconds, within which a post of a bot or webhook may be such an answer.
const QUICK_OF_BOTS_MS: i64 = 5_000;

/// The quick acts in a row after which the next ones are answers of a program: a person may be quick now and then.
const QUICK_ACTS: u32 = 3;

/// The time, in server milliseconds, by which an act may be ahead of the server's clock. Beyond it, it was dated into the
/// future, or the clock was set back.
const MOST_AHEAD_MS: i64 = 600_000;

/// The verdict on a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoopVerdict {
    /// The post may be made, and is counted.
    Allow,
    /// The post exceeds the limit.
    Refuse {
        /// True for the first refusal in the row, which must be reported.
        first: bool,
    },
}

/// A post that a hosted bot is about to make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BotPost<'a> {
    /// The channel.
    pub(crate) channel: &'a ChannelId,
    /// The bot.
    pub(crate) bot: &'a UserId,
    /// True for an answer to an event.
    pub(crate) is_answer: bool,
    /// The time of the event that it answers, in server milliseconds.
    pub(crate) answers_at: Option<i64>,
}

/// A post, an edit or a reaction by any user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserAct {
    /// The user.
    pub(crate) user: UserId,
    /// The time, in server milliseconds.
    pub(crate) at: i64,
    /// True for a post that the server marks as one of a bot, a webhook or a plugin.
    pub(crate) is_automatic: bool,
    /// The mark of a post that an account of a host has made, and of an edit of one.
    pub(crate) of_account: Option<AccountPost>,
}

/// An act of an account, on whichever host it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccountPost {
    /// It has made a post.
    New,
    /// It has edited one.
    Edit,
}

/// The circumstances in which an act is received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receipt {
    /// The present time.
    pub(crate) now: Instant,
    /// True if the act was fetched after an outage, and not received while it happened.
    pub(crate) is_recovered: bool,
}

/// Counts the posts of a server's hosted bots in a row in each channel.
///
/// A row ends when another user acts or calls a bot, except for one who does so within seconds of the bots' posts again and
/// again: that is a program, too. Answers beyond the limit are refused. Other posts are counted and never refused: a bot that
/// posts news in a channel where no other user posts is not a loop. Nor is the first answer of an account to the act that began
/// the row, however many accounts give one.
///
/// In a cluster, the posts of accounts on other members are a part of the row. They are counted where they are received.
#[derive(Debug)]
pub(crate) struct LoopGuard {
    limit: u32,
    channels: HashMap<ChannelId, Row>,
    bots: HashSet<UserId>,
    /// The bots of other members that have posted; `None` if there are no other members.
    elsewhere: Option<HashSet<UserId>>,
    clock: PostClock,
}

/// The server's clock, by the time that it gave to the last post of a hosted bot.
#[derive(Debug, Clone, Copy, Default)]
struct PostClock(Option<(i64, Instant)>);

/// The posts in a row in one channel.
#[derive(Debug, Default)]
struct Row {
    posts: u32,
    reported: bool,
    /// The time of the act that began the row.
    began_with: Option<i64>,
    /// The accounts that have answered that act.
    answerers: HashSet<UserId>,
    /// The time of the newest post of a hosted bot.
    last_post_at: Option<i64>,
    /// The time of the newest post that was counted of a bot on another member: several accounts receive it.
    last_elsewhere_at: Option<i64>,
    /// The user of the last quick acts, and their number.
    quick: Option<(UserId, u32)>,
}

impl LoopGuard {
    /// Creates a guard with a limit; 0 allows everything.
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            limit,
            channels: HashMap::new(),
            bots: HashSet::new(),
            elsewhere: None,
            clock: PostClock::default(),
        }
    }

    /// Counts the posts of accounts on other members of a cluster, too.
    pub(crate) fn in_cluster(self) -> Self {
        Self { elsewhere: Some(HashSet::new()), ..self }
    }

    /// Returns the limit.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Changes the limit. Counts are kept.
    pub(crate) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// Counts a post that a hosted bot is about to make.
    pub(crate) fn record_post(&mut self, post: &BotPost<'_>) -> LoopVerdict {
        if self.limit == 0 {
            return LoopVerdict::Allow;
        }
        self.bots.insert(post.bot.clone());
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.remove(post.bot);
        }
        if self.channels.len() >= MOST_CHANNELS && !self.channels.contains_key(post.channel) {
            self.channels.clear();
        }
        let row = self
            .channels
            .entry(post.channel.clone())
            .or_insert_with(|| Row { began_with: post.answers_at, ..Row::default() });
        let is_first = row.record_answerer(post);
        if post.is_answer && row.posts >= self.limit && !is_first {
            return LoopVerdict::Refuse { first: !std::mem::replace(&mut row.reported, true) };
        }
        row.posts = row.posts.saturating_add(1);
        LoopVerdict::Allow
    }

    /// Removes a counted post that was not made.
    pub(crate) fn undo(&mut self, channel: &ChannelId) {
        if let Some(row) = self.channels.get_mut(channel) {
            row.posts = row.posts.saturating_sub(1);
        }
    }

    /// Records the time of a post that a hosted bot made.
    pub(crate) fn post_made(&mut self, channel: &ChannelId, at: i64, now: Instant) {
        self.clock = PostClock(Some((at, now)));
        if let Some(row) = self.channels.get_mut(channel) {
            row.move_last_post(at, self.clock, now);
        }
    }

    /// Records a delivered act: one by another user ends the row, unless a program acts.
    pub(crate) fn act_received(&mut self, channel: &ChannelId, act: &UserAct, receipt: Receipt) {
        if self.bots.contains(&act.user) {
            return;
        }
        let Receipt { now, is_recovered } = receipt;
        if self.is_of_cluster(act) {
            // A recovered post was counted when another account received it, or it is of a row that is over.
            let counts = act.of_account == Some(AccountPost::New) && !is_recovered;
            if let Some(row) = self.channels.get_mut(channel).filter(|_| counts) {
                row.record_elsewhere(act.at, self.clock, now);
            }
            return;
        }
        if let Some(row) = self.channels.get_mut(channel)
            && !row.has_seen(act, self.clock, now)
            && !row.is_program(act)
        {
            row.begin_anew(Some(act.at));
        }
    }

    /// Returns true if the user is an account of another member, as one of its posts has shown.
    fn is_of_cluster(&mut self, act: &UserAct) -> bool {
        let Some(elsewhere) = &mut self.elsewhere else { return false };
        if act.of_account.is_some() {
            if elsewhere.len() >= MOST_ELSEWHERE {
                elsewhere.clear();
            }
            elsewhere.insert(act.user.clone());
        }
        elsewhere.contains(&act.user)
    }

    /// Records a slash command, a button, a menu or a dialog of a user, which comes once: it ends the row as an act does. `at`
    /// is the time of this host, which says nothing about the order of the server's events.
    pub(crate) fn call_received(&mut self, channel: &ChannelId, user: &UserId, at: i64) {
        let call = UserAct { user: user.clone(), at, is_automatic: false, of_account: None };
        if !self.bots.contains(user)
            && let Some(row) = self.channels.get_mut(channel)
            && !row.is_program(&call)
        {
            row.begin_anew(row.began_with.max(row.last_post_at));
        }
    }

    /// True if the channel has a count.
    pub(crate) fn is_counting(&self, channel: &ChannelId) -> bool {
        self.channels.contains_key(channel)
    }

    /// Returns the number of channels with a count.
    pub(crate) fn channel_count(&self) -> usize {
        self.channels.len()
    }
}

impl Row {
    /// Counts a post of a bot on another member, once however many accounts receive it: each receives a channel's posts in order.
    /// One from before the act that began the row is of an earlier row. One that was dated into the future hides none of those
    /// after it.
    fn record_elsewhere(&mut self, at: i64, clock: PostClock, now: Instant) {
        let is_old = |newest: Option<i64>| newest.is_some_and(|newest| clock.comes_again(at, newest, now));
        if !is_old(self.last_elsewhere_at) && !is_old(self.began_with) {
            self.last_elsewhere_at = Some(at);
            self.move_last_post(at, clock, now);
            self.posts = self.posts.saturating_add(1);
        }
    }

    /// Moves the time of the newest post on to one that is newer. It moves back only from a time in the future.
    fn move_last_post(&mut self, at: i64, clock: PostClock, now: Instant) {
        let last = self.last_post_at.filter(|last| !clock.is_ahead(*last, now));
        self.last_post_at = last.max(Some(at));
    }

    /// Records the account of an answer to the act that began the row. Returns true for its first.
    fn record_answerer(&mut self, post: &BotPost<'_>) -> bool {
        post.is_answer
            && post.answers_at.is_some()
            && post.answers_at == self.began_with
            && self.answerers.len() < MOST_ANSWERERS
            && self.answerers.insert(post.bot.clone())
    }

    /// Begins a new row after an act of a person.
    fn begin_anew(&mut self, began_with: Option<i64>) {
        let (quick, last_elsewhere_at) = (self.quick.take(), self.last_elsewhere_at);
        *self =
            Self { began_with, last_post_at: self.last_post_at, last_elsewhere_at, quick, ..Self::default() };
    }

    /// Returns true if an act is no newer than the one that began the row: it comes again.
    fn has_seen(&self, act: &UserAct, clock: PostClock, now: Instant) -> bool {
        self.began_with.is_some_and(|newest| clock.comes_again(act.at, newest, now))
    }

    /// Returns true if an act is that of a program, which acts within seconds again and again.
    fn is_program(&mut self, act: &UserAct) -> bool {
        let limit = if act.is_automatic { QUICK_OF_BOTS_MS } else { QUICK_MS };
        // What was done before the bots' last post is no answer to it.
        let is_quick =
            self.last_post_at.is_some_and(|last| (0..=limit).contains(&act.at.saturating_sub(last)));
        if !is_quick {
            self.quick = None;
            return false;
        }
        let before = match &self.quick {
            Some((user, acts)) if act.is_automatic || *user == act.user => *acts,
            _ => 0,
        };
        self.quick = Some((act.user.clone(), before.saturating_add(1)));
        before >= QUICK_ACTS
    }
}

impl PostClock {
    /// Returns true if an act of that time is no newer than the newest one, which was not dated into the future.
    fn comes_again(self, at: i64, newest: i64, now: Instant) -> bool {
        at <= newest && !self.is_ahead(newest, now)
    }

    /// Returns true for a time that the server's clock is far from. Without a post of a hosted bot, no time is known to be.
    fn is_ahead(self, at: i64, now: Instant) -> bool {
        self.0.is_some_and(|(posted_at, then)| {
            let since = now.saturating_duration_since(then).as_millis().try_into().unwrap_or(i64::MAX);
            at > posted_at.saturating_add(since).saturating_add(MOST_AHEAD_MS)
        })
    }
}
