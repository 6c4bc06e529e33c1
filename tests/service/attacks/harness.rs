//! Attacks on one account, beside which another account on another server goes on.

use std::{
    io, mem,
    time::{Duration, Instant},
};

use matterhost_simulator::Counters;

use crate::{
    admin::host::{ANY_PORT, AdminHost, Api, TOKEN},
    latencies::Latencies,
    program::{ConfigDir, DEADLINE, Fixture, Lines},
};

/// The time between two posts to the healthy account.
const POST_INTERVAL: Duration = Duration::from_millis(20);

/// The posts during an attack: four seconds of them.
const POSTS: usize = 200;

/// The most resident memory of the process.
const MAX_MEMORY_KIB: u64 = 128 * 1024;

/// The most lines of the log during an attack, which takes less than a minute.
const MAX_LOG_LINES: usize = 1_000;

/// The time for the end, and how much longer it may take on a machine under load.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(2);
const ENDS_WITHIN: Duration = Duration::from_secs(3);

/// The measurements of an attack.
#[derive(Debug)]
pub(super) struct Measured {
    latencies: Latencies,
    memory_kib: u64,
    log_lines: usize,
    end: Duration,
}

/// A host with the healthy account `helpdesk` and the attacked account `victim`.
pub(super) struct Attacked {
    host: AdminHost,
    memory_kib: u64,
}

impl Attacked {
    /// Starts a host. `victim` is the configuration of the attacked server, its account and their sinks.
    pub(super) fn start(victim: &str) -> Self {
        let fixture = Fixture::new();
        let healthy = "[accounts.helpdesk]\nserver = \"main\"\nsinks = [\"healthy\"]\n";
        let config = fixture.config().replace("[accounts.helpdesk]\n", healthy);
        // Both accounts share one thread, as the neighbours of an attacked account do.
        let host =
            format!("[host]\narbiters = 1\nshutdown_deadline = \"{}s\"\n", SHUTDOWN_DEADLINE.as_secs());
        let common = format!("[sinks.healthy]\ntype = \"stdout\"\n{host}{ANY_PORT}token = \"{TOKEN}\"\n");
        let dir = ConfigDir::with(&(config + &common + victim));
        let host = AdminHost::start_in(dir, fixture, Some(TOKEN));
        let ready = |counters: &Counters| counters.open_sockets(&host.fixture.bot.user_id) == 1;
        assert!(host.fixture.simulator.wait_for(ready, DEADLINE), "the healthy account does not connect");
        Self { host, memory_kib: 0 }
    }

    /// Returns the address of the admin API.
    pub(super) fn api(&self) -> Api {
        self.host.api
    }

    /// Posts to the healthy account, repeats the attack meanwhile, and checks that nothing suffers but the attacked account.
    pub(super) fn endure(mut self, mut attack: impl FnMut()) -> Measured {
        let (host, memory) = (&mut self.host, &mut self.memory_kib);
        let mut events = mem::replace(&mut host.running.events, Lines::read(io::empty()));
        let latencies = Latencies::measure(&host.fixture, &mut events, (POSTS, POST_INTERVAL), || {
            attack();
            observe(host, memory);
        });
        observe(host, memory);
        let memory_kib = self.memory_kib;
        let (log_lines, end) = self.finish();
        let measured = Measured { latencies, memory_kib, log_lines, end };
        measured.print();
        assert!(memory_kib < MAX_MEMORY_KIB, "{memory_kib} KiB");
        assert!(log_lines < MAX_LOG_LINES, "{log_lines} lines");
        assert!(end < SHUTDOWN_DEADLINE + ENDS_WITHIN, "the end took {end:?}");
        measured
    }

    /// Ends the host. Returns the number of lines of its log, and the time that the end took.
    fn finish(self) -> (usize, Duration) {
        let start = Instant::now();
        self.host.running.signal("TERM");
        let (status, log) = self.host.running.wait_for_exit();
        assert!(status.success(), "{status}");
        (log.len(), start.elapsed())
    }
}

/// Checks that the host is live, and measures its memory.
fn observe(host: &AdminHost, memory_kib: &mut u64) {
    assert_eq!(host.get("/livez").status, 200);
    *memory_kib = host.memory_kib().max(*memory_kib);
}

impl Measured {
    /// Returns the time that so many of a hundred posts did not exceed.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        self.latencies.percentile(percent)
    }

    fn print(&self) {
        let (memory, lines, end) = (self.memory_kib / 1024, self.log_lines, self.end.as_millis());
        println!("{}; {memory} MiB, {lines} lines, ended in {end} ms", self.latencies);
    }
}
