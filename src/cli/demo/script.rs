//! The script of the demo, on a thread of its own: people chat, and faults are injected.

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

/// Time between two posts.
const POST_EVERY: Duration = Duration::from_millis(300);
/// Time between two faults: enough to see the bots recover.
const FAULT_EVERY: Duration = Duration::from_secs(5);
/// Time for which a bot is disabled or the server is stopped.
const OUTAGE: Duration = Duration::from_millis(1_500);
/// Capacity of the channel of faults; one arrives every few seconds and is shown at once.
const FAULT_QUEUE: usize = 16;

const TALK: [&str; 5] = [
    "The printer on the second floor is out of paper again.",
    "Deploying the billing service now.",
    "Who is on call tonight?",
    "The build is green.",
    "Lunch?",
];

/// A fault that was injected, or undone.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// The bot; `None` for a fault of the server itself.
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

/// The running script. It ends when it is stopped or dropped.
pub(super) struct Script {
    stop: Sender<()>,
    faults: tokio_mpsc::Receiver<Fault>,
    thread: Option<thread::JoinHandle<()>>,
}

/// The thread's own part of a [`Script`].
struct Runner {
    simulator: Arc<Simulator>,
    channel: String,
    people: Vec<String>,
    bots: Vec<(String, String)>,
    reports: tokio_mpsc::Sender<Fault>,
    /// The action that undoes the last fault, and its time.
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
        let (reports, faults) = tokio_mpsc::channel(FAULT_QUEUE);
        let mut runner = Runner {
            simulator: scene.simulator.clone(),
            channel: scene.channel.clone(),
            people: scene.people.iter().map(|person| person.user_id.clone()).collect(),
            bots: scene.bots.iter().map(|bot| (bot.name.clone(), bot.user_id.clone())).collect(),
            reports,
            undo: None,
            posts: 0,
            faults: 0,
        };
        let thread = thread::spawn(move || runner.run(&stopped));
        Self { stop, faults, thread: Some(thread) }
    }

    /// Waits for the next fault.
    pub(super) async fn next_fault(&mut self) -> Option<Fault> {
        self.faults.recv().await
    }

    /// Stops the script and waits for its thread.
    pub(super) fn stop(mut self) {
        self.faults.close();
        // The thread may have ended already.
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Runner {
    fn run(&mut self, stopped: &Receiver<()>) {
        let mut next_fault_at = Instant::now() + FAULT_EVERY;
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(POST_EVERY) {
            self.chat();
            if self.undo.as_ref().is_some_and(|(at, _)| Instant::now() >= *at) {
                self.undo();
            }
            if Instant::now() >= next_fault_at {
                self.inject();
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

    /// Injects the next of five kinds of faults, into the next bot.
    fn inject(&mut self) {
        let (bot, user_id) = self.bots[self.faults % self.bots.len()].clone();
        let undo_at = Instant::now() + OUTAGE;
        match self.faults % 5 {
            0 => {
                self.report(FaultKind::Disabled, Some(&bot));
                self.simulator.disable(&user_id);
                self.undo = Some((undo_at, Undo::Enable { bot, user_id }));
            }
            1 => {
                self.report(FaultKind::Cycled, Some(&bot));
                self.simulator.cycle(&user_id);
            }
            2 => {
                self.report(FaultKind::Reset, Some(&bot));
                self.simulator.reset_connections(&user_id);
            }
            3 => {
                self.report(FaultKind::ServerStopped, None);
                self.simulator.stop_server();
                self.undo = Some((undo_at, Undo::StartServer));
            }
            _ => {
                self.report(FaultKind::TokenToggled, Some(&bot));
                self.simulator.deafen(&user_id);
            }
        }
        self.faults += 1;
    }

    fn undo(&mut self) {
        match self.undo.take() {
            Some((_, Undo::Enable { bot, user_id })) => {
                self.report(FaultKind::Enabled, Some(&bot));
                self.simulator.enable(&user_id);
            }
            Some((_, Undo::StartServer)) if self.simulator.start_server().is_ok() => {
                self.report(FaultKind::ServerStarted, None);
            }
            // The port is in use by another process: try again with the next post.
            Some((at, Undo::StartServer)) => self.undo = Some((at, Undo::StartServer)),
            None => {}
        }
    }

    fn report(&self, kind: FaultKind, bot: Option<&str>) {
        let bot = bot.map(str::to_owned);
        // The receiver is closed when the script is stopped.
        let _ = self.reports.blocking_send(Fault { kind, bot, at: Instant::now() });
    }
}
