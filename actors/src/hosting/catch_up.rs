//! Catching up: lists the channels and reads those with news before a Connection becomes ready.

mod channel;
mod client;
pub(super) mod page;
mod synthesize;

use std::{
    cell::Cell,
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Addr, MailboxError};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::task::yield_now;

pub(super) use self::client::{CatchUpClient, ChannelReadError};

use self::channel::ChannelCatchUp;
use super::{
    account_context::now,
    delivery::{BeginListing, Delivery, EndListing, FinishRound, LeftChannel, Permits, SubmitListed},
};
use crate::{
    mattermost::{Channel, ChannelKind, ChannelList, OddRow, Post},
    model::{AccountUser, CatchUpProgress, ChannelId, CloseReason, Excerpt, Fact, Generation},
    policy::{BacklogKind, ChannelBacklog, ListedChannel, ServerClock, TeamIds},
};

/// The channels of one account that are read concurrently; the gate limits the requests anyway.
const CONCURRENT_CHANNELS: usize = 4;

/// The rounds after which a catch-up fails: live events overflowed each of them, so the sink cannot keep up.
const MAX_ROUNDS: usize = 50;

/// The interval between progress reports of a long catch-up.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// The channels of a list that are submitted at once: some milliseconds' work, even on a slow machine.
pub(super) const LISTED_AT_ONCE: usize = 500;

/// A catch-up of one Connection.
pub(super) struct CatchUp {
    pub(super) client: CatchUpClient,
    pub(super) delivery: Addr<Delivery>,
    pub(super) permits: Permits,
    pub(super) generation: Generation,
    pub(super) connection_id: Arc<str>,
    /// The account's own user.
    pub(super) me: AccountUser,
    /// A lower bound of the server's time: when the account was last changed.
    pub(super) server_time: i64,
    /// The server's time when it listed the channels.
    pub(super) listed_at: i64,
    /// The time, in server milliseconds, before which posts are ignored.
    pub(super) oldest: Option<i64>,
    /// All teams of the account, if they are known, until the first round has listed the channels.
    pub(super) teams: Option<TeamIds>,
    pub(super) progress: Cell<CatchUpProgress>,
    /// The time of the last progress report.
    pub(super) reported_at: Cell<Instant>,
}

impl CatchUp {
    /// Fetches missed events until a round ends without an overflow of live events.
    ///
    /// # Errors
    /// The reason why the Connection has to end.
    pub(super) async fn run(mut self) -> Result<(), CloseReason> {
        let began = now();
        for _ in 0..MAX_ROUNDS {
            let skipped = self.round().await?;
            let finished = self.delivery.send(FinishRound { skipped }).await;
            if finished.map_err(|_| CloseReason::DeliveryDied)? {
                let CatchUpProgress { channels, recovered, .. } = self.progress.get();
                self.client.context.stats.set_catch_up_progress(None);
                let took = now().saturating_duration_since(began);
                self.observe(Fact::CaughtUp { channels, recovered, took });
                return Ok(());
            }
        }
        Err(CloseReason::CatchUpFailed {
            cause: format!("live events overflowed {MAX_ROUNDS} rounds").into(),
        })
    }

    /// Lists the channels, reads those with news, and returns those that could not be read.
    async fn round(&mut self) -> Result<Vec<ChannelId>, CloseReason> {
        let (list, clock) = self.client.channels(self.teams.take()).await?;
        self.report_list(&list);
        let directory = &self.client.context.directory;
        directory.learn_teams(&list.channels, async || self.client.teams().await).await;
        let news = self.submit(&list, clock).await.map_err(|_| CloseReason::DeliveryDied)?;
        self.listed_at = list.date.unwrap_or_else(|| self.known_server_time());
        self.oldest = self.oldest_recoverable();
        self.update_progress(|progress| progress.channels += news.len());
        let this = &*self;
        let channels: HashMap<&ChannelId, &Channel> =
            list.channels.iter().map(|channel| (&channel.id, channel)).collect();
        let skipped: Vec<Option<ChannelId>> = stream::iter(&news)
            .map(|news| this.read_channel(news, channels.get(&news.channel).copied()))
            .buffer_unordered(CONCURRENT_CHANNELS)
            .try_collect()
            .await?;
        Ok(skipped.into_iter().flatten().collect())
    }

    /// Submits the list in parts, between which the other accounts of this thread go on. Returns the channels with news.
    async fn submit(
        &self,
        list: &ChannelList,
        clock: Option<ServerClock>,
    ) -> Result<Vec<ChannelBacklog>, MailboxError> {
        let (server_time, is_complete) = (self.server_time, list.odd.is_empty());
        self.delivery.send(BeginListing { server_time, clock, is_complete }).await?;
        let mut news = Vec::new();
        for part in list.channels.chunks(LISTED_AT_ONCE) {
            self.client.context.directory.add_channels(part.iter());
            news.extend(self.delivery.send(SubmitListed(part.iter().map(listing_entry).collect())).await?);
            yield_now().await;
        }
        news.extend(self.delivery.send(EndListing).await?);
        Ok(news)
    }

    /// Reports what the list lacks.
    fn report_list(&self, list: &ChannelList) {
        for OddRow { id, cause } in &list.odd {
            let (channel, cause) = (ChannelId::from(&**id), Excerpt::of(cause));
            self.observe(Fact::RowSkipped { channel, post: None, cause });
        }
        if let Some(limit) = list.cut_at {
            self.observe(Fact::ChannelsLeftOut { limit });
        }
    }

    /// Returns a lower bound of the server's time.
    fn known_server_time(&self) -> i64 {
        self.client.context.replay.with(|replay| replay.account().server_time)
    }

    fn oldest_recoverable(&self) -> Option<i64> {
        let max_age = self.client.context.settings.catch_up.max_age_ms();
        max_age.map(|age| self.known_server_time().saturating_sub(age))
    }

    /// Reads one channel and returns its id if the server refuses access to it: the others are still read.
    async fn read_channel(
        &self,
        news: &ChannelBacklog,
        channel: Option<&Channel>,
    ) -> Result<Option<ChannelId>, CloseReason> {
        let result = match news.kind {
            BacklogKind::Known | BacklogKind::Joining => self.channel_catch_up(news, channel).run().await,
            BacklogKind::Unlisted => match self.client.channel(&news.channel).await {
                Ok(channel) => {
                    self.client.context.directory.add_channels(channel.iter());
                    self.channel_catch_up(news, channel.as_ref()).run().await
                }
                Err(error) => Err(error),
            },
        };
        self.update_progress(|progress| progress.done += 1);
        match result {
            Ok(()) | Err(ChannelReadError::Postponed) => Ok(None),
            Err(ChannelReadError::EndConnection(reason)) => Err(reason),
            Err(ChannelReadError::Undecided) => Ok(Some(news.channel.clone())),
            Err(ChannelReadError::Refused(error)) => {
                self.skip_channel(news, Excerpt::of(&error)).await?;
                Ok(Some(news.channel.clone()))
            }
        }
    }

    fn channel_catch_up<'a>(
        &'a self,
        news: &'a ChannelBacklog,
        channel: Option<&'a Channel>,
    ) -> ChannelCatchUp<'a> {
        ChannelCatchUp::new(self, news, channel)
    }

    /// Reports a channel that cannot be read, once. If the list lacks it too, and goes on refusing, the account has left it.
    async fn skip_channel(&self, news: &ChannelBacklog, cause: Excerpt) -> Result<(), CloseReason> {
        let channel = news.channel.clone();
        let refusal = self.client.context.replay.with(|replay| replay.count_refusal(&channel));
        if refusal.is_first {
            self.observe(Fact::ChannelSkipped { channel: channel.clone(), cause });
        }
        if news.kind == BacklogKind::Unlisted && refusal.counts_as_left {
            self.delivery.send(LeftChannel(channel)).await.map_err(|_| CloseReason::DeliveryDied)?;
        }
        Ok(())
    }

    /// Learns the names of the posts' authors that are not known yet. They are not important enough to fail.
    pub(super) async fn learn_authors(&self, posts: &[Post]) {
        let directory = &self.client.context.directory;
        let unknown = directory.unknown_users(posts.iter().map(|post| &post.user_id));
        if !unknown.is_empty()
            && let Some(users) = self.client.users(&unknown).await
        {
            directory.add_users(users.iter());
        }
    }

    pub(super) fn max_posts(&self) -> usize {
        self.client.context.settings.catch_up.max_posts_per_channel
    }

    pub(super) fn observe(&self, fact: Fact) {
        self.client.context.observe(self.generation, fact);
    }

    pub(super) fn count_recovered(&self) {
        self.client.context.stats.count_recovered();
        self.update_progress(|progress| progress.recovered += 1);
    }

    fn update_progress(&self, change: impl FnOnce(&mut CatchUpProgress)) {
        let mut progress = self.progress.get();
        change(&mut progress);
        self.progress.set(progress);
        self.client.context.stats.set_catch_up_progress(Some(progress));
    }

    /// Publishes the progress if the last report is old enough.
    pub(super) fn report_progress(&self) {
        if now().saturating_duration_since(self.reported_at.get()) >= REPORT_EVERY {
            self.reported_at.set(now());
            self.observe(Fact::CatchingUp(self.progress.get()));
        }
    }
}

pub(super) fn listing_entry(channel: &Channel) -> ListedChannel {
    ListedChannel {
        channel: channel.id.clone(),
        create_at: channel.create_at,
        // A list always has it. A channel without one has no news until it gets one.
        last_post_at: channel.last_post_at.unwrap_or_default(),
        is_direct: matches!(channel.kind, ChannelKind::Direct | ChannelKind::Group),
    }
}
