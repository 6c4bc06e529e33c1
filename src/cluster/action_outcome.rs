//! The outcomes of actions from the queue.

/// The outcome of an action that is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionOutcome {
    /// It is done.
    Done,
    /// It is not valid, or the server has refused it; of several, one was.
    Failed,
    /// The server has not answered it in all its time.
    Late,
    /// The task that carried it out has ended each time.
    Crashed,
    /// The configuration does not have its account.
    UnknownAccount,
    /// Its account could not send until the queue was about to delete it.
    Expired,
}

/// The numbers of finished actions by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FinishedActions([u64; ActionOutcome::ALL.len()]);

impl ActionOutcome {
    const ALL: [Self; 6] =
        [Self::Done, Self::Failed, Self::Late, Self::Crashed, Self::UnknownAccount, Self::Expired];

    /// Returns its name in metrics.
    const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Crashed => "crashed",
            Self::UnknownAccount => "unknown_account",
            Self::Expired => "expired",
        }
    }
}

impl FinishedActions {
    pub(super) fn count(&mut self, outcome: ActionOutcome) {
        let counts = ActionOutcome::ALL.iter().zip(&mut self.0);
        counts.filter(|(one, _)| **one == outcome).for_each(|(_, count)| *count += 1);
    }

    /// Returns the number of each outcome with its name.
    pub fn by_label(&self) -> [(&'static str, u64); ActionOutcome::ALL.len()] {
        std::array::from_fn(|n| (ActionOutcome::ALL[n].label(), self.0[n]))
    }
}
