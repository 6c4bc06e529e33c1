mod absent_channels;
mod incomplete_listings;
mod lateness;
mod membership;
mod refusals;
mod start;
mod updates;

use super::*;
use crate::{
    model::{AccountChange, ChannelChange, PostId, PostKey},
    policy::{Anchor, BacklogKind, ChannelBacklog, ListedChannel, ServerClock},
};

const OVERLAP: i64 = 100;
const SETTINGS: ReplaySettings = ReplaySettings { overlap_ms: OVERLAP, from: StartFrom::Now };

fn key(create_at: i64, id: &str) -> PostKey {
    PostKey { create_at, id: id.into() }
}

fn posted(create_at: i64, id: &str) -> Change {
    Change::Posted(key(create_at, id))
}

fn edited(edit_at: i64, id: &str) -> Change {
    Change::Edited { id: id.into(), edit_at }
}

fn listed(channel: &str, last_post_at: i64) -> ListedChannel {
    ListedChannel { channel: channel.into(), create_at: 0, last_post_at, is_direct: false }
}

fn backlog(channel: &str, from: i64, edits_since: i64) -> ChannelBacklog {
    ChannelBacklog {
        channel: channel.into(),
        from: Anchor::Time(from),
        edits_since,
        kind: BacklogKind::Known,
    }
}

/// Creates a state after its first listing.
fn started(channels: &[(&str, i64)]) -> ReplayState {
    let mut replay = ReplayState::new(SETTINGS);
    let listing: Vec<ListedChannel> = channels.iter().map(|(channel, at)| listed(channel, *at)).collect();
    assert_eq!(replay.apply_listing(&listing, 0), [], "the first start delivers nothing old");
    replay.finish_round(&[]);
    replay
}

impl ReplayState {
    /// Applies a complete listing.
    fn apply_listing(&mut self, listing: &[ListedChannel], server_time: i64) -> Vec<ChannelBacklog> {
        self.apply(listing, server_time, true)
    }

    /// Applies a listing in parts of two channels.
    fn apply(
        &mut self,
        listing: &[ListedChannel],
        server_time: i64,
        is_complete: bool,
    ) -> Vec<ChannelBacklog> {
        self.begin_listing(server_time, is_complete);
        let mut found: Vec<_> = listing.chunks(2).flat_map(|part| self.list(part)).collect();
        found.extend(self.end_listing());
        found
    }

    fn receive(&mut self, channel: &str, change: &Change) {
        assert!(self.admit(&channel.into(), change), "{change:?}");
        self.acknowledge(&channel.into(), change.clone());
    }

    /// Restores the state as after a kill.
    fn killed(&mut self, kept: &mut Records) -> Self {
        assert!(kept.put(self.take_changes()));
        Self::restore(self.settings, kept.clone())
    }
}

#[test]
fn activity_after_the_last_finished_round_is_fetched() {
    let mut replay = started(&[("quiet", 1_000), ("busy", 9_000)]);
    let listing = [listed("quiet", 1_000), listed("busy", 9_500)];
    let found = replay.apply_listing(&listing, 0);
    assert_eq!(found, [backlog("busy", 9_000, 9_000)]);
    assert_eq!(replay.apply_listing(&listing, 0), found, "an unfinished round begins again");
    replay.finish_round(&[]);
    assert_eq!(
        replay.apply_listing(&listing, 20_000),
        [backlog("busy", 9_000, 9_400)],
        "a post from before an edit may become visible after it, and no deletion moves last_post_at"
    );
    replay.finish_round(&[]);
    let more = [listed("quiet", 1_000), listed("busy", 9_500), listed("other", 30_000)];
    assert_eq!(replay.apply_listing(&more, 0).len(), 1);
}

#[test]
fn a_postponed_channel_is_read_once_it_is_resumed_also_after_a_kill() {
    let (mut replay, mut kept) = (started(&[("c", 1_000)]), Records::default());
    let [first, second] = [posted(2_000, "p"), posted(2_001, "q")];
    for change in [&first, &second] {
        assert!(replay.admit(&"c".into(), change));
    }
    let edit = Change::Edited { id: "old".into(), edit_at: 2_002 };
    replay.postpone(&"c".into(), [Some(&second), Some(&edit), None].into_iter());
    replay.acknowledge(&"c".into(), first);
    assert!(replay.has_unacknowledged(), "an audit would take the dropped post for a missed one");
    let listing = [listed("c", 2_001)];
    assert_eq!(replay.apply_listing(&listing, 0), [], "not while its events wait");
    replay.finish_round(&[]);
    let mut after_kill = replay.killed(&mut kept);
    replay.resume_channel(&"c".into());
    for replay in [&mut replay, &mut after_kill] {
        let found = replay.apply_listing(&listing, 0);
        assert!(found[0].edits_since < 2_002, "{found:?}");
        assert!(replay.admit_fetched(&"c".into(), &second));
        replay.acknowledge(&"c".into(), second.clone());
        replay.finish_round(&[]);
        assert!(!replay.has_unacknowledged());
    }
}

#[test]
fn the_first_start_may_be_earlier_than_now_and_brings_no_old_edits() {
    let mut replay = ReplayState::new(ReplaySettings { from: StartFrom::At(500), ..SETTINGS });
    assert_eq!(
        replay.apply_listing(&[listed("c", 1_000), listed("old", 400)], 0),
        [backlog("c", 500, 1_000)]
    );
    replay.finish_round(&[]);
    let later = ListedChannel { create_at: 1, ..listed("later", 3_000) };
    let found = replay.apply_listing(&[later], 0);
    assert_eq!(found[0].from, Anchor::Time(1_000), "a later channel starts at the listing before it");
}

#[test]
fn an_active_channel_stays_due_until_it_was_fetched() {
    let mut replay = started(&[("c", 1_000), ("other", 500)]);
    replay.receive("c", &posted(2_000, "p"));
    let listing = [listed("c", 2_000), listed("other", 9_000)];
    let expected = backlog("c", 1_000, 2_000 - OVERLAP);
    assert!(
        replay.apply_listing(&listing, 0).contains(&expected),
        "fact 23, although other channels have newer posts"
    );
    assert!(
        replay.apply_listing(&listing, 20_000).contains(&expected),
        "the round failed: the channel has not been read"
    );
    replay.finish_round(&[]);
    assert_eq!(replay.apply_listing(&listing, 0), []);
}

#[test]
fn a_channel_with_a_recent_edit_is_read_for_posts_from_before_it() {
    let mut replay = started(&[("c", 1_000), ("other", 500)]);
    let listing = [listed("c", 2_000), listed("other", 500)];
    replay.receive("c", &edited(2_000, "p"));
    let expected = backlog("c", 1_000, 1_000);
    let found = replay.apply_listing(&listing, 2_050);
    assert_eq!(found[..], [expected][..], "an edit moves last_post_at");
    let mut kept = Records::default();
    assert_eq!(replay.killed(&mut kept).apply_listing(&listing, 2_050), found);
    replay.finish_round(&[]);
    replay.receive("other", &posted(2_000 + OVERLAP + 1, "later"));
    let later = [listed("c", 2_000), listed("other", 2_000 + OVERLAP + 1)];
    assert_eq!(replay.apply_listing(&later, 0), [backlog("other", 500, 2_001)]);
}

#[test]
fn a_post_is_taken_once_while_it_is_open_and_after() {
    let mut replay = started(&[("c", 1_000)]);
    let (channel, post) = (ChannelId::from("c"), posted(2_000, "p"));
    assert!(replay.admit(&channel, &post) && !replay.admit(&channel, &post));
    replay.acknowledge(&channel, post.clone());
    assert!(!replay.admit(&channel, &post));
    assert!(replay.admit(&channel, &posted(2_000, "q")), "the same time, another id");
    assert!(replay.admit(&channel, &posted(5, "old")), "never by its time");
}

#[test]
fn an_outdated_listing_repeats_no_posts() {
    let mut replay = started(&[("c", 1_000)]);
    let channel = ChannelId::from("c");
    replay.receive("c", &posted(1_500, "old"));
    assert_eq!(replay.apply_listing(&[listed("c", 2_000)], 0)[0].from, Anchor::Time(1_000));
    // An event that was with the sink is acknowledged, and the old one is now older than the overlap.
    replay.receive("c", &posted(1_500 + OVERLAP, "young"));
    assert!(!replay.admit_fetched(&channel, &posted(1_500, "old")));
    assert!(replay.admit_fetched(&channel, &posted(1_501, "missed")));
    assert!(replay.admit(&channel, &posted(1_400, "live")), "a live post is never dropped by its time");
}

#[test]
fn missed_posts_of_one_time_all_come_although_later_ones_are_known() {
    let mut replay = started(&[("c", 1_000)]);
    let channel = ChannelId::from("c");
    replay.receive("c", &posted(9_000, "later"));
    for id in ["a", "b", "c"] {
        assert!(replay.admit_fetched(&channel, &posted(2_000, id)), "{id}");
        replay.acknowledge(&channel, posted(2_000, id));
        assert!(!replay.admit_fetched(&channel, &posted(2_000, id)), "{id} again");
    }
}

#[test]
fn an_edit_and_a_deletion_are_taken_once_each() {
    let mut replay = started(&[("c", 1_000)]);
    let deleted = Change::Deleted { id: "p".into() };
    for change in [edited(2_000, "p"), edited(2_001, "p"), deleted] {
        replay.receive("c", &change);
        assert!(!replay.admit(&"c".into(), &change), "{change:?}");
    }
}

#[test]
fn unacknowledged_posts_come_again() {
    let mut replay = started(&[("c", 1_000)]);
    let (channel, post) = (ChannelId::from("c"), posted(2_000, "p"));
    replay.admit(&channel, &post);
    replay.apply_listing(&[listed("c", 2_000)], 0);
    replay.finish_round(&[]);
    replay.forget_unacknowledged(|_| false);
    assert_eq!(replay.apply_listing(&[listed("c", 2_000)], 0), [backlog("c", 1_000, 1_000)]);
    assert!(replay.admit(&channel, &post));
}

#[test]
fn a_round_that_fails_after_its_posts_still_owes_their_edits() {
    let mut replay = started(&[("c", 1_000)]);
    replay.apply_listing(&[listed("c", 9_000)], 0);
    replay.receive("c", &posted(9_000, "young"));
    let found = replay.apply_listing(&[listed("c", 9_000)], 0);
    assert_eq!(found[0].edits_since, 1_000, "an edit made at 5000 was not fetched");
}

#[test]
fn a_channel_that_comes_later_begins_at_the_last_listing_and_a_direct_one_at_its_own_beginning() {
    let mut replay = started(&[("c", 1_000)]);
    let direct =
        ListedChannel { channel: "d".into(), create_at: 3_000, last_post_at: 3_000, is_direct: true };
    let found = replay.apply_listing(&[listed("c", 1_000), listed("new", 5_000), direct], 0);
    let found: IdMap<_, _> = found.into_iter().map(|backlog| (backlog.channel.clone(), backlog)).collect();
    let (new, direct) = (&found[&"new".into()], &found[&"d".into()]);
    assert_eq!((&new.from, new.kind), (&Anchor::Time(1_000), BacklogKind::Joining));
    assert_eq!((&direct.from, direct.kind), (&Anchor::Time(2_999), BacklogKind::Known));
}

#[test]
fn a_channel_joined_during_a_round_begins_at_its_listing() {
    let mut replay = started(&[("c", 1_000)]);
    replay.apply_listing(&[listed("c", 1_000)], 5_000);
    replay.receive("c", &posted(9_000, "fetched after the listing"));
    replay.finish_round(&[]);
    let found = replay.apply_listing(&[listed("c", 9_000), listed("new", 8_000)], 0);
    assert_eq!(found.last().unwrap().from, Anchor::Time(5_000));
}

#[test]
fn a_channel_first_seen_live_begins_at_the_last_listing() {
    let mut replay = started(&[("c", 1_000)]);
    replay.receive("new", &posted(2_000, "young"));
    let found = replay.apply_listing(&[listed("c", 1_000), listed("new", 2_000)], 0);
    assert_eq!(found[0].from, Anchor::Time(1_000), "an older post may still become visible");
}

#[test]
fn after_a_kill_exactly_the_unacknowledged_posts_come_again() {
    let mut replay = started(&[("c", 1_000)]);
    let mut kept = Records::default();
    replay.receive("c", &posted(2_000, "a"));
    replay.admit(&"c".into(), &posted(2_050, "b"));
    let mut after = replay.killed(&mut kept);
    assert_eq!(after.apply_listing(&[listed("c", 2_050)], 0), [backlog("c", 1_000, 1_900)]);
    assert!(!after.admit(&"c".into(), &posted(2_000, "a")) && after.admit(&"c".into(), &posted(2_050, "b")));
}

#[test]
fn after_a_kill_posts_between_the_first_hello_and_listing_come_again() {
    let mut replay = started(&[("c", 2_000)]);
    let held = posted(1_950, "held while the channels were listed");
    assert!(replay.admit(&"c".into(), &held));
    let mut kept = Records::default();
    let mut after = replay.killed(&mut kept);
    assert_eq!(after.apply_listing(&[listed("c", 2_000)], 0), [backlog("c", 1_949, 2_000)]);
    replay.acknowledge(&"c".into(), held);
    assert!(replay.killed(&mut kept).admit(&"c".into(), &posted(1_999, "another")), "never by its time");
    let imported = posted(5, "imported");
    assert!(replay.admit(&"c".into(), &imported));
    assert_eq!(replay.killed(&mut kept).apply_listing(&[listed("c", 3_000)], 0)[0].from, Anchor::Time(1_949));
}

#[test]
fn after_a_kill_an_unfinished_round_is_fetched_again() {
    let mut replay = started(&[("c", 1_000)]);
    let mut kept = Records::default();
    replay.apply_listing(&[listed("c", 9_000)], 0);
    replay.receive("c", &posted(9_000, "young"));
    assert_eq!(replay.killed(&mut kept).apply_listing(&[listed("c", 9_000)], 0)[0].edits_since, 1_000);
    let late = posted(9_001, "unacknowledged");
    replay.admit(&"c".into(), &late);
    replay.finish_round(&[]);
    let owed = replay.killed(&mut kept).apply_listing(&[listed("c", 9_000)], 0);
    assert_eq!(owed.len(), 1, "the round is complete, but not acknowledged");
    replay.acknowledge(&"c".into(), late);
    let due = replay.killed(&mut kept).apply_listing(&[listed("c", 9_001)], 0);
    assert_eq!(due[0].edits_since, 9_001 - OVERLAP, "all was seen, but a recent deletion");
}

#[test]
fn only_changed_cursors_are_saved_and_a_failed_save_is_repeated() {
    let mut replay = started(&[("c", 1_000), ("d", 1_000)]);
    assert_eq!(replay.take_changes().channels.len(), 2, "each listed channel gets its cursor at once");
    assert!(replay.take_changes().is_empty());
    replay.receive("c", &posted(2_000, "p"));
    let changes = replay.take_changes();
    assert_eq!(changes.channels.keys().collect::<Vec<_>>(), [&ChannelId::from("c")]);
    replay.mark_unsaved(changes.channels.clone().into_keys());
    let again = replay.take_changes();
    assert_eq!(again.channels.keys().collect::<Vec<_>>(), [&ChannelId::from("c")]);
    assert!(matches!(again.channels[&"c".into()], ChannelChange::Record(_)), "the store may have any part");
    replay.apply_listing(&[listed("c", 3_000), listed("d", 1_000)], 0);
    replay.finish_round(&[]);
    assert_eq!(replay.take_changes().channels.len(), 1, "an unchanged channel is not saved again");
}

#[test]
fn the_resume_point_is_used_up_by_a_connection() {
    let mut replay = ReplayState::new(SETTINGS);
    let point = ResumePoint { connection_id: "x".into(), next_seq: 3, handled: Vec::new() };
    replay.set_baseline(&"user".into(), 7);
    replay.set_resume_point(Some(point.clone()));
    let mut kept = Records::default();
    let after = replay.killed(&mut kept);
    assert_eq!((&after.account().resume, after.account().baseline), (&Some(point), Some(7)));
    replay.set_baseline(&"other".into(), 8);
    let account = replay.killed(&mut kept).account().clone();
    assert_eq!((account.resume, account.user), (None, Some("user".into())), "the first user is kept");
}

#[test]
fn an_audit_asks_for_posts_never_received() {
    let mut replay = started(&[("c", 1_000)]);
    replay.receive("c", &posted(2_000, "a"));
    assert_eq!(replay.channels_to_audit(&[listed("c", 2_000)]), []);
    assert_eq!(replay.channels_to_audit(&[listed("c", 3_000)]).len(), 1);
    replay.admit(&"c".into(), &posted(2_500, "open"));
    let fetched = [key(2_000, "a"), key(2_500, "open"), key(3_000, "lost")];
    assert_eq!(replay.first_missing(&"c".into(), &fetched[..2]), None);
    assert_eq!(replay.first_missing(&"c".into(), &fetched), Some(&fetched[2]));
    replay.mark_audited(&"c".into(), 3_000);
    assert_eq!(
        replay.channels_to_audit(&[listed("c", 3_000)]),
        [],
        "an edit or a pin had moved it (fact 24)"
    );
    let id = PostId::from("x");
    assert!(replay.first_missing(&"unknown".into(), &[PostKey { create_at: 1, id }]).is_some());
}
