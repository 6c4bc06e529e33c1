//! Restarts per second of a host.

use std::time::Instant;

use matterhost_actors::hosting::{HostSettings, RestartAccount};

use crate::{counting_sink::CountingSink, host::Host, program::Readings, server::Server};

pub(crate) fn over_ws(quick: bool) -> anyhow::Result<Readings> {
    a_second(quick, "restarts-ws", 5, &[])
}

/// On a server of version 11.1, which lists the channels of all teams in one request.
pub(crate) fn over_ws_of_11(quick: bool) -> anyhow::Result<Readings> {
    a_second(quick, "restarts-ws-11", 5, &["--version", "11.1"])
}

pub(crate) fn over_wss(quick: bool) -> anyhow::Result<Readings> {
    a_second(quick, "restarts-wss", 2, &["--tls"])
}

/// Restarts all accounts at once, several times, until they are ready again. A restart includes the close frame, the
/// baseline, the dial, the hello and the list of channels.
fn a_second(quick: bool, reading: &'static str, times: u32, server: &[&str]) -> anyhow::Result<Readings> {
    let accounts: u32 = if quick { 200 } else { 1_000 };
    let server = Server::start_with(accounts as usize, server)?;
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
    Ok(vec![(reading, rate)])
}
