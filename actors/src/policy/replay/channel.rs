mod channel_changes;
mod coming_and_going;

use super::{
    absence::Absence,
    cursor::{Anchor, Cursor},
    edits::EditCursor,
    hole::Hole,
    reading::{Reading, RoundPart},
};
use crate::model::{Change, ChannelRecord, IdMap, PostKey};

/// The state of one channel.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and none excludes another")]
pub(super) struct ChannelState {
    pub(super) cursor: Cursor,
    pub(super) edits: EditCursor,
    /// Changes that were admitted and not acknowledged yet.
    pub(super) open: IdMap<Change, Position>,
    /// The part of the channel that could not be read, until a round has read it.
    hole: Option<Box<Hole>>,
    /// The time up to which everything has been seen.
    pub(super) seen_until: i64,
    /// The value of `seen_until` when last nothing was open and no round was running: the fallback after a kill or
    /// a failed round.
    settled: i64,
    /// The time of the newest post or edit that was admitted or that a list announced; 0 before the first.
    pub(super) newest_activity: i64,
    pub(super) membership: Membership,
    /// True if the last acknowledged post was made while the account was out: reading goes on with an account whose
    /// membership the next change tells.
    was_out: bool,
    /// True if the channel was active when the socket was lost, and has not been read since.
    pub(super) due: bool,
    /// The rounds in a row that were refused to read the channel.
    refusals: u32,
    /// The part that the current round has in the channel. Until the round is complete nothing counts as seen: an
    /// acknowledged post says nothing about the edits before it.
    round: RoundPart,
    reading: Reading,
    pub(super) absence: Absence,
    /// The actions to take once nothing is open.
    deferred: Deferred,
    /// True if the state differs from the last saved record.
    pub(super) dirty: bool,
    /// True if the difference can be saved as an update of a record in the store.
    is_recorded: bool,
}

/// The account's membership in the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Membership {
    /// The account is a member.
    Member,
    /// The account joined and has no anchor yet: reading starts at its join post, if there is one.
    Joining,
    /// The account was seen to leave: its cursor has ended.
    Left,
}

/// The place of an admitted change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// It follows what was acknowledged before it.
    InRun,
    /// It is after a part of the channel that could not be read.
    BeyondHole,
}

/// The times that bound what an acknowledgement moves, in server milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeBounds {
    /// The maximum delay with which a post may become visible after a later one.
    pub(super) overlap_ms: i64,
    /// The earliest time that the server's clock can show: what is counted from it is not too late.
    pub(super) earliest: i64,
    /// The latest time that the server's clock can show: nothing later moves more than its own post.
    pub(super) latest: i64,
}

impl TimeBounds {
    /// Returns the time if the server's clock can have reached it, and else the earliest that the clock can show: a post
    /// dated into the future says nothing about what happens until then.
    pub(super) fn reached(&self, time: i64) -> i64 {
        if time > self.latest { self.earliest } else { time }
    }
}

/// Actions that wait until all admitted changes are acknowledged: after an earlier kill they must not appear done.
#[derive(Debug, Default)]
struct Deferred {
    leave: bool,
    edits_reach: Option<i64>,
    fill_hole: bool,
}

impl ChannelState {
    /// Creates a new channel, with the times after which posts and edits are missing.
    pub(super) fn starting_at(posts: i64, edits: i64, membership: Membership, overlap_ms: i64) -> Self {
        let cursor = Cursor::at(posts, overlap_ms);
        Self::new(cursor, EditCursor::after(edits), posts, membership)
    }

    fn new(cursor: Cursor, edits: EditCursor, seen_until: i64, membership: Membership) -> Self {
        Self {
            cursor,
            edits,
            open: IdMap::default(),
            hole: None,
            seen_until,
            settled: seen_until,
            newest_activity: 0,
            membership,
            was_out: false,
            due: false,
            refusals: 0,
            round: RoundPart::None,
            reading: Reading::IfNews,
            absence: Absence::default(),
            deferred: Deferred::default(),
            dirty: false,
            is_recorded: false,
        }
    }

    /// Restores a channel from its record.
    pub(super) fn restore(record: ChannelRecord, overlap_ms: i64) -> Self {
        let anchor = match record.anchor {
            Some(id) => Anchor::Post { id, create_at: record.anchor_at },
            None => Anchor::Time(record.anchor_at),
        };
        let cursor = Cursor::restore(anchor, record.since, overlap_ms);
        let edits = EditCursor::restore(record.edited_until, record.edits, record.deleted);
        let newest_activity = cursor.newest_post().max(edits.newest()).unwrap_or_default();
        let membership = match (record.left, record.joining) {
            (true, _) => Membership::Left,
            (false, true) => Membership::Joining,
            (false, false) => Membership::Member,
        };
        let hole = record.hole.then(|| Box::new(Hole::restore(record.beyond)));
        let state = Self::new(cursor, edits, record.seen_until, membership);
        let absence = Absence::restore(record.absent_since);
        Self { hole, newest_activity, absence, is_recorded: true, ..state }
    }

    /// Changes the overlap from now on.
    pub(super) fn set_overlap(&mut self, overlap_ms: i64) {
        self.cursor.set_overlap(overlap_ms);
    }

    pub(super) fn knows(&self, change: &Change) -> bool {
        self.open.contains_key(change)
            || match change {
                Change::Posted(post) => {
                    self.cursor.knows(post.create_at, &post.id)
                        || self.hole.as_ref().is_some_and(|hole| hole.knows(post))
                }
                Change::Edited { id, edit_at } => self.edits.knows_edit(id, *edit_at),
                Change::Deleted { id } => self.edits.knows_deletion(id),
                Change::Left => false,
            }
    }

    /// True if the cursor has passed the change.
    pub(super) fn has_passed(&self, change: &Change) -> bool {
        match change {
            // Posts of one time come by id: the others of the anchor's time are not passed yet.
            Change::Posted(post) => match self.cursor.anchor() {
                Anchor::Time(time) => post.create_at <= *time,
                Anchor::Post { id, create_at } => (post.create_at, &post.id) <= (*create_at, id),
            },
            Change::Edited { edit_at, .. } => *edit_at <= self.edits.until(),
            Change::Deleted { .. } | Change::Left => false,
        }
    }

    /// True if the post was received, acknowledged or not.
    pub(super) fn received(&self, post: &PostKey) -> bool {
        let post = Change::Posted(post.clone());
        self.has_passed(&post) || self.knows(&post)
    }

    /// Moves the start of a new channel back for a post created before it by less than the overlap: it was sent
    /// after the hello, or became visible late. Until it is acknowledged, it must lie after the start in case of a
    /// kill. What is older than the newest post by the overlap is not known any more: the start stays after that. Returns
    /// true if anything changed.
    pub(super) fn reach_back(&mut self, create_at: i64, bounds: TimeBounds) -> bool {
        let Anchor::Time(begin) = *self.cursor.anchor() else { return false };
        let known_since = self.cursor.newest(bounds.latest).max(begin).saturating_sub(bounds.overlap_ms);
        let is_late = create_at <= begin && create_at > known_since;
        if is_late {
            self.cursor.reach_back(create_at - 1);
            self.settled = self.settled.min(create_at - 1);
        }
        is_late
    }

    /// Admits a change. What is fetched fills a hole; what is live is beyond it.
    pub(super) fn open(&mut self, change: Change, is_fetched: bool) {
        let is_beyond = self.hole.is_some() && !self.deferred.fill_hole && !is_fetched;
        self.open.insert(change, if is_beyond { Position::BeyondHole } else { Position::InRun });
    }

    /// True if a part of the channel could not be read.
    pub(super) fn has_hole(&self) -> bool {
        self.hole.is_some()
    }

    pub(super) fn acknowledge(&mut self, change: Change, bounds: TimeBounds) {
        let position = self.open.remove(&change);
        match change {
            Change::Posted(post) => match (position, &mut self.hole) {
                (Some(Position::BeyondHole), Some(hole)) => hole.acknowledge(post),
                _ => self.acknowledge_post(post, bounds),
            },
            Change::Edited { id, edit_at } => {
                self.saw(edit_at.min(bounds.latest));
                // Beyond a hole the time stays: earlier edits have not been read.
                let latest = if self.hole.is_some() { i64::MIN } else { bounds.latest };
                self.edits.acknowledge_edit(id, edit_at, latest);
            }
            Change::Deleted { id } => self.edits.acknowledge_deletion(id),
            // A later live post may have shown that the account came back.
            Change::Left => self.deferred.leave |= position.is_some(),
        }
        self.settle_if_idle(bounds);
    }

    fn acknowledge_post(&mut self, post: PostKey, bounds: TimeBounds) {
        if self.saw(post.create_at.min(bounds.latest)) {
            self.edits.advance_to(bounds.reached(post.create_at).saturating_sub(bounds.overlap_ms));
        }
        self.cursor.acknowledge(post.create_at, post.id, bounds.latest);
        self.was_out = false;
        if self.membership == Membership::Joining && matches!(self.cursor.anchor(), Anchor::Post { .. }) {
            self.membership = Membership::Member;
        }
    }

    /// Records a time up to which everything was seen, unless a round is running or the channel has a hole. Returns true
    /// if it counts.
    fn saw(&mut self, time: i64) -> bool {
        let counts = self.round == RoundPart::None && self.hole.is_none();
        if counts {
            self.seen_until = self.seen_until.max(time);
        }
        counts
    }

    /// Starts a round, with the time up to which the listing announces everything if it contains the channel.
    pub(super) fn listed(&mut self, until: Option<i64>) {
        self.round = until.map_or(RoundPart::Unlisted, RoundPart::Listed);
    }

    /// True if the listing of the current round contains the channel.
    pub(super) fn is_listed(&self) -> bool {
        matches!(self.round, RoundPart::Listed(_))
    }

    /// Records that the round could not read the channel: its cursor stays until a later one has.
    pub(super) fn skipped(&mut self) {
        self.round = RoundPart::None;
        self.add_hole();
        // What an earlier round has read and is not acknowledged yet does not fill this hole.
        self.deferred.fill_hole = false;
    }

    /// Records that earlier posts of the channel may be missing, until a round has read it.
    pub(super) fn add_hole(&mut self) {
        self.hole.get_or_insert_default();
    }

    /// Counts a refused round, and returns the number in a row.
    pub(super) fn count_refusal(&mut self) -> u32 {
        self.refusals = self.refusals.saturating_add(1);
        self.refusals
    }

    /// Drops a received change, which a later round fetches again: the channel is postponed.
    pub(super) fn retract(&mut self, change: Option<&Change>) {
        self.reading = Reading::Postponed;
        if let Some(change) = change {
            self.open.remove(change);
        }
    }

    /// True if the channel is not read for now.
    pub(super) fn is_postponed(&self) -> bool {
        self.reading == Reading::Postponed
    }

    /// True if received changes were dropped and not fetched yet.
    pub(super) fn has_dropped_changes(&self) -> bool {
        self.reading != Reading::IfNews
    }

    /// Lets the next round read the channel if it was postponed.
    pub(super) fn resume_reading(&mut self) {
        if self.is_postponed() {
            self.reading = Reading::Due;
        }
    }

    /// Records the end of a round that did not read the postponed channel to its end.
    pub(super) fn passed_over(&mut self) {
        self.round = RoundPart::None;
    }

    /// Records that the round has fetched everything that its listing announced. Returns true if that changed the
    /// record.
    pub(super) fn fetched(&mut self, bounds: TimeBounds) -> bool {
        if self.round == RoundPart::None {
            // It came after the listing.
            return false;
        }
        // Edits leave their set from its beginning, also when its time stays: they were late.
        let known = |state: &Self| (state.settled, state.edits.until(), state.edits.since().next().cloned());
        let (before, had_hole) = (known(self), self.hole.is_some());
        self.refusals = 0;
        self.reading = Reading::IfNews;
        self.deferred.fill_hole = had_hole;
        if let RoundPart::Listed(listed_until) = std::mem::replace(&mut self.round, RoundPart::None) {
            self.seen_until = self.seen_until.max(listed_until);
            self.deferred.edits_reach = Some(listed_until.saturating_sub(bounds.overlap_ms));
            self.due = false;
        }
        self.settle_if_idle(bounds);
        before != known(self) || had_hole
    }

    /// Moves everything back to a time that is later than the latest possible one. Returns true if that changed the
    /// record.
    pub(super) fn pull_back(&mut self, latest: i64, time: i64) -> bool {
        let times = [self.cursor.anchor().time(), self.seen_until, self.edits.until()];
        let is_later = times.into_iter().any(|time| time > latest);
        if is_later {
            self.absence.pull_back(time);
            if self.move_back(time) && self.membership == Membership::Member {
                // The posts from there on are forgotten, also those made while the account was out.
                self.membership = Membership::Joining;
            }
        }
        self.newest_activity = self.newest_activity.min(latest);
        is_later
    }

    /// Moves the cursors back to a time if they are later. Returns true if that of the posts moved.
    pub(super) fn move_back(&mut self, time: i64) -> bool {
        self.is_recorded = false;
        self.edits.pull_back(time);
        self.seen_until = self.seen_until.min(time);
        self.settled = self.settled.min(time);
        self.cursor.pull_back(time)
    }

    fn settle_if_idle(&mut self, bounds: TimeBounds) {
        if !self.open.is_empty() {
            return;
        }
        if std::mem::take(&mut self.deferred.fill_hole) {
            self.is_recorded = false;
            for (create_at, id) in self.hole.take().into_iter().flat_map(|hole| hole.into_beyond()) {
                self.cursor.acknowledge(create_at, id, bounds.latest);
            }
        }
        if self.round == RoundPart::None && !self.has_dropped_changes() {
            self.settled = self.seen_until;
        }
        if let Some(reach) = self.deferred.edits_reach.take() {
            self.edits.advance_to(reach);
        }
        if std::mem::take(&mut self.deferred.leave) {
            self.membership = Membership::Left;
        }
    }

    /// Drops the changes that were admitted and not acknowledged, and returns them: they must be delivered again.
    pub(super) fn forget_unacknowledged(&mut self) -> impl Iterator<Item = Change> {
        self.seen_until = self.settled;
        self.resume_reading();
        self.deferred = Deferred { leave: self.deferred.leave, ..Deferred::default() };
        std::mem::take(&mut self.open).into_keys()
    }
}
