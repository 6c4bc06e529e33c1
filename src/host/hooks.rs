//! The hooks of the host, from their address and key to their start.

use std::{collections::HashMap, path::Path, sync::Arc};

use anyhow::Context as _;
use matterhost_actors::{model::AccountName, ports::Poster};

use crate::{
    admin::{generated_token, server::Listener},
    config::{AccountConfig, AdminToken, Config, HooksConfig, Secrets},
    hooks::{CommandRegistrar, HookAccount, HookServer, HookService, Integrations, Signer},
    sinks::SinkBoard,
    telemetry::metrics::Metrics,
};

/// The listener of the hooks, which does not accept requests yet.
pub(super) struct BoundHooks {
    listener: Listener,
    max_connections: usize,
    public_url: String,
    service: HookService,
}

impl BoundHooks {
    /// Binds the address and finds the key; returns `None` if the host takes no hooks.
    pub(super) fn bind(config: Option<&HooksConfig>, metrics: &Metrics) -> anyhow::Result<Option<Self>> {
        let Some(config) = config else { return Ok(None) };
        let listener = Listener::bind_tcp(config.listen, config.tls.clone())
            .context("cannot bind the hooks; set hooks.bind to a free address")?;
        let secrets = match &config.secrets {
            Some(secrets) => secrets.clone(),
            None => generated(config.secret_file().as_deref()).context("cannot make a key for the hooks")?,
        };
        let integrations =
            Integrations::new(Signer::new(&secrets), &config.public_url, config.button_lifetime);
        let service = HookService::new(integrations, config.max_connections, metrics.hook_meter());
        let (max_connections, public_url) = (config.max_connections, config.public_url.clone());
        Ok(Some(Self { listener, max_connections, public_url, service }))
    }

    /// Accepts requests, and logs the addresses.
    pub(super) fn start(self) -> anyhow::Result<HookServer> {
        let Self { listener, max_connections, public_url, service } = self;
        let url = listener.url();
        let server =
            HookServer::start(listener, max_connections, service).context("cannot start the hooks")?;
        tracing::info!(url, public_url, "the hooks are listening");
        Ok(server)
    }
}

/// The hooks, which follow the configuration.
pub(super) struct HookDeps {
    service: HookService,
    registrar: CommandRegistrar,
}

impl HookDeps {
    /// Sets the sinks that the events of hooks go to, and starts the registration of commands.
    pub(super) fn start(
        service: Option<HookService>,
        board: &SinkBoard,
        config: Option<&HooksConfig>,
    ) -> Option<Self> {
        let (service, config) = service.zip(config)?;
        service.set_sinks(board.clone());
        let registrar = CommandRegistrar::start(service.clone(), config.commands_file());
        Some(Self { service, registrar })
    }

    /// Follows another configuration.
    pub(super) fn set_config(&self, config: &Config) {
        self.service.set_accounts(accounts(config));
        self.registrar.set_config(config);
    }
}

/// Returns the poster of the sinks and of the API, and the hooks that it belongs to if the host takes any.
pub(super) fn poster(
    direct: Arc<dyn Poster>,
    bound: Option<&BoundHooks>,
) -> (Arc<dyn Poster>, Option<HookService>) {
    match bound {
        Some(bound) => (bound.service.poster(direct), Some(bound.service.clone())),
        None => (direct, None),
    }
}

/// Returns the accounts that take hooks: all.
fn accounts(config: &Config) -> HashMap<AccountName, HookAccount> {
    let account = |account: &AccountConfig| {
        let commands = account.commands.iter();
        let commands = commands.map(|(trigger, command)| (trigger.clone(), command.tokens.clone())).collect();
        (account.name.clone(), HookAccount { server: account.server.clone(), commands })
    };
    config.accounts.iter().map(account).collect()
}

/// Returns the key in a file, or makes one and writes it there. Without a directory it lasts as long as the process.
fn generated(file: Option<&Path>) -> anyhow::Result<Secrets> {
    let Some(path) = file else {
        tracing::warn!("the key of the hooks is kept in memory: buttons stop working at the next start");
        return new_secret();
    };
    let shown = path.display();
    match generated_token::read_own(path).map(|text| Secrets::parse(text.expose())) {
        Ok(Ok(secrets)) => return Ok(secrets),
        Ok(Err(error)) => {
            anyhow::bail!("{shown}: {error}; remove the file, and the buttons of older posts stop working")
        }
        Err(error) if error.is_missing() => {}
        Err(error) => anyhow::bail!("{shown}: {error}; mend it, or remove the file"),
    }
    let text = AdminToken::generate_secret()?;
    let secrets = Secrets::parse(text.expose())?;
    generated_token::write(path, &text).with_context(|| format!("{shown} cannot be written"))?;
    tracing::info!(file = %shown, "the hooks have a new key, which is in a file");
    Ok(secrets)
}

fn new_secret() -> anyhow::Result<Secrets> {
    Ok(Secrets::parse(AdminToken::generate_secret()?.expose())?)
}
