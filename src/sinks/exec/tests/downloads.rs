//! Downloads into the directory of a child.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use matterhost_actors::{
    model::{Excerpt, FileId},
    policy::RestartSettings,
    ports::FileDownload,
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};

use super::*;

/// The sender of a download, and its receiver, which is taken once.
type Download = (mpsc::Sender<Result<Bytes, Excerpt>>, mpsc::Receiver<Result<Bytes, Excerpt>>);

/// A poster of whose downloads the first never ends.
struct StuckDownload {
    first: Mutex<Option<mpsc::Receiver<Result<Bytes, Excerpt>>>>,
    opened: AtomicUsize,
}

impl Poster for StuckDownload {
    fn post(&self, _: &AccountName, _: OutgoingAction) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        std::future::ready(Ok(PostedIds::default())).boxed()
    }

    fn look_up(&self, _: &AccountName, _: Lookup) -> BoxFuture<'static, Result<Found, ReplyError>> {
        let json = serde_json::value::to_raw_value(&json!({ "id": "f" })).unwrap();
        std::future::ready(Ok(Found::new(json))).boxed()
    }

    fn open_file(&self, _: &AccountName, _: FileId) -> BoxFuture<'static, Result<FileDownload, ReplyError>> {
        let whole = || {
            let (sender, pieces) = mpsc::channel(1);
            sender.try_send(Ok(Bytes::from("whole"))).unwrap();
            pieces
        };
        let pieces = self.first.lock().take().unwrap_or_else(whole);
        self.opened.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(FileDownload { name: "f".into(), content_type: String::new(), len: 5, pieces }))
            .boxed()
    }
}

/// A child that ends during its first download. The next one wants the same path.
const SCRIPT: &str = r#"
import glob, json, os, sys, time
is_first = not os.path.exists("lives")
open("lives", "a").write("x")
for line in sys.stdin:
    line = json.loads(line)
    if "result" in line:
        open("told", "w").write(json.dumps(line["result"]))
        print(json.dumps({"ack": line["result"]["to"]}), flush=True)
        continue
    action = {"action": "get_file", "to": line["id"], "id": "f", "file": "f" * 26, "path": "new.csv"}
    print(json.dumps(action), flush=True)
    while is_first:
        # One without a byte may belong to a download that is not opened yet.
        if parts := [part for part in glob.glob(".matterhost-*.part") if os.path.getsize(part)]:
            open("parts", "w").write(" ".join(parts))
            os._exit(1)
        time.sleep(0.01)
"#;

#[tokio::test]
async fn a_download_ends_with_its_child_and_leaves_the_path_to_the_next() {
    let (sender, pieces): Download = mpsc::channel(1);
    sender.try_send(Ok(Bytes::from("who"))).unwrap();
    let poster = Arc::new(StuckDownload { first: Mutex::new(Some(pieces)), opened: AtomicUsize::new(0) });
    let left = [(".matterhost-0f.part", "left by a kill")];
    let child = FakeChild::with_policy(
        SCRIPT,
        |_| {},
        poster.clone(),
        RestartPolicy::new(RestartSettings::default()).unwrap(),
        &left,
    );
    assert_eq!(delivered(&child.exec, &post("c", "1")).await, Outcome::Acknowledged);
    timeout(DEADLINE, sender.closed()).await.expect("the first download goes on");
    let read = |name: &str| fs::read_to_string(child.path(name)).unwrap();
    assert!(!read("parts").contains(left[0].0), "{}", read("parts"));
    assert!(read("told").contains("\"status\": 200"), "{}", read("told"));
    assert_eq!((read("new.csv").as_str(), poster.opened.load(Ordering::Relaxed)), ("whole", 2));
    let names = fs::read_dir(child.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    let parts: Vec<_> = names.filter(|name| name.to_string_lossy().ends_with(".part")).collect();
    assert!(parts.is_empty(), "{parts:?}");
}
