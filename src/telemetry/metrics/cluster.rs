//! Metrics of a member of a cluster.

use std::{fmt, time::Duration};

use matterhost_actors::model::ServerName;
use prometheus_client::encoding::DescriptorEncoder;

use super::scrape::{Family, Kind};

const JOINED: Family = Family::gauge("cluster_joined", "1 while the member has a lease");
const DRAINING: Family = Family::gauge("cluster_draining", "1 while the member gives its accounts away");
const MEMBERS: Family = Family::gauge("cluster_members", "Live members that the member sees");
const SHARDS: Family = Family::gauge("cluster_shards", "Shards by their state, as the member sees them");
const RENEWALS: Family = Family::counter("cluster_lease_renewals", "Requests for the lease by outcome");
const LOST_LEASES: Family =
    Family::counter("cluster_lost_leases", "Leases that were over before they were renewed");
const SHARD_CHANGES: Family =
    Family::counter("cluster_shard_changes", "Shards whose accounts the member started or stopped");
const USER_CHANGES: Family =
    Family::counter("cluster_user_changes", "Changes of users that members tell each other");

const QUEUED: Family = Family::gauge("cluster_queued_actions", "Actions in the queue of the cluster");
const OLDEST_AGE: Family =
    Family::seconds("cluster_oldest_action_age", Kind::Gauge, "Age of the oldest action in the queue");
const AT_WORK: Family =
    Family::gauge("cluster_actions_at_work", "Actions from the queue that the member is at work on");
const FINISHED: Family =
    Family::counter("cluster_actions", "Actions from the queue that the member has finished");

/// The numbers of a member of a cluster.
#[derive(Debug, Clone, Default)]
pub struct ClusterMetrics {
    /// The name of the member.
    pub member: String,
    /// True while it has a lease.
    pub is_member: bool,
    /// True while it gives its accounts away.
    pub is_draining: bool,
    /// The number of live members.
    pub members: usize,
    /// The numbers of shards by state.
    pub shards: [(&'static str, usize); 4],
    /// The requests for the lease by outcome.
    pub renewals: [(&'static str, u64); 2],
    /// The leases that were over before they were renewed.
    pub lost_leases: u64,
    /// The shards that were started and stopped.
    pub shard_changes: [(&'static str, u64); 2],
    /// The changes of users that were told to other members, left out, and heard from members.
    pub user_changes: [(&'static str, u64); 3],
    /// The numbers of the queue of actions, if there is one.
    pub actions: Option<ActionMetrics>,
}

/// The numbers of the queue of actions.
#[derive(Debug, Clone, Default)]
pub struct ActionMetrics {
    /// The actions in it, those at work included; `None` while it cannot be asked.
    pub queued: Option<u64>,
    /// The age of the oldest of them; zero if there is none.
    pub oldest_age: Option<Duration>,
    /// The actions that the member is at work on by server.
    pub at_work: Vec<(ServerName, usize)>,
    /// The actions that it has finished by outcome.
    pub finished: [(&'static str, u64); 6],
}

impl ClusterMetrics {
    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let member = ("member", &*self.member);
        let flag = |is_set: bool| [([member], u64::from(is_set))];
        JOINED.write_rows(encoder, flag(self.is_member))?;
        DRAINING.write_rows(encoder, flag(self.is_draining))?;
        MEMBERS.write_rows(encoder, [([member], self.members)])?;
        let shards = self.shards.map(|(state, count)| ([member, ("state", state)], count));
        SHARDS.write_rows(encoder, shards)?;
        let renewals = self.renewals.map(|(outcome, count)| ([member, ("outcome", outcome)], count));
        RENEWALS.write_rows(encoder, renewals)?;
        LOST_LEASES.write_rows(encoder, [([member], self.lost_leases)])?;
        let changes = self.shard_changes.map(|(change, count)| ([member, ("change", change)], count));
        SHARD_CHANGES.write_rows(encoder, changes)?;
        let changes = self.user_changes.map(|(outcome, count)| ([member, ("outcome", outcome)], count));
        USER_CHANGES.write_rows(encoder, changes)?;
        self.actions.as_ref().map_or(Ok(()), |actions| actions.encode(member, encoder))
    }
}

impl ActionMetrics {
    fn encode(&self, member: (&str, &str), encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        QUEUED.write_rows(encoder, self.queued.map(|queued| ([member], queued)))?;
        let age = self.oldest_age.map(|age| ([member], age.as_secs_f64()));
        OLDEST_AGE.write_rows(encoder, age)?;
        let at_work =
            self.at_work.iter().map(|(server, count)| ([member, ("server", server.as_str())], *count));
        AT_WORK.write_rows(encoder, at_work)?;
        let finished = self.finished.map(|(outcome, count)| ([member, ("outcome", outcome)], count));
        FINISHED.write_rows(encoder, finished)
    }
}
