//! Comparison of the sections without names: one function for each section, one line for each key.

use matterhost_actors::{hosting::HostSettings, policy::RestartSettings};

use super::{
    Compared,
    Effect::{Immediate, NextConnection, NextStart, Restart},
};
use crate::config::{
    AdminConfig, AdminTls, AdminToken, ClusterConfig, Config, DeadLetterConfig, HooksConfig, LogConfig,
    MetricsConfig, ScopedToken, Secrets, StateConfig,
};

type Keys = Vec<Compared>;

/// Compares the given keys of two values; each key has its effect.
macro_rules! compare {
    ($a:expr, $b:expr; $($key:literal: $field:expr => $effect:ident),+ $(,)?) => {
        vec![$({
            let field = $field;
            Compared { key: $key, same: field($a) == field($b), effect: $effect }
        }),+]
    };
}

/// Compares every key of every section without names.
pub(super) fn settings(old: &Config, new: &Config) -> Vec<(&'static str, Keys)> {
    let (a, b) = (&old.host, &new.host);
    vec![
        ("restart", restart(a, b)),
        ("health", health(a, b)),
        ("delivery", delivery(a, b)),
        ("catch_up", catch_up(a, b)),
        ("audit", audit(a, b)),
        ("replies", replies(a, b)),
        ("dead_letter", dead_letter(&old.dead_letter, &new.dead_letter)),
        ("log", log(&old.log, &new.log)),
        ("host", host(old, new)),
        ("state", state(&old.state, &new.state)),
        ("admin", admin(&old.admin, &new.admin)),
        ("hooks", hooks(old.hooks.as_ref(), new.hooks.as_ref())),
        ("metrics", metrics(old.metrics, new.metrics)),
        ("cluster", cluster(old.cluster.as_ref(), new.cluster.as_ref())),
    ]
}

fn restart(a: &HostSettings, b: &HostSettings) -> Keys {
    let (a, b) = (a.restart.settings(), b.restart.settings());
    compare!(a, b;
        "max_restarts": |s: &RestartSettings| s.max_restarts => Immediate,
        "within": |s: &RestartSettings| s.within => Immediate,
        "min_backoff": |s: &RestartSettings| s.min_backoff => Immediate,
        "max_backoff": |s: &RestartSettings| s.max_backoff => Immediate,
        "random_factor": |s: &RestartSettings| s.random_factor.to_bits() => Immediate,
        "reset_after": |s: &RestartSettings| s.reset_after => Immediate,
        "cooldown": |s: &RestartSettings| s.cooldown => Immediate,
        "max_cooldown": |s: &RestartSettings| s.max_cooldown => Immediate,
    )
}

fn health(a: &HostSettings, b: &HostSettings) -> Keys {
    compare!(a, b;
        "poll": |s: &HostSettings| s.health.poll => Immediate,
        "poll_interval": |s: &HostSettings| s.health.poll_interval => Immediate,
        "ping": |s: &HostSettings| s.health.ping => Immediate,
        "ping_interval": |s: &HostSettings| s.health.ping_limits.interval => Immediate,
        "pings_per_second": |s: &HostSettings| s.health.ping_limits.per_second.to_bits() => Immediate,
        "ping_timeout": |s: &HostSettings| s.health.ping_limits.timeout => Immediate,
        "witness": |s: &HostSettings| s.health.witness => Immediate,
    )
}

fn delivery(a: &HostSettings, b: &HostSettings) -> Keys {
    compare!(a, b;
        "queue": |s: &HostSettings| s.delivery.queue => NextConnection,
        "in_flight": |s: &HostSettings| s.delivery.in_flight => Immediate,
        "skip_own": |s: &HostSettings| s.delivery.skip_own => Immediate,
    )
}

fn catch_up(a: &HostSettings, b: &HostSettings) -> Keys {
    compare!(a, b;
        "overlap": |s: &HostSettings| s.catch_up.overlap => Immediate,
        "max_posts_per_channel": |s: &HostSettings| s.catch_up.max_posts_per_channel => Immediate,
        "max_channels": |s: &HostSettings| s.catch_up.max_channels => Immediate,
        "max_age": |s: &HostSettings| s.catch_up.max_age => Immediate,
        "from": |s: &HostSettings| s.catch_up.from => Immediate,
    )
}

fn audit(a: &HostSettings, b: &HostSettings) -> Keys {
    compare!(a, b;
        "enabled": |s: &HostSettings| s.audit.enabled => Immediate,
        "interval": |s: &HostSettings| s.audit.interval => Immediate,
        "grace": |s: &HostSettings| s.audit.grace => Immediate,
    )
}

fn replies(a: &HostSettings, b: &HostSettings) -> Keys {
    compare!(a, b;
        "deadline": |s: &HostSettings| s.replies.deadline => Immediate,
        "in_flight": |s: &HostSettings| s.replies.in_flight => Immediate,
        "loop_limit": |s: &HostSettings| s.replies.loop_limit => Immediate,
        "whisper_fallback": |s: &HostSettings| s.replies.whisper_fallback => Immediate,
    )
}

fn dead_letter(a: &DeadLetterConfig, b: &DeadLetterConfig) -> Keys {
    compare!(a, b;
        "dir": |s: &DeadLetterConfig| s.dir.clone() => Restart,
        "max_size": |s: &DeadLetterConfig| s.max_size => Restart,
        "keep": |s: &DeadLetterConfig| s.keep => Restart,
    )
}

fn log(a: &LogConfig, b: &LogConfig) -> Keys {
    compare!(a, b;
        "level": |s: &LogConfig| s.level.clone() => Immediate,
        "format": |s: &LogConfig| s.format => NextStart,
        "otlp_endpoint": |s: &LogConfig| s.otlp_endpoint.clone() => NextStart,
    )
}

fn host(a: &Config, b: &Config) -> Keys {
    compare!(a, b;
        "arbiters": |s: &Config| (s.host.arbiters, s.host.accounts_per_arbiter) => NextStart,
        "hello_timeout": |s: &Config| s.host.hello_timeout => NextConnection,
        "stop_deadline": |s: &Config| s.host.stop_deadline => Immediate,
        "shutdown_deadline": |s: &Config| s.shutdown_deadline => Immediate,
    )
}

fn state(a: &StateConfig, b: &StateConfig) -> Keys {
    let disk = |state: &StateConfig| match state {
        StateConfig::Memory => None,
        StateConfig::Disk { dir, fsync } => Some((dir.clone(), *fsync)),
    };
    // With memory on either side, only `store` is meaningful.
    let both = disk(a).zip(disk(b));
    let is_same = |same: fn(&(std::path::PathBuf, bool), &(std::path::PathBuf, bool)) -> bool| {
        both.as_ref().is_none_or(|(a, b)| same(a, b))
    };
    vec![
        Compared { key: "store", same: disk(a).is_some() == disk(b).is_some(), effect: NextStart },
        Compared { key: "dir", same: is_same(|a, b| a.0 == b.0), effect: NextStart },
        Compared { key: "fsync", same: is_same(|a, b| a.1 == b.1), effect: NextStart },
    ]
}

fn metrics(a: MetricsConfig, b: MetricsConfig) -> Keys {
    compare!(a, b; "per_account": |s: MetricsConfig| s.per_account => NextStart)
}

fn cluster(a: Option<&ClusterConfig>, b: Option<&ClusterConfig>) -> Keys {
    // Without a cluster on either side, only `url` is meaningful.
    let both = a.zip(b);
    let compare = |key, same: fn(&ClusterConfig, &ClusterConfig) -> bool| {
        let same = both.is_none_or(|(a, b)| same(a, b));
        Compared { key, same: same && (key != "url" || a.is_some() == b.is_some()), effect: NextStart }
    };
    vec![
        compare("url", |a, b| a.access.servers == b.access.servers),
        compare("name", |a, b| a.name == b.name),
        compare("credentials", |a, b| a.access.credentials == b.access.credentials),
        compare("ca_file", |a, b| a.access.ca_file == b.access.ca_file),
        compare("cert_file", |a, b| a.access.client_certificate == b.access.client_certificate),
        compare("prefix", |a, b| a.prefix == b.prefix),
        compare("replicas", |a, b| a.replicas == b.replicas),
        compare("lease_ttl", |a, b| a.lease_ttl == b.lease_ttl),
        compare("actions", |a, b| a.actions == b.actions),
        compare("action_inboxes", |a, b| a.action_inboxes == b.action_inboxes),
    ]
}

fn admin(a: &AdminConfig, b: &AdminConfig) -> Keys {
    let same_token = |a: &AdminToken, b: &AdminToken| a.matches(b.expose());
    let mut keys = compare!(a, b;
        "bind": |s: &AdminConfig| s.listen.clone() => NextStart,
        "allow_anonymous": |s: &AdminConfig| s.allow_anonymous => NextStart,
        "hosts": |s: &AdminConfig| s.hosts.clone() => NextStart,
        "ready": |s: &AdminConfig| s.ready => NextStart,
        "max_connections": |s: &AdminConfig| s.max_connections => NextStart,
        "max_streams": |s: &AdminConfig| s.max_streams => NextStart,
    );
    let mut push = |key, same| keys.push(Compared { key, same, effect: NextStart });
    push("token", is_same(a.token.as_ref(), b.token.as_ref(), same_token));
    push("read_token", is_same(a.read_token.as_ref(), b.read_token.as_ref(), same_token));
    let is_same_scoped = |(a, b): (&ScopedToken, &ScopedToken)| a.same_as(b);
    let (before, now) = (&a.scoped_tokens, &b.scoped_tokens);
    push("tokens", before.len() == now.len() && before.iter().zip(now).all(is_same_scoped));
    push("tls_cert_file", is_same(a.tls.as_ref(), b.tls.as_ref(), AdminTls::same_as));
    keys
}

fn hooks(a: Option<&HooksConfig>, b: Option<&HooksConfig>) -> Keys {
    let mut keys = compare!(a, b;
        "bind": |s: Option<&HooksConfig>| s.map(|s| s.listen) => NextStart,
        "public_url": |s: Option<&HooksConfig>| s.map(|s| s.public_url.clone()) => NextStart,
        "max_connections": |s: Option<&HooksConfig>| s.map(|s| s.max_connections) => NextStart,
        "button_lifetime": |s: Option<&HooksConfig>| s.map(|s| s.button_lifetime) => NextStart,
    );
    let mut push = |key, same| keys.push(Compared { key, same, effect: NextStart });
    let secrets = |s: Option<&'_ HooksConfig>| s.and_then(|s| s.secrets.clone());
    let tls = |s: Option<&'_ HooksConfig>| s.and_then(|s| s.tls.clone());
    push("secret", is_same(secrets(a).as_ref(), secrets(b).as_ref(), Secrets::same_as));
    push("tls_cert_file", is_same(tls(a).as_ref(), tls(b).as_ref(), AdminTls::same_as));
    keys
}

/// Compares two values that have no equality of their own.
pub(super) fn is_same<T>(a: Option<&T>, b: Option<&T>, same: fn(&T, &T) -> bool) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same(a, b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
