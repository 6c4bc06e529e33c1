use std::time::{Duration, Instant};

use crate::policy::{Backoff, Delays};

/// The intervals of probes while a server is down: short enough that bots return when people do.
const PROBE_DELAYS: Delays =
    Delays { min: Duration::from_secs(1), max: Duration::from_secs(10), random_factor: 0.2 };
/// The time after a successful probe in which a failed request does not start another.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// The availability of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerStatus {
    /// The server answers, as far as is known.
    Up,
    /// The server does not answer.
    Down,
}

/// A detector of server outages. One probe without a token replaces the attempts of all accounts.
#[derive(Debug)]
pub(crate) struct ServerProbe {
    status: ServerStatus,
    /// True while a probe is in flight.
    in_flight: bool,
    answered_at: Option<Instant>,
    /// The time of the failure that started the probes.
    down_since: Option<Instant>,
    delays: Backoff,
}

impl Default for ServerProbe {
    fn default() -> Self {
        Self {
            status: ServerStatus::Up,
            in_flight: false,
            answered_at: None,
            down_since: None,
            delays: Backoff::new(PROBE_DELAYS),
        }
    }
}

impl ServerProbe {
    /// Returns the availability of the server.
    pub(crate) fn status(&self) -> ServerStatus {
        self.status
    }

    /// Returns the time of the failure that started the last probes, for a server that is down.
    pub(crate) fn down_since(&self) -> Option<Instant> {
        self.down_since
    }

    /// Records that a request could not reach the server. Returns true if a probe must be sent now.
    pub(crate) fn request_failed(&mut self, now: Instant) -> bool {
        let recently_answered =
            self.answered_at.is_some_and(|at| now.saturating_duration_since(at) < TRUSTED_FOR);
        if self.in_flight || self.status == ServerStatus::Down || recently_answered {
            return false;
        }
        self.in_flight = true;
        self.down_since = Some(now);
        true
    }

    /// Records the start of a scheduled probe.
    pub(crate) fn probe_started(&mut self) {
        self.in_flight = true;
    }

    /// Records the answer to a probe: any status below 500, such as 404 or 429. Returns true if the server was
    /// down.
    pub(crate) fn probe_answered(&mut self, now: Instant) -> bool {
        self.in_flight = false;
        self.answered_at = Some(now);
        self.delays.reset();
        std::mem::replace(&mut self.status, ServerStatus::Up) == ServerStatus::Down
    }

    /// Records a failed probe. Returns the delay until the next, and true if the server was up.
    pub(crate) fn probe_failed(&mut self) -> (Duration, bool) {
        self.in_flight = false;
        let was_up = std::mem::replace(&mut self.status, ServerStatus::Down) == ServerStatus::Up;
        (self.delays.next_delay(), was_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_starts_one_probe_for_all() {
        let now = Instant::now();
        let mut probe = ServerProbe::default();
        assert!(probe.request_failed(now));
        assert!(!probe.request_failed(now), "one probe serves all requests");
        assert!(!probe.probe_answered(now), "it was up all the time");
        assert!(!probe.request_failed(now + TRUSTED_FOR / 2), "a recent answer is trusted");
        assert!(probe.request_failed(now + TRUSTED_FOR));
    }

    #[test]
    fn the_server_is_down_until_a_probe_succeeds() {
        let now = Instant::now();
        let mut probe = ServerProbe::default();
        probe.request_failed(now);
        assert!(probe.probe_failed().1, "it was up");
        assert_eq!(probe.status(), ServerStatus::Down);
        assert!(!probe.request_failed(now), "the gate schedules further probes");
        probe.probe_started();
        let (wait, was_up) = probe.probe_failed();
        assert!(
            !was_up && wait >= Duration::from_millis(1_600) && wait <= Duration::from_millis(2_400),
            "{wait:?}"
        );
        assert!(probe.probe_answered(now));
        assert_eq!(probe.status(), ServerStatus::Up);
    }
}
