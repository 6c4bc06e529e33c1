//! The race between a server's addresses: "happy eyeballs", RFC 8305.
//!
//! An attempt ends with a stream that can be used, so a certificate that is rejected at one address does not hide
//! the next address either.

use std::{cell::Cell, future::Future, io, net::SocketAddr, rc::Rc, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::sleep;

use super::explain;

/// The wait for a TCP connection before the next address is tried as well, as RFC 8305 recommends.
const CONNECT_PATIENCE: Duration = Duration::from_millis(250);

/// The further wait for TLS and a proxy's answer at a connected address: a busy server needs longer for these, and a
/// second handshake would make it busier.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(2);

/// The most addresses that are tried. A longer DNS answer lists a pool; 16 silent ones take 4 s, which is within the
/// time for connecting.
const MAX_ATTEMPTS: usize = 16;

/// The progress of one attempt, shared with the race.
#[derive(Clone, Default)]
pub(super) struct Progress(Rc<Cell<bool>>);

impl Progress {
    /// Notes that TCP is connected.
    pub(super) fn set_connected(&self) {
        self.0.set(true);
    }

    /// Waits until the next address should be tried as well.
    async fn patience(&self) {
        sleep(CONNECT_PATIENCE).await;
        if self.0.get() {
            sleep(HANDSHAKE_PATIENCE).await;
        }
    }
}

/// Orders addresses for a race: the one that worked last, then both families in turn, beginning with the resolver's
/// first choice.
pub(super) fn order(addresses: &[SocketAddr], preferred: Option<SocketAddr>) -> Vec<SocketAddr> {
    let preferred = preferred.filter(|preferred| addresses.contains(preferred));
    let rest = addresses.iter().copied().filter(|address| Some(*address) != preferred);
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (mut one, mut other) = rest.partition::<Vec<_>, _>(|address| address.is_ipv4() == first_is_v4);
    one.reverse();
    other.reverse();
    let mut ordered = Vec::from_iter(preferred);
    while !one.is_empty() || !other.is_empty() {
        ordered.extend(one.pop());
        ordered.extend(other.pop());
    }
    ordered
}

/// Tries the addresses in order and returns the first stream, with its address. The next attempt starts when one
/// fails or takes long; the attempts that lose are dropped.
pub(super) async fn first<T, F>(
    addresses: &[SocketAddr],
    attempt: impl Fn(SocketAddr, Progress) -> F,
) -> io::Result<(SocketAddr, T)>
where
    F: Future<Output = io::Result<T>>,
{
    let mut waiting = addresses.iter().copied().take(MAX_ATTEMPTS);
    let (mut running, mut failures) = (FuturesUnordered::new(), Vec::new());
    let mut progress = Progress::default();
    loop {
        if let Some(address) = waiting.next() {
            progress = Progress::default();
            let attempt = attempt(address, progress.clone());
            running.push(async move { (address, attempt.await) });
        } else if running.is_empty() {
            return Err(summarize(failures));
        }
        tokio::select! {
            biased;
            Some((address, outcome)) = running.next() => match outcome {
                Ok(stream) => return Ok((address, stream)),
                Err(error) => failures.push(error),
            },
            () = progress.patience(), if waiting.len() > 0 => {}
        }
    }
}

/// Returns the failure that a person can act on, such as a rejected certificate; else all of them in one.
fn summarize(mut failures: Vec<io::Error>) -> io::Error {
    if let Some(telling) = failures.iter().position(explain::is_telling) {
        return failures.swap_remove(telling);
    }
    if failures.len() == 1 {
        return failures.swap_remove(0);
    }
    let kind = failures.last().map_or(io::ErrorKind::AddrNotAvailable, io::Error::kind);
    let all: Vec<_> = failures.iter().map(ToString::to_string).collect();
    io::Error::new(kind, if all.is_empty() { "the host has no address".to_owned() } else { all.join("; ") })
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_the_last_good_address_goes_first() {
        let found = addresses(&["[::1]:1", "[::2]:1", "10.0.0.1:1", "10.0.0.2:1"]);
        assert_eq!(order(&found, None), addresses(&["[::1]:1", "10.0.0.1:1", "[::2]:1", "10.0.0.2:1"]));
        let good = "10.0.0.2:1".parse().unwrap();
        assert_eq!(order(&found, Some(good)), addresses(&["10.0.0.2:1", "[::1]:1", "10.0.0.1:1", "[::2]:1"]));
        let gone = "10.0.0.9:1".parse().unwrap();
        assert_eq!(order(&found[..1], Some(gone)), addresses(&["[::1]:1"]));
        assert_eq!(order(&[], None), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_costs_a_quarter_of_a_second() {
        let both = addresses(&["10.0.0.1:1", "10.0.0.2:1"]);
        let start = Instant::now();
        let attempt = |address, _| {
            let is_silent = address == both[0];
            async move { if is_silent { pending().await } else { Ok("stream") } }
        };
        assert_eq!(first(&both, attempt).await.unwrap(), (both[1], "stream"));
        assert_eq!(start.elapsed(), CONNECT_PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_slow_with_tls_gets_more_time_than_one_that_is_silent() {
        let both = addresses(&["10.0.0.1:1", "10.0.0.2:1"]);
        for (handshake, winner) in [(Duration::from_secs(1), 0), (Duration::from_secs(5), 1)] {
            let attempt = |address, progress: Progress| {
                let is_first = address == both[0];
                async move {
                    if is_first {
                        progress.set_connected();
                        sleep(handshake).await;
                    }
                    Ok(())
                }
            };
            assert_eq!(first(&both, attempt).await.unwrap().0, both[winner]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_starts_the_next_at_once_and_the_telling_one_is_reported() {
        let start = Instant::now();
        let both = addresses(&["10.0.0.1:1", "10.0.0.2:1"]);
        let failing = |address, _| {
            let is_first = address == both[0];
            async move {
                let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
                Err::<(), _>(if is_first { io::Error::other(tls) } else { io::ErrorKind::TimedOut.into() })
            }
        };
        assert!(explain::is_telling(&first(&both, failing).await.unwrap_err()));
        let refused = |_, _| async { Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionRefused)) };
        let error = first(&both, refused).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().matches("refused").count()),
            (io::ErrorKind::ConnectionRefused, 2)
        );
        assert!(first(&[], refused).await.is_err());
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_bounded() {
        let many: Vec<_> = (0..100).map(|port| SocketAddr::from(([10, 0, 0, 1], port))).collect();
        let tried = Cell::new(0);
        let refused = |_, _| {
            tried.set(tried.get() + 1);
            async { Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionRefused)) }
        };
        first(&many, refused).await.unwrap_err();
        assert_eq!(tried.get(), MAX_ATTEMPTS);
    }
}
