//! The open connections of a server, of which those without a request must not keep out the others.

use std::{
    collections::HashMap,
    future::pending,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// The time that a client has in a crowd for its request, and for taking a short answer. A client in the same network needs
/// milliseconds; five and ten seconds, which it has otherwise for the head and the body, let a few slow clients keep out all
/// others.
const PATIENCE: Duration = Duration::from_secs(1);

/// The open connections of a server. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct OpenConnections(Arc<Connections>);

#[derive(Debug)]
struct Connections {
    limit: usize,
    open: AtomicUsize,
    /// The clients, with the time since when the server waits for each; `None` while a client waits for the server.
    clients: Mutex<HashMap<SocketAddr, Option<Instant>>>,
}

/// An open connection; `None` stands for one whose client is not known any more.
struct OpenConnection {
    client: Option<SocketAddr>,
    all: OpenConnections,
}

impl OpenConnections {
    /// Returns the connections of a server that has at most so many.
    pub(crate) fn new(limit: usize) -> Self {
        let (open, clients) = (AtomicUsize::new(0), Mutex::default());
        Self(Arc::new(Connections { limit, open, clients }))
    }

    /// Returns the most that may be open.
    pub(super) fn limit(&self) -> usize {
        self.0.limit
    }

    /// Keeps the connection of a client whose request has come, also while it takes its answer.
    pub(super) fn request_came(&self, client: Option<SocketAddr>) {
        self.set_waiting(client, None);
    }

    /// Keeps the connection of a client until its answer is there. Then the client has a moment to take it.
    pub(super) async fn while_answering<T>(
        &self,
        client: Option<SocketAddr>,
        answer: impl Future<Output = T>,
    ) -> T {
        self.set_waiting(client, None);
        let answer = answer.await;
        self.set_waiting(client, Some(Instant::now()));
        answer
    }

    fn set_waiting(&self, client: Option<SocketAddr>, since: Option<Instant>) {
        let mut clients = self.0.clients.lock();
        if let Some(waiting) = client.and_then(|client| clients.get_mut(&client)) {
            *waiting = since;
        }
    }

    /// Serves a connection until its end. In a crowd, one that the server waits for ends after a moment.
    pub(crate) async fn serve<T>(
        self,
        client: Option<SocketAddr>,
        serving: impl Future<Output = T>,
    ) -> Option<T> {
        let connection = self.open(client);
        let mut serving = pin!(serving);
        tokio::select! {
            served = &mut serving => Some(served),
            () = connection.idle_in_a_crowd() => None,
        }
    }

    fn open(self, client: Option<SocketAddr>) -> OpenConnection {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        if let Some(client) = client {
            self.0.clients.lock().insert(client, Some(Instant::now()));
        }
        OpenConnection { client, all: self }
    }

    /// Returns true if more than half of the connections are open.
    fn is_crowded(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) > self.0.limit / 2
    }
}

impl OpenConnection {
    /// Ends in a crowd, unless the client waits for the server.
    async fn idle_in_a_crowd(&self) {
        let Some(client) = self.client else { return pending().await };
        let end = || self.all.0.clients.lock().get(&client).copied().flatten().map(|since| since + PATIENCE);
        loop {
            let now = Instant::now();
            if end().is_some_and(|end| end <= now) && self.all.is_crowded() {
                return;
            }
            sleep_until(end().filter(|end| *end > now).unwrap_or(now + PATIENCE)).await;
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.all.0.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(client) = self.client {
            self.all.0.clients.lock().remove(&client);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const LIMIT: usize = 16;

    fn client(n: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], n))
    }

    #[tokio::test(start_paused = true)]
    async fn only_in_a_crowd_a_connection_without_a_request_ends_early() {
        let all = OpenConnections::new(LIMIT);
        let (start, half) = (Instant::now(), u16::try_from(LIMIT / 2).unwrap());
        let serve = |n| tokio::spawn(all.clone().serve(Some(client(n)), sleep(PATIENCE * 20)));
        let few: Vec<_> = (0..half).map(serve).collect();
        for served in few {
            assert_eq!(served.await.unwrap(), Some(()), "there is room for others");
        }
        assert_eq!(start.elapsed(), PATIENCE * 20);
        let mut many: Vec<_> = (0..=half).map(serve).collect();
        tokio::task::yield_now().await;
        all.request_came(Some(client(0)));
        let answered = many.remove(0);
        let mut ended = 0;
        for idle in many {
            ended += usize::from(idle.await.unwrap().is_none());
        }
        assert_eq!(ended, 1, "then the others are no crowd");
        assert_eq!(answered.await.unwrap(), Some(()), "its request has come");
    }

    #[tokio::test(start_paused = true)]
    async fn all_idle_connections_of_a_full_server_end_but_half() {
        let all = OpenConnections::new(LIMIT);
        let serve = |n| all.clone().serve(Some(client(n)), sleep(PATIENCE * 20));
        let full = (0..u16::try_from(LIMIT).unwrap()).map(serve);
        let served = futures_util::future::join_all(full).await;
        assert_eq!(served.iter().filter(|served| served.is_none()).count(), LIMIT / 2);
        assert_eq!(all.0.open.load(Ordering::Relaxed), 0);
        assert!(all.0.clients.lock().is_empty(), "nothing is left over");
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_crowd_a_client_is_answered_however_long_that_takes_and_then_has_a_moment() {
        for (answer, taking, is_served) in [(3, 20, false), (10, 20, false), (10, 0, true)] {
            let all = OpenConnections::new(LIMIT);
            let full = (2..u16::try_from(LIMIT).unwrap()).map(|n| all.clone().open(Some(client(n))));
            let _crowd: Vec<_> = full.collect();
            let (start, one) = (Instant::now(), Some(client(1)));
            let request = async {
                sleep(PATIENCE / 2).await;
                all.while_answering(one, sleep(PATIENCE * answer)).await;
                sleep(PATIENCE * taking).await;
            };
            let served = all.clone().serve(one, request).await;
            assert_eq!(served.is_some(), is_served);
            let moment = if is_served { Duration::ZERO } else { PATIENCE };
            assert_eq!(start.elapsed(), PATIENCE / 2 + PATIENCE * answer + moment);
        }
    }
}
