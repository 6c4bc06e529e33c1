//! The commands that a server may have, because the answer to the request for their creation is not known.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use matterhost_actors::{mattermost::MadeCommand, model::ServerName};
use serde::{Deserialize, Serialize};

use super::{RegisteredCommand, steps::WantedCommand};

/// The time for which a request may still be on its way to a server that does not have the command: proxies keep one for a
/// minute at most.
const LATEST_ARRIVAL: Duration = Duration::from_secs(120);

/// A command that was about to be created. It has no id yet: its team, trigger and URL tell it from those of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IntendedCommand {
    /// The server that may have it.
    pub(super) server: Box<str>,
    /// The id of its team.
    pub(super) team: Box<str>,
    /// The account that is to answer it.
    pub(super) account: Box<str>,
    /// The word after the slash.
    pub(super) trigger: Box<str>,
    /// The URL that it leads to.
    url: Box<str>,
    /// The time at which the server was first seen without it.
    #[serde(skip)]
    missed_at: Option<Instant>,
}

/// The intended commands, after a look at what the server has.
#[derive(Default)]
pub(super) struct Settled {
    /// Those that it has.
    pub(super) registered: Vec<RegisteredCommand>,
    /// Those that it may still get, or that are in a team that was not seen.
    pub(super) intended: Vec<IntendedCommand>,
}

impl IntendedCommand {
    /// Returns the intent to create a command.
    pub(super) fn of(server: &ServerName, wanted: &WantedCommand) -> Self {
        let settings = &wanted.settings;
        Self {
            server: server.as_str().into(),
            team: settings.team_id.clone(),
            account: wanted.account.as_str().into(),
            trigger: settings.trigger.clone(),
            url: settings.url.clone(),
            missed_at: None,
        }
    }

    /// Returns true for the same command.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.server, &self.team, &self.trigger, &self.url)
            == (&other.server, &other.team, &other.trigger, &other.url)
    }

    fn is(&self, made: &MadeCommand) -> bool {
        let made = &made.settings;
        (&self.team, &self.trigger, &self.url) == (&made.team_id, &made.trigger, &made.url)
    }

    fn registered_as(&self, made: &MadeCommand) -> RegisteredCommand {
        RegisteredCommand {
            server: self.server.clone(),
            id: made.id.clone(),
            account: self.account.clone(),
            trigger: self.trigger.clone(),
            token: made.token().map(|token| token.expose().into()).unwrap_or_default(),
        }
    }

    /// Returns true if the server may still get it, although its team was seen without it.
    fn may_arrive(&mut self, now: Instant) -> bool {
        let missed_at = *self.missed_at.get_or_insert(now);
        now.saturating_duration_since(missed_at) < LATEST_ARRIVAL
    }
}

/// Compares intended commands with those that were found in the teams that were listed.
pub(super) fn settle(
    intended: Vec<IntendedCommand>,
    found: &[MadeCommand],
    listed_teams: &BTreeSet<Box<str>>,
    now: Instant,
) -> Settled {
    let mut settled = Settled::default();
    for mut command in intended {
        if let Some(made) = found.iter().find(|made| command.is(made)) {
            settled.registered.push(command.registered_as(made));
        } else if !listed_teams.contains(&command.team) || command.may_arrive(now) {
            settled.intended.push(command);
        }
    }
    settled
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URL: &str = "https://hooks.test/hooks/helpdesk/command/deploy";

    fn intended(team: &str) -> IntendedCommand {
        let (server, account) = ("main".into(), "helpdesk".into());
        let (trigger, url) = ("deploy".into(), URL.into());
        IntendedCommand { server, team: team.into(), account, trigger, url, missed_at: None }
    }

    fn made(team: &str, url: &str, token: &str) -> MadeCommand {
        let json = json!({
            "id": "c1", "team_id": team, "trigger": "deploy", "method": "P", "url": url, "token": token
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn an_intended_command_is_known_by_its_team_trigger_and_url() {
        let token = "t".repeat(26);
        for (name, team, found, known) in [
            ("it is there", "t1", vec![made("t1", URL, &token)], Some(token.as_str())),
            ("its token is not shown", "t1", vec![made("t1", URL, "")], Some("")),
            ("in another team", "t2", vec![made("t1", URL, &token)], None),
            ("one that leads elsewhere", "t1", vec![made("t1", "https://other.test/", &token)], None),
        ] {
            let listed = BTreeSet::from(["t1".into(), "t2".into()]);
            let settled = settle(vec![intended(team)], &found, &listed, Instant::now());
            let tokens: Vec<_> = settled.registered.iter().map(|command| &*command.token).collect();
            assert_eq!(tokens, known.into_iter().collect::<Vec<_>>(), "{name}");
            assert_eq!(settled.intended.is_empty(), known.is_some(), "{name}: its request may be on its way");
        }
    }

    #[test]
    fn an_intent_ends_once_its_request_can_no_longer_arrive() {
        let (start, listed) = (Instant::now(), BTreeSet::from(["t1".into()]));
        let mut left = vec![intended("t1"), intended("unseen")];
        for (after, expected) in [(0, 2), (119, 2), (120, 1), (100_000, 1)] {
            left = settle(left, &[], &listed, start + Duration::from_secs(after)).intended;
            assert_eq!(left.len(), expected, "after {after} s");
        }
        assert_eq!(&*left[0].team, "unseen");
    }
}
