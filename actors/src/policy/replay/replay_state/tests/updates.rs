//! Saved updates add up to the record that they stand for, and are as small as what came.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::model::ChannelUpdate;

/// A step in the life of a channel.
#[derive(Debug, Clone)]
enum Step {
    Receive(Change),
    Skip,
    List(i64),
    Lack,
    Rejoin,
    SetBack(i64),
    Fail,
    Save,
}

fn step() -> impl Strategy<Value = Step> {
    let times = 1_000i64..3_000;
    prop_oneof![
        8 => (times.clone(), 0u16..300).prop_map(|(at, n)| Step::Receive(posted(at, &format!("p{n}")))),
        3 => (times.clone(), 0u8..9).prop_map(|(at, n)| Step::Receive(edited(at, &format!("p{n}")))),
        2 => (0u8..9).prop_map(|n| Step::Receive(Change::Deleted { id: format!("p{n}").as_str().into() })),
        1 => Just(Step::Skip),
        2 => times.clone().prop_map(Step::List),
        1 => Just(Step::Lack),
        1 => Just(Step::Rejoin),
        1 => times.prop_map(Step::SetBack),
        1 => Just(Step::Fail),
        4 => Just(Step::Save),
    ]
}

fn take(replay: &mut ReplayState, step: Step, kept: &mut Records) {
    match step {
        Step::Receive(change) => {
            if replay.admit(&"c".into(), &change) {
                replay.acknowledge(&"c".into(), change);
            }
        }
        Step::Skip => {
            replay.apply_listing(&[listed("c", 2_000)], 0);
            replay.finish_round(&["c".into()]);
        }
        Step::List(at) => {
            replay.apply_listing(&[listed("c", at)], 0);
            replay.finish_round(&[]);
        }
        Step::Lack => {
            replay.apply_listing(&[], 0);
            replay.finish_round(&[]);
        }
        Step::Rejoin => replay.leave_channel(&"c".into()),
        Step::SetBack(time) => {
            replay.channels.get_mut(&"c".into()).unwrap().pull_back(time, time);
            let state = replay.channels.get_mut(&"c".into()).unwrap();
            mark(&mut replay.dirty, &"c".into(), state);
        }
        Step::Fail => {
            let lost = replay.take_changes();
            replay.mark_unsaved(lost.channels.into_keys());
        }
        Step::Save => assert!(kept.put(replay.take_changes())),
    }
}

proptest! {
    #[test]
    fn saved_updates_add_up_to_the_record(steps in vec(step(), 1..80)) {
        let mut replay = started(&[("c", 1_000)]);
        let mut kept = Records::default();
        for step in steps {
            take(&mut replay, step, &mut kept);
        }
        prop_assert!(kept.put(replay.take_changes()));
        let mut whole = Records::default();
        replay.mark_unsaved(["c".into()]);
        prop_assert!(whole.put(replay.take_changes()));
        prop_assert_eq!(kept, whole);
    }
}

#[test]
fn a_late_edit_that_a_round_forgets_is_forgotten_in_the_store() {
    let (mut replay, mut kept) = (started(&[("c", 1_000)]), Records::default());
    let list = |at| Step::List(at);
    for step in [list(2_140), Step::Receive(edited(1_000, "p0")), Step::Save, list(1_000), Step::Save] {
        take(&mut replay, step, &mut kept);
    }
    assert!(kept.channels[&"c".into()].edits.is_empty());
}

fn update_of(replay: &mut ReplayState) -> ChannelUpdate {
    match replay.take_changes().channels.remove(&"c".into()) {
        Some(ChannelChange::Update(update)) => *update,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_of_a_busy_channel_is_as_large_as_what_came() {
    let mut replay = started(&[("c", 1_000)]);
    for n in 0..800 {
        replay.receive("c", &posted(1_000 + n / 8, &format!("p{n}")));
    }
    assert!(
        matches!(replay.take_changes().channels[&"c".into()], ChannelChange::Record(_)),
        "the first is whole"
    );
    replay.receive("c", &posted(1_105, "new"));
    replay.receive("c", &edited(1_105, "p700"));
    replay.receive("c", &Change::Deleted { id: "p1".into() });
    let update = update_of(&mut replay);
    assert_eq!((update.since.added.len(), update.edits.added.len(), update.deleted.len()), (1, 1, 1));
    assert_eq!(update.since.removed_until.unwrap().0, 1_005);
    replay.receive("c", &posted(1_106, "newer"));
    let update = update_of(&mut replay);
    assert_eq!((update.since.added.len(), update.edits.added.len(), update.deleted.len()), (1, 0, 0));
}

#[test]
fn what_is_never_saved_is_bounded() {
    let mut replay = started(&[("c", 1_000)]);
    replay.take_changes();
    for n in 0..10_000 {
        replay.receive("c", &posted(1_000 + n * 10, &format!("p{n}")));
    }
    let update = update_of(&mut replay);
    assert!(update.since.added.len() <= 12, "only what is within the overlap: {}", update.since.added.len());
}
