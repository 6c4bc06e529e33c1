//! When the audit can tell a hole from what is only late.

use std::time::Duration;

/// What an audit goes by. What it compares is decided by the [`ReplayState`](crate::policy::ReplayState): channels past their `seen_until`,
/// and of those only posts that were never received.
#[derive(Debug, Clone, Copy)]
pub struct AuditReadiness {
    /// How long after ready it stays quiet.
    pub grace: Duration,
    /// For how long the Connection has been ready.
    pub ready_for: Duration,
    /// Whether Delivery still holds events that it has not handed over, or more are being fetched.
    pub delivery_behind: bool,
}

impl AuditReadiness {
    /// Whether a post that is not there would be missing.
    pub fn is_conclusive(&self) -> bool {
        self.ready_for >= self.grace && !self.delivery_behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_looks_only_when_it_can_tell() {
        let second = Duration::from_secs(1);
        for (ready_for, delivery_behind, is_conclusive) in
            [(30 * second, false, true), (29 * second, false, false), (30 * second, true, false)]
        {
            let audit = AuditReadiness { grace: 30 * second, ready_for, delivery_behind };
            assert_eq!(audit.is_conclusive(), is_conclusive, "{audit:?}");
        }
    }
}
