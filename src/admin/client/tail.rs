//! Follows what happens.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::{sleep, timeout};
use url::form_urlencoded;

use super::{
    Client, RemoteError,
    http_client::ByteChunks,
    sse::{Event, Parser},
};
use crate::admin::dto::{Fact, Gap};

/// How soon to ask a host again that went away: a restart of it takes seconds.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long a host may say nothing: one that lives says something every 15 s, so three of these are missing then.
const SILENT_FOR: Duration = Duration::from_secs(45);

/// What to follow.
#[derive(Debug, Clone, Default)]
pub struct TailOptions {
    /// Only these accounts.
    pub accounts: Vec<String>,
    /// Only these servers themselves, with commas between.
    pub server: Option<String>,
    /// Only these facts, with commas between.
    pub fact: Option<String>,
    /// Nothing that matters less.
    pub level: String,
    /// As lines of JSON.
    pub json: bool,
}

impl TailOptions {
    fn path(&self) -> String {
        let accounts = Some(self.accounts.join(",")).filter(|list| !list.is_empty());
        let pairs =
            [("account", accounts.as_ref()), ("server", self.server.as_ref()), ("fact", self.fact.as_ref())];
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs.iter().filter_map(|(key, value)| Some((*key, (*value)?))))
            .append_pair("level", &self.level)
            .finish();
        format!("/v1/events?{query}")
    }
}

/// Prints what happens, until standard output ends. A host that goes away is asked again, from where it was.
///
/// # Errors
/// When the host cannot be asked at first or refuses, or standard output cannot be written.
pub async fn tail(client: &Client, what: &TailOptions) -> Result<(), RemoteError> {
    let mut last: Option<String> = None;
    let mut began = false;
    loop {
        let mut pieces = match client.listen(&what.path(), last.as_deref()).await {
            Ok(pieces) => pieces,
            Err(error) if began && error.is_transient() => {
                sleep(AGAIN_AFTER).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        began = true;
        say(&format!("following {client}"));
        let mut parser = Parser::default();
        while let Some(piece) = next(&mut pieces, SILENT_FOR).await {
            // One that never ends is another connection's matter.
            let Ok(events) = parser.take(&piece) else { break };
            for event in events {
                print(&event, what.json)?;
                last = event.id.or(last);
            }
        }
        say("the host went away; asking again");
        sleep(AGAIN_AFTER).await;
    }
}

/// The next piece; none when the stream ended, broke, or was silent for that long.
async fn next(pieces: &mut ByteChunks, silent_for: Duration) -> Option<Bytes> {
    timeout(silent_for, pieces.next()).await.ok()??.ok()
}

fn print(event: &Event, json: bool) -> io::Result<()> {
    let line = match (&*event.kind, json) {
        ("fact", true) => event.data.clone(),
        ("fact", false) => {
            serde_json::from_str(&event.data).map_or_else(|_| event.data.clone(), |fact| told(&fact))
        }
        ("gap", _) => {
            let missed = serde_json::from_str::<Gap>(&event.data).map_or(0, |gap| gap.missed);
            let count = if missed == 0 { "Some".to_owned() } else { missed.to_string() };
            say(&format!("{count} facts are missing here"));
            return Ok(());
        }
        _ => return Ok(()),
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Says something beside the facts.
fn say(what: &str) {
    // When even standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "matterhost: {what}");
}

fn told(fact: &Fact) -> String {
    let who = match (&fact.account, fact.generation, &fact.server) {
        (Some(account), Some(generation), _) => format!("{account}#{generation}"),
        (_, _, Some(server)) => format!("server {server}"),
        _ => String::new(),
    };
    format!("{} {:5} {who}: {}", fact.at, fact.level.to_uppercase(), fact.message)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_host_is_left() {
        let said = stream::iter([Ok(Bytes::from_static(b":"))]);
        let mut pieces = said.chain(stream::pending()).boxed_local();
        assert_eq!(next(&mut pieces, SILENT_FOR).await.as_deref(), Some(&b":"[..]));
        // Without a limit nothing would ever wake it.
        let left = timeout(2 * SILENT_FOR, next(&mut pieces, SILENT_FOR)).await;
        assert_eq!(left, Ok(None));
    }
}
