use std::{
    sync::{Arc, Mutex, mpsc},
    time::{Duration, SystemTime},
};

use futures_util::FutureExt as _;
use matterhost_actors::{
    model::{AccountName, AccountUser, ChannelId, Event, EventBody, Generation, ServerName},
    ports::{Delivered, EventSink as _, Outcome},
};

use super::*;
use crate::sinks::{
    lines::MAX_BATCH_LINES,
    queue::{MAX_QUEUED_BYTES, MAX_QUEUED_EVENTS},
};

/// The time limit for the writer's thread.
const DEADLINE: Duration = Duration::from_secs(30);

fn event(seq: u64, size: usize) -> Arc<Event> {
    Arc::new(Event {
        account: AccountName::new("a").unwrap(),
        server: ServerName::new("s").unwrap(),
        user: AccountUser::default(),
        channel: None,
        sender: None,
        generation: Generation(1),
        connection_id: "c".into(),
        received_at: SystemTime::now(),
        recovered: false,
        last_recovered: false,
        own: false,
        body: EventBody {
            event: "x".into(),
            channel_id: ChannelId::default(),
            change: None,
            post: None,
            seq,
            data: format!("{{\"fill\":\"{}\"}}", "x".repeat(size)).into(),
            broadcast: "null".into(),
        },
    })
}

/// A writer whose flushes wait for a permit each. It fails with `error` once the permits' sender is dropped.
struct Gated {
    permits: mpsc::Receiver<()>,
    text: Arc<Mutex<Vec<u8>>>,
    error: io::ErrorKind,
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.permits.recv().map_err(|_| io::Error::from(self.error))
    }
}

struct Reader {
    permits: mpsc::Sender<()>,
    text: Arc<Mutex<Vec<u8>>>,
}

impl Reader {
    fn seqs(&self) -> Vec<u64> {
        let text = String::from_utf8(self.text.lock().unwrap().clone()).unwrap();
        let seq = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["id"].as_str().unwrap().strip_prefix("c/").unwrap().parse().unwrap()
        };
        text.lines().map(seq).collect()
    }
}

fn gated(error: io::ErrorKind) -> (LineSink, Reader) {
    let (permits, wait) = mpsc::channel();
    let text = Arc::new(Mutex::new(Vec::new()));
    let sink = LineSink::start(Gated { permits: wait, text: Arc::clone(&text), error }).unwrap();
    (sink, Reader { permits, text })
}

async fn outcome(delivered: Delivered) -> Outcome {
    match delivered {
        Delivered::Now(outcome) => outcome,
        Delivered::Later(later) => later.await,
    }
}

/// Waits for the reason why the output ended.
async fn end_of(sink: &LineSink) -> Option<OutputEnd> {
    let mut ended = sink.subscribe_end();
    tokio::time::timeout(DEADLINE, ended.wait_for(Option::is_some)).await.unwrap().unwrap().clone()
}

#[tokio::test]
async fn a_line_is_acknowledged_only_when_it_is_flushed() {
    let (sink, reader) = gated(io::ErrorKind::BrokenPipe);
    let Delivered::Later(mut first) = sink.deliver(&event(1, 0)) else { panic!("at once") };
    assert_eq!((&mut first).now_or_never(), None);
    reader.permits.send(()).unwrap();
    assert_eq!(first.await, Outcome::Acknowledged);
    assert_eq!(reader.seqs(), [1]);
}

#[tokio::test]
async fn many_lines_come_whole_and_in_order() {
    let (sink, reader) = gated(io::ErrorKind::BrokenPipe);
    for _ in 0..2_000 {
        reader.permits.send(()).unwrap();
    }
    let mut answers = Vec::new();
    for seq in 0..1_000 {
        answers.push(sink.deliver(&event(seq, 100)));
    }
    for answer in answers {
        assert_eq!(outcome(answer).await, Outcome::Acknowledged);
    }
    assert_eq!(reader.seqs(), (0..1_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_full_queue_says_retry_and_holds_no_more() {
    for size in [0, MAX_QUEUED_BYTES / 4] {
        let (sink, _reader) = gated(io::ErrorKind::BrokenPipe);
        let mut kept = Vec::new();
        let refused = loop {
            match sink.deliver(&event(1, size)) {
                Delivered::Later(later) => kept.push(later),
                Delivered::Now(outcome) => break outcome,
            }
            assert!(kept.len() <= MAX_QUEUED_EVENTS + MAX_BATCH_LINES);
        };
        assert!(matches!(refused, Outcome::Retry { .. }), "{refused:?}");
        assert!(sink.queue.waiting().1 <= MAX_QUEUED_BYTES + MAX_QUEUED_BYTES / 4 + 1_000);
    }
}

#[tokio::test]
async fn a_closed_reader_breaks_the_sink_and_is_reported() {
    let (sink, reader) = gated(io::ErrorKind::BrokenPipe);
    let first = sink.deliver(&event(1, 0));
    drop(reader);
    let broken = Outcome::Broken { cause: "standard output was closed".into() };
    assert_eq!(outcome(first).await, broken);
    assert_eq!(end_of(&sink).await, Some(OutputEnd::Closed));
    assert_eq!(outcome(sink.deliver(&event(2, 0))).await, broken);
}

#[tokio::test]
async fn another_failure_is_reported_with_its_cause() {
    let (sink, reader) = gated(io::ErrorKind::StorageFull);
    let first = sink.deliver(&event(1, 0));
    drop(reader);
    assert_eq!(end_of(&sink).await, Some(OutputEnd::Failed("no storage space".into())));
    assert!(matches!(outcome(first).await, Outcome::Broken { .. }));
    assert!(
        matches!(outcome(sink.deliver(&event(2, 0))).await, Outcome::Broken { cause } if cause == "no storage space")
    );
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_event_comes_again_and_is_not_written_twice() {
    let (sink, reader) = gated(io::ErrorKind::BrokenPipe);
    let writing = sink.deliver(&event(1, 0));
    let end = std::time::Instant::now() + DEADLINE;
    while sink.queue.waiting().0 > 0 {
        assert!(std::time::Instant::now() < end, "the writer does not take the line");
        std::thread::yield_now();
    }
    // The writer waits in its flush, and this line is behind it in the queue.
    let behind = sink.deliver(&event(2, 0));
    assert!(matches!(outcome(behind).await, Outcome::Retry { .. }));
    // The paused clock does not see the thread that the test waits for from here on.
    tokio::time::resume();
    let again = sink.deliver(&event(2, 0));
    for _ in 0..3 {
        reader.permits.send(()).unwrap();
    }
    assert_eq!(outcome(writing).await, Outcome::Acknowledged);
    assert_eq!(outcome(again).await, Outcome::Acknowledged);
    assert_eq!(reader.seqs(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn an_event_with_the_writer_is_waited_for_and_not_offered_again() {
    let (sink, reader) = gated(io::ErrorKind::BrokenPipe);
    let Delivered::Later(mut writing) = sink.deliver(&event(1, 0)) else { panic!("not queued") };
    let end = std::time::Instant::now() + DEADLINE;
    while sink.queue.waiting().0 > 0 {
        assert!(std::time::Instant::now() < end, "the writer does not take the line");
        std::thread::yield_now();
    }
    let long = 10 * crate::sinks::queue::MAX_WAIT;
    assert!(tokio::time::timeout(long, &mut writing).await.is_err(), "it was given up");
    tokio::time::resume();
    reader.permits.send(()).unwrap();
    assert_eq!(writing.await, Outcome::Acknowledged);
    assert_eq!(reader.seqs(), [1]);
}
