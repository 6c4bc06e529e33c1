//! Is the server down? One knock for all, without a token, instead of every account trying for itself.

use std::time::{Duration, Instant};

use crate::policy::{Backoff, Delays};

/// How often to knock at a server that is down: soon enough that bots are back when people are.
const KNOCKS: Delays =
    Delays { min: Duration::from_secs(1), max: Duration::from_secs(10), random_factor: 0.2 };
/// After a knock that was answered, failures are the callers' own for so long.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// What is known of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerStatus {
    /// It answers, as far as is known.
    Up,
    /// It does not answer.
    Down,
}

/// Knows whether a server is down, and when to knock.
#[derive(Debug)]
pub(crate) struct ServerProbe {
    status: ServerStatus,
    /// A knock is on its way.
    on_its_way: bool,
    answered_at: Option<Instant>,
    /// When the failure was told that the knocks began with.
    since: Option<Instant>,
    delays: Backoff,
}

impl Default for ServerProbe {
    fn default() -> Self {
        Self {
            status: ServerStatus::Up,
            on_its_way: false,
            answered_at: None,
            since: None,
            delays: Backoff::new(KNOCKS),
        }
    }
}

impl ServerProbe {
    /// What is known of the server.
    pub(crate) fn status(&self) -> ServerStatus {
        self.status
    }

    /// Since when the server has not answered, as far as is known.
    pub(crate) fn down_since(&self) -> Option<Instant> {
        self.since
    }

    /// A caller could not reach the server. Says whether to knock now.
    pub(crate) fn request_failed(&mut self, now: Instant) -> bool {
        let believed = self.answered_at.is_some_and(|at| now.saturating_duration_since(at) < BELIEVED_FOR);
        if self.on_its_way || self.status == ServerStatus::Down || believed {
            return false;
        }
        self.on_its_way = true;
        self.since = Some(now);
        true
    }

    /// A knock that was scheduled begins.
    pub(crate) fn probe_started(&mut self) {
        self.on_its_way = true;
    }

    /// A knock was answered: any status below 500 is an answer, a 404 or a 429 too. Says whether that is news.
    pub(crate) fn probe_answered(&mut self, now: Instant) -> bool {
        self.on_its_way = false;
        self.answered_at = Some(now);
        self.delays.reset();
        std::mem::replace(&mut self.status, ServerStatus::Up) == ServerStatus::Down
    }

    /// A knock was not answered. Says when to knock again, and whether that is news.
    pub(crate) fn probe_failed(&mut self) -> (Duration, bool) {
        self.on_its_way = false;
        let news = std::mem::replace(&mut self.status, ServerStatus::Down) == ServerStatus::Up;
        (self.delays.next_delay(), news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_knocks_and_the_others_wait_for_it() {
        let now = Instant::now();
        let mut probe = ServerProbe::default();
        assert!(probe.request_failed(now));
        assert!(!probe.request_failed(now), "one knock for all");
        assert!(!probe.probe_answered(now), "it was up all the time");
        assert!(!probe.request_failed(now + BELIEVED_FOR / 2), "believed for a moment");
        assert!(probe.request_failed(now + BELIEVED_FOR));
    }

    #[test]
    fn down_until_a_knock_is_answered() {
        let now = Instant::now();
        let mut probe = ServerProbe::default();
        probe.request_failed(now);
        assert!(probe.probe_failed().1, "news");
        assert_eq!(probe.status(), ServerStatus::Down);
        assert!(!probe.request_failed(now), "the gate knocks by itself now");
        probe.probe_started();
        let (wait, news) = probe.probe_failed();
        assert!(
            !news && wait >= Duration::from_millis(1_600) && wait <= Duration::from_millis(2_400),
            "{wait:?}"
        );
        assert!(probe.probe_answered(now));
        assert_eq!(probe.status(), ServerStatus::Up);
    }
}
