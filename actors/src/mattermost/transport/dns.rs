//! The DNS cache of one server, shared by all its connections.

use std::{net::SocketAddr, time::Duration};

use tokio::{sync::Mutex, time::Instant};

use super::race;

/// Time for which a failed lookup is cached, and minimum age of a result that a failed connection discards:
/// while a server is down, thousands of dials must not cause thousands of lookups.
const MIN_AGE: Duration = Duration::from_secs(5);

/// A cache of the addresses of one server. Lookups run on the blocking pool; callers that arrive during a
/// lookup wait for it.
pub(in crate::mattermost) struct Dns {
    host: Box<str>,
    port: u16,
    ttl: Duration,
    last: Mutex<Lookup>,
}

#[derive(Default)]
struct Lookup {
    addresses: Vec<SocketAddr>,
    /// The error of the last lookup, if it failed.
    failure: Option<Box<str>>,
    looked_up: Option<Instant>,
    is_fixed: bool,
    /// The address that worked last.
    preferred: Option<SocketAddr>,
}

impl Dns {
    pub(in crate::mattermost) fn new(host: &str, port: u16, ttl: Duration) -> Self {
        Self { host: host.into(), port, ttl, last: Mutex::default() }
    }

    /// Knows addresses without a lookup, for ever.
    pub(in crate::mattermost) fn fixed(addresses: Vec<SocketAddr>) -> Self {
        let last = Lookup { addresses, is_fixed: true, ..Lookup::default() };
        Self { host: "".into(), port: 0, ttl: Duration::MAX, last: Mutex::new(last) }
    }

    /// Returns the server's addresses in the order in which to try them; if a lookup fails, the previous addresses.
    pub(super) async fn addresses(&self) -> Result<Vec<SocketAddr>, Box<str>> {
        if let Ok(address) = self.host.parse() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        let mut lookup = self.last.lock().await;
        if !lookup.is_fresh(self.ttl) {
            lookup.record(tokio::net::lookup_host((&*self.host, self.port)).await);
        }
        lookup.result()
    }

    /// Remembers the address that worked: it is tried first from now on.
    pub(super) async fn prefer(&self, address: SocketAddr) {
        self.last.lock().await.preferred = Some(address);
    }

    /// Makes the next dial look the addresses up again because none could be reached, unless they are recent.
    pub(super) async fn expire(&self) {
        let mut lookup = self.last.lock().await;
        if lookup.looked_up.is_some_and(|at| at.elapsed() >= MIN_AGE) {
            lookup.looked_up = None;
        }
    }
}

impl Lookup {
    fn is_fresh(&self, ttl: Duration) -> bool {
        let ttl = if self.failure.is_some() { MIN_AGE.min(ttl) } else { ttl };
        self.is_fixed || self.looked_up.is_some_and(|at| at.elapsed() < ttl)
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

    fn result(&self) -> Result<Vec<SocketAddr>, Box<str>> {
        match &self.failure {
            Some(failure) if self.addresses.is_empty() => Err(failure.clone()),
            _ => Ok(race::order(&self.addresses, self.preferred)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn found(lookup: &mut Lookup, last: u8) {
        let address = SocketAddr::from(([10, 0, 0, last], 80));
        lookup.record(Ok(std::iter::once(address)));
    }

    fn failed(lookup: &mut Lookup) {
        lookup.record(Err::<std::iter::Empty<_>, _>(std::io::Error::other("no such host")));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_believed_for_its_time() {
        let mut lookup = Lookup::default();
        assert!(!lookup.is_fresh(TTL));
        found(&mut lookup, 1);
        assert!(lookup.is_fresh(TTL));
        tokio::time::advance(TTL).await;
        assert!(!lookup.is_fresh(TTL));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_believed_briefly_and_keeps_what_was_known() {
        let mut lookup = Lookup::default();
        failed(&mut lookup);
        assert_eq!(lookup.result().unwrap_err(), "no such host".into());
        assert!(lookup.is_fresh(TTL));
        tokio::time::advance(MIN_AGE).await;
        assert!(!lookup.is_fresh(TTL));
        found(&mut lookup, 2);
        failed(&mut lookup);
        assert_eq!(lookup.result().unwrap(), [SocketAddr::from(([10, 0, 0, 2], 80))]);
    }

    #[tokio::test(start_paused = true)]
    async fn forgetting_waits_until_an_answer_has_some_age() {
        let dns = Dns::new("host.invalid", 80, TTL);
        found(&mut *dns.last.lock().await, 1);
        dns.expire().await;
        assert!(dns.last.lock().await.is_fresh(TTL));
        tokio::time::advance(MIN_AGE).await;
        dns.expire().await;
        assert!(!dns.last.lock().await.is_fresh(TTL));
    }

    #[tokio::test]
    async fn an_address_is_not_looked_up() {
        let dns = Dns::new("::1", 8065, TTL);
        assert_eq!(dns.addresses().await.unwrap(), ["[::1]:8065".parse().unwrap()]);
        assert!(dns.last.lock().await.looked_up.is_none());
    }
}
