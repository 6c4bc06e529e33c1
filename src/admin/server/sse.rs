//! Streams of server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data, Query, ReqData},
};
use futures_util::{Stream, stream};
use matterhost_actors::model::Fact;
use serde::Deserialize;
use tokio::{
    sync::{
        OwnedSemaphorePermit,
        broadcast::{Receiver, error::RecvError},
    },
    time::timeout,
};
use tracing::Level;
use utoipa::IntoParams;

use super::{
    account_feed::{self, ROWS_PER_EVENT},
    api_error::{ApiError, check_known},
    authenticator::Caller,
    backend::Backend,
    event_log::{EventFilter, EventLogItem, EventLogReader, gap_event},
};
use crate::admin::dto::{self, Problem};

/// A quiet stream says something so often: whatever lies between would take it for dead.
const QUIET: Duration = Duration::from_secs(15);
const COMMENT: &[u8] = b": still here\n\n";
/// How soon a browser comes back by itself.
const RETRY: &[u8] = b"retry: 2000\n\n";

/// Which facts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only those of these accounts, with commas between.
    account: Option<String>,
    /// Only those of these servers themselves, with commas between.
    server: Option<String>,
    /// Only these facts, with commas between. `probe_good` is in no stream.
    fact: Option<String>,
    /// Nothing that matters less than `error`, `warn`, `info` or `debug`; `info` unless it is given.
    level: Option<String>,
}

impl Which {
    fn wanted(&self) -> Result<EventFilter, ApiError> {
        let words = |list: &Option<String>| -> Vec<String> {
            let list = list.as_deref().unwrap_or_default().split(',').map(str::trim);
            list.filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let level = match self.level.as_deref() {
            None => Level::INFO,
            Some(level) => level
                .parse()
                .map_err(|_| ApiError::bad_request("level is to be one of error, warn, info and debug"))?,
        };
        let facts = words(&self.fact);
        check_known("fact", &facts, &Fact::LABELS)?;
        Ok(EventFilter { accounts: words(&self.account), servers: words(&self.server), facts, level })
    }
}

/// What happens, as it happens
///
/// Server-sent events: `fact` with a Fact, and `gap` with a Gap where some are missing. A listener that comes back with
/// `Last-Event-ID` gets what it missed, as far as it is kept.
#[utoipa::path(get, path = "/v1/events", tag = "streams",
    params(Which, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that came")),
    responses((status = 200, description = "A stream of `fact` and `gap`", body = dto::Fact, content_type = "text/event-stream"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn events(
    backend: Data<Backend>,
    which: Query<Which>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let permit = permit(&backend)?;
    let wanted = which.wanted()?;
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok());
    let state = Tail {
        hello: Some(Bytes::from_static(RETRY)),
        listening: backend.event_log.listen(last),
        wanted,
        _permit: permit,
    };
    Ok(answer(stream::unfold(state, |mut tail| async { Some((tail.next().await?, tail)) })))
}

/// A listener to facts.
struct Tail {
    hello: Option<Bytes>,
    listening: EventLogReader,
    wanted: EventFilter,
    _permit: OwnedSemaphorePermit,
}

impl Tail {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(hello) = self.hello.take() {
            return Some(hello);
        }
        // What is not wanted makes no sound, and does not put off the next comment either.
        timeout(QUIET, self.wanted()).await.unwrap_or(Some(Bytes::from_static(COMMENT)))
    }

    async fn wanted(&mut self) -> Option<Bytes> {
        loop {
            match self.listening.next().await? {
                EventLogItem::Missed(missed) => return Some(gap_event(missed)),
                EventLogItem::Entry(line) => {
                    if let Some(chunk) = line.chunk(&self.wanted) {
                        return Some(chunk);
                    }
                }
            }
        }
    }
}

/// The accounts, and what changes of them, at most once a second
///
/// Server-sent events: `instance` with an `Instance`, then `rows` with `AccountChanges`. Where one has `snapshot`, it begins anew.
#[utoipa::path(get, path = "/v1/watch", tag = "streams",
    responses((status = 200, description = "A stream of `instance` and `rows`", body = dto::AccountChanges, content_type = "text/event-stream"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn watch(backend: Data<Backend>, caller: ReqData<Caller>) -> Result<HttpResponse, ApiError> {
    let permit = permit(&backend)?;
    let receiver = backend.account_feed.watch().await?;
    // Texts and numbers cannot fail to be written.
    let instance = serde_json::to_string(&backend.instance_for(caller.into_inner())).unwrap_or_default();
    let hello = Some(format!("retry: 2000\nevent: instance\ndata: {instance}\n\n").into());
    let state = Watcher { backend, hello, rows: Rows::First, receiver, _permit: permit };
    Ok(answer(stream::unfold(state, |mut watcher| async { Some((watcher.next().await?, watcher)) })))
}

/// Which rows are due.
enum Rows {
    /// The first of all.
    First,
    /// Those after this name.
    After(String),
    /// All are told: now what changes.
    Told,
}

/// A watcher of the accounts.
struct Watcher {
    backend: Data<Backend>,
    hello: Option<Bytes>,
    rows: Rows,
    receiver: Receiver<Bytes>,
    _permit: OwnedSemaphorePermit,
}

impl Watcher {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(hello) = self.hello.take() {
            return Some(hello);
        }
        if let Some(rows) = self.due() {
            return Some(rows);
        }
        match timeout(QUIET, self.receiver.recv()).await {
            Err(_) => Some(Bytes::from_static(COMMENT)),
            Ok(Ok(chunk)) => Some(chunk),
            Ok(Err(RecvError::Lagged(_))) => {
                self.receiver = self.receiver.resubscribe();
                self.rows = Rows::First;
                self.due()
            }
            Ok(Err(RecvError::Closed)) => None,
        }
    }

    /// The next of the rows, until all are told. Without any account that is an event, too.
    fn due(&mut self) -> Option<Bytes> {
        let (snapshot, after) = match &self.rows {
            Rows::First => (true, None),
            Rows::After(name) => (false, Some(name.as_str())),
            Rows::Told => return None,
        };
        let rows = self.backend.account_feed.rows(after);
        let last = rows.last().filter(|_| rows.len() == ROWS_PER_EVENT);
        self.rows = last.map_or(Rows::Told, |last| Rows::After(last.name.clone()));
        (snapshot || !rows.is_empty()).then(|| account_feed::rows_event(snapshot, &rows, &[]))
    }
}

fn permit(backend: &Backend) -> Result<OwnedSemaphorePermit, ApiError> {
    let full = || ApiError::too_many_requests("too many listen already (admin.max_streams)", QUIET);
    Arc::clone(&backend.streams).try_acquire_owned().map_err(|_| full())
}

fn answer(chunks: impl Stream<Item = Bytes> + 'static) -> HttpResponse {
    use futures_util::StreamExt as _;
    let chunks = chunks.map(Ok::<_, Infallible>);
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("x-accel-buffering", "no"))
        .streaming(chunks)
}
