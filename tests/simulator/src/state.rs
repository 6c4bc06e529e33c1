//! All that the simulator knows, behind one lock that is never held across an await.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::counters::Counters;
use crate::fault::Faults;
use crate::hub::Hub;
use crate::options::Options;
use crate::rest::rate_limit::RateLimiter;
use crate::server::io::IoControl;
use crate::world::World;

/// One open TCP connection.
#[derive(Debug)]
pub(crate) struct TcpConnection {
    pub(crate) control: Arc<IoControl>,
    /// The user that it belongs to, once a WebSocket on it is authenticated or a request named a token.
    pub(crate) user: Option<String>,
}

/// The state behind the lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) options: Options,
    pub(crate) world: World,
    pub(crate) hub: Hub,
    pub(crate) faults: Faults,
    pub(crate) limiter: Option<RateLimiter>,
    pub(crate) counters: Counters,
    pub(crate) tcp: HashMap<u64, TcpConnection>,
    pub(crate) random: fastrand::Rng,
    /// The address that the server calls its own.
    pub(crate) site_url: String,
    next_key: u64,
}

impl State {
    fn new(options: Options) -> Self {
        let mut random = fastrand::Rng::with_seed(options.seed);
        Self {
            world: World::new(options.version, &mut random),
            hub: Hub::new(options.dead_queue, options.send_queue),
            faults: Faults::default(),
            limiter: options.rate_limit.map(RateLimiter::new),
            counters: Counters::default(),
            tcp: HashMap::new(),
            random,
            site_url: String::new(),
            next_key: 0,
            options,
        }
    }

    /// A number that no other connection has.
    pub(crate) fn new_key(&mut self) -> u64 {
        self.next_key += 1;
        self.next_key
    }

    pub(crate) fn open_connection(&mut self, control: Arc<IoControl>) -> u64 {
        let key = self.new_key();
        self.tcp.insert(key, TcpConnection { control, user: None });
        self.counters.connections_open += 1;
        self.counters.connections_accepted += 1;
        key
    }

    pub(crate) fn close_connection(&mut self, key: u64) {
        if self.tcp.remove(&key).is_some() {
            self.counters.connections_open -= 1;
        }
    }
}

/// The state, its lock, and the runtime that timed changes run on.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    condition: Condvar,
    /// The threads that wait for the condition: without any, nobody is woken, which takes a system call.
    waiting: AtomicUsize,
    pub(crate) runtime: Handle,
}

impl Shared {
    pub(crate) fn new(options: Options, runtime: Handle) -> Arc<Self> {
        let (state, condition) = (Mutex::new(State::new(options)), Condvar::new());
        Arc::new(Self { state, condition, waiting: AtomicUsize::new(0), runtime })
    }

    /// Takes the lock. A panic of another holder leaves counters and maps usable, so poison is passed over.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes whoever waits for an observation.
    pub(crate) fn change<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let result = work(&mut self.lock());
        self.notify_waiters();
        result
    }

    /// Wakes whoever waits for an observation.
    pub(crate) fn notify_waiters(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.condition.notify_all();
        }
    }

    /// Blocks until the condition holds, or the time is over; tells which.
    pub(crate) fn wait_until(&self, timeout: Duration, holds: impl FnMut(&State) -> bool) -> bool {
        let state = self.lock();
        // Counted under the lock: who changes the state afterwards finds it.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let held = self.wait_with(state, Instant::now() + timeout, holds);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        held
    }

    fn wait_with<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        deadline: Instant,
        mut holds: impl FnMut(&State) -> bool,
    ) -> bool {
        loop {
            if holds(&state) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let (next, _) = self.condition.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            state = next;
        }
    }
}
