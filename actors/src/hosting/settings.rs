//! What an operator may set for all accounts of a host.

use std::time::Duration;

use crate::policy::{PingSettings, ReplaySettings, RestartPolicy, StartFrom};

/// What an operator may set for all accounts of a host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostSettings {
    /// Budget and delays.
    pub restart: RestartPolicy,
    /// The witnesses.
    pub health: HealthSettings,
    /// The queue before the sink.
    pub delivery: DeliverySettings,
    /// Fetching what was missed.
    pub catch_up: CatchUpSettings,
    /// Looking for what was never received.
    pub audit: AuditSettings,
    /// What bots post.
    pub replies: ReplySettings,
    /// How long to wait for the hello after the upgrade.
    pub hello_timeout: Duration,
    /// How long a Connection may take to stop before it is abandoned.
    pub stop_deadline: Duration,
    /// Arbiters (threads) that accounts are spread over; 0 puts them on the Supervisor's own.
    pub arbiters: usize,
}

/// Which witnesses of deafness there are, and how often they look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HealthSettings {
    /// Poll `/users/me` and compare `update_at` with the baseline.
    pub poll: bool,
    /// From one poll to the next.
    pub poll_interval: Duration,
    /// Ping in-band.
    pub ping: bool,
    /// How often to ping, and how long to wait for the answer.
    pub ping_limits: PingSettings,
    /// Heed what other hosted accounts hear about an account.
    pub witness: bool,
}

/// The queue between an account's socket and its sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliverySettings {
    /// Frames that may wait for the sink; each further 16 KiB of a large frame count as another. When they are
    /// used up the socket is not read.
    pub queue: usize,
    /// Events of one account that the sink may hold unanswered at once.
    pub in_flight: usize,
    /// Pass over what the account posted itself: its posts, and their edits and deletions.
    pub skip_own: bool,
}

/// Fetching what was posted while an account was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatchUpSettings {
    /// How much younger than the anchor of a cursor the newest acknowledged post is at least, in server time: posts
    /// that become visible after younger ones by less than this are found.
    pub overlap: Duration,
    /// About the most posts fetched of one channel at one catch-up. Beyond it the oldest are left out, and that is told.
    pub max_posts_per_channel: usize,
    /// Posts that are older than this, in server time, are left out, and that is told; none is a limit.
    pub max_age: Option<Duration>,
    /// Where an account begins that nothing is known of.
    pub from: StartFrom,
}

/// Looking for what was never received, whatever the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditSettings {
    /// Whether to look.
    pub enabled: bool,
    /// From one audit of an account to the next.
    pub interval: Duration,
    /// How long a Connection is ready before its first audit.
    pub grace: Duration,
}

/// What bots post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplySettings {
    /// How long a reply may take, from when it was asked for: waiting for the account, the rate limit and the server
    /// included.
    pub deadline: Duration,
    /// Requests of one account on their way at once.
    pub in_flight: usize,
    /// How many posts in a row in one channel may be by bots of this host before their answers are refused, until
    /// somebody else posts; 0 is no limit.
    pub loop_limit: u32,
}

impl CatchUpSettings {
    /// What a book goes by.
    pub fn replay_settings(&self) -> ReplaySettings {
        ReplaySettings { overlap_ms: ms(self.overlap), from: self.from }
    }

    /// The greatest age in milliseconds, as the server counts.
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
            // One or two requests an account; what nothing else notices waits no longer.
            interval: Duration::from_secs(300),
            // What was made around the hello has settled by then.
            grace: Duration::from_secs(30),
        }
    }
}

impl Default for ReplySettings {
    fn default() -> Self {
        Self {
            // A restart of the server fits in; whoever waits longer for an answer has gone.
            deadline: Duration::from_secs(120),
            // Most of the REST connections that all accounts of an Arbiter share.
            in_flight: 4,
            // More than any conversation of bots that means something, and less than anybody would have to delete.
            loop_limit: 20,
        }
    }
}

impl Default for CatchUpSettings {
    fn default() -> Self {
        Self {
            // A recorded server was late by 30 ms (fact 23); a database that is recovering may need seconds.
            overlap: Duration::from_secs(10),
            // A long weekend of a busy channel.
            max_posts_per_channel: 100_000,
            // Nothing is lost for its age unless somebody wants that.
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
            // The server itself drops a socket without a valid token after 5 s (fact 1).
            hello_timeout: Duration::from_secs(10),
            // Stopping is one message and a close frame; what takes longer hangs.
            stop_deadline: Duration::from_secs(5),
            arbiters: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            poll: true,
            // One empty 304 in half a minute; a lone account is heard again within that.
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
            // As many as the server queues for a client (fact 17): together they ride out a pause of a busy bot,
            // in at most 4 MiB.
            queue: 256,
            in_flight: 16,
            // A bot that answers its own posts never stops.
            skip_own: true,
        }
    }
}
