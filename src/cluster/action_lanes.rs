//! The order in which the actions that wait in the queue are taken: one at a time for each account.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use matterhost_actors::model::AccountName;

use super::{ClusterTime, SHARDS, shard_of};

/// The accounts whose actions a member works on at once. Each has one action in memory, of 256 KiB at most. It is far above what
/// one server takes, so that a server that fails seldom holds the accounts of others up; and low enough that a look-up of each is
/// answered within its 30 s by a server that is asked 50 times a second.
pub const MOST_AT_WORK: usize = 1_024;

/// The accounts that a member remembers: as many as the queue has actions. The others are found by the next list.
const MOST_LANES: usize = 100_000;

/// The first wait after a step that could not finish an action. It doubles up to the longest one.
const SHORTEST_REST: Duration = Duration::from_millis(500);
/// The longest such wait: the delay of an action once its account is connected.
const LONGEST_REST: Duration = Duration::from_secs(5);
/// The part by which the waits of some accounts are longer than those of others, which began to wait at the same time.
const REST_SPREAD: u32 = 4;

/// The time for which an action waits for an account that the configuration does not have: a tool adds one and acts as it at once, and
/// members read their configuration one after the other.
pub const UNKNOWN_FOR: Duration = Duration::from_secs(60);

/// The multiple of `replies.deadline` for which the server has had an action by itself, in all tries together, when it is given up.
const MOST_LATE: u32 = 2;

/// The accounts with something in the queue.
#[derive(Debug, Default)]
pub struct ActionLanes {
    lanes: HashMap<AccountName, Lane>,
    /// Those whose next step may begin, the one that waits longest first.
    due: VecDeque<AccountName>,
    resting: BTreeSet<(ClusterTime, AccountName)>,
    at_work: usize,
}

#[derive(Debug, Default)]
struct Lane {
    is_at_work: bool,
    /// True if something was stored since its step began.
    has_more: bool,
    rests: u32,
    unknown_since: Option<ClusterTime>,
    late: Late,
}

/// An action that was late by itself, and the time that its tries have taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Late {
    sequence: u64,
    waited: Duration,
}

/// The order to take the first action of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOrder {
    /// The account.
    pub account: AccountName,
    /// True if the configuration has not had the account for so long that its actions are refused.
    pub refuses_unknown: bool,
    /// The action that was late before.
    pub late: Late,
}

/// The end of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepEnd {
    /// An action is finished.
    Finished,
    /// An action is refused, because the configuration does not have the account.
    Refused,
    /// Nothing waits.
    Empty,
    /// Another member hosts the account.
    Elsewhere,
    /// The configuration does not have the account.
    Unknown,
    /// An action was late by itself.
    Late {
        /// Its number.
        sequence: u64,
        /// The time that it had.
        waited: Duration,
    },
    /// The account cannot send, or the queue cannot be asked.
    NotNow,
}

impl Late {
    /// Returns true if an action is given up after one more try, which took that long: a post after two, and a look-up, which has
    /// a shorter limit, after many.
    pub fn is_over(self, sequence: u64, waited: Duration, deadline: Duration) -> bool {
        self.and(sequence, waited).waited >= deadline.saturating_mul(MOST_LATE)
    }

    fn and(self, sequence: u64, waited: Duration) -> Self {
        let before = if self.sequence == sequence { self.waited } else { Duration::ZERO };
        Self { sequence, waited: before.saturating_add(waited) }
    }
}

impl ActionLanes {
    /// Takes note that something waits for an account.
    pub fn stored(&mut self, account: &AccountName) {
        if let Some(lane) = self.lanes.get_mut(account) {
            lane.has_more = true;
        } else if self.lanes.len() < MOST_LANES {
            self.lanes.insert(account.clone(), Lane::default());
            self.due.push_back(account.clone());
        }
    }

    /// Returns the next step to begin, if there is one.
    pub fn begin(&mut self, now: ClusterTime) -> Option<StepOrder> {
        while self.resting.first().is_some_and(|(until, _)| *until <= now) {
            self.due.extend(self.resting.pop_first().map(|(_, account)| account));
        }
        if self.at_work >= MOST_AT_WORK {
            return None;
        }
        let account = self.due.pop_front()?;
        let lane = self.lanes.entry(account.clone()).or_default();
        (lane.is_at_work, lane.has_more) = (true, false);
        self.at_work += 1;
        let refuses_unknown = lane.unknown_since.is_some_and(|since| now.since(since) >= UNKNOWN_FOR);
        Some(StepOrder { account, refuses_unknown, late: lane.late })
    }

    /// Takes the end of a step that had begun.
    pub fn end(&mut self, account: &AccountName, end: StepEnd, now: ClusterTime) {
        let Some(lane) = self.lanes.get_mut(account).filter(|lane| lane.is_at_work) else { return };
        lane.is_at_work = false;
        self.at_work -= 1;
        if !matches!(end, StepEnd::Unknown | StepEnd::Refused) {
            lane.unknown_since = None;
        }
        match end {
            StepEnd::Finished | StepEnd::Refused => lane.rests = 0,
            StepEnd::Empty | StepEnd::Elsewhere if !lane.has_more => {
                self.lanes.remove(account);
                return;
            }
            StepEnd::Empty | StepEnd::Elsewhere => {}
            StepEnd::Unknown => {
                lane.unknown_since.get_or_insert(now);
                return self.rest(account, now);
            }
            StepEnd::Late { sequence, waited } => {
                lane.late = lane.late.and(sequence, waited);
                return self.rest(account, now);
            }
            StepEnd::NotNow => return self.rest(account, now),
        }
        self.due.push_back(account.clone());
    }

    /// Returns the time at which the next account has rested.
    pub fn next_time(&self) -> Option<ClusterTime> {
        self.resting.first().map(|(until, _)| *until)
    }

    fn rest(&mut self, account: &AccountName, now: ClusterTime) {
        if let Some(lane) = self.lanes.get_mut(account) {
            let rest = SHORTEST_REST.saturating_mul(1 << lane.rests.min(8)).min(LONGEST_REST);
            // Many accounts begin to rest at the same time, when the server or NATS fails.
            let spread = rest / REST_SPREAD * u32::from(shard_of(account).number()) / u32::from(SHARDS);
            lane.rests = lane.rests.saturating_add(1);
            self.resting.insert((now + rest + spread, account.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
