//! The lease of a member: when to renew it, and when it is over.

use std::time::Duration;

use super::{ClusterTime, Fence, MemberId, MemberRecord, Revision, WriteError};

/// Renewals per lifetime of the key. Three may fail in a row, as they do while NATS elects a leader.
const RENEWALS_PER_TTL: u32 = 5;
/// The part of the lifetime by which the fence closes before the key expires: for clocks that run differently, and for an
/// event that is being handed over.
const MARGIN_PART: u32 = 4;
/// Retries per lifetime after a failure.
const RETRIES_PER_TTL: u32 = 20;

/// The times of a lease, all derived from the lifetime of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTiming {
    /// The lifetime of the key after its last renewal.
    pub ttl: Duration,
    /// The interval of renewals, and the time limit of each.
    pub renew_every: Duration,
    /// The delay after a failure.
    pub retry_after: Duration,
    /// The time before the end of the lifetime at which the fence closes.
    pub margin: Duration,
}

/// A change to the member's own key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseRequest {
    /// Creates the key.
    Join(MemberId, MemberRecord),
    /// Renews it, if it still has the revision.
    Renew(MemberId, MemberRecord, Revision),
    /// Deletes it, whatever its revision, which the member may not know: other members take over at once.
    Leave(MemberId),
}

/// The lease of a member, which comes back under its next incarnation after each loss.
#[derive(Debug)]
pub(super) struct Lease {
    timing: LeaseTiming,
    id: MemberId,
    record: MemberRecord,
    held: Option<HeldLease>,
    is_asking: bool,
    /// True if the record has changed since it was last sent.
    is_dirty: bool,
    next: ClusterTime,
    has_left: bool,
}

#[derive(Debug)]
struct HeldLease {
    fence: Fence,
    revision: Revision,
}

impl LeaseTiming {
    /// Derives the times from the lifetime of the key.
    pub fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            renew_every: ttl / RENEWALS_PER_TTL,
            retry_after: ttl / RETRIES_PER_TTL,
            margin: ttl / MARGIN_PART,
        }
    }

    /// Returns the time at which the fence closes after a renewal that was sent at a time. The store has renewed the key
    /// later than that.
    fn fence_end(&self, sent_at: ClusterTime) -> ClusterTime {
        sent_at + self.ttl.saturating_sub(self.margin)
    }
}

impl Lease {
    pub(super) fn new(timing: LeaseTiming, id: MemberId, record: MemberRecord) -> Self {
        let next = ClusterTime::default();
        Self { timing, id, record, held: None, is_asking: false, is_dirty: false, next, has_left: false }
    }

    pub(super) fn id(&self) -> &MemberId {
        &self.id
    }

    pub(super) fn is_draining(&self) -> bool {
        self.record.draining
    }

    /// Returns the fence of the lease that is held.
    pub(super) fn fence(&self) -> Option<&Fence> {
        self.held.as_ref().map(|held| &held.fence)
    }

    /// Ends the lease if its time is over, and returns the next request.
    pub(super) fn poll(&mut self, now: ClusterTime) -> Option<LeaseRequest> {
        if self.fence().is_some_and(|fence| !fence.is_open(now)) {
            self.lose(now);
        }
        if self.has_left || self.is_asking || (now < self.next && !self.is_dirty) {
            return None;
        }
        (self.is_asking, self.is_dirty) = (true, false);
        let (id, record) = (self.id.clone(), self.record.clone());
        Some(match &self.held {
            Some(held) => LeaseRequest::Renew(id, record, held.revision),
            None => LeaseRequest::Join(id, record),
        })
    }

    /// Returns the time at which [`Lease::poll`] has something to do.
    pub(super) fn wake_at(&self) -> ClusterTime {
        let end = self.fence().map(Fence::closes_at);
        match end {
            Some(end) if self.is_asking => end,
            Some(end) => end.min(self.next),
            None => self.next,
        }
    }

    /// Takes the answer to a request of [`Lease::poll`] that was sent at a time.
    pub(super) fn answered(
        &mut self,
        id: &MemberId,
        sent_at: ClusterTime,
        result: Result<Revision, WriteError>,
        now: ClusterTime,
    ) {
        // An answer to an earlier incarnation changes nothing any more.
        if *id != self.id || self.has_left {
            return;
        }
        self.is_asking = false;
        let until = self.timing.fence_end(sent_at);
        match (result, &mut self.held) {
            (Ok(revision), Some(held)) => {
                held.fence.extend(until, now);
                held.revision = held.revision.max(revision);
                self.next = sent_at + self.timing.renew_every;
            }
            (Ok(revision), None) if now < until => {
                self.held = Some(HeldLease { fence: Fence::open_until(until), revision });
                self.next = sent_at + self.timing.renew_every;
            }
            // A conflict may be due to a renewal whose answer was lost. Its revision comes by watching the key.
            (Err(_), Some(_)) => self.next = now + self.timing.retry_after,
            (Ok(_) | Err(_), None) => {
                // The key may have been created: this identity must not be used again.
                self.lose(now);
                self.next = now + self.timing.retry_after;
            }
        }
    }

    /// Takes a revision of the member's own key that was seen in the store: later than the last one known, it is that of
    /// a renewal whose answer was lost.
    pub(super) fn renewal_seen(&mut self, revision: Revision) {
        if let Some(held) = &mut self.held {
            held.revision = held.revision.max(revision);
        }
    }

    /// Ends the lease, because its key is gone.
    pub(super) fn key_gone(&mut self, id: &MemberId, now: ClusterTime) {
        if *id == self.id {
            self.lose(now);
        }
    }

    /// Tells the other members whether this one is giving its shards away.
    pub(super) fn set_draining(&mut self, draining: bool) {
        if self.record.draining != draining {
            self.record.draining = draining;
            self.is_dirty = true;
        }
    }

    /// Ends the lease for good, and returns the request that deletes its key, if there may be one.
    pub(super) fn leave(&mut self) -> Option<LeaseRequest> {
        self.has_left = true;
        let may_be_stored = std::mem::take(&mut self.is_asking) || self.held.is_some();
        if let Some(held) = self.held.take() {
            held.fence.close();
        }
        may_be_stored.then(|| LeaseRequest::Leave(self.id.clone()))
    }

    fn lose(&mut self, now: ClusterTime) {
        if let Some(held) = self.held.take() {
            held.fence.close();
        }
        self.id = self.id.next();
        self.is_asking = false;
        self.next = now;
    }
}

#[cfg(test)]
mod tests;
