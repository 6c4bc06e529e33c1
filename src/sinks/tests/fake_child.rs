//! A child process controlled by files in its directory.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use matterhost_actors::{
    policy::{RestartPolicy, RestartSettings},
    ports::Poster,
};
use tempfile::TempDir;

use super::fixtures::{DEADLINE, handler_deps};
use crate::{
    config::{AttemptLimits, ExecConfig},
    sinks::{HandlerDeps, exec::Exec, monitor::SinkMonitor},
};

/// A handler that obeys the message of a post: `retry-once`, `reject`, `die-once`, `hang-once` and so on; any other
/// is acknowledged. While a file `hold` exists, it does not answer. The ids of accepted events are in the file
/// `heard`.
const HANDLER: &str = r#"
import json, os, subprocess, sys, time
done = set(open("done").read().split()) if os.path.exists("done") else set()
def once(what):
    if what in done: return False
    done.add(what); open("done", "a").write(what + " "); return True
def say(**line): print(json.dumps(line), flush=True)
open("lives", "a").write("x")
print("begun", file=sys.stderr, flush=True)
for line in sys.stdin:
    event = json.loads(line)
    while os.path.exists("hold"): time.sleep(0.005)
    id, words = event["id"], event["data"]["post"]["message"]
    if words == "retry-once" and once(id): say(retry=id, after="10ms"); continue
    if words == "reject": say(reject=id, cause="no good"); continue
    if words == "die-once" and once(id): sys.exit(3)
    if words == "hang-once" and once(id):
        time.sleep(600)
    if words == "close-once" and once(id):
        os.close(1); time.sleep(600)
    if words == "nonsense": print("hello"); print("\xff" * 10); print("x" * 2000000); say(ack="no such")
    if words == "reply": say(reply={"to": id, "text": "hi", "in_thread": True})
    if words == "elsewhere": say(reply={"to": id, "text": "hi", "channel_id": "another"})
    if words == "child": os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "600")
    if words == "session": subprocess.Popen(["sleep", "600"], start_new_session=True)
    if words == "daemon":
        subprocess.run([sys.executable, "-c", "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)"])
    if words == "leave-once" and once(id):
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        sys.exit(3)
    if words == "twice": say(ack=id)
    with open("heard", "a") as heard: heard.write(id + "\n"); heard.flush()
    say(ack=id, source=event["source"])
"#;

/// A child and its directory.
pub(in crate::sinks) struct FakeChild {
    pub(in crate::sinks) exec: Exec,
    pub(in crate::sinks) monitor: SinkMonitor,
    dir: TempDir,
}

impl FakeChild {
    pub(in crate::sinks) fn start() -> Self {
        Self::with(HANDLER, |_| {}, handler_deps("child").poster)
    }

    pub(in crate::sinks) fn with(
        script: &str,
        change: impl FnOnce(&mut ExecConfig),
        poster: Arc<dyn Poster>,
    ) -> Self {
        Self::with_deps(script, change, HandlerDeps { poster, ..handler_deps("child") })
    }

    /// Starts a child with dependencies of its own.
    pub(in crate::sinks) fn with_deps(
        script: &str,
        change: impl FnOnce(&mut ExecConfig),
        handler_deps: HandlerDeps,
    ) -> Self {
        let settings = RestartSettings {
            min_backoff: Duration::from_millis(10),
            max_backoff: Duration::from_millis(100),
            reset_after: Duration::from_secs(1),
            ..RestartSettings::default()
        };
        Self::of(script, change, handler_deps, RestartPolicy::new(settings).unwrap(), &[])
    }

    /// Starts a child with a policy of its own and with files in its directory.
    pub(in crate::sinks) fn with_policy(
        script: &str,
        change: impl FnOnce(&mut ExecConfig),
        poster: Arc<dyn Poster>,
        policy: RestartPolicy,
        files: &[(&str, &str)],
    ) -> Self {
        Self::of(script, change, HandlerDeps { poster, ..handler_deps("child") }, policy, files)
    }

    fn of(
        script: &str,
        change: impl FnOnce(&mut ExecConfig),
        handler_deps: HandlerDeps,
        policy: RestartPolicy,
        files: &[(&str, &str)],
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files.iter().chain(&[("handler.py", script)]) {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let mut config = ExecConfig {
            command: vec!["python3".into(), "handler.py".into()],
            dir: dir.path().to_owned(),
            may_post_files: true,
            pass_env: Vec::new(),
            in_flight: 8,
            timeout: DEADLINE,
            attempts: AttemptLimits::default(),
            typing: false,
        };
        change(&mut config);
        let monitor = handler_deps.monitor.clone();
        let exec = Exec::start(config, policy, handler_deps).unwrap();
        Self { exec, monitor, dir }
    }

    /// Starts a child with the usual script.
    pub(in crate::sinks) fn with_default_script(
        change: impl FnOnce(&mut ExecConfig),
        poster: Arc<dyn Poster>,
    ) -> Self {
        Self::with(HANDLER, change, poster)
    }

    pub(in crate::sinks) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(in crate::sinks) fn hold(&self, hold: bool) {
        if hold {
            fs::write(self.path("hold"), "").unwrap();
        } else {
            fs::remove_file(self.path("hold")).unwrap();
        }
    }

    /// Returns the ids of the events that it accepted.
    pub(in crate::sinks) fn received(&self) -> Vec<String> {
        fs::read_to_string(self.path("heard")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Waits until it has started, which takes long on a busy machine and does not count as an answer that is late.
    pub(in crate::sinks) async fn started(self) -> Self {
        until("the child does not start", || self.starts() == 1).await;
        self
    }

    /// Returns the number of times that it was started.
    pub(in crate::sinks) fn starts(&self) -> usize {
        fs::read_to_string(self.path("lives")).unwrap_or_default().len()
    }
}

impl Drop for FakeChild {
    fn drop(&mut self) {
        self.exec.kill();
        self.exec.worker.close();
    }
}

/// Returns the ids of the processes that run in a directory.
pub(in crate::sinks) fn processes_in(directory: &Path) -> Vec<String> {
    let directory = directory.canonicalize().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        if fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == directory) {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

/// Waits until the condition holds; `problem` is the panic message if it does not in time.
pub(in crate::sinks) async fn until(problem: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "{problem}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
