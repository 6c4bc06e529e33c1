//! Schedules: time that passes, runs that were missed, and runs of a real host.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use matterhost_actors::{
    bots::{Bot, BotResult, Context, Host, Router, Run, Schedule},
    model::{AccountName, Fact, Lookup, OutgoingAction, ReplyError, Target},
    ports::Outcome,
    testing::{BotHarness, post},
};
use matterhost_simulator::Simulator;
use serde_json::json;
use tokio::sync::Notify;

use crate::{harness::REAL_TIMEOUT, simulator_harness::run};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

async fn report(context: Context, run: Run) -> BotResult {
    let late = if run.is_late { " late" } else { "" };
    context.post_to("team/town", format!("{}{late}", run.schedule)).await?;
    Ok(())
}

/// Returns a harness around a bot that reports each hour, and on weekdays at nine in Berlin.
fn reporter() -> BotHarness<Router> {
    let router = Router::new()
        .every("0 * * * *", report)
        .skip_missed()
        .every("0 9 * * 1-5", report)
        .in_zone("Europe/Berlin")
        .named("nine");
    let harness = BotHarness::new(router);
    let town = Lookup::Channel(Target::Name { team: "team".into(), channel: "town".into() });
    harness.set_found(town, &json!({ "id": "town" }));
    harness
}

#[test]
fn runs_happen_when_time_passes() {
    run(async || {
        let harness = reporter();
        let runs = harness.pass_time(HOUR * 2).await;
        assert!(runs.iter().all(|(_, outcome)| *outcome == Outcome::Acknowledged), "{runs:?}");
        assert_eq!(harness.texts(), ["0_*_*_*_*", "0_*_*_*_*"]);
        // It is Tuesday night; nine in Berlin is eight in UTC.
        let runs = harness.pass_time(DAY * 7).await;
        assert_eq!(runs.len(), 24 * 7 + 5);
        let nine = runs.iter().find(|(run, _)| &*run.schedule == "nine").unwrap();
        assert_eq!(nine.0, Run { schedule: "nine".into(), due: 1_700_035_200_000, is_late: false });
        let keys: Vec<(String, bool)> = harness
            .actions()
            .iter()
            .filter_map(|action| match action {
                OutgoingAction::Post(draft) => draft.key.clone(),
                _ => None,
            })
            .map(|key| (key.as_str().to_owned(), key.is_answer()))
            .collect();
        assert!(keys.contains(&("schedule/nine/1700035200000#0".into(), false)), "{keys:?}");
    });
}

#[test]
fn of_missed_runs_the_latest_happens_once() {
    run(async || {
        let harness = reporter();
        let runs = harness.be_away(DAY * 3).await;
        assert_eq!(runs.len(), 1, "{runs:?}");
        assert_eq!(harness.texts(), ["nine late"]);
        assert_eq!(harness.be_away(Duration::from_secs(60)).await, []);
    });
}

#[test]
fn a_run_that_failed_for_a_while_is_tried_again_with_the_same_key() {
    run(async || {
        let harness = reporter();
        harness.fail_next(ReplyError::Stopped(AccountName::new("bot").unwrap()));
        let runs = harness.pass_time(HOUR).await;
        assert!(matches!(runs[0].1, Outcome::Retry { .. }), "{runs:?}");
        assert_eq!((runs.len(), runs[1].1.clone()), (2, Outcome::Acknowledged));
        assert_eq!(runs[0].0, runs[1].0);
        harness.fail_next(ReplyError::NoChannel);
        let refused = harness.pass_time(HOUR).await;
        assert!(matches!(&refused[..], [(_, Outcome::Rejected { .. })]), "not tried again: {refused:?}");
    });
}

#[test]
fn a_schedule_has_no_channel_and_a_harness_no_clock_but_its_own() {
    struct Lost;

    impl Bot for Lost {
        fn schedules(&self) -> Vec<Schedule> {
            vec![Schedule::new("lost", "30 * * * *").unwrap()]
        }

        async fn scheduled(&self, context: &Context, _: &Run) -> BotResult {
            assert_eq!((context.channel().as_str(), context.sender()), ("", None));
            context.reply("where?").await?;
            Ok(())
        }
    }

    run(async || {
        let harness = BotHarness::new(Lost);
        let start = harness.now();
        harness.deliver(post("a")).await;
        assert_eq!(harness.now() - start, 1_000);
        let runs = harness.pass_time(HOUR).await;
        assert_eq!(harness.now() - start, 3_601_000);
        let [(_, Outcome::Rejected { cause })] = &runs[..] else { panic!("{runs:?}") };
        assert!(cause.contains("belongs to no channel"), "{cause}");
    });
}

#[test]
fn mistakes_in_schedules_are_told_at_the_start() {
    let wrong = Router::new()
        .named("early")
        .every("0 9 * *", report)
        .in_zone("Nowhere/Land")
        .every("0 9 * * *", report)
        .in_zone("Nowhere/Land")
        .every("0 9 * * *", report);
    let problems = wrong.problems();
    let parts = ["named needs a schedule", "write five fields", "no time zone", "0_9_*_*_* is there twice"];
    assert_eq!(problems.len(), parts.len(), "{problems:?}");
    for (problem, part) in problems.iter().zip(parts) {
        assert!(problem.contains(part), "{part}: {problem}");
    }
}

#[test]
fn a_bot_that_cannot_be_asked_for_its_schedules_is_refused() {
    struct Panicking;

    impl Bot for Panicking {
        fn schedules(&self) -> Vec<Schedule> {
            panic!("no calendar")
        }
    }

    struct Doubled;

    impl Bot for Doubled {
        fn schedules(&self) -> Vec<Schedule> {
            ["0 8 * * *", "0 9 * * *"].map(|pattern| Schedule::new("daily", pattern).unwrap()).to_vec()
        }
    }

    run(async || {
        let host = Host::builder().server("http://127.0.0.1:1").account("a", "x", Panicking);
        let refused = host.account("b", "x", Doubled).start().await.unwrap_err();
        let [panicking, doubled] = &refused.problems[..] else { panic!("{refused}") };
        assert!(panicking.starts_with("account a: the bot panicked: no calendar"), "{panicking}");
        assert_eq!(doubled, "account b: schedule daily is there twice; give one of them another name");
    });
}

/// Records when it is dropped.
struct DropTime(Arc<Mutex<Option<Instant>>>);

impl Drop for DropTime {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = Some(Instant::now());
    }
}

#[test]
fn a_run_that_hangs_leaves_time_for_the_events_at_a_shutdown() {
    const DEADLINE: Duration = Duration::from_secs(4);
    run(async || {
        let simulator = Simulator::start().unwrap();
        let bot = simulator.create_bot("tick");
        let (begun, given_up) = (Arc::new(Notify::new()), Arc::<Mutex<_>>::default());
        let (notify, dropped) = (begun.clone(), given_up.clone());
        let router = Router::new()
            .every("* * * * * *", move |_, _| {
                notify.notify_one();
                let dropped = DropTime(dropped.clone());
                async move {
                    let _dropped = dropped;
                    std::future::pending().await
                }
            })
            .named("hang");
        let host = Host::builder().server(simulator.url()).account("tick", bot.token, router);
        let running = host.start().await.unwrap();
        tokio::time::timeout(REAL_TIMEOUT, begun.notified()).await.unwrap();
        let start = Instant::now();
        let report = running.shutdown(DEADLINE).await;
        let given_up = given_up.lock().unwrap().expect("it is given up");
        assert!(given_up - start < DEADLINE, "{:?}", given_up - start);
        assert!(report.abandoned.is_empty(), "{report:?}");
    });
}

/// Returns the runs of a bot that runs each second until one more has ended, with their host.
async fn run_host(simulator: &Simulator, token: &str, file: &PathBuf) -> Vec<Run> {
    let (runs, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
    let (record, notify) = (runs.clone(), ended.clone());
    let router = Router::new()
        .every("* * * * * *", move |_, run| {
            record.lock().unwrap().push(run);
            notify.notify_one();
            async { Ok(()) }
        })
        .named("tick");
    let host = Host::builder().server(simulator.url()).schedule_file(file).account("tick", token, router);
    let waiting = tokio::time::timeout(REAL_TIMEOUT, ended.notified());
    host.run_until(waiting).await.unwrap();
    runs.lock().unwrap().clone()
}

#[test]
fn the_next_process_makes_up_for_one_run() {
    let simulator = Simulator::start().unwrap();
    let bot = simulator.create_bot("tick");
    let directory = std::env::temp_dir().join(format!("schedules-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("schedules.json");
    run(async || {
        let first = run_host(&simulator, &bot.token, &file).await;
        assert!(!first[0].is_late);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("\"tick/tick\""), "{text}");
        // The host was away since long ago.
        let times = r#"{"tick/tick":1600000000000,"tick/renamed":1,"removed/tick":1}"#;
        fs::write(&file, format!(r#"{{"format":1,"done_until":{times}}}"#)).unwrap();
        let second = run_host(&simulator, &bot.token, &file).await;
        let at_once = second.iter().filter(|run| run.due <= second[0].due).count();
        assert!(
            second[0].due >= first[0].due && at_once == 1,
            "only the latest of the missed runs: {second:?}"
        );
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("renamed") && !text.contains("removed"), "{text}");
        fs::write(&file, "{").unwrap();
        let refused = Host::builder().schedule_file(&file).server(simulator.url()).start().await.unwrap_err();
        assert!(refused.problems[0].contains("schedules.json"), "{refused}");
    });
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_failed_run_is_observed_and_the_account_goes_on() {
    run(async || {
        let simulator = Simulator::start().unwrap();
        let bot = simulator.create_bot("tick");
        let router =
            Router::new().every("* * * * * *", |_, _| async { Err("no paper".into()) }).named("print");
        let host = Host::builder().server(simulator.url()).account("tick", bot.token, router);
        let mut observations = host.subscribe();
        let running = host.start().await.unwrap();
        let rejected = async {
            loop {
                if let Fact::Rejected { event, cause, .. } = &observations.recv().await.unwrap().fact {
                    return (event.to_string(), cause.to_string());
                }
            }
        };
        let (event, cause) = tokio::time::timeout(REAL_TIMEOUT, rejected).await.unwrap();
        assert!(event.starts_with("schedule/print/"), "{event}");
        assert_eq!(cause, "the bot failed: no paper");
        running.shutdown(Duration::from_secs(5)).await;
    });
}
