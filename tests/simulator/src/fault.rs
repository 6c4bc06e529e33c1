//! Faults: their kinds, their targets and their extent.

use std::time::{Duration, Instant};

use serde_json::Value;

/// A kind of fault.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// New TCP connections are refused; open ones live on. Concerns everyone, whatever the target.
    Refuse,
    /// Open connections are reset (`SO_LINGER` 0) at once. Over when it has happened.
    Reset,
    /// Open connections end at once without a close frame. Over when it has happened.
    Drop,
    /// Half-open: connections stay, nothing is read or written. They speak again when the fault ends.
    Silence,
    /// Each REST answer and each upgrade waits this long.
    Slow(Duration),
    /// REST answers 401, as when the server cannot look the session up (fact 22).
    Unauthorized,
    /// REST answers 429 in plain text, with the headers of fact 15.
    TooManyRequests {
        /// Seconds in `Retry-After`.
        retry_after: u64,
    },
    /// REST answers 500 with the server's error object.
    ServerError,
    /// REST does what it is asked, and the connection ends before the answer: what was made is there, and whoever asked
    /// does not know it.
    LostResponse,
    /// REST answers 200 and something that is not JSON.
    Garbage,
    /// REST answers 200 and a page of HTML, as proxies and login pages do.
    Html,
    /// REST answers 302 to this address.
    Redirect(String),
    /// REST answers 403 with the server's error object.
    Forbidden,
    /// REST answers 404 with the server's error object, as for a channel that does not exist (fact 32).
    NotFound,
    /// REST and upgrades answer with this status and a page of HTML, as a proxy does for the server.
    ProxyPage(u16),
    /// An interim answer 103 (Early Hints) comes before each answer, as some proxies send it.
    EarlyHints,
    /// Each answer says that it is compressed in this way, which nobody asked for, and is not readable as it is.
    Encoded(&'static str),
    /// A page of posts holds at most this many rows, although `next_post_id` or, towards the past, `prev_post_id` says that
    /// there are more (fact 34).
    ShortPage(usize),
    /// A value in a JSON answer is another one, or is left out. Answers that lack it stay as they are and do not count.
    Rewrite {
        /// The place, as a JSON pointer such as `/posts/ID/create_at`.
        pointer: String,
        /// The new value; none leaves it out.
        value: Option<Value>,
    },
    /// A text in the body of an answer is replaced. Answers that lack it stay as they are and do not count.
    Substitute {
        /// The text to find.
        text: String,
        /// The text in its place.
        with: String,
    },
    /// Sockets that open now are cut when they are this old, as proxies do. It counts each cut.
    SocketLifetime(Duration),
    /// Sockets that open now are cut when nothing was sent or received for this long, as proxies do. It counts each cut.
    SocketIdle(Duration),
    /// The upgrade succeeds and no hello comes; the socket works otherwise.
    HelloWithheld,
    /// The upgrade succeeds and the socket is dropped before hello.
    DropBeforeHello,
    /// An event is sent twice with one sequence number.
    DuplicateEvent,
    /// An event is numbered and not sent: a gap. A resume would bring it.
    SequenceGap,
    /// An event is lost before it is numbered: pings and sequence stay right.
    LostEvent,
    /// A frame that breaks the WebSocket protocol, at once.
    GarbageFrame,
    /// A text frame that is not JSON, at once.
    GarbageText,
    /// One event in a text frame of this many bytes, at once.
    HugeFrame(usize),
    /// Only the header of a frame that would be this long, at once.
    FrameHeaderOnly(u64),
    /// An event of unknown type in this many fragments, at once.
    FragmentedEvent(usize),
    /// A close frame with this code, at once.
    Close(u16),
    /// A WebSocket ping, at once.
    ServerPing,
}

/// The connections and requests that a fault strikes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Target {
    /// Every connection and every request.
    #[default]
    Everyone,
    /// The sockets and the requests of one user, by id.
    User(String),
    /// Requests of one route, such as `GET /users/me` or `GET /channels/{id}/posts`.
    Route(String),
    /// Requests of one user to one route.
    UserRoute(String, String),
}

/// A fault with its target and its extent; by default everyone, until it is cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) target: Target,
    pub(crate) times: Option<u32>,
    pub(crate) lasting: Option<Duration>,
}

/// Names an injected fault, to clear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FaultId(pub(crate) u64);

impl Fault {
    /// A fault for everyone, until it is cleared.
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, target: Target::Everyone, times: None, lasting: None }
    }

    /// Lists name a post in `order` and lack it in `posts`; the post by itself is there.
    pub fn missing_row(post_id: &str) -> Self {
        Self::new(FaultKind::Rewrite { pointer: format!("/posts/{post_id}"), value: None })
    }

    /// Lists hold a post whose `create_at` is null; the post by itself is well.
    pub fn null_create_at(post_id: &str) -> Self {
        let pointer = format!("/posts/{post_id}/create_at");
        Self::new(FaultKind::Rewrite { pointer, value: Some(Value::Null) })
    }

    /// Lists of channels name a channel by an id that is none.
    pub fn odd_channel_id(channel_id: &str) -> Self {
        let text = format!("\"id\":\"{channel_id}\"");
        Self::new(FaultKind::Substitute { text, with: "\"id\":\"not an id\"".to_owned() })
    }

    /// Strikes only this target.
    pub fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// Strikes only this user.
    pub fn user(self, user_id: &str) -> Self {
        self.target(Target::User(user_id.to_owned()))
    }

    /// Strikes only this route, such as `GET /users/me`.
    pub fn route(self, route: &str) -> Self {
        self.target(Target::Route(route.to_owned()))
    }

    /// Is over after it has struck so often.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Is over after this time.
    pub fn lasting(mut self, duration: Duration) -> Self {
        self.lasting = Some(duration);
        self
    }
}

/// The user and route of a request or connection that may be struck.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FaultSubject<'a> {
    pub(crate) user: Option<&'a str>,
    pub(crate) route: Option<&'a str>,
}

impl<'a> FaultSubject<'a> {
    pub(crate) fn user(user: &'a str) -> FaultSubject<'a> {
        FaultSubject { user: Some(user), route: None }
    }
}

impl Target {
    pub(crate) fn matches(&self, subject: &FaultSubject<'_>) -> bool {
        match self {
            Self::Everyone => true,
            Self::User(id) => subject.user == Some(id),
            Self::Route(route) => subject.route == Some(route),
            Self::UserRoute(id, route) => subject.user == Some(id) && subject.route == Some(route),
        }
    }
}

/// Faults that strike an event on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventFault {
    Lose,
    Gap,
    Duplicate,
}

/// Faults that strike a hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HelloFault {
    Withheld,
    Dropped,
}

#[derive(Debug)]
struct Active {
    id: FaultId,
    fault: Fault,
    until: Option<Instant>,
}

/// The faults that are on.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    active: Vec<Active>,
    next_id: u64,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) -> FaultId {
        self.next_id += 1;
        let id = FaultId(self.next_id);
        let until = fault.lasting.map(|duration| Instant::now() + duration);
        self.active.push(Active { id, fault, until });
        id
    }

    pub(crate) fn remove(&mut self, id: FaultId) -> Option<Fault> {
        let at = self.active.iter().position(|active| active.id == id)?;
        Some(self.active.remove(at).fault)
    }

    pub(crate) fn ids(&self) -> Vec<FaultId> {
        self.active.iter().map(|active| active.id).collect()
    }

    /// Returns true when a kind of fault is on for a subject, without using it up.
    pub(crate) fn is_on(&self, subject: &FaultSubject<'_>, kind: impl Fn(&FaultKind) -> bool) -> bool {
        self.active.iter().any(|active| active.strikes(subject, &kind))
    }

    /// Strikes: finds the first such fault and counts it.
    pub(crate) fn trigger(
        &mut self,
        subject: &FaultSubject<'_>,
        kind: impl Fn(&FaultKind) -> bool,
    ) -> Option<FaultKind> {
        let at = self.active.iter().position(|active| active.strikes(subject, &kind))?;
        let active = &mut self.active[at];
        let struck = active.fault.kind.clone();
        if let Some(times) = &mut active.fault.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.active.remove(at);
            }
        }
        Some(struck)
    }

    /// Finds the first such fault and does not count it.
    pub(crate) fn find(
        &self,
        subject: &FaultSubject<'_>,
        kind: impl Fn(&FaultKind) -> bool,
    ) -> Option<&FaultKind> {
        self.active.iter().find(|active| active.strikes(subject, &kind)).map(|active| &active.fault.kind)
    }

    /// Strikes with each fault that has an effect, and counts those.
    pub(crate) fn trigger_each(
        &mut self,
        subject: &FaultSubject<'_>,
        mut strike: impl FnMut(&FaultKind) -> bool,
    ) {
        self.active.retain_mut(|active| {
            if !active.strikes(subject, |_| true) || !strike(&active.fault.kind) {
                return true;
            }
            let times = active.fault.times.map(|times| times.saturating_sub(1));
            active.fault.times = times;
            times != Some(0)
        });
    }

    pub(crate) fn trigger_event(&mut self, event: EventFault, subject: &FaultSubject<'_>) -> bool {
        let kind = match event {
            EventFault::Lose => FaultKind::LostEvent,
            EventFault::Gap => FaultKind::SequenceGap,
            EventFault::Duplicate => FaultKind::DuplicateEvent,
        };
        !self.active.is_empty() && self.trigger(subject, |k| *k == kind).is_some()
    }

    pub(crate) fn trigger_hello(&mut self, subject: &FaultSubject<'_>) -> Option<HelloFault> {
        let hello = |k: &FaultKind| matches!(k, FaultKind::HelloWithheld | FaultKind::DropBeforeHello);
        Some(match self.trigger(subject, hello)? {
            FaultKind::DropBeforeHello => HelloFault::Dropped,
            _ => HelloFault::Withheld,
        })
    }
}

impl Active {
    fn strikes(&self, subject: &FaultSubject<'_>, kind: impl Fn(&FaultKind) -> bool) -> bool {
        kind(&self.fault.kind)
            && self.fault.target.matches(subject)
            && self.until.is_none_or(|until| Instant::now() < until)
            && self.fault.times != Some(0)
    }
}
