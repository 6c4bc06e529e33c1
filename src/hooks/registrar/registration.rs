//! One run of the registration at a server.

mod registration_failures;

use std::collections::{BTreeMap, BTreeSet};

use matterhost_actors::{
    mattermost::{Client, MadeCommand, RestError, RestErrorKind},
    model::Token,
};
use tokio::sync::watch;

pub(super) use self::registration_failures::Failures;

use self::registration_failures::RegistrationError;
use super::{
    PlannedCommand, RegisteredCommand, ServerPlan,
    steps::{RegistrationStep, WantedCommand, registration_steps},
};

/// Brings the commands of a server in line with a plan, until there are newer plans. Returns those that it has, also if a part
/// failed. Each is shown to `accept` at once: people may call it before the others are registered.
pub(super) async fn register(
    plan: &ServerPlan,
    registered: Vec<RegisteredCommand>,
    accept: &dyn Fn(&RegisteredCommand),
    newer: watch::Receiver<Vec<ServerPlan>>,
) -> (Vec<RegisteredCommand>, Failures) {
    let client = Client::new(&plan.server.client);
    let (failures, unknown_teams) = (Failures::default(), BTreeSet::new());
    let mut registration = Registration { client, plan, registered, accept, failures, unknown_teams };
    if let Err(error) = registration.run(newer).await {
        registration.failures.add(error);
    }
    (registration.registered, registration.failures)
}

/// One run of the registration at a server.
struct Registration<'a> {
    client: Client,
    plan: &'a ServerPlan,
    registered: Vec<RegisteredCommand>,
    accept: &'a dyn Fn(&RegisteredCommand),
    /// The reasons why a part is not done. The rest is.
    failures: Failures,
    /// The teams of which nothing is known, because they were not found or did not show their commands.
    unknown_teams: BTreeSet<String>,
}

/// The commands that are wanted, and those that their teams have.
type Commands = (Vec<WantedCommand>, Vec<MadeCommand>);

impl Registration<'_> {
    /// Ends with an error that concerns all commands, and early if there are newer plans.
    async fn run(&mut self, mut newer: watch::Receiver<Vec<ServerPlan>>) -> Result<(), RegistrationError> {
        if self.plan.commands.is_empty() && self.registered.is_empty() {
            return Ok(());
        }
        // To look something up changes nothing, so that it can end at any time.
        let (wanted, found) = tokio::select! {
            _ = newer.changed() => return Ok(()),
            found = self.look_up() => found?,
        };
        for step in registration_steps(&wanted, &found, &self.registered) {
            if newer.has_changed().unwrap_or(true) {
                return Ok(());
            }
            if self.is_perhaps_wanted(&step) {
                continue;
            }
            let token = |id: &str| found.iter().find(|made| *made.id == *id)?.token();
            if let Err(error) = self.take(step, token).await {
                self.go_on(error)?;
            }
        }
        Ok(())
    }

    /// Returns the commands of the teams that show them. The others are skipped.
    async fn look_up(&mut self) -> Result<Commands, RegistrationError> {
        let (mut wanted, mut found) = (Vec::new(), Vec::new());
        for (team, id) in self.teams().await? {
            match self.client.commands(&self.plan.token, &id).await {
                Ok(of_team) => found.extend(of_team),
                Err(error) => {
                    self.skip(&team, failed(&format!("team {team}"), error))?;
                    continue;
                }
            }
            let planned = self.plan.commands.iter().filter(|planned| planned.team == team);
            wanted.extend(planned.map(|planned| {
                let mut command = planned.command.clone();
                command.settings.team_id.clone_from(&id);
                command
            }));
        }
        Ok((wanted, found))
    }

    /// Returns the ids of the teams by their names. Those that cannot be found are skipped.
    async fn teams(&mut self) -> Result<BTreeMap<String, Box<str>>, RegistrationError> {
        let (plan, mut teams) = (self.plan, BTreeMap::new());
        for PlannedCommand { team, command } in &plan.commands {
            if teams.contains_key(team) || self.unknown_teams.contains(team) {
                continue;
            }
            match self.client.team_by_name(&plan.token, team).await {
                Ok(id) => drop(teams.insert(team.clone(), id)),
                Err(error) if error.kind == RestErrorKind::NotFound => {
                    let (account, trigger) = (command.account.to_string(), command.settings.trigger.clone());
                    self.skip(team, RegistrationError::NoTeam { team: team.clone(), account, trigger })?;
                }
                Err(error) => self.skip(team, failed(&format!("team {team}"), error))?,
            }
        }
        Ok(teams)
    }

    /// Goes on without a team, unless the error concerns the others, too.
    fn skip(&mut self, team: &str, error: RegistrationError) -> Result<(), RegistrationError> {
        self.unknown_teams.insert(team.to_owned());
        self.go_on(error)
    }

    /// Notes an error and goes on, unless it concerns all commands: with a server that hangs, each would take its whole time.
    fn go_on(&mut self, error: RegistrationError) -> Result<(), RegistrationError> {
        if error.concerns_all() {
            return Err(error);
        }
        self.failures.add(error);
        Ok(())
    }

    /// Returns true for the deletion of a command that may be the wanted one of a team of which nothing is known.
    fn is_perhaps_wanted(&self, step: &RegistrationStep) -> bool {
        let RegistrationStep::Delete(id) = step else { return false };
        let Some(made) = self.registered.iter().find(|made| made.id == *id) else { return false };
        self.plan.commands.iter().any(|PlannedCommand { team, command }| {
            let is_it =
                (command.account.as_str(), &command.settings.trigger) == (&*made.account, &made.trigger);
            is_it && self.unknown_teams.contains(team)
        })
    }

    async fn take(
        &mut self,
        step: RegistrationStep,
        token: impl Fn(&str) -> Option<Token>,
    ) -> Result<(), RegistrationError> {
        match step {
            RegistrationStep::Create(wanted) => {
                let made = self.client.create_command(&self.plan.token, &wanted.settings).await;
                let made = made.map_err(|error| refused(&wanted, error))?;
                let (account, trigger) = (wanted.account.clone(), wanted.settings.trigger.clone());
                self.note(made.id.clone(), wanted, made.token());
                tracing::info!(account = account.as_str(), trigger, "a slash command is registered");
            }
            RegistrationStep::Change(id, wanted) => {
                let changed = self.client.change_command(&self.plan.token, &id, &wanted.settings).await;
                changed.map_err(|error| refused(&wanted, error))?;
                let (account, trigger) = (wanted.account.as_str(), &*wanted.settings.trigger);
                tracing::info!(account, trigger, "a slash command is changed");
                let token = token(&id);
                self.note(id, wanted, token);
            }
            RegistrationStep::Keep(id, wanted) => {
                let token = token(&id);
                self.note(id, wanted, token);
            }
            RegistrationStep::Delete(id) => match self.client.delete_command(&self.plan.token, &id).await {
                Err(error) if error.kind != RestErrorKind::NotFound => {
                    return Err(failed(&self.describe(&id), error));
                }
                Ok(()) | Err(_) => self.forget(&id),
            },
        }
        Ok(())
    }

    /// Describes a command that is to be deleted.
    fn describe(&self, id: &str) -> String {
        let made = self.registered.iter().find(|made| *made.id == *id);
        made.map_or_else(String::new, |made| format!("/{} of account {}", made.trigger, made.account))
    }

    /// Forgets a command that the server no longer has.
    fn forget(&mut self, id: &str) {
        let is_it = |command: &mut RegisteredCommand| *command.id == *id;
        for RegisteredCommand { account, trigger, .. } in self.registered.extract_if(.., is_it) {
            tracing::info!(account = &*account, trigger = &*trigger, "a slash command is deleted");
        }
    }

    /// Notes a command that the server has, with its token; the token is known already if the server does not show it.
    fn note(&mut self, id: Box<str>, wanted: WantedCommand, token: Option<Token>) {
        let known = self.registered.iter().position(|command| command.id == id);
        let known = known.map(|at| self.registered.swap_remove(at));
        let shown = token.map(|token| token.expose().into());
        let Some(token) = shown.or(known.map(|command| command.token)) else { return };
        let (server, account) = (self.plan.server.name.as_str().into(), wanted.account.as_str().into());
        let trigger = wanted.settings.trigger;
        let command = RegisteredCommand { server, id, account, trigger, token };
        (self.accept)(&command);
        self.registered.push(command);
    }
}

fn refused(wanted: &WantedCommand, error: RestError) -> RegistrationError {
    let (account, trigger) = (wanted.account.to_string(), wanted.settings.trigger.clone());
    match error.kind {
        RestErrorKind::Refused(400) => RegistrationError::Refused { account, trigger, error },
        _ => failed(&format!("/{trigger} of account {account}"), error),
    }
}

/// Returns the error about a team or a command.
fn failed(what: &str, error: RestError) -> RegistrationError {
    let what = what.to_owned();
    match error.kind {
        RestErrorKind::Unauthorized => RegistrationError::Forbidden { what, status: 401 },
        RestErrorKind::Refused(403) => RegistrationError::Forbidden { what, status: 403 },
        _ => RegistrationError::Rest { what, error },
    }
}
