//! The times that posts take to the output of the program.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use crate::program::{Fixture, Lines};

/// Sorted times from a post to its event in the output.
#[derive(Debug)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// Posts so many times, at this interval, and does something after each post. Checks that every post is heard once and in
    /// order. The program ends once the events are dropped.
    pub(crate) fn measure(
        fixture: &Fixture,
        events: &mut Lines,
        (posts, interval): (usize, Duration),
        mut beside: impl FnMut(),
    ) -> Self {
        fixture.post("the first post");
        events.wait_for_post("the first post");
        thread::scope(|scope| {
            let hearing = scope.spawn(|| hear(events, posts));
            let mut posted = Vec::new();
            for n in 0..posts {
                posted.push(Instant::now());
                fixture.post(&words(n));
                beside();
                thread::sleep(interval);
            }
            Self::between(&posted, &hearing.join().unwrap())
        })
    }

    fn between(posted: &[Instant], heard: &[(String, Instant)]) -> Self {
        let took = |(n, (text, at)): (usize, &(String, Instant))| {
            assert_eq!(*text, words(n), "posts are missing, doubled or out of order");
            at.saturating_duration_since(posted[n])
        };
        let mut latencies: Vec<_> = heard.iter().enumerate().map(took).collect();
        latencies.sort();
        Self(latencies)
    }

    /// Returns the time that so many of a hundred posts did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        percentile(&self.0, percent)
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, p100] = [50, 99, 100].map(|percent| self.percentile(percent).as_millis());
        write!(f, "p50 {p50} ms, p99 {p99} ms, at most {p100} ms")
    }
}

/// Returns that one of sorted times which so many of a hundred do not exceed.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() - 1) * percent / 100]
}

/// Returns the text of a post.
fn words(n: usize) -> String {
    format!("post {n}")
}

/// Returns the texts of the posts that arrive, with their times.
fn hear(events: &mut Lines, posts: usize) -> Vec<(String, Instant)> {
    let mut next = || {
        let event = events.wait_for_json("a post", |event| event["type"] == "com.mattermost.posted");
        (event["data"]["post"]["message"].as_str().unwrap().to_owned(), Instant::now())
    };
    (0..posts).map(|_| next()).collect()
}
