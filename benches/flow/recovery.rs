//! The time and the requests for fetching the posts made while a bot was away.

use std::time::Instant;

use matterhost_actors::{
    hosting::{HostSettings, RestartAccount},
    model::Fact,
};

use crate::{counting_sink::CountingSink, host::Host, program::Readings, server::Server};

/// Characters per post, as in the other figures.
const CHARACTERS: u32 = 200;

/// Measures the posts of one channel, from a restart of the enabled account until the last delivery. Without a restart, a blocked
/// account waits up to 5 s for its next poll.
pub(crate) fn of_many_posts(quick: bool) -> anyhow::Result<Readings> {
    let posts = if quick { 1_000 } else { 10_000 };
    let mut server = Server::start(2, false)?;
    let mut host = Host::start(HostSettings::default(), &server, CountingSink::new(|_| {}))?;
    let (bots, people) = server.info.bots.split_at(1);
    let (bot, person) = (bots[0].user_id.clone(), people[0].user_id.clone());
    let names = host.add_all(bots)?;
    server.command(&format!("disable {bot}"))?;
    host.wait_for(|fact| *fact == Fact::Blocked)?;
    let post = format!("post {person} {} {CHARACTERS}", server.info.channel);
    (0..posts).try_for_each(|_| server.command(&post))?;
    let asked = requests(&mut server)?;
    server.command(&format!("enable {bot}"))?;
    let begin = Instant::now();
    host.supervisor.do_send(RestartAccount(names[0].clone()));
    host.counter.wait_for(posts);
    let seconds = begin.elapsed().as_secs_f64();
    let requests = requests(&mut server)? - asked;
    host.stop()?;
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let posts = posts as f64;
    Ok(vec![("recovered", posts / seconds), ("recovery-requests", requests)])
}

/// Returns the number of page requests so far.
fn requests(server: &mut Server) -> anyhow::Result<f64> {
    Ok(server.query("requests GET /channels/{channel_id}/posts")?.parse()?)
}
