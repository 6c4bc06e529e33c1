//! The cost of an event and of an idle account, by the number of accounts: what grows with it is a defect.

use crate::{cpu_time::cpu_time, many_accounts::ManyAccounts, program::Readings};

/// The numbers of accounts, each with the names of its readings.
const SIZES: [(u32, &str, &str); 3] = [
    (1_000, "idle-1000", "event-1000"),
    (5_000, "idle-5000", "event-5000"),
    (10_000, "idle-10000", "event-10000"),
];

/// The posts that reach all accounts, one after the other.
const POSTS: u32 = 10;
const CHARACTERS: u32 = 200;

/// Measures hosts of three sizes, whose accounts are all in one channel.
pub(crate) fn of_many_accounts(quick: bool) -> anyhow::Result<Readings> {
    let mut readings = Readings::new();
    for (accounts, idle, event) in SIZES {
        let mut crowd = ManyAccounts::gather(if quick { accounts / 10 } else { accounts }, false)?;
        readings.push((idle, crowd.each()?));
        let begun = cpu_time();
        let events = crowd.post_to_all(POSTS, CHARACTERS)?;
        let spent = cpu_time().saturating_sub(begun).as_secs_f64() * 1e6;
        readings.push((event, spent / f64::from(events)));
        crowd.stop()?;
    }
    Ok(readings)
}
