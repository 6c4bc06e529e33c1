//! The number of requests that an account costs per hour.

use std::time::Duration;

use matterhost_actors::policy::GateLimits;

use crate::harness::{bots, run_paused, settings};

const ACCOUNTS: u32 = 100;

/// 100 accounts share 5 requests per second: as many for each as a thousand accounts have of 50 per second.
#[test]
fn polls_fit_half_the_rate_and_an_audit_is_one_list_in_five_minutes() {
    let limits = GateLimits { requests_per_second: 5.0, dial_slots: 100 };
    run_paused(settings(), limits, async |harness| {
        let names = bots(ACCOUNTS as usize);
        for name in &names {
            harness.host(name).await;
        }
        harness.wait_until_all_ready(&names).await;
        harness.fake.add_channel("c", &names.iter().map(String::as_str).collect::<Vec<_>>());
        harness.advance_discarding(Duration::from_secs(600)).await;
        let before = (harness.fake.me_requests(), harness.fake.list_requests());
        harness.advance_discarding(Duration::from_secs(3_600)).await;
        let polls = (harness.fake.me_requests() - before.0) / u64::from(ACCOUNTS);
        let lists = (harness.fake.list_requests() - before.1) / u64::from(ACCOUNTS);
        println!("per account and hour: {polls} polls, {lists} lists");
        assert!((80..=90).contains(&polls), "{polls} polls, expected one every 40 s instead of 30");
        assert!((11..=12).contains(&lists), "{lists} audits");
    });
}
