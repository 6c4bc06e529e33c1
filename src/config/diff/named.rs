//! Comparison of the items that have names: servers, sinks and accounts.

use std::collections::HashMap;

use matterhost_actors::{
    hosting::{AccountSettings, HostSettings},
    model::Token,
};

use super::{
    Change, ChangeStatus, Compared,
    Effect::{self, Immediate, NextConnection, Restart},
    ItemKind, changed,
    settings::is_same,
};
use crate::config::{
    BotConfig, Commands, Config, ExecConfig, FileConfig, FilterConfig, ServerConfig, SinkConfig, SinkKind,
    Transport,
};

/// Compares two lists by the names of their items.
fn by_name<T>(
    kind: ItemKind,
    old: &[T],
    new: &[T],
    name: impl Fn(&T) -> &str,
    compare: impl Fn(&T, &T) -> Vec<Compared>,
) -> Vec<Change> {
    let (olds, news) = (index_by_name(old, &name), index_by_name(new, &name));
    let change = |item: &T, status| Change {
        kind,
        name: name(item).into(),
        status,
        keys: Vec::new(),
        effect: Immediate,
    };
    let removed = old
        .iter()
        .filter(|item| !news.contains_key(name(item)))
        .map(|item| change(item, ChangeStatus::Removed));
    let mut changes: Vec<_> = removed.collect();
    for item in new {
        match olds.get(name(item)) {
            None => changes.push(change(item, ChangeStatus::Added)),
            Some(before) => changes.extend(changed(kind, name(item), &compare(before, item))),
        }
    }
    changes
}

/// Indexes a list by name; a linear search would be slow for ten thousand accounts.
fn index_by_name<T>(list: &[T], name: impl Fn(&T) -> &str) -> HashMap<&str, &T> {
    list.iter().map(|item| (name(item), item)).collect()
}

fn compared(keys: Vec<(&'static str, bool, Effect)>) -> Vec<Compared> {
    keys.into_iter().map(|(key, same, effect)| Compared { key, same, effect }).collect()
}

pub(super) fn servers(old: &[ServerConfig], new: &[ServerConfig]) -> Vec<Change> {
    by_name(
        ItemKind::Server,
        old,
        new,
        |server| server.name.as_str(),
        |a, b| {
            let (a_limits, b_limits) = (a.client.limits(), b.client.limits());
            let (rate, slots) = (a.limits.requests_per_second, a.limits.dial_slots);
            let way = Transport::same((&a.transport, &a.client), (&b.transport, &b.client));
            let mut keys: Vec<_> = way.into_iter().map(|(key, same)| (key, same, Restart)).collect();
            let same_token = is_same(a.commands_token.as_ref(), b.commands_token.as_ref(), Token::same_as);
            keys.extend([
                ("commands_token", same_token, Immediate),
                ("url", a.client.url() == b.client.url(), Restart),
                ("headers", a.client.headers() == b.client.headers(), NextConnection),
                ("requests_per_second", rate.total_cmp(&b.limits.requests_per_second).is_eq(), Immediate),
                ("shared_address", a.shared_address == b.shared_address, Immediate),
                ("dial_slots", slots == b.limits.dial_slots, Immediate),
                ("max_frame", a_limits.max_frame_bytes == b_limits.max_frame_bytes, NextConnection),
                ("connect_timeout", a_limits.connect_timeout == b_limits.connect_timeout, NextConnection),
                ("request_timeout", a_limits.request_timeout == b_limits.request_timeout, NextConnection),
            ]);
            compared(keys)
        },
    )
}

pub(super) fn accounts(old: &Config, new: &Config) -> Vec<Change> {
    by_name(
        ItemKind::Account,
        &old.accounts,
        &new.accounts,
        |account| account.name.as_str(),
        |a, b| {
            let mut keys = vec![
                ("server", a.server == b.server, Restart),
                ("token", a.token.same_as(&b.token), Restart),
                ("sinks", a.sinks == b.sinks, Immediate),
                ("commands", same_commands(&a.commands, &b.commands), Immediate),
            ];
            let (before, now) = ((a.settings.as_deref(), &old.host), (b.settings.as_deref(), &new.host));
            keys.extend(compare_settings(before, now));
            compared(keys)
        },
    )
}

fn same_commands(a: &Commands, b: &Commands) -> bool {
    a.len() == b.len()
        && a.iter().all(|(name, command)| b.get(name).is_some_and(|other| command.same_as(other)))
}

/// The settings of an account, and the host's, which hold without them.
type Settings<'a> = (Option<&'a AccountSettings>, &'a HostSettings);

/// Compares the settings that accounts have for themselves, by section. Those of the host are compared elsewhere.
fn compare_settings(a: Settings<'_>, b: Settings<'_>) -> [(&'static str, bool, Effect); 5] {
    fn same<T: PartialEq>(
        [a, b]: [Settings<'_>; 2],
        own: impl Fn(&AccountSettings) -> T,
        host: impl Fn(&HostSettings) -> T,
    ) -> bool {
        let value = |(settings, of_host): Settings<'_>| settings.map_or_else(|| host(of_host), &own);
        (a.0.is_none() && b.0.is_none()) || value(a) == value(b)
    }
    let both = [a, b];
    [
        ("restart", same(both, |own| own.restart, |host| host.restart), Immediate),
        ("health", same(both, |own| own.health, |host| host.health), Immediate),
        ("delivery", same(both, |own| own.delivery, |host| host.delivery), Immediate),
        ("catch_up", same(both, |own| own.catch_up, |host| host.catch_up), Immediate),
        ("replies", same(both, |own| own.replies, |host| host.replies), Immediate),
    ]
}

pub(super) fn sinks(old: &[SinkConfig], new: &[SinkConfig]) -> Vec<Change> {
    by_name(
        ItemKind::Sink,
        old,
        new,
        |sink| &*sink.name,
        |a, b| {
            let mut keys = compare_kinds(&a.kind, &b.kind);
            keys.push(("best_effort", a.best_effort == b.best_effort, Restart));
            keys.extend(compare_filters(&a.filter, &b.filter));
            compared(keys)
        },
    )
}

fn compare_filters(a: &FilterConfig, b: &FilterConfig) -> [(&'static str, bool, Effect); 13] {
    // Without "..": a new key that is not compared here does not compile.
    let FilterConfig {
        events,
        channel_types,
        channels,
        teams,
        users,
        ignore_bots,
        ignore_webhooks,
        ignore_system,
        mentions_only,
        mention_everyone,
        skip_own,
        recovered,
        skip_older_than,
    } = a;
    [
        ("events", *events == b.events),
        ("channel_types", *channel_types == b.channel_types),
        ("channels", *channels == b.channels),
        ("teams", *teams == b.teams),
        ("users", *users == b.users),
        ("ignore_bots", *ignore_bots == b.ignore_bots),
        ("ignore_webhooks", *ignore_webhooks == b.ignore_webhooks),
        ("ignore_system", *ignore_system == b.ignore_system),
        ("mentions_only", *mentions_only == b.mentions_only),
        ("mention_everyone", *mention_everyone == b.mention_everyone),
        ("skip_own", *skip_own == b.skip_own),
        ("recovered", *recovered == b.recovered),
        ("skip_older_than", *skip_older_than == b.skip_older_than),
    ]
    .map(|(key, same)| (key, same, Immediate))
}

fn compare_kinds(a: &SinkKind, b: &SinkKind) -> Vec<(&'static str, bool, Effect)> {
    match (a, b) {
        (SinkKind::Stdout, SinkKind::Stdout) => Vec::new(),
        (SinkKind::Webhook(a), SinkKind::Webhook(b)) => {
            a.changed_keys(b).into_iter().map(|key| (key, false, Restart)).collect()
        }
        (SinkKind::Exec(a), SinkKind::Exec(b)) => compare_execs(a, b).into(),
        (SinkKind::Bot(a), SinkKind::Bot(b)) => compare_bots(a, b).into(),
        (SinkKind::File(a), SinkKind::File(b)) => compare_files(a, b).into(),
        (SinkKind::Nats(a), SinkKind::Nats(b)) => {
            a.compare(b).into_iter().map(|(key, same)| (key, same, Restart)).collect()
        }
        (
            SinkKind::Stdout
            | SinkKind::Webhook(_)
            | SinkKind::Exec(_)
            | SinkKind::File(_)
            | SinkKind::Nats(_)
            | SinkKind::Bot(_),
            _,
        ) => {
            vec![("type", false, Restart)]
        }
    }
}

fn compare_execs(a: &ExecConfig, b: &ExecConfig) -> [(&'static str, bool, Effect); 8] {
    [
        ("command", a.command == b.command, Restart),
        ("dir", a.dir == b.dir, Restart),
        ("pass_env", a.pass_env == b.pass_env, Restart),
        ("in_flight", a.in_flight == b.in_flight, Restart),
        ("answer_timeout", a.timeout == b.timeout, Restart),
        ("max_attempts", a.attempts.max_attempts == b.attempts.max_attempts, Restart),
        ("max_age", a.attempts.max_age == b.attempts.max_age, Restart),
        ("typing", a.typing == b.typing, Restart),
    ]
}

fn compare_bots(a: &BotConfig, b: &BotConfig) -> [(&'static str, bool, Effect); 3] {
    [
        ("bot", a.factory == b.factory, Restart),
        ("deadline", a.deadline == b.deadline, Restart),
        ("typing", a.typing == b.typing, Restart),
    ]
}

fn compare_files(a: &FileConfig, b: &FileConfig) -> [(&'static str, bool, Effect); 5] {
    [
        ("path", a.path == b.path, Restart),
        ("rotate_size", a.rotate_size == b.rotate_size, Restart),
        ("rotate_after", a.rotate_after == b.rotate_after, Restart),
        ("rotate_keep", a.keep == b.keep, Restart),
        ("fsync", a.fsync == b.fsync, Restart),
    ]
}
