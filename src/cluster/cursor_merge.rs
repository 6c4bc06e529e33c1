//! Merging two records of the same account or channel, which two members have written.
//!
//! Each record claims what was acknowledged, and each claim is true. A merged record claims what either does about single
//! posts, and the lesser of what they claim about everything up to a time: no post is lost, and few come twice.

use matterhost_actors::model::{AccountRecord, ChannelRecord, PostId};

/// Merges the record of the account's owner with that of another member.
pub fn merge_accounts(mine: AccountRecord, other: AccountRecord) -> AccountRecord {
    AccountRecord {
        user: mine.user.or(other.user),
        // Those of the owner's own connection.
        baseline: mine.baseline,
        resume: mine.resume,
        // `None`, which claims nothing, is less than any time.
        listed_at: mine.listed_at.min(other.listed_at),
        server_time: mine.server_time.max(other.server_time),
    }
}

/// Merges the record of a channel's owner with that of another member.
pub fn merge_channels(mine: ChannelRecord, other: ChannelRecord) -> ChannelRecord {
    if mine.hole || other.hole {
        // What is acknowledged on either side of a part that could not be read belongs together.
        return claiming_less(mine, other);
    }
    let is_further = (other.anchor_at, &other.anchor) > (mine.anchor_at, &mine.anchor);
    let (anchor_at, anchor) =
        if is_further { (other.anchor_at, other.anchor) } else { (mine.anchor_at, mine.anchor) };
    let mut since = union(mine.since, other.since);
    since.retain(|(at, id)| (*at, Some(id)) > (anchor_at, anchor.as_ref()));
    let mut deleted = mine.deleted;
    for post in other.deleted {
        if !deleted.contains(&post) {
            deleted.push(post);
        }
    }
    ChannelRecord {
        anchor_at,
        anchor,
        since,
        seen_until: mine.seen_until.min(other.seen_until),
        edited_until: mine.edited_until.min(other.edited_until),
        edits: union(mine.edits, other.edits),
        deleted,
        left: mine.left,
        joining: mine.joining || other.joining,
        hole: false,
        beyond: Vec::new(),
        absent_since: mine.absent_since,
    }
}

/// Returns the record with a part that could not be read; of two, the one with the earlier part.
fn claiming_less(mine: ChannelRecord, other: ChannelRecord) -> ChannelRecord {
    let place = |record: &ChannelRecord| (!record.hole, record.anchor_at, record.anchor.clone());
    if place(&other) < place(&mine) { other } else { mine }
}

fn union(mut posts: Vec<(i64, PostId)>, more: Vec<(i64, PostId)>) -> Vec<(i64, PostId)> {
    posts.extend(more);
    posts.sort_unstable();
    posts.dedup();
    posts
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_set, prelude::*};

    use super::*;

    fn post(n: i64) -> (i64, PostId) {
        (n, PostId::from(format!("post-{n:02}").as_str()))
    }

    /// A channel in which posts have the times 1 to 30: the anchor is the last of `until`, and those of `since` are
    /// acknowledged after it.
    fn channel(until: i64, since: impl IntoIterator<Item = i64>, hole: bool) -> ChannelRecord {
        ChannelRecord {
            anchor_at: until,
            anchor: (until > 0).then(|| post(until).1),
            since: since.into_iter().filter(|n| *n > until).map(post).collect(),
            seen_until: until,
            edited_until: until,
            hole,
            ..ChannelRecord::default()
        }
    }

    fn claims(record: &ChannelRecord, n: i64) -> bool {
        n <= record.anchor_at || record.since.contains(&post(n))
    }

    proptest! {
        #[test]
        fn a_merged_channel_claims_nothing_that_neither_record_claims(
            (a, b) in (0i64..30, 0i64..30),
            (since_a, since_b) in (btree_set(1i64..31, 0..8), btree_set(1i64..31, 0..8)),
            (hole_a, hole_b) in (any::<bool>(), any::<bool>()),
        ) {
            let (mine, other) = (channel(a, since_a, hole_a), channel(b, since_b, hole_b));
            let merged = merge_channels(mine.clone(), other.clone());
            for n in 1..31 {
                let either = claims(&mine, n) || claims(&other, n);
                prop_assert!(either || !claims(&merged, n), "post {} is lost: {:?}", n, merged);
                // Without a hole nothing comes twice, either.
                prop_assert!(hole_a || hole_b || either == claims(&merged, n), "post {}: {:?}", n, merged);
            }
            prop_assert_eq!(merged.hole, hole_a || hole_b);
            prop_assert!(hole_a || hole_b || merged.seen_until == a.min(b));
            prop_assert_eq!(merge_channels(merged.clone(), merged.clone()), merged, "it is stable");
        }
    }

    #[test]
    fn a_merged_account_claims_the_earlier_listing() {
        let account = |listed_at, server_time| AccountRecord { listed_at, server_time, ..Default::default() };
        for (mine, other, listed_at) in
            [(Some(3), Some(5), Some(3)), (Some(3), None, None), (None, Some(5), None)]
        {
            let merged = merge_accounts(account(mine, 1), account(other, 2));
            assert_eq!((merged.listed_at, merged.server_time), (listed_at, 2));
        }
    }
}
