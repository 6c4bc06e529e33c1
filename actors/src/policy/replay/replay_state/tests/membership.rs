use super::*;

#[test]
fn a_channel_with_a_cursor_that_the_list_lacks_is_asked_for_until_it_was_seen_to_be_left() {
    let mut replay = started(&[("c", 1_000), ("d", 1_000)]);
    let lacking = ChannelBacklog { kind: BacklogKind::Unlisted, ..backlog("d", 1_000, 1_000) };
    assert_eq!(replay.apply_listing(&[listed("c", 1_000)], 0), [lacking]);
    replay.receive("d", &Change::Left);
    assert_eq!(replay.apply_listing(&[listed("c", 1_000)], 0), []);
}

#[test]
fn leaving_a_channel_ends_its_cursor_once_earlier_posts_are_acknowledged() {
    let mut replay = started(&[("c", 1_000)]);
    let (channel, post) = (ChannelId::from("c"), posted(2_000, "p"));
    replay.admit(&channel, &post);
    replay.leave_channel(&channel);
    let mut kept = Records::default();
    assert_eq!(
        replay.killed(&mut kept).apply_listing(&[], 0).len(),
        1,
        "after a kill before that, the post is still missing"
    );
    replay.acknowledge(&channel, post);
    assert_eq!(replay.apply_listing(&[], 0), []);
    assert_eq!(replay.killed(&mut kept).apply_listing(&[], 0), []);
}

#[test]
fn rejoining_a_channel_begins_at_the_last_listing_if_that_is_after_the_leave() {
    let mut replay = started(&[("c", 1_000)]);
    replay.receive("c", &posted(2_000, "p"));
    replay.receive("c", &Change::Left);
    replay.apply_listing(&[], 5_000);
    replay.finish_round(&[]);
    let back = replay.apply_listing(&[listed("c", 9_000)], 0);
    assert_eq!((&back[0].from, back[0].kind), (&Anchor::Time(5_000), BacklogKind::Joining));
    replay.receive("c", &posted(9_000, "join"));
    let again = replay.apply_listing(&[listed("c", 9_000)], 0);
    assert_eq!((&again[0].from, again[0].kind), (&Anchor::Time(5_000), BacklogKind::Joining), "not finished");
    replay.finish_round(&[]);
    replay.receive("c", &posted(9_000 + OVERLAP, "later"));
    assert_eq!(
        replay.apply_listing(&[listed("c", 9_500)], 0)[0].kind,
        BacklogKind::Known,
        "it has an anchor"
    );
}

#[test]
fn rejoining_a_channel_that_was_left_since_the_last_listing_goes_on_where_reading_ended() {
    let mut replay = started(&[("c", 1_000)]);
    replay.receive("c", &posted(2_000, "p"));
    replay.receive("c", &posted(2_000 + OVERLAP, "q"));
    replay.receive("c", &Change::Left);
    let anchor = Anchor::Post { id: "p".into(), create_at: 2_000 };
    let back = replay.apply_listing(&[listed("c", 9_000)], 0);
    assert_eq!((&back[0].from, back[0].kind), (&anchor, BacklogKind::Known));
    assert!(replay.admit_fetched(&"c".into(), &posted(2_000 + OVERLAP - 1, "late")), "made before the leave");
    assert!(!replay.admit_fetched(&"c".into(), &posted(2_000 + OVERLAP, "q")), "received before");
}

#[test]
fn rejoining_a_channel_reads_what_was_refused_before_the_leave() {
    for is_live in [true, false] {
        let mut replay = started(&[("c", 1_000)]);
        replay.apply_listing(&[listed("c", 2_000)], 0);
        replay.finish_round(&["c".into()]);
        replay.receive("c", &Change::Left);
        if is_live {
            replay.receive("c", &posted(9_000, "join"));
        }
        let found = replay.apply_listing(&[listed("c", 9_000)], 0);
        assert_eq!(found, [backlog("c", 1_000, 1_000)]);
    }
}

#[test]
fn reading_that_ends_among_posts_made_while_out_goes_on_with_an_unknown_member() {
    let mut replay = started(&[("c", 1_000)]);
    let mut kept = Records::default();
    let kind = |replay: &mut ReplayState| replay.apply_listing(&[listed("c", 9_000)], 0)[0].kind;
    assert_eq!(kind(&mut replay), BacklogKind::Known);
    replay.receive("c", &posted(2_000, "leave"));
    for (time, id) in [(2_500, "out"), (3_000, "still out")] {
        assert!(replay.admit_fetched(&"c".into(), &posted(time, id)));
        replay.acknowledge_while_out(&"c".into(), posted(time, id));
    }
    assert_eq!(kind(&mut replay.killed(&mut kept)), BacklogKind::Joining);
    assert_eq!(kind(&mut replay), BacklogKind::Joining);
    replay.receive("c", &posted(8_000, "join"));
    assert_eq!(kind(&mut replay), BacklogKind::Known);
    assert_eq!(kind(&mut replay.killed(&mut kept)), BacklogKind::Known);
}

#[test]
fn a_return_seen_live_begins_at_that_event() {
    let mut replay = started(&[("c", 1_000)]);
    replay.receive("c", &Change::Left);
    replay.receive("c", &posted(9_000, "join"));
    let found = replay.apply_listing(&[listed("c", 9_500)], 0);
    assert_eq!((&found[0].from, found[0].kind), (&Anchor::Time(9_000 - OVERLAP), BacklogKind::Joining));
}

#[test]
fn rejoining_a_channel_forgets_no_post_dated_into_the_future() {
    let mut replay = started(&[("c", 1_000)]);
    let now = std::time::Instant::now();
    replay.read_clock(Some(ServerClock::new(2_000, now, now)), now);
    let future = posted(90_000, "dated");
    replay.receive("c", &future);
    replay.receive("c", &Change::Left);
    replay.apply_listing(&[], 2_000);
    replay.finish_round(&[]);
    let back = replay.apply_listing(&[listed("c", 90_000)], 0);
    assert_eq!((&back[0].from, back[0].kind), (&Anchor::Time(2_000), BacklogKind::Joining));
    let mut kept = Records::default();
    let mut next_process = replay.killed(&mut kept);
    assert!(!next_process.admit_fetched(&"c".into(), &future), "told before the leave");
}

#[test]
fn a_live_post_shows_that_a_leave_is_over() {
    let channel = ChannelId::from("c");
    for is_known in [true, false] {
        for is_acknowledged in [true, false] {
            let mut replay = started(&[("c", 1_000)]);
            let (known, join) = (posted(2_000, "p"), posted(2_050, "join"));
            replay.receive("c", &known);
            // The catch-up fetched the post about the return before the events of the removal and the return came.
            if is_known {
                assert!(replay.admit_fetched(&channel, &join));
                replay.acknowledge(&channel, join.clone());
            }
            assert!(replay.admit(&channel, &Change::Left));
            if is_acknowledged {
                replay.acknowledge(&channel, Change::Left);
            }
            assert_eq!(replay.admit(&channel, &join), !is_known);
            if !is_acknowledged {
                replay.acknowledge(&channel, Change::Left);
            }
            replay.acknowledge(&channel, join);
            let found = replay.apply_listing(&[listed("c", 2_100)], 0);
            assert!(found[0].from.time() < 2_000, "a late post is read: {found:?}");
        }
    }
}

#[test]
fn a_failed_round_owes_the_edits_of_a_channel_that_the_list_lacks() {
    let mut replay = started(&[("c", 1_000)]);
    replay.apply_listing(&[], 0);
    replay.receive("c", &posted(9_000, "young"));
    assert_eq!(replay.apply_listing(&[], 0)[0].edits_since, 1_000, "an edit made at 5000 was not fetched");
    replay.finish_round(&[]);
    replay.receive("c", &posted(9_500, "younger"));
    assert_eq!(replay.apply_listing(&[], 0)[0].edits_since, 9_500 - OVERLAP);
}

#[test]
fn after_a_clock_was_set_back_the_next_change_tells_the_membership() {
    let mut replay = started(&[("c", 1_000)]);
    let (now, ahead) = (std::time::Instant::now(), 3_600_000);
    replay.read_clock(Some(ServerClock::new(ahead, now, now)), now);
    replay.receive("c", &posted(ahead, "a"));
    replay.receive("c", &posted(ahead + OVERLAP, "b"));
    assert_eq!(replay.apply_listing(&[listed("c", ahead + OVERLAP)], 0)[0].kind, BacklogKind::Known);
    replay.read_clock(Some(ServerClock::new(10_000, now, now)), now);
    let found = replay.apply_listing(&[listed("c", ahead + OVERLAP)], 0);
    assert_eq!((&found[0].from, found[0].kind), (&Anchor::Time(10_000 - OVERLAP), BacklogKind::Joining));
}
