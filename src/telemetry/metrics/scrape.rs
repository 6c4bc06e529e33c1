//! A scrape and the writing of its series.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use matterhost_actors::model::{AccountSnapshot, ServerSnapshot};
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeCounterValue, EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet,
    },
    metrics::MetricType,
    registry::Unit,
};

use super::{Inner, accounts, servers};

/// The state of everything at one moment.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) metrics: Arc<Inner>,
    pub(super) accounts: Vec<AccountSnapshot>,
    pub(super) servers: Vec<ServerSnapshot>,
}

/// A metric: series with the same name.
#[derive(Debug)]
pub(super) struct Family {
    /// The name without the prefix, the unit and `_total`, which are added.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Option<Unit>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The value of a series.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    Whole(u64),
    Decimal(f64),
}

impl Family {
    pub(super) const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, unit: None, kind: Kind::Counter }
    }

    pub(super) const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, unit: None, kind: Kind::Gauge }
    }

    /// Defines a metric in seconds.
    pub(super) const fn seconds(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, help, unit: Some(Unit::Seconds), kind }
    }

    /// Writes series with labels.
    pub(super) fn write_rows<L: EncodeLabelSet>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        rows: impl IntoIterator<Item = (L, impl Into<Value>)>,
    ) -> fmt::Result {
        let mut family =
            encoder.encode_descriptor(self.name, self.help, self.unit.as_ref(), self.kind.into())?;
        for (labels, value) in rows {
            let mut series = family.encode_family(&labels)?;
            match (self.kind, value.into()) {
                (Kind::Counter, Value::Whole(value)) => encode_counter(&mut series, &value)?,
                (Kind::Counter, Value::Decimal(value)) => encode_counter(&mut series, &value)?,
                (_, Value::Whole(value)) => series.encode_gauge(&value)?,
                (_, Value::Decimal(value)) => series.encode_gauge(&value)?,
            }
        }
        Ok(())
    }

    /// Writes a single series without labels.
    pub(super) fn write_value(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        value: impl Into<Value>,
    ) -> fmt::Result {
        const NONE: [(&str, &str); 0] = [];
        self.write_rows(encoder, [(NONE, value)])
    }

    /// Writes a metric that keeps its own series.
    pub(super) fn write_metric(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        metric: &impl EncodeMetric,
    ) -> fmt::Result {
        let family = encoder.encode_descriptor(self.name, self.help, self.unit.as_ref(), self.kind.into())?;
        metric.encode(family)
    }
}

fn encode_counter(series: &mut MetricEncoder<'_>, value: &impl EncodeCounterValue) -> fmt::Result {
    series.encode_counter::<NoLabelSet, _, f64>(value, None)
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Whole(value.try_into().unwrap_or(u64::MAX))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Decimal(value)
    }
}

impl From<Kind> for MetricType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::Counter,
            Kind::Gauge => Self::Gauge,
            Kind::Histogram => Self::Histogram,
        }
    }
}

const BUILD: Family = Family::gauge("build_info", "Always 1; the labels name the version");
const FACTS: Family = Family::counter("facts", "Observations of a server and its accounts");
const MISSED: Family = Family::counter("facts_missed", "Facts that arrived too fast to be counted");
const SINK: Family = Family::seconds("sink", Kind::Histogram, "How long a sink took to answer");
const UNANSWERED: Family =
    Family::gauge("sink_unanswered_events", "Events that a sink has received and not answered");
const SINK_STATE: Family = Family::gauge("sink_state", "1 for the current state of a sink");
const SINK_WAITING: Family =
    Family::gauge("sink_waiting_events", "Events that a sink did not accept and that are tried again");
const HOOKS: Family = Family::counter("hooks", "Slash commands, buttons and dialogs by outcome");
const HOOK: Family =
    Family::seconds("hook", Kind::Histogram, "How long a slash command, button or dialog took to answer");
const LOST: Family =
    Family::counter("sink_lost_events", "Events dropped because a best_effort sink did not keep up");
const LEFT_OUT: Family = Family::counter(
    "sink_filtered_events",
    "Events that the filter of a sink left out, by the key that decided",
);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        BUILD.write_rows(encoder, [([("version", env!("CARGO_PKG_VERSION"))], 1_u64)])?;
        accounts::encode(self, encoder)?;
        servers::encode(self, encoder)?;
        self.sinks(encoder)?;
        HOOKS.write_metric(encoder, &self.metrics.hooks.counts)?;
        HOOK.write_metric(encoder, &self.metrics.hooks.times)?;
        if let Some(cluster) = &*self.metrics.cluster.lock() {
            cluster.encode(encoder)?;
        }
        self.facts(encoder)
    }
}

impl Scrape {
    fn sinks(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let sinks = &self.metrics.sinks;
        SINK.write_metric(encoder, &sinks.times)?;
        let loads = sinks.loads();
        let labels = |name: &String| [("sink", name.clone())];
        let states = loads.iter().filter(|(_, load)| !load.state().is_empty());
        let state_labels = |name: &String, state| [("sink", name.clone()), ("state", state)];
        let states = states.map(|(name, load)| (state_labels(name, load.state().to_owned()), 1_u64));
        SINK_STATE.write_rows(encoder, states)?;
        SINK_WAITING.write_rows(encoder, loads.iter().map(|(name, load)| (labels(name), load.waiting())))?;
        UNANSWERED.write_rows(encoder, loads.iter().map(|(name, load)| (labels(name), load.unanswered())))?;
        LOST.write_rows(encoder, loads.iter().map(|(name, load)| (labels(name), load.lost())))?;
        let left_out = loads.iter().flat_map(|(name, load)| {
            let rows = load.left_out().into_iter();
            rows.map(|(key, count)| ([("sink", name.clone()), ("key", key.to_owned())], count))
        });
        LEFT_OUT.write_rows(encoder, left_out)
    }

    fn facts(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let facts = self.metrics.facts.lock().clone();
        let rows = facts
            .iter()
            .map(|((server, fact), times)| ([("server", server.as_str()), ("fact", *fact)], *times));
        FACTS.write_rows(encoder, rows)?;
        MISSED.write_value(encoder, self.metrics.missed.load(Ordering::Relaxed))
    }
}
