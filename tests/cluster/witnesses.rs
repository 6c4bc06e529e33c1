//! Accounts of one member are witnesses for those of another.

use std::time::Duration;

use matterhost_simulator::{ServerVersion, Simulator};

use crate::{
    harness::{Cluster, terminate},
    one_view::{account_detail, shared},
};

/// Settings with which nothing but a witness finds a change.
const ONLY_WITNESSES: &str = "[health]\npoll = false\nping = false\n";

#[test]
fn a_bot_that_is_disabled_and_enabled_is_noticed_by_a_bot_of_another_member() {
    // Mattermost 11.1 sends no `status_change` to a disabled bot, so that only a witness notices.
    let current = Simulator::builder().version(ServerVersion::V11_1).start().unwrap();
    let cluster = Cluster::of(current, 2, Duration::from_secs(20));
    let members = ["a", "b"].map(|member| cluster.start_with_admin_and(member, ONLY_WITNESSES));
    cluster.command("a", &["cluster", "rebalance"]);
    shared(&cluster, "a");
    cluster.simulator.cycle(&cluster.bots[0].0.user_id);
    cluster.await_that("a report of the other bot, and a new connection", |cluster| {
        let status = account_detail(cluster, "a", "bot-0");
        let is_reported = !status["liveness"]["last_sibling_report"].is_null();
        is_reported && status["generation"] != 1 && status["state"] == "ready"
    });
    cluster.post_to_each("hello");
    cluster.await_answers(0);
    members.into_iter().for_each(terminate);
    assert!(cluster.answers().values().all(|answers| *answers == 1), "{:?}", cluster.answers());
}
