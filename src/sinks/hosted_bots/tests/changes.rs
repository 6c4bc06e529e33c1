//! Accounts that change while their bots are made and their schedules start.

use tokio::{sync::mpsc, time::timeout};

use super::*;

type Call = Box<dyn FnOnce() + Send>;

/// A bot with a number, which makes a call when it is asked for its schedules, and sends its number each second.
struct Calling {
    number: usize,
    call: Arc<Mutex<Option<Call>>>,
    runs: mpsc::UnboundedSender<usize>,
}

impl Bot for Calling {
    fn schedules(&self) -> Vec<Schedule> {
        let call = self.call.lock().take();
        if let Some(call) = call {
            call();
        }
        vec![Schedule::new("tick", "* * * * * *").unwrap()]
    }

    async fn scheduled(&self, _: &Context, _: &Run) -> BotResult {
        let _ = self.runs.send(self.number);
        Ok(())
    }
}

/// Reads the configuration of a sink whose bots are made so.
fn config_of<B: Bot>(dir: &TempDir, make: impl Fn() -> B + Send + Sync + 'static) -> BotConfig {
    let file = dir.path().join("matterhost.toml");
    let text = "[servers.main]\nurl = 'http://127.0.0.1:1'\n[accounts.helpdesk]\ntoken = 'x'\n[state]\nstore = 'memory'\n\
                [sinks.desk]\ntype = 'bot'\n";
    fs::write(&file, text).unwrap();
    let bots = Bots::default().with("desk", make);
    let config = Config::load(&Sources { files: vec![file], bots, ..Sources::default() }, None).unwrap();
    match config.sinks.into_iter().next().unwrap().kind {
        crate::config::SinkKind::Bot(bot) => bot,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn schedules_of_an_account_that_changes_while_they_start_are_those_of_its_last_bot() {
    let dir = TempDir::new().unwrap();
    let (made, call) = (AtomicUsize::new(0), Arc::<Mutex<Option<Call>>>::default());
    let (runs, mut ran) = mpsc::unbounded_channel();
    let of_bots = Arc::clone(&call);
    let config = config_of(&dir, move || Calling {
        number: made.fetch_add(1, Ordering::AcqRel),
        call: Arc::clone(&of_bots),
        runs: runs.clone(),
    });
    let journal = dir.path().join("schedules.json");
    let schedules = HostedSchedules::load(Some(journal.clone()), Observer::default()).unwrap();
    let bots = HostedBots::new(config, handler_deps("desk"), Some(schedules.clone()));
    let account = AccountName::new("helpdesk").unwrap();
    let [server, other] = ["main", "other"].map(|name| ServerName::new(name).unwrap());
    let call_next = |next: fn(&HostedBots, &AccountName, &[ServerName; 2])| {
        let (bots, account, servers) = (bots.clone(), account.clone(), [server.clone(), other.clone()]);
        *call.lock() = Some(Box::new(move || next(&bots, &account, &servers)));
    };
    call_next(|bots, account, [server, _]| bots.forget_account(account, server));
    bots.add_account(&account, &server);
    schedules.wait(tokio::time::Instant::now() + DEADLINE).await;
    let text = fs::read_to_string(&journal).unwrap_or_default();
    assert!(!text.contains("helpdesk"), "{text}");

    call_next(|bots, account, [server, other]| {
        bots.forget_account(account, server);
        bots.add_account(account, other);
    });
    bots.add_account(&account, &server);
    // The first one looked for mistakes, and each of the others was made for the account.
    assert_eq!(timeout(DEADLINE, ran.recv()).await.unwrap(), Some(3));
    bots.stop_schedules();
    schedules.wait(tokio::time::Instant::now() + DEADLINE).await;
}

#[tokio::test]
async fn a_bot_that_another_event_has_made_obsolete_is_dropped_without_harm() {
    struct Fragile(Arc<AtomicBool>);

    impl Bot for Fragile {}

    impl Drop for Fragile {
        fn drop(&mut self) {
            assert!(!self.0.load(Ordering::Acquire), "scripted");
        }
    }

    let dir = TempDir::new().unwrap();
    let (fragile, again) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Option<HostedBots>>>::default());
    let (is_fragile, next) = (Arc::clone(&fragile), Arc::clone(&again));
    let config = config_of(&dir, move || {
        let bots = next.lock().take();
        if let Some(bots) = bots {
            drop(bots.deliver(&post("c", "1")));
        }
        Fragile(Arc::clone(&is_fragile))
    });
    let bots = HostedBots::new(config, handler_deps("desk"), None);
    fragile.store(true, Ordering::Release);
    *again.lock() = Some(bots.clone());
    bots.add_account(&AccountName::new("helpdesk").unwrap(), &ServerName::new("main").unwrap());
    assert_eq!(delivered(&bots, &post("c", "2")).await, Outcome::Acknowledged);
}
