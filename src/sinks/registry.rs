//! The sinks that a configuration names, at work.
pub(crate) mod replace;

use std::{borrow::Cow, collections::HashMap, io, sync::Arc, time::Duration};

use matterhost_actors::{
    model::{AccountName, ServerName},
    policy::RestartPolicy,
    ports::{EventSink, Poster},
};
use tokio::sync::watch;

use self::replace::Past;
use super::{
    Supplies,
    dead_letter::DeadLetters,
    fan_out::{FanOut, Open},
    lines::stdout::{Ended, LineSink},
    metered::Counted,
    running_sink::{Claim, Hold, Made, Means},
    start_gate::Turn,
    worker,
};
use crate::{
    config::{AccountConfig, Config, DeadLetterConfig, SinkConfig},
    telemetry::metrics::Metrics,
};

/// The sinks of a host, at work.
pub struct Sinks {
    pub(super) by_name: HashMap<Arc<str>, Made>,
    /// Those that were replaced or taken out and may not have ended yet.
    pub(super) past: Vec<Past>,
    /// What each account hands its events to.
    of_accounts: HashMap<AccountName, OfAccount>,
    output: Option<LineSink>,
    output_ended: watch::Sender<Option<Ended>>,
    pub(super) restart: watch::Sender<RestartPolicy>,
    pub(super) dead_letter: DeadLetterConfig,
    poster: Arc<dyn Poster>,
    metrics: Metrics,
    made: u64,
}

/// What an account hands its events to.
struct OfAccount {
    /// Its sinks by name, and which they are.
    made_of: Vec<(Arc<str>, u64)>,
    /// The server by which its events are counted.
    server: ServerName,
    sink: Arc<dyn EventSink>,
    /// Which of several sinks have taken an event; kept when they change.
    open: Option<Open>,
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

impl Sinks {
    /// Starts those that an account names. `poster` posts the replies of their handlers; how they do is measured.
    ///
    /// # Errors
    /// When one of them cannot begin: there is no thread for it, or its file cannot be opened.
    pub fn start(config: &Config, poster: &Arc<dyn Poster>, metrics: &Metrics) -> Result<Self, SinkError> {
        let mut sinks = Self {
            by_name: HashMap::new(),
            past: Vec::new(),
            of_accounts: HashMap::new(),
            output: None,
            output_ended: watch::Sender::new(None),
            restart: watch::Sender::new(config.host.restart),
            dead_letter: config.dead_letter.clone(),
            poster: Arc::clone(poster),
            metrics: metrics.clone(),
            made: 0,
        };
        let prepared = sinks.prepare(config)?;
        // There were none before.
        drop(sinks.install(prepared, config));
        Ok(sinks)
    }

    pub(super) fn make(
        &mut self,
        sink: &SinkConfig,
        dead_letter: &DeadLetterConfig,
    ) -> Result<Made, SinkError> {
        let supplies = Supplies {
            sink: Arc::clone(&sink.name),
            poster: Arc::clone(&self.poster),
            dead_letters: Some(DeadLetters::of(&sink.name, dead_letter)),
        };
        let number = self.number();
        let (restart, turn, meter) =
            (self.restart.subscribe(), self.turn(sink), self.metrics.sink_meter(&sink.name));
        let means = Means { number, supplies, restart, turn, meter };
        let made = Made::start(sink, means, || self.output());
        made.map_err(|cause| SinkError { name: Arc::clone(&sink.name), cause })
    }

    /// A number that no sink has had.
    pub(super) fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// When a new sink may begin that claims what another has.
    fn turn(&self, sink: &SinkConfig) -> Turn {
        let Some(claim) = Claim::of(sink) else { return Turn::at_once() };
        let now = self.by_name.values().find(|made| Claim::of(&made.config).as_ref() == Some(&claim));
        let turn = now.map(Made::turn_after);
        turn.or_else(|| self.last_with(&claim)).unwrap_or_else(Turn::at_once)
    }

    /// Standard output is one, however many sinks go there, and stays open for the host's whole life.
    fn output(&mut self) -> io::Result<LineSink> {
        if let Some(output) = &self.output {
            return Ok(output.clone());
        }
        let output = LineSink::telling(io::stdout(), self.output_ended.clone())?;
        Ok(self.output.insert(output).clone())
    }

    /// What an account hands its events to now.
    pub fn now_of(&self, account: &AccountName) -> Option<&Arc<dyn EventSink>> {
        self.of_accounts.get(account).map(|of_account| &of_account.sink)
    }

    /// What an account hands its events to: the same as the last time, unless its server or one of its sinks is another
    /// now.
    pub fn of(&mut self, account: &AccountConfig) -> Arc<dyn EventSink> {
        let (account, server, names) = (&account.name, &account.server, &account.sinks);
        let made = names.iter().filter_map(|name| Some((Arc::clone(name), self.by_name.get(name)?)));
        let made: Vec<_> = made.collect();
        let made_of: Vec<_> = made.iter().map(|(name, made)| (Arc::clone(name), made.number)).collect();
        let before = self.of_accounts.get(account);
        if let Some(same) = before.filter(|before| before.made_of == made_of && before.server == *server) {
            return Arc::clone(&same.sink);
        }
        let open = before.and_then(|before| before.open.clone());
        let open = open.or_else(|| (made.len() != 1).then(Open::default));
        let mut sinks: Vec<_> = made.iter().map(|(name, made)| (Arc::clone(name), made.sink())).collect();
        let together: Arc<dyn EventSink> = match (&open, sinks.pop()) {
            (None, Some((_, only))) => only,
            (_, last) => {
                let sinks = sinks.into_iter().chain(last).collect();
                Arc::new(FanOut::new(sinks, open.clone().unwrap_or_default()))
            }
        };
        let sink: Arc<dyn EventSink> = Arc::new(Counted::new(together, self.metrics.clone()));
        let of_account = OfAccount { made_of, server: server.clone(), sink: Arc::clone(&sink), open };
        self.of_accounts.insert(account.clone(), of_account);
        sink
    }

    /// An account is hosted no more.
    pub fn forget(&mut self, account: &AccountName) {
        self.of_accounts.remove(account);
    }

    /// Ends the work of all of them, in at most so long. What they hold unacknowledged comes again another time.
    pub async fn close(&self, within: Duration) {
        let holds: Vec<_> = self.holds().collect();
        let of =
            |place: usize| holds.iter().filter_map(|hold| hold.workers[place].clone()).collect::<Vec<_>>();
        let all = async {
            worker::end(&of(0)).await;
            worker::end(&of(1)).await;
        };
        if tokio::time::timeout(within, all).await.is_err() {
            tracing::warn!("not every sink ended in time");
        }
    }

    /// Tells when standard output ended, and why.
    pub fn output_ended(&self) -> watch::Receiver<Option<Ended>> {
        self.output_ended.subscribe()
    }

    fn holds(&self) -> impl Iterator<Item = Cow<'_, Hold>> {
        let now = self.by_name.values().map(|made| Cow::Owned(made.work.hold()));
        now.chain(self.past.iter().map(|past| Cow::Borrowed(&past.hold)))
    }
}

impl Drop for Sinks {
    /// No child outlives the host, also when there was no time for a good end.
    fn drop(&mut self) {
        self.holds().for_each(|hold| hold.kill());
    }
}
