use std::{fs, future::ready, path::Path, sync::Arc};

use futures_util::FutureExt as _;
use matterhost_actors::{
    model::AccountName,
    ports::{Delivered, EventSink, Outcome, Poster},
};
use tempfile::TempDir;

use super::*;
use crate::sinks::tests::{
    fake_child::until,
    fixtures::{RecordingReplyPoster, post},
    http::{Server, ok},
};
use crate::{config::Sources, telemetry::metrics::Metrics};

fn config(dir: &Path, sinks: &str) -> Config {
    let file = dir.join("matterhost.toml");
    let rest = "[servers.s]\nurl = 'http://127.0.0.1:1'\n[accounts.a]\ntoken = 'x'\nsinks = ['one']\n\
                [state]\nstore = 'memory'\n";
    fs::write(&file, format!("{rest}{sinks}")).unwrap();
    Config::load(&Sources { files: vec![file], ..Sources::default() }, None).unwrap()
}

fn start(config: &Config) -> SinkRegistry {
    let poster: Arc<dyn Poster> = Arc::<RecordingReplyPoster>::default();
    SinkRegistry::start(config, &poster, &Metrics::new(false), None, None).unwrap()
}

fn account_sink(sinks: &mut SinkRegistry, config: &Config) -> Arc<dyn EventSink> {
    sinks.sink_for(&config.accounts[0])
}

fn later(delivered: Delivered) -> impl Future<Output = Outcome> {
    match delivered {
        Delivered::Later(outcome) => outcome,
        Delivered::Now(outcome) => ready(outcome).boxed(),
    }
}

fn hook(server: &Server, more: &str) -> String {
    let url = server.url();
    format!(
        "[sinks.one]\ntype = 'webhook'\nurl = '{url}'\nsecret = 'whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw'\n{more}\n"
    )
}

fn file(path: &str, more: &str) -> String {
    format!("[sinks.one]\ntype = 'file'\npath = '{path}'\n{more}\n")
}

#[tokio::test]
async fn a_replaced_webhook_finishes_its_events() {
    let (dir, server) = (TempDir::new().unwrap(), Server::start(|_| ok()));
    let before = config(dir.path(), &hook(&server, ""));
    let mut sinks = start(&before);
    server.hold(true);
    let under_way = later(account_sink(&mut sinks, &before).deliver(&post("c", "1")));
    let after = config(dir.path(), &hook(&server, "batch = 7"));
    let prepared = sinks.prepare(&after).unwrap();
    let removed = sinks.install(prepared, &after);
    let mut ended = tokio::spawn(removed.end(ready(())));
    let beside = later(account_sink(&mut sinks, &after).deliver(&post("d", "2")));
    assert!((&mut ended).now_or_never().is_none(), "the replaced sink has not answered yet");
    server.hold(false);
    assert_eq!((under_way.await, beside.await), (Outcome::Acknowledged, Outcome::Acknowledged));
    ended.await.unwrap();
    assert_eq!(server.requests().len(), 2, "each event was sent once");
}

#[tokio::test]
async fn a_file_has_one_writer_at_a_time() {
    let dir = TempDir::new().unwrap();
    let before = config(dir.path(), &file("x.jsonl", "fsync = false"));
    let mut sinks = start(&before);
    let old = account_sink(&mut sinks, &before);
    let after = config(dir.path(), &file("x.jsonl", "fsync = true"));
    let prepared = sinks.prepare(&after).unwrap();
    let removed = sinks.install(prepared, &after);
    let second = later(account_sink(&mut sinks, &after).deliver(&post("c", "last")));
    let earlier: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    for id in &earlier {
        assert_eq!(later(old.deliver(&post("c", id))).await, Outcome::Acknowledged);
    }
    assert_eq!(ids(dir.path()), earlier, "only the first sink writes the file");
    drop(old);
    removed.end(ready(())).await;
    assert_eq!(second.await, Outcome::Acknowledged);
    assert_eq!(ids(dir.path()), [earlier, vec!["last".into()]].concat());
}

/// A child that answers once a file is there, and records its start and the events that it takes.
const PATIENT: &str = "
import json, os, sys, time
open('starts', 'a').write('x')
for line in sys.stdin:
    while not os.path.exists('go'): time.sleep(0.005)
    id = json.loads(line)['id']
    open('taken', 'a').write(id + '\\n')
    print(json.dumps({'ack': id}), flush=True)
";

fn patient_child(dir: &Path, more: &str) -> Config {
    let command = "command = ['python3', 'child.py']\npass_env = ['PATH']";
    config(dir, &format!("[sinks.one]\ntype = 'exec'\n{command}\n{more}\n"))
}

#[tokio::test]
async fn a_child_that_was_replaced_before_its_start_is_left_out() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("child.py"), PATIENT).unwrap();
    let first = patient_child(dir.path(), "");
    let mut sinks = start(&first);
    let busy = later(account_sink(&mut sinks, &first).deliver(&post("c", "1")));
    until("the child does not start", || dir.path().join("starts").exists()).await;
    let mut ends = Vec::new();
    let mut waiting = Vec::new();
    for size in 2..10 {
        let next = patient_child(dir.path(), &format!("in_flight = {size}"));
        let prepared = sinks.prepare(&next).unwrap();
        let removed = sinks.install(prepared, &next);
        // The accounts release it only when its events are answered.
        let released: Vec<_> = std::mem::take(&mut waiting);
        let (answered, answers) = tokio::sync::oneshot::channel::<()>();
        ends.push(tokio::spawn(removed.end(answers.map(drop))));
        for outcome in released {
            assert!(matches!(outcome.await, Outcome::Retry { .. }), "its event goes to the next one");
        }
        drop(answered);
        waiting.push(later(account_sink(&mut sinks, &next).deliver(&post("c", &size.to_string()))));
    }
    fs::write(dir.path().join("go"), "").unwrap();
    assert_eq!(busy.await, Outcome::Acknowledged);
    assert_eq!(waiting.pop().unwrap().await, Outcome::Acknowledged);
    for end in ends {
        end.await.unwrap();
    }
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!((read("taken").as_str(), read("starts").as_str()), ("1\n9\n", "xx"));
}

/// Returns the ids of the events in the file.
fn ids(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(dir.join("x.jsonl")).unwrap();
    let id = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
    };
    text.lines().map(id).collect()
}

#[tokio::test]
async fn a_sink_that_cannot_start_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let before = config(dir.path(), &file("x.jsonl", ""));
    let mut sinks = start(&before);
    let old = account_sink(&mut sinks, &before);
    let error = sinks.prepare(&config(dir.path(), &file("away/x.jsonl", ""))).err().unwrap();
    assert_eq!(&*error.name, "one");
    assert!(Arc::ptr_eq(&old, &account_sink(&mut sinks, &before)));
    assert_eq!(later(old.deliver(&post("c", "1"))).await, Outcome::Acknowledged);
}

#[tokio::test]
async fn a_changed_filter_keeps_the_sink_and_equal_settings_change_nothing() {
    let dir = TempDir::new().unwrap();
    let before = config(dir.path(), &file("x.jsonl", ""));
    let mut sinks = start(&before);
    let old = account_sink(&mut sinks, &before);
    let same = config(dir.path(), &file("x.jsonl", "rotate_keep = 7"));
    let prepared = sinks.prepare(&same).unwrap();
    assert!(sinks.install(prepared, &same).0.is_empty());
    assert!(Arc::ptr_eq(&old, &account_sink(&mut sinks, &same)));
    let filtered = config(dir.path(), &file("x.jsonl", "events = ['reaction_added']"));
    let prepared = sinks.prepare(&filtered).unwrap();
    assert!(prepared.0.is_empty() && sinks.install(prepared, &filtered).0.is_empty());
    let new = account_sink(&mut sinks, &filtered);
    assert!(!Arc::ptr_eq(&old, &new));
    assert_eq!(later(new.deliver(&post("c", "1"))).await, Outcome::Acknowledged);
    assert_eq!(
        fs::read_to_string(dir.path().join("x.jsonl")).unwrap(),
        "",
        "the filter leaves the event out"
    );
    sinks.forget_account(&AccountName::new("a").unwrap());
    assert!(sinks.current_sink(&AccountName::new("a").unwrap()).is_none());
}

#[tokio::test]
async fn a_sink_forgets_the_accounts_that_leave_it() {
    let (dir, server) = (TempDir::new().unwrap(), Server::start(|_| ok()));
    let other = "[sinks.two]\ntype = 'file'\npath = 'x.jsonl'\n";
    let before = config(dir.path(), &(hook(&server, "") + other));
    let (mut sinks, account) = (start(&before), AccountName::new("a").unwrap());
    let mut moved = before.accounts[0].clone();
    moved.sinks = vec!["two".into()];
    let monitor = sinks.board.get("one").unwrap().monitor;
    sinks.sink_for(&before.accounts[0]);
    assert!(monitor.take_forgotten().is_empty());
    sinks.sink_for(&moved);
    assert_eq!(monitor.take_forgotten(), [account.clone()].into(), "it delivers to another sink");
    sinks.sink_for(&before.accounts[0]);
    sinks.forget_account(&account);
    sinks.sink_for(&before.accounts[0]);
    assert!(monitor.take_forgotten().is_empty(), "it has come back");
    sinks.forget_account(&account);
    assert_eq!(monitor.take_forgotten(), [account].into(), "it is not hosted any more");
}

/// Counts the threads of this process with that name.
fn threads(name: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name))
        .count()
}

#[tokio::test]
async fn an_abandoned_replacement_leaves_no_thread_behind() {
    let dir = TempDir::new().unwrap();
    let with = |keep: u8, path: &str| {
        let file = dir.path().join("matterhost.toml");
        let text = format!(
            "[servers.s]\nurl = 'http://127.0.0.1:1'\n[accounts.a]\ntoken = 'x'\nsinks = ['a-in-vain', 'b']\n\
             [state]\nstore = 'memory'\n[sinks.a-in-vain]\ntype = 'file'\npath = 'lines'\nrotate_keep = {keep}\n\
             [sinks.b]\ntype = 'file'\npath = '{path}'\n"
        );
        fs::write(&file, text).unwrap();
        Config::load(&Sources { files: vec![file], ..Sources::default() }, None).unwrap()
    };
    let mut sinks = start(&with(1, "others"));
    for _ in 0..5 {
        assert!(sinks.prepare(&with(2, "away/others")).is_err());
    }
    let end = Instant::now() + Duration::from_secs(30);
    while threads("sink a-in-vain") > 1 {
        assert!(Instant::now() < end, "{} threads", threads("sink a-in-vain"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(threads("sink a-in-vain"), 1, "only the running sink's thread is left");
}
