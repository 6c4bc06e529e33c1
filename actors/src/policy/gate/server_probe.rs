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
    /// Something answers without a token, but not as Mattermost does: a proxy's page, a redirect, a refusal.
    Refusing,
    /// The server does not answer.
    Down,
}

/// A change that a probe's answer brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusChange {
    /// The server is down.
    Down,
    /// The server was down and answers, but not as Mattermost does.
    Answers,
    /// The server answered well before, and now something else answers.
    Refuses,
    /// The server answers well again.
    Well,
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
        if self.in_flight || self.status == ServerStatus::Down || self.answered_recently(now) {
            return false;
        }
        self.in_flight = true;
        self.down_since = Some(now);
        true
    }

    /// Records that an account was refused in a way that a proxy in front of the server could be the cause of. Returns
    /// true if a probe must be sent now: if it is refused too, the trouble is the server's and not the account's.
    pub(crate) fn account_refused(&mut self, now: Instant) -> bool {
        self.status == ServerStatus::Up && self.request_failed(now)
    }

    fn answered_recently(&self, now: Instant) -> bool {
        self.answered_at.is_some_and(|at| now.saturating_duration_since(at) < TRUSTED_FOR)
    }

    /// Records the start of a scheduled probe.
    pub(crate) fn probe_started(&mut self) {
        self.in_flight = true;
    }

    /// Records a good answer to a probe. Returns the change, if it is one.
    pub(crate) fn probe_answered(&mut self, now: Instant) -> Option<StatusChange> {
        self.in_flight = false;
        self.answered_at = Some(now);
        self.delays.reset();
        let was = std::mem::replace(&mut self.status, ServerStatus::Up);
        (was != ServerStatus::Up).then_some(StatusChange::Well)
    }

    /// Records an answer below 500 that is not Mattermost's, such as a 404 or a page. Returns the delay until the next
    /// probe, and the change, if it is one. Requests are not held back: not everything need be refused.
    pub(crate) fn probe_refused(&mut self) -> (Duration, Option<StatusChange>) {
        self.in_flight = false;
        let change = match std::mem::replace(&mut self.status, ServerStatus::Refusing) {
            ServerStatus::Up => Some(StatusChange::Refuses),
            ServerStatus::Down => Some(StatusChange::Answers),
            ServerStatus::Refusing => None,
        };
        (self.delays.next_delay(), change)
    }

    /// Records a failed probe. Returns the delay until the next, and the change, if it is one.
    pub(crate) fn probe_failed(&mut self) -> (Duration, Option<StatusChange>) {
        self.in_flight = false;
        let was = std::mem::replace(&mut self.status, ServerStatus::Down);
        (self.delays.next_delay(), (was != ServerStatus::Down).then_some(StatusChange::Down))
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
        assert!(!probe.request_failed(now), "one probe serves all requests");
        assert_eq!(probe.probe_answered(now), None, "it was up all the time");
        assert!(!probe.request_failed(now + TRUSTED_FOR / 2), "a recent answer is trusted");
        assert!(probe.request_failed(now + TRUSTED_FOR));
    }

    #[test]
    fn down_until_a_knock_is_answered() {
        let now = Instant::now();
        let mut probe = ServerProbe::default();
        probe.request_failed(now);
        assert_eq!(probe.probe_failed().1, Some(StatusChange::Down));
        assert_eq!(probe.status(), ServerStatus::Down);
        assert!(!probe.request_failed(now), "the gate schedules further probes");
        probe.probe_started();
        let (wait, change) = probe.probe_failed();
        assert!(
            change.is_none() && wait >= Duration::from_millis(1_600) && wait <= Duration::from_millis(2_400),
            "{wait:?}"
        );
        assert_eq!(probe.probe_answered(now), Some(StatusChange::Well));
        assert_eq!(probe.status(), ServerStatus::Up);
    }

    #[test]
    fn a_refused_probe_is_repeated_until_it_is_answered_well() {
        let now = Instant::now();
        let mut probe = ServerProbe::default();
        assert!(probe.account_refused(now));
        assert_eq!(probe.probe_refused().1, Some(StatusChange::Refuses));
        assert!(!probe.account_refused(now), "the gate schedules further probes");
        assert_eq!(probe.probe_refused().1, None);
        assert!(probe.request_failed(now), "it may be down now");
        assert_eq!(probe.probe_failed().1, Some(StatusChange::Down));
        assert_eq!(probe.probe_refused().1, Some(StatusChange::Answers));
        assert_eq!(probe.probe_answered(now), Some(StatusChange::Well));
        assert!(!probe.account_refused(now), "a recent answer is trusted: the account itself is refused");
    }
}
