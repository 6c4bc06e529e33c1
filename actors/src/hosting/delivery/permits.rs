//! The permits that bound what waits for a sink.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A frame takes one permit, and one more for each further piece of this size, so that a bound on permits is a
/// bound on memory.
const BYTES_PER_PERMIT: usize = 16 * 1024;

/// The permits of one Delivery. A socket is read only with one in hand; it travels with its frame, and comes back
/// when the frame's event is acknowledged.
#[derive(Debug, Clone)]
pub(in crate::hosting) struct Permits {
    pub(in crate::hosting) semaphore: Arc<Semaphore>,
    total: u32,
}

impl Permits {
    pub(in crate::hosting) fn new(total: usize) -> Self {
        // One to hold a live event while what was missed is fetched, and one for what is fetched.
        let total = total.clamp(2, u32::MAX as usize);
        let semaphore = Arc::new(Semaphore::new(total.min(Semaphore::MAX_PERMITS)));
        Self { semaphore, total: u32::try_from(total).unwrap_or(u32::MAX) }
    }

    /// Whether there are as many as so large a queue has.
    pub(in crate::hosting) fn are_sized_for(&self, queue: usize) -> bool {
        self.total == Self::new(queue).total
    }

    /// The share that live events may hold while what was missed is fetched: the rest is for what is fetched, or each
    /// would wait for the other.
    pub(super) fn live_limit(&self) -> usize {
        self.total as usize / 2
    }

    /// Waits for the permits of something that was fetched. `None` when there will never be any.
    pub(in crate::hosting) async fn acquire(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let count = (1 + self.extra_for(bytes)).min(self.total - self.total / 2);
        self.semaphore.clone().acquire_many_owned(count).await.ok()
    }

    /// How many are taken.
    pub(in crate::hosting) fn in_use(&self) -> usize {
        (self.total as usize).saturating_sub(self.semaphore.available_permits())
    }

    /// Whether all are taken: the socket is not read.
    pub(in crate::hosting) fn are_exhausted(&self) -> bool {
        self.semaphore.available_permits() == 0
    }

    /// How many permits a frame of that size takes beyond its first: never more than there are.
    pub(in crate::hosting) fn extra_for(&self, bytes: usize) -> u32 {
        let more = bytes.saturating_sub(1) / BYTES_PER_PERMIT;
        u32::try_from(more).unwrap_or(u32::MAX).min(self.total - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_frame_takes_more_but_never_more_than_all() {
        let permits = Permits::new(256);
        for (bytes, more) in [(0, 0), (1, 0), (16_384, 0), (16_385, 1), (1 << 20, 63), (1 << 30, 255)] {
            assert_eq!(permits.extra_for(bytes), more, "{bytes} bytes");
        }
        assert_eq!(Permits::new(0).extra_for(1 << 30), 1, "there are always two");
    }
}
