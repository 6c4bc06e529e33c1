//! A sink that accepts nothing while the server has a hundred thousand events. The flood waits for the socket, not in the
//! queue of 256 after which a server closes it: nothing is dropped or fetched.

use std::{sync::Arc, thread::sleep, time::Duration};

use futures_util::FutureExt as _;
use matterhost_actors::{
    hosting::{AccountSpec, AddAccount, HostSettings},
    model::{AccountName, Event, ServerName, Token},
    ports::{Delivered, EventSink},
};

use crate::{counting_sink::CountingSink, host::Host, memory, program::Readings, server::Server};

const EVENTS: u32 = 100_000;
const CHARACTERS: u32 = 1_000;
/// Time for the host to read until it pauses.
const SETTLE: Duration = Duration::from_secs(5);

/// A sink that never answers.
struct Stuck;

impl EventSink for Stuck {
    fn deliver(&self, _: &Arc<Event>) -> Delivered {
        Delivered::Later(std::future::pending().boxed())
    }
}

/// Measures the growth of the host, in KiB.
pub(crate) fn growth(quick: bool) -> anyhow::Result<Readings> {
    let mut server = Server::start(1, false)?;
    let mut host = Host::start(HostSettings::default(), &server, CountingSink::new(|_| {}))?;
    let bot = &server.info.bots[0];
    host.supervisor.do_send(AddAccount(AccountSpec {
        name: AccountName::new("stuck")?,
        server: ServerName::new("bench")?,
        token: Token::new(bot.token.as_str())?,
        sink: Arc::new(Stuck),
        settings: None,
    }));
    host.wait_until_ready(1)?;
    sleep(SETTLE);
    let before = memory::resident()?;
    server.flood(1, if quick { EVENTS / 100 } else { EVENTS }, CHARACTERS)?;
    sleep(SETTLE);
    let grown = memory::resident()? - before;
    host.stop()?;
    Ok(vec![("stuck", grown)])
}
