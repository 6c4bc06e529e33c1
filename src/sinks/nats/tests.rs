use std::time::Duration;

use super::*;
use crate::{
    config::{AttemptLimits, NatsAccess, NatsCredentials},
    nats_server::NatsServer,
    sinks::{
        dead_letter::{DeadLetter, DeadLetters},
        tests::fixtures::{
            DEADLINE, FencedPoster, delivered, handler_deps, outcome, post, post_of, post_with_text,
            retry_cause,
        },
    },
};
use async_nats::jetstream::stream::{Config, DiscardPolicy};

/// The configuration of a sink that publishes to the stream `events` of a server.
pub(in crate::sinks) fn config(server: &NatsServer) -> NatsConfig {
    NatsConfig {
        access: NatsAccess {
            servers: vec![format!("nats://{}", server.address)],
            credentials: NatsCredentials::None,
            secret_file: None,
            ca_file: None,
            client_certificate: None,
        },
        stream: "events".into(),
        subject: "bots".into(),
        replicas: 1,
        keep_for: Duration::from_secs(3600),
        keep_size: 1 << 30,
        duplicate_window: Duration::from_secs(120),
        in_flight: 64,
        timeout: DEADLINE,
        attempts: AttemptLimits::default(),
    }
}

fn start(config: NatsConfig) -> Nats {
    Nats::start(config, handler_deps("stream")).unwrap()
}

fn make_stream(server: &NatsServer, config: Config) {
    server.request(async |context| context.create_stream(config).await.map(drop)).unwrap();
}

/// Settings of a stream that fit.
fn fitting() -> Config {
    Config { name: "events".into(), subjects: vec!["bots.>".into()], ..Config::default() }
}

fn ids(server: &NatsServer) -> Vec<String> {
    let events = server.messages("events").into_iter();
    events.map(|(_, event)| event["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_stream_is_made_and_an_event_is_stored_in_it_once() {
    let server = NatsServer::start("");
    let sink = start(config(&server));
    for event in [post("c1", "p1"), post("c1", "p1"), post_of("other", "c1", "p1")] {
        assert_eq!(delivered(&sink, &event).await, Outcome::Acknowledged);
    }
    let messages = server.messages("events");
    let subjects: Vec<_> = messages.iter().map(|(subject, _)| subject.as_str()).collect();
    assert_eq!(subjects, ["bots.helpdesk.c1.posted", "bots.other.c1.posted"]);
    assert_eq!(messages[0].1["data"]["post"]["message"], "this is p1");
    let made = server
        .request(async |context| context.get_stream("events").await.unwrap().cached_info().config.clone());
    assert_eq!((made.max_age, made.max_bytes), (Duration::from_secs(3600), 1 << 30));
    assert_eq!(made.duplicate_window, Duration::from_secs(120));
}

#[tokio::test]
async fn a_stream_that_does_not_fit_is_an_error_with_the_way_to_fix_it() {
    for (wrong, said) in [
        (
            Config { subjects: vec!["bots.*".into()], ..fitting() },
            "does not take the subjects bots.>, but bots.*; run `nats stream edit events --subjects 'bots.>'`",
        ),
        (
            Config { no_ack: true, ..fitting() },
            "does not say when it has stored an event; run `nats stream edit events --ack`",
        ),
        (
            Config { duplicate_window: Duration::from_secs(5), ..fitting() },
            "recognizes duplicates for 5s, not for 2m; run `nats stream edit events --dupe-window 120s`",
        ),
        (Config { sealed: true, ..fitting() }, "is sealed and takes no events; set stream to another one"),
    ] {
        let server = NatsServer::start("");
        let sealed = wrong.sealed;
        make_stream(&server, Config { sealed: false, ..wrong.clone() });
        if sealed {
            server.request(async |context| context.update_stream(&wrong).await.map(drop)).unwrap();
        }
        let sink = start(config(&server));
        let cause = retry_cause(&sink, &post("c", "1")).await;
        assert!(cause.contains("the stream events of NATS JetStream") && cause.contains(said), "{cause}");
        let probed = probe(&config(&server)).await.unwrap_err().to_string();
        assert!(probed.contains(said), "{probed}");
    }
}

#[tokio::test]
async fn a_stream_of_the_operator_keeps_its_own_settings() {
    let server = NatsServer::start("");
    let own = Config { subjects: vec![">".into()], max_messages: 7, no_ack: false, ..fitting() };
    let own = Config { subjects: vec!["bots.>".into(), "more".into()], ..own };
    make_stream(&server, own);
    let sink = start(config(&server));
    assert_eq!(delivered(&sink, &post("c", "1")).await, Outcome::Acknowledged);
    let now = server
        .request(async |context| context.get_stream("events").await.unwrap().cached_info().config.clone());
    assert_eq!((now.max_messages, now.subjects.len()), (7, 2));
}

#[tokio::test]
async fn a_full_stream_holds_events_back_until_there_is_room() {
    let server = NatsServer::start("");
    make_stream(&server, Config { max_messages: 2, discard: DiscardPolicy::New, ..fitting() });
    let sink = start(config(&server));
    for id in ["1", "2"] {
        assert_eq!(delivered(&sink, &post(id, id)).await, Outcome::Acknowledged);
    }
    let cause = retry_cause(&sink, &post("3", "3")).await;
    assert!(cause.contains("maximum messages exceeded") && cause.contains("raise its limits"), "{cause}");
    server
        .request(async |context| context.get_stream("events").await.unwrap().purge().await.map(drop))
        .unwrap();
    assert_eq!(delivered(&sink, &post("3", "3")).await, Outcome::Acknowledged);
    assert_eq!(ids(&server), ["3"]);
}

#[tokio::test]
async fn an_event_that_the_stream_can_never_take_is_a_dead_letter() {
    let (server, dir) = (NatsServer::start(""), tempfile::tempdir().unwrap());
    make_stream(&server, Config { max_message_size: 2_000, ..fitting() });
    let letters = crate::config::DeadLetterConfig { dir: dir.path().into(), max_size: 1 << 20, keep: 1 };
    let letters = DeadLetters::for_sink("stream", &letters);
    let deps = HandlerDeps { dead_letters: Some(letters.clone()), ..handler_deps("stream") };
    let sink = Nats::start(config(&server), deps).unwrap();
    let long = post_with_text("c", "long", &"x".repeat(3_000));
    let refused = outcome(sink.deliver(&long)).await;
    assert!(
        matches!(&refused, Outcome::Rejected { cause } if cause.contains("--max-msg-size")),
        "{refused:?}"
    );
    assert_eq!(delivered(&sink, &post("c", "short")).await, Outcome::Acknowledged);
    assert_eq!(ids(&server), ["short"]);
    let kept = letters.list().unwrap();
    assert_eq!(kept.iter().map(DeadLetter::id).collect::<Vec<_>>(), [Some("long".into())]);
}

#[tokio::test]
async fn without_the_server_events_wait_and_afterwards_each_is_stored_once() {
    let mut server = NatsServer::start("");
    let sink = start(config(&server));
    assert_eq!(delivered(&sink, &post("c", "1")).await, Outcome::Acknowledged);
    server.stop();
    let cause = retry_cause(&sink, &post("c", "2")).await;
    assert!(cause.contains("the connection to NATS"), "{cause}");
    server.start_again();
    assert_eq!(delivered(&sink, &post("c", "2")).await, Outcome::Acknowledged);
    assert_eq!(ids(&server), ["1", "2"]);
}

#[tokio::test]
async fn a_server_that_comes_late_is_waited_for() {
    let mut server = NatsServer::start("");
    server.stop();
    let sink = start(config(&server));
    let cause = retry_cause(&sink, &post("c", "1")).await;
    assert!(cause.contains("cannot connect to NATS at nats://127.0.0.1:"), "{cause}");
    server.start_again();
    assert_eq!(delivered(&sink, &post("c", "1")).await, Outcome::Acknowledged);
}

#[tokio::test]
async fn a_stream_that_is_deleted_is_made_again() {
    let server = NatsServer::start("");
    let sink = start(config(&server));
    assert_eq!(delivered(&sink, &post("c", "1")).await, Outcome::Acknowledged);
    server.request(async |context| context.delete_stream("events").await.map(drop)).unwrap();
    assert_eq!(delivered(&sink, &post("c", "2")).await, Outcome::Acknowledged);
    assert_eq!(ids(&server), ["2"]);
}

#[tokio::test]
async fn a_secret_that_the_server_refuses_is_named_and_not_shown() {
    let server = NatsServer::start("authorization { token: right }");
    let of = |token: &str| NatsAccess {
        credentials: NatsCredentials::Token(token.into()),
        ..config(&server).access
    };
    let refused = start(NatsConfig { access: of("mustnotshow"), ..config(&server) });
    let cause = retry_cause(&refused, &post("c", "1")).await;
    assert!(cause.contains("the credentials") && !cause.contains("mustnotshow"), "{cause}");
    let sink = start(NatsConfig { access: of("right"), ..config(&server) });
    assert_eq!(delivered(&sink, &post("c", "1")).await, Outcome::Acknowledged);
}

#[tokio::test]
async fn an_event_of_an_account_that_another_member_owns_is_not_published() {
    let server = NatsServer::start("");
    let deps = HandlerDeps { poster: Arc::new(FencedPoster::closed()), ..handler_deps("stream") };
    let sink = Nats::start(config(&server), deps).unwrap();
    let cause = retry_cause(&sink, &post("c", "1")).await;
    assert!(cause.contains("another host may own the account"), "{cause}");
    assert_eq!(ids(&server), Vec::<String>::new());
}
