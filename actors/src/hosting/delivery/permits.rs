use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bytes of a frame that one permit covers. A large frame takes several, so that a bound on permits is a bound on memory: its
/// event keeps the text of a post twice, and so at most twice the bytes of the frame.
const BYTES_PER_PERMIT: usize = 16 * 1024;

/// The least permits of a Delivery: two for a channel whose events wait, one for a live event of another channel during a
/// catch-up, and one for a fetched event.
const LEAST: usize = 4;

/// The permits of one Delivery, which bound the events that wait for a sink. A frame is read only with a permit, which
/// is released when the frame's event is acknowledged.
#[derive(Debug, Clone)]
pub(in crate::hosting) struct Permits {
    pub(in crate::hosting) semaphore: Arc<Semaphore>,
    total: u32,
}

impl Permits {
    pub(in crate::hosting) fn new(total: usize) -> Self {
        let total = total.clamp(LEAST, u32::MAX as usize);
        let semaphore = Arc::new(Semaphore::new(total.min(Semaphore::MAX_PERMITS)));
        Self { semaphore, total: u32::try_from(total).unwrap_or(u32::MAX) }
    }

    /// Returns true if a queue of this size has as many permits.
    pub(in crate::hosting) fn are_sized_for(&self, queue: usize) -> bool {
        self.total == Self::new(queue).total
    }

    /// Returns the permits that live events may hold during a catch-up. The rest is for fetched events; without it,
    /// each kind would wait for the other.
    pub(super) fn live_limit(&self) -> usize {
        self.total as usize / 4
    }

    /// Returns the permits that the events of lagging channels may hold. The rest is for the other channels.
    pub(super) fn channel_limit(&self) -> usize {
        self.total as usize / 2
    }

    /// Waits for the permits of a fetched event. Returns `None` if the semaphore is closed.
    pub(in crate::hosting) async fn acquire(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let count = 1 + self.extra_for(bytes);
        self.semaphore.clone().acquire_many_owned(count).await.ok()
    }

    /// Returns the number of permits in use.
    pub(in crate::hosting) fn in_use(&self) -> usize {
        (self.total as usize).saturating_sub(self.semaphore.available_permits())
    }

    /// Returns true if all permits are in use, so that the socket is not read.
    pub(in crate::hosting) fn are_exhausted(&self) -> bool {
        self.semaphore.available_permits() == 0
    }

    /// Returns the number of permits that an event of this size takes beyond its first: at most a quarter in all, so that
    /// it fits beside lagging channels and the live events of a catch-up.
    pub(in crate::hosting) fn extra_for(&self, bytes: usize) -> u32 {
        let extra = bytes.saturating_sub(1) / BYTES_PER_PERMIT;
        u32::try_from(extra).unwrap_or(u32::MAX).min(self.total / 4 - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_event_takes_more_but_never_more_than_a_quarter() {
        let permits = Permits::new(256);
        for (bytes, extra) in [(0, 0), (1, 0), (16_384, 0), (16_385, 1), (1 << 20, 63), (1 << 30, 63)] {
            assert_eq!(permits.extra_for(bytes), extra, "{bytes} bytes");
        }
        assert_eq!(Permits::new(0).extra_for(1 << 30), 0, "there are at least four");
    }

    #[test]
    fn lagging_channels_and_held_live_events_leave_room_for_the_largest_event() {
        for total in 0..600 {
            let permits = Permits::new(total);
            let largest = 1 + permits.extra_for(usize::MAX) as usize;
            assert!(permits.channel_limit() > 0 && permits.live_limit() > 0, "{total}");
            assert!(
                permits.channel_limit() + permits.live_limit() + largest <= permits.total as usize,
                "{total}"
            );
        }
    }
}
