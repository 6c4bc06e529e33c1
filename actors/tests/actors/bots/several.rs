//! Several bots of one account, by a sink that hands its events to each.

use std::sync::Arc;

use futures_util::future::{FutureExt as _, join_all};
use matterhost_actors::{
    bots::{Bot, BotResult, BotSink, Context, Post},
    hosting::{RemoveAccount, RestartAccount, StartAccount, StopAccount},
    model::{BotName, Draft, Event, Fact, StorageError},
    ports::{Delivered, EventSink, Outcome, Poster as _},
    testing::{BotHarness, post},
};
use tokio::sync::watch;

use super::with_a_bot;
use crate::{
    harness::{Harness, SECOND, name, posted_data, settings},
    simulator_harness::run,
};

/// Posts an answer, and another one that grows.
struct Answering(&'static str);

impl Bot for Answering {
    async fn posted(&self, context: &Context, _: &Post) -> BotResult {
        let Self(name) = self;
        context.reply(format!("{name} answers")).await?;
        let key = context.key("text")?;
        context.post(Draft { text: "…".into(), key: Some(key.clone()), ..Draft::default() }).await?;
        context.update(&key, format!("{name} grows")).await?;
        Ok(())
    }
}

/// Hands each event to two bots, and takes a post the second time only.
struct Both {
    sinks: [BotSink<Answering>; 2],
    handled: watch::Sender<usize>,
}

impl EventSink for Both {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        let answers = self.sinks.each_ref().map(|sink| match sink.deliver(event) {
            Delivered::Now(outcome) => panic!("{outcome:?}"),
            Delivered::Later(answer) => answer,
        });
        let (handled, is_post) = (self.handled.clone(), &*event.body.event == "posted");
        let both = async move {
            assert_eq!(join_all(answers).await, [Outcome::Acknowledged, Outcome::Acknowledged]);
            handled.send_modify(|count| *count += usize::from(is_post));
            match *handled.borrow() {
                1 if is_post => Outcome::Broken { cause: "once more".into() },
                _ => Outcome::Acknowledged,
            }
        };
        Delivered::Later(both.boxed())
    }
}

#[test]
fn each_bot_of_an_account_answers_an_event_once() {
    with_a_bot(settings(), async |harness: &mut Harness, _| {
        harness.fake.add_channel("town", &["pair"]);
        let sink = |name| {
            BotSink::new(Answering(name), Arc::new(harness.supervisor.clone()))
                .named(BotName::new(name).unwrap())
        };
        let both = Both { sinks: ["first", "second"].map(sink), handled: watch::Sender::new(0) };
        let mut handled = both.handled.subscribe();
        harness.host_with("pair", Arc::new(both)).await.unwrap();
        harness.wait_until_ready("pair").await;
        let id = harness.fake.post("town", 20_000).to_string();
        harness.fake.server_socket("pair").event("posted", "town", &posted_data("town", &id, "id-ana"));
        let twice = handled.wait_for(|count| *count == 2);
        tokio::time::timeout(600 * SECOND, twice).await.expect("it comes again").unwrap();
        let mut messages = harness.fake.rest_messages("town");
        messages.sort();
        assert_eq!(messages, ["first answers", "first grows", "second answers", "second grows"]);
    });
}

#[test]
fn bots_of_an_account_do_not_see_each_others_values() {
    struct Keeping;

    impl Bot for Keeping {
        async fn posted(&self, context: &Context, post: &Post) -> BotResult {
            let storage = context.storage();
            match post.message.split_once(' ') {
                Some(("put", key)) => storage.put(key, &post.id)?,
                Some((_, key)) => storage.delete(key)?,
                None => drop(context.reply(storage.keys()?.join(" ")).await?),
            }
            Ok(())
        }
    }

    run(async || {
        let mut harness = BotHarness::new(Keeping);
        for (name, messages) in [
            ("desk", ["put count", "put a/b", "keys"]),
            ("des", ["delete count", "put k/", "keys"]),
            ("desk", ["put des/k", "delete a/b", "keys"]),
            ("des", ["delete k/", "delete count", "keys"]),
        ] {
            harness = harness.named(BotName::new(name).unwrap());
            for message in messages {
                assert_eq!(harness.deliver(post(message)).await, Outcome::Acknowledged);
            }
        }
        assert_eq!(harness.texts(), ["a/b count", "k/", "count des/k", ""]);
    });
}

#[test]
fn the_longest_name_of_a_bot_leaves_its_keys_their_length() {
    struct Naming;

    impl Bot for Naming {
        async fn posted(&self, context: &Context, _: &Post) -> BotResult {
            let (storage, longest) = (context.storage(), "k".repeat(256));
            storage.put(&longest, &1)?;
            assert_eq!((storage.get(&longest)?, storage.keys()?), (Some(1), vec![longest.clone()]));
            for bad in ["", "a\nb", &format!("{longest}k")] {
                let refused = storage.put(bad, &1).unwrap_err();
                assert!(matches!(refused, StorageError::Key { limit: 256, .. }), "{refused}");
            }
            storage.delete(&longest)?;
            context.key(&longest)?;
            context.reply(format!("{} keys", storage.keys()?.len())).await?;
            Ok(())
        }
    }

    run(async || {
        let longest = format!("{0}@{0}", "x".repeat(128));
        for name in [None, Some("desk"), Some(&*longest)] {
            let mut harness = BotHarness::new(Naming);
            if let Some(name) = name {
                harness = harness.named(BotName::new(name).unwrap());
            }
            assert_eq!(harness.deliver(post("a")).await, Outcome::Acknowledged, "{name:?}");
            assert_eq!(harness.texts(), ["0 keys"]);
        }
    });
}

#[test]
fn an_account_is_hosted_unless_it_is_stopped_or_leaves() {
    with_a_bot(settings(), async |harness, _| {
        let (bot, supervisor) = (name("bot"), harness.supervisor.clone());
        let is_hosted = async || supervisor.is_hosted(&name("bot")).await;
        assert!(is_hosted().await);
        harness.send(StopAccount(bot.clone())).await.unwrap();
        assert!(!is_hosted().await, "from then on");
        harness.wait_for("bot", |fact| *fact == Fact::Stopped).await;
        assert!(!is_hosted().await);
        harness.send(StartAccount(bot.clone())).await.unwrap();
        assert!(is_hosted().await);
        harness.wait_until_ready("bot").await;
        harness.send(RestartAccount(bot.clone())).await.unwrap();
        assert!(is_hosted().await, "its posts wait for the next connection");
        harness.wait_until_ready("bot").await;
        let removal = supervisor.send(RemoveAccount(bot));
        assert!(!is_hosted().await, "another host may take it as soon as it is removed");
        removal.await.unwrap().unwrap();
        assert!(!is_hosted().await);
    });
}
