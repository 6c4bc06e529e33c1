use std::time::Duration;

use super::backoff::Delays;

/// The restart settings of an operator, which [`RestartPolicy::new`] validates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RestartSettings {
    /// The number of charged endings allowed within the window; the next one trips the account.
    pub max_restarts: u32,
    /// The length of the sliding window.
    pub within: Duration,
    /// The first delay.
    pub min_backoff: Duration,
    /// The longest delay.
    pub max_backoff: Duration,
    /// The fraction by which delays vary, from 0 to 1.
    pub random_factor: f64,
    /// The time for which a Connection must have been ready before delays start over.
    pub reset_after: Duration,
    /// The time for which a tripped account rests before it is tried again.
    pub cooldown: Duration,
    /// The longest rest.
    pub max_cooldown: Duration,
}

impl Default for RestartSettings {
    fn default() -> Self {
        Self {
            // Enough for a burst of bad luck; a bot that fails five times in ten minutes has a persistent problem.
            max_restarts: 5,
            within: Duration::from_secs(600),
            // A second is short for people, and long enough for a server that is starting.
            min_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(60),
            // Spreads out accounts that were dropped together.
            random_factor: 0.2,
            // Two polls and two pings: both witnesses have reported by then.
            reset_after: Duration::from_secs(60),
            cooldown: Duration::from_secs(300),
            max_cooldown: Duration::from_secs(3600),
        }
    }
}

/// The maximum of `max_restarts`: each restart is remembered for the length of the window.
const MOST_RESTARTS: u32 = 1_000;

/// An invalid setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}; {remedy}")]
pub struct SettingsError {
    /// The setting's key.
    pub key: &'static str,
    /// The problem.
    pub problem: String,
    /// The remedy.
    pub remedy: String,
}

/// A validated restart policy, created by [`RestartPolicy::new`] or as the default, which a test validates too.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RestartPolicy {
    settings: RestartSettings,
}

impl RestartPolicy {
    /// Validates the settings.
    ///
    /// # Errors
    /// All invalid settings at once. A budget that could never trip, because the delays and ready times of
    /// `max_restarts` restarts fill the window, is one of them.
    pub fn new(settings: RestartSettings) -> Result<Self, Vec<SettingsError>> {
        let mut errors = check_ranges(&settings);
        if errors.is_empty() {
            errors.extend(check_trips(&settings));
        }
        if errors.is_empty() { Ok(Self { settings }) } else { Err(errors) }
    }

    /// Returns the validated settings.
    pub fn settings(&self) -> &RestartSettings {
        &self.settings
    }

    /// Returns the delays between restarts.
    pub fn delays(&self) -> Delays {
        delays(&self.settings)
    }
}

fn delays(settings: &RestartSettings) -> Delays {
    Delays { min: settings.min_backoff, max: settings.max_backoff, random_factor: settings.random_factor }
}

fn check_ranges(s: &RestartSettings) -> Vec<SettingsError> {
    let mut errors = Vec::new();
    let mut check = |invalid: bool, key, problem: String, remedy: &str| {
        if invalid {
            errors.push(SettingsError { key, problem, remedy: remedy.into() });
        }
    };
    check(
        s.max_restarts > MOST_RESTARTS,
        "max_restarts",
        format!("{} is more than {MOST_RESTARTS}", s.max_restarts),
        "use a smaller number",
    );
    check(s.min_backoff.is_zero(), "min_backoff", "it is zero".into(), "use at least 1ms");
    check(
        s.min_backoff > s.max_backoff,
        "max_backoff",
        format!("{:?} is less than min_backoff, {:?}", s.max_backoff, s.min_backoff),
        "raise it, or lower min_backoff",
    );
    check(
        !(0.0..=1.0).contains(&s.random_factor),
        "random_factor",
        format!("{} is not between 0 and 1", s.random_factor),
        "use a fraction such as 0.2",
    );
    check(s.within.is_zero(), "within", "it is zero".into(), "use a window such as 10m");
    check(s.cooldown.is_zero(), "cooldown", "it is zero".into(), "use a cooldown such as 5m");
    check(
        s.cooldown > s.max_cooldown,
        "max_cooldown",
        format!("{:?} is less than cooldown, {:?}", s.max_cooldown, s.cooldown),
        "raise it, or lower cooldown",
    );
    errors
}

fn check_trips(s: &RestartSettings) -> Option<SettingsError> {
    let ready = s.reset_after.saturating_mul(s.max_restarts);
    let longest = delays(s).longest_sum(s.max_restarts).saturating_add(ready);
    (longest >= s.within).then(|| SettingsError {
        key: "within",
        problem: format!(
            "this budget could never trip: {} restarts may take {:.1} s (delays with jitter, and reset_after each), \
             which is not less than within, {} s",
            s.max_restarts,
            longest.as_secs_f64(),
            s.within.as_secs(),
        ),
        remedy: format!("raise within above {:.0} s, or lower max_restarts, reset_after or the delays", longest.as_secs_f64()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_pass_their_own_checks() {
        assert_eq!(RestartPolicy::new(RestartSettings::default()), Ok(RestartPolicy::default()));
    }

    #[test]
    fn all_invalid_settings_are_reported_at_once() {
        let errors = RestartPolicy::new(RestartSettings {
            max_restarts: 1_001,
            min_backoff: Duration::ZERO,
            random_factor: 1.5,
            cooldown: Duration::from_secs(10),
            max_cooldown: Duration::from_secs(5),
            ..RestartSettings::default()
        })
        .unwrap_err();
        let keys: Vec<_> = errors.iter().map(|e| e.key).collect();
        assert_eq!(keys, ["max_restarts", "min_backoff", "random_factor", "max_cooldown"]);
    }

    #[test]
    fn a_budget_that_can_never_trip_is_refused_at_the_exact_edge() {
        // Delays of 1 + 2 + 4 s with jitter 0.5 are 10.5 s; three runs of 10 s are 30 s.
        let edge = RestartSettings {
            max_restarts: 3,
            within: Duration::from_millis(40_500),
            random_factor: 0.5,
            reset_after: Duration::from_secs(10),
            ..RestartSettings::default()
        };
        assert_eq!(RestartPolicy::new(edge).unwrap_err()[0].key, "within");
        let above = RestartSettings { within: edge.within + Duration::from_millis(1), ..edge };
        assert!(RestartPolicy::new(above).is_ok());
    }
}
