//! A Mattermost server, as an account's actors speak to it.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::{Rc, Weak},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::future::{FutureExt as _, LocalBoxFuture};

use super::WriteApi;
use crate::{
    mattermost::{
        Channel, Client, ClientConfig, DialError, DialedSocket, Etag, Me, Page, PageRequest, PostRange,
        PostsSince, RequestStats, RestError, RestResponse, SystemPing,
    },
    model::{ChannelId, ResumePoint, Token},
};

/// One server's API, usable on the Arbiter it was made on.
///
/// What it is asked for is read or dialed here; what changes something is [`WriteApi`]. What it promises: every call ends within the client's limits, with an answer or an error that says its kind;
/// `system_ping` sends no token; a socket is handed over as soon as the upgrade is done, before any hello.
pub trait Api: WriteApi {
    /// `GET /users/me`; with an ETag the answer may be [`Me::Unmodified`] (fact 9).
    fn me<'a>(
        &'a self,
        token: &'a Token,
        etag: Option<&'a Etag>,
    ) -> LocalBoxFuture<'a, Result<RestResponse<Me>, RestError>>;

    /// `GET /system/ping`, without a token.
    fn system_ping(&self) -> LocalBoxFuture<'_, Result<RestResponse<SystemPing>, RestError>>;

    /// Every channel of the account, archived ones too (facts 12, 26), with the `last_post_at` that only
    /// lists have (fact 24). It may take more than one request. It is complete or an error; no channels at all
    /// are an empty list.
    fn channels<'a>(
        &'a self,
        token: &'a Token,
    ) -> LocalBoxFuture<'a, Result<RestResponse<Vec<Channel>>, RestError>>;

    /// One channel by its id, archived or not, without `last_post_at`; 403 and 404 are told apart.
    fn channel<'a>(
        &'a self,
        token: &'a Token,
        id: &'a ChannelId,
    ) -> LocalBoxFuture<'a, Result<RestResponse<Channel>, RestError>>;

    /// One page of a channel's posts, deleted ones left out; an unknown post gives an empty page (facts 11, 23), an
    /// empty id is refused with 400.
    fn posts<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        range: PostRange<'a>,
        page_request: PageRequest,
    ) -> LocalBoxFuture<'a, Result<RestResponse<Page>, RestError>>;

    /// What was touched after a time, deleted posts and rows of history too; past its limit it brings any of
    /// them, and says so (facts 11, 25).
    fn posts_since<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        since_ms: i64,
    ) -> LocalBoxFuture<'a, Result<RestResponse<PostsSince>, RestError>>;

    /// Opens a WebSocket, or takes an old connection up again where it was left (fact 10).
    fn dial<'a>(
        &'a self,
        token: &'a Token,
        resume: Option<&'a ResumePoint>,
    ) -> LocalBoxFuture<'a, Result<DialedSocket, DialError>>;
}

/// Makes a server's API on whatever Arbiter it is asked on: an HTTP client cannot move between threads.
pub trait ApiFactory: Send + Sync + 'static {
    /// The API for this Arbiter.
    fn api(&self) -> Rc<dyn Api>;

    /// Where its requests are counted, and what they wait for at the gate. Nobody reads it unless this is overridden.
    fn request_stats(&self) -> Arc<RequestStats> {
        Arc::default()
    }
}

/// A real Mattermost server. All accounts of it on one Arbiter share one client.
#[derive(Debug)]
pub struct HttpApi {
    config: ClientConfig,
    request_stats: Arc<RequestStats>,
    id: u64,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// This Arbiter's clients, for as long as somebody uses them.
    static CLIENTS: RefCell<HashMap<u64, Weak<Client>>> = RefCell::default();
}

impl HttpApi {
    /// A server at the URL that the configuration names.
    pub fn new(config: ClientConfig) -> Self {
        Self { config, request_stats: Arc::default(), id: NEXT_ID.fetch_add(1, Ordering::Relaxed) }
    }

    /// The same, with its requests counted there: all that a server was asked, whoever takes the place of whom.
    #[must_use]
    pub fn with_stats(self, request_stats: Arc<RequestStats>) -> Self {
        Self { request_stats, ..self }
    }
}

impl ApiFactory for HttpApi {
    fn api(&self) -> Rc<dyn Api> {
        CLIENTS.with_borrow_mut(|clients| {
            if let Some(client) = clients.get(&self.id).and_then(Weak::upgrade) {
                return client as Rc<dyn Api>;
            }
            clients.retain(|_, client| client.strong_count() > 0);
            let client = Rc::new(Client::with_stats(&self.config, self.request_stats()));
            clients.insert(self.id, Rc::downgrade(&client));
            client
        })
    }

    fn request_stats(&self) -> Arc<RequestStats> {
        Arc::clone(&self.request_stats)
    }
}

impl Api for Client {
    fn me<'a>(
        &'a self,
        token: &'a Token,
        etag: Option<&'a Etag>,
    ) -> LocalBoxFuture<'a, Result<RestResponse<Me>, RestError>> {
        Client::me(self, token, etag).boxed_local()
    }

    fn system_ping(&self) -> LocalBoxFuture<'_, Result<RestResponse<SystemPing>, RestError>> {
        Client::system_ping(self).boxed_local()
    }

    fn channels<'a>(
        &'a self,
        token: &'a Token,
    ) -> LocalBoxFuture<'a, Result<RestResponse<Vec<Channel>>, RestError>> {
        Client::channels(self, token).boxed_local()
    }

    fn channel<'a>(
        &'a self,
        token: &'a Token,
        id: &'a ChannelId,
    ) -> LocalBoxFuture<'a, Result<RestResponse<Channel>, RestError>> {
        Client::channel(self, token, id).boxed_local()
    }

    fn posts<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        range: PostRange<'a>,
        page_request: PageRequest,
    ) -> LocalBoxFuture<'a, Result<RestResponse<Page>, RestError>> {
        Client::posts(self, token, channel, range, page_request).boxed_local()
    }

    fn posts_since<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        since_ms: i64,
    ) -> LocalBoxFuture<'a, Result<RestResponse<PostsSince>, RestError>> {
        Client::posts_since(self, token, channel, since_ms).boxed_local()
    }

    fn dial<'a>(
        &'a self,
        token: &'a Token,
        resume: Option<&'a ResumePoint>,
    ) -> LocalBoxFuture<'a, Result<DialedSocket, DialError>> {
        Client::dial(self, token, resume).boxed_local()
    }
}
