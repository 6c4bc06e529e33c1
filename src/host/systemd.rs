//! Notifications to systemd, or to another service manager with the same protocol.
//!
//! The protocol is `sd_notify(3)`: lines in a datagram to the socket that `NOTIFY_SOCKET` names. Without that variable
//! nothing is sent.

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

/// The environment variable that names the service manager's socket.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Minimum time between two updates of the status text. Each is work for the service manager.
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// Watchdog notifications per watchdog timeout, so that a single late one does not get the host killed.
const NOTIFICATIONS_PER_TIMEOUT: u32 = 2;

/// A function that sends a datagram of these lines.
type Send = dyn Fn(&[NotifyState<'_>]) -> io::Result<()> + std::marker::Send + Sync;

/// A client of the service manager; does nothing if there is none.
#[derive(Clone)]
pub struct ServiceManager {
    send: Option<Arc<Send>>,
    watchdog: Option<Duration>,
    /// True while notifications fail; the first failure is logged.
    is_failing: Arc<AtomicBool>,
}

impl ServiceManager {
    /// Creates a client from the environment, with the watchdog timeout of `WATCHDOG_USEC`.
    pub fn from_env() -> Self {
        match env::var_os(SOCKET) {
            Some(_) => Self::new(sd_notify::notify, sd_notify::watchdog_enabled()),
            None => Self { send: None, watchdog: None, is_failing: Arc::default() },
        }
    }

    /// Creates a client that sends with the given function. `watchdog` is the watchdog timeout.
    pub fn new(
        send: impl Fn(&[NotifyState<'_>]) -> io::Result<()> + std::marker::Send + Sync + 'static,
        watchdog: Option<Duration>,
    ) -> Self {
        let watchdog = watchdog.filter(|timeout| !timeout.is_zero());
        Self { send: Some(Arc::new(send)), watchdog, is_failing: Arc::default() }
    }

    /// Reports that the host has started, or has finished a reload: the configuration is read and the accounts are added.
    /// They need not be ready, because a server that is down is no reason to restart the host.
    pub fn ready(&self) {
        self.notify(&[NotifyState::Ready]);
    }

    /// Reports the start of a reload; [`Self::ready`] reports its end, successful or not.
    pub fn reloading(&self) {
        // The manager identifies the reload by its time.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.notify(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "cannot notify the service manager of the reload"),
        }
    }

    /// Reports that the host is shutting down, and requests `within` for it instead of the manager's own timeout.
    pub fn stopping(&self, within: Duration) {
        let within = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
        let status = NotifyState::Status("delivering the remaining events");
        self.notify(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(within), status]);
        self.feed_watchdog();
    }

    /// Feeds the watchdog between the steps of a shutdown. [`Self::watch`] no longer does, because the Supervisor has
    /// stopped, and a step that hangs must not be covered up by a timer.
    pub fn feed_watchdog(&self) {
        self.notify_alive(None);
    }

    /// Reports the number of accounts in each state and feeds the watchdog, each time the Supervisor answers and only
    /// then. Returns when the Supervisor has stopped.
    pub async fn watch(self, supervisor: Addr<Supervisor>) {
        if self.send.is_none() {
            return;
        }
        let every = self
            .watchdog
            .map_or(STATUS_EVERY, |timeout| (timeout / NOTIFICATIONS_PER_TIMEOUT).min(STATUS_EVERY));
        let mut shown: Option<(Instant, String)> = None;
        loop {
            let start = Instant::now();
            let Some(counts) = count_states(&supervisor, every).await else { return };
            let status = Some(counts.to_string()).filter(|status| {
                shown.as_ref().is_none_or(|(at, shown)| at.elapsed() >= STATUS_EVERY && shown != status)
            });
            self.notify_alive(status.as_deref());
            if let Some(status) = status {
                shown = Some((start, status));
            }
            sleep(every.saturating_sub(start.elapsed())).await;
        }
    }

    fn notify_alive(&self, status: Option<&str>) {
        let watchdog = self.watchdog.map(|_| NotifyState::Watchdog);
        let lines: Vec<_> = watchdog.into_iter().chain(status.map(NotifyState::Status)).collect();
        if !lines.is_empty() {
            self.notify(&lines);
        }
    }

    /// Sends a datagram. This does not block, unless a manager that hangs has left hundreds of datagrams unread.
    fn notify(&self, lines: &[NotifyState<'_>]) {
        let Some(send) = &self.send else { return };
        match send(lines) {
            Ok(()) => self.is_failing.store(false, Ordering::Relaxed),
            Err(error) => {
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "cannot notify the service manager ({SOCKET})");
                }
            }
        }
    }
}

/// Asks the Supervisor for the counts, and logs a warning if the answer takes longer than `warn_after`. Waits without
/// limit: killing a host that hangs is up to the service manager. Returns `None` if the Supervisor has stopped.
async fn count_states(supervisor: &Addr<Supervisor>, warn_after: Duration) -> Option<StateCounts> {
    let mut answer = pin!(supervisor.send(CountStates));
    if let Ok(answer) = timeout(warn_after, &mut answer).await {
        return answer.ok();
    }
    tracing::warn!("the Supervisor does not answer; the watchdog is not fed");
    answer.await.ok()
}

impl fmt::Debug for ServiceManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceManager")
            .field("enabled", &self.send.is_some())
            .field("watchdog", &self.watchdog)
            .finish_non_exhaustive()
    }
}
