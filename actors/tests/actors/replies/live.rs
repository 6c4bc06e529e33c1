//! Replies against the simulated server, over sockets: lost responses, a killed host, rate limits, files.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use matterhost_actors::{
    hosting::{HostSettings, ReplySettings, SendReply},
    mattermost::ClientLimits,
    model::{Attachment, Draft, OutgoingAction, PostedIds, ReplyError, ReplyKey},
    ports::HttpApi,
};
use matterhost_simulator::{Fault, FaultKind, ServerVersion, Simulator, Timings};

use crate::{
    harness::{TestHost, name},
    simulator_harness::{SimulatorHarness, config, fast_settings, quick_simulator, run},
};

/// Posts in the harness's channel, with or without a key.
async fn post(
    host: &TestHost,
    harness: &SimulatorHarness,
    text: &str,
    key: Option<&str>,
) -> Result<PostedIds, ReplyError> {
    let key = key.map(|key| ReplyKey::new(key).unwrap());
    let draft =
        Draft { channel: harness.channel.as_str().into(), text: text.into(), key, ..Draft::default() };
    host.send(SendReply { account: name("bot"), action: OutgoingAction::Post(draft) }).await
}

/// Counts the posts with a text.
fn count_posts(harness: &SimulatorHarness, text: &str) -> usize {
    harness.simulator.posts_in(&harness.channel).iter().filter(|post| post.message == text).count()
}

#[test]
fn a_lost_answer_makes_no_second_post() {
    run(async || {
        let harness = SimulatorHarness::with_one_bot().await;
        for (text, key) in [("with a key", Some("k")), ("without one", None)] {
            harness.simulator.inject(Fault::new(FaultKind::LostResponse).route("POST /posts").times(1));
            let posted = post(&harness.host, &harness, text, key).await.unwrap();
            assert_eq!((count_posts(&harness, text), posted.ids.len()), (1, 1));
        }
    });
}

#[test]
fn a_lost_answer_is_looked_for_beside_a_thread_longer_than_any_answer() {
    run(async || {
        let timings = Timings { pending_post_window: Duration::ZERO, ..Default::default() };
        let simulator = Simulator::builder().timings(timings).start().unwrap();
        let limits = ClientLimits { max_body_bytes: 1024 * 1024, ..ClientLimits::default() };
        let bots = ["bot".to_owned()];
        let harness = SimulatorHarness::with_limits(simulator, fast_settings(), limits, &bots).await;
        let root = harness.simulator.post(&harness.person.user_id, &harness.channel, "root");
        harness.simulator.fill_thread(&root, 100, 16_000);
        harness.simulator.bring_threads_along();
        harness.simulator.inject(Fault::new(FaultKind::LostResponse).route("POST /posts").times(1));
        let posted = post(&harness.host, &harness, "once", Some("k")).await.unwrap();
        assert_eq!((count_posts(&harness, "once"), posted.ids.len()), (1, 1));
    });
}

#[test]
fn a_429_is_waited_out() {
    run(async || {
        let harness = SimulatorHarness::with_one_bot().await;
        let fault = Fault::new(FaultKind::TooManyRequests { retry_after: 1 }).route("POST /posts").times(1);
        harness.simulator.inject(fault);
        let began = Instant::now();
        post(&harness.host, &harness, "once", None).await.unwrap();
        assert!(began.elapsed() >= Duration::from_secs(1) && count_posts(&harness, "once") == 1);
    });
}

#[test]
fn a_host_that_was_killed_after_the_post_does_not_post_again() {
    run(async || {
        // Only the key can prevent a second post: the server deduplicates no `pending_post_id`.
        let timings = Timings { pending_post_window: Duration::ZERO, ..Default::default() };
        let simulator = Simulator::builder().timings(timings).start().unwrap();
        let harness = SimulatorHarness::new(simulator, &["bot".into()]).await;
        harness.post_and_wait(1).await;
        // The response never comes: the host dies during the request.
        harness.simulator.inject(Fault::new(FaultKind::LostResponse).route("POST /posts"));
        let settings = fast_settings();
        let replies = ReplySettings { deadline: Duration::from_millis(200), ..settings.replies };
        let doomed = TestHost::real_time(
            HostSettings { replies, ..settings },
            Arc::new(HttpApi::new(config(&harness.simulator))),
        );
        doomed.add("bot", &harness.bots[0].token, doomed.sink.clone()).await.unwrap();
        let maybe_done = post(&doomed, &harness, "once", Some("event#0")).await.unwrap_err();
        assert!(matches!(maybe_done, ReplyError::TimedOut { maybe_done: true, .. }), "{maybe_done}");
        drop(doomed);
        harness.simulator.clear_faults();
        let posted = post(&harness.host, &harness, "once", Some("event#0")).await.unwrap();
        assert_eq!((count_posts(&harness, "once"), posted.ids.len()), (1, 1));
    });
}

#[test]
fn files_and_long_texts_arrive() {
    run(async || {
        let harness = SimulatorHarness::new(quick_simulator(), &["bot".into()]).await;
        let text = format!("```rust\n{}```", "let x = 1;\n".repeat(2_000));
        let files = vec![Attachment { name: "a b.txt".into(), bytes: vec![b'x'; 100_000].into() }];
        let channel = harness.channel.as_str().into();
        let action = OutgoingAction::Post(Draft { channel, text, files, ..Draft::default() });
        let posted = harness.host.send(SendReply { account: name("bot"), action }).await.unwrap();
        let posts = harness.simulator.posts_in(&harness.channel);
        assert_eq!(posted.ids.len(), 2);
        assert!(
            posts.iter().all(|post| post.message.starts_with("```rust\n") && post.message.ends_with("```"))
        );
        let files: Vec<usize> = posts.iter().map(|post| post.file_ids.len()).collect();
        assert_eq!(files, [0, 1]);
    });
}

#[test]
fn a_text_and_a_file_keep_to_the_limits_that_the_server_announces() {
    for version in ServerVersion::ALL {
        run(async move || {
            let simulator = Simulator::builder().version(version).max_post_size(4_000).max_file_size(10);
            let harness = SimulatorHarness::new(simulator.start().unwrap(), &["bot".into()]).await;
            let posted = post(&harness.host, &harness, &"ü".repeat(10_000), Some("k")).await.unwrap();
            let posts = harness.simulator.posts_in(&harness.channel);
            let lengths: Vec<_> = posts.iter().map(|post| post.message.chars().count()).collect();
            assert_eq!((posted.ids.len(), lengths), (3, vec![4_000, 4_000, 2_000]), "{version:?}");
            let files = vec![Attachment { name: "a.txt".into(), bytes: vec![b'x'; 11].into() }];
            let draft = Draft { channel: harness.channel.as_str().into(), files, ..Draft::default() };
            let action = OutgoingAction::Post(draft);
            let refused = harness.host.send(SendReply { account: name("bot"), action }).await.unwrap_err();
            assert_eq!(refused, ReplyError::FileTooLarge { name: "a.txt".into(), bytes: 11, limit: 10 });
            assert_eq!(harness.simulator.counters().requests_to("POST /files"), 0, "it was not sent");
        });
    }
}

#[test]
fn a_page_of_a_proxy_is_waited_out() {
    run(async || {
        let harness = SimulatorHarness::with_one_bot().await;
        for status in [403, 404] {
            harness.simulator.inject(Fault::new(FaultKind::ProxyPage(status)).route("POST /posts").times(2));
            let text = format!("past {status}");
            post(&harness.host, &harness, &text, Some(&text.replace(' ', "-"))).await.unwrap();
            assert_eq!(count_posts(&harness, &text), 1);
        }
        harness.simulator.inject(Fault::new(FaultKind::Forbidden).route("POST /posts").times(1));
        let refused = post(&harness.host, &harness, "refused", None).await.unwrap_err().to_string();
        assert!(refused.contains("the server refused (403)"), "{refused}");
        assert_eq!(refused.matches("refused").count(), 1, "nothing is said twice: {refused}");
    });
}
