mod changes;

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use matterhost_actors::{
    bots::{Bot, BotResult, Context, Post, Run, Schedule, SlashCommand},
    hosting::Observer,
    model::{Draft, Fact, OutgoingAction, ReplyError},
    ports::Poster,
};
use tempfile::TempDir;

use super::*;
use crate::{
    config::{Bots, Config, DeadLetterConfig, Sources},
    sinks::{
        SinkRegistry,
        dead_letter::DeadLetters,
        tests::fake_child::until,
        tests::fixtures::{
            DEADLINE, RecordingReplyPoster, delivered, event, handler_deps, outcome, post, post_of,
            post_with_text,
        },
    },
    telemetry::metrics::Metrics,
};

/// Counts the bots that are made and dropped.
#[derive(Default)]
struct Lives {
    made: AtomicUsize,
    dropped: AtomicUsize,
}

impl Lives {
    fn counts(&self) -> (usize, usize) {
        (self.made.load(Ordering::Acquire), self.dropped.load(Ordering::Acquire))
    }
}

/// Answers posts and counts them, and refuses those that say so.
struct Counting(Arc<Lives>);

impl Counting {
    fn new(lives: &Arc<Lives>) -> Self {
        lives.made.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(lives))
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::AcqRel);
    }
}

fn refused() -> ReplyError {
    ReplyError::Refused { cause: "not for me".into() }
}

impl Bot for Counting {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        if post.message == "refuse" {
            return Err(refused().into());
        }
        let count = context.storage().get::<u32>("count").unwrap_or_default().unwrap_or_default() + 1;
        // Not every test has a storage.
        let _ = context.storage().put("count", &count);
        context.reply(format!("{}, {count}", post.message)).await?;
        Ok(())
    }

    fn schedules(&self) -> Vec<Schedule> {
        vec![Schedule::new("yearly", "0 0 1 1 *").unwrap()]
    }

    async fn scheduled(&self, context: &Context, _: &Run) -> BotResult {
        context.post(Draft { channel: "c".into(), text: "yearly".into(), ..Draft::default() }).await?;
        Ok(())
    }

    async fn slash_command(&self, _: &Context, _: &SlashCommand) -> BotResult {
        Err(refused().into())
    }
}

/// Reads a configuration of a program with the bot `desk`.
fn config(dir: &TempDir, lives: &Arc<Lives>, sinks: &str) -> Config {
    let file = dir.path().join("matterhost.toml");
    let rest = "[servers.main]\nurl = 'http://127.0.0.1:1'\n[state]\nstore = 'memory'\n[accounts.helpdesk]\ntoken = 'x'\n";
    fs::write(&file, format!("{rest}{sinks}")).unwrap();
    let lives = Arc::clone(lives);
    let bots = Bots::default().with("desk", move || Counting::new(&lives));
    Config::load(&Sources { files: vec![file], bots, ..Sources::default() }, None).unwrap()
}

fn bot_config(dir: &TempDir, lives: &Arc<Lives>) -> BotConfig {
    let config = config(dir, lives, "[sinks.desk]\ntype = 'bot'\n");
    match config.sinks.into_iter().next().unwrap().kind {
        crate::config::SinkKind::Bot(bot) => bot,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_account_has_a_bot_as_long_as_it_delivers() {
    let (dir, lives) = (TempDir::new().unwrap(), Arc::<Lives>::default());
    let config = bot_config(&dir, &lives);
    assert_eq!(lives.counts(), (1, 1), "to look for mistakes, once");
    let bots = HostedBots::new(config, handler_deps("desk"), None);
    let [first, second] = ["helpdesk", "standup"].map(|name| AccountName::new(name).unwrap());
    let server = ServerName::new("main").unwrap();
    for account in [&first, &second, &first] {
        bots.add_account(account, &server);
    }
    for (account, id) in [("helpdesk", "1"), ("standup", "2"), ("helpdesk", "3")] {
        assert_eq!(outcome(bots.deliver(&post_of(account, "c", id))).await, Outcome::Acknowledged);
    }
    assert_eq!(lives.counts(), (3, 1));
    let under_way = bots.deliver(&post("c", "4"));
    bots.forget_account(&first, &server);
    assert_eq!(lives.counts(), (3, 1), "it still has an event");
    assert!(bots.wait_until_idle().now_or_never().is_none());
    assert_eq!(outcome(under_way).await, Outcome::Acknowledged);
    assert_eq!((lives.counts(), bots.wait_until_idle().now_or_never()), ((3, 2), Some(())));
    assert_eq!(outcome(bots.deliver(&post("c", "5"))).await, Outcome::Acknowledged);
    assert_eq!(lives.counts(), (4, 3), "one for the last event alone");
}

#[tokio::test]
async fn a_rejected_event_becomes_a_dead_letter_that_reaches_the_bot_as_it_was() {
    let (dir, lives) = (TempDir::new().unwrap(), Arc::<Lives>::default());
    let letters_config = DeadLetterConfig { dir: dir.path().join("letters"), max_size: 1 << 20, keep: 2 };
    let letters = DeadLetters::for_sink("desk", &letters_config);
    let recorded = Arc::<RecordingReplyPoster>::default();
    let deps = HandlerDeps {
        poster: Arc::clone(&recorded) as Arc<dyn Poster>,
        dead_letters: Some(letters.clone()),
        ..handler_deps("desk")
    };
    let bots = HostedBots::new(bot_config(&dir, &lives), deps, None);
    bots.add_account(&AccountName::new("helpdesk").unwrap(), &ServerName::new("main").unwrap());
    let rejected = outcome(bots.deliver(&post_with_text("c", "bad", "refuse"))).await;
    let Outcome::Rejected { cause } = rejected else { panic!("{rejected:?}") };
    assert!(cause.contains("sink desk: ") && cause.contains("not for me"), "{cause}");
    let kept = letters.list().unwrap();
    assert_eq!((kept.len(), kept[0].id().as_deref()), (1, Some("bad")));
    let again = Message::parse(kept[0].event.get()).unwrap();
    assert!(matches!(outcome(bots.submit(&again)).await, Outcome::Rejected { .. }));
    assert_eq!(letters.count().unwrap(), 2, "refused again");

    let data = r#"{"user_id":"ann","command":"/deploy","text":"","trigger_id":"t"}"#;
    let hook = Arc::new(event("helpdesk", "slash_command", "c", "h", data));
    assert!(matches!(outcome(bots.deliver(&hook)).await, Outcome::Rejected { .. }));
    assert_eq!(letters.count().unwrap(), 2, "a person was told, and tries again");

    // The live event and its letter have the same replies.
    let good = post_with_text("c", "good", "hello");
    assert_eq!(outcome(bots.deliver(&good)).await, Outcome::Acknowledged);
    assert_eq!(outcome(bots.submit(&Message::from_event(&good))).await, Outcome::Acknowledged);
    let expected = ("hello, 1".to_owned(), "good#desk#0".to_owned());
    assert_eq!(posts(&recorded), [expected.clone(), expected]);
}

/// Returns the texts and keys of the posts.
fn posts(recorded: &RecordingReplyPoster) -> Vec<(String, String)> {
    let post = |(_, action)| match action {
        OutgoingAction::Post(draft) => (draft.text, draft.key.unwrap().as_str().to_owned()),
        other => panic!("{other:?}"),
    };
    recorded.actions().into_iter().map(post).collect()
}

#[tokio::test]
async fn two_bots_of_an_account_answer_the_same_event_and_run_at_the_same_time() {
    let (dir, lives) = (TempDir::new().unwrap(), Arc::<Lives>::default());
    let journal = dir.path().join("schedules.json");
    let sinks =
        "sinks = ['desk', 'other']\n[sinks.desk]\ntype = 'bot'\n[sinks.other]\ntype = 'bot'\nbot = 'desk'\n";
    let config = config(&dir, &lives, sinks);
    let mut runs = Vec::new();
    for _restart in 0..2 {
        fs::write(
            &journal,
            r#"{"format":1,"done_until":{"helpdesk/desk/yearly":1,"helpdesk/other/yearly":1}}"#,
        )
        .unwrap();
        let schedules = HostedSchedules::load(Some(journal.clone()), Observer::default()).unwrap();
        let recorded = Arc::<RecordingReplyPoster>::default();
        let poster = Arc::clone(&recorded) as Arc<dyn Poster>;
        let mut sinks =
            SinkRegistry::start(&config, &poster, &Metrics::new(false), None, Some(schedules)).unwrap();
        let sink = sinks.sink_for(&config.accounts[0]);
        assert_eq!(outcome(sink.deliver(&post("c", "1"))).await, Outcome::Acknowledged);
        until("both have run", || recorded.actions().len() == 4).await;
        let mut keys: Vec<_> = posts(&recorded).into_iter().map(|(_, key)| key).collect();
        keys.sort();
        assert_eq!(keys[..2], ["1#desk#0", "1#other#0"]);
        assert!(keys[2].starts_with("schedule/yearly/") && keys[2].ends_with("#desk#0"), "{keys:?}");
        assert_eq!(keys[3], keys[2].replace("#desk#", "#other#"));
        runs.push(keys);
        sinks.stop_schedules(tokio::time::Instant::now() + DEADLINE).await;
    }
    assert_eq!(runs[0], runs[1], "they are the same after a restart");
}

#[tokio::test]
async fn values_are_kept_through_filters_and_beside_other_sinks() {
    let (dir, lives) = (TempDir::new().unwrap(), Arc::<Lives>::default());
    let sinks = "sinks = ['desk', 'archive']\n[sinks.desk]\ntype = 'bot'\nevents = ['posted']\n\
                 [sinks.archive]\ntype = 'file'\npath = 'events.jsonl'\n";
    let config = config(&dir, &lives, sinks);
    let recorded = Arc::<RecordingReplyPoster>::default();
    let poster = Arc::clone(&recorded) as Arc<dyn Poster>;
    let mut sinks = SinkRegistry::start(&config, &poster, &Metrics::new(false), None, None).unwrap();
    let sink = sinks.sink_for(&config.accounts[0]);
    let storage = EventStorage::in_memory("c".into());
    for (id, text) in [("1", "a"), ("2", "refuse"), ("3", "b")] {
        let handling = storage.fork();
        if outcome(sink.deliver_with(&post_with_text("c", id, text), &handling)).await
            == Outcome::Acknowledged
        {
            handling.accept();
        }
    }
    let texts: Vec<_> = recorded
        .actions()
        .into_iter()
        .filter_map(|(_, action)| match action {
            OutgoingAction::Post(draft) => Some(draft.text),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["a, 1", "b, 2"]);
    sinks.forget_account(&config.accounts[0].name);
    assert_eq!(lives.counts(), (2, 2));
}

#[tokio::test]
async fn runs_are_kept_until_the_account_or_the_sink_is_removed() {
    let (dir, lives) = (TempDir::new().unwrap(), Arc::<Lives>::default());
    let journal = dir.path().join("schedules.json");
    // The account had other bots and schedules when it ran last, and there were other accounts.
    let gone = r#"{"helpdesk/gone/yearly":1,"helpdesk/desk/gone":1,"gone/desk/yearly":1}"#;
    fs::write(&journal, format!(r#"{{"format":1,"done_until":{gone}}}"#)).unwrap();
    let schedules = HostedSchedules::load(Some(journal.clone()), Observer::default()).unwrap();
    let [desk, changed, moved] = [
        "[sinks.desk]\ntype = 'bot'\n",
        "[sinks.desk]\ntype = 'bot'\ndeadline = '1m'\n",
        "[sinks.other]\ntype = 'bot'\nbot = 'desk'\n",
    ]
    .map(|sinks| config(&dir, &lives, sinks));
    let poster: Arc<dyn Poster> = Arc::<RecordingReplyPoster>::default();
    let mut sinks = SinkRegistry::start(&desk, &poster, &Metrics::new(false), None, Some(schedules)).unwrap();
    let has = |name: &str| fs::read_to_string(&journal).is_ok_and(|text| text.contains(name));
    let account = &desk.accounts[0];
    sinks.sink_for(account);
    until("it is kept, and no other", || has("helpdesk/desk/yearly") && !has("gone")).await;
    let before = fs::read_to_string(&journal).unwrap();
    let prepared = sinks.prepare(&changed).unwrap();
    drop(sinks.install(prepared, &changed));
    sinks.sink_for(account);
    assert_eq!(fs::read_to_string(&journal).unwrap(), before, "the sink is started again");
    let prepared = sinks.prepare(&moved).unwrap();
    drop(sinks.install(prepared, &moved));
    sinks.sink_for(&moved.accounts[0]);
    until("it has moved", || !has("helpdesk/desk/yearly") && has("helpdesk/other/yearly")).await;
    sinks.forget_account(&account.name);
    until("it is gone", || !has("helpdesk/")).await;
    sinks.stop_schedules(tokio::time::Instant::now() + DEADLINE).await;
}

#[tokio::test]
async fn a_bot_that_cannot_be_made_says_so_and_is_made_for_a_later_event() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("matterhost.toml");
    let text = "[servers.main]\nurl = 'http://127.0.0.1:1'\n[accounts.helpdesk]\ntoken = 'x'\n[state]\nstore = 'memory'\n\
                [sinks.desk]\ntype = 'bot'\n";
    fs::write(&file, text).unwrap();
    let (fail, lives) = (Arc::<AtomicBool>::default(), Arc::<Lives>::default());
    let (fails, made) = (Arc::clone(&fail), Arc::clone(&lives));
    let bots = Bots::default().with("desk", move || {
        assert!(!fails.load(Ordering::Acquire), "no database");
        Counting::new(&made)
    });
    let config = Config::load(&Sources { files: vec![file], bots, ..Sources::default() }, None).unwrap();
    let crate::config::SinkKind::Bot(bot) = config.sinks[0].kind.clone() else { panic!("no bot") };
    fail.store(true, Ordering::Release);
    let observer = Observer::default();
    let mut facts = observer.subscribe();
    let journal = dir.path().join("schedules.json");
    let schedules = HostedSchedules::load(Some(journal.clone()), observer).unwrap();
    let bots = HostedBots::new(bot, handler_deps("desk"), Some(schedules.clone()));
    let account = AccountName::new("helpdesk").unwrap();
    bots.add_account(&account, &ServerName::new("main").unwrap());
    let Fact::Rejected { event, cause, .. } = &facts.try_recv().unwrap().fact else { panic!() };
    assert_eq!(&**event, "schedules");
    assert!(cause.starts_with("bot desk: the function that makes it panicked; its schedules"), "{cause}");
    let broken = outcome(bots.deliver(&post("c", "1"))).await;
    assert_eq!(broken, Outcome::Broken { cause: "bot desk: the function that makes it panicked".into() });
    fail.store(false, Ordering::Release);
    assert_eq!(delivered(&bots, &post("c", "1")).await, Outcome::Acknowledged);
    assert_eq!(delivered(&bots, &post("c", "2")).await, Outcome::Acknowledged);
    assert_eq!(lives.counts(), (2, 1), "the second event has the same bot");
    until("its schedule runs", || {
        fs::read_to_string(&journal).is_ok_and(|text| text.contains("helpdesk/desk/yearly"))
    })
    .await;
    bots.forget_account(&account, &ServerName::new("main").unwrap());
    schedules.wait(tokio::time::Instant::now() + DEADLINE).await;
}
