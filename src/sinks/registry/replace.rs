//! Sinks that come, change and go while the host runs.
//!
//! What is new is started first, beside what runs; only when all of it could be started it takes its place. A sink that
//! is replaced answers what it has, and ends when it has nothing left.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use matterhost_actors::policy::RestartPolicy;
use tokio::time::{Instant, timeout_at};

use crate::config::{Config, SinkConfig};
use crate::sinks::{
    SinkError, SinkRegistry,
    running_sink::{ExclusiveResource, KillHandle, RunningSink},
    start_gate::StartGate,
};

/// How long a sink that is replaced may take for what it has. As long as the longest time that a webhook's request may have:
/// what takes longer is ended, and comes again.
const LEAVE_WITHIN: Duration = Duration::from_secs(300);

/// Sinks that were started and take no events yet. Dropped, they end.
pub struct PreparedSinks(HashMap<Arc<str>, RunningSink>);

/// Sinks that no account names any more, to be ended.
#[must_use = "they end only when they are told to"]
pub struct RemovedSinks(Vec<RunningSink>);

/// A sink that may not have ended yet.
pub(in crate::sinks) struct EndingSink {
    resource: Option<ExclusiveResource>,
    gone: StartGate,
    /// The sink itself is not held: a thread that writes ends when nobody has it any more.
    pub(in crate::sinks) kill_handle: KillHandle,
}

impl SinkRegistry {
    /// Starts what a configuration names and does not run as it says. What runs is left as it is.
    ///
    /// # Errors
    /// When one of them cannot begin; those that could have ended.
    pub fn prepare(&mut self, config: &Config) -> Result<PreparedSinks, SinkError> {
        self.ending.retain(|ending| !ending.gone.is_open());
        let wanted: Vec<_> = wanted(config).filter(|sink| !self.runs(sink, config)).collect();
        let mut prepared = HashMap::new();
        for sink in wanted {
            prepared.insert(Arc::clone(&sink.name), self.start_sink(sink, &config.dead_letter)?);
        }
        Ok(PreparedSinks(prepared))
    }

    /// Whether a sink is at work as it is wanted, but for its filter.
    fn runs(&self, sink: &SinkConfig, config: &Config) -> bool {
        let letters_stay = self.dead_letter == config.dead_letter || !sink.kind.keeps_dead_letters();
        letters_stay
            && self.by_name.get(&sink.name).is_some_and(|running| running.config.same_worker_as(sink))
    }

    /// Puts those that were started in their places. [`SinkRegistry::sink_for`] gives them from now on.
    pub fn install(&mut self, PreparedSinks(prepared): PreparedSinks, config: &Config) -> RemovedSinks {
        self.dead_letter = config.dead_letter.clone();
        let mut removed = Vec::new();
        for (name, running) in prepared {
            removed.extend(self.by_name.insert(name, running));
        }
        let wanted: HashMap<_, _> = wanted(config).map(|sink| (Arc::clone(&sink.name), sink)).collect();
        let unwanted: Vec<_> =
            self.by_name.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        removed.extend(unwanted.iter().filter_map(|name| self.by_name.remove(name)));
        for (name, sink) in wanted {
            self.filter_as(&name, sink);
        }
        self.ending.extend(removed.iter().map(EndingSink::of));
        RemovedSinks(removed)
    }

    /// Another filter before the same sink makes it another one for accounts.
    fn filter_as(&mut self, name: &Arc<str>, sink: &SinkConfig) {
        let instance_id = self.next_instance_id();
        if let Some(running) =
            self.by_name.get_mut(name).filter(|running| running.config.filter != sink.filter)
        {
            (running.config, running.instance_id) = (sink.clone(), instance_id);
        }
    }

    /// How children are started again from now on.
    pub fn set_restart_policy(&self, policy: RestartPolicy) {
        self.restart_policy.send_replace(policy);
    }

    /// The one that had it last, and may have it still.
    pub(in crate::sinks) fn gate_after_ending(&self, resource: &ExclusiveResource) -> Option<StartGate> {
        self.ending
            .iter()
            .rev()
            .find(|ending| ending.resource.as_ref() == Some(resource))
            .map(|ending| ending.gone.clone())
    }
}

/// Those that an account names.
fn wanted(config: &Config) -> impl Iterator<Item = &SinkConfig> {
    let named = |sink: &&SinkConfig| config.accounts.iter().any(|account| account.sinks.contains(&sink.name));
    config.sinks.iter().filter(named)
}

impl EndingSink {
    fn of(running: &RunningSink) -> Self {
        Self {
            resource: ExclusiveResource::of(&running.config),
            gone: running.gate_after_end(),
            kill_handle: running.worker.kill_handle(),
        }
    }
}

impl RemovedSinks {
    /// Ends them, once `released` says that no account hands anything to them, and they have answered what they have.
    pub async fn end(self, released: impl Future<Output = ()>) {
        let deadline = Instant::now() + LEAVE_WITHIN;
        // One that does not let go in time is left behind.
        let _ = timeout_at(deadline, released).await;
        join_all(self.0.into_iter().map(|running| running.end(deadline))).await;
    }
}

#[cfg(test)]
mod tests;
