//! Restarts per second of a host.

use std::time::Instant;

use matterhost_actors::hosting::{HostSettings, RestartAccount};

use crate::{counting_sink::CountingSink, host::Host, program::Readings, server::Server};

/// Restarts all accounts at once, several times, until they are ready again. A restart includes the close frame, the
/// baseline, the dial and the hello.
pub(crate) fn a_second(quick: bool, tls: bool) -> anyhow::Result<Readings> {
    let accounts: u32 = if quick { 200 } else { 1_000 };
    let times = if tls { 2 } else { 5 };
    let server = Server::start(accounts as usize, tls)?;
    let mut host = Host::start(HostSettings::default(), &server, CountingSink::new(|_| {}))?;
    let names = host.add_all(&server.info.bots)?;
    let begin = Instant::now();
    for _ in 0..times {
        for name in &names {
            host.supervisor.do_send(RestartAccount(name.clone()));
        }
        host.wait_until_ready(names.len())?;
    }
    let rate = f64::from(accounts * times) / begin.elapsed().as_secs_f64();
    host.stop()?;
    Ok(vec![(if tls { "restarts-wss" } else { "restarts-ws" }, rate)])
}
