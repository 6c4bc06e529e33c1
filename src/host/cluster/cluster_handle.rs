//! The view of the cluster for the admin API.

use std::{collections::BTreeMap, sync::Arc};

use matterhost_actors::model::AccountName;
use tokio::sync::{mpsc, oneshot, watch};

use super::{queued_actions::ActionView, user_news::UserNews};
use crate::{
    admin::dto::{Cluster, ClusterAccount, ClusterActions, ClusterMember, PlannedMoves},
    cluster::{ClusterStatus, MemberCounts, MemberId, MemberMessages, MemberRequest, ShardCounts, shard_of},
    telemetry::metrics::{ActionMetrics, ClusterMetrics},
};

/// A handle of the member, for operators.
#[derive(Debug, Clone)]
pub(in crate::host) struct ClusterHandle {
    pub(super) id: MemberId,
    pub(super) messages: Arc<dyn MemberMessages>,
    pub(super) status: watch::Receiver<ClusterStatus>,
    pub(super) requests: mpsc::Sender<MemberRequest>,
    /// The queue of actions, if there is one.
    pub(super) actions: Option<ActionView>,
    pub(super) user_news: UserNews,
}

impl ClusterHandle {
    /// Returns the name of the member.
    pub(in crate::host) fn name(&self) -> &str {
        self.id.name().as_str()
    }

    /// Returns true for the identities of this process.
    pub(super) fn is_own(&self, id: &MemberId) -> bool {
        id.process_name() == self.id.process_name()
    }

    /// Gives the member's accounts away, or takes accounts again.
    pub(in crate::host) fn set_draining(&self, draining: bool) -> Result<(), String> {
        self.request(MemberRequest::SetDraining(draining))
    }

    /// Shares the accounts of the cluster evenly, and returns the moves that begin.
    pub(in crate::host) async fn rebalance(&self) -> Result<PlannedMoves, String> {
        let (sender, planned) = oneshot::channel();
        self.request(MemberRequest::Rebalance(sender))?;
        let planned = planned.await.map_err(|_| "the member has left the cluster".to_owned())?;
        let moves = planned.ok_or("this member holds no lease; ask another one, or ask again")?;
        Ok(PlannedMoves { accounts: moves.accounts, shards: moves.shards })
    }

    fn request(&self, request: MemberRequest) -> Result<(), String> {
        self.requests.try_send(request).map_err(|_| "the member does not take requests now".to_owned())
    }

    /// Describes the cluster, with the accounts of the configuration.
    pub(in crate::host) fn describe(&self, accounts: &[AccountName]) -> Cluster {
        let status = self.status.borrow().clone();
        let actions = self.actions.as_ref().map(|actions| describe_actions(&actions.measure()));
        Cluster { actions, ..describe(self.name(), &status, accounts) }
    }
}

impl ClusterHandle {
    /// Returns the numbers of this member.
    pub(in crate::host) fn measure(&self) -> ClusterMetrics {
        let actions = self.actions.as_ref().map(ActionView::measure);
        let user_changes = self.user_news.counts();
        ClusterMetrics { user_changes, actions, ..measure(self.name(), &self.status.borrow()) }
    }

    /// Returns the reason why this member is not ready to host accounts; `None` if it is.
    pub(in crate::host) fn unready(&self) -> Option<&'static str> {
        unready(self.name(), &self.status.borrow())
    }
}

fn is_draining(name: &str, status: &ClusterStatus) -> bool {
    status.members.iter().any(|(id, draining)| *draining && id.name().to_string() == name)
}

fn measure(name: &str, status: &ClusterStatus) -> ClusterMetrics {
    let ShardCounts { running, moving, unowned, awaited } = status.shards;
    let MemberCounts { renewals, failed_renewals, lost_leases, started_shards, stopped_shards } =
        status.counts;
    ClusterMetrics {
        member: name.to_owned(),
        is_member: status.is_member,
        is_draining: is_draining(name, status),
        members: status.members.len(),
        shards: [("running", running), ("moving", moving), ("unowned", unowned), ("awaited", awaited)],
        renewals: [("renewed", renewals), ("failed", failed_renewals)],
        lost_leases,
        shard_changes: [("started", started_shards), ("stopped", stopped_shards)],
        ..ClusterMetrics::default()
    }
}

fn unready(name: &str, status: &ClusterStatus) -> Option<&'static str> {
    if !status.is_member {
        Some("this member has no lease in the cluster")
    } else if is_draining(name, status) {
        Some("this member is draining")
    } else if !status.is_settled {
        Some("this member has not taken its shards yet")
    } else {
        None
    }
}

fn describe_actions(actions: &ActionMetrics) -> ClusterActions {
    ClusterActions {
        queued: actions.queued,
        oldest_seconds: actions.oldest_age.map(|age| age.as_secs()),
        at_work: actions.at_work.iter().map(|(_, count)| count).sum(),
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
        actions: None,
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
            shards: ShardCounts { running: 1, moving: 1, unowned: 1, awaited: 0 },
            owners: owners.into(),
            ..ClusterStatus::default()
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

    #[test]
    fn a_member_is_ready_once_it_has_its_shards_until_it_drains() {
        let id = MemberId::new(MemberName::new("a").unwrap(), 1);
        let member = |is_draining| ClusterStatus {
            is_member: true,
            members: [(id.clone(), is_draining)].into(),
            ..ClusterStatus::default()
        };
        let settled = |is_draining| ClusterStatus { is_settled: true, ..member(is_draining) };
        for (status, reason) in [
            (ClusterStatus::default(), Some("this member has no lease in the cluster")),
            (member(false), Some("this member has not taken its shards yet")),
            (settled(false), None),
            (settled(true), Some("this member is draining")),
        ] {
            assert_eq!(unready("a", &status), reason);
        }
        assert!(measure("a", &settled(true)).is_draining && !measure("b", &settled(true)).is_draining);
    }
}
