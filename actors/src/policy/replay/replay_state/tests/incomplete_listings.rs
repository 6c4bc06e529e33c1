use super::*;

#[test]
fn a_channel_that_an_incomplete_listing_lacked_begins_at_the_last_complete_one() {
    let mut replay = started(&[("c", 1_000)]);
    replay.apply(&[listed("c", 1_000)], 5_000, false);
    replay.finish_round(&[]);
    let mut kept = Records::default();
    for mut replay in [replay.killed(&mut kept), replay] {
        let found = replay.apply_listing(&[listed("c", 1_000), listed("hidden", 4_000)], 6_000);
        assert_eq!(found.last().unwrap().from, Anchor::Time(1_000));
    }
}

#[test]
fn a_channel_that_an_incomplete_listing_lacked_and_that_is_heard_live_is_read_from_the_last_complete_one() {
    for is_heard_in_the_round in [true, false] {
        let mut replay = started(&[("c", 1_000)]);
        replay.apply(&[listed("c", 1_000)], 5_000, false);
        let hear = |replay: &mut ReplayState| {
            replay.receive("hidden", &posted(6_000, "one"));
            replay.receive("hidden", &posted(6_000 + 2 * OVERLAP, "two"));
        };
        if is_heard_in_the_round {
            hear(&mut replay);
        }
        replay.finish_round(&[]);
        if !is_heard_in_the_round {
            hear(&mut replay);
        }
        let listing = [listed("c", 1_000), listed("hidden", 6_000 + 2 * OVERLAP)];
        assert_eq!(replay.channels_to_audit(&listing).len(), 1, "the audit looks for earlier posts");
        let found = replay.apply_listing(&listing, 7_000);
        assert_eq!(found[0].from, Anchor::Time(1_000));
        assert!(!replay.admit_fetched(&"hidden".into(), &posted(6_000, "one")), "received before");
    }
}

#[test]
fn a_first_listing_counts_even_if_it_is_incomplete() {
    let mut replay = ReplayState::new(SETTINGS);
    replay.apply(&[listed("c", 1_000)], 5_000, false);
    replay.finish_round(&[]);
    let found = replay.apply_listing(&[listed("c", 1_000), listed("hidden", 5_500)], 6_000);
    assert_eq!(found.last().unwrap().from, Anchor::Time(5_000), "a post made since is not old");
}
