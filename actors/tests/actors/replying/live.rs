//! The same over sockets, at the simulated server: once, though the answer is lost, the host is killed, or the server
//! says 429.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use matterhost_actors::{
    hosting::{HostSettings, ReplySettings, SendReply},
    model::{Attachment, Draft, OutgoingAction, PostedIds, ReplyError, ReplyKey},
    ports::HttpApi,
};
use matterhost_simulator::{Fault, FaultKind, Simulator, Timings};

use crate::{
    scene::{Scene, config, hurried, quick_simulator, run},
    stage::{Host, name},
};

/// Posts in the scene's channel, with or without a key.
async fn post(host: &Host, scene: &Scene, text: &str, key: Option<&str>) -> Result<PostedIds, ReplyError> {
    let key = key.map(|key| ReplyKey::new(key).unwrap());
    let draft = Draft { channel: scene.channel.as_str().into(), text: text.into(), key, ..Draft::default() };
    host.ask(SendReply { account: name("bot"), action: OutgoingAction::Post(draft) }).await
}

fn made(scene: &Scene, text: &str) -> usize {
    scene.simulator.posts_in(&scene.channel).iter().filter(|post| post.message == text).count()
}

#[test]
fn a_lost_answer_makes_no_second_post() {
    run(async || {
        let scene = Scene::with_one_bot().await;
        for (text, key) in [("with a key", Some("k")), ("without one", None)] {
            scene.simulator.inject(Fault::new(FaultKind::LostAnswer).route("POST /posts").times(1));
            let posted = post(&scene.host, &scene, text, key).await.unwrap();
            assert_eq!((made(&scene, text), posted.ids.len()), (1, 1));
        }
    });
}

#[test]
fn a_429_is_waited_out() {
    run(async || {
        let scene = Scene::with_one_bot().await;
        let fault = Fault::new(FaultKind::TooManyRequests { retry_after: 1 }).route("POST /posts").times(1);
        scene.simulator.inject(fault);
        let began = Instant::now();
        post(&scene.host, &scene, "once", None).await.unwrap();
        assert!(began.elapsed() >= Duration::from_secs(1) && made(&scene, "once") == 1);
    });
}

#[test]
fn a_host_that_was_killed_after_the_post_does_not_post_again() {
    run(async || {
        // Nothing but the key tells: the server has forgotten what was pending.
        let timings = Timings { pending_post: Duration::ZERO, ..Default::default() };
        let simulator = Simulator::builder().timings(timings).start().unwrap();
        let scene = Scene::of(simulator, &["bot".into()]).await;
        scene.hears(1).await;
        // The answer never comes: the host dies with the question open.
        scene.simulator.inject(Fault::new(FaultKind::LostAnswer).route("POST /posts"));
        let settings = hurried();
        let replies = ReplySettings { deadline: Duration::from_millis(200), ..settings.replies };
        let doomed = Host::live(
            HostSettings { replies, ..settings },
            Arc::new(HttpApi::new(config(&scene.simulator))),
        );
        doomed.add("bot", &scene.bots[0].token, doomed.sink.clone()).await.unwrap();
        let maybe_done = post(&doomed, &scene, "once", Some("event#0")).await.unwrap_err();
        assert!(matches!(maybe_done, ReplyError::TimedOut { maybe_done: true, .. }), "{maybe_done}");
        drop(doomed);
        scene.simulator.clear_faults();
        let posted = post(&scene.host, &scene, "once", Some("event#0")).await.unwrap();
        assert_eq!((made(&scene, "once"), posted.ids.len()), (1, 1));
    });
}

#[test]
fn files_and_long_texts_arrive() {
    run(async || {
        let scene = Scene::of(quick_simulator(), &["bot".into()]).await;
        let text = format!("```rust\n{}```", "let x = 1;\n".repeat(2_000));
        let files = vec![Attachment { name: "a b.txt".into(), bytes: vec![b'x'; 100_000].into() }];
        let channel = scene.channel.as_str().into();
        let order = OutgoingAction::Post(Draft { channel, text, files, ..Draft::default() });
        let posted = scene.host.ask(SendReply { account: name("bot"), action: order }).await.unwrap();
        let posts = scene.simulator.posts_in(&scene.channel);
        assert_eq!(posted.ids.len(), 2);
        assert!(
            posts.iter().all(|post| post.message.starts_with("```rust\n") && post.message.ends_with("```"))
        );
        let files: Vec<usize> = posts.iter().map(|post| post.file_ids.len()).collect();
        assert_eq!(files, [0, 1]);
    });
}
