//! The time until all accounts of a host are ready.

use std::time::Instant;

use matterhost_actors::hosting::HostSettings;

use crate::{counting_sink::CountingSink, host::Host, program::Readings, server::Server};

/// Measures from adding the first account until the last one is ready.
pub(crate) fn all_ready(quick: bool, tls: bool) -> anyhow::Result<Readings> {
    let accounts: u32 = match (quick, tls) {
        (true, _) => 1_000,
        (false, true) => 5_000,
        (false, false) => 10_000,
    };
    let server = Server::start(accounts as usize, tls)?;
    let mut host = Host::start(HostSettings::default(), &server, CountingSink::new(|_| {}))?;
    let begin = Instant::now();
    host.add_all(&server.info.bots)?;
    let took = begin.elapsed().as_secs_f64();
    host.stop()?;
    Ok(if tls {
        vec![("ready-wss", took)]
    } else {
        vec![("ready-ws", took), ("rate-ws", f64::from(accounts) / took)]
    })
}
