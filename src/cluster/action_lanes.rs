//! The order in which the actions that wait in the queue are taken: one at a time for each account, and no server in the way of another.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    mem,
    time::Duration,
};

use matterhost_actors::model::{AccountName, ServerName};

use super::{ActionOutcome, ClusterTime, FinishedActions, SHARDS, Tries, shard_of};

/// The accounts whose actions a member works on at once. Each has one action in memory, of 1 MiB at most, and all together no more
/// than the queue holds: 256 MiB. It is far above what one server takes; and low enough that a look-up of each is answered within its
/// 30 s by a server that is asked 50 times a second.
/// The servers of the configuration have the same share of it each, which no other one can take: a server that hangs keeps each action
/// for as long as half an hour.
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

/// The accounts with something in the queue.
#[derive(Debug)]
pub struct ActionLanes {
    lanes: HashMap<AccountName, Lane>,
    /// Those whose next step may begin, of which the server is not looked up yet.
    due: VecDeque<AccountName>,
    /// Those whose next step may begin, and the steps, of each server; without one, of the accounts that the configuration does not
    /// have.
    servers: BTreeMap<Option<ServerName>, ServerLanes>,
    resting: BTreeSet<(ClusterTime, AccountName)>,
    /// The steps of one server at a time.
    share: usize,
    /// The configuration by which servers were looked up.
    version: u64,
    finished: FinishedActions,
}

#[derive(Debug, Default)]
struct Lane {
    is_at_work: bool,
    /// The server that its step is counted with.
    server: Option<ServerName>,
    /// True if something was stored since its step began.
    has_more: bool,
    rests: u32,
    unknown_since: Option<ClusterTime>,
    tries: Tries,
}

#[derive(Debug, Default)]
struct ServerLanes {
    /// The one that waits longest first.
    due: VecDeque<AccountName>,
    at_work: usize,
}

/// The order to take the first action of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOrder {
    /// The account.
    pub account: AccountName,
    /// True if the configuration has not had the account for so long that its actions are refused.
    pub refuses_unknown: bool,
    /// The tries of the action that failed before.
    pub tries: Tries,
}

/// The end of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepEnd {
    /// An action is finished: it is in the queue no more.
    Finished(ActionOutcome),
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
    /// The task that carried an action out has ended.
    Crashed {
        /// Its number.
        sequence: u64,
    },
    /// The account cannot send, or the queue cannot be asked.
    NotNow,
}

impl Default for ActionLanes {
    fn default() -> Self {
        Self {
            lanes: HashMap::new(),
            due: VecDeque::new(),
            servers: BTreeMap::new(),
            resting: BTreeSet::new(),
            share: MOST_AT_WORK,
            version: 0,
            finished: FinishedActions::default(),
        }
    }
}

impl ActionLanes {
    /// Shares the places among the servers of a configuration. With another one what has begun is not taken back, so that there may be
    /// more at work for a while, but what waits may have other servers.
    pub fn set_servers(&mut self, servers: usize, version: u64) {
        if mem::replace(&mut self.version, version) != version {
            self.share = (MOST_AT_WORK / servers.max(1)).max(1);
            self.due.extend(self.servers.values_mut().flat_map(|of| mem::take(&mut of.due)));
        }
    }

    /// Takes note that something waits for an account.
    pub fn stored(&mut self, account: &AccountName) {
        if let Some(lane) = self.lanes.get_mut(account) {
            lane.has_more = true;
        } else if self.lanes.len() < MOST_LANES {
            self.lanes.insert(account.clone(), Lane::default());
            self.due.push_back(account.clone());
        }
    }

    /// Returns the next step to begin, if there is one. The server of an account is looked up once, until there is another
    /// configuration; it has none if the configuration does not have it.
    pub fn begin(
        &mut self,
        now: ClusterTime,
        server_of: impl Fn(&AccountName) -> Option<ServerName>,
    ) -> Option<StepOrder> {
        while self.resting.first().is_some_and(|(until, _)| *until <= now) {
            self.due.extend(self.resting.pop_first().map(|(_, account)| account));
        }
        for account in mem::take(&mut self.due) {
            self.servers.entry(server_of(&account)).or_default().due.push_back(account);
        }
        let (server, of_server) = self.servers.iter_mut().find(|(_, of)| of.has_next(self.share))?;
        let account = of_server.due.pop_front()?;
        of_server.at_work += 1;
        let lane = self.lanes.entry(account.clone()).or_default();
        (lane.is_at_work, lane.has_more) = (true, false);
        lane.server.clone_from(server);
        let refuses_unknown = lane.unknown_since.is_some_and(|since| now.since(since) >= UNKNOWN_FOR);
        Some(StepOrder { account, refuses_unknown, tries: lane.tries })
    }

    /// Takes the end of a step that had begun.
    pub fn end(&mut self, account: &AccountName, end: StepEnd, now: ClusterTime) {
        let Some(lane) = self.lanes.get_mut(account).filter(|lane| lane.is_at_work) else { return };
        lane.is_at_work = false;
        if let Some(of_server) = self.servers.get_mut(&lane.server) {
            of_server.at_work -= 1;
            if of_server.is_idle() {
                self.servers.remove(&lane.server);
            }
        }
        if !matches!(end, StepEnd::Unknown | StepEnd::Finished(ActionOutcome::UnknownAccount)) {
            lane.unknown_since = None;
        }
        match end {
            StepEnd::Finished(outcome) => {
                lane.rests = 0;
                self.finished.count(outcome);
            }
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
                lane.tries = lane.tries.and_late(sequence, waited);
                return self.rest(account, now);
            }
            StepEnd::Crashed { sequence } => {
                lane.tries = lane.tries.and_crash(sequence);
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

    /// Returns the numbers of actions at work by server. Steps for accounts that the configuration does not have are none.
    pub fn at_work(&self) -> impl Iterator<Item = (&ServerName, usize)> {
        self.servers.iter().filter_map(|(server, of)| Some((server.as_ref()?, of.at_work)))
    }

    /// Returns the numbers of actions that were finished.
    pub fn finished(&self) -> FinishedActions {
        self.finished
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

impl ServerLanes {
    fn has_next(&self, share: usize) -> bool {
        self.at_work < share && !self.due.is_empty()
    }

    fn is_idle(&self) -> bool {
        self.at_work == 0 && self.due.is_empty()
    }
}

#[cfg(test)]
mod tests;
