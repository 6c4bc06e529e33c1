//! CPU time and latency of events through each sink.

use std::{
    env,
    process::{Command, Stdio},
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant, UNIX_EPOCH},
};

use anyhow::{Context as _, anyhow, bail};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, try_join_all},
};
use matterhost::{
    config::{Config, Sources},
    sinks::{SinkRegistry, lines::stdout::LineSink},
    telemetry::metrics::Metrics,
};
use matterhost_actors::{
    model::{
        AccountName, AccountUser, Change, Event, EventBody, Generation, OutgoingAction, PostKey, PostedIds,
        ReplyError, ServerName,
    },
    ports::{Delivered, EventSink, Outcome, Poster},
};

use crate::{
    cpu_time::cpu_time,
    handlers::{CHILD, Handler},
    program::Readings,
};

/// Simultaneous channels; each has at most one event in flight.
const CHANNELS: u32 = 64;
/// The interval under light load: events never wait for each other.
const SPACED: Duration = Duration::from_millis(2);
const CHARACTERS: usize = 200;

pub(crate) fn stdout(quick: bool) -> anyhow::Result<Readings> {
    let mut reader = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let sink = LineSink::start(reader.stdin.take().context("no standard input")?)?;
    let readings = measure(&sink, quick, ["stdout-cpu", "stdout-p50", "stdout-p99", "stdout-rate"]);
    // The reader ends with its standard input, which a thread of the sink still holds.
    reader.kill()?;
    reader.wait()?;
    readings
}

pub(crate) fn file(quick: bool) -> anyhow::Result<Readings> {
    let path = "path = \"events.jsonl\"\nfsync = false\n";
    through(&format!("type = \"file\"\n{path}"), quick, ["file-cpu", "file-p50", "file-p99", "file-rate"])
}

pub(crate) fn webhook(quick: bool) -> anyhow::Result<Readings> {
    let handler = Handler::start()?;
    let url = format!("url = \"http://127.0.0.1:{}/\"", handler.port);
    let sink = format!(
        "type = \"webhook\"\n{url}\nsecret = \"whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw\"\nconcurrency = 16\n"
    );
    through(&sink, quick, ["webhook-cpu", "webhook-p50", "webhook-p99", "webhook-rate"])
}

pub(crate) fn exec(quick: bool) -> anyhow::Result<Readings> {
    let program = env::current_exe()?;
    let sink = format!("type = \"exec\"\ncommand = [{:?}, \"{CHILD}\"]\n", program.display().to_string());
    through(&sink, quick, ["exec-cpu", "exec-p50", "exec-p99", "exec-rate"])
}

/// Starts the sink that a configuration names, and measures it.
pub(crate) fn through(sink: &str, quick: bool, names: [&'static str; 4]) -> anyhow::Result<Readings> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("matterhost.toml");
    let rest = "[servers.s]\nurl = \"http://127.0.0.1:1\"\n[accounts.a]\ntoken = \"x\"\nsinks = [\"one\"]\n\
                [state]\nstore = \"memory\"\n";
    std::fs::write(&file, format!("{rest}[sinks.one]\n{sink}"))?;
    let sources = Sources { files: vec![file], ..Sources::default() };
    let config = Config::load(&sources, None).map_err(|error| anyhow!("{error}"))?;
    let poster: Arc<dyn Poster> = Arc::new(NoReplies);
    let mut sinks = SinkRegistry::start(&config, &poster, &Metrics::new(true), None, None)?;
    let account = &config.accounts[0];
    measure(&*sinks.sink_for(account), quick, names)
}

fn measure(sink: &dyn EventSink, quick: bool, names: [&'static str; 4]) -> anyhow::Result<Readings> {
    let each = if quick { 20 } else { 500 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Warm up.
    runtime.block_on(crowd(sink, 5, 0))?;
    let (begun, start) = (cpu_time(), Instant::now());
    runtime.block_on(crowd(sink, each, 5))?;
    let (seconds, elapsed) = (cpu_time().saturating_sub(begun).as_secs_f64(), start.elapsed().as_secs_f64());
    let mut took = Vec::new();
    for n in 0..if quick { 50 } else { 1_000 } {
        sleep(SPACED);
        let event = event(0, 1_000_000 + n);
        let start = Instant::now();
        runtime.block_on(take(sink, &event))?;
        took.push(start.elapsed().as_secs_f64() * 1e6);
    }
    took.sort_by(f64::total_cmp);
    let at = |percent: usize| took[took.len() * percent / 100];
    let [cpu, p50, p99, rate] = names;
    let events = f64::from(CHANNELS * each);
    Ok(vec![(cpu, events / seconds), (p50, at(50)), (p99, at(99)), (rate, events / elapsed)])
}

/// Delivers `each` events in all channels at once.
async fn crowd(sink: &dyn EventSink, each: u32, first: u32) -> anyhow::Result<()> {
    let channel = |channel| async move {
        for n in first..first + each {
            take(sink, &event(channel, n)).await?;
        }
        anyhow::Ok(())
    };
    try_join_all((0..CHANNELS).map(channel)).await?;
    Ok(())
}

/// A poster that posts nothing: the handlers here give no answers.
struct NoReplies;

impl Poster for NoReplies {
    fn post(&self, _: &AccountName, _: OutgoingAction) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        std::future::ready(Ok(PostedIds::default())).boxed()
    }
}

/// Delivers an event as a Delivery does.
async fn take(sink: &dyn EventSink, event: &Arc<Event>) -> anyhow::Result<()> {
    loop {
        let outcome = match sink.deliver(event) {
            Delivered::Now(outcome) => outcome,
            Delivered::Later(outcome) => outcome.await,
        };
        match outcome {
            Outcome::Acknowledged => return Ok(()),
            Outcome::Retry { after, .. } | Outcome::Hold { after, .. } => tokio::time::sleep(after).await,
            Outcome::Rejected { cause } | Outcome::Broken { cause } => bail!("{cause}"),
        }
    }
}

fn event(channel: u32, n: u32) -> Arc<Event> {
    let (id, channel) = (format!("post-{channel}-{n}"), format!("channel-{channel}"));
    let post = serde_json::json!({
        "id": id, "create_at": 1_700_000_000_000_i64, "user_id": "somebody", "channel_id": channel,
        "message": "x".repeat(CHARACTERS), "type": "", "props": {},
    });
    let data =
        serde_json::json!({ "channel_type": "O", "post": post.to_string(), "sender_name": "@somebody" });
    // These names are valid.
    let (Ok(account), Ok(server)) = (AccountName::new("a"), ServerName::new("s")) else { unreachable!() };
    Arc::new(Event {
        account,
        server,
        user: AccountUser::default(),
        channel: None,
        sender: None,
        generation: Generation(1),
        connection_id: "connection".into(),
        received_at: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        recovered: false,
        last_recovered: false,
        own: false,
        body: EventBody {
            event: "posted".into(),
            channel_id: channel.as_str().into(),
            change: Some(Change::Posted(PostKey { create_at: 1_700_000_000_000, id: id.as_str().into() })),
            post: None,
            seq: u64::from(n),
            data: data.to_string().into(),
            broadcast: "{}".into(),
        },
    })
}
