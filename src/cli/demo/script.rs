//! What happens to the bots of the demo, on a thread of its own: people chat, and blows fall.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use matterhost_simulator::Simulator;
use tokio::sync::mpsc as tokio_mpsc;

use super::scene::Scene;

/// From one post to the next.
const POST_EVERY: Duration = Duration::from_millis(300);
/// From one blow to the next: time enough to see that all is well again.
const FAULT_EVERY: Duration = Duration::from_secs(5);
/// How long a bot is disabled, and how long the server is away.
const AWAY: Duration = Duration::from_millis(1_500);

/// Blows that may wait to be told: one falls in seconds, and is told in moments.
const UNTOLD: usize = 16;

const TALK: [&str; 5] = [
    "The printer on the second floor is out of paper again.",
    "Deploying the billing service now.",
    "Who is on call tonight?",
    "The build is green.",
    "Lunch?",
];

/// Something that was done to a bot or to the server.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// The bot, or nobody when the server itself was struck.
    pub(super) bot: Option<String>,
    pub(super) at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultKind {
    Disabled,
    Enabled,
    Cycled,
    TokenToggled,
    Reset,
    ServerStopped,
    ServerStarted,
}

/// The script under way. It ends when it is stopped or dropped.
pub(super) struct Script {
    stop: Sender<()>,
    faults: tokio_mpsc::Receiver<Fault>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Stagehand {
    simulator: Arc<Simulator>,
    channel: String,
    people: Vec<String>,
    bots: Vec<(String, String)>,
    told: tokio_mpsc::Sender<Fault>,
    /// What is to be undone, and when.
    undo: Option<(Instant, Undo)>,
    posts: usize,
    faults: usize,
}

enum Undo {
    Enable { bot: String, user_id: String },
    StartServer,
}

impl Script {
    pub(super) fn start(scene: &Scene) -> Self {
        let (stop, stopped) = mpsc::channel();
        let (told, faults) = tokio_mpsc::channel(UNTOLD);
        let mut stagehand = Stagehand {
            simulator: scene.simulator.clone(),
            channel: scene.channel.clone(),
            people: scene.people.iter().map(|person| person.user_id.clone()).collect(),
            bots: scene.bots.iter().map(|bot| (bot.name.clone(), bot.user_id.clone())).collect(),
            told,
            undo: None,
            posts: 0,
            faults: 0,
        };
        let thread = thread::spawn(move || stagehand.play(&stopped));
        Self { stop, faults, thread: Some(thread) }
    }

    /// Waits for the next blow.
    pub(super) async fn next_fault(&mut self) -> Option<Fault> {
        self.faults.recv().await
    }

    /// Ends it, and waits until nothing more can fall.
    pub(super) fn stop(mut self) {
        self.faults.close();
        // It may have ended by itself.
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Stagehand {
    fn play(&mut self, stopped: &Receiver<()>) {
        let mut next_fault_at = Instant::now() + FAULT_EVERY;
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(POST_EVERY) {
            self.chat();
            if self.undo.as_ref().is_some_and(|(at, _)| Instant::now() >= *at) {
                self.undo();
            }
            if Instant::now() >= next_fault_at {
                self.strike();
                next_fault_at += FAULT_EVERY;
            }
        }
        self.undo();
    }

    fn chat(&mut self) {
        let person = &self.people[self.posts % self.people.len()];
        if self.simulator.is_listening() {
            self.simulator.post(person, &self.channel, TALK[self.posts % TALK.len()]);
        }
        self.posts += 1;
    }

    /// Each blow falls on the next bot, and after all five kinds it begins anew.
    fn strike(&mut self) {
        let (bot, user_id) = self.bots[self.faults % self.bots.len()].clone();
        let undo_at = Instant::now() + AWAY;
        match self.faults % 5 {
            0 => {
                self.tell(FaultKind::Disabled, Some(&bot));
                self.simulator.disable(&user_id);
                self.undo = Some((undo_at, Undo::Enable { bot, user_id }));
            }
            1 => {
                self.tell(FaultKind::Cycled, Some(&bot));
                self.simulator.cycle(&user_id);
            }
            2 => {
                self.tell(FaultKind::Reset, Some(&bot));
                self.simulator.reset_connections(&user_id);
            }
            3 => {
                self.tell(FaultKind::ServerStopped, None);
                self.simulator.stop_server();
                self.undo = Some((undo_at, Undo::StartServer));
            }
            _ => {
                self.tell(FaultKind::TokenToggled, Some(&bot));
                self.simulator.deafen(&user_id);
            }
        }
        self.faults += 1;
    }

    fn undo(&mut self) {
        match self.undo.take() {
            Some((_, Undo::Enable { bot, user_id })) => {
                self.tell(FaultKind::Enabled, Some(&bot));
                self.simulator.enable(&user_id);
            }
            Some((_, Undo::StartServer)) if self.simulator.start_server().is_ok() => {
                self.tell(FaultKind::ServerStarted, None);
            }
            // The port was taken meanwhile: tried again with the next post.
            Some((at, Undo::StartServer)) => self.undo = Some((at, Undo::StartServer)),
            None => {}
        }
    }

    fn tell(&self, kind: FaultKind, bot: Option<&str>) {
        let bot = bot.map(str::to_owned);
        // Nobody listens any more at the very end.
        let _ = self.told.blocking_send(Fault { kind, bot, at: Instant::now() });
    }
}
