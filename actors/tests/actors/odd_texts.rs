//! A post whose text is none is handed over as any other, on every way to a sink.

use matterhost_actors::model::CloseReason;

use crate::harness::{Harness, run_paused, settings, unlimited_rate};

/// Members of a post in place of one `message` that is a text.
const TEXTS: [&str; 4] = [
    r#""message":"\ud800""#,
    r#""message":{"\ud800":1}"#,
    r#""message":1e999"#,
    r#""message":"a","message":"b""#,
];

const FIRST_AT: i64 = 1_000_000;

/// Makes a bot ready in one channel, with one post received.
async fn listening(harness: &mut Harness) {
    harness.fake.add_channel("c", &["bot"]);
    harness.ready("bot").await;
    let id = harness.fake.post("c", FIRST_AT).to_string();
    harness.fake.server_socket("bot").post_at("c", &id, FIRST_AT.unsigned_abs());
    harness.sink.wait_for_posts(1).await;
}

/// Sends an event with a post to the bot.
fn send(harness: &Harness, event: &str, user: &str, id: &str, at: i64, text: &str) {
    let post = format!(
        r#"{{"id":"{id}","create_at":{at},"update_at":{at},"edit_at":{at},"user_id":"{user}","channel_id":"c",{text}}}"#
    );
    let data = serde_json::json!({ "post": post }).to_string();
    harness.fake.server_socket("bot").event(event, "c", &data);
}

#[test]
fn a_live_post_without_a_text_is_one_with_its_author_and_is_not_fetched_again() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        listening(harness).await;
        for (text, at) in TEXTS.into_iter().zip(FIRST_AT + 1..) {
            let id = harness.fake.post_with_text("c", at, text).to_string();
            send(harness, "posted", "id-somebody", &id, at, text);
            send(harness, "post_edited", "id-somebody", &id, at, text);
            send(harness, "posted", "id-bot", &format!("own-{at}"), at, text);
        }
        harness.sink.wait_for_changes(1 + 2 * TEXTS.len(), |_| true).await;
        for event in harness.sink.events() {
            let Some(post) = &event.body.post else { continue };
            assert_eq!(post.author.as_str(), "id-somebody", "the account's own are left out");
            let text = if event.body.data.contains("\\\"b\\\"") { "b" } else { "" };
            assert_eq!(&*post.message, text, "{event:?}");
        }
        harness.fake.forget_connections("bot");
        harness.fake.drop_all_sockets();
        let last = harness.fake.post("c", FIRST_AT + 100);
        harness.sink.wait_for_changes(1, |taken| taken.id == last).await;
        assert_eq!(harness.sink.received_changes().len(), 2 + 2 * TEXTS.len());
    });
}

#[test]
fn posts_without_a_text_that_were_missed_are_fetched() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        listening(harness).await;
        harness.fake.forget_connections("bot");
        harness.fake.drop_all_sockets();
        let missed: Vec<_> = (FIRST_AT + 1..)
            .zip(TEXTS)
            .map(|(at, text)| harness.fake.post_with_text("c", at, text))
            .collect();
        harness.sink.wait_for_posts(1 + missed.len()).await;
        let fetched = harness.sink.posts().into_iter().filter(|post| post.recovered);
        assert_eq!(fetched.map(|post| post.id).collect::<Vec<_>>(), missed);
    });
}

#[test]
fn a_post_without_a_text_that_the_server_never_sent_is_found_by_the_audit() {
    for text in TEXTS {
        run_paused(settings(), unlimited_rate(), async |harness| {
            listening(harness).await;
            let lost = harness.fake.post_with_text("c", FIRST_AT + 500, text);
            let (reason, _) = harness.wait_until_closed("bot").await;
            assert_eq!(reason, CloseReason::AuditHole { channel: "c".into(), post: lost.clone() });
            harness.sink.wait_for_posts(2).await;
            assert_eq!(harness.sink.posts()[1].id, lost);
        });
    }
}
