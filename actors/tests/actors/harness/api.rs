//! The fake server as the port that the actors use.

use std::rc::Rc;

use futures_util::future::{FutureExt as _, LocalBoxFuture};
use matterhost_actors::{
    mattermost::{
        Channel, ChannelList, DialError, DialedSocket, EphemeralPost, Etag, IncomingFile, LookupRequest, Me,
        MentionKeywords, NewFile, NewPost, Page, PageRequest, Post, PostRange, PostsSince, Reaction,
        RestError, RestErrorKind, RestResponse, Roles, SystemPing, Team, User,
    },
    model::{ChannelId, FileId, IntegrationCall, PostId, ResumePoint, ServerLimits, Token, UserId},
    ports::{Api, ApiFactory, ApiFuture},
};
use serde_json::{Map, Value, value::RawValue};

use super::{FakeServer, PostReply, channels::FakeChannels, fake_server::rest_error};

impl ApiFactory for FakeServer {
    fn api(&self) -> Rc<dyn Api> {
        Rc::new(self.clone())
    }
}

impl Api for FakeServer {
    fn me<'a>(&'a self, token: &'a Token, etag: Option<&'a Etag>) -> ApiFuture<'a, Me> {
        let answer = self.answer_me(token.expose().to_owned(), etag.cloned());
        async move { Ok(RestResponse { value: answer.await?, rate: None }) }.boxed_local()
    }

    fn system_ping(&self) -> ApiFuture<'_, SystemPing> {
        async move { Ok(RestResponse { value: self.answer_ping()?, rate: None }) }.boxed_local()
    }

    fn users<'a>(&'a self, token: &'a Token, ids: &'a [UserId]) -> ApiFuture<'a, Vec<User>> {
        let user = |id: &UserId| User {
            id: id.clone(),
            username: id.as_str().trim_start_matches("id-").into(),
            update_at: 0,
            delete_at: 0,
            roles: Roles::default(),
            is_bot: false,
            mention_keywords: MentionKeywords::default(),
        };
        let answer = self.answer("users", token, |_| Ok(ids.iter().map(user).collect()));
        async move { answer }.boxed_local()
    }

    fn teams<'a>(&'a self, token: &'a Token) -> ApiFuture<'a, Vec<Team>> {
        let team = Team { id: "team".into(), name: "team".into() };
        let answer = self.answer("teams", token, |_| Ok(vec![team]));
        async move { answer }.boxed_local()
    }

    fn channels<'a>(&'a self, token: &'a Token, _: &'a [Box<str>]) -> ApiFuture<'a, ChannelList> {
        let name = token.expose();
        self.count_list_request();
        async move {
            self.answer_channels(name, |channels| {
                Ok(ChannelList { channels: channels.list(name), ..ChannelList::default() })
            })
        }
        .boxed_local()
    }

    fn channel<'a>(&'a self, token: &'a Token, id: &'a ChannelId) -> ApiFuture<'a, Channel> {
        let name = token.expose();
        async move { self.answer_channels(name, |channels| channels.channel(name, id)) }.boxed_local()
    }

    fn posts<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        range: PostRange<'a>,
        page_request: PageRequest,
    ) -> ApiFuture<'a, Page> {
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
    ) -> ApiFuture<'a, PostsSince> {
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

    fn create_post<'a>(&'a self, token: &'a Token, post: &'a NewPost) -> ApiFuture<'a, Post> {
        let reply = {
            let mut state = self.state();
            state.post_requests.pending.push(post.pending_post_id.clone());
            state.post_requests.replies.pop_front()
        };
        let name = token.expose();
        async move {
            let lost = matches!(reply, Some(PostReply::Lost));
            match reply {
                Some(PostReply::Fail(kind)) => {
                    self.count("post");
                    return Err(rest_error(kind));
                }
                Some(PostReply::Proxy(kind)) => {
                    self.count("post");
                    return Err(RestError { id: None, ..rest_error(kind) });
                }
                Some(PostReply::Panic) => panic!("a scripted panic"),
                Some(PostReply::Held(until)) => drop(until.await),
                Some(PostReply::Lost) | None => {}
            }
            let max_chars = self.limits().post_chars;
            let created = self.answer("post", token, |channels| channels.create_post(name, post, max_chars));
            if lost { Err(rest_error(RestErrorKind::Unreachable)) } else { created }
        }
        .boxed_local()
    }

    fn create_ephemeral<'a>(&'a self, token: &'a Token, post: &'a EphemeralPost) -> ApiFuture<'a, ()> {
        let answer = self
            .answer("ephemeral", token, |channels| check_access(channels, token, post.channel_id.as_str()));
        async move { answer }.boxed_local()
    }

    fn call_integration<'a>(&'a self, token: &'a Token, _: &'a IntegrationCall) -> ApiFuture<'a, ()> {
        let answer = self.answer("integration", token, |_| Ok(()));
        async move { answer }.boxed_local()
    }

    fn edit_post<'a>(
        &'a self,
        token: &'a Token,
        id: &'a PostId,
        message: &'a str,
        _: Option<&'a Map<String, Value>>,
    ) -> ApiFuture<'a, Post> {
        let answer = self.answer("edit", token, |channels| channels.update_post(token.expose(), id, message));
        async move { answer }.boxed_local()
    }

    fn post<'a>(&'a self, token: &'a Token, id: &'a PostId) -> ApiFuture<'a, Post> {
        let answer = self.answer("one", token, |channels| channels.visible_post(token.expose(), id));
        async move { answer }.boxed_local()
    }

    fn add_reaction<'a>(&'a self, token: &'a Token, reaction: &'a Reaction) -> ApiFuture<'a, ()> {
        let add = |channels: &mut FakeChannels| {
            let own = reaction.user_id.as_str() == format!("id-{}", token.expose());
            if !own {
                return Err(RestErrorKind::Refused(403));
            }
            channels
                .visible_post(token.expose(), &reaction.post_id)
                .map(|_| ())
                .map_err(|_| RestErrorKind::Refused(400))
        };
        let answer = self.answer("react", token, add);
        async move { answer }.boxed_local()
    }

    fn remove_reaction<'a>(&'a self, token: &'a Token, reaction: &'a Reaction) -> ApiFuture<'a, ()> {
        let remove = |channels: &mut FakeChannels| {
            channels.visible_post(token.expose(), &reaction.post_id).map(|_| ())
        };
        let answer = self.answer("unreact", token, remove);
        async move { answer }.boxed_local()
    }

    fn delete_post<'a>(&'a self, token: &'a Token, id: &'a PostId) -> ApiFuture<'a, ()> {
        let delete = |channels: &mut FakeChannels| {
            let post = channels.visible_post(token.expose(), id).map_err(|_| RestErrorKind::NotFound)?;
            let is_own = post.user_id.as_str() == format!("id-{}", token.expose());
            if !is_own {
                return Err(RestErrorKind::Refused(403));
            }
            channels.delete(id.as_str(), post.update_at + 1);
            Ok(())
        };
        let answer = self.answer("delete", token, delete);
        async move { answer }.boxed_local()
    }

    fn look_up<'a>(&'a self, token: &'a Token, request: LookupRequest<'a>) -> ApiFuture<'a, Box<RawValue>> {
        let id = match request {
            LookupRequest::ChannelByName { channel, .. } => format!("id-{channel}"),
            LookupRequest::UserByName(name) => format!("id-{name}"),
            LookupRequest::DirectChannel([_, other]) => format!("direct-{other}"),
            LookupRequest::File(id) => return self.answer_file(token, id),
            other => panic!("a look-up that no test makes: {other:?}"),
        };
        let answer = self.answer("look-up", token, |_| {
            let missing = id.ends_with("nobody");
            let found = RawValue::from_string(format!("{{\"id\":\"{id}\"}}")).unwrap();
            if missing { Err(RestErrorKind::NotFound) } else { Ok(found) }
        });
        async move { answer }.boxed_local()
    }

    fn typing<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        _: Option<&'a PostId>,
    ) -> ApiFuture<'a, ()> {
        let answer = self.answer("typing", token, |channels| check_access(channels, token, channel.as_str()));
        async move { answer }.boxed_local()
    }

    fn upload_file<'a>(&'a self, token: &'a Token, file: NewFile<'a>) -> ApiFuture<'a, FileId> {
        let limits = self.limits();
        let answer = self.answer("upload", token, |channels| {
            check_access(channels, token, file.channel.as_str())?;
            let fits = limits.takes_files && file.content.len() <= limits.file_bytes;
            if fits { Ok(FileId::from(file.name)) } else { Err(RestErrorKind::Refused(413)) }
        });
        async move { answer }.boxed_local()
    }

    fn download_file<'a>(&'a self, token: &'a Token, id: &'a FileId) -> ApiFuture<'a, IncomingFile> {
        let answer = self.answer("download", token, |_| {
            if id.as_str() == "a".repeat(26) {
                return Err(RestErrorKind::NotFound);
            }
            let pieces = id.as_str().as_bytes().chunks(10).map(|piece| piece.to_vec().into());
            Ok(IncomingFile::of(pieces.collect()))
        });
        async move { answer }.boxed_local()
    }

    fn server_limits<'a>(&'a self, token: &'a Token) -> ApiFuture<'a, ServerLimits> {
        self.answer_limits(token).boxed_local()
    }
}

impl FakeServer {
    /// Describes a file, whose content is its id.
    fn answer_file<'a>(&self, token: &Token, id: &FileId) -> ApiFuture<'a, Box<RawValue>> {
        let answer = self.answer("look-up", token, |_| {
            let info = serde_json::json!({ "name": format!("file-{id}"), "size": id.as_str().len() });
            let found = RawValue::from_string(info.to_string()).unwrap();
            if id.as_str().ends_with("nobody") { Err(RestErrorKind::NotFound) } else { Ok(found) }
        });
        async move { answer }.boxed_local()
    }
}

fn check_access(channels: &FakeChannels, token: &Token, channel: &str) -> Result<(), RestErrorKind> {
    if channels.can_read(token.expose(), channel) { Ok(()) } else { Err(RestErrorKind::Refused(403)) }
}
