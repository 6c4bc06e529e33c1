//! The registration of slash commands at the servers.

mod intended_commands;
mod registered_commands;
mod registration;
mod steps;

use std::{cell::RefCell, path::PathBuf, time::Duration};

use futures_util::future::join_all;
use matterhost_actors::{mattermost::SlashCommand, model::Token};
use tokio::{sync::watch, time::timeout};

pub use self::registered_commands::RegisteredCommand;

use self::{
    intended_commands::IntendedCommand,
    registered_commands::Record,
    registration::{Effects, RegistrationRun, register},
    steps::WantedCommand,
};
use super::{HookService, Integrations};
use crate::config::{AccountConfig, CommandConfig, CommandMethod, Config, ServerConfig};

/// The time until the servers are asked again: an administrator may have deleted a command, or made a new token for it.
const CHECK_AGAIN: Duration = Duration::from_secs(600);
/// The time until a registration that failed, or whose answer was lost, is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// The commands to register at one server.
#[derive(Debug, Clone)]
struct ServerPlan {
    server: ServerConfig,
    token: Token,
    commands: Vec<PlannedCommand>,
}

/// A command to register in a team.
#[derive(Debug, Clone)]
struct PlannedCommand {
    team: String,
    /// The command, without the team's id.
    command: WantedCommand,
}

/// The task that registers commands, with the plans that it follows.
#[derive(Debug)]
pub struct CommandRegistrar {
    plans: watch::Sender<Vec<ServerPlan>>,
    integrations: Integrations,
}

impl CommandRegistrar {
    /// Starts the task, with the file that records what is registered. Commands in it are taken at once.
    pub fn start(service: HookService, file: Option<PathBuf>) -> Self {
        let integrations = service.integrations().clone();
        let plans = watch::Sender::new(Vec::new());
        let record = Record::read(file);
        service.set_registered(&record.known().registered);
        actix_rt::spawn(follow(plans.subscribe(), record, service));
        Self { plans, integrations }
    }

    /// Follows another configuration.
    pub fn set_config(&self, config: &Config) {
        self.plans.send_replace(plans(config, &self.integrations));
    }
}

/// Returns a plan for each server with a token for commands.
fn plans(config: &Config, integrations: &Integrations) -> Vec<ServerPlan> {
    let plan = |server: &ServerConfig| {
        let token = server.commands_token.clone()?;
        let accounts = config.accounts.iter().filter(|account| account.server == server.name);
        let commands = accounts.flat_map(|account| planned(account, integrations)).collect();
        Some(ServerPlan { server: server.clone(), token, commands })
    };
    config.servers.iter().filter_map(plan).collect()
}

/// Returns the commands of an account that the host registers: those without a token of an administrator's.
fn planned<'a>(
    account: &'a AccountConfig,
    integrations: &'a Integrations,
) -> impl Iterator<Item = PlannedCommand> + 'a {
    let registered = account.commands.iter().filter(|(_, command)| command.tokens.is_empty());
    registered.flat_map(move |(trigger, command)| {
        let url = integrations.url(&account.name, &format!("command/{trigger}"));
        let settings = settings(account, trigger, command, url);
        let command_of = move |team: &String| PlannedCommand {
            team: team.clone(),
            command: WantedCommand { account: account.name.clone(), settings: settings.clone() },
        };
        command.teams.iter().map(command_of)
    })
}

fn settings(account: &AccountConfig, trigger: &str, command: &CommandConfig, url: String) -> SlashCommand {
    let method = match command.method {
        CommandMethod::Post => "P",
        CommandMethod::Get => "G",
    };
    SlashCommand {
        team_id: Box::default(),
        trigger: trigger.into(),
        method: method.into(),
        url: url.into(),
        auto_complete: true,
        auto_complete_desc: command.description.as_str().into(),
        auto_complete_hint: command.hint.as_str().into(),
        display_name: format!("matterhost: {}", account.name).into(),
    }
}

/// Names the commands that cannot be deleted, because their server has no token for commands any more.
fn warn_of_left_over(plans: &[ServerPlan], record: &Record) {
    let is_planned = |server: &str| plans.iter().any(|plan| plan.server.name.as_str() == server);
    let known = record.known();
    let registered =
        known.registered.iter().map(|command| (&command.server, &command.account, &command.trigger));
    let intended = known.intended.iter().map(|command| (&command.server, &command.account, &command.trigger));
    for (server, account, trigger) in registered.chain(intended).filter(|(server, ..)| !is_planned(server)) {
        tracing::warn!(
            account = &**account,
            trigger = &**trigger,
            "a slash command stays registered, because server {server} has no token for commands any more; set \
             servers.{server}.commands_token_file again and reload, or delete it in Mattermost"
        );
    }
}

/// Registers what the newest plans say, again after each change and after some time.
async fn follow(mut plans: watch::Receiver<Vec<ServerPlan>>, record: Record, service: HookService) {
    let record = RefCell::new(record);
    let accept = |command: &RegisteredCommand| service.accept_registered(command);
    let intend = |commands: &[IntendedCommand]| record.borrow_mut().intend(commands);
    let effects = Effects { accept: &accept, intend: &intend };
    loop {
        let current = plans.borrow_and_update().clone();
        warn_of_left_over(&current, &record.borrow());
        let known: Vec<_> = current.iter().map(|plan| record.borrow().of(&plan.server.name)).collect();
        let all =
            current.iter().zip(known).map(|(plan, known)| register(plan, known, effects, plans.clone()));
        let all = join_all(all).await;
        let is_done = keep(&mut record.borrow_mut(), &current, all);
        service.set_registered(&record.borrow().known().registered);
        let wait = if is_done { CHECK_AGAIN } else { TRY_AGAIN };
        // The sender lives as long as the host.
        if let Ok(Err(_)) = timeout(wait, plans.changed()).await {
            return;
        }
    }
}

/// Records what the servers have after a run. Returns true if nothing is left to try again.
fn keep(record: &mut Record, plans: &[ServerPlan], runs: Vec<RegistrationRun>) -> bool {
    let mut is_done = true;
    for (plan, (known, failures)) in plans.iter().zip(runs) {
        is_done &= known.intended.is_empty() && failures.is_empty();
        record.replace(&plan.server.name, known);
        if !failures.is_empty() {
            let server = plan.server.name.as_str();
            tracing::warn!(server, "not all slash commands are registered; trying again: {failures}");
        }
    }
    record.write();
    is_done
}
