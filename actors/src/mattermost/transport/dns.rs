//! One server's addresses, looked up once for all its connections.

use std::{net::SocketAddr, time::Duration};

use tokio::{sync::Mutex, time::Instant};

/// How long a failure is believed, and how old an answer must be before a failed connection throws it
/// away: while a server is down, thousands of dials must not become thousands of lookups.
const MIN_AGE: Duration = Duration::from_secs(5);

/// The addresses of one server. Lookups run on the blocking pool: whoever comes while one is under
/// way waits for it.
pub(in crate::mattermost) struct Dns {
    host: Box<str>,
    port: u16,
    ttl: Duration,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    /// Why the last lookup brought nothing.
    failure: Option<Box<str>>,
    looked_up: Option<Instant>,
}

impl Dns {
    pub(in crate::mattermost) fn new(host: &str, port: u16, ttl: Duration) -> Self {
        Self { host: host.into(), port, ttl, known: Mutex::default() }
    }

    /// The server's addresses, in the resolver's order.
    ///
    /// When a lookup fails, older addresses go on being used.
    pub(super) async fn addresses(&self) -> Result<Vec<SocketAddr>, Box<str>> {
        if let Ok(address) = self.host.parse() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        let mut known = self.known.lock().await;
        if !known.is_fresh(self.ttl) {
            known.record(tokio::net::lookup_host((&*self.host, self.port)).await);
        }
        known.answer()
    }

    /// No address could be reached: the next dial looks them up anew, unless they are quite new.
    pub(super) async fn forget(&self) {
        let mut known = self.known.lock().await;
        if known.looked_up.is_some_and(|at| at.elapsed() >= MIN_AGE) {
            known.looked_up = None;
        }
    }
}

impl Known {
    fn is_fresh(&self, ttl: Duration) -> bool {
        let ttl = if self.failure.is_some() { MIN_AGE.min(ttl) } else { ttl };
        self.looked_up.is_some_and(|at| at.elapsed() < ttl)
    }

    fn record(&mut self, found: std::io::Result<impl Iterator<Item = SocketAddr>>) {
        self.looked_up = Some(Instant::now());
        self.failure = None;
        match found.map(Vec::from_iter) {
            Ok(addresses) if addresses.is_empty() => self.failure = Some("no address".into()),
            Ok(addresses) => self.addresses = addresses,
            Err(error) => self.failure = Some(error.to_string().into()),
        }
    }

    fn answer(&self) -> Result<Vec<SocketAddr>, Box<str>> {
        match &self.failure {
            Some(failure) if self.addresses.is_empty() => Err(failure.clone()),
            _ => Ok(self.addresses.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn found(known: &mut Known, last: u8) {
        let address = SocketAddr::from(([10, 0, 0, last], 80));
        known.record(Ok(std::iter::once(address)));
    }

    fn failed(known: &mut Known) {
        known.record(Err::<std::iter::Empty<_>, _>(std::io::Error::other("no such host")));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_believed_for_its_time() {
        let mut known = Known::default();
        assert!(!known.is_fresh(TTL));
        found(&mut known, 1);
        assert!(known.is_fresh(TTL));
        tokio::time::advance(TTL).await;
        assert!(!known.is_fresh(TTL));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_believed_briefly_and_keeps_what_was_known() {
        let mut known = Known::default();
        failed(&mut known);
        assert_eq!(known.answer().unwrap_err(), "no such host".into());
        assert!(known.is_fresh(TTL));
        tokio::time::advance(MIN_AGE).await;
        assert!(!known.is_fresh(TTL));
        found(&mut known, 2);
        failed(&mut known);
        assert_eq!(known.answer().unwrap(), [SocketAddr::from(([10, 0, 0, 2], 80))]);
    }

    #[tokio::test(start_paused = true)]
    async fn forgetting_waits_until_an_answer_has_some_age() {
        let dns = Dns::new("host.invalid", 80, TTL);
        found(&mut *dns.known.lock().await, 1);
        dns.forget().await;
        assert!(dns.known.lock().await.is_fresh(TTL));
        tokio::time::advance(MIN_AGE).await;
        dns.forget().await;
        assert!(!dns.known.lock().await.is_fresh(TTL));
    }

    #[tokio::test]
    async fn an_address_is_not_looked_up() {
        let dns = Dns::new("::1", 8065, TTL);
        assert_eq!(dns.addresses().await.unwrap(), ["[::1]:8065".parse().unwrap()]);
        assert!(dns.known.lock().await.looked_up.is_none());
    }
}
