//! The task of one socket: it writes what the hub has for it and hears what the client says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::fault::{FaultKind, Subject};
use crate::hub::connection::Command;
use crate::hub::flood::FloodPlan;
use crate::hub::register::{Resume, Welcome};
use crate::hub::take::Output;
use crate::options::Timings;
use crate::server::io::IoControl;
use crate::server::transport::Transport;
use crate::state::Shared;
use crate::ws::actions::Effect;
use crate::ws::pump::{Pump, Step};

/// Frames written at once.
const BATCH: usize = 64;
/// How long a socket that is being closed may take to write its close frame.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// What the upgrade asked for.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) token: Option<String>,
    pub(crate) resume: Option<Resume>,
}

struct Session {
    shared: Arc<Shared>,
    control: Arc<IoControl>,
    pump: Pump,
    key: u64,
    link: Arc<Notify>,
    timings: Timings,
    user: Option<String>,
    /// When a socket without a token is dropped.
    auth_deadline: Option<Instant>,
    ping_at: Instant,
    pong_deadline: Instant,
    flood: Option<FloodPlan>,
    /// A close frame is on its way; the server ends the socket without waiting for an answer.
    closing: bool,
}

/// Runs a socket until it ends.
pub(crate) async fn run(transport: Transport, read: Bytes, opening: Opening, shared: Arc<Shared>) {
    let key = transport.key();
    let control = Arc::clone(transport.control());
    let link = Arc::new(Notify::new());
    let timings = shared.lock().options.timings.clone();
    let welcome = shared.change(|state| {
        let token = opening.token.as_deref();
        state.welcome(key, Arc::clone(&link), token, opening.resume.as_ref())
    });
    let now = Instant::now();
    let mut session = Session {
        pump: Pump::new(transport, read).await,
        auth_deadline: (welcome == Welcome::Waiting).then(|| now + timings.auth_drop),
        ping_at: now + timings.ping_interval,
        pong_deadline: now + timings.pong_wait,
        user: None,
        flood: None,
        closing: false,
        shared,
        control,
        key,
        link,
        timings,
    };
    if welcome == Welcome::In {
        session.entered();
    }
    if welcome != Welcome::Dropped {
        session.serve().await;
    }
    let user = session.user.take();
    session.shared.change(|state| state.farewell(key, user.as_deref()));
}

impl Session {
    async fn serve(&mut self) {
        loop {
            if !self.pump.is_busy() && !self.refill().await {
                return;
            }
            let alarm = self.next_alarm();
            let link = Arc::clone(&self.link);
            let go_on = tokio::select! {
                step = self.pump.step() => self.stepped(step),
                () = link.notified() => self.shared.lock().hub.contains(self.key) || self.overrun().await,
                () = sleep_until(alarm) => self.alarmed(),
            };
            if !go_on {
                return;
            }
        }
    }

    /// Fetches what is to be written. False when the hub has forgotten the connection.
    async fn refill(&mut self) -> bool {
        if self.flood.is_none() {
            let taken = self.shared.change(|state| state.take(self.key, BATCH));
            let Some(outputs) = taken else {
                return self.overrun().await;
            };
            if !outputs.into_iter().all(|output| self.write(output)) {
                return false;
            }
        }
        if let Some(flood) = &mut self.flood {
            flood.fill(self.pump.raw());
            if flood.is_done() {
                self.flood = None;
            }
        }
        true
    }

    fn write(&mut self, output: Output) -> bool {
        match output {
            Output::Text(text) => self.pump.push(Message::text(text)),
            Output::Command(command) => self.obey(command),
        }
    }

    fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::Close(code) => {
                let frame = code.map(|code| CloseFrame { code: code.into(), reason: "".into() });
                self.closing = true;
                self.pump.push(Message::Close(frame))
            }
            Command::Text(text) => self.pump.push(Message::text(text)),
            Command::Raw(bytes) => {
                self.pump.raw().extend_from_slice(&bytes);
                true
            }
            Command::Ping => self.pump.push(Message::Ping(Bytes::new())),
            Command::Flood(mut plan) => {
                let first = self.shared.change(|state| state.reserve(self.key, plan.left()));
                plan.start_at(first);
                self.flood = Some(plan);
                true
            }
        }
    }

    /// The queue was full: the server closes the socket (fact 17).
    async fn overrun(&mut self) -> bool {
        self.pump.push(Message::Close(None));
        // The client does not read, so the frame may never get out.
        let _ = tokio::time::timeout(CLOSE_WAIT, self.pump.step()).await;
        false
    }

    fn stepped(&mut self, step: Step) -> bool {
        match step {
            Step::Frame(Message::Text(text)) => {
                let effect = self.shared.change(|s| s.client_frame(self.key, text.as_str()));
                if effect == Effect::Entered {
                    self.entered();
                }
                effect != Effect::Drop
            }
            Step::Frame(Message::Pong(_)) => {
                self.pong_deadline = Instant::now() + self.timings.pong_wait;
                true
            }
            Step::Written => !self.closing,
            // The answer to a close frame is written by the next step, which then ends.
            Step::Frame(Message::Close(_) | Message::Ping(_) | Message::Frame(_)) => true,
            Step::Ended | Step::Frame(Message::Binary(_)) => false,
        }
    }

    fn entered(&mut self) {
        self.auth_deadline = None;
        let state = self.shared.lock();
        self.user = state.hub.connections.get(&self.key).and_then(|c| c.user.clone());
        let subject = Subject { user: self.user.as_deref(), route: None };
        if state.faults.is_on(&subject, |kind| *kind == FaultKind::Silence) {
            self.control.silence();
        }
    }

    fn next_alarm(&self) -> Instant {
        let first = self.ping_at.min(self.pong_deadline);
        self.auth_deadline.map_or(first, |deadline| deadline.min(first))
    }

    /// A time has come: to drop, or to ping. A socket that cannot be written to is not pinged.
    fn alarmed(&mut self) -> bool {
        let now = Instant::now();
        if self.auth_deadline.is_some_and(|deadline| deadline <= now) || self.pong_deadline <= now {
            return false;
        }
        if self.ping_at <= now {
            self.ping_at = now + self.timings.ping_interval;
            return self.pump.is_busy() || self.pump.push(Message::Ping(Bytes::new()));
        }
        true
    }
}
