//! A host or a server that is late by more than the overlap: nothing is told twice because of it.

use std::time::{Duration, Instant};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_list_that_takes_long_to_read_does_not_look_like_a_clock_set_back() {
    let mut replay = started(&[("c", 1_000)]);
    let start = Instant::now();
    replay.read_clock(Some(ServerClock::new(10_000, start, start)), start);
    replay.advance_clock(start + 5 * SECOND);
    for (create_at, id) in [(12_000, "p"), (12_000 + OVERLAP, "q"), (12_000 + 2 * OVERLAP, "r")] {
        replay.receive("c", &posted(create_at, id));
    }
    // The server's answer of its second 30 was read nine seconds later.
    let (asked_at, read_at) = (start + 20 * SECOND, start + 29 * SECOND);
    replay.read_clock(Some(ServerClock::new(30_000, asked_at, read_at)), read_at);
    let found = replay.apply_listing(&[listed("c", 40_000)], 0);
    assert_eq!(found[0].from, Anchor::Post { id: "q".into(), create_at: 12_000 + OVERLAP });
}

#[test]
fn a_post_that_came_while_a_list_was_read_is_not_dated_into_the_future() {
    let mut replay = started(&[("c", 1_000)]);
    let start = Instant::now();
    let read_at = start + 9 * SECOND;
    replay.read_clock(Some(ServerClock::new(10_000, start, read_at)), read_at);
    replay.receive("c", &posted(18_000, "p"));
    replay.receive("c", &posted(18_000 + OVERLAP, "q"));
    let found = replay.apply_listing(&[listed("c", 19_000)], 0);
    assert_eq!(found[0].from, Anchor::Post { id: "p".into(), create_at: 18_000 });
}

#[test]
fn a_post_from_before_a_channels_beginning_that_is_late_repeats_none_that_was_told() {
    let mut replay = started(&[("c", 1_000)]);
    for (create_at, id) in
        [(850, "dated back"), (960, "late"), (861, "later"), (845, "later than the overlap")]
    {
        replay.receive("c", &posted(create_at, id));
    }
    let mut kept = Records::default();
    let mut next_process = replay.killed(&mut kept);
    for replay in [&mut replay, &mut next_process] {
        let from = replay.apply_listing(&[listed("c", 5_000)], 0)[0].from.clone();
        assert!(
            (850..=860).contains(&from.time()),
            "{from:?} is before a post that was told and is known no more"
        );
    }
}

#[test]
fn an_edit_that_comes_live_long_after_it_was_fetched_is_not_told_again() {
    let mut replay = started(&[("c", 1_000)]);
    let edit = edited(2_000, "p");
    replay.apply_listing(&[listed("c", 2_000 + 2 * OVERLAP)], 0);
    assert!(replay.admit_fetched(&"c".into(), &edit));
    replay.acknowledge(&"c".into(), edit.clone());
    replay.finish_round(&[]);
    assert!(!replay.admit(&"c".into(), &edit), "held while the round ran");
    assert!(replay.admit(&"c".into(), &edited(2_001, "p")), "another edit of the post");
}

#[test]
fn a_post_dated_into_the_future_says_nothing_about_the_edits_until_the_end_of_the_round() {
    let (mut replay, start) = (started(&[("c", 1_000)]), Instant::now());
    replay.read_clock(Some(ServerClock::new(20_000, start, start)), start);
    replay.apply_listing(&[listed("c", 3_600_000)], 0);
    replay.advance_clock(start + 9 * SECOND);
    assert!(replay.admit_fetched(&"c".into(), &posted(3_600_000, "dated")));
    replay.acknowledge(&"c".into(), posted(3_600_000, "dated"));
    replay.finish_round(&[]);
    let found = replay.apply_listing(&[listed("c", 3_600_000)], 0);
    assert_eq!(found[0].edits_since, 20_000 - OVERLAP, "the list was made at 20000, or later");
    replay.receive("c", &posted(3_600_001, "dated and live"));
    replay.finish_round(&[]);
    replay.receive("c", &posted(3_600_002, "after the round"));
    let found = replay.apply_listing(&[listed("c", 3_600_002)], 0);
    assert_eq!(found[0].edits_since, 29_000 - OVERLAP, "received live at 29000, or later");
}

#[test]
fn a_channel_whose_newest_post_is_dated_into_the_future_begins_no_later_than_now() {
    let (mut replay, start) = (ReplayState::new(SETTINGS), Instant::now());
    replay.read_clock(Some(ServerClock::new(20_000, start, start)), start);
    replay.apply_listing(&[listed("dated", 3_600_000), listed("usual", 20_900)], 0);
    replay.finish_round(&[]);
    let listing = [listed("dated", 3_600_000), listed("usual", 21_500)];
    let found = replay.apply_listing(&listing, 0);
    assert_eq!(found, [backlog("dated", 20_000, 20_000), backlog("usual", 20_900, 20_900)]);
}
