//! Bots in Rust: handlers that reply, fail, panic or take long.

mod bot_harness;
mod builder;
mod commands;
mod interactions;
mod look_ups;
mod panics;
mod post_limit;
mod random_faults;
mod schedules;
mod several;
#[cfg(feature = "disk-state")]
mod state;
mod storage;
mod storm;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use matterhost_actors::{
    bots::{Bot, BotResult, BotSink, Context, Post},
    hosting::{HostSettings, Shutdown, StartAccount, StopAccount},
    mattermost::RestErrorKind,
    model::{AccountState, CloseReason, Draft, Fact, ReplyKey},
};
use tokio::sync::{Notify, watch};

use crate::harness::{Harness, PostReply, SECOND, name, posted_data, run_paused, settings, unlimited_rate};

/// A bot whose behaviour depends on the text of the post.
#[derive(Default)]
struct ScriptedBot {
    /// The post of each handler that began, in order.
    begun: Mutex<Vec<String>>,
    /// Handlers that are running now.
    running: AtomicUsize,
    /// The most handlers that ever ran at once.
    max_running: AtomicUsize,
    /// Lets one handler of a `wait` post end.
    proceed: Notify,
    failures: AtomicUsize,
    ended: watch::Sender<usize>,
}

impl ScriptedBot {
    fn begun(&self) -> Vec<String> {
        self.begun.lock().unwrap().clone()
    }

    async fn wait_until_ended(&self, count: usize) {
        let mut ended = self.ended.subscribe();
        let waiting = ended.wait_for(|ended| *ended >= count);
        tokio::time::timeout(Duration::from_secs(36_000), waiting).await.unwrap().unwrap();
    }

    async fn act(&self, context: &Context, post: &Post) -> BotResult {
        match &*post.message {
            "panic" if self.failures.fetch_add(1, Ordering::Relaxed) == 0 => panic!("scripted panic"),
            "poison" => panic!("scripted poison"),
            "fail" if self.failures.fetch_add(1, Ordering::Relaxed) == 0 => Err("scripted failure".into()),
            "hang" if self.failures.fetch_add(1, Ordering::Relaxed) == 0 => std::future::pending().await,
            "wait" => {
                self.proceed.notified().await;
                Ok(())
            }
            "answer" => {
                context.reply_in_thread("an answer").await?;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Bot for ScriptedBot {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        self.begun.lock().unwrap().push(post.id.to_string());
        self.max_running.fetch_max(self.running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        let result = self.act(context, post).await;
        self.running.fetch_sub(1, Ordering::Relaxed);
        if result.is_ok() {
            self.ended.send_modify(|ended| *ended += 1);
        }
        result
    }
}

fn with_a_bot(settings: HostSettings, test: impl AsyncFnOnce(&mut Harness, Arc<ScriptedBot>)) {
    run_paused(settings, unlimited_rate(), async |harness| {
        for n in 0..40 {
            harness.fake.add_channel(&format!("room-{n}"), &["bot"]);
        }
        let bot = Arc::new(ScriptedBot::default());
        let poster = Arc::new(harness.supervisor.clone());
        let sink = BotSink::new(bot.clone(), poster).with_deadline(600 * SECOND);
        harness.host_with("bot", Arc::new(sink)).await.unwrap();
        harness.wait_until_ready("bot").await;
        test(harness, bot).await;
    });
}

/// Posts as another user and sends the event to the bot's socket.
fn post_to_bot(harness: &Harness, channel: &str, text: &str) -> String {
    let id = harness.fake.post(channel, 20_000).to_string();
    let data = posted_data(channel, &id, "id-ana").replace("hello", text);
    harness.fake.server_socket("bot").event("posted", channel, &data);
    id
}

#[test]
fn a_handler_that_fails_panics_or_hangs_is_a_fault_of_its_account_and_its_event_comes_again() {
    let causes = [
        ("fail", "the bot failed: scripted failure"),
        ("panic", "the bot panicked: scripted panic"),
        ("hang", "the bot took longer than 600 s"),
    ];
    for (text, expected) in causes {
        with_a_bot(settings(), async |harness, bot| {
            harness.ready("healthy").await;
            let id = post_to_bot(harness, "room-0", text);
            let (reason, charged) = harness.wait_until_closed("bot").await;
            let CloseReason::SinkBroken { cause } = reason else { panic!("{text}: {reason:?}") };
            assert!(cause.starts_with(expected), "{cause}");
            assert_eq!(cause.contains(" at actors/tests/actors/bots"), text == "panic", "{cause}");
            assert!(charged, "{text}");
            bot.wait_until_ended(1).await;
            harness.wait_until_ready("bot").await;
            assert_eq!(bot.begun(), [id.clone(), id]);
            harness.advance(SECOND).await;
            assert_eq!(harness.count("healthy", "closed"), 0, "the healthy account must stay connected");
        });
    }
}

#[test]
fn an_event_on_which_a_bot_always_panics_is_given_up_and_does_not_silence_the_account() {
    with_a_bot(settings(), async |harness, bot| {
        let poison = post_to_bot(harness, "room-0", "poison");
        let next = post_to_bot(harness, "room-0", "hello");
        let other = post_to_bot(harness, "room-1", "hello");
        let rejected = harness.wait_for("bot", |fact| matches!(fact, Fact::Rejected { .. })).await;
        let Fact::Rejected { event, cause, .. } = rejected else { panic!("{rejected:?}") };
        let expected =
            "the bot failed 3 times with this event; the last time: the bot panicked: scripted poison";
        assert_eq!(&*event, &*poison);
        assert!(cause.starts_with(expected), "{cause}");
        bot.wait_until_ended(2).await;
        let begun = bot.begun();
        assert_eq!(begun.iter().filter(|begun| **begun == poison).count(), 3, "{begun:?}");
        assert!(begun.contains(&other) && begun.last() == Some(&next), "{begun:?}");
        // The bot had handled nothing when it failed first.
        assert_eq!((harness.count("bot", "closed"), harness.count("bot", "tripped")), (1, 0));
        assert_eq!(harness.state("bot").await, AccountState::Ready);
    });
}

#[test]
fn events_on_which_a_bot_always_fails_neither_restart_nor_silence_an_account_that_handles_others() {
    with_a_bot(settings(), async |harness, bot| {
        post_to_bot(harness, "room-0", "hello");
        bot.wait_until_ended(1).await;
        let began = tokio::time::Instant::now();
        // A person who tries again and again, and then others between them.
        for (n, is_alone) in [true; 7].into_iter().chain([false; 9]).enumerate() {
            let poison = post_to_bot(harness, &format!("room-{}", n + 1), "poison");
            if !is_alone {
                post_to_bot(harness, "room-0", "hello");
            }
            let is_given_up =
                |fact: &Fact| matches!(fact, Fact::Rejected { event, .. } if **event == *poison);
            harness.wait_for("bot", is_given_up).await;
        }
        bot.wait_until_ended(10).await;
        // Each is given up after three seconds.
        assert!(began.elapsed() < 60 * SECOND, "{:?}", began.elapsed());
        assert_eq!((harness.count("bot", "closed"), harness.state("bot").await), (0, AccountState::Ready));
    });
}

#[test]
fn a_handler_that_takes_long_leaves_half_of_the_permits_to_other_channels() {
    let mut settings = settings();
    settings.delivery.queue = 64;
    with_a_bot(settings, async |harness, bot| {
        post_to_bot(harness, "room-0", "wait");
        let live = |channel: &str| harness.fake.post_live("bot", channel).to_string();
        let behind: Vec<_> = (0..300).map(|_| live("room-0")).collect();
        let others: Vec<_> = (0..20).map(|n| live(["room-1", "room-2"][n % 2])).collect();
        harness.advance(30 * SECOND).await;
        let begun = bot.begun();
        assert!(others.iter().all(|post| begun.contains(post)), "others wait: {begun:?}");
        assert_eq!(harness.count("bot", "channel_postponed"), 1);
        bot.proceed.notify_one();
        bot.wait_until_ended(321).await;
        let mut in_room: Vec<_> = bot.begun().split_off(1);
        in_room.retain(|post| !others.contains(post));
        assert_eq!(in_room, behind, "each once, in order");
        assert_eq!(harness.state("bot").await, AccountState::Ready);
    });
}

#[test]
fn slow_handlers_are_bounded_and_pings_are_answered_meanwhile() {
    let mut settings = settings();
    settings.delivery.in_flight = 4;
    with_a_bot(settings, async |harness, bot| {
        for n in 0..40 {
            post_to_bot(harness, &format!("room-{n}"), "wait");
        }
        for _ in 0..6 {
            harness.wait_for("bot", |fact| matches!(fact, Fact::ProbeGood { .. })).await;
        }
        assert_eq!((bot.max_running.load(Ordering::Relaxed), bot.begun().len()), (4, 4));
        assert_eq!(harness.state("bot").await, AccountState::Ready);
        for ended in 1..=40 {
            bot.proceed.notify_one();
            bot.wait_until_ended(ended).await;
        }
        assert_eq!(bot.max_running.load(Ordering::Relaxed), 4);
        assert_eq!(harness.count("bot", "closed"), 0);
    });
}

#[test]
fn a_temporary_failure_to_reply_repeats_the_event_and_a_permanent_one_skips_it() {
    with_a_bot(settings(), async |harness, bot| {
        // The failures last longer than a reply's deadline.
        harness.fake.script_post_replies((0..20).map(|_| PostReply::Fail(RestErrorKind::Server(500))));
        let id = post_to_bot(harness, "room-0", "answer");
        harness.wait_for("bot", |fact| matches!(fact, Fact::Stalled { .. })).await;
        bot.wait_until_ended(1).await;
        assert_eq!(harness.fake.rest_messages("room-0"), ["an answer"]);
        assert!(bot.begun().len() > 1 && bot.begun().iter().all(|begun| *begun == id));

        harness.fake.script_post_replies([PostReply::Fail(RestErrorKind::Refused(403))]);
        post_to_bot(harness, "room-1", "answer");
        let rejected = harness.wait_for("bot", |fact| matches!(fact, Fact::Rejected { .. })).await;
        let Fact::Rejected { cause, .. } = rejected else { panic!("{rejected:?}") };
        assert!(cause.contains("403"), "{cause}");
        assert_eq!(harness.count("bot", "closed"), 0, "a reply error must not end the connection");
    });
}

#[test]
fn an_event_that_comes_again_after_a_fault_is_answered_once() {
    /// Replies twice, and fails afterwards for the first two times.
    struct Forgetful(AtomicUsize, watch::Sender<bool>);

    impl Bot for Forgetful {
        async fn posted(&self, context: &Context, _: &Post) -> BotResult {
            context.reply("first").await?;
            context.reply("second").await?;
            if self.0.fetch_add(1, Ordering::Relaxed) < 2 {
                return Err("after the answers".into());
            }
            self.1.send_replace(true);
            Ok(())
        }
    }

    with_a_bot(settings(), async |harness, _| {
        harness.fake.add_channel("town", &["forgetful"]);
        let bot = Arc::new(Forgetful(AtomicUsize::new(0), watch::Sender::new(false)));
        let sink = BotSink::new(bot.clone(), Arc::new(harness.supervisor.clone()));
        harness.host_with("forgetful", Arc::new(sink)).await.unwrap();
        harness.wait_until_ready("forgetful").await;
        let id = harness.fake.post("town", 20_000).to_string();
        harness.fake.server_socket("forgetful").event("posted", "town", &posted_data("town", &id, "id-ana"));
        bot.1.subscribe().wait_for(|done| *done).await.unwrap();
        assert_eq!(bot.0.load(Ordering::Relaxed), 3);
        assert_eq!(harness.fake.rest_messages("town"), ["first", "second"]);
    });
}

#[test]
fn a_bot_writes_an_answer_that_grows_without_waiting_for_each_piece() {
    struct Model(watch::Sender<bool>);

    impl Bot for Model {
        async fn posted(&self, context: &Context, _: &Post) -> BotResult {
            let key = ReplyKey::new("answer")?;
            context.post(Draft { text: "…".into(), key: Some(key.clone()), ..Draft::default() }).await?;
            for n in 0..500 {
                context.update_soon(&key, format!("piece {n}")).await?;
            }
            context.update(&key, "all pieces").await?;
            self.0.send_replace(true);
            Ok(())
        }
    }

    with_a_bot(settings(), async |harness, _| {
        harness.fake.add_channel("town", &["model"]);
        let bot = Arc::new(Model(watch::Sender::new(false)));
        let sink = BotSink::new(bot.clone(), Arc::new(harness.supervisor.clone()));
        harness.host_with("model", Arc::new(sink)).await.unwrap();
        harness.wait_until_ready("model").await;
        let id = harness.fake.post("town", 20_000).to_string();
        harness.fake.server_socket("model").event("posted", "town", &posted_data("town", &id, "id-ana"));
        bot.0.subscribe().wait_for(|done| *done).await.unwrap();
        assert_eq!(harness.fake.rest_messages("town"), ["all pieces"]);
        assert!((1..=3).contains(&harness.fake.request_count("edit")));
    });
}

#[test]
fn a_stopped_account_keeps_unanswered_events() {
    with_a_bot(settings(), async |harness, bot| {
        harness.fake.script_post_replies([PostReply::Fail(RestErrorKind::RateLimited {
            retry_after: Some(9 * SECOND),
        })]);
        post_to_bot(harness, "room-0", "answer");
        harness.advance(SECOND).await;
        harness.send(StopAccount(name("bot"))).await.unwrap();
        harness.wait_for("bot", |fact| *fact == Fact::Stopped).await;
        harness.advance(30 * SECOND).await;
        assert_eq!(harness.fake.rest_messages("room-0").len(), 0);
        harness.send(StartAccount(name("bot"))).await.unwrap();
        bot.wait_until_ended(1).await;
        assert_eq!(harness.fake.rest_messages("room-0"), ["an answer"]);
    });
}

#[test]
fn a_shutdown_waits_for_handlers_and_their_answers() {
    /// Replies as soon as the test lets it.
    struct Late(Notify);

    impl Bot for Late {
        async fn posted(&self, context: &Context, _: &Post) -> BotResult {
            self.0.notified().await;
            context.reply("better late").await?;
            Ok(())
        }
    }

    with_a_bot(settings(), async |harness, _| {
        harness.fake.add_channel("town", &["late"]);
        let bot = Arc::new(Late(Notify::new()));
        let sink = BotSink::new(bot.clone(), Arc::new(harness.supervisor.clone()));
        harness.host_with("late", Arc::new(sink)).await.unwrap();
        harness.wait_until_ready("late").await;
        let id = harness.fake.post("town", 20_000).to_string();
        harness.fake.server_socket("late").event("posted", "town", &posted_data("town", &id, "id-ana"));
        harness.advance(SECOND).await;
        let ending = actix::spawn(harness.supervisor.send(Shutdown { deadline: 60 * SECOND }));
        harness.wait_for("late", |fact| *fact == Fact::Stopped).await;
        harness.advance(SECOND).await;
        bot.0.notify_one();
        assert_eq!(ending.await.unwrap().unwrap().abandoned, []);
        assert_eq!(harness.fake.rest_messages("town"), ["better late"]);
    });
}
