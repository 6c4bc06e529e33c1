//! Sockets that a proxy ends again and again at the same age, or after the same time without traffic.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::{Duration, Instant},
};

/// The least age of a socket that a proxy ended. Something that ends sockets sooner keeps an account from working, and
/// reconnecting at once would be a storm.
const LEAST_AGE: Duration = Duration::from_secs(10);
/// The greatest age: what ends sockets twice a day or less often is more likely a nightly restart, and harmless.
const GREATEST_AGE: Duration = Duration::from_secs(12 * 3600);
/// The least time without traffic that counts as idle: more than a round trip and the shortest ping interval.
const LEAST_IDLE: Duration = Duration::from_secs(5);
/// The drops of one account that show a proxy's doing.
const PROOF: usize = 3;
/// The greatest ratio between the times of drops that belong together.
const TOLERANCE: f64 = 1.1;
/// The least time between two reports for a server: a proxy whose lifetime varies is reported rarely.
const REPORT_INTERVAL: Duration = Duration::from_secs(3600);
/// Drops this long before an outage was noticed belong to it.
const OUTAGE_WINDOW: Duration = Duration::from_secs(10);

/// The rule by which something between ends sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SocketLifetime {
    /// At this age, whatever is sent.
    Age(Duration),
    /// After this time without traffic.
    Idle(Duration),
}

/// The end of a socket that was ready.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SocketDrop {
    /// The time of the end.
    pub(crate) at: Instant,
    /// The time since the socket was opened.
    pub(crate) age: Duration,
    /// The time since the last frame in either direction.
    pub(crate) quiet: Duration,
}

/// A drop that a proxy caused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProxyDrop<K> {
    /// The rule that the drops show.
    pub(crate) lifetime: SocketLifetime,
    /// The earlier drops of the account that show it.
    pub(crate) earlier: Vec<(K, Instant)>,
    /// True if the rule must be reported.
    pub(crate) is_news: bool,
}

/// The recent drops of a server's accounts, and the lifetime that they show.
#[derive(Debug)]
pub(crate) struct SocketLifetimes<K> {
    /// The last drops of each account, oldest first; fewer than [`PROOF`].
    recent: HashMap<K, VecDeque<SocketDrop>>,
    known: Option<SocketLifetime>,
    reported: Option<(SocketLifetime, Instant)>,
}

impl<K> Default for SocketLifetimes<K> {
    fn default() -> Self {
        Self { recent: HashMap::new(), known: None, reported: None }
    }
}

impl SocketLifetime {
    /// Returns the age or the idle time.
    fn after(self) -> Duration {
        match self {
            Self::Age(after) | Self::Idle(after) => after,
        }
    }

    /// True if the drop is one by this rule.
    fn explains(self, drop: &SocketDrop) -> bool {
        match self {
            Self::Age(age) => are_near(&[age, drop.age]),
            Self::Idle(idle) => are_near(&[idle, drop.quiet]),
        }
    }

    fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
            && are_near(&[self.after(), other.after()])
    }
}

impl<K: Clone + Eq + Hash> SocketLifetimes<K> {
    /// Records the drop of a ready account. Returns the rule behind it if it is a proxy's doing.
    pub(crate) fn dropped(&mut self, account: &K, drop: SocketDrop) -> Option<ProxyDrop<K>> {
        if !(LEAST_AGE..=GREATEST_AGE).contains(&drop.age) {
            self.recent.remove(account);
            return None;
        }
        let before = self.recent.entry(account.clone()).or_default();
        before.push_back(drop);
        let shown = shown_by(before);
        let earlier: Vec<Instant> = before.iter().map(|drop| drop.at).filter(|at| *at != drop.at).collect();
        if before.len() == PROOF {
            before.pop_front();
        }
        let known = self.known.filter(|known| known.explains(&drop));
        let lifetime = shown.or(known)?;
        self.known = Some(lifetime);
        let earlier = if shown.is_some() { earlier } else { Vec::new() };
        let earlier = earlier.into_iter().map(|at| (account.clone(), at)).collect();
        Some(ProxyDrop { lifetime, earlier, is_news: self.must_report(lifetime, drop.at) })
    }

    /// Discards the drops around the beginning of an outage: the server caused them.
    pub(crate) fn server_down(&mut self, since: Instant) {
        self.recent.retain(|_, drops| {
            drops.retain(|drop| since.saturating_duration_since(drop.at) > OUTAGE_WINDOW);
            !drops.is_empty()
        });
    }

    /// Removes an account that is no longer hosted.
    pub(crate) fn forget(&mut self, account: &K) {
        self.recent.remove(account);
    }

    fn must_report(&mut self, lifetime: SocketLifetime, now: Instant) -> bool {
        let is_news = self.reported.is_none_or(|(reported, at)| {
            !reported.is_like(lifetime) && now.saturating_duration_since(at) >= REPORT_INTERVAL
        });
        if is_news {
            self.reported = Some((lifetime, now));
        }
        is_news
    }
}

/// Returns the rule that an account's last drops show, if they are enough.
fn shown_by(drops: &VecDeque<SocketDrop>) -> Option<SocketLifetime> {
    if drops.len() < PROOF {
        return None;
    }
    let quiet: Vec<Duration> = drops.iter().map(|drop| drop.quiet).collect();
    let ages: Vec<Duration> = drops.iter().map(|drop| drop.age).collect();
    let shortest = |times: &[Duration]| times.iter().min().copied().unwrap_or_default();
    if shortest(&quiet) >= LEAST_IDLE && are_near(&quiet) {
        Some(SocketLifetime::Idle(shortest(&quiet)))
    } else {
        are_near(&ages).then(|| SocketLifetime::Age(shortest(&ages)))
    }
}

/// True if the longest of the times is at most a tenth longer than the shortest.
fn are_near(times: &[Duration]) -> bool {
    let (Some(shortest), Some(longest)) = (times.iter().min(), times.iter().max()) else { return false };
    *longest <= shortest.mul_f64(TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Records drops of one account with these ages and quiet times, in seconds. Returns the rule after each.
    fn rules(drops: &[(u32, u32)]) -> Vec<Option<SocketLifetime>> {
        let mut lifetimes = SocketLifetimes::default();
        let mut at = Instant::now();
        let mut rules = Vec::new();
        for (age, quiet) in drops {
            at += *age * SECOND;
            let drop = SocketDrop { at, age: *age * SECOND, quiet: *quiet * SECOND };
            rules.push(lifetimes.dropped(&"bot", drop).map(|found| found.lifetime));
        }
        rules
    }

    #[test]
    fn three_drops_within_a_tenth_of_each_other_show_a_lifetime() {
        let age = |seconds: u32| Some(SocketLifetime::Age(seconds * SECOND));
        let idle = |seconds: u32| Some(SocketLifetime::Idle(seconds * SECOND));
        for (drops, last) in [
            (&[(30, 0), (31, 0), (33, 1)][..], age(30)),
            (&[(30, 0), (31, 0), (34, 0)], None),
            (&[(30, 0), (90, 0), (31, 0), (32, 0)], None),
            (&[(9, 0), (9, 0), (9, 0)], None),
            (&[(10, 0), (10, 0), (10, 0)], age(10)),
            (&[(50_000, 0), (50_000, 0), (50_000, 0)], None),
            (&[(25, 20), (700, 21), (60, 20)], idle(20)),
            (&[(30, 20), (30, 3), (30, 9)], age(30)),
            (&[(30, 0), (30, 0), (30, 0), (90, 0), (30, 0)], age(30)),
        ] {
            assert_eq!(rules(drops).last().copied().flatten(), last, "{drops:?}");
        }
    }

    #[test]
    fn the_earlier_drops_are_excused_with_the_third_and_the_rule_is_reported_once() {
        let mut lifetimes = SocketLifetimes::default();
        let start = Instant::now();
        let drop = |n: u32| SocketDrop { at: start + n * 30 * SECOND, age: 30 * SECOND, quiet: SECOND };
        assert_eq!(lifetimes.dropped(&"bot", drop(1)), None);
        assert_eq!(lifetimes.dropped(&"bot", drop(2)), None);
        let found = lifetimes.dropped(&"bot", drop(3)).unwrap();
        assert_eq!(found.earlier, [("bot", drop(1).at), ("bot", drop(2).at)]);
        assert!(found.is_news);
        assert!(!lifetimes.dropped(&"bot", drop(4)).unwrap().is_news);
        let other = lifetimes.dropped(&"other", drop(4)).unwrap();
        assert_eq!((other.earlier, other.is_news), (Vec::new(), false), "the rule is the server's");
    }

    #[test]
    fn drops_with_an_outage_show_nothing() {
        let mut lifetimes = SocketLifetimes::default();
        let start = Instant::now();
        for n in 1..=9u32 {
            let at = start + n * 30 * SECOND;
            let drop = SocketDrop { at, age: 30 * SECOND, quiet: SECOND };
            assert_eq!(lifetimes.dropped(&"bot", drop), None);
            lifetimes.server_down(at + SECOND);
        }
    }
}
