//! The cluster of a running host.

use std::fmt::Write as _;

use comfy_table::{Table, presets::NOTHING};
use matterhost_actors::model::Excerpt;

use super::{Client, RemoteError};
use crate::admin::dto::{Cluster, ClusterActions, ClusterMember, Drain, PlannedMoves};

/// The most accounts without a member that are named.
const MAX_NAMED: usize = 20;

/// Returns the cluster as text, or as the API's JSON.
///
/// # Errors
/// When the host is in no cluster, or cannot be reached.
pub async fn cluster(client: &Client, json: bool) -> Result<String, RemoteError> {
    let cluster: Cluster = client.get("/v1/cluster").await?;
    if json {
        // Serializing names and numbers cannot fail.
        return Ok(serde_json::to_string_pretty(&cluster).unwrap_or_default() + "\n");
    }
    Ok(describe(&cluster))
}

/// Makes the host give its accounts away, or take accounts again.
///
/// # Errors
/// When the host is in no cluster, or cannot be reached.
pub async fn drain(client: &Client, draining: bool) -> Result<String, RemoteError> {
    let answer: Drain = client.put("/v1/cluster/drain", &Drain { draining }).await?;
    Ok(if answer.draining {
        "the member gives its accounts away; `matterhost cluster status` shows the rest\n".into()
    } else {
        "the member takes accounts again\n".into()
    })
}

/// Makes the members share the accounts evenly.
///
/// # Errors
/// When the host is in no cluster or holds no lease, or cannot be reached.
pub async fn rebalance(client: &Client) -> Result<String, RemoteError> {
    let PlannedMoves { accounts, .. } = client.post("/v1/cluster/rebalance").await?;
    Ok(match accounts {
        0 => "each member has its share already\n".into(),
        accounts => {
            format!("accounts that move: {accounts}; `matterhost cluster status` shows the members\n")
        }
    })
}

fn describe(cluster: &Cluster) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(["member", "state", "accounts", "shards"]);
    table.add_rows(cluster.members.iter().map(|member| row(member, cluster)));
    let mut text = table.trim_fmt() + "\n";
    let alone: Vec<_> = cluster.accounts.iter().filter(|account| account.member.is_none()).collect();
    if !cluster.joined {
        text += "this member holds no lease: it hosts no account until it has joined again\n";
    }
    if cluster.moving_shards > 0 {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} shards are moving away from this member", cluster.moving_shards);
    }
    text.extend(cluster.actions.iter().map(describe_actions));
    if !alone.is_empty() {
        let names: Vec<_> =
            alone.iter().take(MAX_NAMED).map(|account| Excerpt::of(&account.name).to_string()).collect();
        let more = if alone.len() > MAX_NAMED { ", …" } else { "" };
        let _ = writeln!(text, "{} accounts are on no member: {}{more}", alone.len(), names.join(", "));
    }
    text
}

fn describe_actions(actions: &ClusterActions) -> String {
    let at_work = actions.at_work;
    match (actions.queued, actions.oldest_seconds.unwrap_or_default()) {
        (Some(queued), oldest) => {
            format!(
                "{queued} actions are queued, the oldest for {oldest} s; this member is at work on {at_work}\n"
            )
        }
        (None, _) => format!("the queue of actions cannot be asked; this member is at work on {at_work}\n"),
    }
}

fn row(member: &ClusterMember, cluster: &Cluster) -> [String; 4] {
    let own = if member.name == cluster.member { " (this one)" } else { "" };
    let state = if member.draining { "draining" } else { "live" };
    [
        format!("{}{own}", Excerpt::of(&member.name)),
        state.into(),
        member.accounts.to_string(),
        member.shards.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::dto::ClusterAccount;

    #[test]
    fn a_cluster_is_a_table_with_what_is_amiss_below() {
        let member =
            |name: &str, draining| ClusterMember { name: name.into(), draining, shards: 512, accounts: 3 };
        let cluster = Cluster {
            member: "a".into(),
            joined: true,
            members: vec![member("a", true), member("b", false)],
            moving_shards: 2,
            accounts: vec![ClusterAccount { name: "lonely".into(), member: None }],
            ..Cluster::default()
        };
        let queued = |queued| Some(ClusterActions { queued, oldest_seconds: queued, at_work: 2 });
        let text = describe(&Cluster { actions: queued(Some(7)), ..cluster.clone() });
        let line = "7 actions are queued, the oldest for 7 s; this member is at work on 2\n";
        assert!(text.contains(line), "{text}");
        let text = describe(&Cluster { actions: queued(None), ..cluster.clone() });
        assert!(text.contains("the queue of actions cannot be asked; "), "{text}");
        let text = describe(&cluster);
        assert!(!text.contains("actions"), "{text}");
        assert!(text.contains("a (this one)") && text.contains("draining"), "{text}");
        assert!(text.contains("2 shards are moving away"), "{text}");
        assert!(text.ends_with("1 accounts are on no member: lonely\n"), "{text}");
    }
}
