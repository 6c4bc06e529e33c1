//! Metrics of a member of a cluster.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::scrape::Family;

const JOINED: Family = Family::gauge("cluster_joined", "1 while the member has a lease");
const DRAINING: Family = Family::gauge("cluster_draining", "1 while the member gives its accounts away");
const MEMBERS: Family = Family::gauge("cluster_members", "Live members that the member sees");
const SHARDS: Family = Family::gauge("cluster_shards", "Shards by their state, as the member sees them");
const RENEWALS: Family = Family::counter("cluster_lease_renewals", "Requests for the lease by outcome");
const LOST_LEASES: Family =
    Family::counter("cluster_lost_leases", "Leases that were over before they were renewed");
const SHARD_CHANGES: Family =
    Family::counter("cluster_shard_changes", "Shards whose accounts the member started or stopped");

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
        SHARD_CHANGES.write_rows(encoder, changes)
    }
}
