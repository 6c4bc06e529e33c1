//! Notifications to systemd: by the program over a real socket, and by the host's own code with a Supervisor that hangs.

use std::{
    os::unix::net::UnixDatagram,
    sync::mpsc,
    time::{Duration, Instant},
};

use actix::{Actor as _, Arbiter, System};
use matterhost::host::systemd::ServiceManager;
use matterhost_actors::hosting::{HostSettings, Supervisor};
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, unbounded_channel},
        oneshot,
    },
    time::timeout,
};

use crate::program::{ConfigDir, DEADLINE, Fixture, RunningProgram};

/// The watchdog timeout of the program. A busy machine may be slower, which has no effect here.
const WATCHDOG: Duration = Duration::from_millis(200);

/// Longer than any datagram of the protocol.
const DATAGRAM_BYTES: usize = 4096;

/// The notification socket of a service manager.
struct Manager(UnixDatagram);

impl Manager {
    /// Creates a socket in the directory and starts the program with it.
    fn of(dir: &ConfigDir, args: &[&str]) -> (Self, RunningProgram) {
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let mut command = dir.matterhost(args);
        command.env("NOTIFY_SOCKET", path).env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
        (Self(socket), RunningProgram::start(command))
    }

    /// Returns the lines of the next datagram.
    fn next(&self) -> Vec<String> {
        let mut datagram = [0; DATAGRAM_BYTES];
        self.0.set_read_timeout(Some(DEADLINE)).unwrap();
        let length = self.0.recv(&mut datagram).unwrap();
        std::str::from_utf8(&datagram[..length]).unwrap().lines().map(str::to_owned).collect()
    }

    /// Returns the unread lines of a program that has ended.
    fn rest(&self) -> Vec<String> {
        self.0.set_nonblocking(true).unwrap();
        let mut lines = Vec::new();
        let mut datagram = [0; DATAGRAM_BYTES];
        while let Ok(length) = self.0.recv(&mut datagram) {
            lines.extend(std::str::from_utf8(&datagram[..length]).unwrap().lines().map(str::to_owned));
        }
        lines
    }

    /// Waits for a line with a prefix, and returns its datagram.
    fn line(&self, begin: &str) -> Vec<String> {
        let end = Instant::now() + DEADLINE;
        while Instant::now() < end {
            let lines = self.next();
            if lines.iter().any(|line| line.starts_with(begin)) {
                return lines;
            }
        }
        panic!("no line begins with {begin}");
    }
}

#[test]
fn systemd_hears_of_the_beginning_the_life_and_the_end() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config());
    let (manager, running) = Manager::of(&dir, &["run"]);
    assert_eq!(manager.next(), ["READY=1"]);
    manager.line("STATUS=1 account: 1 ready");
    for _ in 0..3 {
        assert_eq!(manager.line("WATCHDOG=1")[0], "WATCHDOG=1");
    }
    running.signal("TERM");
    let last = manager.line("STOPPING=1");
    // host.shutdown_deadline, and 5 s for the process to exit.
    assert_eq!(last[1..], ["EXTEND_TIMEOUT_USEC=35000000", "STATUS=delivering the remaining events"]);
    assert_eq!(running.wait_for_exit().0.code(), Some(0));
    // At the start of the shutdown, before the sinks are closed, and before the store is closed.
    let signs = manager.rest().into_iter().filter(|line| line == "WATCHDOG=1").count();
    assert!(signs >= 3, "{signs}");
}

#[test]
fn a_server_that_is_down_does_not_keep_the_host_from_having_begun() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config().replace(fixture.simulator.url(), "http://127.0.0.1:1"));
    let (manager, _running) = Manager::of(&dir, &["run"]);
    assert_eq!(manager.next(), ["READY=1"]);
}

#[test]
fn a_configuration_that_is_refused_is_no_beginning() {
    let dir = ConfigDir::with("[servers.main]\nurl = \"http://127.0.0.1:1\"\n");
    let (manager, running) = Manager::of(&dir, &["run"]);
    assert_eq!(running.wait_for_exit().0.code(), Some(78));
    manager.0.set_nonblocking(true).unwrap();
    assert!(manager.0.recv(&mut [0; DATAGRAM_BYTES]).is_err());
}

#[test]
fn a_manager_that_is_gone_ends_nothing() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config());
    let mut command = dir.matterhost(&["run"]);
    command.env("NOTIFY_SOCKET", dir.path().join("nobody"));
    let mut running = RunningProgram::start(command);
    running.log.wait_for_line("cannot notify the service manager");
    running.log.wait_for_fact("ready");
    running.signal("TERM");
    assert_eq!(running.wait_for_exit().0.code(), Some(0));
}

/// Creates a manager in this process, and a receiver of its notifications.
fn manager() -> (ServiceManager, UnboundedReceiver<String>) {
    let (sender, notifications) = unbounded_channel();
    let send = move |lines: &[sd_notify::NotifyState<'_>]| {
        let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
        // The test may have ended already.
        let _ = sender.send(lines.join("\n"));
        Ok(())
    };
    (ServiceManager::new(send, Some(WATCHDOG)), notifications)
}

async fn expect_watchdog(notifications: &mut UnboundedReceiver<String>) {
    let lines = timeout(DEADLINE, notifications.recv()).await.unwrap().unwrap();
    assert!(lines.starts_with("WATCHDOG=1"), "{lines}");
}

#[test]
fn the_watchdog_is_fed_only_while_the_supervisor_answers() {
    System::new().block_on(async {
        let arbiter = Arbiter::new();
        let settings = HostSettings { arbiters: 0, ..HostSettings::default() };
        let supervisor = Supervisor::start_in_arbiter(&arbiter.handle(), |_| Supervisor::new(settings));
        let (manager, mut notifications) = manager();
        actix::spawn(manager.watch(supervisor));
        for _ in 0..3 {
            expect_watchdog(&mut notifications).await;
        }
        // The Supervisor's thread hangs; the watchdog's does not.
        let (release, hold) = mpsc::channel::<()>();
        let (holds, is_held) = oneshot::channel();
        assert!(arbiter.spawn_fn(move || {
            holds.send(()).unwrap();
            hold.recv().unwrap();
        }));
        is_held.await.unwrap();
        // One answer may have been in flight.
        let mut late = 0;
        let silence = timeout(WATCHDOG * 5, async {
            loop {
                expect_watchdog(&mut notifications).await;
                late += 1;
            }
        });
        assert!(silence.await.is_err());
        assert!(late <= 1, "the watchdog was fed {late} times although the Supervisor hangs");
        release.send(()).unwrap();
        expect_watchdog(&mut notifications).await;
        expect_watchdog(&mut notifications).await;
    });
}

#[test]
fn a_reload_is_told_with_its_time() {
    let (manager, mut notifications) = manager();
    manager.reloading();
    manager.ready();
    let begun = notifications.try_recv().unwrap();
    let time = begun.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    assert!(time.parse::<u64>().unwrap() > 0);
    assert_eq!(notifications.try_recv().unwrap(), "READY=1");
}
