use std::{
    io::{self, Write},
    time::SystemTime,
};

use matterhost_actors::model::{AccountName, Generation, ServerName};
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Text {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Returns the log lines of a stream of observations, as JSON.
async fn logged(observations: Receiver<Arc<Observation>>) -> Vec<serde_json::Value> {
    lines_of(FactLog::default().follow(observations)).await
}

/// Returns the log lines that are written during a future, as JSON.
async fn lines_of(logging: impl Future<Output = ()>) -> Vec<serde_json::Value> {
    let text = Text::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(Level::TRACE)
        .with_writer(text.clone());
    let guard = tracing::subscriber::set_default(subscriber.finish());
    logging.await;
    drop(guard);
    let bytes = text.0.lock().clone();
    String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn main() -> ServerName {
    ServerName::new("main").unwrap()
}

fn account(fact: Fact) -> Arc<Observation> {
    let subject = Subject::Account(AccountName::new("helpdesk").unwrap(), Generation(3));
    Arc::new(Observation { at: SystemTime::now(), server: main(), subject, fact })
}

#[tokio::test]
async fn each_fact_is_logged_once_with_its_fields() {
    let (sender, receiver) = broadcast::channel(8);
    let reason = CloseReason::Stale { baseline: 1, seen: 2 };
    let ready_for = Some(Duration::from_secs(2));
    sender.send(account(Fact::Closed { reason, ready_for, charged: false })).unwrap();
    sender
        .send(account(Fact::RestartScheduled { after: Duration::from_millis(1_500), resume: false }))
        .unwrap();
    let (at, subject) = (SystemTime::now(), Subject::Server(main()));
    sender.send(Arc::new(Observation { at, server: main(), subject, fact: Fact::ServerDown })).unwrap();
    drop(sender);
    let lines = logged(receiver).await;
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["message"], "the connection ended: stale: update_at moved from 1 to 2");
    assert_eq!((&lines[0]["level"], &lines[0]["account"]), (&"WARN".into(), &"helpdesk".into()));
    assert_eq!((&lines[0]["generation"], &lines[0]["ready_ms"]), (&3.into(), &2_000.into()));
    assert_eq!((&lines[0]["reason"], &lines[0]["charged"]), (&"stale".into(), &false.into()));
    assert_eq!(lines[1]["message"], "connecting again in 1s 500ms");
    assert_eq!((&lines[1]["delay_ms"], &lines[1]["fact"]), (&1_500.into(), &"restart_scheduled".into()));
    assert_eq!((&lines[2]["server"], lines[2].get("account")), (&"main".into(), None));
}

#[tokio::test]
async fn a_routine_fact_that_is_not_in_the_stream_ends_a_series_of_failures() {
    let lines = lines_of(async {
        let log = FactLog::default();
        let failed = || account(Fact::ProbeFailed { cause: "so".into() });
        log.log(&failed());
        log.log(&failed());
        log.clone().log(&account(Fact::ProbeGood { took: Duration::ZERO }));
        log.log(&failed());
    });
    let levels = lines.await.into_iter().map(|line| line["level"].as_str().unwrap().to_owned());
    assert_eq!(levels.collect::<Vec<_>>(), ["WARN", "DEBUG", "TRACE", "WARN"]);
}

#[tokio::test]
async fn missed_facts_are_logged() {
    let (sender, receiver) = broadcast::channel(2);
    for _ in 0..5 {
        sender.send(account(Fact::Connecting)).unwrap();
    }
    drop(sender);
    let lines = logged(receiver).await;
    assert_eq!(lines[0]["missed"], 3);
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_proxys_lifetime_names_the_settings_of_the_usual_proxies() {
    for idle in [true, false] {
        let message = describe(&Fact::SocketLifetime { after: Duration::from_secs(30), idle }).message;
        for words in
            ["after 30s", "nginx proxy_read_timeout", "HAProxy timeout tunnel", "AWS ALB idle_timeout"]
        {
            assert!(message.contains(words), "{message} lacks {words}");
        }
    }
}

#[test]
fn facts_are_logged_with_their_values() {
    let wait = Duration::from_secs(90);
    for fact in [
        Fact::Tripped { cooldown: wait },
        Fact::Ready { after: wait },
        Fact::RatePaused { wait },
        Fact::PollsStretched { interval: wait },
        Fact::SocketLifetime { after: wait, idle: true },
        Fact::SocketLifetime { after: wait, idle: false },
        Fact::RestartScheduled { after: wait, resume: true },
    ] {
        assert!(describe(&fact).message.contains("1m 30s"), "{fact:?}");
    }
    for fact in [
        Fact::Rejected { event: "p".into(), channel: "c".into(), cause: "so".into() },
        Fact::ProbeFailed { cause: "so".into() },
        Fact::Unreadable { cause: "so".into() },
        Fact::UpdateFailed { channel: "c".into(), key: "k".into(), cause: "so".into() },
    ] {
        assert!(describe(&fact).message.ends_with(": so"), "{fact:?}");
    }
}
