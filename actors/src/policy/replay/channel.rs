//! What was heard of one channel.

use std::collections::HashSet;

use super::{
    cursor::{Anchor, Cursor},
    edits::EditCursor,
};
use crate::model::{Change, ChannelRecord, PostKey};

/// One channel.
#[derive(Debug)]
pub(super) struct ChannelState {
    pub(super) cursor: Cursor,
    pub(super) edits: EditCursor,
    /// What was taken and is not acknowledged yet.
    pub(super) open: HashSet<Change>,
    /// News is what lies past this.
    pub(super) seen_until: i64,
    /// The same when last nothing was open and no round under way: what a kill, or a round that fails, falls back to.
    settled: i64,
    /// The time of the newest post that was taken; 0 before the first.
    pub(super) heard: i64,
    pub(super) membership: Membership,
    /// It was active when the socket was lost, and has not been looked at since.
    pub(super) due: bool,
    /// It refused to be read, and that was told.
    pub(super) refused: bool,
    /// What the listing of the round under way said, where it had the channel. Until the round is finished nothing
    /// counts as seen: what was acknowledged says nothing about the edits before it.
    listed_until: Option<i64>,
    /// What to do as soon as nothing is open.
    deferred: Deferred,
    /// It differs from what was last given out to be kept.
    pub(super) dirty: bool,
}

/// Whether the account is in the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Membership {
    /// It is.
    Member,
    /// It came in, and has no anchor since: what is wanted begins at its join post, if there is one.
    Joining,
    /// It was seen to leave: its cursor has ended.
    Left,
}

/// What waits for the acknowledgement of all that was taken: a kill before that must not find it done.
#[derive(Debug, Default)]
struct Deferred {
    leave: bool,
    edits_reach: Option<i64>,
}

impl ChannelState {
    /// A channel that begins: posts later than one time are wanted, and edits later than another.
    pub(super) fn beginning(posts: i64, edits: i64, membership: Membership, overlap_ms: i64) -> Self {
        Self::new(Cursor::at(posts, overlap_ms), EditCursor::after(edits), posts, membership)
    }

    fn new(cursor: Cursor, edits: EditCursor, seen_until: i64, membership: Membership) -> Self {
        Self {
            cursor,
            edits,
            open: HashSet::new(),
            seen_until,
            settled: seen_until,
            heard: 0,
            membership,
            due: false,
            refused: false,
            listed_until: None,
            deferred: Deferred::default(),
            dirty: false,
        }
    }

    /// As it was kept.
    pub(super) fn restore(record: ChannelRecord, overlap_ms: i64) -> Self {
        let anchor = match record.anchor {
            Some(id) => Anchor::Post { id, create_at: record.anchor_at },
            None => Anchor::Time(record.anchor_at),
        };
        let cursor = Cursor::restore(anchor, record.since, overlap_ms);
        let heard = cursor.newest_post().unwrap_or_default();
        let edits = EditCursor::restore(record.edited_until, record.edits, record.deleted);
        let membership = match record {
            ChannelRecord { left: true, .. } => Membership::Left,
            ChannelRecord { joining: true, .. } => Membership::Joining,
            _ => Membership::Member,
        };
        Self { heard, ..Self::new(cursor, edits, record.seen_until, membership) }
    }

    /// Another overlap holds from now on.
    pub(super) fn set_overlap(&mut self, overlap_ms: i64) {
        self.cursor.set_overlap(overlap_ms);
    }

    /// What is kept of it.
    pub(super) fn record(&self) -> ChannelRecord {
        let anchor = match self.cursor.anchor() {
            Anchor::Time(_) => None,
            Anchor::Post { id, .. } => Some(id.clone()),
        };
        ChannelRecord {
            anchor_at: self.cursor.anchor().time(),
            anchor,
            since: self.cursor.since().cloned().collect(),
            seen_until: self.settled,
            edited_until: self.edits.until(),
            edits: self.edits.since().cloned().collect(),
            deleted: self.edits.deleted().cloned().collect(),
            left: self.membership == Membership::Left,
            joining: self.membership == Membership::Joining,
        }
    }

    pub(super) fn knows(&self, change: &Change) -> bool {
        self.open.contains(change)
            || match change {
                Change::Posted(post) => self.cursor.knows(post.create_at, &post.id),
                Change::Edited { id, edit_at } => self.edits.knows_edit(id, *edit_at),
                Change::Deleted { id } => self.edits.knows_deletion(id),
                Change::Left => false,
            }
    }

    /// Whether the cursor has passed it.
    pub(super) fn has_passed(&self, change: &Change) -> bool {
        match change {
            Change::Posted(post) => post.create_at <= self.cursor.anchor().time(),
            Change::Edited { edit_at, .. } => *edit_at <= self.edits.until(),
            Change::Deleted { .. } | Change::Left => false,
        }
    }

    /// Whether that post was received at all, acknowledged or not.
    pub(super) fn received(&self, post: &PostKey) -> bool {
        let post = Change::Posted(post.clone());
        self.has_passed(&post) || self.knows(&post)
    }

    /// A post is taken that was made before the channel began for us, by less than the overlap: it was sent after the hello
    /// all the same, or became visible late. Until it is acknowledged a kill must not find it behind the beginning. Gives
    /// back whether that changed anything.
    pub(super) fn reach_back(&mut self, create_at: i64, overlap_ms: i64) -> bool {
        let Anchor::Time(begin) = *self.cursor.anchor() else { return false };
        let is_late = create_at <= begin && create_at > begin.saturating_sub(overlap_ms);
        if is_late {
            self.cursor.reach_back(create_at - 1);
            self.settled = self.settled.min(create_at - 1);
        }
        is_late
    }

    pub(super) fn acknowledge(&mut self, change: Change, overlap_ms: i64) {
        self.open.remove(&change);
        match change {
            Change::Posted(post) => {
                if self.saw(post.create_at) {
                    self.edits.advance_to(post.create_at.saturating_sub(overlap_ms));
                }
                self.cursor.acknowledge(post.create_at, post.id);
                if self.membership == Membership::Joining
                    && matches!(self.cursor.anchor(), Anchor::Post { .. })
                {
                    self.membership = Membership::Member;
                }
            }
            Change::Edited { id, edit_at } => {
                self.saw(edit_at);
                self.edits.acknowledge_edit(id, edit_at);
            }
            Change::Deleted { id } => self.edits.acknowledge_deletion(id),
            Change::Left => self.deferred.leave = true,
        }
        self.settle_if_idle();
    }

    /// Takes note of a time up to which all was seen, unless a round is under way.
    fn saw(&mut self, time: i64) -> bool {
        let counts = self.listed_until.is_none();
        if counts {
            self.seen_until = self.seen_until.max(time);
        }
        counts
    }

    /// A round begins: its listing has the channel, with this time, or has it not.
    pub(super) fn listed(&mut self, last_post_at: Option<i64>) {
        self.listed_until = last_post_at;
    }

    /// Whether the listing of the round under way has it.
    pub(super) fn is_listed(&self) -> bool {
        self.listed_until.is_some()
    }

    /// The round could not read it.
    pub(super) fn skipped(&mut self) {
        self.listed_until = None;
        self.refused = true;
    }

    /// All that the listing of the round promised has been fetched. Gives back whether that changed anything.
    pub(super) fn fetched(&mut self, overlap_ms: i64) -> bool {
        let Some(listed_until) = self.listed_until.take() else { return false };
        let before = self.settled;
        self.seen_until = self.seen_until.max(listed_until);
        self.deferred.edits_reach = Some(listed_until.saturating_sub(overlap_ms));
        self.due = false;
        self.refused = false;
        self.settle_if_idle();
        before != self.settled
    }

    /// The account is out of the channel, as soon as what was taken before is acknowledged.
    pub(super) fn leave(&mut self) {
        self.deferred.leave = true;
        self.settle_if_idle();
    }

    /// The account is in the channel again: what was said before that is none of its business.
    pub(super) fn rejoin(&mut self, begin: i64, overlap_ms: i64) {
        let begin = begin.max(self.cursor.newest());
        self.cursor = Cursor::at(begin, overlap_ms);
        self.edits.advance_to(begin);
        self.membership = Membership::Joining;
        self.deferred.leave = false;
    }

    fn settle_if_idle(&mut self) {
        if !self.open.is_empty() {
            return;
        }
        if self.listed_until.is_none() {
            self.settled = self.seen_until;
        }
        if let Some(reach) = self.deferred.edits_reach.take() {
            self.edits.advance_to(reach);
        }
        if std::mem::take(&mut self.deferred.leave) {
            self.membership = Membership::Left;
        }
    }

    /// What was taken and not acknowledged is gone: it is to come again.
    pub(super) fn forget_unacknowledged(&mut self) -> impl Iterator<Item = Change> {
        self.seen_until = self.settled;
        self.deferred = Deferred { leave: self.deferred.leave, edits_reach: None };
        std::mem::take(&mut self.open).into_iter()
    }
}
