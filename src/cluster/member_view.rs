//! The members of a cluster, as one of them sees them.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    time::Duration,
};

use super::{ClusterTime, MemberId, MemberRecord};

/// The members that a member has seen.
#[derive(Debug, Default)]
pub(super) struct MemberView {
    /// Live members, each with the time of its last renewal.
    live: BTreeMap<MemberId, (MemberRecord, ClusterTime)>,
    /// Members whose lease has ended for certain.
    gone: BTreeSet<MemberId>,
}

impl MemberView {
    /// Adds a live member, or takes its renewal.
    pub(super) fn renewed(&mut self, id: MemberId, record: MemberRecord, now: ClusterTime) {
        // The end of an identity is final; an older change may still be on its way.
        if !self.gone.contains(&id) {
            self.live.insert(id, (record, now));
        }
    }

    /// Removes the members of which no renewal was seen for too long. It is no proof that they have ended.
    pub(super) fn remove_silent(&mut self, now: ClusterTime, after: Duration) {
        self.live.retain(|_, (_, renewed_at)| now.since(*renewed_at) <= after);
    }

    /// Returns the time at which the next member will have been silent for too long.
    pub(super) fn next_silent(&self, after: Duration) -> Option<ClusterTime> {
        let longest = self.live.values().map(|(_, renewed_at)| *renewed_at).min()?;
        Some(longest + after + Duration::from_millis(1))
    }

    /// Removes a member whose lease has ended.
    pub(super) fn gone(&mut self, id: MemberId) {
        self.live.remove(&id);
        self.gone.insert(id);
    }

    /// Forgets the members that have ended, except for those that are still named.
    pub(super) fn retain_gone(&mut self, named: &BTreeSet<&MemberId>) {
        self.gone.retain(|id| named.contains(id));
    }

    /// Returns the number of members that have ended and are not forgotten.
    pub(super) fn gone_count(&self) -> usize {
        self.gone.len()
    }

    pub(super) fn is_live(&self, id: &MemberId) -> bool {
        self.live.contains_key(id) && !self.is_replaced(id)
    }

    /// Returns true if a member cannot hand over events any more: its lease has ended, or a later incarnation of its process
    /// has begun.
    pub(super) fn has_ended(&self, id: &MemberId) -> bool {
        self.gone.contains(id) || self.is_replaced(id)
    }

    /// Returns the live members.
    pub(super) fn live(&self) -> impl Iterator<Item = (&MemberId, &MemberRecord)> {
        self.live.iter().map(|(id, (record, _))| (id, record)).filter(|(id, _)| !self.is_replaced(id))
    }

    /// Returns true if a later incarnation of the same process is live.
    fn is_replaced(&self, id: &MemberId) -> bool {
        // Identities are sorted by name, process and incarnation.
        let later = self.live.range::<MemberId, _>((Bound::Excluded(id), Bound::Unbounded)).next();
        later.is_some_and(|(later, _)| id.is_before(later))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::MemberName;

    #[test]
    fn an_identity_ends_once_and_for_all() {
        let first = MemberId::new(MemberName::new("a").unwrap(), 1);
        let (second, other) = (first.next(), MemberId::new(MemberName::new("a").unwrap(), 2));
        let now = ClusterTime::after_origin(Duration::from_secs(1));
        let mut view = MemberView::default();
        let renew =
            |view: &mut MemberView, id: &MemberId| view.renewed(id.clone(), MemberRecord::default(), now);
        renew(&mut view, &first);
        renew(&mut view, &other);
        assert!(
            view.is_live(&first) && !view.has_ended(&first),
            "another process of the name may run beside it"
        );
        renew(&mut view, &second);
        assert!(!view.is_live(&first) && view.has_ended(&first), "its process has gone on to the next");
        assert_eq!(view.live().map(|(id, _)| id).collect::<Vec<_>>(), [&second, &other]);
        view.gone(second.clone());
        renew(&mut view, &second);
        assert!(!view.is_live(&second), "a late renewal changes nothing");
        view.remove_silent(now + Duration::from_secs(10), Duration::from_secs(10));
        assert!(view.is_live(&other));
        let silent = view.next_silent(Duration::from_secs(10)).unwrap();
        assert!(silent > now + Duration::from_secs(10) && silent < now + Duration::from_millis(10_010));
        view.remove_silent(silent, Duration::from_secs(10));
        assert!(!view.is_live(&other) && !view.has_ended(&other), "silence is no proof");
        view.retain_gone(&BTreeSet::from([&second]));
        assert_eq!(view.gone_count(), 1);
        view.retain_gone(&BTreeSet::new());
        assert!(!view.has_ended(&second) && view.gone_count() == 0);
    }
}
