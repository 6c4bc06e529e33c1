use std::time::Duration;

use matterhost_actors::model::{PostKey, UserId};

use super::*;
use crate::{
    sinks::HOOK_EVENTS,
    sinks::tests::fixtures::{ScriptedSink, event, outcome},
    telemetry::metrics::Metrics,
};

fn accepts(filter: &FilterConfig, event: &Event) -> bool {
    left_out_by(filter, event).is_none()
}

fn filter(change: impl FnOnce(&mut FilterConfig)) -> FilterConfig {
    let mut filter = FilterConfig::default();
    change(&mut filter);
    filter
}

fn data(kind: &str, mentions: Option<&str>, text: &str) -> String {
    let post = serde_json::json!({ "id": "p", "message": text }).to_string();
    let mut data = serde_json::json!({ "channel_type": kind, "post": post });
    if let Some(mentions) = mentions {
        data["mentions"] = mentions.into();
    }
    data.to_string()
}

fn of(name: &str, data: &str) -> Event {
    let keywords = ["pager".into()].into();
    let user = AccountUser { id: UserId::from("bot"), name: "helper.bot".into(), keywords };
    Event { user, ..event("helpdesk", name, "c", "p", data) }
}

#[test]
fn events_are_chosen_by_name() {
    let posts = filter(|filter| filter.events = ["posted".to_owned()].into());
    assert!(accepts(&posts, &of("posted", "{}")) && !accepts(&posts, &of("typing", "{}")));
    assert!(accepts(&FilterConfig::default(), &of("typing", "no JSON")));
    assert!(accepts_all(&FilterConfig::default()) && !accepts_all(&posts));
}

#[test]
fn channels_are_filtered_by_type_and_an_unknown_type_passes() {
    let quiet = filter(|filter| filter.channel_types = [ChannelType::Private, ChannelType::Direct].into());
    let accepts = |kind: &str| accepts(&quiet, &of("posted", &data(kind, None, "")));
    assert!(accepts("P") && accepts("D") && !accepts("O") && !accepts("G"));
    assert!(accepts("X") && self::accepts(&quiet, &of("reaction_added", "{}")));
}

/// A command or button is meant for the bot, and its author is the person who used it.
#[test]
fn hooks_are_filtered_by_person_and_channel_and_count_as_mentions() {
    let hook = |name| Event { sender: Some("ann".into()), ..of(name, r#"{"user_id":"u1"}"#) };
    let anyones = filter(|filter| filter.mentions_only = true);
    let by_name = filter(|filter| filter.users = ["ann".to_owned()].into());
    let by_id = filter(|filter| filter.users = ["u1".to_owned()].into());
    let others = filter(|filter| filter.users = ["bob".to_owned()].into());
    let elsewhere = filter(|filter| filter.channels = ["other".to_owned()].into());
    for name in HOOK_EVENTS {
        for accepting in [&anyones, &by_name, &by_id] {
            assert!(accepts(accepting, &hook(name)), "{name} {accepting:?}");
        }
        assert!(!accepts(&others, &hook(name)) && !accepts(&elsewhere, &hook(name)), "{name}");
    }
    assert!(accepts(&others, &of("typing", r#"{"user_id":"u1"}"#)), "as before: no author");
}

#[test]
fn the_bots_own_are_left_out_where_asked() {
    let others = filter(|filter| filter.skip_own = true);
    let own = Event { own: true, ..of("posted", "{}") };
    assert!(!accepts(&others, &own) && accepts(&others, &of("posted", "{}")));
    assert!(accepts(&FilterConfig::default(), &own));
}

#[test]
fn mentions_are_those_that_the_server_lists() {
    let mentions = filter(|filter| filter.mentions_only = true);
    let accepts = |kind: &str, ids| accepts(&mentions, &of("posted", &data(kind, Some(ids), "@helper.bot")));
    assert!(accepts("O", r#"["ann","bot"]"#) && !accepts("O", r#"["ann"]"#) && !accepts("O", "no list"));
    assert!(accepts("D", "[]"), "a direct post is a mention");
    assert!(!self::accepts(&mentions, &of("typing", "{}")));
}

#[test]
fn where_the_server_does_not_say_the_text_does() {
    let mentions = filter(|filter| filter.mentions_only = true);
    let accepts = |text: &str| accepts(&mentions, &of("posted", &data("O", None, text)));
    for text in [
        "@helper.bot",
        "(@Helper.Bot)",
        "well, @helper.bot.",
        "hi @ann and @helper.bot-",
        "@all: now",
        "@HERE",
    ] {
        assert!(accepts(text), "{text}");
    }
    for text in ["", "helper.bot", "ann@helper.bot", "@helper.bot2", "@helper", "@ helper.bot", "@allow", "@"]
    {
        assert!(!accepts(text), "{text}");
    }
}

#[tokio::test]
async fn filtered_events_are_acknowledged_and_not_delivered() {
    let inner = Arc::<ScriptedSink>::default();
    let sink: Arc<dyn EventSink> = Arc::clone(&inner) as _;
    let posts = filter(|filter| filter.events = ["posted".to_owned()].into());
    let meter = Metrics::new(true).sink_meter("hook");
    let filtered = FilteredSink { filter: posts, sink, meter: meter.clone() };
    for name in ["typing", "posted"] {
        assert_eq!(outcome(filtered.deliver(&Arc::new(of(name, "{}")))).await, Outcome::Acknowledged);
    }
    assert_eq!(inner.delivered_ids().len(), 1);
    assert_eq!(meter.left_out(), [("events", 1)]);
}

/// A change of a filter.
type FilterChange<'a> = &'a dyn Fn(&mut FilterConfig);

#[test]
fn the_key_that_leaves_an_event_out_is_named() {
    let post = serde_json::json!({
        "id": "p", "user_id": "u1", "message": "hi", "type": "system_join_channel",
        "props": { "from_bot": "true", "from_webhook": "true" },
    });
    let data = serde_json::json!({ "channel_type": "O", "post": post.to_string() }).to_string();
    let set = |text: &str| [text.to_owned()].into();
    let cases: [(FilterKey, FilterChange<'_>); 12] = [
        (FilterKey::Events, &|filter| filter.events = set("typing")),
        (FilterKey::SkipOwn, &|filter| filter.skip_own = true),
        (FilterKey::Recovered, &|filter| filter.recovered = Recovered::Last),
        (FilterKey::SkipOlderThan, &|filter| filter.skip_older_than = Some(Duration::from_secs(1))),
        (FilterKey::Channels, &|filter| filter.channels = set("other")),
        (FilterKey::Teams, &|filter| filter.teams = set("other")),
        (FilterKey::ChannelTypes, &|filter| filter.channel_types = [ChannelType::Direct].into()),
        (FilterKey::Users, &|filter| filter.users = set("ben")),
        (FilterKey::IgnoreBots, &|filter| filter.ignore_bots = true),
        (FilterKey::IgnoreWebhooks, &|filter| filter.ignore_webhooks = true),
        (FilterKey::IgnoreSystem, &|filter| filter.ignore_system = true),
        (FilterKey::MentionsOnly, &|filter| filter.mentions_only = true),
    ];
    let event = Event { own: true, recovered: true, ..in_channel("O", "posted", &data) };
    for (key, change) in cases {
        assert_eq!(left_out_by(&filter(change), &event), Some(key));
    }
    assert_eq!(left_out_by(&FilterConfig::default(), &event), None);
}

#[test]
fn fetched_events_are_left_out_where_that_is_asked_for() {
    let skip = filter(|filter| filter.recovered = Recovered::Skip);
    let fetched = Event { recovered: true, ..of("posted", "{}") };
    assert!(!accepts(&skip, &fetched) && accepts(&skip, &of("posted", "{}")));
    assert!(accepts(&FilterConfig::default(), &fetched) && !accepts_all(&skip));
}

#[test]
fn of_fetched_events_the_last_post_passes_where_that_is_asked_for() {
    let last = filter(|filter| filter.recovered = Recovered::Last);
    let fetched = Event { recovered: true, ..of("posted", "{}") };
    assert!(!accepts(&last, &fetched) && accepts(&last, &of("posted", "{}")));
    assert!(accepts(&last, &Event { last_recovered: true, ..fetched }) && !accepts_all(&last));
}

#[test]
fn posts_and_edits_that_are_too_old_are_left_out() {
    let hour = Duration::from_secs(3600);
    let recent = filter(|filter| filter.skip_older_than = Some(hour));
    let now = SystemTime::UNIX_EPOCH + 10 * hour;
    let at = |time: Duration| i64::try_from(time.as_millis()).unwrap();
    let posted = |time| Change::Posted(PostKey { create_at: at(time), id: "p".into() });
    let edited = |time| Change::Edited { id: "p".into(), edit_at: at(time) };
    for (change, expected) in [
        (Some(posted(9 * hour)), false),
        (Some(posted(8 * hour)), true),
        (Some(posted(11 * hour)), false),
        (Some(edited(9 * hour)), false),
        (Some(edited(8 * hour)), true),
        (Some(Change::Deleted { id: "p".into() }), false),
        (None, false),
    ] {
        let mut event = of("posted", "{}");
        event.body.change = change;
        assert_eq!(is_too_old(&recent, &event, now), expected, "{:?}", event.body.change);
        assert!(!is_too_old(&FilterConfig::default(), &event, now));
    }
    // In the fixture, the post is from 1970.
    assert!(!accepts(&recent, &of("posted", "{}")));
}

/// An event of a channel of that kind, which the account knows.
fn in_channel(kind: &str, name: &str, data: &str) -> Event {
    let channel = ChannelInfo {
        kind: kind.into(),
        name: "town".into(),
        team_id: "t1".into(),
        team_name: "crew".into(),
        ..ChannelInfo::default()
    };
    Event { channel: Some(channel.into()), ..of(name, data) }
}

#[test]
fn edits_deletions_and_reactions_of_direct_channels_do_not_pass_a_filter_of_types() {
    let public = filter(|filter| filter.channel_types = [ChannelType::Public].into());
    let post = r#"{"post":"{\"id\":\"p\",\"message\":\"secret\"}"}"#;
    let reaction = r#"{"reaction":"{\"user_id\":\"ann\",\"post_id\":\"p\"}"}"#;
    for (name, data) in [
        ("posted", post),
        ("post_edited", post),
        ("post_deleted", post),
        ("reaction_added", reaction),
        ("reaction_removed", reaction),
        ("typing", "{}"),
    ] {
        assert!(!accepts(&public, &in_channel("D", name, data)), "{name}");
        assert!(accepts(&public, &in_channel("O", name, data)), "{name}");
    }
}

#[test]
fn edits_in_direct_channels_are_mentions() {
    let mentions = filter(|filter| filter.mentions_only = true);
    let edited = r#"{"post":"{\"id\":\"p\",\"message\":\"hi\"}"}"#;
    assert!(accepts(&mentions, &in_channel("D", "post_edited", edited)));
    assert!(!accepts(&mentions, &in_channel("O", "post_edited", edited)));
}

#[test]
fn channels_and_teams_are_chosen_by_name_and_id() {
    let event = in_channel("O", "post_edited", "{}");
    let elsewhere = Event { channel: None, ..of("posted", "{}") };
    for (channels, teams, expected) in [
        (&["town"][..], &[][..], true),
        (&["c"], &[], true),
        (&["other"], &[], false),
        (&[], &["crew"], true),
        (&[], &["t1"], true),
        (&[], &["other"], false),
        (&["town"], &["other"], false),
    ] {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let filter = filter(|filter| (filter.channels, filter.teams) = (set(channels), set(teams)));
        assert_eq!(accepts(&filter, &event), expected, "{channels:?} {teams:?}");
        let mut nowhere = elsewhere.clone();
        nowhere.body.channel_id = "".into();
        assert!(accepts(&filter, &nowhere), "an event without a channel");
    }
}

#[test]
fn a_team_whose_name_is_not_known_passes_unless_the_filter_has_ids_only() {
    let unnamed = ChannelInfo { team_id: "t1".into(), ..ChannelInfo::default() };
    let event = Event { channel: Some(unnamed.into()), ..of("posted", "{}") };
    let direct = Event { channel: Some(ChannelInfo::default().into()), ..of("posted", "{}") };
    let id = "k".repeat(ID_CHARS);
    for (teams, expected) in [(vec![&*id], false), (vec![&*id, "crew"], true), (vec!["crew"], true)] {
        let filter = filter(|filter| filter.teams = teams.into_iter().map(str::to_owned).collect());
        assert_eq!(accepts(&filter, &event), expected, "{:?}", filter.teams);
        assert!(!accepts(&filter, &direct), "a direct channel has no team");
    }
}

#[test]
fn users_bots_webhooks_and_the_server_are_told_apart() {
    let post = |props: serde_json::Value, kind: &str| {
        let post = serde_json::json!({ "id": "p", "user_id": "u1", "props": props, "type": kind });
        let event = of("posted", &serde_json::json!({ "post": post.to_string() }).to_string());
        Event { sender: Some("ann".into()), ..event }
    };
    let person = post(serde_json::Value::Null, "");
    for (users, expected) in [("ann", true), ("u1", true), ("ben", false)] {
        let filter = filter(|filter| filter.users = [users.to_owned()].into());
        assert_eq!(accepts(&filter, &person), expected, "{users}");
        assert!(accepts(&filter, &of("typing", "{}")), "an event without an author");
    }
    let bot = post(serde_json::json!({ "from_bot": "true" }), "");
    let webhook = post(serde_json::json!({ "from_webhook": "true" }), "");
    let system = post(serde_json::json!({}), "system_join_channel");
    let ignore: [fn(&mut FilterConfig); 3] = [
        |filter| filter.ignore_bots = true,
        |filter| filter.ignore_webhooks = true,
        |filter| filter.ignore_system = true,
    ];
    for (n, ignore) in ignore.into_iter().enumerate() {
        let filter = filter(ignore);
        for (m, event) in [&bot, &webhook, &system, &person].into_iter().enumerate() {
            assert_eq!(accepts(&filter, event), n != m, "{n} {m}");
        }
    }
}

#[test]
fn fetched_and_edited_posts_are_judged_by_all_their_words() {
    let mentions = filter(|filter| filter.mentions_only = true);
    let own_only = filter(|filter| (filter.mentions_only, filter.mention_everyone) = (true, false));
    let attached = serde_json::json!({ "attachments": [{ "pretext": "x", "text": "ask @helper.bot" }] });
    for (message, props, by_all, by_own) in [
        ("@helper.bot", serde_json::Value::Null, true, true),
        ("call the PAGER", serde_json::json!({}), true, true),
        ("`@helper.bot` is its name", serde_json::json!({}), false, false),
        ("@here", serde_json::json!({}), true, false),
        ("", attached, true, true),
    ] {
        let post = serde_json::json!({ "id": "p", "message": message, "props": props }).to_string();
        for name in ["posted", "post_edited"] {
            let event = of(name, &serde_json::json!({ "post": post, "channel_type": "O" }).to_string());
            assert_eq!(accepts(&mentions, &event), by_all, "{message}");
            assert_eq!(accepts(&own_only, &event), by_own, "{message}");
        }
    }
    let nothing = serde_json::json!({ "id": "p", "message": null, "props": { "attachments": [{ "text": "@helper.bot" }] } });
    assert!(accepts(
        &mentions,
        &of("posted", &serde_json::json!({ "post": nothing.to_string() }).to_string())
    ));
    let live = |text: &str| of("posted", &data("O", Some(r#"["bot"]"#), text));
    assert!(accepts(&mentions, &live("@channel")) && !accepts(&own_only, &live("@channel")));
    assert!(accepts(&own_only, &live("@channel and @helper.bot")) && accepts(&own_only, &live("@the-group")));
}
