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
