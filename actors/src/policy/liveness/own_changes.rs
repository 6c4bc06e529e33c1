//! Changes of the account that its own socket announces (fact 48), and drift that such a change explains.

use std::time::{Duration, Instant};

/// The time after an announced change in which further drift is put to a ping first: a bot that changes itself does it
/// again, and a poll can see the change before its announcement arrives.
const CHANGES_ITSELF_FOR: Duration = Duration::from_secs(60);

/// The circumstances of a drift.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drift {
    /// `update_at` as the account's own socket knows it.
    pub(crate) baseline: i64,
    /// `update_at` as the poll saw it.
    pub(crate) seen: i64,
    /// True if frames may wait unread, because our own reading is paused or was until recently.
    pub(crate) is_behind: bool,
    /// True if pings are turned on.
    pub(crate) can_ping: bool,
}

/// The consequence of a drift, or of the answer to its ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DriftVerdict {
    /// End the Connection.
    End,
    /// Send a ping, and call [`OwnChanges::ping_answered`] when the server accepts it.
    AskPing,
    /// Go on with this baseline.
    Explained(i64),
}

/// The announced changes of one socket's account.
///
/// The socket's events and the answer to a ping come in order: an answer shows that the socket is not deaf and that
/// every announcement sent before it has been read.
#[derive(Debug, Default)]
pub(crate) struct OwnChanges {
    announced_at: Option<Instant>,
    /// True if the account was added to a team: that moves `update_at` without announcing the new value.
    added_to_team: bool,
    /// The drift that was put to a ping.
    asked: Option<Asked>,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    seen: i64,
    after_team: bool,
}

impl OwnChanges {
    /// Records a change that the account's own socket announced.
    pub(crate) fn announced(&mut self, now: Instant) {
        self.announced_at = Some(now);
    }

    /// Records that the account was added to a team.
    pub(crate) fn added_to_team(&mut self) {
        self.added_to_team = true;
    }

    /// Records a drift that a poll saw, and returns its consequence.
    pub(crate) fn drift_seen(&mut self, now: Instant, drift: Drift) -> DriftVerdict {
        if drift.baseline == drift.seen {
            return DriftVerdict::Explained(drift.seen);
        }
        let after_team = std::mem::take(&mut self.added_to_team);
        let changes_itself =
            self.announced_at.is_some_and(|at| now.saturating_duration_since(at) < CHANGES_ITSELF_FOR);
        if !drift.can_ping || !(after_team || changes_itself || drift.is_behind) {
            return DriftVerdict::End;
        }
        self.asked = Some(Asked { seen: drift.seen, after_team });
        DriftVerdict::AskPing
    }

    /// Records that the server accepted a ping. Returns the consequence of the drift that was put to it, if any.
    pub(crate) fn ping_answered(&mut self, baseline: i64) -> Option<(i64, DriftVerdict)> {
        let Asked { seen, after_team } = self.asked.take()?;
        // A change that was announced meanwhile may be newer than the one that the poll saw.
        let after_team = after_team || std::mem::take(&mut self.added_to_team);
        let explained = after_team || baseline >= seen;
        let verdict = if explained { DriftVerdict::Explained(seen.max(baseline)) } else { DriftVerdict::End };
        Some((seen, verdict))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIFT: Drift = Drift { baseline: 7, seen: 9, is_behind: false, can_ping: true };

    #[test]
    fn drift_ends_unless_something_may_explain_it() {
        let now = Instant::now();
        let plain: fn(&mut OwnChanges, Instant) = |_, _| {};
        let announced: fn(&mut OwnChanges, Instant) = OwnChanges::announced;
        let team: fn(&mut OwnChanges, Instant) = |own, _| own.added_to_team();
        let behind = Drift { is_behind: true, ..DRIFT };
        let mute = Drift { can_ping: false, ..behind };
        for (before, drift, verdict) in [
            (plain, DRIFT, DriftVerdict::End),
            (plain, Drift { baseline: 9, ..DRIFT }, DriftVerdict::Explained(9)),
            (plain, behind, DriftVerdict::AskPing),
            (announced, DRIFT, DriftVerdict::AskPing),
            (team, DRIFT, DriftVerdict::AskPing),
            (team, mute, DriftVerdict::End),
            (announced, mute, DriftVerdict::End),
        ] {
            let mut own = OwnChanges::default();
            before(&mut own, now);
            assert_eq!(own.drift_seen(now, drift), verdict, "{drift:?}");
        }
    }

    #[test]
    fn an_answered_ping_explains_a_team_and_what_was_announced_by_then_and_nothing_else() {
        let now = Instant::now();
        for (team, baseline, verdict) in [
            (true, 7, DriftVerdict::Explained(9)),
            (false, 9, DriftVerdict::Explained(9)),
            (false, 11, DriftVerdict::Explained(11)),
            (false, 7, DriftVerdict::End),
        ] {
            let mut own = OwnChanges::default();
            own.announced(now);
            if team {
                own.added_to_team();
            }
            assert_eq!(own.ping_answered(baseline), None, "nothing was asked");
            assert_eq!(own.drift_seen(now, DRIFT), DriftVerdict::AskPing);
            assert_eq!(own.ping_answered(baseline), Some((9, verdict)), "team {team}, baseline {baseline}");
            assert_eq!(own.ping_answered(baseline), None, "a drift is asked about once");
        }
    }

    #[test]
    fn a_team_explains_one_drift_and_a_change_of_its_own_a_minute() {
        let now = Instant::now();
        let mut own = OwnChanges::default();
        own.added_to_team();
        assert_eq!(own.drift_seen(now, DRIFT), DriftVerdict::AskPing);
        own.ping_answered(7);
        assert_eq!(own.drift_seen(now, DRIFT), DriftVerdict::End);
        own.announced(now);
        assert_eq!(own.drift_seen(now + CHANGES_ITSELF_FOR, DRIFT), DriftVerdict::End);
    }
}
