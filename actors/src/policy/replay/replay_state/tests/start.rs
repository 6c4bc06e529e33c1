use super::*;
use crate::model::Changes;

fn account_of(changes: &Changes) -> Option<&AccountRecord> {
    match changes.account.as_ref()? {
        AccountChange::Record(account) => Some(account),
        AccountChange::ServerTime(_) => None,
    }
}

/// Takes changes with the start of the account.
fn take_start(replay: &mut ReplayState) {
    let changes = replay.take_changes();
    assert_eq!(account_of(&changes).and_then(|account| account.listed_at), Some(1_000));
}

#[test]
fn a_start_is_unsaved_from_the_first_listing_until_it_is_saved() {
    let mut replay = ReplayState::new(SETTINGS);
    replay.set_baseline(&"user".into(), 7);
    let baseline_only = replay.take_changes();
    assert!(account_of(&baseline_only).is_some_and(|account| account.listed_at.is_none()));
    assert!(!replay.has_unsaved_start(), "there is none yet");
    replay.apply_listing(&[listed("c", 1_000)], 0);
    replay.finish_round(&[]);
    replay.mark_saved();
    assert!(replay.has_unsaved_start(), "these changes were taken before the start");
    take_start(&mut replay);
    assert!(replay.has_unsaved_start());
    replay.mark_saved();
    assert!(!replay.has_unsaved_start());
    replay.apply_listing(&[listed("c", 2_000)], 0);
    replay.finish_round(&[]);
    assert!(!replay.has_unsaved_start(), "there is one start");
}

#[test]
fn a_start_whose_saving_failed_or_has_no_outcome_is_saved_again() {
    let fail = |replay: &mut ReplayState| replay.mark_unsaved([]);
    let forget = |replay: &mut ReplayState| replay.forget_unacknowledged(|_| false);
    for lose in [fail, forget] {
        let mut replay = started(&[("c", 1_000)]);
        take_start(&mut replay);
        lose(&mut replay);
        replay.mark_saved();
        assert!(replay.has_unsaved_start());
        take_start(&mut replay);
        replay.mark_saved();
        assert!(!replay.has_unsaved_start());
    }
}

#[test]
fn a_start_is_saved_with_the_last_part_of_many_channels() {
    let names: Vec<String> = (0..2_500).map(|n| n.to_string()).collect();
    let mut replay = started(&names.iter().map(|name| (name.as_str(), 1_000)).collect::<Vec<_>>());
    for part in 0..3 {
        assert!(replay.has_unsaved_start(), "{part} of three parts are saved");
        replay.take_changes();
        replay.mark_saved();
    }
    assert!(!replay.has_unsaved_start());
}

#[test]
fn a_restored_start_is_saved() {
    let mut kept = Records::default();
    let replay = started(&[("c", 1_000)]).killed(&mut kept);
    assert!(!replay.has_unsaved_start());
}

fn drop_live(replay: &mut ReplayState, dropped: &[(&str, Change)]) {
    for (channel, change) in dropped {
        replay.drop_live(&(*channel).into(), change);
    }
}

#[test]
fn until_an_account_has_caught_up_channels_start_before_live_changes_that_were_dropped() {
    let mut replay = ReplayState::new(SETTINGS);
    let listing = [listed("c", 1_000), listed("d", 1_000), listed("e", 1_000)];
    drop_live(&mut replay, &[("c", posted(900, "b")), ("c", posted(800, "a")), ("c", edited(850, "x"))]);
    assert_eq!(
        replay.apply_listing(&listing, 0),
        [backlog("c", 799, 799)],
        "dropped before the first listing"
    );
    drop_live(&mut replay, &[("c", posted(790, "c")), ("d", edited(700, "y"))]);
    drop_live(&mut replay, &[("e", Change::Deleted { id: "z".into() })]);
    replay.finish_round(&[]);
    let expected = [backlog("c", 789, 789), backlog("d", 699, 699)];
    assert_eq!(replay.apply_listing(&listing, 0), expected, "dropped after it");
    replay.finish_round(&[]);
    replay.end_start();
    drop_live(&mut replay, &[("e", posted(600, "old"))]);
    let found = replay.apply_listing(&listing, 0);
    assert!(
        found.iter().all(|news| news.channel.as_str() != "e"),
        "a known channel stays where it is: {found:?}"
    );
}

#[test]
fn a_known_account_goes_on_where_it_was_although_live_changes_are_dropped() {
    let mut kept = Records::default();
    let mut replay = started(&[("c", 1_000)]).killed(&mut kept);
    drop_live(&mut replay, &[("c", posted(900, "a"))]);
    assert_eq!(replay.apply_listing(&[listed("c", 1_000)], 0), []);
}

#[test]
fn a_start_that_moved_back_is_saved() {
    let mut replay = started(&[("c", 1_000)]);
    let mut kept = Records::default();
    assert!(kept.put(replay.take_changes()));
    drop_live(&mut replay, &[("c", posted(900, "a"))]);
    assert_eq!(replay.apply_listing(&[listed("c", 1_000)], 0), [backlog("c", 899, 899)]);
    assert_eq!(replay.killed(&mut kept).apply_listing(&[listed("c", 1_000)], 0), [backlog("c", 899, 899)]);
}
