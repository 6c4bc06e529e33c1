//! The search for the event on which a child dies, among others that take long.

use futures_util::future::join_all;

use super::{failures::THREADED, *};

/// Returns events that the child works on until there is a file `works`, each in a channel of its own.
fn long_events(count: usize) -> Vec<Arc<Event>> {
    (0..count).map(|n| post_with_text(&format!("long{n}"), &format!("long{n}"), "wait")).collect()
}

/// Starts a child that notes which events it is given.
fn start(script: &str) -> FakeChild {
    let script = script.replace(
        "for line in sys.stdin: ",
        "for line in sys.stdin: open('given', 'a').write(json.loads(line)['id'] + '\\n'); ",
    );
    FakeChild::with(&script, |config| config.in_flight = 40, handler_deps("child").poster)
}

fn given(child: &FakeChild) -> Vec<String> {
    let given = std::fs::read_to_string(child.path("given")).unwrap_or_default();
    given.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn other_events_take_turns_with_many_suspects() {
    // From its third start on the child reads nothing until there is a file, so that the good event is there before.
    let hold = "n = len(open('lives').read())\nwhile n > 2 and not os.path.exists(f'go{n}'): time.sleep(0.005)\nfor line";
    let (child, long) = (start(&THREADED.replace("for line", hold)), long_events(30));
    let others = async {
        until("the child is not given all", || given(&child).len() == 30).await;
        let bad = post_with_text("bad", "bad", "die");
        let good = async {
            let mut before = None;
            for start in 3.. {
                until("the child does not start again", || child.starts() == start).await;
                before.get_or_insert_with(|| given(&child).len());
                let delivered = child.exec.deliver(&post("good", "good"));
                std::fs::write(child.path(&format!("go{start}")), "").unwrap();
                if outcome(delivered).await == Outcome::Acknowledged {
                    break;
                }
            }
            (4..10).for_each(|start| std::fs::write(child.path(&format!("go{start}")), "").unwrap());
            given(&child)[before.unwrap()..].iter().take_while(|id| *id != "good").count()
        };
        let (outcome, before) = tokio::join!(delivered(&child.exec, &bad), good);
        assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}");
        assert!(before < 30, "it was given after all suspects: {:?}", given(&child));
        std::fs::write(child.path("works"), "").unwrap();
    };
    let answers = join_all(long.iter().map(|event| delivered(&child.exec, event)));
    let (answers, ()) = tokio::join!(answers, others);
    assert!(answers.iter().all(|answer| *answer == Outcome::Acknowledged), "{answers:?}");
}

#[tokio::test]
async fn an_event_that_kills_after_a_brief_trial_is_told_from_slow_ones() {
    let script = THREADED.replace("; os._exit(3)", "; time.sleep(0.1); os._exit(3)");
    let (child, long) = (start(&script), long_events(3));
    let bad = async {
        until("the child is not given all", || given(&child).len() == 3).await;
        let outcome = delivered(&child.exec, &post_with_text("bad", "bad", "die")).await;
        assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}");
        std::fs::write(child.path("works"), "").unwrap();
    };
    let answers = join_all(long.iter().map(|event| delivered(&child.exec, event)));
    let (answers, ()) = tokio::join!(answers, bad);
    assert_eq!(answers, [const { Outcome::Acknowledged }; 3]);
}
