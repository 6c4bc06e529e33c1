use std::sync::Arc;

use parking_lot::Mutex;
use tracing::Level;
use tracing_subscriber::{
    Registry,
    filter::Targets,
    reload::{self, Handle},
};

use crate::config::{Problem, parse_level};

/// The target that logs routine messages at `info`, one per thread: the admin API logs its own start once.
const HOUSEKEEPER: &str = "actix_server";

/// A handle that shows and changes the log levels of the running program.
#[derive(Debug, Clone)]
pub struct LogLevelHandle {
    handle: Handle<Targets, Registry>,
    /// The levels as configured, without the exception for [`HOUSEKEEPER`].
    configured: Arc<Mutex<Targets>>,
}

impl LogLevelHandle {
    /// Creates the filter and its handle.
    pub(super) fn new(configured: &Targets) -> (reload::Layer<Targets, Registry>, Self) {
        let (layer, handle) = reload::Layer::new(quiet_housekeeper(configured));
        (layer, Self { handle, configured: Arc::new(Mutex::new(configured.clone())) })
    }

    /// Returns the current levels, such as `matterhost=debug,info`; empty if this program's logger is not installed.
    pub fn get(&self) -> String {
        let configured = self.configured.lock();
        self.handle.with_current(|_| configured.to_string()).unwrap_or_default()
    }

    /// Changes the levels at once. `text` has the format of `log.level` in the configuration.
    ///
    /// # Errors
    /// Returns an error, and changes nothing, if the text is invalid or this program's logger is not installed.
    pub fn set(&self, text: &str) -> Result<(), Problem> {
        let configured = parse_level(text)?;
        self.handle.reload(quiet_housekeeper(&configured)).map_err(|_| {
            let remedy = "change the level there";
            Problem::new("log.level", "another logger is installed in this process", remedy)
        })?;
        *self.configured.lock() = configured;
        Ok(())
    }
}

/// Limits the library's routine messages to warnings, unless they are requested by name or by a level below `info`.
fn quiet_housekeeper(configured: &Targets) -> Targets {
    let is_named = configured.iter().any(|(target, _)| target.starts_with(HOUSEKEEPER));
    if is_named
        || configured.would_enable(HOUSEKEEPER, &Level::DEBUG)
        || !configured.would_enable(HOUSEKEEPER, &Level::INFO)
    {
        return configured.clone();
    }
    configured.clone().with_target(HOUSEKEEPER, Level::WARN)
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn at_info() -> (impl tracing::Subscriber + Send + Sync, LogLevelHandle) {
        let (layer, level) = LogLevelHandle::new(&parse_level("info").unwrap());
        (Registry::default().with(layer), level)
    }

    #[test]
    fn housekeeping_is_left_out_unless_it_is_asked_for() {
        let is_enabled = |text: &str| {
            quiet_housekeeper(&parse_level(text).unwrap()).would_enable("actix_server", &Level::INFO)
        };
        assert_eq!(["info", "matterhost=debug,info", "warn"].map(is_enabled), [false; 3]);
        assert_eq!(["actix_server=info", "debug"].map(is_enabled), [true; 2]);
        assert!(quiet_housekeeper(&parse_level("info").unwrap()).would_enable("actix_server", &Level::WARN));
    }

    #[test]
    fn a_level_is_changed_at_once() {
        let (subscriber, level) = at_info();
        tracing::subscriber::with_default(subscriber, || {
            assert_eq!((level.get(), tracing::enabled!(tracing::Level::DEBUG)), ("info".into(), false));
            level.set("matterhost=debug,warn").unwrap();
            assert!(tracing::enabled!(tracing::Level::DEBUG));
            assert!(!tracing::enabled!(target: "other", tracing::Level::INFO));
            assert_eq!(level.get(), "matterhost=debug,warn");
        });
    }

    #[test]
    fn an_invalid_level_changes_nothing_and_has_the_same_error_as_in_the_configuration() {
        let (_subscriber, level) = at_info();
        let message = level.set("loud").unwrap_err().to_string();
        assert!(
            message.starts_with("log.level: this is neither a level")
                && message.contains("write error, warn"),
            "{message}"
        );
        assert_eq!(level.get(), "info");
    }

    #[test]
    fn a_log_that_is_not_ours_says_so() {
        let (subscriber, level) = at_info();
        drop(subscriber);
        assert!(level.set("debug").unwrap_err().to_string().contains("another logger is installed"));
        assert_eq!(level.get(), "");
    }
}
