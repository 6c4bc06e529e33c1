//! When the audit looks at a channel, and what counts as a hole.

use std::time::Duration;

/// What the audit does with a channel of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// There is nothing past what was seen, or it is too early to say.
    Leave,
    /// Fetch what is past `seen_until`: a post among it that was never received is a hole.
    Fetch,
}

/// What the audit knows when a listing comes in.
#[derive(Debug, Clone, Copy)]
pub struct Audit {
    /// How long after ready the audit stays quiet.
    pub grace: Duration,
    /// For how long the Connection has been ready.
    pub ready_for: Duration,
    /// Whether Delivery still holds events that it has not handed over.
    pub delivery_behind: bool,
}

impl Audit {
    /// Whether a channel is worth a request. Both times are the server's, in milliseconds.
    pub fn look(&self, last_post_at: i64, seen_until: i64) -> Look {
        if self.ready_for < self.grace || self.delivery_behind || last_post_at <= seen_until {
            Look::Leave
        } else {
            Look::Fetch
        }
    }

    /// Whether what was fetched proves a hole: only a post that was never received does. An edit, a pin or a
    /// late listing moves `last_post_at` as well (fact 24).
    pub fn is_hole<'a, Id: 'a + ?Sized>(
        mut fetched: impl Iterator<Item = &'a Id>,
        received: impl Fn(&Id) -> bool,
    ) -> bool {
        fetched.any(|id| !received(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_looks_only_when_it_can_tell() {
        let second = Duration::from_secs(1);
        let audit = |ready_for, delivery_behind| Audit { grace: 30 * second, ready_for, delivery_behind };
        for (audit, last_post_at, look) in [
            (audit(30 * second, false), 11, Look::Fetch),
            (audit(30 * second, false), 10, Look::Leave),
            (audit(29 * second, false), 11, Look::Leave),
            (audit(30 * second, true), 11, Look::Leave),
        ] {
            assert_eq!(audit.look(last_post_at, 10), look, "{audit:?}");
        }
    }

    #[test]
    fn only_a_post_that_was_never_received_is_a_hole() {
        let received = |id: &str| id != "missed";
        assert!(!Audit::is_hole(["edited", "pinned"].into_iter(), received));
        assert!(Audit::is_hole(["edited", "missed"].into_iter(), received));
        assert!(!Audit::is_hole([].into_iter(), received));
    }
}
