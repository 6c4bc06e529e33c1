//! The time until a bot that was disabled and enabled is ready again.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use matterhost_actors::{
    hosting::{HostSettings, RestartAccount},
    model::{AccountName, Fact},
};

use crate::{counting_sink::CountingSink, host::Host, program::Readings, server::Server};

/// Reports of siblings trigger at most one poll a second: earlier reports wait.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1_100);

/// Too short for the host to detect that the bot is disabled: it polls twice, one second apart.
const BRIEF: Duration = Duration::from_millis(300);

/// A bot that is disabled and enabled, and a sibling on the same server.
struct Pair {
    server: Server,
    host: Host,
    user: String,
    name: AccountName,
}

/// Measures the times from the enable to ready, in milliseconds.
pub(crate) fn until_ready(quick: bool) -> anyhow::Result<Readings> {
    let times = if quick { 2 } else { 7 };
    let mut pair = Pair::start()?;
    let mut witnessed = pair.several(times, Pair::blocked)?;
    let mut brief = pair.several(times, |pair| pair.back_soon(BRIEF))?;
    let mut quick = pair.several(times, |pair| pair.back_soon(Duration::ZERO))?;
    pair.host.stop()?;
    let slowest = witnessed.iter().copied().fold(0.0, f64::max);
    Ok(vec![
        ("witnessed", median(&mut witnessed)),
        ("witnessed-slowest", slowest),
        ("brief", median(&mut brief)),
        ("quick", median(&mut quick)),
    ])
}

impl Pair {
    fn start() -> anyhow::Result<Self> {
        let server = Server::start(2, false)?;
        let mut host = Host::start(HostSettings::default(), &server, CountingSink::new(|_| {}))?;
        let names = host.add_all(&server.info.bots)?;
        let user = server.info.bots[0].user_id.clone();
        Ok(Self { name: names[0].clone(), server, host, user })
    }

    /// Measures several times. Restarts the account before each measurement, because consecutive stale endings would
    /// increase the delay.
    fn several(
        &mut self,
        times: usize,
        cycle: impl Fn(&mut Self) -> anyhow::Result<f64>,
    ) -> anyhow::Result<Vec<f64>> {
        let mut took = Vec::new();
        for _ in 0..times {
            self.host.supervisor.do_send(RestartAccount(self.name.clone()));
            self.ready_since(Instant::now())?;
            sleep(BETWEEN_LOOKS);
            took.push(cycle(self)?);
        }
        Ok(took)
    }

    /// Measures an account that is disabled until it is blocked.
    fn blocked(&mut self) -> anyhow::Result<f64> {
        self.server.command(&format!("disable {}", self.user))?;
        self.host.wait_for(|fact| *fact == Fact::Blocked)?;
        let begin = Instant::now();
        self.server.command(&format!("enable {}", self.user))?;
        self.ready_since(begin)
    }

    /// Measures an account that is enabled again after a short time.
    fn back_soon(&mut self, away: Duration) -> anyhow::Result<f64> {
        let begin = if away.is_zero() {
            let begin = Instant::now();
            self.server.command(&format!("cycle {}", self.user))?;
            begin
        } else {
            self.server.command(&format!("disable {}", self.user))?;
            sleep(away);
            let begin = Instant::now();
            self.server.command(&format!("enable {}", self.user))?;
            begin
        };
        self.host.wait_for(|fact| matches!(fact, Fact::Closed { .. }))?;
        self.ready_since(begin)
    }

    fn ready_since(&mut self, begin: Instant) -> anyhow::Result<f64> {
        self.host.wait_for(|fact| matches!(fact, Fact::Ready { .. }))?;
        Ok(begin.elapsed().as_secs_f64() * 1e3)
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
