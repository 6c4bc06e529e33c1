//! `matterhost demo`: three bots on a simulated server that disables them, drops their connections and restarts, a handler that
//! crashes, and a live screen of what happens.

mod admin_page;
mod channel_bot;
mod chat;
mod child_handler;
mod demo_sink;
mod handler_watch;
mod scene;
mod screen;
mod script;
mod stats;
mod words;

use std::{
    path::PathBuf,
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
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
    sync::broadcast::{Receiver, error::RecvError},
    time::{MissedTickBehavior, interval, sleep_until, timeout},
};

use self::{
    handler_watch::HandlerWatch,
    scene::{HELPDESK, PostCount, Scene},
    screen::Screen,
    script::Script,
    stats::DemoStats,
};
use super::output::print_error;
use crate::{
    config::{ConfigError, Problem},
    host::Exit,
};

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
    /// Serve the web page at this address [default: 127.0.0.1:8466, if it is free]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// Answer events as the handler of one of the bots
    #[arg(long, value_name = "FILE", hide = true)]
    handler: Option<PathBuf>,
}

pub(super) fn run(args: &DemoArgs) -> Exit {
    if let Some(memory) = &args.handler {
        return child_handler::serve(memory);
    }
    let duration = args.seconds.map_or(MAX_DURATION, Duration::from_secs).min(MAX_DURATION);
    let result = actix::System::new().block_on(play(duration, args.admin.as_deref()));
    result.unwrap_or_else(|error| match error.downcast_ref::<ConfigError>() {
        Some(invalid) => refuse(invalid),
        None => print_error(format_args!("{error:#}")),
    })
}

/// Prints what is wrong with the address of the page: everything else of the configuration is the demo's own.
fn refuse(invalid: &ConfigError) -> Exit {
    for Problem { message, remedy, .. } in &invalid.problems {
        print_error(format_args!("--admin: {message}; {remedy}"));
    }
    Exit::Config
}

async fn play(duration: Duration, admin: Option<&str>) -> anyhow::Result<Exit> {
    let scene = Scene::start(admin).await?;
    let mut observations = scene.observer.subscribe();
    let page = admin_page::serve(&scene)?;
    let mut screen = Screen::start(page.as_ref().map(|page| page.link.as_str()))?;
    let mut stats = DemoStats::new(scene.bots.iter().map(|bot| bot.name.to_owned()));
    let mut script = Script::start(&scene);
    watch(&scene, &mut script, &mut stats, &mut screen, &mut observations, duration).await?;
    script.stop();
    let (posts, counts) = settle(&scene, &mut stats, &mut observations).await?;
    let snapshots = scene.supervisor.send(ListAccounts).await.context("the Supervisor has stopped")?;
    screen.summary(&scene, &stats, &snapshots, (posts, &counts))?;
    scene.supervisor.send(Shutdown { deadline: GRACE }).await.context("the Supervisor has stopped")?;
    scene.sinks.close(GRACE).await;
    if let Some(page) = page {
        page.server.stop(GRACE).await;
    }
    Ok(if counts.iter().all(PostCount::is_right) { Exit::Success } else { Exit::Failed })
}

/// Shows events until the time is up or a signal asks for the end.
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
    let mut handler = scene.handler().map(|handler| HandlerWatch::new(HELPDESK, handler));
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let interrupted = ctrl_c();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            // A fault is shown before its effects.
            biased;
            () = sleep_until(end) => return Ok(()),
            signal = &mut interrupted => return signal.context("cannot listen for Ctrl-C"),
            _ = terminate.recv() => return Ok(()),
            _ = redraws.tick() => {
                for told in handler.iter_mut().flat_map(HandlerWatch::look) {
                    screen.line(&stats.line(&told))?;
                }
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

/// Waits after the last fault until every bot is ready and has every post. Returns the number of posts in the channel, and what
/// each bot should have received and has.
async fn settle(
    scene: &Scene,
    stats: &mut DemoStats,
    observations: &mut Receiver<Arc<Observation>>,
) -> anyhow::Result<(usize, Vec<PostCount>)> {
    let deadline = Instant::now() + GRACE;
    scene.restore_server()?;
    scene.post_final_message();
    loop {
        let (posts, counts) = scene.count_posts();
        let is_settled = counts.iter().all(PostCount::is_right) && scene.all_ready().await?;
        if is_settled || Instant::now() >= deadline {
            return Ok((posts, counts));
        }
        if let Ok(observation) = timeout(REDRAW_EVERY, observations.recv()).await {
            record(stats, observation);
        }
    }
}
