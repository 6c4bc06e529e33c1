//! Memory use of many accounts, and under attack.

use std::{thread::sleep, time::Duration};

use matterhost_actors::{
    hosting::HostSettings,
    model::{CloseReason, Fact},
};

use crate::{counting_sink::CountingSink, host::Host, memory, program::Readings, server::Server};

/// Time for requests in flight and the start of each account to finish.
const SETTLE: Duration = Duration::from_secs(3);

const POSTS_OF_A_BURST: u32 = 50;
const CHARACTERS: u32 = 200;
const LONG_POST: u32 = 500_000;
const ANNOUNCED: u32 = 400 * 1024 * 1024;

/// A host with accounts, and its resident memory before they were added.
pub(crate) struct ManyAccounts {
    server: Server,
    host: Host,
    accounts: u32,
    before: f64,
}

impl ManyAccounts {
    /// Adds the first bot before the measurement, so that shared memory is not attributed to accounts.
    pub(crate) fn gather(accounts: u32, tls: bool) -> anyhow::Result<Self> {
        let server = Server::start(accounts as usize + 1, tls)?;
        let mut host = Host::start(HostSettings::default(), &server, CountingSink::new(|_| {}))?;
        let (first, others) = server.info.bots.split_at(1);
        host.add_all(first)?;
        sleep(SETTLE);
        let before = memory::resident()?;
        host.add_all(others)?;
        sleep(SETTLE);
        Ok(Self { server, host, accounts, before })
    }

    pub(crate) fn each(&self) -> anyhow::Result<f64> {
        Ok((memory::resident()? - self.before) / f64::from(self.accounts))
    }

    /// Posts in the channel of all accounts, each time when all have the last one, and returns the number of events.
    pub(crate) fn post_to_all(&mut self, posts: u32, characters: u32) -> anyhow::Result<u32> {
        let all = self.accounts + 1;
        let author = self.server.info.bots.first().map(|bot| bot.user_id.clone()).unwrap_or_default();
        let post = format!("post {author} {} {characters}", self.server.info.channel);
        for n in 1..=posts {
            self.server.command(&post)?;
            self.host.counter.wait_for(u64::from(all * n));
        }
        Ok(all * posts)
    }

    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.host.stop()
    }

    /// Sends posts to every account, and returns the resident memory per account afterwards.
    fn after(&mut self, posts: u32, characters: u32) -> anyhow::Result<f64> {
        let all = self.accounts + 1;
        self.server.flood(all as usize, posts, characters)?;
        self.host.counter.wait_for(u64::from(all * posts));
        sleep(SETTLE);
        self.each()
    }
}

/// Measures many idle accounts, then the same after some posts each.
pub(crate) fn idle_and_burst(quick: bool, tls: bool) -> anyhow::Result<Readings> {
    let mut crowd = ManyAccounts::gather(if quick { 200 } else { 2_000 }, tls)?;
    let idle = crowd.each()?;
    let burst = crowd.after(POSTS_OF_A_BURST, CHARACTERS)?;
    crowd.host.stop()?;
    Ok(if tls {
        vec![("idle-wss", idle), ("burst-wss", burst)]
    } else {
        vec![("idle-ws", idle), ("burst-ws", burst)]
    })
}

/// Measures accounts after one long post each.
pub(crate) fn long_frames(quick: bool, tls: bool) -> anyhow::Result<Readings> {
    let mut crowd = ManyAccounts::gather(if quick { 100 } else { 500 }, tls)?;
    let long = crowd.after(1, LONG_POST)?;
    crowd.host.stop()?;
    Ok(vec![(if tls { "long-wss" } else { "long-ws" }, long)])
}

/// Measures a peer that announces a frame of 400 MiB without sending it, and then one that sends it.
pub(crate) fn announced(_quick: bool) -> anyhow::Result<Readings> {
    let mut server = Server::start(1, false)?;
    let mut host = Host::start(HostSettings::default(), &server, CountingSink::new(|_| {}))?;
    host.add_all(&server.info.bots)?;
    let user = server.info.bots.first().map(|bot| bot.user_id.clone()).unwrap_or_default();
    let announced = attack(&mut server, &mut host, &format!("announce {user} {ANNOUNCED}"))?;
    let sent = attack(&mut server, &mut host, &format!("huge {user} {ANNOUNCED}"))?;
    host.stop()?;
    Ok(vec![("announced", announced), ("sent", sent)])
}

/// Returns the growth of the peak until the account was ready again.
fn attack(server: &mut Server, host: &mut Host, command: &str) -> anyhow::Result<f64> {
    sleep(SETTLE);
    memory::reset_peak()?;
    let before = memory::resident()?;
    server.command(command)?;
    host.wait_for(|fact| matches!(fact, Fact::Closed { reason: CloseReason::Oversized { .. }, .. }))?;
    host.wait_for(|fact| matches!(fact, Fact::Ready { .. }))?;
    Ok((memory::peak()? - before).max(0.0))
}
