//! The program with a sink of each type, killed and stopped at random moments while users post: nothing is lost, each channel
//! keeps its order, each reply is posted once, and without kills no sink gets anything twice. Each run starts with the state that
//! the previous one left on disk.

mod sink_records;

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

use self::sink_records::{Handlers, REPLIERS, SINKS, is_question, records_of};
use crate::{
    program::{ConfigDir, DEADLINE, Fixture, Lines, text, wait_until_complete},
    seeds::number,
};

/// The number of the signal on every Unix.
const SIGTERM: i32 = 15;

/// Starts of the host in one run.
const LIVES: usize = 4;

/// The longest pause between two posts: each is worked on by four sinks.
const PAUSE: Duration = Duration::from_millis(8);

/// Parallel runs: they mostly wait.
const SIDE_BY_SIDE: usize = 3;

/// Maximum delay with which a post becomes visible after a younger one.
pub(crate) const MAX_COMMIT_DELAY: Duration = Duration::from_millis(30);

/// The delay that the host allows for, in milliseconds (`catch_up.overlap`): much longer, for a busy machine.
pub(crate) const OVERLAP_MS: i64 = 1_000;

/// The log lines of a test that fails.
const SHOWN_LOG_LINES: usize = 200;

/// A running host and its output.
struct HostRun {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<thread::JoinHandle<()>>,
    /// Checked for secrets, and shown if the test fails.
    log: Lines,
}

impl HostRun {
    fn begin(dir: &ConfigDir) -> Self {
        let mut command = dir.matterhost(&["run"]);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, lines) =
            (BufReader::new(child.stdout.take().unwrap()), Arc::<Mutex<Vec<String>>>::default());
        let log = Lines::read(child.stderr.take().unwrap());
        let kept = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            out.lines().map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line));
        });
        Self { child, lines, reader: Some(reader), log }
    }

    fn posts(&self) -> Vec<Value> {
        // The last line of a killed host may be incomplete.
        let lines = self.lines.lock().unwrap();
        let events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["type"] == "com.mattermost.posted").collect()
    }

    /// Returns its exit status, if it has ended, the number of its posts, and the end of its log.
    fn describe(&mut self) -> String {
        self.log.drain();
        let (status, posts) = (self.child.try_wait().unwrap(), self.posts().len());
        let log = self.log.last(SHOWN_LOG_LINES);
        format!(
            "the last host printed {posts} posts, its exit status is {status:?}, its log ends with {log:#?}"
        )
    }

    fn end(mut self, killed: bool) -> Vec<Value> {
        if killed {
            self.child.kill().unwrap();
        } else {
            let id = self.child.id().to_string();
            assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        }
        let status = self.child.wait().unwrap();
        // On a busy machine the host may not handle signals yet; then the signal ends it like any program.
        let at_once = status.signal() == Some(SIGTERM);
        assert!(killed || at_once || status.code() == Some(0), "{status}");
        self.reader.take().unwrap().join().unwrap();
        self.posts()
    }
}

impl Drop for HostRun {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Stops the users when dropped.
pub(crate) struct QuietOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for QuietOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The text of the users' posts.
const TALK: &str = "…";

/// Posts as random users until `quiet` is set, with pauses of less than `pause`.
pub(crate) fn post_randomly(
    fixture: &Fixture,
    channels: &[String],
    seed: u64,
    pause: Duration,
    quiet: &AtomicBool,
) {
    let pause = u64::try_from(pause.as_micros()).unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    while !quiet.load(Ordering::Relaxed) {
        let channel = random.choice(channels).unwrap();
        fixture.simulator.post(&fixture.person.user_id, channel, TALK);
        thread::sleep(Duration::from_micros(random.u64(..pause)));
    }
}

fn config(fixture: &Fixture, sinks: &str) -> String {
    let names = format!("sinks = [\"{}\"]\n[log]", SINKS.join("\", \""));
    // All posts are by one person, who would count as a program.
    fixture.config().replace("[log]", &names)
        + sinks
        + "[restart]\nmin_backoff = \"50ms\"\nmax_backoff = \"200ms\"\nreset_after = \"1s\"\n\
           [catch_up]\noverlap = \"1s\"\n[replies]\nloop_limit = 0\n"
}

/// Performs one run. Odd seeds kill the host.
fn survives(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let kills = seed % 2 == 1;
    let fixture = Fixture::new();
    let dir = ConfigDir::with("");
    let handlers = Handlers::start(&dir);
    dir.write("matterhost.toml", &config(&fixture, &handlers.sinks()));
    let mut channels = vec![fixture.channel.clone()];
    channels.extend(fixture.add_channels(2));
    let mut lives: Vec<Vec<Value>> = Vec::new();
    let first = HostRun::begin(&dir);
    wait_for_first_event(&fixture, || !first.posts().is_empty());
    fixture.simulator.randomize_commit_delay(MAX_COMMIT_DELAY);
    let quiet = AtomicBool::new(false);
    let mut last = thread::scope(|scope| {
        scope.spawn(|| post_randomly(&fixture, &channels, seed, PAUSE, &quiet));
        // The users must stop even if this fails, because the scope waits for them.
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
    let posted = posted_ids(&fixture, &channels);
    let complete = await_all(&posted, &lives, &last)
        .and_then(|()| await_sinks(&fixture, &dir, &channels, &posted, seed));
    if let Err(missing) = complete {
        panic!("seed {seed}: {missing}; {}", last.describe());
    }
    lives.push(last.end(false));
    check(&lives, seed, kills);
    for sink in SINKS {
        records_of(&dir, sink).check(sink, seed, kills);
    }
}

/// Waits until an account has received an event: it does not receive posts made before it was first ready.
pub(crate) fn wait_for_first_event(fixture: &Fixture, has_heard: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    await_socket(fixture);
    while !has_heard() {
        assert!(Instant::now() < end, "the account never received an event");
        fixture.post("is anybody there?");
        thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn await_socket(fixture: &Fixture) {
    let open = |seen: &matterhost_simulator::Counters| seen.open_sockets(&fixture.bot.user_id) == 1;
    assert!(fixture.simulator.wait_for(open, DEADLINE));
}

/// Returns the ids of all posts, after the last of them has become visible.
pub(crate) fn posted_ids(fixture: &Fixture, channels: &[String]) -> BTreeSet<String> {
    thread::sleep(MAX_COMMIT_DELAY * 2);
    let posts = channels.iter().flat_map(|channel| fixture.simulator.posts_in(channel));
    posts.filter(|post| post.message == TALK).map(|post| post.id).collect()
}

fn ids<'a>(posts: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    posts.into_iter().map(|post| post["id"].as_str().unwrap().to_owned()).collect()
}

fn await_all(posted: &BTreeSet<String>, lives: &[Vec<Value>], last: &HostRun) -> Result<(), String> {
    let earlier = ids(lives.iter().flatten());
    let missing = || {
        let received: BTreeSet<String> = earlier.union(&ids(&last.posts())).cloned().collect();
        posted.difference(&received).cloned().collect()
    };
    name_missing("standard output", wait_until_complete(missing))
}

/// Waits until each sink has each post, and each question is answered. Then each must have been answered once by each.
fn await_sinks(
    fixture: &Fixture,
    dir: &ConfigDir,
    channels: &[String],
    posted: &BTreeSet<String>,
    seed: u64,
) -> Result<(), String> {
    for sink in SINKS.iter().filter(|sink| **sink != "output") {
        let missing = || {
            let received = records_of(dir, sink).ids();
            posted.difference(&received).cloned().collect()
        };
        name_missing(sink, wait_until_complete(missing))?;
    }
    let questions = posted.iter().filter(|id| is_question(id));
    let expected: BTreeSet<String> =
        questions.flat_map(|id| REPLIERS.map(|sink| format!("{sink} {id}"))).collect();
    let replies = || {
        let posts = channels.iter().flat_map(|channel| fixture.simulator.posts_in(channel));
        posts.map(|post| post.message).filter(|text| expected.contains(text)).collect::<Vec<_>>()
    };
    let missing = || {
        let made: BTreeSet<String> = replies().into_iter().collect();
        expected.difference(&made).cloned().collect()
    };
    let complete = wait_until_complete(missing);
    let letters = text(&dir.matterhost(&["dead-letter", "list"]).output().unwrap().stdout);
    name_missing(&format!("the server, with these letters: {letters}"), complete)?;
    thread::sleep(MAX_COMMIT_DELAY * 2);
    assert_eq!(replies().len(), expected.len(), "seed {seed}: replies were posted twice: {:?}", replies());
    Ok(())
}

fn name_missing(of: &str, complete: Result<(), Vec<String>>) -> Result<(), String> {
    complete.map_err(|missing| format!("{of} lacks {}: {missing:?}", missing.len()))
}

/// Checks that without kills no post came twice, and that recovered posts came in order unless they became visible late.
fn check(lives: &[Vec<Value>], seed: u64, kills: bool) {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for post in lives.iter().flatten() {
        *times.entry(post["id"].as_str().unwrap()).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(kills || twice.is_empty(), "seed {seed}: {twice:?} were delivered more than once");
    for life in lives {
        let mut channels: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for post in life {
            channels.entry(post["subject"].as_str().unwrap()).or_default().push(post);
        }
        for posts in channels.values() {
            for run in posts.chunk_by(|a, b| a["recovered"] == true && b["recovered"] == true) {
                // Two catch-ups may follow each other: a post that became visible late comes when it is first seen.
                let at = |post: &Value| post["data"]["post"]["create_at"].as_i64().unwrap();
                assert!(run.is_sorted_by(|a, b| at(b) > at(a) - OVERLAP_MS), "seed {seed}: {run:#?}");
            }
        }
    }
}

#[test]
fn nothing_is_lost_though_the_program_is_killed() {
    let seeds: Vec<u64> = match number("MATTERHOST_SEED") {
        Some(seed) => vec![seed],
        // Two of three kill.
        None => (0..number("MATTERHOST_SEEDS").unwrap_or(3))
            .map(|n| (fastrand::u64(..) & !1) | ((n + 1) % 2))
            .collect(),
    };
    for seeds in seeds.chunks(SIDE_BY_SIDE) {
        thread::scope(|scope| {
            for seed in seeds {
                println!("seed {seed}; set MATTERHOST_SEED to repeat this run");
                scope.spawn(|| survives(*seed));
            }
        });
    }
}
