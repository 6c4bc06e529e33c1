//! The builder of a host: refused input, and hosts on every kind of runtime.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use matterhost_actors::{
    bots::{Bot, BotResult, Context, Host, Post},
    hosting::{HostSettings, ListAccounts, ReplySettings},
    model::{AccountState, Fact, Observation},
    policy::StartFrom,
    ports::MemoryStore,
};
use matterhost_simulator::{Account, Simulator};
use tokio::sync::{
    Notify,
    broadcast::{Receiver, error::RecvError},
};

use crate::{
    harness::REAL_TIMEOUT,
    simulator_harness::{fast_settings, run},
};

struct Echo(Arc<Notify>);

impl Bot for Echo {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        context.reply(&post.message).await?;
        self.0.notify_one();
        Ok(())
    }
}

/// Starts a simulator with one channel, the bots in it, and another user.
pub(super) fn start_simulator(bots: &[&str]) -> (Simulator, String, Vec<Account>, Account) {
    let simulator = Simulator::start().unwrap();
    let team = simulator.create_team("team");
    let channel = simulator.create_channel(&team, "town");
    let bots: Vec<Account> = bots.iter().map(|name| simulator.create_bot(name)).collect();
    for bot in &bots {
        simulator.add_to_team(&team, &bot.user_id);
        simulator.add_to_channel_quietly(&channel, &bot.user_id);
    }
    let ana = simulator.create_user("ana");
    (simulator, channel, bots, ana)
}

async fn wait_for(observations: &mut Receiver<Arc<Observation>>, mut wanted: impl FnMut(&Fact) -> bool) {
    let waiting = async {
        loop {
            match observations.recv().await {
                Ok(seen) if wanted(&seen.fact) => return,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => panic!("the host ended"),
            }
        }
    };
    tokio::time::timeout(REAL_TIMEOUT, waiting).await.expect("the fact was not observed in time");
}

async fn host_echo_bot() {
    let (simulator, channel, bots, ana) = start_simulator(&["echo"]);
    let echoed = Arc::new(Notify::new());
    let host = Host::builder().server(simulator.url()).account("echo", &*bots[0].token, Echo(echoed.clone()));
    let mut observations = host.subscribe();
    let running = host.start().await.unwrap();
    wait_for(&mut observations, |fact| matches!(fact, Fact::Ready { .. })).await;
    simulator.post(&ana.user_id, &channel, "hello");
    tokio::time::timeout(REAL_TIMEOUT, echoed.notified()).await.unwrap();
    let list = running.supervisor().send(ListAccounts).await.unwrap();
    assert_eq!(list[0].state, AccountState::Ready);
    assert_eq!(running.shutdown(Duration::from_secs(5)).await.abandoned, []);
    assert_eq!(simulator.posts_in(&channel).len(), 2);
    assert!(
        simulator.wait_for(|seen| seen.connections_open == 0, REAL_TIMEOUT),
        "a connection is still open after the shutdown"
    );
}

#[test]
fn a_host_runs_on_actix() {
    actix::System::new().block_on(host_echo_bot());
}

#[test]
fn a_host_runs_on_plain_tokio_of_either_kind() {
    use tokio::runtime::Builder;
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        builder.enable_all().build().unwrap().block_on(host_echo_bot());
    }
}

#[test]
fn a_host_that_is_dropped_ends_its_own_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (simulator, _, bots, _) = start_simulator(&["echo"]);
        let host =
            Host::builder().server(simulator.url()).account("echo", &*bots[0].token, Echo(Arc::default()));
        let mut observations = host.subscribe();
        let running = host.start().await.unwrap();
        wait_for(&mut observations, |fact| matches!(fact, Fact::Ready { .. })).await;
        drop(running);
        assert!(simulator.wait_for(|seen| seen.connections_open == 0, REAL_TIMEOUT));
    });
}

#[test]
fn all_problems_are_reported_at_once() {
    run(async || {
        let echo = || Echo(Arc::default());
        let refused = Host::builder()
            .account("early", "token", echo())
            .server("chat.example.com")
            .server("http://chat.example.com")
            .account("a b", "token", echo())
            .account("blank", " ", echo())
            .account("twice", "token", echo())
            .account("twice", "token", echo())
            .start()
            .await
            .unwrap_err();
        let subjects: Vec<&str> =
            refused.problems.iter().map(|problem| problem.split(':').next().unwrap()).collect();
        assert_eq!(subjects, ["account early", "server 1", "an account", "account blank", "account twice"]);
        assert!(!refused.to_string().contains("\"token\""));
        let empty = Host::builder().start().await.unwrap_err();
        assert_eq!(empty.problems, ["the host has no server; add one"]);
    });
}

#[test]
fn two_bots_that_answer_each_other_end() {
    run(async || {
        let (simulator, channel, bots, ana) = start_simulator(&["ping", "echo"]);
        let settings = fast_settings();
        let settings =
            HostSettings { replies: ReplySettings { loop_limit: 6, ..settings.replies }, ..settings };
        let host = Host::builder()
            .settings(settings)
            .server(simulator.url())
            .account("ping", &*bots[0].token, Echo(Arc::default()))
            .account("echo", &*bots[1].token, Echo(Arc::default()));
        let mut observations = host.subscribe();
        let mut ready = 0;
        let harness = async {
            wait_for(&mut observations, |fact| {
                ready += usize::from(matches!(fact, Fact::Ready { .. }));
                ready == 2
            })
            .await;
            simulator.post(&ana.user_id, &channel, "go");
            wait_for(&mut observations, |fact| matches!(fact, Fact::LoopStopped { limit: 6, .. })).await;
        };
        host.run_until(harness).await.unwrap();
        let posts = simulator.posts_in(&channel).len();
        assert!((7..=8).contains(&posts), "expected 7 or 8 posts, one of them by a user: {posts}");
    });
}

#[test]
fn the_next_process_answers_only_unanswered_events() {
    /// Replies, and then hangs for a number of times, so that the kill finds the reply made and the event unacknowledged.
    struct Dying(Arc<AtomicUsize>, Arc<Notify>);

    impl Bot for Dying {
        async fn posted(&self, context: &Context, post: &Post) -> BotResult {
            context.reply(format!("re: {}", post.message)).await?;
            let hangs = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            self.1.notify_one();
            if hangs.is_ok() { std::future::pending().await } else { Ok(()) }
        }
    }

    // Only the key can prevent a second post: the server deduplicates no `pending_post_id`.
    let timings = matterhost_simulator::Timings { pending_post_window: Duration::ZERO, ..Default::default() };
    let simulator = Simulator::builder().timings(timings).start().unwrap();
    let team = simulator.create_team("team");
    let channel = simulator.create_channel(&team, "town");
    let (bot, ana) = (simulator.create_bot("dying"), simulator.create_user("ana"));
    simulator.add_to_team(&team, &bot.user_id);
    simulator.add_to_channel_quietly(&channel, &bot.user_id);
    simulator.post(&ana.user_id, &channel, "one");
    let store = Arc::new(MemoryStore::default());
    let (hanging, answered) = (Arc::new(AtomicUsize::new(2)), Arc::new(Notify::new()));
    for life in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut settings = fast_settings();
            settings.catch_up.from = StartFrom::At(0);
            let running = Host::builder()
                .settings(settings)
                .store(store.clone())
                .server(simulator.url())
                .account("dying", &*bot.token, Dying(hanging.clone(), answered.clone()))
                .start()
                .await
                .unwrap();
            tokio::time::timeout(REAL_TIMEOUT, answered.notified())
                .await
                .expect("the bot did not reply in time");
            if life < 2 {
                // A kill: the handler does not finish, and nothing is stored.
                drop(running);
            } else {
                running.shutdown(Duration::from_secs(5)).await;
            }
        });
    }
    let texts: Vec<String> = simulator.posts_in(&channel).into_iter().map(|post| post.message).collect();
    assert_eq!(texts, ["one", "re: one"]);
}
