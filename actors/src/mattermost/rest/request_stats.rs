//! Counters of the requests to one server, for metrics.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use actix_http::Method;
use parking_lot::Mutex;

use crate::{
    mattermost::{DialError, DialErrorKind, RestError, RestErrorKind},
    policy::RequestClass,
};

/// Counters of the requests and dials to one server since the program started, shared by all threads.
///
/// Each request takes a lock that is held briefly: a negligible cost compared with the request.
#[derive(Debug, Default)]
pub struct RequestStats {
    /// Bounded by the number of routes and of HTTP statuses.
    requests: Mutex<BTreeMap<(&'static str, &'static str, RequestOutcome), u64>>,
    dials: Mutex<BTreeMap<RequestOutcome, u64>>,
    waits: [Wait; RequestClass::ALL.len()],
}

#[derive(Debug, Default)]
struct Wait {
    times: AtomicU64,
    micros: AtomicU64,
}

/// The outcome of a request or a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestOutcome {
    /// A response with this HTTP status.
    Http(u16),
    /// No usable response; the cause in one word.
    Failed(&'static str),
}

/// The number of requests with the same method, route and outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestCount {
    /// The HTTP method.
    pub method: &'static str,
    /// The route, with placeholders for ids.
    pub route: &'static str,
    /// Their outcome.
    pub status: RequestOutcome,
    /// The number of requests.
    pub times: u64,
}

/// The time that requests of one class spent waiting for a permit from the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitStats {
    /// The class.
    pub class: RequestClass,
    /// The number of permits.
    pub times: u64,
    /// The total waiting time.
    pub time: Duration,
}

impl RequestStats {
    pub(super) fn record_request(
        &self,
        method: &Method,
        route: &'static str,
        response: Result<u16, &RestError>,
    ) {
        let status = response.map_or_else(|error| rest_outcome(error.kind), RequestOutcome::Http);
        count(&self.requests, (method_name(method), route, status));
    }

    pub(super) fn record_dial(&self, failed: Option<&DialError>) {
        const SWITCHING_PROTOCOLS: u16 = 101;
        count(
            &self.dials,
            failed.map_or(RequestOutcome::Http(SWITCHING_PROTOCOLS), |error| dial_outcome(error.kind)),
        );
    }

    /// Records a permit from the gate and the time spent waiting for it.
    pub(crate) fn record_wait(&self, class: RequestClass, time: Duration) {
        let wait = &self.waits[class as usize];
        wait.times.fetch_add(1, Ordering::Relaxed);
        wait.micros.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Returns the number of requests so far for each method, route and outcome.
    pub fn requests(&self) -> Vec<RequestCount> {
        let requests = self.requests.lock();
        let to_count = |(key, times): (&(_, _, _), &u64)| {
            let (method, route, status) = *key;
            RequestCount { method, route, status, times: *times }
        };
        requests.iter().map(to_count).collect()
    }

    /// Returns the number of dials so far by outcome; 101 is an open socket.
    pub fn dials(&self) -> Vec<(RequestOutcome, u64)> {
        let dials = self.dials.lock();
        dials.iter().map(|(status, times)| (*status, *times)).collect()
    }

    /// Returns the waiting times for the gate's permits so far, by class.
    pub fn waits(&self) -> [WaitStats; RequestClass::ALL.len()] {
        RequestClass::ALL.map(|class| {
            let wait = &self.waits[class as usize];
            let time = Duration::from_micros(wait.micros.load(Ordering::Relaxed));
            WaitStats { class, times: wait.times.load(Ordering::Relaxed), time }
        })
    }
}

fn count<K: Ord>(counts: &Mutex<BTreeMap<K, u64>>, key: K) {
    *counts.lock().entry(key).or_default() += 1;
}

fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn rest_outcome(kind: RestErrorKind) -> RequestOutcome {
    match kind {
        RestErrorKind::Unauthorized => RequestOutcome::Http(401),
        RestErrorKind::NotFound => RequestOutcome::Http(404),
        RestErrorKind::RateLimited { .. } => RequestOutcome::Http(429),
        RestErrorKind::Server(status) | RestErrorKind::Refused(status) => RequestOutcome::Http(status),
        RestErrorKind::Unreachable => RequestOutcome::Failed("unreachable"),
        RestErrorKind::Timeout => RequestOutcome::Failed("timeout"),
        RestErrorKind::Tls => RequestOutcome::Failed("tls"),
        RestErrorKind::Proxy => RequestOutcome::Failed("proxy"),
        RestErrorKind::Redirect => RequestOutcome::Failed("redirect"),
        RestErrorKind::TooLarge => RequestOutcome::Failed("too_large"),
        RestErrorKind::NotJson | RestErrorKind::BadBody => RequestOutcome::Failed("unreadable"),
    }
}

fn dial_outcome(kind: DialErrorKind) -> RequestOutcome {
    match kind {
        DialErrorKind::Refused { status, .. } => RequestOutcome::Http(status),
        DialErrorKind::Unreachable => RequestOutcome::Failed("unreachable"),
        DialErrorKind::Timeout => RequestOutcome::Failed("timeout"),
        DialErrorKind::Tls => RequestOutcome::Failed("tls"),
        DialErrorKind::Proxy => RequestOutcome::Failed("proxy"),
        DialErrorKind::Redirect => RequestOutcome::Failed("redirect"),
        DialErrorKind::NotWebSocket => RequestOutcome::Failed("unreadable"),
    }
}

impl fmt::Display for RequestOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(status) => status.fmt(f),
            Self::Failed(word) => f.write_str(word),
        }
    }
}
