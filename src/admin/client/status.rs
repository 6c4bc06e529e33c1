//! Shows the accounts of a running host.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use crossterm::{
    cursor::MoveTo,
    queue,
    terminal::{self, Clear, ClearType},
};
use matterhost_actors::model::AccountName;
use tokio::time::sleep;
use url::form_urlencoded;

use super::{Client, RemoteError, actions::encode_path_segment, table};
use crate::{
    admin::dto::{AccountDetail, Accounts},
    telemetry::color,
};

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Rows when nothing says how high the terminal is.
const USUAL_ROWS: u16 = 40;
/// Lines beside the rows: header, rules, sum, what went wrong.
const OTHER_LINES: u16 = 6;

/// Which accounts, and how they are shown.
#[derive(Debug, Clone, Default)]
pub struct StatusQuery {
    /// Everything of one.
    pub account: Option<AccountName>,
    /// Only those in these states.
    pub state: Option<String>,
    /// Only those on this server.
    pub server: Option<String>,
    /// As JSON.
    pub json: bool,
}

impl StatusQuery {
    fn path(&self) -> String {
        if let Some(account) = &self.account {
            return format!("/v1/accounts/{}", encode_path_segment(account));
        }
        let pairs = [("state", &self.state), ("server", &self.server)];
        let given = pairs.iter().filter_map(|(key, value)| Some((*key, value.as_ref()?)));
        let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
        if query.is_empty() { "/v1/accounts".to_owned() } else { format!("/v1/accounts?{query}") }
    }
}

/// What is to be shown now.
///
/// # Errors
/// When the host cannot be asked.
pub async fn status(client: &Client, choice: &StatusQuery) -> Result<String, RemoteError> {
    picture(client, choice, usize::MAX).await
}

/// Shows it again and again, until standard output ends.
///
/// # Errors
/// When the host cannot be asked at first, or standard output cannot be written. Later it is asked again.
pub async fn watch(client: &Client, choice: &StatusQuery) -> Result<(), RemoteError> {
    let terminal = io::stdout().is_terminal() && !choice.json;
    let mut shown = String::new();
    loop {
        match picture(client, choice, rows(terminal)).await {
            Ok(picture) => shown = picture,
            Err(error) if error.is_transient() && !shown.is_empty() => {
                say(terminal, &shown, &error)?;
                sleep(LOOK_EVERY).await;
                continue;
            }
            Err(error) => return Err(error),
        }
        show(terminal, &shown)?;
        sleep(LOOK_EVERY).await;
    }
}

/// On a terminal the last picture stays, with what went wrong; elsewhere only what was asked for is on standard output.
fn say(terminal: bool, shown: &str, error: &RemoteError) -> io::Result<()> {
    if terminal {
        return show(terminal, &format!("{shown}! {error}\n"));
    }
    // When even standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "matterhost: {error}");
    Ok(())
}

async fn picture(client: &Client, choice: &StatusQuery, most: usize) -> Result<String, RemoteError> {
    let path = choice.path();
    if choice.json {
        let value: serde_json::Value = client.get(&path).await?;
        return Ok(format!("{value}\n"));
    }
    let colours = color::is_enabled(&io::stdout());
    if choice.account.is_some() {
        let detail: AccountDetail = client.get(&path).await?;
        return Ok(table::detail(&detail, colours));
    }
    let Accounts { accounts } = client.get(&path).await?;
    Ok(table::table(&accounts, most, colours))
}

fn show(terminal: bool, picture: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if terminal {
        queue!(out, MoveTo(0, 0), Clear(ClearType::All))?;
    }
    out.write_all(picture.as_bytes())?;
    out.flush()
}

fn rows(terminal: bool) -> usize {
    if !terminal {
        return usize::MAX;
    }
    let height = terminal::size().map_or(USUAL_ROWS, |(_, height)| height);
    usize::from(height.saturating_sub(OTHER_LINES).max(1))
}
