//! `[cluster]`: the cluster that this process is a member of.

use std::time::Duration;

use matterhost_actors::model::Excerpt;

use super::{
    key_reader::TableReader,
    nats_access::{self, NatsAccess, NatsKeys},
    servers::ReadContext,
    value::StringList,
};

/// A member that dies is noticed within ten seconds, and an election of NATS takes up to six.
const LEASE_TTL: Duration = Duration::from_secs(10);
/// Shorter leases end while NATS elects a leader.
const SHORTEST_TTL: Duration = Duration::from_secs(2);
/// Longer ones leave the accounts of a dead member deaf for minutes.
const LONGEST_TTL: Duration = Duration::from_secs(300);
/// The beginning of the buckets' names.
const PREFIX: &str = "matterhost";
/// A single server of NATS has one.
const REPLICAS: usize = 1;
/// The most that NATS allows.
const MOST_REPLICAS: usize = 5;
/// The beginning of the inboxes of the clients of NATS, unless they choose another one.
const INBOX: &str = "_INBOX";
/// The longest name of a member or a prefix: they are parts of names in NATS.
const LONGEST_NAME: usize = 64;

/// The cluster that this process is a member of.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterConfig {
    /// The servers of NATS, and the way to them.
    pub access: NatsAccess,
    /// The name of this member.
    pub name: String,
    /// The beginning of the names of its buckets.
    pub prefix: String,
    /// The servers of NATS that hold each bucket.
    pub replicas: usize,
    /// The time after which a member that does not answer counts as ended.
    pub lease_ttl: Duration,
    /// True if programs elsewhere may act as accounts by a queue.
    pub actions: bool,
    /// The beginnings of the subjects that a result of such an action may go to.
    pub action_inboxes: Vec<String>,
}

/// Reads the section. Without it the process is alone.
pub(super) fn read(
    mut section: TableReader<'_>,
    is_set: bool,
    context: &ReadContext<'_>,
) -> Option<ClusterConfig> {
    let access =
        nats_access::read(&mut section, NatsKeys { servers: "url", owner: "cluster's" }, is_set, context);
    let name = section.optional::<String>("name");
    let prefix = section.read("prefix", PREFIX.to_owned());
    let replicas = section.within("replicas", REPLICAS, 1..=MOST_REPLICAS);
    let lease_ttl = section.within("lease_ttl", LEASE_TTL, SHORTEST_TTL..=LONGEST_TTL);
    let actions = section.read("actions", false);
    let StringList(action_inboxes) = section.read("action_inboxes", StringList(vec![INBOX.into()]));
    check_inboxes(&mut section, &action_inboxes, &prefix);
    check_name(&mut section, "prefix", &prefix);
    if is_set && cfg!(not(feature = "cluster")) {
        section.refuse_table(
            "this program was built without clusters",
            "remove the section, or build with --features cluster",
        );
    }
    let name = name.unwrap_or_else(host_name);
    if is_set {
        check_name(&mut section, "name", &name);
    }
    section.finish();
    Some(ClusterConfig { access: access?, name, prefix, replicas, lease_ttl, actions, action_inboxes })
}

fn check_name(section: &mut TableReader<'_>, key: &str, name: &str) {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_allowed) {
        let remedy = format!("use 1 to {LONGEST_NAME} of A-Z, a-z, 0-9, '-' and '_'");
        section.refuse(key, "it cannot be a part of a name in NATS", remedy);
    }
}

/// Checks that no result can go to a subject that a member or a server of NATS acts on.
fn check_inboxes(section: &mut TableReader<'_>, inboxes: &[String], prefix: &str) {
    let is_part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let is_inbox = |inbox: &String| {
        let first = inbox.split('.').next();
        inbox.len() <= LONGEST_NAME && inbox.split('.').all(is_part) && first != Some(prefix)
    };
    if let Some(wrong) = inboxes.iter().find(|inbox| !is_inbox(inbox)) {
        let remedy = format!(
            "use beginnings of inboxes such as _INBOX or _INBOX_shop, of A-Z, a-z, 0-9, '-', '_' and '.', at most {LONGEST_NAME} long and not below the prefix"
        );
        section.refuse("action_inboxes", format!("{:?} is no inbox for clients", Excerpt::of(wrong)), remedy);
    }
}

/// Returns the name of the machine, as far as a name may have its characters.
fn host_name() -> String {
    let system = rustix::system::uname();
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    system.nodename().to_string_lossy().chars().map(allowed).take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_a_name() {
        let name = host_name();
        assert!(!name.is_empty() && name.len() <= LONGEST_NAME, "{name}");
    }
}
