//! An administrator's access to one server.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
};

use actix::System;
use clap::Args;
use matterhost_actors::{
    mattermost::{Bot, Client, RestError, RestErrorKind},
    model::{AccountName, ServerName, Token, printable},
};

use crate::{
    cli::{
        account_files::FilesError,
        config::load,
        output::{print, print_config_error, print_error},
    },
    config::{Bots, Config, FileArg, ServerConfig, did_you_mean, read_secret},
    host::Exit,
};

/// The server, and the administrator's token for it.
#[derive(Debug, Args)]
pub(in crate::cli) struct AdministratorArgs {
    /// Server, by its name in the configuration; optional if there is only one
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) server: Option<String>,
    /// File with the token of a system administrator; without it the token is asked for
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) admin_token_file: Option<PathBuf>,
}

/// An administrator's access to one server. The token is in memory only.
pub(in crate::cli) struct Administrator {
    pub(in crate::cli) server: ServerName,
    client: Client,
    token: Token,
}

/// The reason why something could not be done for one bot.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum BotError {
    /// The server refused it or cannot be reached.
    #[error("{}", explain(.0))]
    Server(#[from] RestError),
    /// A file cannot be written or removed.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Describes a failure, with a remedy for those that administrators cause.
fn explain(error: &RestError) -> String {
    let remedy = match error.kind {
        RestErrorKind::Unauthorized => "; give the token of a system administrator that is not revoked",
        RestErrorKind::Refused(403) => {
            "; use the token of a system administrator, and allow bot accounts and personal access tokens in the \
             System Console (Integrations)"
        }
        RestErrorKind::Server(501) => "; allow personal access tokens in the System Console (Integrations)",
        _ => "",
    };
    format!("{error}{remedy}")
}

impl AdministratorArgs {
    /// Reads the configuration, gets the token, and runs `work` with both.
    pub(super) fn run(
        &self,
        file: &FileArg,
        bots: &Bots,
        work: impl AsyncFnOnce(&Config, &Administrator) -> Exit,
    ) -> Exit {
        let config = match load(file, bots) {
            Ok(config) => config,
            Err(error) => return print_config_error(&error),
        };
        let server = match select_server(&config, self.server.as_deref()) {
            Ok(server) => server,
            Err(message) => return print_error(message),
        };
        let prompt = format!("Token of a system administrator of {}: ", server.client.url());
        let token = match read_token(self.admin_token_file.as_ref(), "--admin-token-file", &prompt) {
            Ok(token) => token,
            Err(message) => return print_error(message),
        };
        System::new().block_on(async {
            let administrator =
                Administrator { server: server.name.clone(), client: Client::new(&server.client), token };
            work(&config, &administrator).await
        })
    }
}

impl Administrator {
    /// Returns the client and the token for its requests.
    pub(super) fn client(&self) -> (&Client, &Token) {
        (&self.client, &self.token)
    }

    /// Returns the bot with a name.
    pub(super) async fn bot(&self, username: &str) -> Result<Bot, BotError> {
        let bot = self.client.bot_by_name(&self.token, username).await?;
        bot.ok_or_else(|| {
            BotError::Other(format!("there is no bot @{username}; `matterhost bots list` shows the bots"))
        })
    }
}

/// Returns the server with a name, or the only one.
pub(in crate::cli) fn select_server<'a>(
    config: &'a Config,
    name: Option<&str>,
) -> Result<&'a ServerConfig, String> {
    let names = || config.servers.iter().map(|server| server.name.as_str());
    let list = || names().collect::<Vec<_>>().join(", ");
    match (name, &config.servers[..]) {
        (None, [only]) => Ok(only),
        (None, _) => Err(format!("there are several servers; give --server with one of {}", list())),
        (Some(name), servers) => {
            let found = servers.iter().find(|server| server.name.as_str() == name);
            found.ok_or_else(|| match did_you_mean(name, names()) {
                Some(meant) => format!("there is no server {name:?}; did you mean {meant}?"),
                None => format!("there is no server {name:?}; give --server with one of {}", list()),
            })
        }
    }
}

/// Reads a token from a file, or asks for it on the terminal without showing it.
pub(in crate::cli) fn read_token(file: Option<&PathBuf>, flag: &str, prompt: &str) -> Result<Token, String> {
    let text = match file {
        Some(file) => {
            read_secret(file).map_err(|message| format!("{flag}: {}: {message}", file.display()))?
        }
        None if io::stdin().is_terminal() => rpassword::prompt_password(prompt)
            .map_err(|error| format!("cannot ask for the token: {error}"))?,
        None => return Err(format!("there is no terminal to ask for the token; give {flag} FILE")),
    };
    Token::new(text).map_err(|error| format!("{error}; give the token and nothing else"))
}

/// Does something for each bot, prints the result of each, and goes on after a failure.
pub(super) async fn each_bot(
    names: &[AccountName],
    mut work: impl AsyncFnMut(&AccountName) -> Result<String, BotError>,
) -> Exit {
    let mut exit = Exit::Success;
    for name in names {
        match work(name).await {
            Ok(done) => {
                print(format!("{name}: {done}\n").as_bytes());
            }
            Err(error) => {
                report(name, &error);
                exit = Exit::Failed;
            }
        }
    }
    if exit == Exit::Failed {
        let _ =
            writeln!(io::stderr().lock(), "matterhost: some bots failed; the same command can be repeated");
    }
    exit
}

fn report(name: &AccountName, error: &impl fmt::Display) {
    // If standard error is closed, the exit status still reports the failure.
    let _ = writeln!(io::stderr().lock(), "matterhost: {name}: {}", printable(&error.to_string()));
}
