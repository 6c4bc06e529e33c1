//! The `Api` port, implemented by the fake server.

use std::rc::Rc;

use futures_util::future::{FutureExt as _, LocalBoxFuture};
use matterhost_actors::{
    mattermost::{
        Channel, DialError, DialedSocket, Etag, Me, Page, PageRequest, PostRange, PostsSince, RestError,
        RestResponse, SystemPing,
    },
    model::{ChannelId, ResumePoint, Token},
    ports::{Api, ApiFactory},
};

use super::FakeServer;

impl ApiFactory for FakeServer {
    fn api(&self) -> Rc<dyn Api> {
        Rc::new(self.clone())
    }
}

impl Api for FakeServer {
    fn me<'a>(
        &'a self,
        token: &'a Token,
        etag: Option<&'a Etag>,
    ) -> LocalBoxFuture<'a, Result<RestResponse<Me>, RestError>> {
        let answer = self.answer_me(token.expose().to_owned(), etag.cloned());
        async move { Ok(RestResponse { value: answer.await?, rate: None }) }.boxed_local()
    }

    fn system_ping(&self) -> LocalBoxFuture<'_, Result<RestResponse<SystemPing>, RestError>> {
        async move { Ok(RestResponse { value: self.answer_ping()?, rate: None }) }.boxed_local()
    }

    fn channels<'a>(
        &'a self,
        token: &'a Token,
    ) -> LocalBoxFuture<'a, Result<RestResponse<Vec<Channel>>, RestError>> {
        let name = token.expose();
        self.count_list_request();
        async move { self.answer_channels(name, |channels| Ok(channels.list(name))) }.boxed_local()
    }

    fn channel<'a>(
        &'a self,
        token: &'a Token,
        id: &'a ChannelId,
    ) -> LocalBoxFuture<'a, Result<RestResponse<Channel>, RestError>> {
        let name = token.expose();
        async move { self.answer_channels(name, |channels| channels.channel(name, id)) }.boxed_local()
    }

    fn posts<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        range: PostRange<'a>,
        page_request: PageRequest,
    ) -> LocalBoxFuture<'a, Result<RestResponse<Page>, RestError>> {
        let name = token.expose();
        self.count("page");
        async move {
            self.answer_channels(name, move |channels| channels.page(name, channel, range, page_request))
        }
        .boxed_local()
    }

    fn posts_since<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        since_ms: i64,
    ) -> LocalBoxFuture<'a, Result<RestResponse<PostsSince>, RestError>> {
        let name = token.expose();
        async move { self.answer_channels(name, move |channels| channels.since(name, channel, since_ms)) }
            .boxed_local()
    }

    fn dial<'a>(
        &'a self,
        token: &'a Token,
        resume: Option<&'a ResumePoint>,
    ) -> LocalBoxFuture<'a, Result<DialedSocket, DialError>> {
        async move { self.answer_dial(token.expose(), resume) }.boxed_local()
    }
}
