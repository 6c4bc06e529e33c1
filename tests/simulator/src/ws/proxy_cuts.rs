//! The cuts of a proxy in front of the server: it ends a socket that is old, or that was idle for long.

use std::time::Duration;

use tokio::time::Instant;

use crate::fault::{FaultKind, FaultSubject, Faults};

/// The times at which a proxy cuts a socket.
#[derive(Debug, Default)]
pub(crate) struct ProxyCuts {
    lifetime: Option<(Duration, Instant)>,
    idle: Option<(Duration, Instant)>,
}

impl ProxyCuts {
    /// The cuts of the faults that are on for a socket which opens now.
    pub(crate) fn new(faults: &Faults, subject: &FaultSubject<'_>, now: Instant) -> Self {
        let lifetime = faults.find(subject, |kind| matches!(kind, FaultKind::SocketLifetime(_)));
        let idle = faults.find(subject, |kind| matches!(kind, FaultKind::SocketIdle(_)));
        let limit = |kind: Option<&FaultKind>| match kind {
            Some(FaultKind::SocketLifetime(limit) | FaultKind::SocketIdle(limit)) => {
                Some((*limit, now + *limit))
            }
            _ => None,
        };
        Self { lifetime: limit(lifetime), idle: limit(idle) }
    }

    /// Something was sent or received.
    pub(crate) fn moved(&mut self, now: Instant) {
        if let Some((limit, deadline)) = &mut self.idle {
            *deadline = now + *limit;
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        [self.lifetime, self.idle].into_iter().flatten().map(|(_, deadline)| deadline).min()
    }

    /// The fault whose time has come. It is asked for once: what was cleared meanwhile does not come again.
    pub(crate) fn due(&mut self, now: Instant) -> Option<FaultKind> {
        let is_due = |(_, deadline): &mut (Duration, Instant)| *deadline <= now;
        let old = self.lifetime.take_if(is_due).map(|(limit, _)| FaultKind::SocketLifetime(limit));
        old.or_else(|| self.idle.take_if(is_due).map(|(limit, _)| FaultKind::SocketIdle(limit)))
    }
}
