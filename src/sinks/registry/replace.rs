//! Starting, replacing and removing sinks, also while the host runs.
//!
//! All new sinks are started beside the running ones; only if every start succeeds do they replace them. A replaced
//! sink answers the events that it holds before it ends.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use matterhost_actors::policy::RestartPolicy;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{SinkError, SinkRegistry};
use crate::{
    config::{Config, DeadLetterConfig, SinkConfig},
    sinks::{
        HandlerDeps, SinkHandle,
        action_order::ActionOrder,
        dead_letter::DeadLetters,
        handler::MAX_DETACHED,
        monitor::SinkMonitor,
        running_sink::{ExclusiveResource, KillHandle, RunningSink, SinkDeps},
        start_gate::StartGate,
    },
};

/// The time that a replaced sink has to answer its events, as long as the longest timeout of a webhook. Events that
/// are not answered by then are delivered again.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(300);

/// Sinks that were started and take no events yet. Dropping them ends them.
pub struct PreparedSinks(HashMap<Arc<str>, RunningSink>);

/// Sinks that were removed from the registry and still run.
#[must_use = "the sinks end only in `end`"]
pub struct RemovedSinks(Vec<RunningSink>);

/// A sink that may not have ended yet.
pub(super) struct EndingSink {
    resource: Option<ExclusiveResource>,
    /// Opens once the sink has ended.
    ended: StartGate,
    /// The sink itself is not held here, because a writer thread ends when its last owner is dropped.
    pub(super) kill_handle: KillHandle,
}

impl SinkRegistry {
    /// Starts the sinks that a configuration names and that are new or changed. Running sinks are not touched.
    ///
    /// # Errors
    /// If a sink cannot be started; the others that were started end.
    pub fn prepare(&mut self, config: &Config) -> Result<PreparedSinks, SinkError> {
        self.ending.retain(|ending| !ending.ended.is_open());
        let wanted: Vec<_> = wanted(config).filter(|sink| !self.is_running(sink, config)).collect();
        let mut prepared = HashMap::new();
        for sink in wanted {
            prepared.insert(Arc::clone(&sink.name), self.start_sink(sink, &config.dead_letter)?);
        }
        Ok(PreparedSinks(prepared))
    }

    fn start_sink(
        &mut self,
        sink: &SinkConfig,
        dead_letter: &DeadLetterConfig,
    ) -> Result<RunningSink, SinkError> {
        let meter = self.metrics.sink_meter(&sink.name);
        let letters = DeadLetters::for_sink(&sink.name, dead_letter);
        let handler_deps = HandlerDeps {
            sink: Arc::clone(&sink.name),
            poster: Arc::clone(&self.poster),
            dead_letters: Some(letters.clone()),
            unposted: Some(letters),
            order: ActionOrder::default(),
            reply_tokens: self.reply_tokens.clone(),
            shows_typing: sink.kind.shows_typing(),
            monitor: SinkMonitor::new(meter.clone()),
            detached: Arc::new(Semaphore::new(MAX_DETACHED)),
        };
        let instance_id = self.next_instance_id();
        let (restart, start_gate) = (self.restart_policy.subscribe(), self.start_gate(sink));
        let schedules = self.schedules.clone();
        let deps = SinkDeps { instance_id, handler_deps, restart, start_gate, meter, schedules };
        let running = RunningSink::start(sink, deps, || self.output());
        running.map_err(|cause| SinkError { name: Arc::clone(&sink.name), cause })
    }

    /// Returns a number that no sink has had.
    fn next_instance_id(&mut self) -> u64 {
        self.last_instance_id += 1;
        self.last_instance_id
    }

    /// Returns the gate after the sink that uses the same exclusive resource; an open gate if there is none.
    fn start_gate(&self, sink: &SinkConfig) -> StartGate {
        let Some(resource) = ExclusiveResource::of(sink) else { return StartGate::open() };
        let holder = self
            .by_name
            .values()
            .find(|running| ExclusiveResource::of(&running.config).as_ref() == Some(&resource));
        let start_gate = holder.map(RunningSink::gate_after_end);
        start_gate.or_else(|| self.gate_after_ending(&resource)).unwrap_or_else(StartGate::open)
    }

    /// Returns true if the sink runs with that configuration, apart from its filter.
    fn is_running(&self, sink: &SinkConfig, config: &Config) -> bool {
        let same_dead_letters = self.dead_letter == config.dead_letter || !sink.kind.keeps_dead_letters();
        same_dead_letters
            && self.by_name.get(&sink.name).is_some_and(|running| running.config.same_worker_as(sink))
    }

    /// Installs the prepared sinks, applies new filters and removes the sinks that no account names. From now on
    /// [`SinkRegistry::sink_for`] returns the new sinks.
    pub fn install(&mut self, PreparedSinks(prepared): PreparedSinks, config: &Config) -> RemovedSinks {
        self.dead_letter = config.dead_letter.clone();
        let mut removed = Vec::new();
        for (name, running) in prepared {
            removed.extend(self.by_name.insert(name, running));
        }
        let wanted: HashMap<_, _> = wanted(config).map(|sink| (Arc::clone(&sink.name), sink)).collect();
        let unwanted: Vec<_> =
            self.by_name.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        // The accounts start their schedules again in the new sinks.
        removed.iter().for_each(RunningSink::stop_schedules);
        let unwanted: Vec<_> = unwanted.iter().filter_map(|name| self.by_name.remove(name)).collect();
        unwanted.iter().for_each(RunningSink::forget_schedules);
        self.keep_schedules(config);
        removed.extend(unwanted);
        for (name, sink) in wanted {
            self.update_filter(&name, sink);
        }
        self.ending.extend(removed.iter().map(EndingSink::of));
        self.publish_sinks();
        RemovedSinks(removed)
    }

    /// Forgets the runs of the bots that the configuration does not have, also those that were removed while no host ran.
    fn keep_schedules(&self, config: &Config) {
        let Some(schedules) = &self.schedules else { return };
        let bots = config
            .accounts
            .iter()
            .flat_map(|account| account.sinks.iter().map(|sink| (&account.name, &**sink)));
        schedules.keep_only(bots);
    }

    /// Puts the running sinks on the board.
    fn publish_sinks(&self) {
        let handle = |(name, running): (&Arc<str>, &RunningSink)| {
            let letters = DeadLetters::for_sink(name, &self.dead_letter);
            (Arc::clone(name), SinkHandle::of(running, letters, &self.poster))
        };
        self.board.set_sinks(self.by_name.iter().map(handle).collect());
    }

    /// Gives a running sink a new filter, and with it a new instance id, so that accounts notice the change.
    fn update_filter(&mut self, name: &Arc<str>, sink: &SinkConfig) {
        let instance_id = self.next_instance_id();
        if let Some(running) =
            self.by_name.get_mut(name).filter(|running| running.config.filter != sink.filter)
        {
            (running.config, running.instance_id) = (sink.clone(), instance_id);
        }
    }

    /// Sets the policy by which children are restarted from now on.
    pub fn set_restart_policy(&self, policy: RestartPolicy) {
        self.restart_policy.send_replace(policy);
    }

    /// Returns the gate after the last of the ending sinks that used the resource.
    fn gate_after_ending(&self, resource: &ExclusiveResource) -> Option<StartGate> {
        self.ending
            .iter()
            .rev()
            .find(|ending| ending.resource.as_ref() == Some(resource))
            .map(|ending| ending.ended.clone())
    }
}

/// Returns the sinks that an account names.
fn wanted(config: &Config) -> impl Iterator<Item = &SinkConfig> {
    let named = |sink: &&SinkConfig| config.accounts.iter().any(|account| account.sinks.contains(&sink.name));
    config.sinks.iter().filter(named)
}

impl EndingSink {
    fn of(running: &RunningSink) -> Self {
        Self {
            resource: ExclusiveResource::of(&running.config),
            ended: running.gate_after_end(),
            kill_handle: running.worker.kill_handle(),
        }
    }
}

impl RemovedSinks {
    /// Ends the sinks whose child has not started, and the others once `released` completes, which means that no account delivers to them, and they have answered
    /// their events; at the latest after `DRAIN_TIMEOUT`.
    pub async fn end(self, released: impl Future<Output = ()>) {
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        self.0.iter().for_each(RunningSink::give_up_start);
        // On a timeout the sinks end anyway.
        let _ = timeout_at(deadline, released).await;
        join_all(self.0.into_iter().map(|running| running.end(deadline))).await;
    }
}

#[cfg(test)]
mod tests;
