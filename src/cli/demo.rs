//! `matterhost demo`: three bots on a simulated server that disables them, drops them and restarts, and a table
//! of how they fare.

mod counting_sink;
mod page;
mod scene;
mod screen;
mod script;
mod tally;

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use matterhost_actors::{
    hosting::{ListAccounts, Shutdown},
    model::{AccountSnapshot, Observation},
};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{MissedTickBehavior, interval, sleep_until, timeout},
};

use self::{scene::Scene, screen::Screen, script::Script, tally::DemoStats};
use crate::host::Exit;

/// From one picture to the next: quick enough to look alive, slow enough to read.
const PICTURE_EVERY: Duration = Duration::from_millis(250);
/// How long bots may take to be back and to have heard everything after the last blow: two polls of the demo's.
const GRACE: Duration = Duration::from_secs(10);
/// How long a demo without a limit goes on at most: nobody watches for a day.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Runs the demo for so long, or until Ctrl-C, and prints a summary.
///
/// # Errors
/// When the simulator or the runtime cannot be started, or standard output cannot be written to.
pub fn run(length: Option<Duration>) -> anyhow::Result<Exit> {
    actix::System::new().block_on(play(length.unwrap_or(LONGEST).min(LONGEST)))
}

async fn play(length: Duration) -> anyhow::Result<Exit> {
    let scene = Scene::start().await?;
    let mut screen = Screen::new(io::stdout().is_terminal());
    let mut tally = DemoStats::new(scene.bots.iter().map(|bot| bot.name.clone()));
    let mut observations = scene.observer.subscribe();
    let page = page::serve(&scene);
    if let Some((_, url)) = &page {
        screen.line(&format!("See them in a browser, too: {url}"))?;
    }
    let mut script = Script::start(&scene);
    watch(&scene, &mut script, &mut tally, &mut screen, &mut observations, length).await?;
    script.stop();
    let wrong = last_words(&scene, &mut tally, &mut observations).await?;
    let snapshots = scene.supervisor.send(ListAccounts).await.context("the Supervisor is gone")?;
    screen.summary(&scene, &tally, &snapshots, &wrong)?;
    scene.supervisor.send(Shutdown { deadline: GRACE }).await.context("the Supervisor is gone")?;
    if let Some((page, _)) = page {
        page.stop().await;
    }
    Ok(if wrong.is_empty() { Exit::Success } else { Exit::Failed })
}

/// Shows what happens until the time is over or somebody presses Ctrl-C.
async fn watch(
    scene: &Scene,
    script: &mut Script,
    tally: &mut DemoStats,
    screen: &mut Screen,
    observations: &mut Receiver<std::sync::Arc<Observation>>,
    length: Duration,
) -> anyhow::Result<()> {
    let end = tokio::time::Instant::now() + length;
    let mut pictures = interval(PICTURE_EVERY);
    pictures.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            // What was done comes before what followed from it.
            biased;
            () = sleep_until(end) => return Ok(()),
            signal = &mut interrupted => return signal.context("cannot listen for Ctrl-C"),
            _ = pictures.tick() => {
                let snapshots: Vec<AccountSnapshot> = scene.supervisor.send(ListAccounts).await?;
                screen.draw(scene, tally, &snapshots)?;
            }
            fault = script.next_fault() => if let Some(fault) = fault {
                screen.line(&tally.record_fault(&fault))?;
            },
            observation = observations.recv() => if let Some(line) = note(tally, observation) {
                screen.line(&line)?;
            },
        }
    }
}

fn note(
    tally: &mut DemoStats,
    observation: Result<std::sync::Arc<Observation>, RecvError>,
) -> Option<String> {
    observation.ok().and_then(|observation| tally.observe(&observation))
}

/// After the last blow: everybody is to come back, and to have heard every post, once. Gives back who has not.
async fn last_words(
    scene: &Scene,
    tally: &mut DemoStats,
    observations: &mut Receiver<std::sync::Arc<Observation>>,
) -> anyhow::Result<Vec<String>> {
    let deadline = Instant::now() + GRACE;
    scene.restore_server()?;
    scene.post_final_message();
    let made = scene.posts_created();
    for bot in &scene.bots {
        bot.ears.wait_for_posts(made, deadline).await;
    }
    while Instant::now() < deadline && !scene.all_ready().await? {
        if let Ok(observation) = timeout(PICTURE_EVERY, observations.recv()).await {
            note(tally, observation);
        }
    }
    let wrong = scene.bots.iter().filter(|bot| bot.ears.posts() != made);
    Ok(wrong.map(|bot| bot.name.clone()).collect())
}
