//! `matterhost demo`: three bots on a simulated server that disables them, drops their connections and restarts, and a live table
//! of their states.

mod admin_page;
mod counting_sink;
mod scene;
mod screen;
mod script;
mod stats;

use std::{
    io::{self, IsTerminal as _},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Args;
use matterhost_actors::{
    hosting::{ListAccounts, Shutdown},
    model::{AccountSnapshot, Observation},
};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{MissedTickBehavior, interval, sleep_until, timeout},
};

use self::{scene::Scene, screen::Screen, script::Script, stats::DemoStats};
use super::output::print_error;
use crate::host::Exit;

/// Time between two redraws: quick enough to look alive, slow enough to read.
const REDRAW_EVERY: Duration = Duration::from_millis(250);
/// Time for the bots to reconnect and catch up after the last fault: two polls of the demo.
const GRACE: Duration = Duration::from_secs(10);
/// Limit of a demo without `--seconds`.
const MAX_DURATION: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Exit after this many seconds with a summary [default: run until Ctrl-C]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
}

pub(super) fn run(args: &DemoArgs) -> Exit {
    let duration = args.seconds.map_or(MAX_DURATION, Duration::from_secs).min(MAX_DURATION);
    let result = actix::System::new().block_on(play(duration));
    result.unwrap_or_else(|error| print_error(format_args!("{error:#}")))
}

async fn play(duration: Duration) -> anyhow::Result<Exit> {
    let scene = Scene::start().await?;
    let mut screen = Screen::new(io::stdout().is_terminal());
    let mut stats = DemoStats::new(scene.bots.iter().map(|bot| bot.name.clone()));
    let mut observations = scene.observer.subscribe();
    let page = admin_page::serve(&scene);
    if let Some((_, url)) = &page {
        screen.page(url)?;
    }
    let mut script = Script::start(&scene);
    watch(&scene, &mut script, &mut stats, &mut screen, &mut observations, duration).await?;
    script.stop();
    let failed = settle(&scene, &mut stats, &mut observations).await?;
    let snapshots = scene.supervisor.send(ListAccounts).await.context("the Supervisor has stopped")?;
    screen.summary(&scene, &stats, &snapshots, &failed)?;
    scene.supervisor.send(Shutdown { deadline: GRACE }).await.context("the Supervisor has stopped")?;
    if let Some((page, _)) = page {
        page.stop().await;
    }
    Ok(if failed.is_empty() { Exit::Success } else { Exit::Failed })
}

/// Shows events until the time is up or Ctrl-C.
async fn watch(
    scene: &Scene,
    script: &mut Script,
    stats: &mut DemoStats,
    screen: &mut Screen,
    observations: &mut Receiver<Arc<Observation>>,
    duration: Duration,
) -> anyhow::Result<()> {
    let end = tokio::time::Instant::now() + duration;
    let mut redraws = interval(REDRAW_EVERY);
    redraws.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            // A fault is shown before its effects.
            biased;
            () = sleep_until(end) => return Ok(()),
            signal = &mut interrupted => return signal.context("cannot listen for Ctrl-C"),
            _ = redraws.tick() => {
                let snapshots: Vec<AccountSnapshot> = scene.supervisor.send(ListAccounts).await?;
                screen.draw(scene, stats, &snapshots)?;
            }
            fault = script.next_fault() => if let Some(fault) = fault {
                screen.line(&stats.record_fault(&fault))?;
            },
            observation = observations.recv() => if let Some(line) = record(stats, observation) {
                screen.line(&line)?;
            },
        }
    }
}

fn record(stats: &mut DemoStats, observation: Result<Arc<Observation>, RecvError>) -> Option<String> {
    observation.ok().and_then(|observation| stats.observe(&observation))
}

/// Waits after the last fault until every bot is ready and has every post. Returns the bots whose count is wrong.
async fn settle(
    scene: &Scene,
    stats: &mut DemoStats,
    observations: &mut Receiver<Arc<Observation>>,
) -> anyhow::Result<Vec<String>> {
    let deadline = Instant::now() + GRACE;
    scene.restore_server()?;
    scene.post_final_message();
    let created = scene.posts_created();
    for bot in &scene.bots {
        bot.sink.wait_for_posts(created, deadline).await;
    }
    while Instant::now() < deadline && !scene.all_ready().await? {
        if let Ok(observation) = timeout(REDRAW_EVERY, observations.recv()).await {
            record(stats, observation);
        }
    }
    let failed = scene.bots.iter().filter(|bot| bot.sink.posts() != created);
    Ok(failed.map(|bot| bot.name.clone()).collect())
}
