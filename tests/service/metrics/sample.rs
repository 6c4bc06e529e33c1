//! Sample metrics with at least one series in each family.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use matterhost::{
    cluster::FinishedActions,
    telemetry::metrics::{ActionMetrics, ClusterMetrics, FilterKey, Format, Metrics, SinkMeter},
};
use matterhost_actors::{
    mattermost::{Client, ClientConfig, ClientLimits},
    model::{
        AccountName, AccountSnapshot, AccountState, AccountUser, CloseReason, Event, EventBody, Fact,
        Generation, Observation, ServerName, ServerSnapshot, Stalls, Subject, Token, Truncation,
    },
    ports::Outcome,
};

const SECOND: Duration = Duration::from_secs(1);

/// Metrics of two accounts of one server, one of them stalled.
pub(crate) struct SampleMetrics {
    metrics: Metrics,
    /// Keeps the sinks' series: they disappear when it is dropped.
    _sink: SinkMeter,
    accounts: Vec<AccountSnapshot>,
    servers: Vec<ServerSnapshot>,
}

impl SampleMetrics {
    pub(crate) fn new(per_account: bool) -> Self {
        let metrics = Metrics::new(per_account);
        facts(&metrics);
        let sink = metrics.sink_meter("hook");
        sink.start().finish(&Outcome::Acknowledged);
        sink.record_lost();
        sink.record_left_out(FilterKey::Recovered);
        sink.set_state("running", 0);
        metrics.hook_meter().start("command").finish("answered");
        metrics.event_meter(&name("bot"), &server()).record(&event("bot", "posted"));
        metrics.set_cluster(member());
        record_requests(&metrics);
        let mut stalled = account("stalled", 1);
        (stalled.state, stalled.stalls) = (AccountState::Stalled, Stalls { sink: true, store: true });
        let mut unproven = account("bot", 5);
        unproven.since -= 600 * SECOND;
        unproven.last_good_probe = Some(unproven.since);
        Self { metrics, accounts: vec![unproven, stalled], servers: vec![a_server()], _sink: sink }
    }

    pub(crate) fn render(&self, format: Format) -> String {
        self.metrics.render(format, self.accounts.clone(), self.servers.clone())
    }
}

/// The numbers of a member with a lease.
fn member() -> ClusterMetrics {
    ClusterMetrics {
        member: "a".into(),
        is_member: true,
        is_draining: false,
        members: 2,
        shards: [("running", 512), ("moving", 0), ("unowned", 0), ("awaited", 0)],
        renewals: [("renewed", 9), ("failed", 1)],
        lost_leases: 0,
        shard_changes: [("started", 1024), ("stopped", 512)],
        user_changes: [("announced", 2), ("left_out", 0), ("heard", 3)],
        actions: Some(ActionMetrics {
            queued: Some(3),
            oldest_age: Some(SECOND),
            at_work: vec![(server(), 1)],
            finished: FinishedActions::default().by_label(),
        }),
    }
}

fn facts(metrics: &Metrics) {
    for fact in [
        Fact::Ready { after: SECOND },
        Fact::HearsAgain { after: SECOND },
        Fact::CaughtUp { channels: 1, recovered: 1, took: SECOND },
        Fact::ProbeGood { took: SECOND },
        Fact::Closed { reason: CloseReason::Silent, ready_for: None, charged: true },
        truncated(),
    ] {
        metrics.observe(&observation("bot", fact));
    }
}

/// Records a request and a dial without an answer.
fn record_requests(metrics: &Metrics) {
    let config =
        ClientConfig::new("http://127.0.0.1:1".parse().unwrap(), None, ClientLimits::default(), "test");
    actix_rt::System::new().block_on(async {
        let client = Client::with_stats(&config, metrics.request_stats(&server()));
        client.system_ping().await.unwrap_err();
        client.dial(&Token::new("a-token").unwrap(), None).await.unwrap_err();
    });
}

pub(crate) fn truncated() -> Fact {
    Fact::CatchUpTruncated { channel: "c".into(), what: Truncation::Posts { limit: 1 } }
}

pub(crate) fn observation(account: &str, fact: Fact) -> Observation {
    let subject = Subject::Account(name(account), Generation(1));
    Observation { at: SystemTime::now(), server: server(), subject, fact }
}

pub(crate) fn account(account: &str, budget_left: u32) -> AccountSnapshot {
    AccountSnapshot {
        account: name(account),
        server: server(),
        user: None,
        sinks: Arc::default(),
        state: AccountState::Ready,
        since: SystemTime::now(),
        generation: Generation(2),
        events: 1,
        last_event: Some(SystemTime::now()),
        last_good_probe: Some(SystemTime::now()),
        recovered: 1,
        catching_up: None,
        ready_for: SECOND,
        restarts: 1,
        restarts_in_window: 0,
        budget_left,
        last_ending: None,
        stalls: Stalls::default(),
        waiting_channels: None,
        queued: if budget_left == 1 { 4 } else { 3 },
        next_attempt_in: None,
    }
}

pub(crate) fn a_server() -> ServerSnapshot {
    ServerSnapshot {
        server: server(),
        up: true,
        down_for: None,
        accounts: 2,
        requests_per_second: 50.0,
        waiting: 1,
        dials: 1,
        paused_for: Some(SECOND),
    }
}

pub(crate) fn event(account: &str, event: &str) -> Event {
    Event {
        account: name(account),
        server: server(),
        user: AccountUser::default(),
        generation: Generation(1),
        connection_id: "c".into(),
        received_at: SystemTime::now(),
        recovered: true,
        last_recovered: false,
        channel: None,
        sender: None,
        own: false,
        body: EventBody {
            event: event.into(),
            channel_id: "c".into(),
            change: None,
            post: None,
            seq: 1,
            data: "{}".into(),
            broadcast: "null".into(),
        },
    }
}

fn name(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

fn server() -> ServerName {
    ServerName::new("main").unwrap()
}
