//! `[restart]`: the restart budget and delays.

use std::time::Duration;

use matterhost_actors::policy::{RestartPolicy, RestartSettings};

use super::key_reader::TableReader;

pub(super) fn read(mut section: TableReader<'_>) -> RestartPolicy {
    let default = RestartSettings::default();
    let settings = RestartSettings {
        max_restarts: section.read("max_restarts", default.max_restarts),
        within: section.read::<Duration>("within", default.within),
        min_backoff: section.read("min_backoff", default.min_backoff),
        max_backoff: section.read("max_backoff", default.max_backoff),
        random_factor: section.read("random_factor", default.random_factor),
        reset_after: section.read("reset_after", default.reset_after),
        cooldown: section.read("cooldown", default.cooldown),
        max_cooldown: section.read("max_cooldown", default.max_cooldown),
    };
    let policy = RestartPolicy::new(settings).unwrap_or_else(|errors| {
        for error in errors {
            section.refuse(error.key, error.problem, error.remedy);
        }
        RestartPolicy::default()
    });
    section.finish();
    policy
}
