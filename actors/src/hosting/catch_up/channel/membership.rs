//! The account's membership along the posts of a channel, as its system posts report it (fact 28).

use std::collections::VecDeque;

use super::super::synthesize::{MembershipChange, membership_change};
use crate::{
    mattermost::Post,
    model::{PostId, UserId},
};

/// The most time between the posts about a removal and a return that were written in the wrong order: the server writes
/// each in the background.
const REORDERED_MS: i64 = 1_000;

/// The place of a post in its channel's order.
type Place = (i64, PostId);

/// The account's membership at the last post read.
#[derive(Debug)]
pub(super) struct MembershipTrack<'a> {
    me: &'a UserId,
    /// True for a member; none before the first change, if it did not begin as one.
    is_member: Option<bool>,
    /// True if it is known how the account began.
    is_begin_known: bool,
    /// The changes that are still to come, in order, those of deleted posts too; none before they were asked for.
    recalled: Option<VecDeque<(Place, MembershipChange)>>,
    /// True if the channel was listed about when the account left it: it may have come back without a post about that.
    is_return_open: bool,
    /// The place of the last change.
    passed: Option<Place>,
    /// The time of the last join, if the account was a member before it.
    joined_again_at: Option<i64>,
}

impl<'a> MembershipTrack<'a> {
    /// Begins with a member.
    pub(super) fn member(me: &'a UserId) -> Self {
        Self { is_member: Some(true), is_begin_known: true, ..Self::unknown(me) }
    }

    /// Begins with an account whose membership the first change will tell.
    pub(super) fn unknown(me: &'a UserId) -> Self {
        Self {
            me,
            is_member: None,
            is_begin_known: false,
            recalled: None,
            is_return_open: false,
            passed: None,
            joined_again_at: None,
        }
    }

    /// Forgets the membership after posts were left out.
    pub(super) fn forget(&mut self) {
        self.is_member = None;
    }

    /// True if the last change was a leave.
    pub(super) fn has_left(&self) -> bool {
        match self.recalled.iter().flatten().next_back() {
            Some((_, change)) => *change == MembershipChange::Left,
            None => self.is_member == Some(false),
        }
    }

    /// True if the account left, and a later list must tell whether it has come back.
    pub(super) fn may_have_returned(&self) -> bool {
        self.is_return_open
            && self.is_member == Some(false)
            && self.recalled.iter().flatten().next().is_none()
    }

    /// True if the post tells of the account's leave and the changes that follow it were not asked for.
    pub(super) fn asks_after(&self, post: &Post) -> bool {
        self.recalled.is_none() && membership_change(post, self.me) == Some(MembershipChange::Left)
    }

    /// Takes the changes that follow from rows that include deleted posts: pages lack those. `listed_at` is a time at which
    /// the account was a member, if one is known: where no post tells of the return before it, it followed the last leave.
    pub(super) fn recall<'p>(&mut self, rows: impl Iterator<Item = &'p Post>, listed_at: Option<i64>) {
        let change = |post: &Post| Some((place(post), membership_change(post, self.me)?));
        let mut changes: Vec<(Place, MembershipChange)> =
            rows.filter(|post| post.original_id.is_none()).filter_map(change).collect();
        changes.extend(self.passed.clone().zip(self.last_change()));
        changes.sort_by(|(a, _), (b, _)| a.cmp(b));
        changes.dedup();
        if let (Some(((left_at, _), MembershipChange::Left)), Some(listed_at)) = (changes.last(), listed_at) {
            self.is_return_open = *left_at >= listed_at;
            if !self.is_return_open {
                // It comes after the leave, and before all that is later.
                changes.push(((left_at + 1, PostId::default()), MembershipChange::Joined));
            }
        }
        if self.is_member.is_none() {
            let first = changes.first().map(|(_, change)| *change == MembershipChange::Left);
            self.is_member = first;
            self.is_begin_known = first.is_some();
        }
        self.recalled = Some(changes.into());
    }

    /// Returns the last change, if one was passed.
    fn last_change(&self) -> Option<MembershipChange> {
        self.passed.as_ref()?;
        Some(if self.is_member? { MembershipChange::Joined } else { MembershipChange::Left })
    }

    /// Learns from a page on the way back, which is earlier than all before it, how the account began.
    pub(super) fn look_back<'p>(&mut self, posts: impl Iterator<Item = &'p Post>) {
        if !self.is_begin_known {
            self.is_member = self.first_change(posts).or(self.is_member);
        }
    }

    /// Learns how an account with unknown membership began, from the posts that it is about to read.
    pub(super) fn look_ahead(&mut self, posts: &[Post]) {
        if self.is_member.is_none() {
            self.is_member = self.first_change(posts.iter());
        }
    }

    /// Moves on by one post. Returns true if the account was a member before it or is after it; one whose membership
    /// nothing tells counts as a member.
    pub(super) fn concerns(&mut self, post: &Post) -> bool {
        self.pass_recalled(&place(post));
        let was_member = self.is_member.unwrap_or(true);
        if let Some(change) = membership_change(post, self.me) {
            self.pass(place(post), change);
        }
        was_member || self.is_member.unwrap_or(true)
    }

    /// Moves on to a place by the recalled changes before it.
    fn pass_recalled(&mut self, until: &Place) {
        while let Some(recalled) = &mut self.recalled
            && recalled.front().is_some_and(|(place, _)| place < until)
            && let Some((place, change)) = recalled.pop_front()
        {
            self.pass(place, change);
        }
    }

    /// Moves on by one change, unless it was passed before.
    fn pass(&mut self, place: Place, change: MembershipChange) {
        if self.passed.as_ref().is_some_and(|passed| place <= *passed) {
            return;
        }
        let at = place.0;
        self.passed = Some(place);
        match change {
            MembershipChange::Joined => {
                self.joined_again_at = (self.is_member == Some(true)).then_some(at);
                self.is_member = Some(true);
            }
            // A member does not join: this is the removal before the last join.
            MembershipChange::Left
                if self.joined_again_at.take().is_some_and(|joined| at - joined <= REORDERED_MS) => {}
            MembershipChange::Left => self.is_member = Some(false),
        }
    }

    /// Returns the membership before the first change among the posts: who joins was none.
    fn first_change<'p>(&self, mut posts: impl Iterator<Item = &'p Post>) -> Option<bool> {
        let change = posts.find_map(|post| membership_change(post, self.me))?;
        Some(change == MembershipChange::Left)
    }
}

/// Returns a post's place.
fn place(post: &Post) -> Place {
    (post.create_at, post.id.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    /// Makes posts: `j` joins, `l` leaves, anything else is said by another user.
    fn posts(kinds: &str) -> Vec<Post> {
        let post = |(n, kind): (usize, char)| {
            let create_at = n * 2_000;
            let (kind, user) = match kind {
                'j' => ("system_join_channel", "me"),
                'l' => ("system_leave_channel", "me"),
                _ => ("", "other"),
            };
            let json = format!(
                r#"{{"id":"p{n}","create_at":{create_at},"user_id":"{user}","channel_id":"c","type":"{kind}"}}"#
            );
            Post::read(RawValue::from_string(json).unwrap()).unwrap()
        };
        kinds.chars().enumerate().map(post).collect()
    }

    fn told(mut track: MembershipTrack<'_>, kinds: &str) -> String {
        let posts = posts(kinds);
        track.look_ahead(&posts);
        let told = posts.iter().zip(kinds.chars()).filter(|(post, _)| track.concerns(post));
        told.map(|(_, kind)| kind).collect()
    }

    #[test]
    fn what_was_said_while_out_is_not_told() {
        let me = UserId::from("me");
        for (kinds, to_a_member, to_an_unknown) in [
            ("abc", "abc", "abc"),
            ("alxyjb", "aljb", "aljb"),
            ("xyja", "xyja", "ja"),
            ("xjalyjb", "xjaljb", "jaljb"),
            ("alx", "al", "al"),
        ] {
            assert_eq!(told(MembershipTrack::member(&me), kinds), to_a_member, "{kinds}");
            assert_eq!(told(MembershipTrack::unknown(&me), kinds), to_an_unknown, "{kinds}");
        }
    }

    #[test]
    fn the_earliest_change_on_the_way_back_tells_how_it_began() {
        let me = UserId::from("me");
        let mut track = MembershipTrack::unknown(&me);
        for (page, has_left) in [("ab", false), ("lxj", false), ("xja", true), ("xy", true)] {
            track.look_back(posts(page).iter());
            assert_eq!(track.has_left(), has_left, "{page}");
        }
        let mut track = MembershipTrack::member(&me);
        track.look_back(posts("xj").iter());
        assert!(!track.has_left(), "a known member stays one");
    }

    /// Like `told`, with what a list shows after the first leave: upper case is what was deleted since.
    fn told_with_deleted(kinds: &str, listed_at: Option<i64>) -> (String, bool, bool) {
        let me = UserId::from("me");
        let all = posts(&kinds.to_lowercase());
        let mut track = MembershipTrack::member(&me);
        let mut told = String::new();
        for (post, kind) in all.iter().zip(kinds.chars()).filter(|(_, kind)| kind.is_lowercase()) {
            if track.concerns(post) {
                told.push(kind);
            }
            if track.asks_after(post) {
                let later = all.iter().filter(|row| row.create_at > post.create_at);
                track.recall(later, listed_at);
            }
        }
        (told, track.has_left(), track.may_have_returned())
    }

    #[test]
    fn a_deleted_post_about_a_return_tells_too() {
        for (kinds, told, has_left) in [
            ("alxJyb", "alyb", false),
            ("alxJylzJb", "alylb", false),
            ("alxJyLzjb", "alyjb", false),
            ("alxJyL", "aly", true),
            ("alxy", "al", true),
            ("aLxjb", "axjb", false),
        ] {
            assert_eq!(told_with_deleted(kinds, None), (told.into(), has_left, false), "{kinds}");
        }
    }

    #[test]
    fn a_deleted_post_about_a_change_tells_how_an_unknown_account_began() {
        let me = UserId::from("me");
        for (kinds, told) in [("xJya", "ya"), ("aLxjb", "ajb"), ("xJyLzjb", "yjb"), ("ab", "ab")] {
            let all = posts(&kinds.to_lowercase());
            let mut track = MembershipTrack::unknown(&me);
            track.recall(all.iter(), None);
            let visible = all.iter().zip(kinds.chars()).filter(|(_, kind)| kind.is_lowercase());
            let heard: String =
                visible.filter(|(post, _)| track.concerns(post)).map(|(_, kind)| kind).collect();
            assert_eq!(heard, told, "{kinds}");
        }
    }

    #[test]
    fn a_list_that_is_later_than_the_leave_shows_the_return() {
        for (kinds, listed_at, told, has_left) in [
            ("alxyb", 2_001, "alxyb", false),
            ("alxyb", 2_000, "al", true),
            ("alxjylzb", 10_001, "aljylzb", false),
            ("alxjylzb", 10_000, "aljyl", true),
        ] {
            assert_eq!(
                told_with_deleted(kinds, Some(listed_at)),
                (told.into(), has_left, has_left),
                "{kinds}"
            );
        }
    }

    #[test]
    fn a_removal_and_a_return_may_be_written_in_the_wrong_order() {
        let me = UserId::from("me");
        for (left_at, has_left) in [(1_000, false), (1_001, true)] {
            let mut posts = posts("jl");
            posts[1].create_at = left_at;
            let mut track = MembershipTrack::member(&me);
            assert!(posts.iter().all(|post| track.concerns(post)));
            assert_eq!(track.has_left(), has_left, "{left_at}");
        }
    }
}
