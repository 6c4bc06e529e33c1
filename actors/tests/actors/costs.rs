//! What an hour costs an account in requests.

use std::time::Duration;

use matterhost_actors::policy::GateLimits;

use crate::stage::{bots, play, settings};

const ACCOUNTS: u32 = 100;

/// So many accounts on a server that allows each of them what a thousand have of 50 requests a second.
#[test]
fn polls_fit_half_the_rate_and_an_audit_is_one_list_in_five_minutes() {
    let limits = GateLimits { requests_per_second: 5.0, dial_slots: 100 };
    play(settings(), limits, async |stage| {
        let names = bots(ACCOUNTS as usize);
        for name in &names {
            stage.host(name).await;
        }
        stage.until_all_ready(&names).await;
        stage.world.add_channel("c", &names.iter().map(String::as_str).collect::<Vec<_>>());
        stage.forget_what_was_seen(Duration::from_secs(600)).await;
        let before = (stage.world.polls(), stage.world.lists());
        stage.forget_what_was_seen(Duration::from_secs(3_600)).await;
        let polls = (stage.world.polls() - before.0) / u64::from(ACCOUNTS);
        let lists = (stage.world.lists() - before.1) / u64::from(ACCOUNTS);
        println!("an account and hour: {polls} polls, {lists} lists");
        assert!((80..=90).contains(&polls), "{polls} polls: every 40 s in place of 30");
        assert!((11..=12).contains(&lists), "{lists} audits");
    });
}
