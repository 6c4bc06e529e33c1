//! Makes the sinks that a configuration names.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use matterhost_actors::{policy::RestartPolicy, ports::EventSink};
use tokio::sync::watch;

use super::{
    Supplies,
    answers::Answers,
    best_effort::BestEffort,
    dead_letter::DeadLetters,
    exec::Exec,
    fan_out::FanOut,
    file,
    filter::{self, Filtered},
    metered::{Counted, Timed},
    stdout::{Ended, LineSink},
    webhook::Webhook,
    worker::{self, Worker},
};
use crate::{
    config::{Config, SinkConfig, SinkKind},
    metrics::Metrics,
};

/// The sinks of a host, at work.
pub struct Sinks {
    by_name: HashMap<Arc<str>, Made>,
    output: Option<LineSink>,
    workers: Vec<Worker>,
    /// The queues before some of them, which end before them.
    queues: Vec<Worker>,
    children: Vec<Exec>,
    restart: RestartPolicy,
    metrics: Metrics,
}

/// A sink with what the configuration says of it.
struct Made {
    config: SinkConfig,
    sink: Arc<dyn EventSink>,
}

/// A sink cannot begin its work.
#[derive(Debug, thiserror::Error)]
#[error("sink {name} cannot be started: {cause}")]
pub struct SinkError {
    name: Arc<str>,
    #[source]
    cause: io::Error,
}

impl Sinks {
    /// Starts those that an account names. What their handlers answer goes to `answers`; how they do is measured.
    ///
    /// # Errors
    /// When one of them cannot begin: there is no thread for it, or its file cannot be opened.
    pub fn start(config: &Config, answers: &Arc<dyn Answers>, metrics: &Metrics) -> Result<Self, SinkError> {
        let mut sinks = Self {
            by_name: HashMap::new(),
            output: None,
            workers: Vec::new(),
            queues: Vec::new(),
            children: Vec::new(),
            restart: config.host.restart,
            metrics: metrics.clone(),
        };
        let named =
            |sink: &&SinkConfig| config.accounts.iter().any(|account| account.sinks.contains(&sink.name));
        for sink in config.sinks.iter().filter(named) {
            let supplies = Supplies {
                sink: Arc::clone(&sink.name),
                answers: Arc::clone(answers),
                dead_letters: Some(DeadLetters::of(&sink.name, &config.dead_letter)),
            };
            let made = sinks.make(sink, supplies).and_then(|made| sinks.with_queue(sink, made));
            let made = made.map_err(|cause| SinkError { name: Arc::clone(&sink.name), cause })?;
            sinks.by_name.insert(Arc::clone(&sink.name), Made { config: sink.clone(), sink: made });
        }
        Ok(sinks)
    }

    fn make(&mut self, sink: &SinkConfig, supplies: Supplies) -> io::Result<Arc<dyn EventSink>> {
        Ok(match &sink.kind {
            SinkKind::Stdout => Arc::new(self.output()?),
            SinkKind::File(config) => Arc::new(file::start(&sink.name, config.clone())?),
            SinkKind::Webhook(config) => {
                let webhook = Webhook::start((**config).clone(), supplies)?;
                self.workers.push(webhook.worker.clone());
                Arc::new(webhook)
            }
            SinkKind::Exec(config) => {
                let exec = Exec::start(config.clone(), self.restart, supplies)?;
                self.workers.push(exec.worker.clone());
                self.children.push(exec.clone());
                Arc::new(exec)
            }
        })
    }

    /// Its answers are measured, and what nobody is to wait for has a queue before it.
    fn with_queue(&mut self, sink: &SinkConfig, made: Arc<dyn EventSink>) -> io::Result<Arc<dyn EventSink>> {
        let meter = self.metrics.sink(&sink.name);
        let made: Arc<dyn EventSink> = Arc::new(Timed::new(made, meter.clone()));
        if !sink.best_effort {
            return Ok(made);
        }
        let queue = BestEffort::start(&sink.name, made, meter)?;
        self.queues.push(queue.worker.clone());
        Ok(Arc::new(queue))
    }

    /// Standard output is one, however many sinks go there.
    fn output(&mut self) -> io::Result<LineSink> {
        match &self.output {
            Some(output) => Ok(output.clone()),
            None => Ok(self.output.insert(LineSink::start(io::stdout())?).clone()),
        }
    }

    /// What an account with sinks of these names hands its events to.
    pub fn of(&self, names: &[Arc<str>]) -> Arc<dyn EventSink> {
        let mut sinks: Vec<_> =
            names.iter().filter_map(|name| self.by_name.get(name)).map(Made::sink).collect();
        let together = match sinks.pop() {
            Some(only) if sinks.is_empty() => only,
            last => Arc::new(FanOut::new(sinks.into_iter().chain(last).collect())),
        };
        Arc::new(Counted::new(together, self.metrics.clone()))
    }

    /// Ends the work of all of them, in at most so long. What they hold unacknowledged comes again another time.
    pub async fn close(&self, within: Duration) {
        let all = async {
            worker::end(&self.queues).await;
            worker::end(&self.workers).await;
        };
        if tokio::time::timeout(within, all).await.is_err() {
            tracing::warn!("not every sink ended in time");
        }
    }

    /// Tells when standard output ended, and why; `None` when nothing goes there.
    pub fn output_ended(&self) -> Option<watch::Receiver<Option<Ended>>> {
        self.output.as_ref().map(LineSink::ended)
    }
}

impl Made {
    fn sink(&self) -> Arc<dyn EventSink> {
        let sink = Arc::clone(&self.sink);
        let filter = self.config.filter.clone();
        if filter::takes_all(&filter) { sink } else { Arc::new(Filtered { filter, sink }) }
    }
}

impl Drop for Sinks {
    /// No child outlives the host, also when there was no time for a good end.
    fn drop(&mut self) {
        self.children.iter().for_each(Exec::kill);
    }
}
