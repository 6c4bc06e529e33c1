//! The changes of a channel that are saved.

use super::{ChannelState, Membership};
use crate::model::{ChannelChange, ChannelRecord, ChannelUpdate, PostsUpdate};

impl ChannelState {
    /// Returns the change to save since the last one, and regards it as saved.
    pub(in crate::policy::replay) fn take_change(&mut self) -> ChannelChange {
        let update = if self.is_recorded { self.update() } else { None };
        let change = update.map_or_else(
            || ChannelChange::Record(Box::new(self.record())),
            |update| ChannelChange::Update(Box::new(update)),
        );
        self.cursor.set_saved();
        self.edits.set_saved();
        self.hole.iter_mut().for_each(|hole| hole.set_saved());
        (self.dirty, self.is_recorded) = (false, true);
        change
    }

    /// Records that the last change was not saved: the next one is the whole record.
    pub(in crate::policy::replay) fn mark_unsaved(&mut self) {
        self.is_recorded = false;
    }

    fn update(&self) -> Option<ChannelUpdate> {
        let edits = self.edits.update()?;
        Some(ChannelUpdate {
            anchor_at: self.cursor.anchor().time(),
            anchor: self.cursor.anchor().post().cloned(),
            seen_until: self.settled,
            edited_until: self.edits.until(),
            left: self.membership == Membership::Left,
            joining: self.membership == Membership::Joining,
            hole: self.hole.is_some(),
            since: self.cursor.update()?,
            edits: edits.edits,
            beyond: self.hole.as_ref().map_or_else(|| Some(PostsUpdate::default()), |hole| hole.update())?,
            deleted: edits.deleted,
            forgotten_deletions: edits.forgotten_deletions,
        })
    }

    fn record(&self) -> ChannelRecord {
        ChannelRecord {
            anchor_at: self.cursor.anchor().time(),
            anchor: self.cursor.anchor().post().cloned(),
            since: self.cursor.since().cloned().collect(),
            seen_until: self.settled,
            edited_until: self.edits.until(),
            edits: self.edits.since().cloned().collect(),
            deleted: self.edits.deleted().cloned().collect(),
            left: self.membership == Membership::Left,
            joining: self.has_unknown_begin(),
            hole: self.hole.is_some(),
            absent_since: self.absence.since(),
            beyond: self.hole.iter().flat_map(|hole| hole.beyond()).cloned().collect(),
        }
    }
}
