use super::*;
use crate::policy::replay::channel_refusal::ChannelRefusal;

#[test]
fn a_refused_channel_is_reported_once_and_stays_due() {
    let mut replay = started(&[("c", 1_000)]);
    let channel = ChannelId::from("c");
    for (is_first, counts_as_left) in [(true, false), (false, false), (false, true)] {
        assert_eq!(replay.apply_listing(&[listed("c", 2_000)], 0).len(), 1);
        assert_eq!(replay.count_refusal(&channel), ChannelRefusal { is_first, counts_as_left });
        replay.finish_round(std::slice::from_ref(&channel));
    }
    assert_eq!(replay.apply_listing(&[listed("c", 2_000)], 0).len(), 1);
    replay.finish_round(&[]);
    assert!(replay.count_refusal(&channel).is_first, "it could be read in between");
}

#[test]
fn a_round_that_was_not_decided_is_no_refusal() {
    let mut replay = started(&[("c", 1_000)]);
    replay.apply_listing(&[listed("c", 2_000)], 0);
    replay.finish_round(&["c".into()]);
    assert!(replay.count_refusal(&"c".into()).is_first);
}

#[test]
fn a_refusal_before_the_posts_of_a_filled_hole_are_acknowledged_is_another_hole() {
    let mut replay = started(&[("c", 1_000)]);
    let (channel, fetched, live) = (ChannelId::from("c"), posted(1_500, "fetched"), posted(4_000, "live"));
    replay.apply_listing(&[listed("c", 1_500)], 0);
    replay.finish_round(std::slice::from_ref(&channel));
    replay.apply_listing(&[listed("c", 1_500)], 0);
    assert!(replay.admit_fetched(&channel, &fetched));
    replay.finish_round(&[]);
    // A post at 3000 is missed.
    replay.apply_listing(&[listed("c", 3_000)], 0);
    replay.finish_round(std::slice::from_ref(&channel));
    assert!(replay.admit(&channel, &live));
    replay.acknowledge(&channel, fetched);
    replay.acknowledge(&channel, live);
    let found = replay.apply_listing(&[listed("c", 4_000)], 0);
    assert!(found[0].from.time() < 3_000, "{found:?}");
}
