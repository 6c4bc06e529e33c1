//! Metrics of hooks.

use std::{sync::Arc, time::Instant};

use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};

/// People notice a tenth of a second, and wait for three.
const BUCKETS: [f64; 8] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 3.0];

/// The requests by hook and outcome, and their times by hook.
#[derive(Debug, Clone)]
pub(super) struct Hooks {
    pub(super) counts: Family<[(&'static str, &'static str); 2], Counter>,
    pub(super) times: Family<[(&'static str, &'static str); 1], Histogram>,
}

/// A meter of the requests that the server makes to the hooks.
#[derive(Debug, Clone)]
pub struct HookMeter(pub(super) Arc<Hooks>);

/// A timer of one request.
#[derive(Debug)]
pub struct HookTimer {
    since: Instant,
    hook: &'static str,
    meter: HookMeter,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { counts: Family::default(), times: Family::new_with_constructor(|| Histogram::new(BUCKETS)) }
    }
}

impl HookMeter {
    /// Starts the timer of a request.
    pub fn start(&self, hook: &'static str) -> HookTimer {
        HookTimer { since: Instant::now(), hook, meter: self.clone() }
    }
}

impl HookTimer {
    /// Counts the request with its outcome.
    pub fn finish(self, outcome: &'static str) {
        let Hooks { counts, times } = &*self.meter.0;
        counts.get_or_create(&[("hook", self.hook), ("outcome", outcome)]).inc();
        times.get_or_create(&[("hook", self.hook)]).observe(self.since.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Metrics};

    #[test]
    fn requests_are_counted_by_outcome() {
        let metrics = Metrics::new(true);
        for outcome in ["answered", "forged", "forged"] {
            metrics.hook_meter().start("action").finish(outcome);
        }
        let text = metrics.render(Format::default(), Vec::new(), Vec::new());
        assert!(text.contains(r#"matterhost_hooks_total{hook="action",outcome="forged"} 2"#), "{text}");
        assert!(text.contains(r#"matterhost_hook_seconds_count{hook="action"} 3"#), "{text}");
    }
}
