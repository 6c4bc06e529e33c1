//! The cost of an event and of an idle account, by the number of accounts: what grows with it is a defect.

use matterhost_actors::{hosting::HostSettings, model::Fact};

use crate::{
    counting_sink::CountingSink,
    cpu_time::cpu_time,
    host::Host,
    many_accounts::ManyAccounts,
    program::Readings,
    server::{Bot, Server},
};

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

/// The numbers of refused accounts, each with the name of its reading.
const REFUSED: [(u32, &str); 3] =
    [(1_000, "attempt-1000"), (5_000, "attempt-5000"), (10_000, "attempt-10000")];

/// The attempts for each account that are measured.
const ATTEMPTS: u32 = 2;

/// Measures hosts of three sizes, whose accounts are all refused and tried again and again.
pub(crate) fn of_refused_accounts(quick: bool) -> anyhow::Result<Readings> {
    let mut readings = Readings::new();
    for (accounts, attempt) in REFUSED {
        let accounts = if quick { accounts / 10 } else { accounts };
        let server = Server::start(1, false)?;
        let mut host = Host::start(HostSettings::default(), &server, CountingSink::new(|_| {}))?;
        for n in 0..accounts {
            let token = format!("{n:026}");
            host.add(&Bot { user_id: format!("refused-{n}"), token })?;
        }
        wait_for_attempts(&mut host, accounts)?;
        let begun = cpu_time();
        wait_for_attempts(&mut host, accounts * ATTEMPTS)?;
        let spent = cpu_time().saturating_sub(begun).as_secs_f64() * 1e6;
        readings.push((attempt, spent / f64::from(accounts * ATTEMPTS)));
        host.stop()?;
    }
    Ok(readings)
}

fn wait_for_attempts(host: &mut Host, attempts: u32) -> anyhow::Result<()> {
    for _ in 0..attempts {
        host.wait_for(|fact| matches!(fact, Fact::Connecting))?;
    }
    Ok(())
}
