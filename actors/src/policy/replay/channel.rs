//! What was heard of one channel.

use std::collections::HashSet;

use crate::{
    model::{Change, ChannelRecord, PostKey},
    policy::{Anchor, Cursor, Edits},
};

/// One channel.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) cursor: Cursor,
    pub(super) edits: Edits,
    /// What was taken and is not acknowledged yet.
    pub(super) open: HashSet<Change>,
    /// News is what lies past this.
    pub(super) seen_until: i64,
    /// The same when last nothing was open and no round under way: what a kill, or a round that fails, falls back to.
    settled: i64,
    /// The time of the newest post that was taken; 0 before the first.
    pub(super) heard: i64,
    pub(super) stay: Stay,
    /// It was active when the socket was lost, and has not been looked at since.
    pub(super) due: bool,
    /// It refused to be read, and that was told.
    pub(super) refused: bool,
    /// What the listing of the round under way said, where it had the channel. Until the round is finished nothing
    /// counts as seen: what was acknowledged says nothing about the edits before it.
    listed_until: Option<i64>,
    /// What to do as soon as nothing is open.
    then: Then,
    /// It differs from what was last given out to be kept.
    pub(super) dirty: bool,
}

/// Whether the account is in the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stay {
    /// It is.
    Member,
    /// It came in, and has no anchor since: what is wanted begins at its join post, if there is one.
    Joining,
    /// It was seen to leave: its cursor has ended.
    Left,
}

/// What waits for the acknowledgement of all that was taken: a kill before that must not find it done.
#[derive(Debug, Default)]
struct Then {
    leave: bool,
    edits_reach: Option<i64>,
}

impl Page {
    /// A channel that begins: posts later than one time are wanted, and edits later than another.
    pub(super) fn beginning(posts: i64, edits: i64, stay: Stay, overlap_ms: i64) -> Self {
        Self::new(Cursor::at(posts, overlap_ms), Edits::after(edits), posts, stay)
    }

    fn new(cursor: Cursor, edits: Edits, seen_until: i64, stay: Stay) -> Self {
        Self {
            cursor,
            edits,
            open: HashSet::new(),
            seen_until,
            settled: seen_until,
            heard: 0,
            stay,
            due: false,
            refused: false,
            listed_until: None,
            then: Then::default(),
            dirty: false,
        }
    }

    /// As it was kept.
    pub(super) fn kept(record: ChannelRecord, overlap_ms: i64) -> Self {
        let anchor = match record.anchor {
            Some(id) => Anchor::Post { id, create_at: record.anchor_at },
            None => Anchor::Time(record.anchor_at),
        };
        let cursor = Cursor::kept(anchor, record.since, overlap_ms);
        let heard = cursor.newest_post().unwrap_or_default();
        let edits = Edits::kept(record.edited_until, record.edits, record.deleted);
        let stay = match record {
            ChannelRecord { left: true, .. } => Stay::Left,
            ChannelRecord { joining: true, .. } => Stay::Joining,
            _ => Stay::Member,
        };
        Self { heard, ..Self::new(cursor, edits, record.seen_until, stay) }
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
            left: self.stay == Stay::Left,
            joining: self.stay == Stay::Joining,
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

    pub(super) fn acknowledged(&mut self, change: Change, overlap_ms: i64) {
        self.open.remove(&change);
        match change {
            Change::Posted(post) => {
                if self.saw(post.create_at) {
                    self.edits.reached(post.create_at.saturating_sub(overlap_ms));
                }
                self.cursor.acknowledged(post.create_at, post.id);
                if self.stay == Stay::Joining && matches!(self.cursor.anchor(), Anchor::Post { .. }) {
                    self.stay = Stay::Member;
                }
            }
            Change::Edited { id, edit_at } => {
                self.saw(edit_at);
                self.edits.acknowledged_edit(id, edit_at);
            }
            Change::Deleted { id } => self.edits.acknowledged_deletion(id),
            Change::Left => self.then.leave = true,
        }
        self.when_nothing_is_open();
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
        self.then.edits_reach = Some(listed_until.saturating_sub(overlap_ms));
        self.due = false;
        self.refused = false;
        self.when_nothing_is_open();
        before != self.settled
    }

    /// The account is out of the channel, as soon as what was taken before is acknowledged.
    pub(super) fn leave(&mut self) {
        self.then.leave = true;
        self.when_nothing_is_open();
    }

    /// The account is in the channel again: what was said before that is none of its business.
    pub(super) fn rejoin(&mut self, begin: i64, overlap_ms: i64) {
        let begin = begin.max(self.cursor.newest());
        self.cursor = Cursor::at(begin, overlap_ms);
        self.edits.reached(begin);
        self.stay = Stay::Joining;
        self.then.leave = false;
    }

    fn when_nothing_is_open(&mut self) {
        if !self.open.is_empty() {
            return;
        }
        if self.listed_until.is_none() {
            self.settled = self.seen_until;
        }
        if let Some(reach) = self.then.edits_reach.take() {
            self.edits.reached(reach);
        }
        if std::mem::take(&mut self.then.leave) {
            self.stay = Stay::Left;
        }
    }

    /// What was taken and not acknowledged is gone: it is to come again.
    pub(super) fn forget_open(&mut self) -> impl Iterator<Item = Change> {
        self.seen_until = self.settled;
        self.then = Then { leave: self.then.leave, edits_reach: None };
        std::mem::take(&mut self.open).into_iter()
    }
}
