//! `type = "nats"`.

use std::time::Duration;

use super::attempts::{self, AttemptLimits};
use crate::config::{
    key_reader::TableReader,
    nats_access::{self, NatsAccess, NatsKeys},
    servers::ReadContext,
    value::ByteSize,
};

/// The name of the stream.
const STREAM: &str = "matterhost_events";
/// The beginning of the subjects.
const SUBJECT: &str = "matterhost.events";
/// A single server of NATS has one.
const REPLICAS: usize = 1;
/// The most that NATS allows.
const MOST_REPLICAS: usize = 5;
/// A consumer that is away over a holiday misses nothing.
const KEEP_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// Shorter, an event could be gone before its consumer has restarted.
const SHORTEST_KEEP: Duration = Duration::from_secs(60);
/// Practically for ever.
const LONGEST_KEEP: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// About half a million ordinary posts, and a fraction of any disk.
const KEEP_SIZE: ByteSize = ByteSize(1 << 30);
/// Less than a few hundred posts is a mistake.
const SMALLEST_SIZE: ByteSize = ByteSize(1 << 20);
/// Close to the limits of file systems.
const LARGEST_SIZE: ByteSize = ByteSize(1 << 40);
/// As long as NATS itself has it; a restart and its catch-up take seconds.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// Shorter, an event that is sent again after a restart would come twice.
const SHORTEST_WINDOW: Duration = Duration::from_secs(10);
/// NATS keeps the ids of this time in memory.
const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// Hundred thousand events a second at the half millisecond of a near server.
const IN_FLIGHT: usize = 64;
/// More unanswered events than a server takes in a second.
const MOST_IN_FLIGHT: usize = 65_536;
/// An election of a cluster takes up to six seconds.
const TIMEOUT: Duration = Duration::from_secs(10);
/// No network answers sooner.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);
/// The longest time that any other sink waits.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);
/// The longest name of a stream and beginning of a subject: they are parts of names in NATS.
const LONGEST_NAME: usize = 64;

/// A stream of NATS.
#[derive(Debug, Clone, PartialEq)]
pub struct NatsConfig {
    /// The servers, and the way to them.
    pub access: NatsAccess,
    /// The name of the stream.
    pub stream: String,
    /// The beginning of the subjects.
    pub subject: String,
    /// The servers that hold the stream.
    pub replicas: usize,
    /// The age at which a stream that is made here drops events.
    pub keep_for: Duration,
    /// The size in bytes at which a stream that is made here drops its oldest events.
    pub keep_size: u64,
    /// The time within which the stream recognizes an event that it has.
    pub duplicate_window: Duration,
    /// The limit of unanswered events.
    pub in_flight: usize,
    /// The time limit for the answer to an event.
    pub timeout: Duration,
    /// The limits of the attempts for one event.
    pub attempts: AttemptLimits,
}

pub(super) fn read(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<NatsConfig> {
    let keys = NatsKeys { servers: "servers", owner: "sink's" };
    let access = nats_access::read(section, keys, true, context);
    let stream = section.read("stream", STREAM.to_owned());
    let subject = section.read("subject", SUBJECT.to_owned());
    let replicas = section.within("replicas", REPLICAS, 1..=MOST_REPLICAS);
    let keep_for = section.within("keep_for", KEEP_FOR, SHORTEST_KEEP..=LONGEST_KEEP);
    let keep_size = section.within("keep_size", KEEP_SIZE, SMALLEST_SIZE..=LARGEST_SIZE);
    let duplicate_window =
        section.within("duplicate_window", DUPLICATE_WINDOW, SHORTEST_WINDOW..=LONGEST_WINDOW);
    let in_flight = section.within("in_flight", IN_FLIGHT, 1..=MOST_IN_FLIGHT);
    let timeout = section.within("timeout", TIMEOUT, SHORTEST_TIMEOUT..=LONGEST_TIMEOUT);
    let attempts = attempts::read(section);
    if !is_token(&stream) {
        let remedy = format!("use 1 to {LONGEST_NAME} of A-Z, a-z, 0-9, '-' and '_'");
        section.refuse("stream", "it cannot be the name of a stream", remedy);
    }
    if subject.len() > LONGEST_NAME || !subject.split('.').all(is_token) {
        let remedy = format!(
            "use words of A-Z, a-z, 0-9, '-' and '_' with dots between, at most {LONGEST_NAME} characters"
        );
        section.refuse("subject", "it cannot be the beginning of a subject", remedy);
    }
    if keep_for < duplicate_window {
        section.refuse(
            "duplicate_window",
            "it is longer than keep_for, which NATS refuses",
            "make keep_for at least as long",
        );
    }
    if cfg!(not(feature = "cluster")) && section.has("type") {
        section.refuse("type", "this program was built without NATS", "build with --features cluster");
    }
    let keep_size = keep_size.0 as u64;
    let access = access?;
    Some(NatsConfig {
        access,
        stream,
        subject,
        replicas,
        keep_for,
        keep_size,
        duplicate_window,
        in_flight,
        timeout,
        attempts,
    })
}

fn is_token(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(is_allowed)
}

impl NatsConfig {
    /// Returns each key with the comparison of its values.
    pub(in crate::config) fn compare(&self, other: &Self) -> Vec<(&'static str, bool)> {
        let own = [
            ("stream", self.stream == other.stream),
            ("subject", self.subject == other.subject),
            ("replicas", self.replicas == other.replicas),
            ("keep_for", self.keep_for == other.keep_for),
            ("keep_size", self.keep_size == other.keep_size),
            ("duplicate_window", self.duplicate_window == other.duplicate_window),
            ("in_flight", self.in_flight == other.in_flight),
            ("timeout", self.timeout == other.timeout),
            ("max_attempts", self.attempts.max_attempts == other.attempts.max_attempts),
            ("max_age", self.attempts.max_age == other.attempts.max_age),
        ];
        self.access.compare(&other.access, "servers").into_iter().chain(own).collect()
    }
}
