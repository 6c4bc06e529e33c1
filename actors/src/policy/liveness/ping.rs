//! The in-band ping, which shows that a socket is alive and receives events (facts 3, 4, 22).

use std::time::{Duration, Instant};

/// The shortest time between two pings of a socket that no setting goes below: a bot that hears again after a second is
/// quick enough, and a second is more than a round trip.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// The interval and the timeout of pings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PingSettings {
    /// The longest time between two pings of a socket.
    pub interval: Duration,
    /// The pings per second that the connected accounts of a server share; few accounts ping more often than
    /// `interval` requires, down to once a second.
    pub per_second: f64,
    /// The time after a ping, or after the last frame received since, until the socket counts as silent.
    pub timeout: Duration,
}

impl Default for PingSettings {
    fn default() -> Self {
        Self {
            // A deaf bot is noticed within half a minute, at the cost of one small frame.
            interval: Duration::from_secs(30),
            // A hundred small frames per second are a negligible load, and no request of the rate limit.
            per_second: 100.0,
            // A later answer is useless to the people who wait for the bot.
            timeout: Duration::from_secs(10),
        }
    }
}

impl PingSettings {
    /// Returns the time between two pings of a socket while this many accounts of the server are connected.
    pub(crate) fn interval_for(&self, connected: usize) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "a host has fewer than 2^52 accounts")]
        let share = Duration::try_from_secs_f64(connected as f64 / self.per_second);
        share.map_or(self.interval, |share| share.max(SHORTEST_INTERVAL).min(self.interval))
    }
}

/// The next action of a ping monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PingAction {
    /// Wait until the given time.
    Wait(Instant),
    /// Wait until reading resumes.
    Paused,
    /// Send a ping and call [`PingMonitor::ping_sent`].
    Ping,
    /// End the socket: it is silent.
    Silent,
}

/// The ping state of a socket. Time in which our own reading is paused counts neither as silence nor as waiting.
#[derive(Debug)]
pub(crate) struct PingMonitor {
    settings: PingSettings,
    /// The time between pings at the moment, at most that of the settings.
    interval: Duration,
    next_ping: Instant,
    last_ping: Option<Instant>,
    /// The ping that has not been answered yet.
    pending: Option<PendingPing>,
    /// The time of the last frame in either direction, as far as the socket itself is concerned.
    last_traffic: Instant,
    paused_since: Option<Instant>,
    resumed_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct PendingPing {
    seq: u64,
    sent: Instant,
    deadline: Instant,
    /// True once any frame has arrived since the ping.
    frame_arrived: bool,
}

impl PingMonitor {
    /// Creates a monitor for a socket that was just opened.
    pub(crate) fn new(now: Instant, settings: PingSettings) -> Self {
        Self {
            settings,
            interval: settings.interval,
            next_ping: now + settings.interval,
            last_ping: None,
            pending: None,
            last_traffic: now,
            paused_since: None,
            resumed_at: None,
        }
    }

    /// Changes the settings. The next ping is sent no later than they require; a pending ping keeps its deadline.
    pub(crate) fn configure(&mut self, now: Instant, settings: PingSettings) {
        self.settings = settings;
        self.set_interval(now, settings.interval);
    }

    /// Changes the time between pings. The next ping is sent no later than it requires.
    pub(crate) fn set_interval(&mut self, now: Instant, interval: Duration) {
        self.interval = interval;
        self.next_ping = self.next_ping.min(now + interval);
    }

    /// Makes the next ping due at once, but at least a second after the last.
    pub(crate) fn ping_soon(&mut self, now: Instant) {
        let earliest = self.last_ping.map_or(now, |last| now.max(last + SHORTEST_INTERVAL));
        self.next_ping = self.next_ping.min(earliest);
    }

    /// Returns the next action.
    pub(crate) fn next_action(&mut self, now: Instant) -> PingAction {
        if self.paused_since.is_some() {
            return PingAction::Paused;
        }
        match self.pending {
            Some(pending) if now < pending.deadline => PingAction::Wait(pending.deadline),
            Some(pending) if !pending.frame_arrived => PingAction::Silent,
            // The answer is missing although frames arrive: send another ping.
            Some(_) => {
                self.pending = None;
                PingAction::Ping
            }
            None if now < self.next_ping => PingAction::Wait(self.next_ping),
            None => PingAction::Ping,
        }
    }

    /// Records a ping with its sequence number.
    pub(crate) fn ping_sent(&mut self, now: Instant, seq: u64) {
        self.next_ping = now + self.interval;
        self.last_ping = Some(now);
        self.last_traffic = now;
        self.pending =
            Some(PendingPing { seq, sent: now, deadline: now + self.settings.timeout, frame_arrived: false });
    }

    /// Records that a frame arrived.
    pub(crate) fn frame_received(&mut self, now: Instant) {
        self.last_traffic = now;
        if let Some(pending) = &mut self.pending {
            pending.frame_arrived = true;
            pending.deadline = pending.deadline.max(now + self.settings.timeout);
        }
    }

    /// Returns the time since the last frame in either direction.
    pub(crate) fn quiet_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_traffic)
    }

    /// Records a reply. Returns the response time if it answers the pending ping.
    pub(crate) fn reply_received(&mut self, now: Instant, seq: u64) -> Option<Duration> {
        let pending = self.pending.filter(|pending| pending.seq == seq)?;
        self.pending = None;
        Some(now.saturating_duration_since(pending.sent))
    }

    /// Records that our own reading is paused.
    pub(crate) fn reading_paused(&mut self, now: Instant) {
        self.paused_since.get_or_insert(now);
    }

    /// Records that our own reading resumes. Moves all deadlines by the length of the pause, and returns it.
    pub(crate) fn reading_resumed(&mut self, now: Instant) -> Duration {
        let Some(since) = self.paused_since.take() else { return Duration::ZERO };
        let pause = now.saturating_duration_since(since);
        self.resumed_at = Some(now);
        self.next_ping += pause;
        if let Some(pending) = &mut self.pending {
            pending.deadline += pause;
        }
        pause
    }

    /// Returns the length of the current pause of our own reading.
    pub(crate) fn paused_for(&self, now: Instant) -> Option<Duration> {
        self.paused_since.map(|since| now.saturating_duration_since(since))
    }

    /// True if our own reading is paused, or was until so recently that it may have caused a loss detected now: a
    /// server that gave up meanwhile is noticed only once the frames it sent before have been read.
    pub(crate) fn is_behind(&self, now: Instant) -> bool {
        let recently = |at: Instant| now.saturating_duration_since(at) < self.settings.timeout;
        self.paused_since.is_some() || self.resumed_at.is_some_and(recently)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fresh() -> (Instant, PingMonitor) {
        let now = Instant::now();
        (now, PingMonitor::new(now, PingSettings::default()))
    }

    #[test]
    fn few_accounts_ping_often_and_many_share_the_rate() {
        let settings = PingSettings::default();
        for (connected, seconds) in
            [(0, 1.0), (1, 1.0), (100, 1.0), (250, 2.5), (1_000, 10.0), (3_000, 30.0), (10_000, 30.0)]
        {
            assert_eq!(
                settings.interval_for(connected),
                Duration::from_secs_f64(seconds),
                "{connected} connected"
            );
        }
        let quick = PingSettings { interval: Duration::from_millis(300), ..settings };
        assert_eq!(quick.interval_for(1), quick.interval, "the operator's interval is the longest");
        let none = PingSettings { per_second: 0.0, ..settings };
        assert_eq!(none.interval_for(1), none.interval);
    }

    #[test]
    fn a_shorter_interval_applies_to_the_next_ping() {
        let (start, mut monitor) = fresh();
        monitor.set_interval(start, SECOND);
        assert_eq!(monitor.next_action(start), PingAction::Wait(start + SECOND));
        monitor.ping_sent(start + SECOND, 1);
        monitor.reply_received(start + SECOND, 1);
        assert_eq!(monitor.next_action(start + SECOND), PingAction::Wait(start + 2 * SECOND));
    }

    #[test]
    fn a_ping_that_is_needed_soon_is_sent_at_once_and_at_most_once_a_second() {
        let (start, mut monitor) = fresh();
        monitor.ping_soon(start);
        assert_eq!(monitor.next_action(start), PingAction::Ping);
        monitor.ping_sent(start, 1);
        monitor.reply_received(start, 1);
        monitor.ping_soon(start + SECOND / 2);
        assert_eq!(monitor.next_action(start + SECOND / 2), PingAction::Wait(start + SECOND));
    }

    #[test]
    fn a_ping_every_interval_and_silence_after_the_timeout() {
        let (start, mut monitor) = fresh();
        assert_eq!(monitor.next_action(start), PingAction::Wait(start + 30 * SECOND));
        let first = start + 30 * SECOND;
        assert_eq!(monitor.next_action(first), PingAction::Ping);
        monitor.ping_sent(first, 1);
        assert_eq!(monitor.next_action(first), PingAction::Wait(first + 10 * SECOND));
        assert_eq!(monitor.reply_received(first + SECOND, 7), None, "a reply to another request");
        assert_eq!(monitor.reply_received(first + SECOND, 1), Some(SECOND));
        let second = start + 60 * SECOND;
        assert_eq!(monitor.next_action(second), PingAction::Ping);
        monitor.ping_sent(second, 2);
        assert_eq!(monitor.next_action(second + 10 * SECOND), PingAction::Silent);
    }

    #[test]
    fn a_socket_that_talks_is_not_silent_but_asked_again() {
        let (start, mut monitor) = fresh();
        let ping = start + 30 * SECOND;
        monitor.ping_sent(ping, 1);
        monitor.frame_received(ping + 9 * SECOND);
        assert_eq!(monitor.next_action(ping + 10 * SECOND), PingAction::Wait(ping + 19 * SECOND));
        assert_eq!(monitor.next_action(ping + 19 * SECOND), PingAction::Ping);
    }

    #[test]
    fn minutes_of_paused_reading_are_no_silence() {
        let (start, mut monitor) = fresh();
        let ping = start + 30 * SECOND;
        monitor.ping_sent(ping, 1);
        monitor.reading_paused(ping + 4 * SECOND);
        monitor.reading_paused(ping + 5 * SECOND);
        assert_eq!(monitor.next_action(ping + 300 * SECOND), PingAction::Paused);
        assert_eq!(monitor.reading_resumed(ping + 304 * SECOND), 300 * SECOND);
        assert!(monitor.is_behind(ping + 313 * SECOND) && !monitor.is_behind(ping + 314 * SECOND));
        assert_eq!(monitor.next_action(ping + 309 * SECOND), PingAction::Wait(ping + 310 * SECOND));
        assert_eq!(monitor.next_action(ping + 310 * SECOND), PingAction::Silent);
    }
}
