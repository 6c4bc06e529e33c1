//! The start of a new account: where its channels begin, and whether that is saved.

use super::{ReplayState, mark};
use crate::model::{AccountRecord, Change, ChannelId, IdMap};

/// The start of an account: its first listing, and what came live before the first catch-up was finished.
#[derive(Debug)]
pub(super) struct Start {
    save: StartSave,
    /// The channels that must start earlier than the listing says, each with a time: live changes of theirs were dropped. `None` once
    /// the account has caught up: from then on, the cursors are before everything that may be dropped.
    early: Option<Box<IdMap<ChannelId, i64>>>,
}

/// The saving of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StartSave {
    /// It is not saved, or the outcome is not known.
    Pending,
    /// It is part of the last returned changes.
    Running,
    Done,
}

impl Start {
    /// Returns the start of an account with this record.
    pub(super) fn of(record: Option<&AccountRecord>) -> Self {
        if record.is_some_and(|account| account.listed_at.is_some()) {
            Self { save: StartSave::Done, early: None }
        } else {
            Self { save: StartSave::Pending, early: Some(Box::default()) }
        }
    }

    /// Takes the time before which a channel of the first listing must start, if there is one.
    pub(super) fn take_early(&mut self, channel: &ChannelId) -> Option<i64> {
        self.early.as_mut()?.remove(channel)
    }
}

impl ReplayState {
    /// True while the account has a start that is not saved: if the process ended now, the next one would start later and lose
    /// what came between.
    pub(crate) fn has_unsaved_start(&self) -> bool {
        self.account.listed_at.is_some() && self.start.save != StartSave::Done
    }

    /// Records a live change that was dropped. Until a new account has caught up, the channel may start at a listing after the
    /// change: then it must start before the change instead.
    pub(crate) fn drop_live(&mut self, channel: &ChannelId, change: &Change) {
        let bounds = self.bounds();
        let Some(early) = &mut self.start.early else { return };
        let time = match change {
            Change::Posted(post) => post.create_at,
            Change::Edited { edit_at, .. } => *edit_at,
            // They have no time of the server.
            Change::Deleted { .. } | Change::Left => return,
        };
        let before = bounds.reached(time).saturating_sub(1);
        let start = early.entry(channel.clone()).or_insert(before);
        *start = before.min(*start);
    }

    /// Moves the starts of the channels back whose live changes were dropped. Those that are not listed yet follow.
    pub(super) fn move_starts_back(&mut self) {
        let Some(early) = &mut self.start.early else { return };
        early.retain(|channel, time| {
            let Some(state) = self.channels.get_mut(channel) else { return true };
            state.move_back(*time);
            mark(&mut self.dirty, channel, state);
            false
        });
    }

    /// Ends the start: the account has caught up.
    pub(crate) fn end_start(&mut self) {
        self.start.early = None;
    }

    /// Notes that changes with all of the start are taken to be saved.
    pub(super) fn begin_start_save(&mut self) {
        if self.has_unsaved_start() {
            self.start.save = StartSave::Running;
        }
    }

    /// Notes that the last returned changes are saved.
    pub(crate) fn mark_saved(&mut self) {
        if self.start.save == StartSave::Running {
            self.start.save = StartSave::Done;
        }
    }

    /// Marks a start as pending again whose saving has no outcome.
    pub(super) fn forget_start_save(&mut self) {
        if self.start.save == StartSave::Running {
            self.start.save = StartSave::Pending;
            self.account_is_dirty = true;
        }
    }
}
