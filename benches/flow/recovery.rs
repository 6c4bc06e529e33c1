//! How quickly posts are fetched that were made while a bot was away, and what they cost in requests.

use std::time::Instant;

use matterhost_actors::{hosting::HostSettings, model::Fact};

use crate::{counter::Counter, host::Host, program::Readings, server::Server};

/// Characters of a post, as in the other figures.
const CHARACTERS: u32 = 200;

/// Posts of one channel, from the enable until the last was handed over.
pub(crate) fn of_many_posts(quick: bool) -> anyhow::Result<Readings> {
    let posts = if quick { 1_000 } else { 10_000 };
    let mut server = Server::start(2, false)?;
    let mut host = Host::start(HostSettings::default(), &server, Counter::new(false))?;
    let (bots, people) = server.world.bots.split_at(1);
    let (bot, person) = (bots[0].user_id.clone(), people[0].user_id.clone());
    host.add_all(bots)?;
    server.tell(&format!("disable {bot}"))?;
    host.until(|fact| *fact == Fact::Blocked)?;
    let post = format!("post {person} {} {CHARACTERS}", server.world.channel);
    (0..posts).try_for_each(|_| server.tell(&post))?;
    let asked = requests(&mut server)?;
    let begin = Instant::now();
    server.tell(&format!("enable {bot}"))?;
    host.counter.wait_for(posts);
    let seconds = begin.elapsed().as_secs_f64();
    let requests = requests(&mut server)? - asked;
    host.stop()?;
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let posts = posts as f64;
    Ok(vec![("recovered", posts / seconds), ("recovery-requests", requests)])
}

/// Pages asked for so far.
fn requests(server: &mut Server) -> anyhow::Result<f64> {
    Ok(server.ask("requests GET /channels/{channel_id}/posts")?.parse()?)
}
