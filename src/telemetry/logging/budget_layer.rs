//! The part of the logger that applies the budget to every line of the program.

use std::{fmt, sync::Arc, time::Instant};

use parking_lot::Mutex;
use tracing::{
    Event, Level, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use super::line_budget::LogBudget;

/// The target of lines that a handler writes to its standard error.
pub(crate) const HANDLER_TARGET: &str = "matterhost::handler";
/// The target of the lines about lines that were left out. They have no budget.
const REPORT_TARGET: &str = "matterhost::log";

/// The lines of one kind about one account, server or sink within a minute.
const LINES_OF_SUBJECT: u32 = 1;
/// The lines of a handler's standard error within a minute: a handler that logs each event of a busy channel.
const LINES_OF_HANDLER: u32 = 300;
/// The lines within a minute from one place of the program about no subject, such as the changes of a reload.
const LINES_OF_PLACE: u32 = 500;

/// The fields that name the subject of a line.
const SUBJECTS: [&str; 3] = ["sink", "account", "server"];
/// The fields that tell kinds of lines apart. A generation is a new socket, and these have delays of their own.
const KINDS: [&str; 5] = ["fact", "reason", "kind", "action", "generation"];

/// A layer that leaves out lines beyond their budget. Lines at debug level and below have none.
#[derive(Debug, Clone, Default)]
pub(super) struct BudgetLayer(Arc<Mutex<LogBudget<LineKind>>>);

/// The lines that share a budget: their place in the program, their subject and their kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct LineKind {
    place: Identifier,
    level: Level,
    fields: Vec<(&'static str, String)>,
}

impl BudgetLayer {
    /// Logs how many lines were left out in the minutes that are over.
    pub(super) fn report(&self) {
        let left_out = self.0.lock().take_left_out(Instant::now());
        for (kind, lines) in left_out {
            kind.report(lines);
        }
    }
}

impl<S: Subscriber> Layer<S> for BudgetLayer {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO || metadata.target() == REPORT_TARGET {
            return true;
        }
        let kind = LineKind::of(event);
        let allowance = match metadata.target() {
            HANDLER_TARGET => LINES_OF_HANDLER,
            _ if kind.has_subject() => LINES_OF_SUBJECT,
            _ => LINES_OF_PLACE,
        };
        self.0.lock().admit(kind, allowance, Instant::now())
    }
}

impl LineKind {
    fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut kind = Self { place: metadata.callsite(), level: *metadata.level(), fields: Vec::new() };
        event.record(&mut kind);
        // All accounts that use a sink share its budget.
        if kind.get("sink").is_some() {
            kind.fields.retain(|(name, _)| *name != "account");
        }
        kind
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    fn has_subject(&self) -> bool {
        SUBJECTS.iter().any(|name| self.get(name).is_some())
    }

    fn report(&self, lines: u64) {
        let [sink, account, server] = SUBJECTS.map(|name| self.get(name));
        let [fact, reason, kind, ..] = KINDS.map(|name| self.get(name));
        // `tracing` requires a constant level at each call site.
        macro_rules! emit {
            ($level:expr) => {
                tracing::event!(
                    target: REPORT_TARGET,
                    $level,
                    account,
                    server,
                    sink,
                    fact,
                    reason,
                    kind,
                    lines,
                    "more lines like this were left out within a minute"
                )
            };
        }
        if self.level <= Level::WARN { emit!(Level::WARN) } else { emit!(Level::INFO) }
    }

    fn add(&mut self, field: &Field, value: impl FnOnce() -> String) {
        let name = field.name();
        if SUBJECTS.contains(&name) || KINDS.contains(&name) {
            self.fields.push((name, value()));
        }
    }
}

impl Visit for LineKind {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, || value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, || format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{Registry, layer::SubscriberExt as _};

    use super::*;

    /// A layer that keeps the subject and the fact of each line.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
            let kind = LineKind::of(event);
            let names = SUBJECTS.iter().chain(&KINDS).filter_map(|name| kind.get(name));
            self.0.lock().push(names.collect::<Vec<_>>().join(" "));
        }
    }

    fn kept(log: impl FnOnce()) -> Vec<String> {
        let kept = Kept::default();
        let subscriber = Registry::default().with(BudgetLayer::default()).with(kept.clone());
        tracing::subscriber::with_default(subscriber, log);
        kept.0.lock().clone()
    }

    #[test]
    fn each_subject_and_each_kind_of_fact_has_a_line() {
        let lines = kept(|| {
            for _ in 0..1_000 {
                for (account, fact) in [("a", "unreadable"), ("b", "unreadable"), ("a", "sequence_gap")] {
                    tracing::warn!(account, fact, "text {account}");
                }
                for (account, sink) in [("a", "hook"), ("b", "hook")] {
                    tracing::info!(account, sink, "text");
                }
            }
        });
        assert_eq!(lines, ["a unreadable", "b unreadable", "a sequence_gap", "hook"]);
    }

    #[test]
    fn a_handler_and_a_place_without_subject_have_more_lines_and_debug_has_all() {
        let lines = kept(|| {
            for _ in 0..1_000 {
                tracing::info!(target: HANDLER_TARGET, sink = "hook", "line");
                tracing::warn!(reason = "none", "line");
                tracing::debug!(account = "a", "line");
            }
        });
        let count = |text: &str| lines.iter().filter(|line| *line == text).count();
        assert_eq!((count("hook"), count("none"), count("a")), (300, 500, 1_000));
    }
}
