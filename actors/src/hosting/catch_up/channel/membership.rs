//! The account's membership along the posts of a channel, as its system posts report it (fact 28).

use super::super::synthesize::{MembershipChange, membership_change};
use crate::{mattermost::Post, model::UserId};

/// The account's membership at the last post read.
#[derive(Debug)]
pub(super) struct MembershipTrack<'a> {
    me: &'a UserId,
    /// True for a member; none before the first change, if it did not begin as one.
    is_member: Option<bool>,
    /// True if the account is known to have been a member at first.
    began_as_member: bool,
}

impl<'a> MembershipTrack<'a> {
    /// Begins with a member.
    pub(super) fn member(me: &'a UserId) -> Self {
        Self { me, is_member: Some(true), began_as_member: true }
    }

    /// Begins with an account whose membership the first change will tell.
    pub(super) fn unknown(me: &'a UserId) -> Self {
        Self { me, is_member: None, began_as_member: false }
    }

    /// Forgets the membership after posts were left out.
    pub(super) fn forget(&mut self) {
        self.is_member = None;
    }

    /// True if the last change was a leave.
    pub(super) fn has_left(&self) -> bool {
        self.is_member == Some(false)
    }

    /// Learns from a page on the way back, which is earlier than all before it, how the account began.
    pub(super) fn look_back<'p>(&mut self, posts: impl Iterator<Item = &'p Post>) {
        if !self.began_as_member {
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
        let was_member = self.is_member.unwrap_or(true);
        if let Some(change) = membership_change(post, self.me) {
            self.is_member = Some(change == MembershipChange::Joined);
        }
        was_member || self.is_member.unwrap_or(true)
    }

    /// Returns the membership before the first change among the posts: who joins was none.
    fn first_change<'p>(&self, mut posts: impl Iterator<Item = &'p Post>) -> Option<bool> {
        let change = posts.find_map(|post| membership_change(post, self.me))?;
        Some(change == MembershipChange::Left)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    /// Makes posts: `j` joins, `l` leaves, anything else is said by another user.
    fn posts(kinds: &str) -> Vec<Post> {
        let post = |(n, kind): (usize, char)| {
            let (kind, user) = match kind {
                'j' => ("system_join_channel", "me"),
                'l' => ("system_leave_channel", "me"),
                _ => ("", "other"),
            };
            let json = format!(
                r#"{{"id":"p{n}","create_at":{n},"user_id":"{user}","channel_id":"c","type":"{kind}"}}"#
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
}
