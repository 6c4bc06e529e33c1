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
use serde_json::{Map, Value, value::RawValue};

use super::{Api, ApiFactory, ApiFuture};
use crate::{
    mattermost::{
        Channel, ChannelList, Client, ClientConfig, DialError, DialedSocket, EphemeralPost, Etag,
        IncomingFile, LookupRequest, Me, NewFile, NewPost, Page, PageRequest, Post, PostRange, PostsSince,
        Reaction, RequestStats, SystemPing, Team, User,
    },
    model::{ChannelId, FileId, IntegrationCall, PostId, ResumePoint, ServerLimits, Token, UserId},
};

/// The API of a real Mattermost server. All its accounts on one Arbiter share a client.
#[derive(Debug)]
pub struct HttpApi {
    config: ClientConfig,
    request_stats: Arc<RequestStats>,
    id: u64,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The clients of this Arbiter that are in use.
    static CLIENTS: RefCell<HashMap<u64, Weak<Client>>> = RefCell::default();
}

impl HttpApi {
    /// Creates the API of the configured server.
    pub fn new(config: ClientConfig) -> Self {
        Self { config, request_stats: Arc::default(), id: NEXT_ID.fetch_add(1, Ordering::Relaxed) }
    }

    /// Counts requests in the given statistics, so that they survive when one client replaces another.
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
    fn me<'a>(&'a self, token: &'a Token, etag: Option<&'a Etag>) -> ApiFuture<'a, Me> {
        Client::me(self, token, etag).boxed_local()
    }

    fn system_ping(&self) -> ApiFuture<'_, SystemPing> {
        Client::system_ping(self).boxed_local()
    }

    fn users<'a>(&'a self, token: &'a Token, ids: &'a [UserId]) -> ApiFuture<'a, Vec<User>> {
        Client::users(self, token, ids).boxed_local()
    }

    fn teams<'a>(&'a self, token: &'a Token) -> ApiFuture<'a, Vec<Team>> {
        Client::teams(self, token).boxed_local()
    }

    fn channels<'a>(&'a self, token: &'a Token, teams: &'a [Box<str>]) -> ApiFuture<'a, ChannelList> {
        Client::channels_knowing(self, token, teams).boxed_local()
    }

    fn channel<'a>(&'a self, token: &'a Token, id: &'a ChannelId) -> ApiFuture<'a, Channel> {
        Client::channel(self, token, id).boxed_local()
    }

    fn posts<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        range: PostRange<'a>,
        page_request: PageRequest,
    ) -> ApiFuture<'a, Page> {
        Client::posts(self, token, channel, range, page_request).boxed_local()
    }

    fn posts_since<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        since_ms: i64,
    ) -> ApiFuture<'a, PostsSince> {
        Client::posts_since(self, token, channel, since_ms).boxed_local()
    }

    fn dial<'a>(
        &'a self,
        token: &'a Token,
        resume: Option<&'a ResumePoint>,
    ) -> LocalBoxFuture<'a, Result<DialedSocket, DialError>> {
        Client::dial(self, token, resume).boxed_local()
    }

    fn create_post<'a>(&'a self, token: &'a Token, post: &'a NewPost) -> ApiFuture<'a, Post> {
        Client::create_post(self, token, post).boxed_local()
    }

    fn create_ephemeral<'a>(&'a self, token: &'a Token, post: &'a EphemeralPost) -> ApiFuture<'a, ()> {
        Client::create_ephemeral(self, token, post).boxed_local()
    }

    fn edit_post<'a>(
        &'a self,
        token: &'a Token,
        id: &'a PostId,
        message: &'a str,
        props: Option<&'a Map<String, Value>>,
    ) -> ApiFuture<'a, Post> {
        Client::edit_post(self, token, id, message, props).boxed_local()
    }

    fn post<'a>(&'a self, token: &'a Token, id: &'a PostId) -> ApiFuture<'a, Post> {
        Client::post(self, token, id).boxed_local()
    }

    fn add_reaction<'a>(&'a self, token: &'a Token, reaction: &'a Reaction) -> ApiFuture<'a, ()> {
        Client::add_reaction(self, token, reaction).boxed_local()
    }

    fn remove_reaction<'a>(&'a self, token: &'a Token, reaction: &'a Reaction) -> ApiFuture<'a, ()> {
        Client::remove_reaction(self, token, reaction).boxed_local()
    }

    fn delete_post<'a>(&'a self, token: &'a Token, id: &'a PostId) -> ApiFuture<'a, ()> {
        Client::delete_post(self, token, id).boxed_local()
    }

    fn look_up<'a>(&'a self, token: &'a Token, request: LookupRequest<'a>) -> ApiFuture<'a, Box<RawValue>> {
        async move { Client::look_up(self, token, &request).await }.boxed_local()
    }

    fn typing<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        root_id: Option<&'a PostId>,
    ) -> ApiFuture<'a, ()> {
        Client::typing(self, token, channel, root_id).boxed_local()
    }

    fn call_integration<'a>(&'a self, token: &'a Token, call: &'a IntegrationCall) -> ApiFuture<'a, ()> {
        Client::call_integration(self, token, call).boxed_local()
    }

    fn upload_file<'a>(&'a self, token: &'a Token, file: NewFile<'a>) -> ApiFuture<'a, FileId> {
        Client::upload_file(self, token, file).boxed_local()
    }

    fn download_file<'a>(&'a self, token: &'a Token, id: &'a FileId) -> ApiFuture<'a, IncomingFile> {
        Client::download_file(self, token, id).boxed_local()
    }

    fn server_limits<'a>(&'a self, token: &'a Token) -> ApiFuture<'a, ServerLimits> {
        Client::server_limits(self, token).boxed_local()
    }
}
