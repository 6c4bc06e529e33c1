use super::*;
use crate::policy::replay::replay_state::absent_channels::MOST_ABSENT;

/// A time at which what was left at the beginning is forgotten.
const LATER: i64 = 31 * 24 * 60 * 60 * 1_000;

/// The listings that must lack a channel.
const LISTINGS: usize = 5;

/// Completes rounds whose listing has the channel `c` alone, and refuses the channel `refused`.
fn list_c(replay: &mut ReplayState, rounds: usize, at: i64) {
    for _ in 0..rounds {
        replay.apply_listing(&[listed("c", 1_000)], at);
        replay.finish_round(&["refused".into()]);
    }
}

fn kept_channels(kept: &Records) -> Vec<&str> {
    kept.channels.keys().map(ChannelId::as_str).collect()
}

#[test]
fn a_channel_that_was_left_long_ago_is_forgotten() {
    let mut replay = started(&[("c", 1_000), ("left", 1_000), ("member", 1_000), ("refused", 1_000)]);
    let mut kept = Records::default();
    for channel in ["left", "refused"] {
        replay.receive(channel, &Change::Left);
    }
    list_c(&mut replay, LISTINGS, 2_000);
    assert_eq!(replay.take_forgotten(), 0, "it is too early");
    let mut replay = replay.killed(&mut kept);
    list_c(&mut replay, LISTINGS - 1, LATER);
    assert_eq!(replay.take_forgotten(), 0, "too few listings have lacked it since the start");
    list_c(&mut replay, 1, LATER);
    assert_eq!(replay.take_forgotten(), 1);
    let changes = replay.take_changes();
    assert_eq!(changes.channels.get(&"left".into()), Some(&ChannelChange::Removed));
    assert!(kept.put(changes));
    assert_eq!(
        kept_channels(&kept),
        ["c", "member", "refused"],
        "a member's channel and one with an unread part are kept"
    );
    assert_eq!(replay.take_forgotten(), 0);
}

#[test]
fn a_channel_that_a_listing_has_again_is_not_absent() {
    let mut replay = started(&[("c", 1_000), ("d", 1_000)]);
    replay.receive("d", &Change::Left);
    list_c(&mut replay, LISTINGS - 1, LATER);
    replay.apply_listing(&[listed("c", 1_000), listed("d", 1_000)], 2 * LATER);
    replay.finish_round(&[]);
    let mut kept = Records::default();
    let mut replay = replay.killed(&mut kept);
    assert_eq!(kept.channels[&"d".into()].absent_since, None);
    replay.receive("d", &Change::Left);
    list_c(&mut replay, LISTINGS, 2 * LATER + 1);
    assert_eq!(replay.take_forgotten(), 0);
}

#[test]
fn a_listing_that_may_lack_channels_is_no_absence() {
    let mut replay = started(&[("c", 1_000), ("d", 1_000)]);
    let mut kept = Records::default();
    for (is_complete, absent_since) in [(false, None), (true, Some(2_000))] {
        replay.apply(&[listed("c", 1_000)], 2_000, is_complete);
        replay.finish_round(&[]);
        assert!(kept.put(replay.take_changes()));
        assert_eq!(kept.channels[&"d".into()].absent_since, absent_since);
    }
}

#[test]
fn the_channels_that_no_listing_has_are_bounded() {
    let mut replay = started(&[("c", 1_000), ("refused", 1_000)]);
    list_c(&mut replay, 1, 2_000);
    let mut most = 0;
    for n in 0..120_000 {
        replay.receive(&format!("n{n}"), &posted(3_000 + n, &format!("p{n}")));
        most = most.max(replay.channels.len());
        if n % 10_000 == 0 {
            while replay.has_changes() {
                replay.take_changes();
            }
        }
    }
    assert!(most <= MOST_ABSENT + 2, "{most} channels");
    assert_eq!(replay.channels.len() + replay.take_forgotten(), 120_002, "forgotten ones are counted");
    for channel in ["c", "refused", "n119999"] {
        assert!(replay.channels.contains_key(&channel.into()), "{channel} is forgotten");
    }
    assert!(!replay.channels.contains_key(&"n0".into()), "the one without news for longest is kept");
    list_c(&mut replay, 1, 4_000);
    assert!(replay.absent.count <= MOST_ABSENT);
}

#[test]
fn fresh_channels_at_each_listing_and_audit_are_bounded() {
    let mut replay = started(&[]);
    let mut stored = Records::default();
    let fresh = |round: usize| -> Vec<ListedChannel> {
        (0..40_000).map(|n| listed(&format!("{round}x{n}"), 1_000)).collect()
    };
    for round in 0..4 {
        replay.apply_listing(&fresh(2 * round), 2_000);
        replay.finish_round(&[]);
        for part in fresh(2 * round + 1).chunks(500) {
            replay.channels_to_audit(part);
        }
        while replay.has_changes() {
            assert!(stored.put(replay.take_changes()));
        }
        assert!(replay.channels.len() <= 61_000, "{} channels", replay.channels.len());
        assert_eq!(stored.channels.len(), replay.channels.len(), "the store keeps no others");
    }
}

#[test]
fn fresh_channels_at_each_listing_are_bounded_although_no_round_ends() {
    let mut replay = started(&[("c", 1_000)]);
    for round in 0..6 {
        let fresh: Vec<_> = (0..40_000).map(|n| listed(&format!("{round}x{n}"), 1_000)).collect();
        replay.apply_listing(&fresh, 2_000);
        assert!(replay.channels.len() <= 100_001, "{} channels", replay.channels.len());
    }
    assert!(replay.channels.contains_key(&"c".into()), "the last complete listing had it");
}

#[test]
fn many_changes_are_taken_in_parts_and_the_accounts_own_with_the_last() {
    let channels: Vec<String> = (0..2_500).map(|n| format!("c{n}")).collect();
    let channels: Vec<(&str, i64)> = channels.iter().map(|channel| (channel.as_str(), 1_000)).collect();
    let mut replay = started(&channels);
    let mut parts = Vec::new();
    while replay.has_changes() {
        let changes = replay.take_changes();
        parts.push((changes.channels.len(), matches!(changes.account, Some(AccountChange::Record(_)))));
    }
    assert_eq!(parts, [(1_000, false), (1_000, false), (500, true)]);
}

#[test]
fn a_channel_that_comes_back_after_it_was_forgotten_is_saved_whole() {
    let (mut replay, mut kept) = (started(&[("c", 1_000), ("d", 1_000)]), Records::default());
    replay.receive("d", &Change::Left);
    list_c(&mut replay, 1, 2_000);
    list_c(&mut replay, LISTINGS, LATER);
    let mut replay = replay.killed(&mut kept);
    assert_eq!(kept_channels(&kept), ["c"]);
    replay.receive("d", &posted(LATER + 1, "p"));
    list_c(&mut replay, LISTINGS, 2 * LATER);
    replay.receive("d", &posted(LATER + 2, "q"));
    let mut replay = replay.killed(&mut kept);
    assert_eq!(kept_channels(&kept), ["c", "d"]);
    assert!(!replay.admit(&"d".into(), &posted(LATER + 1, "p")), "it was acknowledged");
}

#[test]
fn a_removal_that_is_not_saved_is_repeated() {
    let mut replay = started(&[("c", 1_000), ("d", 1_000)]);
    replay.receive("d", &Change::Left);
    list_c(&mut replay, 1, 2_000);
    list_c(&mut replay, LISTINGS, LATER);
    let changes = replay.take_changes();
    assert_eq!(changes.channels.get(&"d".into()), Some(&ChannelChange::Removed));
    replay.mark_unsaved(changes.channels.into_keys());
    assert_eq!(replay.take_changes().channels.get(&"d".into()), Some(&ChannelChange::Removed));
    assert!(!replay.has_changes());
}

#[test]
fn an_old_direct_channel_that_was_forgotten_does_not_begin_anew() {
    let mut replay = started(&[("c", 1_000)]);
    list_c(&mut replay, 1, 2 * LATER);
    let direct = |channel: &str, create_at| ListedChannel {
        create_at,
        is_direct: true,
        ..listed(channel, 2 * LATER + 1)
    };
    let found = replay.apply_listing(&[direct("old", 1), direct("new", 2 * LATER - 1)], 0);
    let begins: IdMap<_, _> = found.iter().map(|news| (news.channel.as_str(), &news.from)).collect();
    assert_eq!(begins["old"], &Anchor::Time(2 * LATER));
    assert_eq!(begins["new"], &Anchor::Time(2 * LATER - 2));
}
