//! What was asked of one server, counted for metrics.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_http::Method;

use crate::mattermost::{DialError, DialErrorKind, RestError, RestErrorKind};
use crate::policy::RequestClass;

/// What was asked of one server since the program began; shared by all that ask, from any thread.
///
/// A request costs one lock that nobody holds for long; that is nothing beside the request.
#[derive(Debug, Default)]
pub struct RequestStats {
    /// Bounded by the routes there are and the answers that HTTP has.
    requests: Mutex<BTreeMap<(&'static str, &'static str, RequestOutcome), u64>>,
    dials: Mutex<BTreeMap<RequestOutcome, u64>>,
    waits: [Wait; RequestClass::ALL.len()],
}

#[derive(Debug, Default)]
struct Wait {
    times: AtomicU64,
    micros: AtomicU64,
}

/// What came of a request or a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestOutcome {
    /// An answer with this HTTP status.
    Http(u16),
    /// No answer, or one that cannot be used, in one word.
    Failed(&'static str),
}

/// Requests that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestCount {
    /// The HTTP method.
    pub method: &'static str,
    /// The route, with names in place of ids.
    pub route: &'static str,
    /// What came of them.
    pub status: RequestOutcome,
    /// How many there were.
    pub times: u64,
}

/// How requests of one class waited for the gate's leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitStats {
    /// The class.
    pub class: RequestClass,
    /// How many were given leave.
    pub times: u64,
    /// How long they waited, all together.
    pub time: Duration,
}

impl RequestStats {
    pub(in crate::mattermost) fn record_request(
        &self,
        method: &Method,
        route: &'static str,
        answer: Result<u16, &RestError>,
    ) {
        let status = answer.map_or_else(|error| of_rest(error.kind), RequestOutcome::Http);
        count(&self.requests, (known(method), route, status));
    }

    pub(in crate::mattermost) fn record_dial(&self, failed: Option<&DialError>) {
        const SWITCHED: u16 = 101;
        count(&self.dials, failed.map_or(RequestOutcome::Http(SWITCHED), |error| of_dial(error.kind)));
    }

    /// A request was given leave after so long.
    pub(crate) fn record_wait(&self, class: RequestClass, time: Duration) {
        let wait = &self.waits[class as usize];
        wait.times.fetch_add(1, Ordering::Relaxed);
        wait.micros.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The requests so far, those alike together.
    pub fn requests(&self) -> Vec<RequestCount> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let requested = |(key, times): (&(_, _, _), &u64)| {
            let (method, route, status) = *key;
            RequestCount { method, route, status, times: *times }
        };
        requests.iter().map(requested).collect()
    }

    /// The dials so far, by what came of them; 101 is a socket.
    pub fn dials(&self) -> Vec<(RequestOutcome, u64)> {
        let dials = self.dials.lock().unwrap_or_else(PoisonError::into_inner);
        dials.iter().map(|(status, times)| (*status, *times)).collect()
    }

    /// What requests waited for the gate's leave so far, each class.
    pub fn waits(&self) -> [WaitStats; RequestClass::ALL.len()] {
        RequestClass::ALL.map(|class| {
            let wait = &self.waits[class as usize];
            let time = Duration::from_micros(wait.micros.load(Ordering::Relaxed));
            WaitStats { class, times: wait.times.load(Ordering::Relaxed), time }
        })
    }
}

fn count<K: Ord>(counts: &Mutex<BTreeMap<K, u64>>, key: K) {
    // A panic while it was held leaves a map that is whole.
    *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
}

fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn of_rest(kind: RestErrorKind) -> RequestOutcome {
    match kind {
        RestErrorKind::Unauthorized => RequestOutcome::Http(401),
        RestErrorKind::NotFound => RequestOutcome::Http(404),
        RestErrorKind::RateLimited { .. } => RequestOutcome::Http(429),
        RestErrorKind::Server(status) | RestErrorKind::Refused(status) => RequestOutcome::Http(status),
        RestErrorKind::Unreachable => RequestOutcome::Failed("unreachable"),
        RestErrorKind::Timeout => RequestOutcome::Failed("timeout"),
        RestErrorKind::Tls => RequestOutcome::Failed("tls"),
        RestErrorKind::Redirect => RequestOutcome::Failed("redirect"),
        RestErrorKind::TooLarge => RequestOutcome::Failed("too_large"),
        RestErrorKind::NotJson | RestErrorKind::BadBody => RequestOutcome::Failed("unreadable"),
    }
}

fn of_dial(kind: DialErrorKind) -> RequestOutcome {
    match kind {
        DialErrorKind::Refused { status, .. } => RequestOutcome::Http(status),
        DialErrorKind::Unreachable => RequestOutcome::Failed("unreachable"),
        DialErrorKind::Timeout => RequestOutcome::Failed("timeout"),
        DialErrorKind::Tls => RequestOutcome::Failed("tls"),
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
