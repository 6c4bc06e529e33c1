use super::*;
use crate::cluster::MemberName;

/// Lifetime 10 s, renewals every 2 s, the fence closes 7.5 s after the last renewal was sent.
fn lease() -> Lease {
    let id = MemberId::new(MemberName::new("a").unwrap(), 1);
    Lease::new(LeaseTiming::new(Duration::from_secs(10)), id, MemberRecord::default())
}

fn at(milliseconds: u64) -> ClusterTime {
    ClusterTime::after_origin(Duration::from_millis(milliseconds))
}

fn unavailable() -> Result<Revision, WriteError> {
    Err(WriteError::Unavailable("no answer".into()))
}

/// A lease that was joined at a time, with the answer 10 ms later.
fn joined(sent: u64, revision: u64) -> Lease {
    let mut lease = lease();
    assert!(matches!(lease.poll(at(sent)), Some(LeaseRequest::Join(..))));
    lease.answered(&lease.id().clone(), at(sent), Ok(Revision(revision)), at(sent + 10));
    lease
}

fn is_open(lease: &Lease, now: u64) -> bool {
    lease.fence().is_some_and(|fence| fence.is_open(at(now)))
}

#[test]
fn the_fence_counts_from_when_a_renewal_was_sent() {
    let mut lease = joined(0, 1);
    assert!(is_open(&lease, 7_499) && !is_open(&lease, 7_500));
    assert_eq!(lease.poll(at(1_999)), None);
    let id = lease.id().clone();
    assert_eq!(
        lease.poll(at(2_000)),
        Some(LeaseRequest::Renew(id.clone(), MemberRecord::default(), Revision(1)))
    );
    assert_eq!(lease.poll(at(2_001)), None, "one request at a time");
    lease.answered(&id, at(2_000), Ok(Revision(5)), at(6_000));
    assert!(is_open(&lease, 9_499) && !is_open(&lease, 9_500), "a late answer counts from its request");
    assert!(matches!(lease.poll(at(6_000)), Some(LeaseRequest::Renew(_, _, Revision(5)))));
}

#[test]
fn a_lease_that_is_not_renewed_ends_and_comes_back_under_another_identity() {
    let mut lease = joined(0, 1);
    let (first, fence) = (lease.id().clone(), lease.fence().unwrap().clone());
    for sent in [2_000, 4_500, 7_000] {
        assert!(lease.poll(at(sent)).is_some());
        lease.answered(&first, at(sent), unavailable(), at(sent + 300));
    }
    assert!(matches!(lease.poll(at(7_500)), None | Some(LeaseRequest::Join(..))));
    assert!(lease.fence().is_none() && !fence.is_open(at(0)));
    assert!(first.is_before(lease.id()));
    // The answer of the last renewal arrives late.
    lease.answered(&first, at(7_000), Ok(Revision(9)), at(7_600));
    assert!(lease.fence().is_none() && !fence.is_open(at(7_600)));
}

#[test]
fn a_pause_ends_the_lease_before_anything_else() {
    let mut lease = joined(0, 1);
    let fence = lease.fence().unwrap().clone();
    assert!(!fence.is_open(at(60_000)), "before the member notices the pause");
    assert!(matches!(lease.poll(at(60_000)), Some(LeaseRequest::Join(..))));
}

#[test]
fn an_answer_that_comes_after_the_end_does_not_begin_a_lease() {
    let mut lease = lease();
    lease.poll(at(0));
    let first = lease.id().clone();
    lease.answered(&first, at(0), Ok(Revision(1)), at(7_500));
    assert!(lease.fence().is_none() && *lease.id() != first);
    assert_eq!(lease.poll(at(7_999)), None, "a delay before the next attempt");
    assert!(matches!(lease.poll(at(8_000)), Some(LeaseRequest::Join(id, _)) if id == *lease.id()));
}

#[test]
fn after_a_join_without_answer_the_identity_is_not_used_again() {
    for result in [unavailable(), Err(WriteError::Conflict)] {
        let mut lease = lease();
        lease.poll(at(0));
        let first = lease.id().clone();
        lease.answered(&first, at(0), result, at(100));
        assert!(first.is_before(lease.id()));
    }
}

#[test]
fn a_renewal_whose_answer_was_lost_is_found_by_watching() {
    let mut lease = joined(0, 1);
    let id = lease.id().clone();
    lease.poll(at(2_000));
    lease.answered(&id, at(2_000), unavailable(), at(4_000));
    lease.renewal_seen(Revision(7));
    assert!(!is_open(&lease, 7_500), "seeing it proves nothing of its time");
    assert!(matches!(lease.poll(at(4_500)), Some(LeaseRequest::Renew(_, _, Revision(7)))));
    lease.answered(&id, at(4_500), Ok(Revision(8)), at(4_510));
    lease.renewal_seen(Revision(7));
    assert!(is_open(&lease, 11_999));
    assert!(matches!(lease.poll(at(6_500)), Some(LeaseRequest::Renew(_, _, Revision(8)))));
}

#[test]
fn a_key_that_is_gone_ends_the_lease_at_once() {
    let mut lease = joined(0, 1);
    let (first, fence) = (lease.id().clone(), lease.fence().unwrap().clone());
    lease.key_gone(&first, at(100));
    assert!(!fence.is_open(at(100)));
    assert!(matches!(lease.poll(at(100)), Some(LeaseRequest::Join(..))));
    let second = lease.id().clone();
    lease.key_gone(&first, at(200));
    assert_eq!(*lease.id(), second, "the end of an earlier key changes nothing");
}

#[test]
fn draining_is_told_at_once_and_leaving_is_final() {
    let mut lease = joined(0, 1);
    lease.set_draining(true);
    let renewed = lease.poll(at(100));
    assert!(matches!(renewed, Some(LeaseRequest::Renew(_, MemberRecord { draining: true, .. }, _))));
    lease.set_draining(false);
    let id = lease.id().clone();
    lease.answered(&id, at(100), Ok(Revision(2)), at(110));
    let renewed = lease.poll(at(110));
    assert!(
        matches!(renewed, Some(LeaseRequest::Renew(_, MemberRecord { draining: false, .. }, _))),
        "not forgotten"
    );
    let fence = lease.fence().unwrap().clone();
    assert_eq!(lease.leave(), Some(LeaseRequest::Leave(lease.id().clone())));
    assert!(!fence.is_open(at(100)));
    lease.answered(&id, at(110), Ok(Revision(3)), at(120));
    assert_eq!((lease.leave(), lease.poll(at(60_000))), (None, None));
    assert!(lease.fence().is_none(), "a late answer begins no lease");
}

#[test]
fn leaving_deletes_a_key_whose_creation_is_not_answered() {
    let mut lease = lease();
    assert_eq!(lease.leave(), None, "nothing was sent");
    let mut lease = self::lease();
    lease.poll(at(0));
    let id = lease.id().clone();
    assert_eq!(lease.leave(), Some(LeaseRequest::Leave(id.clone())));
    lease.answered(&id, at(0), Ok(Revision(1)), at(10));
    assert!(lease.fence().is_none());
}
