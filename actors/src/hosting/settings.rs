//! Settings that apply to all accounts of a host.

use std::{sync::Arc, time::Duration};

use crate::{
    mattermost::MAX_CHANNELS,
    policy::{PingSettings, ReplaySettings, RestartPolicy, StartFrom},
};

/// The settings of all accounts of a host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostSettings {
    /// Restart budget and delays.
    pub restart: RestartPolicy,
    /// Detection of deaf sockets.
    pub health: HealthSettings,
    /// The queue between socket and sink.
    pub delivery: DeliverySettings,
    /// Fetching of missed posts.
    pub catch_up: CatchUpSettings,
    /// Audits for posts that were never received.
    pub audit: AuditSettings,
    /// Posts by the accounts themselves.
    pub replies: ReplySettings,
    /// The longest wait for the hello after the WebSocket upgrade.
    pub hello_timeout: Duration,
    /// The longest time that a Connection may take to stop before it is abandoned.
    pub stop_deadline: Duration,
    /// Arbiters (threads) that accounts are spread over; 0 puts all accounts on the Supervisor's own.
    pub arbiters: usize,
    /// The accounts that an Arbiter takes before the next one is used; 0 spreads the accounts from the first on.
    pub accounts_per_arbiter: usize,
}

/// The settings that an account may have for itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AccountSettings {
    /// Restart budget and delays.
    pub restart: RestartPolicy,
    /// Detection of deaf sockets.
    pub health: HealthSettings,
    /// The queue between socket and sink.
    pub delivery: DeliverySettings,
    /// Fetching of missed posts.
    pub catch_up: CatchUpSettings,
    /// Posts by the account. The loop limit is that of the host.
    pub replies: ReplySettings,
}

/// The witnesses that detect a deaf socket, and their intervals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HealthSettings {
    /// True to poll `/users/me` and compare `update_at` with the baseline.
    pub poll: bool,
    /// The time from one poll to the next.
    pub poll_interval: Duration,
    /// True to send in-band pings.
    pub ping: bool,
    /// The interval and the rate of pings, and the longest wait for an answer.
    pub ping_limits: PingSettings,
    /// True to poll an account at once when another hosted account receives an update of it.
    pub witness: bool,
}

/// The queue between an account's socket and its sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliverySettings {
    /// Frames that may wait for the sink; each further 16 KiB of a large frame count as another. The socket is not read
    /// while the queue is full.
    pub queue: usize,
    /// Events of one account that the sink may hold unacknowledged at once.
    pub in_flight: usize,
    /// True to skip the account's own posts, and their edits and deletions.
    pub skip_own: bool,
}

/// Fetching of posts that were made while an account was not connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatchUpSettings {
    /// The least distance between a cursor's anchor and the newest acknowledged post, in server time. A post that becomes
    /// visible after younger ones is found if the delay is shorter.
    pub overlap: Duration,
    /// The approximate limit of posts fetched per channel and catch-up. The oldest beyond it are skipped and reported.
    pub max_posts_per_channel: usize,
    /// The most channels of an account; the others are reported and not read.
    pub max_channels: usize,
    /// The greatest age, in server time, of posts that are fetched; older ones are skipped and reported. `None` is no limit.
    pub max_age: Option<Duration>,
    /// The starting point of an account without stored cursors.
    pub from: StartFrom,
}

/// Audits for posts that were never received, for any cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditSettings {
    /// True to audit accounts at intervals.
    pub enabled: bool,
    /// The time from one audit of an account to the next.
    pub interval: Duration,
    /// The time that a Connection is ready before its first audit.
    pub grace: Duration,
}

/// Posts by the accounts themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplySettings {
    /// The longest time from the request for a reply to its end, including all waits for the account, the rate limit and
    /// the server.
    pub deadline: Duration,
    /// Concurrent requests of one account.
    pub in_flight: usize,
    /// Consecutive posts by bots of this host in one channel after which further replies are refused, until another
    /// user posts; 0 is no limit.
    pub loop_limit: u32,
    /// True if an ephemeral post that the server forbids becomes a direct message to its reader.
    pub whisper_fallback: bool,
}

impl HostSettings {
    /// Returns the settings of an account that may have some of its own.
    pub(super) fn for_account(self: &Arc<Self>, own: Option<&AccountSettings>) -> Arc<Self> {
        let Some(own) = own else { return self.clone() };
        let AccountSettings { restart, health, delivery, catch_up, replies } = *own;
        let replies = ReplySettings { loop_limit: self.replies.loop_limit, ..replies };
        Arc::new(Self { restart, health, delivery, catch_up, replies, ..(**self).clone() })
    }
}

impl CatchUpSettings {
    /// Returns the settings of an account's replay state.
    pub fn replay_settings(&self) -> ReplaySettings {
        ReplaySettings { overlap_ms: ms(self.overlap), from: self.from }
    }

    /// Returns the greatest age in milliseconds, the unit of the server's timestamps.
    pub fn max_age_ms(&self) -> Option<i64> {
        self.max_age.map(ms)
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            // An audit takes one or two requests; a loss that nothing else detects is found within this time.
            interval: Duration::from_secs(300),
            // Posts made around the hello have arrived by then.
            grace: Duration::from_secs(30),
        }
    }
}

impl Default for ReplySettings {
    fn default() -> Self {
        Self {
            // Covers a restart of the server; a user does not wait longer for an answer.
            deadline: Duration::from_secs(120),
            // Most of the REST connections that the accounts of an Arbiter share.
            in_flight: 4,
            // More than a useful conversation between bots, and few enough to delete by hand.
            loop_limit: 20,
            // What is meant for one moment in one channel does not appear elsewhere without being asked for.
            whisper_fallback: false,
        }
    }
}

impl Default for CatchUpSettings {
    fn default() -> Self {
        Self {
            // A recorded server was late by 30 ms (fact 23); a recovering database may need seconds.
            overlap: Duration::from_secs(10),
            // A long weekend in a busy channel.
            max_posts_per_channel: 100_000,
            max_channels: MAX_CHANNELS,
            // By default no post is skipped because of its age.
            max_age: None,
            from: StartFrom::Now,
        }
    }
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            restart: RestartPolicy::default(),
            health: HealthSettings::default(),
            delivery: DeliverySettings::default(),
            catch_up: CatchUpSettings::default(),
            audit: AuditSettings::default(),
            replies: ReplySettings::default(),
            // The server drops a socket without a valid token after 5 s (fact 1).
            hello_timeout: Duration::from_secs(10),
            // Stopping takes one message and a close frame; a Connection that takes longer hangs.
            stop_deadline: Duration::from_secs(5),
            arbiters: std::thread::available_parallelism().map_or(1, usize::from),
            // A bot may run code of its own there, and should have its thread for itself if it can.
            accounts_per_arbiter: 0,
        }
    }
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            poll: true,
            // Cheap (an empty 304), and soon enough for an account without siblings.
            poll_interval: Duration::from_secs(30),
            ping: true,
            ping_limits: PingSettings::default(),
            witness: true,
        }
    }
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            // As many as the server queues for a client (fact 17); both queues together cover a busy bot's pause, in at
            // most 4 MiB.
            queue: 256,
            in_flight: 16,
            // A bot that answers its own posts never stops posting.
            skip_own: true,
        }
    }
}
