//! The program killed at random moments, and stopped, while people talk: nothing is lost, and without kills nothing
//! comes twice. What a kill leaves on disk is what the next run begins with.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::program::{ConfigDir, DEADLINE, Fixture, Lines};

/// By its number on every Unix.
const SIGTERM: i32 = 15;

/// Lives of the host in one run.
const LIVES: usize = 6;

/// Runs that go on side by side: they mostly wait.
const SIDE_BY_SIDE: usize = 3;

/// How much later than a younger one a post becomes visible, at most.
pub(crate) const MAX_COMMIT_DELAY: Duration = Duration::from_millis(30);

/// How late the host expects them, in milliseconds (`catch_up.overlap`): much later, for a machine that is busy.
pub(crate) const OVERLAP_MS: i64 = 1_000;

/// The host, and what it says.
struct HostRun {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reader: thread::JoinHandle<()>,
    /// Read for secrets alone.
    log: Lines,
}

impl HostRun {
    fn begin(dir: &ConfigDir) -> Self {
        let mut command = dir.matterhost(&["run"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, lines) =
            (BufReader::new(child.stdout.take().unwrap()), Arc::<Mutex<Vec<String>>>::default());
        let log = Lines::read(child.stderr.take().unwrap());
        let kept = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            out.lines().map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line));
        });
        Self { child, lines, reader, log }
    }

    fn posts(&self) -> Vec<Value> {
        // The last line of one that was killed may be a part.
        let lines = self.lines.lock().unwrap();
        let events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["type"] == "com.mattermost.posted").collect()
    }

    fn end(mut self, killed: bool) -> Vec<Value> {
        if killed {
            self.child.kill().unwrap();
        } else {
            let id = self.child.id().to_string();
            assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        }
        let status = self.child.wait().unwrap();
        // On a busy machine it may not have come to listen to signals: then this one ends it as it ends any program.
        let at_once = status.signal() == Some(SIGTERM);
        assert!(killed || at_once || status.code() == Some(0), "{status}");
        let lines = Arc::clone(&self.lines);
        self.reader.join().unwrap();
        Self::posts(&Self { child: self.child, lines, reader: thread::spawn(|| ()), log: self.log })
    }
}

/// Makes people quiet when it is dropped.
pub(crate) struct QuietOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for QuietOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What people say.
const TALK: &str = "…";

/// People who talk until they are told to be quiet.
pub(crate) fn post_randomly(fixture: &Fixture, channels: &[String], seed: u64, quiet: &AtomicBool) {
    let mut random = fastrand::Rng::with_seed(seed);
    while !quiet.load(Ordering::Relaxed) {
        let channel = random.choice(channels).unwrap();
        fixture.simulator.post(&fixture.person.user_id, channel, TALK);
        thread::sleep(Duration::from_micros(random.u64(..4_000)));
    }
}

fn config(fixture: &Fixture) -> String {
    fixture.config()
        + "[restart]\nmin_backoff = \"50ms\"\nmax_backoff = \"200ms\"\nreset_after = \"1s\"\n\
           [catch_up]\noverlap = \"1s\"\n"
}

/// One run. Odd seeds kill the host.
fn survives(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let kills = seed % 2 == 1;
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&config(&fixture));
    let mut channels = vec![fixture.channel.clone()];
    channels.extend(fixture.add_channels(2));
    let mut lives: Vec<Vec<Value>> = Vec::new();
    let first = HostRun::begin(&dir);
    wait_for_first_event(&fixture, || !first.posts().is_empty());
    fixture.simulator.randomize_commit_delay(MAX_COMMIT_DELAY);
    let quiet = AtomicBool::new(false);
    let last = thread::scope(|scope| {
        scope.spawn(|| post_randomly(&fixture, &channels, seed, &quiet));
        // When this fails nobody must go on talking: the scope waits for them.
        let _hush = QuietOnDrop(&quiet);
        let mut life = first;
        for _ in 0..LIVES {
            thread::sleep(Duration::from_millis(random.u64(..700)));
            match random.u32(..4) {
                0 => fixture.simulator.cycle(&fixture.bot.user_id),
                1 => fixture.simulator.drop_sockets(&fixture.bot.user_id),
                _ => {}
            }
            lives.push(life.end(kills && random.u32(..3) > 0));
            life = HostRun::begin(&dir);
        }
        await_socket(&fixture);
        life
    });
    let said = posted_ids(&fixture, &channels);
    await_all(&said, &lives, &last, seed);
    lives.push(last.end(false));
    check(&lives, seed, kills);
}

/// Waits until an account has begun: what is posted before its first life is ready is none of its business.
pub(crate) fn wait_for_first_event(fixture: &Fixture, has_heard: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    await_socket(fixture);
    while !has_heard() {
        assert!(Instant::now() < end, "it never began");
        fixture.post("is anybody there?");
        thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn await_socket(fixture: &Fixture) {
    let open = |seen: &matterhost_simulator::Counters| seen.open_sockets(&fixture.bot.user_id) == 1;
    assert!(fixture.simulator.wait_for(open, DEADLINE));
}

/// The ids of all that was talked, when those that become visible late have.
pub(crate) fn posted_ids(fixture: &Fixture, channels: &[String]) -> BTreeSet<String> {
    thread::sleep(MAX_COMMIT_DELAY * 2);
    let posts = channels.iter().flat_map(|channel| fixture.simulator.posts_in(channel));
    posts.filter(|post| post.message == TALK).map(|post| post.id).collect()
}

fn ids<'a>(posts: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    posts.into_iter().map(|post| post["id"].as_str().unwrap().to_owned()).collect()
}

fn await_all(said: &BTreeSet<String>, lives: &[Vec<Value>], last: &HostRun, seed: u64) {
    let end = Instant::now() + DEADLINE;
    let earlier = ids(lives.iter().flatten());
    loop {
        let heard: BTreeSet<String> = earlier.union(&ids(&last.posts())).cloned().collect();
        let missing: Vec<_> = said.difference(&heard).collect();
        if missing.is_empty() {
            return;
        }
        assert!(
            Instant::now() < end,
            "seed {seed}: {} of {} posts are missing: {missing:?}",
            missing.len(),
            said.len()
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Without kills nothing came twice; what was recovered came in order, but for what became visible late.
fn check(lives: &[Vec<Value>], seed: u64, kills: bool) {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for post in lives.iter().flatten() {
        *times.entry(post["id"].as_str().unwrap()).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(kills || twice.is_empty(), "seed {seed}: {twice:?} came more than once");
    for life in lives {
        let mut channels: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for post in life {
            channels.entry(post["subject"].as_str().unwrap()).or_default().push(post);
        }
        for posts in channels.values() {
            for run in posts.chunk_by(|a, b| a["recovered"] == true && b["recovered"] == true) {
                // Two catch-ups may follow each other: what became visible late comes when it is first seen.
                let at = |post: &Value| post["data"]["post"]["create_at"].as_i64().unwrap();
                assert!(run.is_sorted_by(|a, b| at(b) > at(a) - OVERLAP_MS), "seed {seed}: {run:#?}");
            }
        }
    }
}

#[test]
fn nothing_is_lost_though_the_program_is_killed() {
    let given = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds: Vec<u64> = match given("MATTERHOST_SEED") {
        Some(seed) => vec![seed],
        None => (0..given("MATTERHOST_SEEDS").unwrap_or(6)).map(|_| fastrand::u64(..)).collect(),
    };
    for seeds in seeds.chunks(SIDE_BY_SIDE) {
        thread::scope(|scope| {
            for seed in seeds {
                println!("seed {seed}: give it as MATTERHOST_SEED to run it again");
                scope.spawn(|| survives(*seed));
            }
        });
    }
}
