//! What is logged, changed while the program runs.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::Level;
use tracing_subscriber::{
    Registry,
    filter::Targets,
    reload::{self, Handle},
};

use crate::config::{Problem, parse_level};

/// What keeps house at the level `info`, a line for each thread: the admin API says in one that it answers.
const HOUSEKEEPER: &str = "actix_server";

/// Says what is logged, and changes it at once, until the program ends or it is changed again.
#[derive(Debug, Clone)]
pub struct LogLevelHandle {
    handle: Handle<Targets, Registry>,
    /// As it was given.
    given: Arc<Mutex<Targets>>,
}

impl LogLevelHandle {
    /// The filter, and what changes it.
    pub(super) fn new(given: &Targets) -> (reload::Layer<Targets, Registry>, Self) {
        let (layer, handle) = reload::Layer::new(without_housekeeping(given));
        (layer, Self { handle, given: Arc::new(Mutex::new(given.clone())) })
    }

    /// What is logged now, such as `matterhost=debug,info`; empty when the log is not ours.
    pub fn get(&self) -> String {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        self.handle.with_current(|_| given.to_string()).unwrap_or_default()
    }

    /// Logs what `text` says from now on. It is written as `log.level` in the configuration.
    ///
    /// # Errors
    /// When it is not written so, as the configuration would say it; or when the log is not ours. Nothing has changed
    /// then.
    pub fn set(&self, text: &str) -> Result<(), Problem> {
        let given = parse_level(text)?;
        self.handle.reload(without_housekeeping(&given)).map_err(|_| {
            let remedy = "change it where it was set up";
            Problem::new("log.level", "the log of this process was set up by somebody else", remedy)
        })?;
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = given;
        Ok(())
    }
}

/// The same without the housekeeping of a library, unless somebody asks for it or for everything.
fn without_housekeeping(given: &Targets) -> Targets {
    let named = given.iter().any(|(target, _)| target.starts_with(HOUSEKEEPER));
    if named
        || given.would_enable(HOUSEKEEPER, &Level::DEBUG)
        || !given.would_enable(HOUSEKEEPER, &Level::INFO)
    {
        return given.clone();
    }
    given.clone().with_target(HOUSEKEEPER, Level::WARN)
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
        let says = |text: &str| {
            without_housekeeping(&parse_level(text).unwrap()).would_enable("actix_server", &Level::INFO)
        };
        assert_eq!(["info", "matterhost=debug,info", "warn"].map(says), [false; 3]);
        assert_eq!(["actix_server=info", "debug"].map(says), [true; 2]);
        assert!(
            without_housekeeping(&parse_level("info").unwrap()).would_enable("actix_server", &Level::WARN)
        );
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
    fn what_is_no_level_changes_nothing_and_is_told_as_the_configuration_tells_it() {
        let (_subscriber, level) = at_info();
        let told = level.set("loud").unwrap_err().to_string();
        assert!(
            told.starts_with("log.level: this is no level") && told.contains("write error, warn"),
            "{told}"
        );
        assert_eq!(level.get(), "info");
    }

    #[test]
    fn a_log_that_is_not_ours_says_so() {
        let (subscriber, level) = at_info();
        drop(subscriber);
        assert!(level.set("debug").unwrap_err().to_string().contains("set up by somebody else"));
        assert_eq!(level.get(), "");
    }
}
