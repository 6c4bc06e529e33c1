//! The script of the demo, on a thread of its own: people chat, and faults are injected.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use matterhost_simulator::Simulator;
use tokio::sync::mpsc as tokio_mpsc;

use super::scene::{DEPLOYS, HELPDESK, ONCALL, Scene};

/// Time between two posts.
const POST_EVERY: Duration = Duration::from_millis(300);
/// Time before the first fault: enough to read the screen.
const FIRST_FAULT: Duration = Duration::from_secs(2);
/// Time between two faults: enough to see the bots recover.
const FAULT_EVERY: Duration = Duration::from_secs(4);
/// Time for which a bot is disabled or the server is stopped.
const OUTAGE: Duration = Duration::from_millis(1_500);
/// Capacity of the channel of faults; one arrives every few seconds and is shown at once.
const FAULT_QUEUE: usize = 16;

/// The post that helpdesk's handler answers.
pub(super) const HELP_POST: &str = "@helpdesk The printer on the second floor is out of paper again.";
/// The post on which helpdesk's handler crashes once.
pub(super) const CRASHING_POST: &str = "@helpdesk How do I print on both sides?";
/// The post that oncall answers.
pub(super) const ON_CALL_QUESTION: &str = "@oncall Who is on call tonight?";

const TALK: [&str; 10] = [
    HELP_POST,
    "Deploying the billing service now.",
    "The build is green.",
    "Lunch?",
    ON_CALL_QUESTION,
    "In a minute.",
    "Billing is deployed.",
    "Who took the good chair?",
    "It has wheels. It may have left.",
    "The coffee machine wants to be descaled.",
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
    HandlerCrash,
    Cycled,
    TokenToggled,
    Reset,
    ServerStopped,
    ServerStarted,
}

/// The kinds of faults, in the order in which they come, each with the bot.
const FAULTS: [(FaultKind, &str); 6] = [
    (FaultKind::Disabled, HELPDESK),
    (FaultKind::HandlerCrash, HELPDESK),
    (FaultKind::Cycled, DEPLOYS),
    (FaultKind::Reset, ONCALL),
    (FaultKind::ServerStopped, ""),
    (FaultKind::TokenToggled, DEPLOYS),
];

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
    /// The ids of the bots' users, by name.
    bots: HashMap<&'static str, String>,
    reports: tokio_mpsc::Sender<Fault>,
    /// The action that undoes the last fault, and its time.
    undo: Option<(Instant, Undo)>,
    posts: usize,
    faults: usize,
}

enum Undo {
    Enable { bot: &'static str, user_id: String },
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
            bots: scene.bots.iter().map(|bot| (bot.name, bot.user_id.clone())).collect(),
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
        let mut next_fault_at = Instant::now() + FIRST_FAULT;
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
        self.say(TALK[self.posts % TALK.len()]);
    }

    /// Posts a text as the next person.
    fn say(&mut self, text: &str) {
        let person = &self.people[self.posts % self.people.len()];
        if self.simulator.is_listening() {
            self.simulator.post(person, &self.channel, text);
        }
        self.posts += 1;
    }

    /// Injects the next fault.
    fn inject(&mut self) {
        let (kind, bot) = FAULTS[self.faults % FAULTS.len()];
        self.faults += 1;
        let user_id = self.bots.get(bot).cloned().unwrap_or_default();
        self.report(kind, bot);
        let undo_at = Instant::now() + OUTAGE;
        match kind {
            FaultKind::Disabled => {
                self.simulator.disable(&user_id);
                self.undo = Some((undo_at, Undo::Enable { bot, user_id }));
            }
            FaultKind::HandlerCrash => self.say(CRASHING_POST),
            FaultKind::Cycled => self.simulator.cycle(&user_id),
            FaultKind::Reset => self.simulator.reset_connections(&user_id),
            FaultKind::ServerStopped => {
                self.simulator.stop_server();
                self.undo = Some((undo_at, Undo::StartServer));
            }
            FaultKind::TokenToggled => self.simulator.deafen(&user_id),
            // They undo others.
            FaultKind::Enabled | FaultKind::ServerStarted => {}
        }
    }

    fn undo(&mut self) {
        match self.undo.take() {
            Some((_, Undo::Enable { bot, user_id })) => {
                self.report(FaultKind::Enabled, bot);
                self.simulator.enable(&user_id);
            }
            Some((_, Undo::StartServer)) if self.simulator.start_server().is_ok() => {
                self.report(FaultKind::ServerStarted, "");
            }
            // The port is in use by another process: try again with the next post.
            Some((at, Undo::StartServer)) => self.undo = Some((at, Undo::StartServer)),
            None => {}
        }
    }

    /// Reports a fault of a bot; of the server if the name is empty.
    fn report(&self, kind: FaultKind, bot: &str) {
        let bot = Some(bot).filter(|bot| !bot.is_empty()).map(str::to_owned);
        // The receiver is closed when the script is stopped.
        let _ = self.reports.blocking_send(Fault { kind, bot, at: Instant::now() });
    }
}
