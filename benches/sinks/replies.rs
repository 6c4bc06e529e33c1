//! Posts per second of several accounts; each is answered before the next of its channel.

use std::time::Instant;

use anyhow::anyhow;
use futures_util::future::try_join_all;
use matterhost_actors::{
    hosting::{HostSettings, SendReply},
    model::{Draft, OutgoingAction},
};

use crate::{counting_sink::CountingSink, host::Host, program::Readings, server::Server};

const ACCOUNTS: usize = 20;

pub(crate) fn a_second(quick: bool) -> anyhow::Result<Readings> {
    let each = if quick { 5 } else { 100 };
    let server = Server::start(ACCOUNTS, false)?;
    let mut host = Host::start(HostSettings::default(), &server, CountingSink::new(|_| {}))?;
    let names = host.add_all(&server.info.bots)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begin = Instant::now();
    let orders = names.iter().flat_map(|account| (0..each).map(move |n| (account.clone(), n)));
    let posted = orders.map(|(account, n)| {
        let text = format!("answer {n}");
        let order = OutgoingAction::Post(Draft {
            channel: server.info.channel.as_str().into(),
            text,
            ..Draft::default()
        });
        let asked = host.supervisor.send(SendReply { account, action: order });
        async move { asked.await?.map_err(|error| anyhow!("{error}")) }
    });
    let posted = runtime.block_on(try_join_all(posted))?.len();
    let seconds = begin.elapsed().as_secs_f64();
    host.stop()?;
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let posted = posted as f64;
    Ok(vec![("replies", posted / seconds)])
}
