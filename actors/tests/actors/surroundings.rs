//! The channel and the author of events, live and fetched.

use matterhost_actors::model::Event;

use crate::simulator_harness::{SimulatorHarness, run};

/// Returns the kind of the event's channel and the name of its author.
fn surroundings(event: &Event) -> (Option<String>, Option<String>) {
    (
        event.channel.as_ref().map(|channel| channel.kind.to_string()),
        event.sender.as_ref().map(ToString::to_string),
    )
}

#[test]
fn live_and_fetched_events_of_all_kinds_know_their_channel_and_their_author() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        let (bot, person) = (harness.bots[0].user_id.clone(), harness.person.clone());
        let (town, direct) =
            (harness.channel.clone(), harness.simulator.direct_channel(&bot, &person.user_id));
        for channel in [&town, &direct] {
            let post = harness.simulator.post(&person.user_id, channel, "hello");
            harness.simulator.edit_post(&post.id, "hello there");
            harness.simulator.add_reaction(&person.user_id, &post.id, "eyes");
            harness.simulator.delete_post(&post.id);
        }
        harness.host.sink.wait_for_changes(6, |_| true).await;
        let other = harness.simulator.create_user("stranger");
        harness.simulator.add_to_team(&harness.team, &other.user_id);
        harness.simulator.add_to_channel_quietly(&town, &other.user_id);
        harness
            .while_disabled(|harness| {
                harness.simulator.post(&other.user_id, &town, "while away");
                harness.simulator.post(&person.user_id, &direct, "while away");
            })
            .await;
        harness.host.sink.wait_for_posts(4).await;
        let mut seen = Vec::new();
        // The event that announces a channel comes before the first that describes it.
        let is_about_a_post =
            |event: &Event| event.body.change.is_some() || event.body.event.starts_with("reaction");
        for event in harness.host.sink.events().into_iter().filter(|event| is_about_a_post(event)) {
            let kind = match event.body.channel_id.as_str() {
                id if id == town => "O",
                id if id == direct => "D",
                _ => continue,
            };
            let (found, sender) = surroundings(&event);
            assert_eq!(found.as_deref(), Some(kind), "{event:?}");
            let team = event.channel.as_ref().map_or("", |channel| &*channel.team_name);
            assert_eq!(team, if kind == "O" { "team" } else { "" }, "{event:?}");
            let by = sender.unwrap_or_else(|| panic!("{event:?}"));
            seen.push((event.body.event.to_string(), by, event.recovered));
        }
        for (name, by, recovered) in [
            ("posted", "person", false),
            ("post_edited", "person", false),
            ("reaction_added", "person", false),
            ("post_deleted", "person", false),
            ("posted", "stranger", true),
            ("posted", "person", true),
        ] {
            assert!(seen.contains(&(name.to_owned(), by.to_owned(), recovered)), "{name} {by}: {seen:?}");
        }
        let last: Vec<bool> = harness
            .host
            .sink
            .events()
            .iter()
            .filter(|event| event.recovered)
            .map(|event| event.last_recovered)
            .collect();
        assert_eq!(last, [true, true], "one post of each channel");
    });
}
