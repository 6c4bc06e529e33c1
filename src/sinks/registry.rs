//! The running sinks of a host.

mod replace;

pub use self::replace::{PreparedSinks, RemovedSinks};

use std::{borrow::Cow, collections::HashMap, io, sync::Arc, time::Duration};

use matterhost_actors::{
    bots::HostedSchedules,
    model::{AccountName, ServerName},
    policy::RestartPolicy,
    ports::{EventSink, Poster},
};
use tokio::{sync::watch, time::Instant};

use self::replace::EndingSink;
use super::{
    board::SinkBoard,
    fan_out::{FanOut, PendingEvents},
    lines::stdout::{LineSink, OutputEnd},
    metered::CountedSink,
    running_sink::{KillHandle, RunningSink},
    worker,
};
use crate::{
    actions::ReplyTokens,
    config::{AccountConfig, Config, DeadLetterConfig},
    telemetry::metrics::Metrics,
};

/// The running sinks of a host, and the sink that each account delivers to.
pub struct SinkRegistry {
    by_name: HashMap<Arc<str>, RunningSink>,
    /// Sinks that were replaced or removed and may not have ended yet.
    ending: Vec<EndingSink>,
    account_sinks: HashMap<AccountName, AccountSink>,
    output: Option<LineSink>,
    output_ended: watch::Sender<Option<OutputEnd>>,
    restart_policy: watch::Sender<RestartPolicy>,
    dead_letter: DeadLetterConfig,
    poster: Arc<dyn Poster>,
    reply_tokens: Option<ReplyTokens>,
    schedules: Option<HostedSchedules>,
    metrics: Metrics,
    last_instance_id: u64,
    board: SinkBoard,
}

/// The sink that an account delivers to.
struct AccountSink {
    /// The names and instance ids of the sinks that it consists of.
    parts: Vec<(Arc<str>, u64)>,
    /// The server in the metrics of its events.
    server: ServerName,
    sink: Arc<dyn EventSink>,
    /// The progress of events that only some of several sinks have taken; kept when the sinks change.
    pending: Option<PendingEvents>,
}

/// The error for a sink that cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("sink {name} cannot be started: {cause}")]
pub struct SinkError {
    /// The sink's name.
    pub name: Arc<str>,
    /// The reason.
    #[source]
    pub cause: io::Error,
}

impl SinkRegistry {
    /// Starts the sinks that an account names. `poster` posts the replies of their handlers; `reply_tokens` issues tokens for
    /// later ones, if the host takes them; `schedules` runs those of bots in Rust.
    ///
    /// # Errors
    /// If a sink cannot be started because there is no thread for it or its file cannot be opened.
    pub fn start(
        config: &Config,
        poster: &Arc<dyn Poster>,
        metrics: &Metrics,
        reply_tokens: Option<ReplyTokens>,
        schedules: Option<HostedSchedules>,
    ) -> Result<Self, SinkError> {
        let mut sinks = Self {
            by_name: HashMap::new(),
            ending: Vec::new(),
            account_sinks: HashMap::new(),
            output: None,
            output_ended: watch::Sender::new(None),
            restart_policy: watch::Sender::new(config.host.restart),
            dead_letter: config.dead_letter.clone(),
            poster: Arc::clone(poster),
            reply_tokens,
            schedules,
            metrics: metrics.clone(),
            last_instance_id: 0,
            board: SinkBoard::default(),
        };
        let prepared = sinks.prepare(config)?;
        // There were no sinks before, so none were removed.
        drop(sinks.install(prepared, config));
        Ok(sinks)
    }

    /// Returns the board of the running sinks.
    pub fn board(&self) -> &SinkBoard {
        &self.board
    }

    /// Returns the sink for standard output. All sinks of that type share it, and it lives as long as the host.
    fn output(&mut self) -> io::Result<LineSink> {
        if let Some(output) = &self.output {
            return Ok(output.clone());
        }
        let output = LineSink::start_standard_output(self.output_ended.clone())?;
        Ok(self.output.insert(output).clone())
    }

    /// Returns the sink that the account delivers to now.
    pub fn current_sink(&self, account: &AccountName) -> Option<&Arc<dyn EventSink>> {
        self.account_sinks.get(account).map(|account_sink| &account_sink.sink)
    }

    /// Returns the sink that the account should deliver to: the same as the last time, unless its server or one of
    /// its sinks has changed.
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
        let names: Arc<[_]> = parts.iter().map(|(name, _)| Arc::clone(name)).collect();
        self.board.set_account(account, &names);
        self.tell_sinks(account, server, &names);
        let sink: Arc<dyn EventSink> = Arc::new(CountedSink::new(together, names, self.metrics.clone()));
        let account_sink = AccountSink { parts, server: server.clone(), sink: Arc::clone(&sink), pending };
        self.account_sinks.insert(account.clone(), account_sink);
        sink
    }

    /// Tells the sinks of an account, and those that it had before, that it delivers to them or not any more.
    fn tell_sinks(&self, account: &AccountName, server: &ServerName, sinks: &[Arc<str>]) {
        let before = self.account_sinks.get(account).map(|before| &*before.parts).unwrap_or_default();
        let running = |name: &Arc<str>| self.by_name.get(name);
        let left = before.iter().map(|(name, _)| name).filter(|name| !sinks.contains(name));
        left.filter_map(running).for_each(|sink| sink.forget_account(account, server));
        sinks.iter().filter_map(running).for_each(|sink| sink.add_account(account, server));
    }

    /// Forgets an account that is no longer hosted.
    pub fn forget_account(&mut self, account: &AccountName) {
        if let Some(before) = self.account_sinks.get(account) {
            self.tell_sinks(account, &before.server, &[]);
        }
        self.account_sinks.remove(account);
        self.board.forget_account(account);
    }

    /// Begins no more runs of schedules, and waits until the deadline for those that began.
    pub async fn stop_schedules(&self, deadline: Instant) {
        self.by_name.values().for_each(RunningSink::stop_schedules);
        if let Some(schedules) = &self.schedules {
            schedules.wait(deadline).await;
        }
    }

    /// Ends all sinks within the time given. Events that are not acknowledged by then are delivered again later.
    pub async fn close(&self, within: Duration) {
        let kill_handles: Vec<_> = self.kill_handles().collect();
        let workers_at = |index: usize| {
            let workers = kill_handles.iter().filter_map(|kill_handle| kill_handle.workers[index].clone());
            workers.collect::<Vec<_>>()
        };
        // Queues first: they still deliver to the sinks behind them.
        let all_closed = async {
            worker::close_all(&workers_at(0)).await;
            worker::close_all(&workers_at(1)).await;
        };
        if tokio::time::timeout(within, all_closed).await.is_err() {
            tracing::warn!("some sinks did not end in time");
        }
    }

    /// Returns a receiver of the reason why standard output ended.
    pub fn subscribe_output_end(&self) -> watch::Receiver<Option<OutputEnd>> {
        self.output_ended.subscribe()
    }

    fn kill_handles(&self) -> impl Iterator<Item = Cow<'_, KillHandle>> {
        let now = self.by_name.values().map(|running| Cow::Owned(running.worker.kill_handle()));
        now.chain(self.ending.iter().map(|ending| Cow::Borrowed(&ending.kill_handle)))
    }
}

impl Drop for SinkRegistry {
    /// Kills the children: none may outlive the host, even if the sinks were not closed.
    fn drop(&mut self) {
        self.kill_handles().for_each(|kill_handle| kill_handle.kill());
    }
}
