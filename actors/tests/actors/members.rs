//! Channels that the account comes into and leaves, live and while away, over sockets.

use matterhost_actors::model::PostId;

use crate::{
    catching_up::{story, tick},
    scene::{Scene, run},
};

#[test]
fn a_channel_left_and_joined_again_brings_what_was_said_while_in_it() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        let room = scene.another_channel("room");
        let bot = scene.bots[0].user_id.clone();
        let before = scene.post_in(&room, "before");
        scene.host.sink.until_posts(1).await;
        scene.simulator.remove_from_channel(&room, &bot);
        tick();
        let out = scene.post_in(&room, "while out");
        tick();
        scene.simulator.add_to_channel(&room, &bot);
        let after = scene.post_in(&room, "after");
        scene.host.sink.until_taken(1, |taken| taken.id == after).await;
        scene.reconnects().await;
        let mut out_again = PostId::default();
        scene
            .away(|scene| {
                scene.simulator.remove_from_channel(&room, &bot);
                out_again = scene.post_in(&room, "while out again");
                scene.simulator.add_to_channel(&room, &bot);
            })
            .await;
        scene.hears(2).await;
        let heard = story(&scene);
        for (post, times) in [(before, 1), (after, 1)] {
            assert_eq!(heard.iter().filter(|id| **id == post.to_string()).count(), times, "{post}");
        }
        assert!(!heard.contains(&out.to_string()), "fact 28: it can be read, and was not said to the bot");
    });
}

#[test]
fn a_channel_that_cannot_be_read_any_more_is_told_once_and_stops_nobody() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        let room = scene.another_channel("room");
        let bot = scene.bots[0].user_id.clone();
        scene.post_in(&room, "known");
        scene.host.sink.until_posts(1).await;
        scene
            .away(|scene| {
                scene.post_in(&room, "still in");
                scene.simulator.remove_from_channel(&room, &bot);
                scene.post("elsewhere");
            })
            .await;
        scene.host.sink.until_posts(2).await;
        scene.reconnects().await;
        scene.hears(3).await;
        assert_eq!(scene.host.count("bot", "channel_skipped"), 1);
    });
}

#[test]
fn a_channel_joined_while_away_begins_at_the_join() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        scene.hears(1).await;
        let room = scene.simulator.create_channel(&scene.team, "room");
        let bot = scene.bots[0].user_id.clone();
        scene
            .away(|scene| {
                scene.post_in(&room, "before the join");
                tick();
                scene.simulator.add_to_channel(&room, &bot);
                scene.post_in(&room, "after the join");
                let direct = scene.simulator.direct_channel(&scene.person.user_id, &bot);
                scene.post_in(&direct, "a direct one, from its beginning");
            })
            .await;
        scene.host.sink.until_posts(4).await;
        scene.hears(5).await;
        assert_eq!(story(&scene).len(), 5, "the join post, one after it, one direct, two live");
    });
}

#[test]
fn an_archived_channel_brings_its_last_posts() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        let room = scene.another_channel("room");
        scene.post_in(&room, "known");
        scene.host.sink.until_posts(1).await;
        let mut last = PostId::default();
        scene
            .away(|scene| {
                last = scene.post_in(&room, "last");
                scene.simulator.archive_channel(&room);
            })
            .await;
        scene.host.sink.until_taken(1, |taken| taken.id == last).await;
    });
}
