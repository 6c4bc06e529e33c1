//! The fence of a member: the permission to hand over events, which ends by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::ClusterTime;

/// The permission of one incarnation of a member to hand over events. It is open until a time that each renewal of the
/// lease moves on; once closed it never opens again. Clones share it, on any thread.
#[derive(Debug, Clone, Default)]
pub struct Fence {
    /// The time from which it is closed, in nanoseconds of the cluster's clock.
    closes_at: Arc<AtomicU64>,
}

impl Fence {
    /// Returns a fence that closes at a time.
    pub(super) fn open_until(time: ClusterTime) -> Self {
        Self { closes_at: Arc::new(AtomicU64::new(nanoseconds(time))) }
    }

    /// Returns true if events may be handed over.
    pub fn is_open(&self, now: ClusterTime) -> bool {
        nanoseconds(now) < self.closes_at.load(Ordering::Acquire)
    }

    /// Returns the time from which it is closed.
    pub fn closes_at(&self) -> ClusterTime {
        ClusterTime::after_origin(Duration::from_nanos(self.closes_at.load(Ordering::Acquire)))
    }

    /// Moves the end on, unless the fence is closed by now.
    pub(super) fn extend(&self, until: ClusterTime, now: ClusterTime) {
        let until = nanoseconds(until);
        let moved = |at: u64| (nanoseconds(now) < at).then_some(at.max(until));
        // A fence that is closed stays closed.
        let _ = self.closes_at.fetch_update(Ordering::AcqRel, Ordering::Acquire, moved);
    }

    /// Closes it for good.
    pub(super) fn close(&self) {
        self.closes_at.store(0, Ordering::Release);
    }
}

fn nanoseconds(time: ClusterTime) -> u64 {
    u64::try_from(time.since_origin().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> ClusterTime {
        ClusterTime::after_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn a_closed_fence_never_opens_again() {
        let fence = Fence::open_until(at(10));
        assert!(fence.is_open(at(9)) && !fence.is_open(at(10)));
        fence.extend(at(15), at(9));
        assert!(fence.is_open(at(14)));
        fence.extend(at(30), at(15));
        assert!(!fence.is_open(at(15)), "its time was over before it was extended");
        let shared = fence.clone();
        fence.extend(at(12), at(14));
        assert_eq!(shared.closes_at(), at(15), "an extension never shortens it");
        fence.close();
        fence.extend(at(40), at(1));
        assert!(!shared.is_open(at(1)));
    }
}
