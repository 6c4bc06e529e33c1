//! The task of one socket: it writes what the hub has for it and hears what the client says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::fault::{FaultKind, FaultSubject};
use crate::hub::connection::SocketCommand;
use crate::hub::dequeue::Output;
use crate::hub::flood::FloodPlan;
use crate::hub::register::{Registration, Resume};
use crate::options::Timings;
use crate::server::io::IoControl;
use crate::server::transport::Transport;
use crate::state::Shared;
use crate::ws::actions::Effect;
use crate::ws::proxy_cuts::ProxyCuts;
use crate::ws::socket_io::{SocketEvent, SocketIo};

/// Frames written at once.
const BATCH: usize = 64;
/// How long a socket that is being closed may take to write its close frame.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// The parameters of an upgrade.
#[derive(Debug)]
pub(crate) struct UpgradeParams {
    pub(crate) token: Option<String>,
    pub(crate) resume: Option<Resume>,
}

struct SocketTask {
    shared: Arc<Shared>,
    control: Arc<IoControl>,
    io: SocketIo,
    key: u64,
    wake: Arc<Notify>,
    timings: Timings,
    user: Option<String>,
    /// When a socket without a token is dropped.
    auth_deadline: Option<Instant>,
    ping_at: Instant,
    pong_deadline: Instant,
    /// The cuts of a proxy in front of it.
    cuts: ProxyCuts,
    flood: Option<FloodPlan>,
    /// A close frame is on its way; the server ends the socket without waiting for an answer.
    closing: bool,
}

/// Runs a socket until it ends.
pub(crate) async fn run(transport: Transport, read: Bytes, params: UpgradeParams, shared: Arc<Shared>) {
    let key = transport.key();
    let control = Arc::clone(transport.control());
    let wake = Arc::new(Notify::new());
    let timings = shared.lock().options.timings.clone();
    let registration = shared.change(|state| {
        let token = params.token.as_deref();
        state.register_socket(key, Arc::clone(&wake), token, params.resume.as_ref())
    });
    let now = Instant::now();
    let mut task = SocketTask {
        io: SocketIo::new(transport, read).await,
        auth_deadline: (registration == Registration::Unauthenticated).then(|| now + timings.auth_timeout),
        ping_at: now + timings.ping_interval,
        pong_deadline: now + timings.pong_wait,
        cuts: ProxyCuts::default(),
        user: None,
        flood: None,
        closing: false,
        shared,
        control,
        key,
        wake,
        timings,
    };
    if registration == Registration::Registered {
        task.entered();
    }
    if registration != Registration::Dropped {
        task.serve().await;
    }
    let user = task.user.take();
    task.shared.change(|state| state.unregister_socket(key, user.as_deref()));
}

impl SocketTask {
    async fn serve(&mut self) {
        loop {
            if !self.io.is_busy() && !self.refill().await {
                return;
            }
            let alarm = self.next_alarm();
            let wake = Arc::clone(&self.wake);
            let go_on = tokio::select! {
                step = self.io.step() => self.stepped(step),
                () = wake.notified() => self.shared.lock().hub.contains(self.key) || self.overrun().await,
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
            let taken = self.shared.change(|state| state.dequeue(self.key, BATCH));
            let Some(outputs) = taken else {
                return self.overrun().await;
            };
            if !outputs.into_iter().all(|output| self.write(output)) {
                return false;
            }
        }
        if let Some(flood) = &mut self.flood {
            flood.fill(self.io.raw_buffer());
            if flood.is_done() {
                self.flood = None;
            }
        }
        true
    }

    fn write(&mut self, output: Output) -> bool {
        match output {
            Output::Text(text) => self.io.push(Message::text(text)),
            Output::Command(command) => self.obey(command),
        }
    }

    fn obey(&mut self, command: SocketCommand) -> bool {
        match command {
            SocketCommand::Close(code) => {
                let frame = code.map(|code| CloseFrame { code: code.into(), reason: "".into() });
                self.closing = true;
                self.io.push(Message::Close(frame))
            }
            SocketCommand::Text(text) => self.io.push(Message::text(text)),
            SocketCommand::Raw(bytes) => {
                self.io.raw_buffer().extend_from_slice(&bytes);
                true
            }
            SocketCommand::Ping => self.io.push(Message::Ping(Bytes::new())),
            SocketCommand::Flood(mut plan) => {
                let first =
                    self.shared.change(|state| state.reserve_sequence_numbers(self.key, plan.remaining()));
                plan.start_at(first);
                self.flood = Some(plan);
                true
            }
        }
    }

    /// The queue was full: the server closes the socket (fact 17).
    async fn overrun(&mut self) -> bool {
        self.io.push(Message::Close(None));
        // The client does not read, so the frame may never get out.
        let _ = tokio::time::timeout(CLOSE_WAIT, self.io.step()).await;
        false
    }

    fn stepped(&mut self, step: SocketEvent) -> bool {
        self.cuts.moved(Instant::now());
        match step {
            SocketEvent::Frame(Message::Text(text)) => {
                let effect = self.shared.change(|s| s.handle_client_frame(self.key, text.as_str()));
                if effect == Effect::Registered {
                    self.entered();
                }
                effect != Effect::Drop
            }
            SocketEvent::Frame(Message::Pong(_)) => {
                self.pong_deadline = Instant::now() + self.timings.pong_wait;
                true
            }
            SocketEvent::Written => !self.closing,
            // The answer to a close frame is written by the next step, which then ends.
            SocketEvent::Frame(Message::Close(_) | Message::Ping(_) | Message::Frame(_)) => true,
            SocketEvent::Ended | SocketEvent::Frame(Message::Binary(_)) => false,
        }
    }

    fn entered(&mut self) {
        self.auth_deadline = None;
        let state = self.shared.lock();
        self.user = state.hub.connections.get(&self.key).and_then(|c| c.user.clone());
        let subject = FaultSubject { user: self.user.as_deref(), route: None };
        if state.faults.is_on(&subject, |kind| *kind == FaultKind::Silence) {
            self.control.silence();
        }
        self.cuts = ProxyCuts::new(&state.faults, &subject, Instant::now());
    }

    /// When a ping can be written: as soon as everything before it is.
    fn next_ping(&self) -> Option<Instant> {
        (!self.io.is_busy()).then_some(self.ping_at)
    }

    fn next_alarm(&self) -> Instant {
        let others = [self.next_ping(), self.auth_deadline, self.cuts.next()];
        others.into_iter().flatten().fold(self.pong_deadline, Instant::min)
    }

    /// A time has come: to drop, or to ping.
    fn alarmed(&mut self) -> bool {
        let now = Instant::now();
        if self.auth_deadline.is_some_and(|deadline| deadline <= now) || self.pong_deadline <= now {
            return false;
        }
        if let Some(fault) = self.cuts.due(now) {
            let subject = FaultSubject { user: self.user.as_deref(), route: None };
            return self.shared.lock().faults.trigger(&subject, |kind| *kind == fault).is_none();
        }
        if self.next_ping().is_some_and(|at| at <= now) {
            self.ping_at = now + self.timings.ping_interval;
            return self.io.push(Message::Ping(Bytes::new()));
        }
        true
    }
}
