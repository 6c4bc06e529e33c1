//! Channels that lists lack, that cannot be read, and that come and go: what a fake server shows and a simulated one
//! does not.

use matterhost_actors::{model::Fact, policy::GateLimits};

use crate::stage::{SECOND, Stage, play, settings, wide_open};

/// A bot in two channels, each with one post that it has heard.
async fn in_two_channels(stage: &mut Stage) {
    for channel in ["c", "d"] {
        stage.world.add_channel(channel, &["bot"]);
        stage.world.post(channel, 1_000);
    }
    stage.ready("bot").await;
}

async fn away(stage: &mut Stage, happens: impl FnOnce(&Stage)) {
    stage.world.disable("bot");
    stage.until("bot", |fact| *fact == Fact::Blocked).await;
    happens(stage);
    stage.world.enable("bot");
    stage.until_ready("bot").await;
    stage.pass(SECOND).await;
}

fn heard(stage: &Stage) -> Vec<String> {
    stage.sink.posts().into_iter().map(|post| post.id.to_string()).collect()
}

#[test]
fn a_channel_with_a_cursor_that_the_list_lacks_is_asked_for_by_its_id() {
    play(settings(), wide_open(), async |stage| {
        in_two_channels(stage).await;
        stage.world.unlist_channel("d");
        let mut missed = String::new();
        away(stage, |stage| missed = stage.world.post("d", 2_000).to_string()).await;
        assert_eq!(heard(stage), [missed.clone()], "fact 26");
        away(stage, |stage| missed = stage.world.post("d", 3_000).to_string()).await;
        assert_eq!(heard(stage)[1..], [missed], "each time");
    });
}

#[test]
fn what_was_said_after_the_account_had_left_such_a_channel_is_none_of_its_business() {
    play(settings(), wide_open(), async |stage| {
        in_two_channels(stage).await;
        stage.world.unlist_channel("d");
        let mut wanted = Vec::new();
        away(stage, |stage| {
            let say = |at, kind, user| stage.world.post_of_kind("d", at, kind, user).to_string();
            wanted.push(say(2_000, "", "id-somebody"));
            wanted.push(say(2_001, "system_leave_channel", "id-bot"));
            say(2_002, "", "id-somebody");
            wanted.push(say(2_003, "system_join_channel", "id-bot"));
            wanted.push(say(2_004, "", "id-somebody"));
            wanted.push(say(2_005, "system_leave_channel", "id-bot"));
            say(2_006, "", "id-somebody");
        })
        .await;
        assert_eq!(stage.sink.taken().into_iter().filter(|id| id != "hello").collect::<Vec<_>>(), {
            // Its own comings and goings are posts of its own, which it is not told.
            [wanted[0].clone(), wanted[3].clone()]
        });
        away(stage, |stage| drop(stage.world.post("d", 3_000))).await;
        assert_eq!(heard(stage).len(), 2, "a seen leave ends the cursor");
    });
}

#[test]
fn a_long_catch_up_says_how_far_it_is() {
    let slow = GateLimits { requests_per_second: 1.0, dial_slots: 1 };
    play(settings(), slow, async |stage| {
        for n in 0..20 {
            stage.world.add_channel(&format!("c{n}"), &["bot"]);
        }
        stage.ready("bot").await;
        stage.world.disable("bot");
        stage.until("bot", |fact| *fact == Fact::Blocked).await;
        for n in 0..20 {
            stage.world.post(&format!("c{n}"), 2_000);
        }
        stage.world.enable("bot");
        let told = stage.until("bot", |fact| matches!(fact, Fact::CatchingUp(_))).await;
        let Fact::CatchingUp(progress) = told else { panic!("{told:?}") };
        assert!(progress.channels == 20 && progress.recovered > 0 && progress.done < 20, "{progress:?}");
        assert!(stage.snapshot("bot").await.catching_up.is_some());
        stage.until_ready("bot").await;
        let snapshot = stage.snapshot("bot").await;
        assert_eq!((snapshot.catching_up, snapshot.recovered), (None, 20));
    });
}

#[test]
fn a_channel_that_refuses_is_told_once_and_is_read_when_it_can_be() {
    play(settings(), wide_open(), async |stage| {
        in_two_channels(stage).await;
        stage.world.close_channel("d", true);
        let (mut open, mut closed) = (String::new(), String::new());
        away(stage, |stage| {
            closed = stage.world.post("d", 2_000).to_string();
            open = stage.world.post("c", 2_000).to_string();
        })
        .await;
        assert_eq!(heard(stage), [open], "the others go on");
        away(stage, |_| {}).await;
        assert_eq!(stage.count("bot", "channel_skipped"), 1);
        stage.world.close_channel("d", false);
        away(stage, |_| {}).await;
        assert_eq!(heard(stage)[1], closed);
    });
}
