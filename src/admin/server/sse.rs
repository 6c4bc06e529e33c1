//! The routes of the streams of server-sent events.

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

/// The pause between comments on a quiet stream, which keep proxies from closing it.
const COMMENT_INTERVAL: Duration = Duration::from_secs(15);
const COMMENT: &[u8] = b": still here\n\n";
/// The time after which a browser reconnects by itself.
const RETRY: &[u8] = b"retry: 2000\n\n";

/// The filters of the stream of facts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// Only facts of these accounts, separated by commas.
    account: Option<String>,
    /// Only facts of these servers themselves, separated by commas.
    server: Option<String>,
    /// Only these facts, separated by commas. `probe_good` is never sent.
    fact: Option<String>,
    /// The least severe level: `error`, `warn`, `info` or `debug`; `info` by default.
    level: Option<String>,
}

impl EventQuery {
    fn filter(&self) -> Result<EventFilter, ApiError> {
        let words = |list: &Option<String>| -> Vec<String> {
            let list = list.as_deref().unwrap_or_default().split(',').map(str::trim);
            list.filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let level = match self.level.as_deref() {
            None => Level::INFO,
            Some(level) => level
                .parse()
                .map_err(|_| ApiError::bad_request("level must be one of error, warn, info and debug"))?,
        };
        let facts = words(&self.fact);
        check_known("fact", &facts, &Fact::LABELS)?;
        Ok(EventFilter { accounts: words(&self.account), servers: words(&self.server), facts, level })
    }
}

/// Follow facts as they happen
///
/// Server-sent events: `fact` with a `Fact`, and `gap` with a `Gap` where facts are missing. A client that reconnects with
/// `Last-Event-ID` gets the facts it missed, as far as they are kept.
#[utoipa::path(get, path = "/v1/events", tag = "streams",
    params(EventQuery, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event received")),
    responses((status = 200, description = "A stream of `fact` and `gap`", body = dto::Fact, content_type = "text/event-stream"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn events(
    backend: Data<Backend>,
    query: Query<EventQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let permit = permit(&backend)?;
    let filter = query.filter()?;
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok());
    let state = FactStream {
        hello: Some(Bytes::from_static(RETRY)),
        reader: backend.event_log.reader(last),
        filter,
        _permit: permit,
    };
    Ok(answer(stream::unfold(state, |mut facts| async { Some((facts.next().await?, facts)) })))
}

/// A stream of facts.
struct FactStream {
    hello: Option<Bytes>,
    reader: EventLogReader,
    filter: EventFilter,
    _permit: OwnedSemaphorePermit,
}

impl FactStream {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(hello) = self.hello.take() {
            return Some(hello);
        }
        // Filtered facts do not delay the next comment.
        timeout(COMMENT_INTERVAL, self.next_match()).await.unwrap_or(Some(Bytes::from_static(COMMENT)))
    }

    async fn next_match(&mut self) -> Option<Bytes> {
        loop {
            match self.reader.next().await? {
                EventLogItem::Missed(missed) => return Some(gap_event(missed)),
                EventLogItem::Entry(entry) => {
                    if let Some(chunk) = entry.chunk(&self.filter) {
                        return Some(chunk);
                    }
                }
            }
        }
    }
}

/// Watch the accounts and their changes, at most once a second
///
/// Server-sent events: `instance` with an `Instance`, then `rows` with `AccountChanges`. Rows with `snapshot` begin a new
/// list.
#[utoipa::path(get, path = "/v1/watch", tag = "streams",
    responses((status = 200, description = "A stream of `instance` and `rows`", body = dto::AccountChanges, content_type = "text/event-stream"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn watch(backend: Data<Backend>, caller: ReqData<Caller>) -> Result<HttpResponse, ApiError> {
    let permit = permit(&backend)?;
    let receiver = backend.account_feed.watch().await?;
    // Strings and numbers always serialize.
    let instance = serde_json::to_string(&backend.instance_for(caller.into_inner())).unwrap_or_default();
    let hello = Some(format!("retry: 2000\nevent: instance\ndata: {instance}\n\n").into());
    let state = RowStream { backend, hello, rows: Rows::First, receiver, _permit: permit };
    Ok(answer(stream::unfold(state, |mut rows| async { Some((rows.next().await?, rows)) })))
}

/// The progress through the rows of a snapshot.
enum Rows {
    /// The first event is next.
    First,
    /// The rows after this name are next.
    After(String),
    /// All rows are sent; only changes follow.
    Sent,
}

/// A stream of rows.
struct RowStream {
    backend: Data<Backend>,
    hello: Option<Bytes>,
    rows: Rows,
    receiver: Receiver<Bytes>,
    _permit: OwnedSemaphorePermit,
}

impl RowStream {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(hello) = self.hello.take() {
            return Some(hello);
        }
        if let Some(rows) = self.next_rows() {
            return Some(rows);
        }
        match timeout(COMMENT_INTERVAL, self.receiver.recv()).await {
            Err(_) => Some(Bytes::from_static(COMMENT)),
            Ok(Ok(chunk)) => Some(chunk),
            Ok(Err(RecvError::Lagged(_))) => {
                self.receiver = self.receiver.resubscribe();
                self.rows = Rows::First;
                self.next_rows()
            }
            Ok(Err(RecvError::Closed)) => None,
        }
    }

    /// Returns the next rows of the snapshot, until all are sent. A snapshot without accounts is an event, too.
    fn next_rows(&mut self) -> Option<Bytes> {
        let (snapshot, after) = match &self.rows {
            Rows::First => (true, None),
            Rows::After(name) => (false, Some(name.as_str())),
            Rows::Sent => return None,
        };
        let rows = self.backend.account_feed.rows(after);
        let last = rows.last().filter(|_| rows.len() == ROWS_PER_EVENT);
        self.rows = last.map_or(Rows::Sent, |last| Rows::After(last.name.clone()));
        (snapshot || !rows.is_empty()).then(|| account_feed::rows_event(snapshot, &rows, &[]))
    }
}

fn permit(backend: &Backend) -> Result<OwnedSemaphorePermit, ApiError> {
    let full =
        || ApiError::too_many_requests("too many streams are open (admin.max_streams)", COMMENT_INTERVAL);
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
