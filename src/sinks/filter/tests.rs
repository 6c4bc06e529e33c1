use std::time::Duration;

use matterhost_actors::model::{PostKey, UserId};

use super::*;
use crate::sinks::tests::fixtures::{ScriptedSink, event, outcome};

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
    let user = AccountUser { id: UserId::from("bot"), name: "helper.bot".into() };
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
fn channels_are_chosen_by_kind_and_what_does_not_tell_is_taken() {
    let quiet = filter(|filter| filter.channel_types = [ChannelType::Private, ChannelType::Direct].into());
    let accepts = |kind: &str| accepts(&quiet, &of("posted", &data(kind, None, "")));
    assert!(accepts("P") && accepts("D") && !accepts("O") && !accepts("G"));
    assert!(accepts("X") && self::accepts(&quiet, &of("reaction_added", "{}")));
}

#[test]
fn the_bots_own_are_left_out_where_asked() {
    let others = filter(|filter| filter.skip_own = true);
    let own = Event { own: true, ..of("posted", "{}") };
    assert!(!accepts(&others, &own) && accepts(&others, &of("posted", "{}")));
    assert!(accepts(&FilterConfig::default(), &own));
}

#[test]
fn a_mention_is_what_the_server_says_it_is() {
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
async fn what_is_left_out_is_acknowledged_and_not_handed_over() {
    let inner = Arc::<ScriptedSink>::default();
    let sink: Arc<dyn EventSink> = Arc::clone(&inner) as _;
    let posts = filter(|filter| filter.events = ["posted".to_owned()].into());
    let filtered = FilteredSink { filter: posts, sink };
    for name in ["typing", "posted"] {
        assert_eq!(outcome(filtered.deliver(&Arc::new(of(name, "{}")))).await, Outcome::Acknowledged);
    }
    assert_eq!(inner.delivered_ids().len(), 1);
}

#[test]
fn fetched_events_are_left_out_where_that_is_asked_for() {
    let skip = filter(|filter| filter.recovered = Recovered::Skip);
    let fetched = Event { recovered: true, ..of("posted", "{}") };
    assert!(!accepts(&skip, &fetched) && accepts(&skip, &of("posted", "{}")));
    assert!(accepts(&FilterConfig::default(), &fetched) && !accepts_all(&skip));
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
