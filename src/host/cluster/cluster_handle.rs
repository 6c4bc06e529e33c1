//! The view of the cluster for the admin API.

use std::collections::BTreeMap;

use matterhost_actors::model::AccountName;
use tokio::sync::{mpsc, watch};

use crate::{
    admin::dto::{Cluster, ClusterAccount, ClusterMember},
    cluster::{ClusterStatus, MemberId, MemberRequest, shard_of},
};

/// A handle of the member, for operators.
#[derive(Debug, Clone)]
pub(in crate::host) struct ClusterHandle {
    pub(super) name: String,
    pub(super) status: watch::Receiver<ClusterStatus>,
    pub(super) requests: mpsc::Sender<MemberRequest>,
}

impl ClusterHandle {
    /// Gives the member's accounts away, or takes accounts again.
    pub(in crate::host) fn set_draining(&self, draining: bool) -> Result<(), String> {
        let busy = |_| "the member does not take requests now".to_owned();
        self.requests.try_send(MemberRequest::SetDraining(draining)).map_err(busy)
    }

    /// Describes the cluster, with the accounts of the configuration.
    pub(in crate::host) fn describe(&self, accounts: &[AccountName]) -> Cluster {
        let status = self.status.borrow().clone();
        describe(&self.name, &status, accounts)
    }
}

fn describe(name: &str, status: &ClusterStatus, accounts: &[AccountName]) -> Cluster {
    let owner = |account: &AccountName| status.owner(shard_of(account));
    let mut hosted = BTreeMap::<&MemberId, usize>::new();
    for owner in accounts.iter().filter_map(owner) {
        *hosted.entry(owner).or_default() += 1;
    }
    let member = |(id, draining): (&MemberId, &bool)| ClusterMember {
        name: id.name().to_string(),
        draining: *draining,
        shards: status.owners.iter().flatten().filter(|owner| *owner == id).count(),
        accounts: hosted.get(id).copied().unwrap_or_default(),
    };
    let account = |account: &AccountName| ClusterAccount {
        name: account.to_string(),
        member: owner(account).map(|owner| owner.name().to_string()),
    };
    Cluster {
        member: name.to_owned(),
        joined: status.is_member,
        members: status.members.iter().map(member).collect(),
        moving_shards: status.shards.moving,
        unowned_shards: status.shards.unowned,
        accounts: accounts.iter().map(account).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{MemberName, SHARDS, ShardCounts};

    #[test]
    fn each_account_is_shown_with_its_member() {
        let id = |name: &str| MemberId::new(MemberName::new(name).unwrap(), 1);
        let accounts = ["helpdesk", "reports", "lonely"].map(|name| AccountName::new(name).unwrap());
        let mut owners = vec![Some(id("b")); SHARDS.into()];
        owners[usize::from(shard_of(&accounts[0]).number())] = Some(id("a"));
        owners[usize::from(shard_of(&accounts[2]).number())] = None;
        let status = ClusterStatus {
            is_member: true,
            members: [(id("a"), true), (id("b"), false)].into(),
            shards: ShardCounts { running: 1, moving: 1, unowned: 1 },
            owners: owners.into(),
        };
        let seen = describe("a", &status, &accounts);
        let members: Vec<_> = seen
            .members
            .iter()
            .map(|member| (&*member.name, member.draining, member.shards, member.accounts))
            .collect();
        assert_eq!(members, [("a", true, 1, 1), ("b", false, 1_022, 1)]);
        let hosts: Vec<_> = seen.accounts.iter().map(|account| account.member.as_deref()).collect();
        assert_eq!(hosts, [Some("a"), Some("b"), None]);
        assert_eq!((seen.joined, seen.moving_shards, seen.unowned_shards), (true, 1, 1));
    }
}
