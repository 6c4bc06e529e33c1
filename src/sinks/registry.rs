//! The sinks that a configuration names, at work.
pub(crate) mod replace;

use std::{borrow::Cow, collections::HashMap, io, sync::Arc, time::Duration};

use matterhost_actors::{
    model::{AccountName, ServerName},
    policy::RestartPolicy,
    ports::{EventSink, Poster},
};
use tokio::sync::watch;

use self::replace::EndingSink;
use super::{
    HandlerDeps,
    dead_letter::DeadLetters,
    fan_out::{FanOut, PendingEvents},
    lines::stdout::{LineSink, OutputEnd},
    metered::CountedSink,
    running_sink::{ExclusiveResource, KillHandle, RunningSink, SinkDeps},
    start_gate::StartGate,
    worker,
};
use crate::{
    config::{AccountConfig, Config, DeadLetterConfig, SinkConfig},
    telemetry::metrics::Metrics,
};

/// The sinks of a host, at work.
pub struct SinkRegistry {
    pub(super) by_name: HashMap<Arc<str>, RunningSink>,
    /// Those that were replaced or taken out and may not have ended yet.
    pub(super) ending: Vec<EndingSink>,
    /// What each account hands its events to.
    account_sinks: HashMap<AccountName, AccountSink>,
    output: Option<LineSink>,
    output_ended: watch::Sender<Option<OutputEnd>>,
    pub(super) restart_policy: watch::Sender<RestartPolicy>,
    pub(super) dead_letter: DeadLetterConfig,
    poster: Arc<dyn Poster>,
    metrics: Metrics,
    last_instance_id: u64,
}

/// What an account hands its events to.
struct AccountSink {
    /// Its sinks by name, and which they are.
    parts: Vec<(Arc<str>, u64)>,
    /// The server by which its events are counted.
    server: ServerName,
    sink: Arc<dyn EventSink>,
    /// Which of several sinks have taken an event; kept when they change.
    pending: Option<PendingEvents>,
}

/// A sink cannot begin its work.
#[derive(Debug, thiserror::Error)]
#[error("sink {name} cannot be started: {cause}")]
pub struct SinkError {
    /// Its name.
    pub name: Arc<str>,
    /// Why.
    #[source]
    pub cause: io::Error,
}

impl SinkRegistry {
    /// Starts those that an account names. `poster` posts the replies of their handlers; how they do is measured.
    ///
    /// # Errors
    /// When one of them cannot begin: there is no thread for it, or its file cannot be opened.
    pub fn start(config: &Config, poster: &Arc<dyn Poster>, metrics: &Metrics) -> Result<Self, SinkError> {
        let mut sinks = Self {
            by_name: HashMap::new(),
            ending: Vec::new(),
            account_sinks: HashMap::new(),
            output: None,
            output_ended: watch::Sender::new(None),
            restart_policy: watch::Sender::new(config.host.restart),
            dead_letter: config.dead_letter.clone(),
            poster: Arc::clone(poster),
            metrics: metrics.clone(),
            last_instance_id: 0,
        };
        let prepared = sinks.prepare(config)?;
        // There were none before.
        drop(sinks.install(prepared, config));
        Ok(sinks)
    }

    pub(super) fn start_sink(
        &mut self,
        sink: &SinkConfig,
        dead_letter: &DeadLetterConfig,
    ) -> Result<RunningSink, SinkError> {
        let handler_deps = HandlerDeps {
            sink: Arc::clone(&sink.name),
            poster: Arc::clone(&self.poster),
            dead_letters: Some(DeadLetters::for_sink(&sink.name, dead_letter)),
        };
        let instance_id = self.next_instance_id();
        let (restart, start_gate, meter) =
            (self.restart_policy.subscribe(), self.start_gate(sink), self.metrics.sink_meter(&sink.name));
        let deps = SinkDeps { instance_id, handler_deps, restart, start_gate, meter };
        let running = RunningSink::start(sink, deps, || self.output());
        running.map_err(|cause| SinkError { name: Arc::clone(&sink.name), cause })
    }

    /// A number that no sink has had.
    pub(super) fn next_instance_id(&mut self) -> u64 {
        self.last_instance_id += 1;
        self.last_instance_id
    }

    /// When a new sink may begin that claims what another has.
    fn start_gate(&self, sink: &SinkConfig) -> StartGate {
        let Some(resource) = ExclusiveResource::of(sink) else { return StartGate::open() };
        let now = self
            .by_name
            .values()
            .find(|running| ExclusiveResource::of(&running.config).as_ref() == Some(&resource));
        let start_gate = now.map(RunningSink::gate_after_end);
        start_gate.or_else(|| self.gate_after_ending(&resource)).unwrap_or_else(StartGate::open)
    }

    /// Standard output is one, however many sinks go there, and stays open for the host's whole life.
    fn output(&mut self) -> io::Result<LineSink> {
        if let Some(output) = &self.output {
            return Ok(output.clone());
        }
        let output = LineSink::start_with_end_sender(io::stdout(), self.output_ended.clone())?;
        Ok(self.output.insert(output).clone())
    }

    /// What an account hands its events to now.
    pub fn current_sink(&self, account: &AccountName) -> Option<&Arc<dyn EventSink>> {
        self.account_sinks.get(account).map(|account_sink| &account_sink.sink)
    }

    /// What an account hands its events to: the same as the last time, unless its server or one of its sinks is another
    /// now.
    pub fn sink_for(&mut self, account: &AccountConfig) -> Arc<dyn EventSink> {
        let (account, server, names) = (&account.name, &account.server, &account.sinks);
        let running = names.iter().filter_map(|name| Some((Arc::clone(name), self.by_name.get(name)?)));
        let running: Vec<_> = running.collect();
        let parts: Vec<_> =
            running.iter().map(|(name, running)| (Arc::clone(name), running.instance_id)).collect();
        let before = self.account_sinks.get(account);
        if let Some(same) = before.filter(|before| before.parts == parts && before.server == *server) {
            return Arc::clone(&same.sink);
        }
        let pending = before.and_then(|before| before.pending.clone());
        let pending = pending.or_else(|| (running.len() != 1).then(PendingEvents::default));
        let mut sinks: Vec<_> =
            running.iter().map(|(name, running)| (Arc::clone(name), running.sink())).collect();
        let together: Arc<dyn EventSink> = match (&pending, sinks.pop()) {
            (None, Some((_, only))) => only,
            (_, last) => {
                let sinks = sinks.into_iter().chain(last).collect();
                Arc::new(FanOut::new(sinks, pending.clone().unwrap_or_default()))
            }
        };
        let sink: Arc<dyn EventSink> = Arc::new(CountedSink::new(together, self.metrics.clone()));
        let account_sink = AccountSink { parts, server: server.clone(), sink: Arc::clone(&sink), pending };
        self.account_sinks.insert(account.clone(), account_sink);
        sink
    }

    /// An account is hosted no more.
    pub fn forget_account(&mut self, account: &AccountName) {
        self.account_sinks.remove(account);
    }

    /// Ends the work of all of them, in at most so long. What they hold unacknowledged comes again another time.
    pub async fn close(&self, within: Duration) {
        let kill_handles: Vec<_> = self.kill_handles().collect();
        let of = |place: usize| {
            kill_handles
                .iter()
                .filter_map(|kill_handle| kill_handle.workers[place].clone())
                .collect::<Vec<_>>()
        };
        let all = async {
            worker::close_all(&of(0)).await;
            worker::close_all(&of(1)).await;
        };
        if tokio::time::timeout(within, all).await.is_err() {
            tracing::warn!("not every sink ended in time");
        }
    }

    /// Tells when standard output ended, and why.
    pub fn subscribe_output_end(&self) -> watch::Receiver<Option<OutputEnd>> {
        self.output_ended.subscribe()
    }

    fn kill_handles(&self) -> impl Iterator<Item = Cow<'_, KillHandle>> {
        let now = self.by_name.values().map(|running| Cow::Owned(running.worker.kill_handle()));
        now.chain(self.ending.iter().map(|ending| Cow::Borrowed(&ending.kill_handle)))
    }
}

impl Drop for SinkRegistry {
    /// No child outlives the host, also when there was no time for a good end.
    fn drop(&mut self) {
        self.kill_handles().for_each(|kill_handle| kill_handle.kill());
    }
}
