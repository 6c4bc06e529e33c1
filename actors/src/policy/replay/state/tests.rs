use super::*;
use crate::{
    model::{PostId, PostKey},
    policy::Anchor,
};

const OVERLAP: i64 = 100;
const SETTINGS: BookSettings = BookSettings { overlap_ms: OVERLAP, from: Beginning::Now };

fn key(create_at: i64, id: &str) -> PostKey {
    PostKey { create_at, id: id.into() }
}

fn posted(create_at: i64, id: &str) -> Change {
    Change::Posted(key(create_at, id))
}

fn edited(edit_at: i64, id: &str) -> Change {
    Change::Edited { id: id.into(), edit_at }
}

fn listed(channel: &str, last_post_at: i64) -> Listed {
    Listed { channel: channel.into(), create_at: 0, last_post_at, is_direct: false }
}

fn news(channel: &str, from: i64, edits_since: Option<i64>) -> News {
    News { channel: channel.into(), from: Anchor::Time(from), edits_since, kind: NewsKind::Known }
}

/// A book after its first listing.
fn begun(channels: &[(&str, i64)]) -> Book {
    let mut book = Book::new(SETTINGS);
    let listing: Vec<Listed> = channels.iter().map(|(channel, at)| listed(channel, *at)).collect();
    assert_eq!(book.listed(&listing, 0), [], "the first start is now");
    book.fetched(&[]);
    book
}

impl Book {
    fn heard(&mut self, channel: &str, change: &Change) {
        assert!(self.take(&channel.into(), change), "{change:?}");
        self.acknowledged(&channel.into(), change.clone());
    }

    /// As it is after a kill.
    fn killed(&mut self, kept: &mut Records) -> Self {
        kept.put(self.changes());
        Self::kept(self.settings, kept.clone())
    }
}

#[test]
fn news_is_what_lies_past_the_last_finished_round() {
    let mut book = begun(&[("quiet", 1_000), ("busy", 9_000)]);
    let listing = [listed("quiet", 1_000), listed("busy", 9_500)];
    let found = book.listed(&listing, 0);
    assert_eq!(found, [news("busy", 9_000, Some(9_000))]);
    assert_eq!(book.listed(&listing, 0), found, "an unfinished round begins again");
    book.fetched(&[]);
    let more = [listed("quiet", 1_000), listed("busy", 9_500), listed("other", 20_000)];
    assert_eq!(book.listed(&more, 0).len(), 1);
}

#[test]
fn the_first_start_may_be_earlier_than_now_and_brings_no_old_edits() {
    let mut book = Book::new(BookSettings { from: Beginning::At(500), ..SETTINGS });
    assert_eq!(book.listed(&[listed("c", 1_000), listed("old", 400)], 0), [news("c", 500, Some(1_000))]);
    book.fetched(&[]);
    let later = Listed { create_at: 1, ..listed("later", 3_000) };
    let found = book.listed(&[later], 0);
    assert_eq!(found[0].from, Anchor::Time(1_000), "what comes later begins at the listing before it");
}

#[test]
fn a_channel_that_was_active_when_the_socket_was_lost_is_looked_at_until_it_has_been() {
    let mut book = begun(&[("c", 1_000), ("other", 500)]);
    book.heard("c", &posted(2_000, "p"));
    let listing = [listed("c", 2_000), listed("other", 9_000)];
    let look = News { edits_since: None, ..news("c", 1_000, None) };
    assert!(book.listed(&listing, 0).contains(&look), "fact 23, though the others have moved on");
    assert!(book.listed(&listing, 0).contains(&look), "the round failed: it has not been looked at");
    book.fetched(&[]);
    assert_eq!(book.listed(&listing, 0), []);
}

#[test]
fn a_post_is_taken_once_while_it_is_open_and_after() {
    let mut book = begun(&[("c", 1_000)]);
    let (channel, post) = (ChannelId::from("c"), posted(2_000, "p"));
    assert!(book.take(&channel, &post) && !book.take(&channel, &post));
    book.acknowledged(&channel, post.clone());
    assert!(!book.take(&channel, &post));
    assert!(book.take(&channel, &posted(2_000, "q")), "the same time, another id");
    assert!(book.take(&channel, &posted(5, "old")), "never for its time");
}

#[test]
fn what_was_listed_before_the_cursor_moved_on_does_not_come_again() {
    let mut book = begun(&[("c", 1_000)]);
    let channel = ChannelId::from("c");
    book.heard("c", &posted(1_500, "old"));
    assert_eq!(book.listed(&[listed("c", 2_000)], 0)[0].from, Anchor::Time(1_000));
    // What was on its way to the sink is acknowledged, and the old one is older than the overlap now.
    book.heard("c", &posted(1_500 + OVERLAP, "young"));
    assert!(!book.take_fetched(&channel, &posted(1_500, "old")));
    assert!(book.take_fetched(&channel, &posted(1_501, "missed")));
    assert!(book.take(&channel, &posted(1_400, "live")), "a live one is never dropped for its time");
}

#[test]
fn an_edit_and_a_deletion_are_taken_once_each() {
    let mut book = begun(&[("c", 1_000)]);
    let deleted = Change::Deleted { id: "p".into() };
    for change in [edited(2_000, "p"), edited(2_001, "p"), deleted] {
        book.heard("c", &change);
        assert!(!book.take(&"c".into(), &change), "{change:?}");
    }
}

#[test]
fn what_was_never_acknowledged_comes_again() {
    let mut book = begun(&[("c", 1_000)]);
    let (channel, post) = (ChannelId::from("c"), posted(2_000, "p"));
    book.take(&channel, &post);
    book.listed(&[listed("c", 2_000)], 0);
    book.fetched(&[]);
    book.forget_open();
    assert_eq!(book.listed(&[listed("c", 2_000)], 0), [news("c", 1_000, Some(1_000))]);
    assert!(book.take(&channel, &post));
}

#[test]
fn a_round_that_fails_after_its_posts_still_owes_their_edits() {
    let mut book = begun(&[("c", 1_000)]);
    book.listed(&[listed("c", 9_000)], 0);
    book.heard("c", &posted(9_000, "young"));
    let found = book.listed(&[listed("c", 9_000)], 0);
    assert_eq!(found[0].edits_since, Some(1_000), "an edit made at 5000 was not fetched");
}

#[test]
fn a_channel_that_comes_later_begins_at_the_last_listing_and_a_direct_one_at_its_own_beginning() {
    let mut book = begun(&[("c", 1_000)]);
    let direct = Listed { channel: "d".into(), create_at: 3_000, last_post_at: 3_000, is_direct: true };
    let found = book.listed(&[listed("c", 1_000), listed("new", 5_000), direct], 0);
    let found: HashMap<_, _> = found.into_iter().map(|news| (news.channel.clone(), news)).collect();
    let (new, direct) = (&found[&"new".into()], &found[&"d".into()]);
    assert_eq!((&new.from, new.kind), (&Anchor::Time(1_000), NewsKind::Joining));
    assert_eq!((&direct.from, direct.kind), (&Anchor::Time(2_999), NewsKind::Known));
}

#[test]
fn a_channel_first_heard_of_live_begins_at_the_last_listing() {
    let mut book = begun(&[("c", 1_000)]);
    book.heard("new", &posted(2_000, "young"));
    let found = book.listed(&[listed("c", 1_000), listed("new", 2_000)], 0);
    assert_eq!(found[0].from, Anchor::Time(1_000), "an older post may become visible yet");
}

#[test]
fn a_channel_with_a_cursor_that_the_list_lacks_is_asked_for_until_it_was_seen_to_be_left() {
    let mut book = begun(&[("c", 1_000), ("d", 1_000)]);
    let lacking = News { kind: NewsKind::Unlisted, ..news("d", 1_000, None) };
    assert_eq!(book.listed(&[listed("c", 1_000)], 0), [lacking]);
    book.heard("d", &Change::Left);
    assert_eq!(book.listed(&[listed("c", 1_000)], 0), []);
}

#[test]
fn a_leave_ends_a_cursor_when_what_was_taken_before_it_is_acknowledged() {
    let mut book = begun(&[("c", 1_000)]);
    let (channel, post) = (ChannelId::from("c"), posted(2_000, "p"));
    book.take(&channel, &post);
    book.leaves(&channel);
    let mut kept = Records::default();
    assert_eq!(book.killed(&mut kept).listed(&[], 0).len(), 1, "a kill before that owes the post");
    book.acknowledged(&channel, post);
    assert_eq!(book.listed(&[], 0), []);
    assert_eq!(book.killed(&mut kept).listed(&[], 0), []);
}

#[test]
fn who_comes_back_begins_after_the_leave() {
    let mut book = begun(&[("c", 1_000)]);
    book.heard("c", &posted(2_000, "p"));
    book.heard("c", &Change::Left);
    let back = book.listed(&[listed("c", 9_000)], 0);
    assert_eq!((&back[0].from, back[0].kind), (&Anchor::Time(2_000), NewsKind::Joining));
    book.heard("c", &posted(9_000, "join"));
    let again = book.listed(&[listed("c", 9_000)], 0);
    assert_eq!((&again[0].from, again[0].kind), (&Anchor::Time(2_000), NewsKind::Joining), "not finished");
    book.fetched(&[]);
    book.heard("c", &posted(9_000 + OVERLAP, "later"));
    assert_eq!(book.listed(&[listed("c", 9_500)], 0)[0].kind, NewsKind::Known, "it has an anchor");
}

#[test]
fn who_is_heard_to_be_back_begins_there() {
    let mut book = begun(&[("c", 1_000)]);
    book.heard("c", &Change::Left);
    book.heard("c", &posted(9_000, "join"));
    let found = book.listed(&[listed("c", 9_500)], 0);
    assert_eq!((&found[0].from, found[0].kind), (&Anchor::Time(9_000 - OVERLAP), NewsKind::Joining));
}

#[test]
fn a_channel_that_refuses_is_told_once_and_is_owed_what_it_has() {
    let mut book = begun(&[("c", 1_000)]);
    let channel = ChannelId::from("c");
    for anew in [true, false] {
        assert_eq!(book.listed(&[listed("c", 2_000)], 0).len(), 1);
        assert_eq!(book.refuses_anew(&channel), anew);
        book.fetched(std::slice::from_ref(&channel));
    }
    assert_eq!(book.listed(&[listed("c", 2_000)], 0).len(), 1);
    book.fetched(&[]);
    assert!(book.refuses_anew(&channel), "it could be read meanwhile");
}

#[test]
fn a_kill_owes_exactly_what_was_not_acknowledged() {
    let mut book = begun(&[("c", 1_000)]);
    let mut kept = Records::default();
    book.heard("c", &posted(2_000, "a"));
    book.take(&"c".into(), &posted(2_050, "b"));
    let mut after = book.killed(&mut kept);
    assert_eq!(after.listed(&[listed("c", 2_050)], 0), [news("c", 1_000, Some(1_900))]);
    assert!(!after.take(&"c".into(), &posted(2_000, "a")) && after.take(&"c".into(), &posted(2_050, "b")));
}

#[test]
fn a_kill_owes_what_was_sent_between_the_first_hello_and_the_first_listing() {
    let mut book = begun(&[("c", 2_000)]);
    let held = posted(1_950, "held while the channels were listed");
    assert!(book.take(&"c".into(), &held));
    let mut kept = Records::default();
    let mut after = book.killed(&mut kept);
    assert_eq!(after.listed(&[listed("c", 2_000)], 0), [news("c", 1_949, Some(2_000))]);
    book.acknowledged(&"c".into(), held);
    assert!(book.killed(&mut kept).take(&"c".into(), &posted(1_999, "another")), "never for its time");
    let imported = posted(5, "imported");
    assert!(book.take(&"c".into(), &imported));
    assert_eq!(book.killed(&mut kept).listed(&[listed("c", 3_000)], 0)[0].from, Anchor::Time(1_949));
}

#[test]
fn a_kill_in_the_middle_of_a_round_owes_the_whole_of_it() {
    let mut book = begun(&[("c", 1_000)]);
    let mut kept = Records::default();
    book.listed(&[listed("c", 9_000)], 0);
    book.heard("c", &posted(9_000, "young"));
    assert_eq!(book.killed(&mut kept).listed(&[listed("c", 9_000)], 0)[0].edits_since, Some(1_000));
    let late = posted(9_001, "unacknowledged");
    book.take(&"c".into(), &late);
    book.fetched(&[]);
    let owed = book.killed(&mut kept).listed(&[listed("c", 9_000)], 0);
    assert_eq!(owed.len(), 1, "the round is finished, but not acknowledged");
    book.acknowledged(&"c".into(), late);
    let due = book.killed(&mut kept).listed(&[listed("c", 9_001)], 0);
    assert_eq!(due[0].edits_since, None, "all is seen; it was only active just now");
}

#[test]
fn only_what_has_changed_is_to_be_kept_and_what_could_not_be_has_changed_still() {
    let mut book = begun(&[("c", 1_000), ("d", 1_000)]);
    assert_eq!(book.changes().channels.len(), 2, "each listed channel gets its cursor at once");
    assert!(book.changes().is_empty());
    book.heard("c", &posted(2_000, "p"));
    let changes = book.changes();
    assert_eq!(changes.channels.keys().collect::<Vec<_>>(), [&ChannelId::from("c")]);
    book.not_kept(changes.clone());
    assert_eq!(book.changes(), changes);
    book.listed(&[listed("c", 3_000), listed("d", 1_000)], 0);
    book.fetched(&[]);
    assert_eq!(book.changes().channels.len(), 1, "a channel without news is not written anew");
}

#[test]
fn the_resume_point_is_used_up_by_a_connection() {
    let mut book = Book::new(SETTINGS);
    let point = ResumePoint { connection_id: "x".into(), next_seq: 3 };
    book.connected(&"user".into(), 7);
    book.parted(Some(point.clone()));
    let mut kept = Records::default();
    let after = book.killed(&mut kept);
    assert_eq!((&after.account().resume, after.account().baseline), (&Some(point), Some(7)));
    book.connected(&"other".into(), 8);
    let account = book.killed(&mut kept).account().clone();
    assert_eq!((account.resume, account.user), (None, Some("user".into())), "the user stays the first");
}

#[test]
fn the_audit_asks_for_what_was_never_received() {
    let mut book = begun(&[("c", 1_000)]);
    book.heard("c", &posted(2_000, "a"));
    assert_eq!(book.overdue(&[listed("c", 2_000)]), []);
    assert_eq!(book.overdue(&[listed("c", 3_000)]).len(), 1);
    book.take(&"c".into(), &posted(2_500, "open"));
    let fetched = [key(2_000, "a"), key(2_500, "open"), key(3_000, "lost")];
    assert_eq!(book.missing(&"c".into(), &fetched[..2]), None);
    assert_eq!(book.missing(&"c".into(), &fetched), Some(&fetched[2]));
    book.looked_at(&"c".into(), 3_000);
    assert_eq!(book.overdue(&[listed("c", 3_000)]), [], "an edit or a pin had moved it (fact 24)");
    let id = PostId::from("x");
    assert!(book.missing(&"unknown".into(), &[PostKey { create_at: 1, id }]).is_some());
}
