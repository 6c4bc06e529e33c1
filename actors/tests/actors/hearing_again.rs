//! The time until a bot hears again, over real sockets: alone and with a sibling.

use std::{
    cell::Cell,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use matterhost_actors::{
    hosting::{HealthSettings, HostSettings},
    model::Fact,
    policy::RestartSettings,
};
use matterhost_simulator::ServerVersion;

use crate::{
    harness::with_restart,
    simulator_harness::{SimulatorHarness, quick_simulator_of, run},
};

/// The runs of each case; `MATTERHOST_RUNS` sets more for a measurement.
const RUNS: usize = 2;

/// Settings of a host with the default witnesses. A run settles at once, so that each recycle is the first.
fn default_witnesses() -> HostSettings {
    let reset_after = Duration::from_millis(1);
    let restart = with_restart(RestartSettings { reset_after, ..RestartSettings::default() });
    HostSettings { health: HealthSettings::default(), arbiters: 2, ..restart }
}

fn runs() -> usize {
    std::env::var("MATTERHOST_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS)
}

/// Measures by how much timers of this machine are late: what it takes while they are is no time of the host.
struct MachineLag(Rc<Cell<Duration>>);

impl MachineLag {
    const BEAT: Duration = Duration::from_millis(10);
    /// A machine that is not overloaded is never so late.
    const MOST: Duration = Duration::from_millis(50);

    fn watch() -> Self {
        let worst = Rc::new(Cell::new(Duration::ZERO));
        let this = Self(worst.clone());
        actix_rt::spawn(async move {
            while Rc::strong_count(&worst) > 1 {
                let due = Instant::now() + Self::BEAT;
                tokio::time::sleep(Self::BEAT).await;
                worst.set(worst.get().max(due.elapsed()));
            }
        });
        this
    }

    fn is_acceptable(&self) -> bool {
        self.0.get() <= Self::MOST
    }
}

/// Makes the bot deaf in a way, and measures the time until it is ready again. Runs on an overloaded machine are repeated
/// a few times and then left out.
#[expect(clippy::print_stdout, reason = "a measurement is shown")]
async fn measure(
    harness: &mut SimulatorHarness,
    what: &str,
    make_deaf: impl AsyncFn(&SimulatorHarness) -> Instant,
) -> (Duration, Duration) {
    let bot = harness.bots[0].username.clone();
    let mut took = Vec::new();
    for run in 0..runs() * 3 {
        if took.len() == runs() {
            break;
        }
        // The phase of the ping varies from run to run.
        let phase = 1_300 + run as u64 * 137 % 1_000;
        tokio::time::sleep(Duration::from_millis(phase)).await;
        let lag = MachineLag::watch();
        let since = make_deaf(harness).await;
        harness.host.wait_for(&bot, |fact| matches!(fact, Fact::Closed { .. })).await;
        harness.host.wait_until_ready(&bot).await;
        if lag.is_acceptable() {
            took.push(since.elapsed());
        }
    }
    if took.is_empty() {
        println!("{what}: the machine is too busy to measure");
        return (Duration::ZERO, Duration::ZERO);
    }
    took.sort();
    let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
    println!("{what}: median {median:.3?}, worst {worst:.3?}, {} runs", took.len());
    (median, worst)
}

async fn cycle(harness: &SimulatorHarness) -> Instant {
    let since = Instant::now();
    harness.simulator.cycle(&harness.bots[0].user_id);
    since
}

async fn toggle_token(harness: &SimulatorHarness) -> Instant {
    let since = Instant::now();
    harness.simulator.toggle_token(&harness.bots[0].token_id);
    since
}

async fn disable_for_a_moment(harness: &SimulatorHarness) -> Instant {
    harness.simulator.disable(&harness.bots[0].user_id);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let since = Instant::now();
    harness.simulator.enable(&harness.bots[0].user_id);
    since
}

#[test]
fn a_lone_bot_hears_again_within_a_second_and_one_with_a_sibling_at_once() {
    thread::scope(|scope| {
        for version in ServerVersion::ALL {
            for names in [&["bot"][..], &["bot", "sibling"]] {
                scope.spawn(move || run(async || hears_again_soon(version, names).await));
            }
        }
    });
}

async fn hears_again_soon(version: ServerVersion, names: &[&str]) {
    let accounts: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let simulator = quick_simulator_of(version);
    let mut harness = SimulatorHarness::with_settings(simulator, default_witnesses(), &accounts).await;
    let of = |way: &str| format!("{version:?}, {}, {way}", names.join(" and "));
    for (way, (median, worst)) in [
        ("cycle", measure(&mut harness, &of("cycle"), cycle).await),
        ("toggle", measure(&mut harness, &of("token toggled"), toggle_token).await),
        ("300 ms", measure(&mut harness, &of("off for 300 ms"), disable_for_a_moment).await),
    ] {
        assert!(median < Duration::from_secs(1), "{}: {median:?}", of(way));
        assert!(worst < Duration::from_secs(2), "{}: {worst:?}", of(way));
    }
}
