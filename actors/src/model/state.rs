//! The state of an account, as the Supervisor sees it.

use std::fmt;

/// The state of an account.
///
/// ```text
/// stopped ── start ──▶ connecting ──▶ catching_up ──▶ ready ◀──▶ stalled
///    ▲                     ▲  │  ▲          │            │
///    │ stop                │  │  └─ backoff ◀────────────┘ an ending (never charged, or budget left)
///    └── (any) ── stop     │  ├──▶ blocked        401; asked slowly until it answers 200
///                          │  ├──▶ misconfigured  asked slowly
///                          │  └──▶ tripped        budget spent; cooldown, then connecting (half-open)
///                          └── blocked, misconfigured, tripped
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountState {
    /// A Connection is on its way to its hello.
    Connecting,
    /// Hello came; what was missed is being fetched.
    CatchingUp,
    /// Events flow.
    Ready,
    /// Connected, but the sink or the store takes nothing: reading is paused.
    Stalled,
    /// Waiting before the next Connection.
    Backoff,
    /// The server answers 401; asked slowly.
    Blocked,
    /// The server or the way to it is set up wrongly; asked slowly.
    Misconfigured,
    /// The restart budget is spent; tried again after the cooldown.
    Tripped,
    /// A Connection was told to stop and has not ended yet.
    Stopping,
    /// Nothing runs until somebody starts it.
    Stopped,
}

impl AccountState {
    /// All of them, in the order in which a person asks for them.
    pub const ALL: [Self; 10] = [
        Self::Ready,
        Self::Connecting,
        Self::CatchingUp,
        Self::Stalled,
        Self::Backoff,
        Self::Blocked,
        Self::Misconfigured,
        Self::Tripped,
        Self::Stopping,
        Self::Stopped,
    ];

    /// The state in one word, for logs, metrics and the API.
    pub fn label(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::CatchingUp => "catching_up",
            Self::Ready => "ready",
            Self::Stalled => "stalled",
            Self::Backoff => "backoff",
            Self::Blocked => "blocked",
            Self::Misconfigured => "misconfigured",
            Self::Tripped => "tripped",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for AccountState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}
