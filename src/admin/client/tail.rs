//! Follows the stream of facts.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use matterhost_actors::model::{AccountName, printable};
use tokio::time::{sleep, timeout};
use url::form_urlencoded;

use super::{
    Client, RemoteError,
    http_client::ByteChunks,
    sse::{Event, Parser},
    unknown_account,
};
use crate::admin::dto::{Fact, Gap};

/// The pause before reconnecting to a host that went away; a restart takes seconds.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// The silence after which a host counts as gone: it sends a comment every 15 s, so three are missing by then.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(45);

/// A selection of facts and an output format.
#[derive(Debug, Clone, Default)]
pub struct TailOptions {
    /// Only facts of these accounts.
    pub accounts: Vec<AccountName>,
    /// Only facts of these servers themselves, separated by commas.
    pub server: Option<String>,
    /// Only these facts, separated by commas.
    pub fact: Option<String>,
    /// The least severe level to show.
    pub level: String,
    /// Print each fact as a line of JSON.
    pub json: bool,
}

impl TailOptions {
    fn path(&self) -> String {
        let accounts = Some(join(&self.accounts)).filter(|list| !list.is_empty());
        let pairs =
            [("account", accounts.as_ref()), ("server", self.server.as_ref()), ("fact", self.fact.as_ref())];
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs.iter().filter_map(|(key, value)| Some((*key, (*value)?))))
            .append_pair("level", &self.level)
            .finish();
        format!("/v1/events?{query}")
    }
}

fn join(accounts: &[AccountName]) -> String {
    accounts.iter().map(AccountName::as_str).collect::<Vec<_>>().join(",")
}

/// Prints facts as they happen. If the host goes away, reconnects and continues after the last fact.
///
/// # Errors
/// When an account does not exist, the first request fails, a later one is refused, or standard output cannot be written.
pub async fn tail(client: &Client, options: &TailOptions) -> Result<(), RemoteError> {
    // Facts of an account that does not exist would never come.
    unknown_account::check(client, &options.accounts).await?;
    let mut last: Option<String> = None;
    let mut connected = false;
    loop {
        let mut chunks = match client.listen(&options.path(), last.as_deref()).await {
            Ok(chunks) => chunks,
            Err(error) if connected && error.is_transient() => {
                sleep(RECONNECT_DELAY).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        connected = true;
        print_notice(&format!("following {client}"));
        let mut parser = Parser::default();
        while let Some(chunk) = next(&mut chunks, SILENCE_TIMEOUT).await {
            // An event that is too large ends this connection.
            let Ok(events) = parser.push(&chunk) else { break };
            for event in events {
                print(&event, options.json)?;
                last = event.id.or(last);
            }
        }
        print_notice("the host went away; reconnecting");
        sleep(RECONNECT_DELAY).await;
    }
}

/// Returns the next chunk, or `None` if the stream ended, failed, or was silent for too long.
async fn next(chunks: &mut ByteChunks, limit: Duration) -> Option<Bytes> {
    timeout(limit, chunks.next()).await.ok()??.ok()
}

fn print(event: &Event, json: bool) -> io::Result<()> {
    if event.kind == "gap" {
        let missed = serde_json::from_str::<Gap>(&event.data).map_or(0, |gap| gap.missed);
        let count = if missed == 0 { "Some".to_owned() } else { missed.to_string() };
        print_notice(&format!("{count} facts are missing here"));
    }
    let Some(line) = line(event, json) else { return Ok(()) };
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Returns a fact as one line; `None` for another kind of event.
pub(super) fn line(event: &Event, json: bool) -> Option<String> {
    let line = match (&*event.kind, json) {
        ("fact", true) => event.data.clone(),
        ("fact", false) => {
            serde_json::from_str(&event.data).map_or_else(|_| event.data.clone(), |fact| format_fact(&fact))
        }
        _ => return None,
    };
    Some(one_line(&line))
}

/// Returns a text as one line without escapes, whatever the host sent.
fn one_line(text: &str) -> String {
    printable(text).replace('\n', " ")
}

/// Prints a notice on standard error.
fn print_notice(text: &str) {
    // If standard error is closed, the notice is lost.
    let _ = writeln!(io::stderr().lock(), "matterhost: {text}");
}

fn format_fact(fact: &Fact) -> String {
    let subject = match (&fact.account, fact.generation, &fact.server) {
        (Some(account), Some(generation), _) => format!("{account}#{generation}"),
        (_, _, Some(server)) => format!("server {server}"),
        _ => String::new(),
    };
    format!("{} {:5} {subject}: {}", fact.at, fact.level.to_uppercase(), fact.message)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[test]
    fn a_line_stays_one_and_has_no_escapes() {
        assert_eq!(one_line("a\u{1b}[2J\r\nERROR b\u{9b}1m"), "a\u{fffd}[2J  ERROR b\u{fffd}1m");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_host_is_left() {
        let sent = stream::iter([Ok(Bytes::from_static(b":"))]);
        let mut chunks = sent.chain(stream::pending()).boxed_local();
        assert_eq!(next(&mut chunks, SILENCE_TIMEOUT).await.as_deref(), Some(&b":"[..]));
        // The stream is pending for ever, so only the limit can end the wait.
        let ended = timeout(2 * SILENCE_TIMEOUT, next(&mut chunks, SILENCE_TIMEOUT)).await;
        assert_eq!(ended, Ok(None));
    }
}
