//! The users of the fake server, and its replies.

mod channel_controls;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use matterhost_actors::{
    mattermost::{
        DialError, DialErrorKind, DialedSocket, Etag, Me, MentionKeywords, RestError, RestErrorKind,
        RestResponse, Roles, SystemPing, User,
    },
    model::ResumePoint,
};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use super::{Refused, ServerSocket, channels::FakeChannels, posts::PostRequests, server_socket};

/// A fake server. A user's token is its name, and its id is `id-` followed by its name.
#[derive(Clone, Default)]
pub(crate) struct FakeServer(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    users: HashMap<String, FakeUser>,
    /// The replies to the next requests about users, instead of the correct ones.
    user_replies: VecDeque<UserReply>,
    down: bool,
    /// The answer of a proxy to every request, or to those with a token only.
    pub(super) refusal: Option<(RestErrorKind, Refused)>,
    polls: u64,
    pings: u64,
    lists: u64,
    /// The outcomes of the next dials, instead of a hello.
    dials: VecDeque<Dial>,
    connections: u64,
    pub(super) channels: FakeChannels,
    pub(super) post_requests: PostRequests,
    /// The error of every request for channels and posts, if set.
    list_failure: Option<RestErrorKind>,
}

pub(super) struct FakeUser {
    pub(super) update_at: i64,
    enabled: bool,
    guest: bool,
    peers: Vec<ServerSocket>,
    resumes: Vec<Option<ResumePoint>>,
}

/// A reply to a request about a user.
pub(crate) enum UserReply {
    /// The request fails.
    Fail(RestErrorKind),
    /// The request panics.
    Panic,
    /// The correct reply, sent when the test releases it.
    Held(oneshot::Receiver<()>),
    /// The reply describes another user.
    OtherUser,
}

/// The outcome of a dial.
enum Dial {
    Fail(DialErrorKind),
    Panic,
    NoHello,
    DropBeforeHello,
    TouchBeforeHello,
}

impl FakeServer {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    pub(crate) fn add_user(&self, name: &str) {
        let user = FakeUser {
            update_at: 1_000,
            enabled: true,
            guest: false,
            peers: Vec::new(),
            resumes: Vec::new(),
        };
        self.state().users.entry(name.into()).or_insert(user);
    }

    pub(crate) fn make_guest(&self, name: &str) {
        self.with(name, |user| user.guest = true);
    }

    /// Changes the account: `update_at` increases, and all other users receive an event.
    pub(crate) fn touch(&self, name: &str) {
        self.with(name, |user| user.update_at += 1);
        self.notify_others(name);
    }

    pub(crate) fn disable(&self, name: &str) {
        self.with(name, |user| {
            user.enabled = false;
            user.peers.iter().for_each(ServerSocket::deafen);
        });
        self.touch(name);
    }

    pub(crate) fn enable(&self, name: &str) {
        self.with(name, |user| user.enabled = true);
        self.touch(name);
    }

    /// Makes the user's sockets deaf without a change of `update_at` (fact 22).
    pub(crate) fn toggle_token(&self, name: &str) {
        self.with(name, |user| user.peers.iter().for_each(ServerSocket::deafen));
    }

    /// Returns the server's side of a user's newest socket.
    pub(crate) fn server_socket(&self, name: &str) -> ServerSocket {
        self.with(name, |user| user.peers.last().unwrap().clone())
    }

    /// Makes the server forget a user's connections, so that none can be resumed.
    pub(crate) fn forget_connections(&self, name: &str) {
        self.with(name, |user| user.peers.clear());
    }

    /// Returns the resume points of the user's dials, in order.
    pub(crate) fn resumes(&self, name: &str) -> Vec<Option<ResumePoint>> {
        self.with(name, |user| user.resumes.clone())
    }

    /// Stops the server: all sockets drop, and every request fails.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.down = true;
        state.users.values_mut().flat_map(|user| &user.peers).for_each(ServerSocket::drop_connection);
    }

    pub(crate) fn start(&self) {
        self.state().down = false;
    }

    /// Drops the sockets of all users while the server stays up.
    pub(crate) fn drop_all_sockets(&self) {
        self.state().users.values_mut().flat_map(|user| &user.peers).for_each(ServerSocket::drop_connection);
    }

    pub(crate) fn script_user_replies(&self, replies: impl IntoIterator<Item = UserReply>) {
        self.state().user_replies.extend(replies);
    }

    pub(crate) fn script_dial_failures(&self, kinds: impl IntoIterator<Item = DialErrorKind>) {
        self.state().dials.extend(kinds.into_iter().map(Dial::Fail));
    }

    pub(crate) fn script_dial_panic(&self) {
        self.state().dials.push_back(Dial::Panic);
    }

    pub(crate) fn script_dial_without_hello(&self) {
        self.state().dials.push_back(Dial::NoHello);
    }

    pub(crate) fn script_dial_drop_before_hello(&self) {
        self.state().dials.push_back(Dial::DropBeforeHello);
    }

    /// Scripts a dial during which the account changes between its baseline and its hello.
    pub(crate) fn script_dial_touched_before_hello(&self) {
        self.state().dials.push_back(Dial::TouchBeforeHello);
    }

    /// Returns the number of requests about users so far.
    pub(crate) fn me_requests(&self) -> u64 {
        self.state().polls
    }

    /// Returns the number of requests for channel lists so far.
    pub(crate) fn list_requests(&self) -> u64 {
        self.state().lists
    }

    pub(crate) fn ping_requests(&self) -> u64 {
        self.state().pings
    }

    pub(super) fn count_list_request(&self) {
        self.state().lists += 1;
    }

    fn notify_others(&self, name: &str) {
        let state = self.state();
        let Some(update_at) = state.users.get(name).map(|user| user.update_at) else { return };
        let data = format!(r#"{{"user":{{"id":"id-{name}","update_at":{update_at}}}}}"#);
        let others = state.users.iter().filter(|(other, _)| *other != name);
        others.flat_map(|(_, user)| &user.peers).for_each(|peer| peer.event("user_updated", "", &data));
    }

    pub(super) fn with_channels<T>(&self, f: impl FnOnce(&FakeChannels) -> T) -> T {
        f(&self.state().channels)
    }

    pub(super) fn with<T>(&self, name: &str, f: impl FnOnce(&mut FakeUser) -> T) -> T {
        f(self.state().users.get_mut(name).expect(name))
    }

    pub(super) fn answer_ping(&self) -> Result<SystemPing, RestError> {
        let mut state = self.state();
        state.pings += 1;
        match state.refusal {
            _ if state.down => Err(rest_error(RestErrorKind::Unreachable)),
            Some((kind, Refused::All)) => Err(rest_error(kind)),
            Some((_, Refused::Accounts)) | None => Ok(SystemPing::default()),
        }
    }

    pub(super) async fn answer_me(&self, name: String, etag: Option<Etag>) -> Result<Me, RestError> {
        let scripted = {
            let mut state = self.state();
            state.polls += 1;
            if state.down {
                Some(UserReply::Fail(RestErrorKind::Unreachable))
            } else if let Some((kind, _)) = state.refusal {
                Some(UserReply::Fail(kind))
            } else {
                state.user_replies.pop_front()
            }
        };
        match scripted {
            Some(UserReply::Fail(kind)) => return Err(rest_error(kind)),
            Some(UserReply::Panic) => panic!("a scripted panic"),
            Some(UserReply::Held(until)) => drop(until.await),
            Some(UserReply::OtherUser) => return Ok(user("somebody-else", 1, false)),
            None => {}
        }
        self.with(&name, |known| {
            let current = user(&name, known.update_at, known.guest);
            match (&etag, &current) {
                _ if !known.enabled => Err(rest_error(RestErrorKind::Unauthorized)),
                (Some(sent), Me::User { etag: Some(now), .. }) if sent == now => Ok(Me::Unmodified),
                _ => Ok(current),
            }
        })
    }

    /// Answers a request about channels and posts, if the user is allowed to send it.
    pub(super) fn answer_channels<T>(
        &self,
        name: &str,
        answer: impl FnOnce(&mut FakeChannels) -> Result<T, RestErrorKind>,
    ) -> Result<RestResponse<T>, RestError> {
        let mut state = self.state();
        let State { users, down, channels, list_failure, .. } = &mut *state;
        let answer = match users.get(name) {
            _ if *down => Err(RestErrorKind::Unreachable),
            _ if list_failure.is_some() => Err(list_failure.unwrap()),
            Some(user) if user.enabled => answer(channels),
            _ => Err(RestErrorKind::Unauthorized),
        };
        let value = answer.map_err(rest_error)?;
        Ok(RestResponse { value, rate: None })
    }

    pub(super) fn answer_dial(
        &self,
        name: &str,
        resume: Option<&ResumePoint>,
    ) -> Result<DialedSocket, DialError> {
        let dial = {
            let mut state = self.state();
            state.connections += 1;
            if state.down { Some(Dial::Fail(DialErrorKind::Unreachable)) } else { state.dials.pop_front() }
        };
        match dial {
            Some(Dial::Fail(kind)) => {
                return Err(DialError { kind, message: "scripted".into(), source: None });
            }
            Some(Dial::Panic) => panic!("a scripted panic"),
            Some(Dial::TouchBeforeHello) => self.with(name, |user| user.update_at += 2),
            _ => {}
        }
        let number = self.state().connections;
        let (peer, socket) = server_socket::open(&format!("connection-{number}"));
        let enabled = self.with(name, |user| user.enabled);
        match dial {
            Some(Dial::NoHello) => {}
            Some(Dial::DropBeforeHello) => peer.drop_connection(),
            _ if !enabled => peer.drop_connection(),
            _ => match resume {
                Some(point) if self.can_resume(name, point) => {
                    peer.resume(&point.connection_id, point.next_seq);
                }
                _ => peer.hello(),
            },
        }
        self.with(name, |user| {
            user.resumes.push(resume.cloned());
            user.peers.push(peer);
        });
        Ok(DialedSocket { socket, rate: None })
    }

    /// True if a connection can be resumed: it was cut but not forgotten.
    fn can_resume(&self, name: &str, point: &ResumePoint) -> bool {
        self.with(name, |user| user.peers.iter().any(|peer| peer.is_resumable(&point.connection_id)))
    }
}

fn user(name: &str, update_at: i64, is_guest: bool) -> Me {
    let id = format!("id-{name}");
    let user = User {
        id: id.as_str().into(),
        username: name.into(),
        update_at,
        delete_at: 0,
        roles: Roles { is_guest, is_admin: false },
        is_bot: true,
        mention_keywords: MentionKeywords::default(),
    };
    Me::User { user, etag: Some(Etag::new(&format!("{name}.{update_at}"))) }
}

pub(super) fn rest_error(kind: RestErrorKind) -> RestError {
    // Refusals are Mattermost's own, not a proxy's.
    let own = matches!(kind, RestErrorKind::Refused(_) | RestErrorKind::NotFound);
    let id = own.then(|| "api.scripted.app_error".into());
    RestError { kind, route: "/users/me", id, message: "scripted".into(), source: None }
}
