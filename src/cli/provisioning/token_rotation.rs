//! `matterhost bots rotate`.

use std::time::Duration;

use matterhost_actors::{
    mattermost::{Me, RestErrorKind, TokenRow},
    model::{AccountName, UserId},
};
use tokio::time::{Instant, sleep};

use super::{
    RotateArgs,
    administrator::{Administrator, BotError, each_bot},
    create::TOKEN_DESCRIPTION,
};
use crate::{
    admin::client::{Client as HostClient, Endpoint, RemoteError, account},
    cli::account_files::write_secret,
    config::{AccountConfig, AccountSource, Bots, Config, did_you_mean},
    host::Exit,
};

/// The time for a running host to notice a new token and to connect with it.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(60);
/// The time between two looks at the running host.
const SWITCH_INTERVAL: Duration = Duration::from_millis(200);

/// The HTTP status of a host that does not have the account.
const NOT_FOUND: u16 = 404;

pub(super) fn run(args: &RotateArgs, bots: &Bots) -> Exit {
    args.administrator.run(&args.admin.file, bots, async |config, administrator| {
        each_bot(&args.names, async |name| rotate(args, config, administrator, name).await).await
    })
}

async fn rotate(
    args: &RotateArgs,
    config: &Config,
    administrator: &Administrator,
    name: &AccountName,
) -> Result<String, BotError> {
    let account = find_account(config, administrator, name)?;
    if account.source == AccountSource::Api {
        let message = format!("it was put by the admin API; send its new token with PUT /v1/accounts/{name}");
        return Err(BotError::Other(message));
    }
    let Some(file) = &account.token_file else {
        return Err(BotError::Other(
            "its token is not in a file; set token_file, or replace it by hand".into(),
        ));
    };
    let (client, token) = administrator.client();
    let user = owner(administrator, account).await?;
    let old = client.tokens(token, &user).await?;
    let host = Host::find(args, config, name).await?;
    let (id, new) = client.create_token(token, &user, TOKEN_DESCRIPTION).await?;
    if let Err(error) = write_secret(file, new.expose()) {
        // It will never be used.
        client.revoke_token(token, &id).await?;
        return Err(error.into());
    }
    let note = match host {
        Some(host) => {
            host.await_switch(name).await?;
            "the running host uses it"
        }
        None => "no running host was found",
    };
    let (ours, others): (Vec<_>, Vec<_>) = old.into_iter().partition(|row| args.revoke_all || is_ours(row));
    for row in &ours {
        client.revoke_token(token, &row.id).await?;
    }
    let rest = match others.len() {
        0 => String::new(),
        n => format!("; {n} that this program did not create stay (--revoke-all revokes them)"),
    };
    Ok(format!("new token in {}; {note}; old tokens revoked: {}{rest}", file.display(), ours.len()))
}

fn is_ours(row: &TokenRow) -> bool {
    *row.description == *TOKEN_DESCRIPTION
}

fn find_account<'a>(
    config: &'a Config,
    administrator: &Administrator,
    name: &AccountName,
) -> Result<&'a AccountConfig, BotError> {
    let found = config.accounts.iter().find(|account| account.name == *name);
    let account = found.ok_or_else(|| {
        let names = config.accounts.iter().map(|account| account.name.as_str());
        let meant = did_you_mean(name.as_str(), names).map(|meant| format!("; did you mean {meant}?"));
        BotError::Other(format!("there is no such account in the configuration{}", meant.unwrap_or_default()))
    })?;
    if account.server != administrator.server {
        let message = format!("it is on server {}; give --server {}", account.server, account.server);
        return Err(BotError::Other(message));
    }
    Ok(account)
}

/// Returns the user that the account's token belongs to. A token that is no longer valid does not tell: then it is the
/// bot with the account's name.
async fn owner(administrator: &Administrator, account: &AccountConfig) -> Result<UserId, BotError> {
    let (client, _) = administrator.client();
    match client.me(&account.token, None).await {
        Ok(response) => match response.value {
            Me::User { user, .. } => Ok(user.id),
            Me::Unmodified => Err(BotError::Other("the server does not say whose its token is".into())),
        },
        Err(error) if error.kind == RestErrorKind::Unauthorized => {
            Ok(administrator.bot(account.name.as_str()).await?.user_id)
        }
        Err(error) => Err(error.into()),
    }
}

/// A running host, and the connection that the account had.
struct Host {
    client: HostClient,
    generation: u64,
}

impl Host {
    /// Finds the host that runs the account, if there is one.
    ///
    /// # Errors
    /// Fails if that is not certain: the old token must not be revoked under a host that uses it.
    async fn find(args: &RotateArgs, config: &Config, name: &AccountName) -> Result<Option<Self>, BotError> {
        if config.admin.listen.is_none() && args.admin.admin.is_none() {
            return Ok(None);
        }
        let uncertain = |error: RemoteError| {
            BotError::Other(format!(
                "cannot tell whether a host runs the account ({error}); nothing was changed"
            ))
        };
        let client = HostClient::new(Endpoint::resolve(&args.admin).map_err(uncertain)?);
        match account(&client, name).await {
            Ok(account) => Ok(Some(Self { client, generation: account.generation })),
            Err(RemoteError::Unreachable { .. }) => Ok(None),
            Err(RemoteError::Refused { problem }) if problem.status == NOT_FOUND => Ok(None),
            Err(error) => Err(uncertain(error)),
        }
    }

    /// Waits until the account is ready with a later connection.
    async fn await_switch(&self, name: &AccountName) -> Result<(), BotError> {
        let end = Instant::now() + SWITCH_TIMEOUT;
        while Instant::now() < end {
            let now = account(&self.client, name).await;
            if now.is_ok_and(|now| now.generation > self.generation && now.state == "ready") {
                return Ok(());
            }
            sleep(SWITCH_INTERVAL).await;
        }
        Err(BotError::Other(
            "the running host does not use the new token yet, so the old one is not revoked; see `matterhost status`"
                .into(),
        ))
    }
}
