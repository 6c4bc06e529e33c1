//! The point at which the next process resumes the connection of this one.

use std::collections::BTreeSet;

use crate::model::ResumePoint;

/// The most events that the server sends again (fact 10): an older connection cannot be resumed.
const MOST_REPEATED: u64 = 128;

/// Moves a resume point back to the first unacknowledged event of its connection, and names the later ones that were handled:
/// a memory of ids does not outlive the process, and not all events have one. Returns none if the server has forgotten the
/// event by now.
pub(crate) fn resume_unacknowledged(
    point: ResumePoint,
    unacknowledged: impl Iterator<Item = u64>,
) -> Option<ResumePoint> {
    let open: BTreeSet<u64> = unacknowledged.filter(|seq| *seq < point.next_seq).collect();
    let Some(first) = open.first().copied() else { return Some(point) };
    if point.next_seq - first > MOST_REPEATED {
        return None;
    }
    let again = (first..point.next_seq).filter(|seq| !open.contains(seq));
    let handled = again.chain(point.handled.iter().copied()).collect();
    Some(ResumePoint { next_seq: first, handled, ..point })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_handled_after_the_first_unacknowledged_event_is_named() {
        let point = |next_seq, handled: &[u64]| ResumePoint {
            connection_id: "c".into(),
            next_seq,
            handled: handled.to_vec(),
        };
        for (from, open, to) in [
            (point(10, &[]), &[][..], Some(point(10, &[]))),
            (point(10, &[]), &[9], Some(point(9, &[]))),
            (point(10, &[]), &[8, 6], Some(point(6, &[7, 9]))),
            (point(10, &[12, 13]), &[], Some(point(10, &[12, 13]))),
            (point(10, &[12]), &[8], Some(point(8, &[9, 12]))),
            (point(10, &[]), &[11], Some(point(10, &[]))),
            (point(200, &[]), &[72], Some(point(72, &(73..200).collect::<Vec<_>>()))),
            (point(200, &[]), &[71], None),
        ] {
            assert_eq!(resume_unacknowledged(from.clone(), open.iter().copied()), to, "{from:?} {open:?}");
        }
    }
}
