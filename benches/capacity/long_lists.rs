//! Memory use while long pages and long lists of channels are read.

use std::{thread::sleep, time::Duration};

use matterhost_actors::{
    hosting::{CatchUpSettings, HostSettings},
    model::Fact,
};

use crate::{counting_sink::CountingSink, host::Host, memory, program::Readings, server::Server};

/// Time for requests in flight and the start of the account to finish.
const SETTLE: Duration = Duration::from_secs(2);

/// A thread of 16 MiB: posts of the greatest length.
const REPLIES: u32 = 1_024;
const CHARACTERS: u32 = 16_383;

/// The posts of a page of 12.5 MiB: the longest that four bytes a character allow.
const POSTS: u32 = 200;
const LONG_POST: u32 = 65_532;

/// Time for posts to be older than the overlap.
const OVERLAP: Duration = Duration::from_millis(10);

/// Measures the growth of the peak while a bot catches up: a thread that comes along with a page, a page of long posts.
pub(crate) fn long_pages(_quick: bool) -> anyhow::Result<Readings> {
    let mut bot = LoneBot::start()?;
    let LoneBot { server, host, author, channel, .. } = &mut bot;
    server.command("whole-threads")?;
    server.command(&format!("thread {author} {channel} {REPLIES} {CHARACTERS}"))?;
    for _ in 0..2 {
        sleep(2 * OVERLAP);
        server.command(&format!("post {author} {channel} 10"))?;
    }
    host.counter.wait_for(4);
    let thread = bot.while_catching_up(|server, author, channel| {
        server.command(&format!("reply-to-thread {author} {channel}"))
    })?;
    let page = LoneBot::start()?.while_catching_up(|server, author, channel| {
        (0..POSTS).try_for_each(|_| server.command(&format!("post {author} {channel} {LONG_POST}")))
    })?;
    Ok(vec![("long-thread", thread), ("long-page", page)])
}

/// A bot and another author in its channel.
struct LoneBot {
    server: Server,
    host: Host,
    user: String,
    author: String,
    channel: String,
}

impl LoneBot {
    fn start() -> anyhow::Result<Self> {
        let catch_up = CatchUpSettings { overlap: OVERLAP, ..CatchUpSettings::default() };
        let settings = HostSettings { catch_up, ..HostSettings::default() };
        let server = Server::start(2, false)?;
        let mut host = Host::start(settings, &server, CountingSink::new(|_| {}))?;
        host.add_all(&server.info.bots[..1])?;
        let [user, author] = [0, 1].map(|index| server.info.bots[index].user_id.clone());
        let channel = server.info.channel.clone();
        Ok(Self { server, host, user, author, channel })
    }

    /// Returns the growth of the peak while the bot fetches what it missed.
    fn while_catching_up(
        mut self,
        miss: impl Fn(&mut Server, &str, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<f64> {
        self.server.command(&format!("disable {}", self.user))?;
        self.host.wait_for(|fact| *fact == Fact::Blocked)?;
        miss(&mut self.server, &self.author, &self.channel)?;
        sleep(SETTLE);
        let before = reset()?;
        self.server.command(&format!("enable {}", self.user))?;
        self.host.wait_for(|fact| matches!(fact, Fact::Ready { .. }))?;
        let grown = grown_since(before)?;
        self.host.stop()?;
        Ok(grown)
    }
}

/// Measures the growth while the first list of an account is read: 100,000 channels that are all kept, and 400,000 of
/// which `catch_up.max_channels` leaves out most.
pub(crate) fn long_channel_lists(quick: bool) -> anyhow::Result<Readings> {
    let (many, most) = if quick { (10_000, 60_000) } else { (100_000, 400_000) };
    let default = CatchUpSettings::default();
    let (all, all_left, _) = with_channels(many, CatchUpSettings { max_channels: many + 10, ..default })?;
    let (cut, cut_left, left_out) = with_channels(most, default)?;
    anyhow::ensure!(left_out == Some(default.max_channels), "the limit was not reported");
    Ok(vec![
        ("channels-all", all),
        ("channels-all-left", all_left),
        ("channels-cut", cut),
        ("channels-cut-left", cut_left),
    ])
}

/// Returns the growth of the peak until a bot with so many channels is ready, the growth that is left then, and the limit
/// that was reported.
fn with_channels(channels: usize, catch_up: CatchUpSettings) -> anyhow::Result<(f64, f64, Option<usize>)> {
    let mut server = Server::start_with(1, &["--channels", &channels.to_string()])?;
    server.limits.max_channels = catch_up.max_channels;
    let settings = HostSettings { catch_up, ..HostSettings::default() };
    let mut host = Host::start(settings, &server, CountingSink::new(|_| {}))?;
    sleep(SETTLE);
    let before = reset()?;
    host.add(&server.info.bots[0])?;
    let mut left_out = None;
    loop {
        let wanted = |fact: &Fact| matches!(fact, Fact::Ready { .. } | Fact::ChannelsLeftOut { .. });
        match host.wait_for(wanted)? {
            Fact::ChannelsLeftOut { limit } => left_out = Some(limit),
            _ => break,
        }
    }
    let peak = grown_since(before)?;
    sleep(SETTLE);
    let left = memory::resident()? - before;
    host.stop()?;
    Ok((peak, left, left_out))
}

/// Resets the peak, and returns the resident memory.
fn reset() -> anyhow::Result<f64> {
    memory::reset_peak()?;
    memory::resident()
}

fn grown_since(before: f64) -> anyhow::Result<f64> {
    Ok((memory::peak()? - before).max(0.0))
}
