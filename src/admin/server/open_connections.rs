//! The open connections of a server, of which those without a request must not keep out the others.

use std::{
    collections::HashSet,
    future::pending,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::dev::ServiceRequest;
use parking_lot::Mutex;
use tokio::time::sleep;

/// The time that a connection without a whole request has in a crowd. A client in the same network needs milliseconds; five
/// and ten seconds, which it has otherwise for the head and the body, let a few slow clients keep out all others.
const PATIENCE: Duration = Duration::from_secs(1);

/// The open connections of a server. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct OpenConnections(Arc<Connections>);

#[derive(Debug)]
struct Connections {
    limit: usize,
    open: AtomicUsize,
    /// The clients whose request has not come yet.
    waiting: Mutex<HashSet<SocketAddr>>,
}

/// An open connection; `None` stands for one whose client is not known any more.
struct OpenConnection {
    client: Option<SocketAddr>,
    all: OpenConnections,
}

impl OpenConnections {
    /// Returns the connections of a server that has at most so many.
    pub(crate) fn new(limit: usize) -> Self {
        let (open, waiting) = (AtomicUsize::new(0), Mutex::default());
        Self(Arc::new(Connections { limit, open, waiting }))
    }

    /// Returns the most that may be open.
    pub(super) fn limit(&self) -> usize {
        self.0.limit
    }

    /// Marks the connection of a request that has come: it is waited for as long as its answer takes.
    pub(crate) fn request_came(&self, request: &ServiceRequest) {
        if let Some(client) = request.peer_addr() {
            self.0.waiting.lock().remove(&client);
        }
    }

    /// Serves a connection until its end. In a crowd, one without a request ends after a moment.
    pub(super) async fn serve<T>(
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
            self.0.waiting.lock().insert(client);
        }
        OpenConnection { client, all: self }
    }

    /// Returns true if more than half of the connections are open.
    fn is_crowded(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) > self.0.limit / 2
    }
}

impl OpenConnection {
    /// Ends in a crowd, unless the request has come.
    async fn idle_in_a_crowd(&self) {
        while self.is_waiting() {
            sleep(PATIENCE).await;
            if self.is_waiting() && self.all.is_crowded() {
                return;
            }
        }
        pending::<()>().await;
    }

    fn is_waiting(&self) -> bool {
        self.client.is_some_and(|client| self.all.0.waiting.lock().contains(&client))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.all.0.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(client) = self.client {
            self.all.0.waiting.lock().remove(&client);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

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
        all.0.waiting.lock().remove(&client(0));
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
        assert!(all.0.waiting.lock().is_empty(), "nothing is left over");
    }
}
