//! The steps by which a server gets the slash commands of the configuration, and loses those that are no longer in it.

use std::collections::HashSet;

use matterhost_actors::{
    mattermost::{MadeCommand, SlashCommand},
    model::AccountName,
};

use super::RegisteredCommand;

/// A command that the configuration asks for, in one team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedCommand {
    /// The account that answers it.
    pub(super) account: AccountName,
    /// Its settings.
    pub(super) settings: SlashCommand,
}

/// A step of the registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RegistrationStep {
    /// Create the command.
    Create(WantedCommand),
    /// Give the command with this id its settings.
    Change(Box<str>, WantedCommand),
    /// Nothing: the command with this id is as it should be.
    Keep(Box<str>, WantedCommand),
    /// Delete the command with this id.
    Delete(Box<str>),
}

/// Returns the steps from the commands that the server has to those that are wanted. Of the server's, those count that this
/// host has registered, by their ids, and those that lead to it. Nothing else is touched.
pub(super) fn registration_steps(
    wanted: &[WantedCommand],
    found: &[MadeCommand],
    registered: &[RegisteredCommand],
) -> Vec<RegistrationStep> {
    let own: HashSet<&str> = registered.iter().map(|command| &*command.id).collect();
    let mut kept = HashSet::new();
    let mut steps: Vec<_> = wanted
        .iter()
        .cloned()
        .map(|wanted| {
            let is_it = |made: &&MadeCommand| {
                let (old, new) = (&made.settings, &wanted.settings);
                let is_here = (&old.team_id, &old.trigger) == (&new.team_id, &new.trigger);
                is_here && (own.contains(&*made.id) || old.url == new.url)
            };
            match found.iter().find(is_it) {
                None => RegistrationStep::Create(wanted),
                Some(made) => {
                    kept.insert(&*made.id);
                    let id = made.id.clone();
                    let is_same = made.settings == wanted.settings;
                    if is_same {
                        RegistrationStep::Keep(id, wanted)
                    } else {
                        RegistrationStep::Change(id, wanted)
                    }
                }
            }
        })
        .collect();
    let left = own.into_iter().filter(|id| !kept.contains(id));
    steps.extend(left.map(|id| RegistrationStep::Delete(id.into())));
    steps
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(trigger: &str) -> SlashCommand {
        let url = format!("https://hooks.test/hooks/helpdesk/command/{trigger}").into();
        let (team_id, method) = ("t1".into(), "P".into());
        SlashCommand { team_id, trigger: trigger.into(), method, url, ..SlashCommand::default() }
    }

    fn wanted(trigger: &str) -> WantedCommand {
        WantedCommand { account: AccountName::new("helpdesk").unwrap(), settings: settings(trigger) }
    }

    fn made(id: &str, settings: &SlashCommand) -> MadeCommand {
        let mut json = json!(settings);
        json["id"] = id.into();
        json["creator_id"] = "someone".into();
        serde_json::from_value(json).unwrap()
    }

    fn registered(id: &str) -> RegisteredCommand {
        RegisteredCommand {
            server: "main".into(),
            id: id.into(),
            account: "helpdesk".into(),
            trigger: "x".into(),
            token: "t".into(),
        }
    }

    #[test]
    fn commands_are_created_changed_kept_and_deleted() {
        use RegistrationStep::{Change, Create, Delete, Keep};
        let hinted = SlashCommand { auto_complete_hint: "[what]".into(), ..settings("deploy") };
        let moved = SlashCommand { url: "https://old.test/".into(), ..settings("deploy") };
        let elsewhere = SlashCommand { team_id: "t2".into(), ..settings("deploy") };
        for (name, wanted, found, own, steps) in [
            ("new", vec![wanted("deploy")], vec![], vec![], vec![Create(wanted("deploy"))]),
            (
                "as it should be",
                vec![wanted("deploy")],
                vec![made("c1", &settings("deploy"))],
                vec!["c1"],
                vec![Keep("c1".into(), wanted("deploy"))],
            ),
            (
                "another hint",
                vec![wanted("deploy")],
                vec![made("c1", &hinted)],
                vec!["c1"],
                vec![Change("c1".into(), wanted("deploy"))],
            ),
            (
                "its own with an older URL",
                vec![wanted("deploy")],
                vec![made("c1", &moved)],
                vec!["c1"],
                vec![Change("c1".into(), wanted("deploy"))],
            ),
            (
                "that of another host",
                vec![wanted("deploy")],
                vec![made("c1", &moved)],
                vec![],
                vec![Create(wanted("deploy"))],
            ),
            (
                "one that leads here, though the record is lost",
                vec![wanted("deploy")],
                vec![made("c1", &settings("deploy"))],
                vec![],
                vec![Keep("c1".into(), wanted("deploy"))],
            ),
            (
                "in another team",
                vec![wanted("deploy")],
                vec![made("c1", &elsewhere)],
                vec!["c1"],
                vec![Create(wanted("deploy")), Delete("c1".into())],
            ),
            (
                "taken out",
                vec![],
                vec![made("c1", &settings("deploy"))],
                vec!["c1"],
                vec![Delete("c1".into())],
            ),
            ("an administrator's", vec![], vec![made("c1", &settings("deploy"))], vec![], vec![]),
        ] {
            let own: Vec<_> = own.into_iter().map(registered).collect();
            assert_eq!(registration_steps(&wanted, &found, &own), steps, "{name}");
        }
    }
}
