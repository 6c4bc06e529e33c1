//! What is logged, changed while the program runs.

use tracing_subscriber::{Registry, filter::Targets, reload::Handle};

use crate::config::{Problem, parse_level};

/// Says what is logged, and changes it at once, until the program ends or it is changed again.
#[derive(Debug, Clone)]
pub struct LogLevel(Handle<Targets, Registry>);

impl LogLevel {
    pub(super) fn new(handle: Handle<Targets, Registry>) -> Self {
        Self(handle)
    }

    /// What is logged now, such as `matterhost=debug,info`; empty when the log is not ours.
    pub fn get(&self) -> String {
        self.0.with_current(Targets::to_string).unwrap_or_default()
    }

    /// Logs what `text` says from now on. It is written as `log.level` in the configuration.
    ///
    /// # Errors
    /// When it is not written so, as the configuration would say it; or when the log is not ours. Nothing has changed
    /// then.
    pub fn set(&self, text: &str) -> Result<(), Problem> {
        let targets = parse_level(text)?;
        self.0.reload(targets).map_err(|_| {
            let remedy = "change it where it was set up";
            Problem::new("log.level", "the log of this process was set up by somebody else", remedy)
        })
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{layer::SubscriberExt as _, reload};

    use super::*;

    fn at_info() -> (impl tracing::Subscriber + Send + Sync, LogLevel) {
        let (layer, handle) = reload::Layer::new(parse_level("info").unwrap());
        (Registry::default().with(layer), LogLevel::new(handle))
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
