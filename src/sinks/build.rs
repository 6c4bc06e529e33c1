//! Makes the sinks that a configuration names.

use std::{collections::HashMap, io, sync::Arc};

use matterhost_actors::ports::EventSink;
use tokio::sync::watch;

use super::{
    fan_out::FanOut,
    file,
    filter::{self, Filtered},
    stdout::{Ended, LineSink},
};
use crate::config::{Config, SinkConfig, SinkKind};

/// The sinks of a host, at work.
pub struct Sinks {
    by_name: HashMap<Arc<str>, Made>,
    output: Option<LineSink>,
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
    /// Starts those that an account names.
    ///
    /// # Errors
    /// When one of them cannot begin: there is no thread for it, or its file cannot be opened.
    pub fn start(config: &Config) -> Result<Self, SinkError> {
        let mut sinks = Self { by_name: HashMap::new(), output: None };
        let named =
            |sink: &&SinkConfig| config.accounts.iter().any(|account| account.sinks.contains(&sink.name));
        for sink in config.sinks.iter().filter(named) {
            let made = sinks.make(sink);
            let made = made.map_err(|cause| SinkError { name: Arc::clone(&sink.name), cause })?;
            sinks.by_name.insert(Arc::clone(&sink.name), Made { config: sink.clone(), sink: made });
        }
        Ok(sinks)
    }

    fn make(&mut self, sink: &SinkConfig) -> io::Result<Arc<dyn EventSink>> {
        Ok(match &sink.kind {
            SinkKind::Stdout => Arc::new(self.output()?),
            SinkKind::File(config) => Arc::new(file::start(&sink.name, config.clone())?),
            SinkKind::Webhook(_) | SinkKind::Exec(_) => return Err(io::ErrorKind::Unsupported.into()),
        })
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
        match sinks.pop() {
            Some(only) if sinks.is_empty() => only,
            last => Arc::new(FanOut::new(sinks.into_iter().chain(last).collect())),
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
