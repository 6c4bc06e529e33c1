//! Catching up: the channels are listed, and those with news are read, before a Connection is ready.
pub(crate) mod channel;
pub(crate) mod page;
pub(crate) mod synthesize;

use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::Addr;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use self::{
    channel::ChannelCatchUp,
    page::{CatchUpClient, ChannelReadError},
};
use super::context::now;
use super::delivery::{Delivery, FinishRound, LeftChannel, Permits, SubmitListing};
use crate::{
    mattermost::{Channel, ChannelKind},
    model::{AccountUser, CatchUpProgress, ChannelId, CloseReason, Fact, Generation},
    policy::{BacklogKind, ChannelBacklog, ListedChannel},
};

/// Channels of one account that are read at the same time: the gate shares the requests out anyway.
const SIDE_BY_SIDE: usize = 4;

/// Rounds after which a catch-up gives up: each overflowed with live events, and the sink is no match for the server.
const MOST_ROUNDS: usize = 50;

/// How often a long catch-up says how far it is.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// What one catch-up of one Connection works with.
pub(in crate::hosting) struct CatchUp {
    pub(in crate::hosting) client: CatchUpClient,
    pub(in crate::hosting) delivery: Addr<Delivery>,
    pub(in crate::hosting) permits: Permits,
    pub(in crate::hosting) generation: Generation,
    pub(in crate::hosting) connection_id: Arc<str>,
    /// The account's own user.
    pub(in crate::hosting) me: AccountUser,
    /// It is this late at least, by the server's clock: when the account was last touched.
    pub(in crate::hosting) server_time: i64,
    /// Older posts are left out, in server milliseconds.
    pub(in crate::hosting) oldest: Option<i64>,
    pub(in crate::hosting) progress: Cell<CatchUpProgress>,
    /// When the progress was last told.
    pub(in crate::hosting) reported_at: Cell<Instant>,
}

impl CatchUp {
    /// Fetches what was missed, until a round ends with all that came live meanwhile kept.
    pub(in crate::hosting) async fn run(mut self) -> Result<(), CloseReason> {
        let began = now();
        for _ in 0..MOST_ROUNDS {
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
        Err(CloseReason::CatchUpFailed { cause: format!("live events overflowed {MOST_ROUNDS} rounds") })
    }

    /// One listing, and all channels with news. Gives back those that could not be read.
    async fn round(&mut self) -> Result<Vec<ChannelId>, CloseReason> {
        let channels = self.client.channels().await?;
        let listing = channels.iter().map(listing_entry).collect();
        let shown = SubmitListing { listing, server_time: self.server_time };
        let news = self.delivery.send(shown).await.map_err(|_| CloseReason::DeliveryDied)?;
        self.oldest = self.oldest_wanted();
        self.progress(|progress| progress.channels += news.len());
        let this = &*self;
        let skipped: Vec<Option<ChannelId>> = stream::iter(&news)
            .map(|news| this.channel(news, channels.iter().find(|channel| channel.id == news.channel)))
            .buffer_unordered(SIDE_BY_SIDE)
            .try_collect()
            .await?;
        Ok(skipped.into_iter().flatten().collect())
    }

    fn oldest_wanted(&self) -> Option<i64> {
        let context = &self.client.context;
        let server_time = context.replay.with(|replay| replay.account().server_time);
        context.settings.catch_up.max_age_ms().map(|age| server_time.saturating_sub(age))
    }

    /// One channel. One that refuses is left out, and does not stop the others.
    async fn channel(
        &self,
        news: &ChannelBacklog,
        channel: Option<&Channel>,
    ) -> Result<Option<ChannelId>, CloseReason> {
        let result = match news.kind {
            BacklogKind::Known | BacklogKind::Joining => self.channel_catch_up(news, channel).run().await,
            BacklogKind::Unlisted => match self.client.channel(&news.channel).await {
                Ok(channel) => self.channel_catch_up(news, Some(&channel)).run().await,
                Err(error) => Err(error),
            },
        };
        self.progress(|progress| progress.done += 1);
        match result {
            Ok(()) => Ok(None),
            Err(ChannelReadError::EndConnection(reason)) => Err(reason),
            Err(ChannelReadError::Refused(error)) => {
                self.refused(news, error.to_string()).await?;
                Ok(Some(news.channel.clone()))
            }
        }
    }

    fn channel_catch_up<'a>(
        &'a self,
        news: &'a ChannelBacklog,
        channel: Option<&'a Channel>,
    ) -> ChannelCatchUp<'a> {
        ChannelCatchUp { catch_up: self, news, channel, is_member: true }
    }

    /// A channel that cannot be read is told once. One that the list lacks as well is none of the account's any more.
    async fn refused(&self, news: &ChannelBacklog, cause: String) -> Result<(), CloseReason> {
        let channel = news.channel.clone();
        if self.client.context.replay.with(|replay| replay.is_newly_refused(&channel)) {
            self.observe(Fact::ChannelSkipped { channel: channel.clone(), cause });
        }
        if news.kind == BacklogKind::Unlisted {
            self.delivery.send(LeftChannel(channel)).await.map_err(|_| CloseReason::DeliveryDied)?;
        }
        Ok(())
    }

    pub(in crate::hosting) fn limit(&self) -> usize {
        self.client.context.settings.catch_up.max_posts_per_channel
    }

    pub(in crate::hosting) fn observe(&self, fact: Fact) {
        self.client.context.observe(self.generation, fact);
    }

    pub(in crate::hosting) fn count_recovered(&self) {
        self.client.context.stats.count_recovered();
        self.progress(|progress| progress.recovered += 1);
    }

    fn progress(&self, change: impl FnOnce(&mut CatchUpProgress)) {
        let mut progress = self.progress.get();
        change(&mut progress);
        self.progress.set(progress);
        self.client.context.stats.set_catch_up_progress(Some(progress));
    }

    /// Says how far it is, if it has not for a while.
    pub(in crate::hosting) fn report_progress(&self) {
        if now().saturating_duration_since(self.reported_at.get()) >= REPORT_EVERY {
            self.reported_at.set(now());
            self.observe(Fact::CatchingUp(self.progress.get()));
        }
    }
}

pub(in crate::hosting) fn listing_entry(channel: &Channel) -> ListedChannel {
    ListedChannel {
        channel: channel.id.clone(),
        create_at: channel.create_at,
        // A list always has it; a channel without is looked at as soon as it has.
        last_post_at: channel.last_post_at.unwrap_or_default(),
        is_direct: matches!(channel.kind, ChannelKind::Direct | ChannelKind::Group),
    }
}
