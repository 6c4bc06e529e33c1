//! One run of the registration at a server.

mod registration_failures;

use std::{
    collections::{BTreeMap, BTreeSet},
    io, mem,
    time::Instant,
};

use matterhost_actors::{
    mattermost::{Client, MadeCommand, RestError, RestErrorKind},
    model::Token,
};
use tokio::sync::watch;

pub(super) use self::registration_failures::Failures;

use self::registration_failures::RegistrationError;
use super::{
    PlannedCommand, RegisteredCommand, ServerPlan,
    intended_commands::{IntendedCommand, settle},
    registered_commands::KnownCommands,
    steps::{RegistrationStep, WantedCommand, registration_steps},
};

/// The effects of a registration outside of the server.
#[derive(Clone, Copy)]
pub(super) struct Effects<'a> {
    /// Shows a registered command at once: people may call it before the others are registered.
    pub(super) accept: &'a dyn Fn(&RegisteredCommand),
    /// Records commands before they are created: the host may be killed before it has the answers.
    pub(super) intend: &'a dyn Fn(&[IntendedCommand]) -> io::Result<()>,
}

/// The commands that a server has or may have after a run, and the failures of the run.
pub(super) type RegistrationRun = (KnownCommands, Failures);

/// Brings the commands of a server in line with a plan, until there are newer plans. Returns those that it has or may have, also
/// if a part failed.
pub(super) async fn register(
    plan: &ServerPlan,
    known: KnownCommands,
    effects: Effects<'_>,
    newer: watch::Receiver<Vec<ServerPlan>>,
) -> RegistrationRun {
    let (known, failures) = register_once(plan, known, effects, newer.clone()).await;
    // Another member of the cluster may have made the same command a moment ago: then the server shows it by now, with its token.
    if failures.has_refused() { register_once(plan, known, effects, newer).await } else { (known, failures) }
}

async fn register_once(
    plan: &ServerPlan,
    known: KnownCommands,
    effects: Effects<'_>,
    newer: watch::Receiver<Vec<ServerPlan>>,
) -> RegistrationRun {
    let client = Client::new(&plan.server.client);
    let mut registration = Registration {
        client,
        plan,
        known,
        effects,
        failures: Failures::default(),
        unknown_teams: BTreeSet::new(),
        listed_teams: BTreeSet::new(),
    };
    if let Err(error) = registration.run(newer).await {
        registration.failures.add(error);
    }
    (registration.known, registration.failures)
}

/// One run of the registration at a server.
struct Registration<'a> {
    client: Client,
    plan: &'a ServerPlan,
    known: KnownCommands,
    effects: Effects<'a>,
    /// The reasons why a part is not done. The rest is.
    failures: Failures,
    /// The teams of which nothing is known, because they were not found or did not show their commands.
    unknown_teams: BTreeSet<String>,
    /// The ids of the teams that have shown their commands.
    listed_teams: BTreeSet<Box<str>>,
}

/// The commands that are wanted, and those that their teams have.
type Commands = (Vec<WantedCommand>, Vec<MadeCommand>);

impl Registration<'_> {
    /// Ends with an error that concerns all commands, and early if there are newer plans.
    async fn run(&mut self, mut newer: watch::Receiver<Vec<ServerPlan>>) -> Result<(), RegistrationError> {
        if self.plan.commands.is_empty() && self.known.is_empty() {
            return Ok(());
        }
        // To look something up changes nothing, so that it can end at any time.
        let (wanted, found) = tokio::select! {
            _ = newer.changed() => return Ok(()),
            found = self.look_up() => found?,
        };
        let mut steps = registration_steps(&wanted, &found, &self.known.registered);
        steps.retain(|step| !self.is_perhaps_wanted(step));
        self.intend(&mut steps);
        for step in steps {
            if newer.has_changed().unwrap_or(true) {
                return Ok(());
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
            self.listed_teams.insert(id);
        }
        self.settle_intended(&mut found).await?;
        Ok((wanted, found))
    }

    /// Finds the commands whose creation had no known answer, also in teams that no command is wanted for any more.
    async fn settle_intended(&mut self, found: &mut Vec<MadeCommand>) -> Result<(), RegistrationError> {
        let teams: BTreeSet<_> = self.known.intended.iter().map(|command| command.team.clone()).collect();
        for team in teams {
            if self.listed_teams.contains(&team) {
                continue;
            }
            match self.client.commands(&self.plan.token, &team).await {
                Ok(of_team) => {
                    found.extend(of_team);
                    self.listed_teams.insert(team);
                }
                Err(error) => self.go_on(failed(&format!("team {team}"), error))?,
            }
        }
        let settled = settle(mem::take(&mut self.known.intended), found, &self.listed_teams, Instant::now());
        self.known.intended = settled.intended;
        for command in settled.registered {
            if !self.known.registered.iter().any(|known| known.id == command.id) {
                self.known.registered.push(command);
            }
        }
        Ok(())
    }

    /// Records the commands that are about to be created. Those that cannot be recorded are not created.
    fn intend(&mut self, steps: &mut Vec<RegistrationStep>) {
        let created = steps.iter().filter_map(|step| match step {
            RegistrationStep::Create(wanted) => Some(IntendedCommand::of(&self.plan.server.name, wanted)),
            _ => None,
        });
        let intended: Vec<_> =
            created.filter(|new| !self.known.intended.iter().any(|old| old.is_same(new))).collect();
        if intended.is_empty() {
            return;
        }
        match (self.effects.intend)(&intended) {
            Ok(()) => self.known.intended.extend(intended),
            Err(error) => {
                steps.retain(|step| !matches!(step, RegistrationStep::Create(_)));
                self.failures.add(RegistrationError::Unrecorded(error));
            }
        }
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
        let Some(made) = self.known.registered.iter().find(|made| made.id == *id) else { return false };
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
                if made.as_ref().map_or_else(is_refusal, |_| true) {
                    let answered = IntendedCommand::of(&self.plan.server.name, &wanted);
                    self.known.intended.retain(|command| !command.is_same(&answered));
                }
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
        let made = self.known.registered.iter().find(|made| *made.id == *id);
        made.map_or_else(String::new, |made| format!("/{} of account {}", made.trigger, made.account))
    }

    /// Forgets a command that the server no longer has.
    fn forget(&mut self, id: &str) {
        let is_it = |command: &mut RegisteredCommand| *command.id == *id;
        for RegisteredCommand { account, trigger, .. } in self.known.registered.extract_if(.., is_it) {
            tracing::info!(account = &*account, trigger = &*trigger, "a slash command is deleted");
        }
    }

    /// Notes a command that the server has, with its token; if the server does not show it, it may be known already.
    fn note(&mut self, id: Box<str>, wanted: WantedCommand, token: Option<Token>) {
        let known = self.known.registered.iter().position(|command| command.id == id);
        let known = known.map(|at| self.known.registered.swap_remove(at));
        let shown = token.map(|token| token.expose().into());
        let token = shown.or(known.map(|command| command.token)).unwrap_or_default();
        let (server, account) = (self.plan.server.name.as_str().into(), wanted.account.as_str().into());
        let trigger = wanted.settings.trigger;
        let command = RegisteredCommand { server, id, account, trigger, token };
        (self.effects.accept)(&command);
        self.known.registered.push(command);
    }
}

/// Returns true if the server has said that it has not done what it was asked. A proxy says 408 while the server may do it.
fn is_refusal(error: &RestError) -> bool {
    match error.kind {
        RestErrorKind::Unauthorized | RestErrorKind::RateLimited { .. } | RestErrorKind::NotFound => true,
        RestErrorKind::Refused(status) => status != 408,
        RestErrorKind::Unreachable
        | RestErrorKind::Timeout
        | RestErrorKind::Tls
        | RestErrorKind::Proxy
        | RestErrorKind::Redirect
        | RestErrorKind::NotJson
        | RestErrorKind::TooLarge
        | RestErrorKind::Server(_)
        | RestErrorKind::BadBody => false,
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
