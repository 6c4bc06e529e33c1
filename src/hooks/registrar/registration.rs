//! One run of the registration at a server.

use std::collections::{BTreeMap, BTreeSet};

use matterhost_actors::{
    mattermost::{Client, RestError, RestErrorKind},
    model::Token,
};

use super::{
    PlannedCommand, RegisteredCommand, ServerPlan,
    steps::{RegistrationStep, WantedCommand, registration_steps},
};

/// Brings the commands of a server in line with a plan. Returns those that it has, also if a part failed. Each is shown to
/// `accept` at once: people may call it before the others are registered.
pub(super) async fn register(
    plan: &ServerPlan,
    registered: Vec<RegisteredCommand>,
    accept: &dyn Fn(&RegisteredCommand),
) -> (Vec<RegisteredCommand>, Result<(), RegistrationError>) {
    let client = Client::new(&plan.server.client);
    let mut registration =
        Registration { client, plan, registered, accept, failed: None, unknown_teams: BTreeSet::new() };
    let result = registration.run().await;
    (registration.registered, result)
}

/// The reason why a command is not registered.
#[derive(Debug, thiserror::Error)]
pub(super) enum RegistrationError {
    #[error(
        "the user of commands_token may not make commands, or is no member of the team (HTTP {0}); give it the permission \
         manage_own_slash_commands and add it to the team"
    )]
    Forbidden(u16),
    #[error(
        "there is no team {team:?}; name it as its address does (accounts.{account}.commands.{trigger}.teams)"
    )]
    NoTeam { team: String, account: String, trigger: Box<str> },
    #[error(
        "/{trigger} of account {account} is refused: {error}; if another command of the team has the trigger, remove that or \
         choose another trigger"
    )]
    Refused { account: String, trigger: Box<str>, error: RestError },
    #[error(transparent)]
    Rest(#[from] RestError),
}

/// One run of the registration at a server.
struct Registration<'a> {
    client: Client,
    plan: &'a ServerPlan,
    registered: Vec<RegisteredCommand>,
    accept: &'a dyn Fn(&RegisteredCommand),
    /// The first step that failed; the others are tried, too.
    failed: Option<RegistrationError>,
    /// The teams of which nothing is known, because they were not found or did not show their commands.
    unknown_teams: BTreeSet<String>,
}

impl Registration<'_> {
    async fn run(&mut self) -> Result<(), RegistrationError> {
        if self.plan.commands.is_empty() && self.registered.is_empty() {
            return Ok(());
        }
        let (mut wanted, mut found) = (Vec::new(), Vec::new());
        for (team, id) in self.teams().await {
            let of_team = match self.client.commands(&self.plan.token, &id).await {
                Ok(of_team) => of_team,
                Err(error) => {
                    self.skip(team, forbidden(error));
                    continue;
                }
            };
            found.extend(of_team);
            let planned = self.plan.commands.iter().filter(|planned| planned.team == team);
            wanted.extend(planned.map(|planned| {
                let mut command = planned.command.clone();
                command.settings.team_id.clone_from(&id);
                command
            }));
        }
        for step in registration_steps(&wanted, &found, &self.registered) {
            if self.is_perhaps_wanted(&step) {
                continue;
            }
            let token = |id: &str| found.iter().find(|made| *made.id == *id)?.token();
            if let Err(error) = self.take(step, token).await {
                self.failed.get_or_insert(error);
            }
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Returns the ids of the teams by their names. Those that cannot be found are skipped.
    async fn teams(&mut self) -> BTreeMap<String, Box<str>> {
        let (plan, mut teams) = (self.plan, BTreeMap::new());
        for PlannedCommand { team, command } in &plan.commands {
            if teams.contains_key(team) || self.unknown_teams.contains(team) {
                continue;
            }
            match self.client.team_by_name(&plan.token, team).await {
                Ok(id) => drop(teams.insert(team.clone(), id)),
                Err(error) if error.kind == RestErrorKind::NotFound => {
                    let (account, trigger) = (command.account.to_string(), command.settings.trigger.clone());
                    let error = RegistrationError::NoTeam { team: team.clone(), account, trigger };
                    self.skip(team.clone(), error);
                }
                Err(error) => self.skip(team.clone(), forbidden(error)),
            }
        }
        teams
    }

    /// Goes on without a team.
    fn skip(&mut self, team: String, error: RegistrationError) {
        self.unknown_teams.insert(team);
        self.failed.get_or_insert(error);
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
                Err(error) if error.kind != RestErrorKind::NotFound => return Err(forbidden(error)),
                Ok(()) | Err(_) => self.forget(&id),
            },
        }
        Ok(())
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
    match error.kind {
        RestErrorKind::Refused(400) => {
            let (account, trigger) = (wanted.account.to_string(), wanted.settings.trigger.clone());
            RegistrationError::Refused { account, trigger, error }
        }
        _ => forbidden(error),
    }
}

fn forbidden(error: RestError) -> RegistrationError {
    match error.kind {
        RestErrorKind::Unauthorized => RegistrationError::Forbidden(401),
        RestErrorKind::Refused(403) => RegistrationError::Forbidden(403),
        _ => RegistrationError::Rest(error),
    }
}
