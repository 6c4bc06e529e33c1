//! Tells systemd, or another service manager that speaks its protocol, how the host is.
//!
//! The protocol is `sd_notify(3)`: lines in a datagram to the socket that `NOTIFY_SOCKET` names. Without that variable
//! there is nobody to tell, and nothing is done.

use std::{
    env, fmt, io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix::Addr;
use matterhost_actors::{
    hosting::{CountStates, Supervisor},
    model::StateCounts,
};
use sd_notify::NotifyState;
use tokio::time::{Instant, sleep, timeout};

/// The variable that names the service manager's socket.
const SOCKET: &str = "NOTIFY_SOCKET";

/// The status is for people who look now and then; each change of it is work for the service manager.
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// Two pulses fit into what the service manager waits for: one that is late does not end the host.
const PULSES: u32 = 2;

/// Sends a datagram of these lines.
type Send = dyn Fn(&[NotifyState<'_>]) -> io::Result<()> + std::marker::Send + Sync;

/// The service manager, if there is one.
#[derive(Clone)]
pub struct ServiceManager {
    send: Option<Arc<Send>>,
    watchdog: Option<Duration>,
    /// A manager that cannot be told is mentioned once.
    mute: Arc<AtomicBool>,
}

impl ServiceManager {
    /// The one that the environment names, with the watchdog that it asks for (`WATCHDOG_USEC`).
    pub fn from_env() -> Self {
        match env::var_os(SOCKET) {
            Some(_) => Self::new(sd_notify::notify, sd_notify::watchdog_enabled()),
            None => Self { send: None, watchdog: None, mute: Arc::default() },
        }
    }

    /// One that is told by a function; `watchdog` is within what time it wants a sign of life.
    pub fn new(
        send: impl Fn(&[NotifyState<'_>]) -> io::Result<()> + std::marker::Send + Sync + 'static,
        watchdog: Option<Duration>,
    ) -> Self {
        let watchdog = watchdog.filter(|within| !within.is_zero());
        Self { send: Some(Arc::new(send)), watchdog, mute: Arc::default() }
    }

    /// The host has begun: its configuration is read and its accounts are added. They need not be ready: a server
    /// that is down is no reason to start the host again.
    pub fn ready(&self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// The configuration is being read again; [`Self::ready`] tells the end, whatever came of it.
    pub fn reloading(&self) {
        // The manager tells by the time which reload is meant.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "the service manager is not told of the reload"),
        }
    }

    /// The host hands over what was heard and ends; it asks for `within` to do so, whatever the manager's own limit.
    pub fn stopping(&self, within: Duration) {
        let within = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
        let status = NotifyState::Status("handing over what was heard");
        self.tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(within), status]);
        self.feed_watchdog();
    }

    /// A sign of life between the steps of the end, when the Supervisor is gone, whose answers give it else. It is given by
    /// hand, so a step that hangs gives none.
    pub fn feed_watchdog(&self) {
        self.pulse(None);
    }

    /// Shows how many accounts are in which state, and feeds the watchdog: only when the Supervisor has answered, and
    /// for nothing else. Ends with the Supervisor.
    pub async fn watch(self, supervisor: Addr<Supervisor>) {
        if self.send.is_none() {
            return;
        }
        let every = self.watchdog.map_or(STATUS_EVERY, |within| (within / PULSES).min(STATUS_EVERY));
        let mut shown: Option<(Instant, String)> = None;
        loop {
            let asked = Instant::now();
            let Some(counts) = sign_of_life(&supervisor, every).await else { return };
            let status = Some(counts.to_string()).filter(|status| {
                shown.as_ref().is_none_or(|(at, shown)| at.elapsed() >= STATUS_EVERY && shown != status)
            });
            self.pulse(status.as_deref());
            if let Some(status) = status {
                shown = Some((asked, status));
            }
            sleep(every.saturating_sub(asked.elapsed())).await;
        }
    }

    fn pulse(&self, status: Option<&str>) {
        let watchdog = self.watchdog.map(|_| NotifyState::Watchdog);
        let lines: Vec<_> = watchdog.into_iter().chain(status.map(NotifyState::Status)).collect();
        if !lines.is_empty() {
            self.tell(&lines);
        }
    }

    /// The socket takes a datagram at once, unless a manager that hangs has left hundreds of them unread.
    fn tell(&self, lines: &[NotifyState<'_>]) {
        let Some(send) = &self.send else { return };
        match send(lines) {
            Ok(()) => self.mute.store(false, Ordering::Relaxed),
            Err(error) => {
                if !self.mute.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "the service manager ({SOCKET}) cannot be told how the host is");
                }
            }
        }
    }
}

/// Waits for the Supervisor's answer, and tells when that takes longer than `patience`; how long it may take at last is for
/// the service manager to say. None when the Supervisor is gone.
async fn sign_of_life(supervisor: &Addr<Supervisor>, patience: Duration) -> Option<StateCounts> {
    let mut answer = pin!(supervisor.send(CountStates));
    if let Ok(answer) = timeout(patience, &mut answer).await {
        return answer.ok();
    }
    tracing::warn!("the Supervisor does not answer; the service manager gets no sign of life");
    answer.await.ok()
}

impl fmt::Debug for ServiceManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceManager")
            .field("there", &self.send.is_some())
            .field("watchdog", &self.watchdog)
            .finish_non_exhaustive()
    }
}
