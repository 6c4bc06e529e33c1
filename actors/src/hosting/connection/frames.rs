//! The handling of a socket's frames.

use std::sync::Arc;

use actix::{Context, StreamHandler};
use bytestring::ByteString;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Connection, Phase,
    connect::Baseline,
    now,
    permitted_frames::FrameEvent,
    post_change,
    repeated_posts::{self, ReadPost},
    wall_clock,
};
use crate::{
    hosting::{
        delivery::{Deliver, Received},
        known_names::EventNames,
        supervisor::SiblingSawChange,
    },
    mattermost::{self, EventEnvelope, Frame, Incoming, PostedFrame, SocketReply, UserUpdated},
    model::{CloseReason, Event, EventBody, Excerpt, Fact},
    policy::{Sequence, SequenceCheck, SiblingNews},
};

const STATUS_UNAUTHORIZED: u16 = 401;

/// The unreadable frames in a row that end a socket: more than a server that was just updated may send of a new kind, and
/// few enough that babble costs no time of other accounts.
const MAX_UNREADABLE_FRAMES: u32 = 16;

impl StreamHandler<FrameEvent> for Connection {
    fn handle(&mut self, event: FrameEvent, ctx: &mut Self::Context) {
        match event {
            FrameEvent::Frame(frame, permit) => self.on_frame(frame, permit, ctx),
            FrameEvent::TurnEnded => {
                self.turn_began = None;
                self.hand_over_received();
            }
            FrameEvent::Broken(error) => self.on_socket_error(&error, ctx),
            FrameEvent::Paused => self.on_reading_paused(),
            FrameEvent::Resumed => self.on_reading_resumed(ctx),
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        self.on_socket_lost("the server closed the connection without a close frame".into(), ctx);
    }
}

impl Connection {
    fn on_frame(&mut self, frame: Frame, permit: OwnedSemaphorePermit, ctx: &mut Context<Self>) {
        let Some(socket) = &mut self.socket else { return };
        let (at, _) = *self.turn_began.get_or_insert_with(|| (now(), wall_clock()));
        socket.ping_monitor.frame_received(at);
        match frame {
            Frame::Text(text) => self.on_text(&text, permit, ctx),
            Frame::Ping(payload) => {
                if let Err(error) = socket.writer.send_pong(&payload) {
                    self.on_socket_lost(Excerpt::of(&error), ctx);
                }
            }
            Frame::Pong(_) => {}
            Frame::Binary(_) => self.on_unreadable("a binary frame is no event", ctx),
            Frame::Close(close) => {
                self.on_socket_closed(CloseReason::Closed { code: close.map(|(code, _)| code) }, ctx);
            }
        }
    }

    fn on_text(&mut self, text: &ByteString, permit: OwnedSemaphorePermit, ctx: &mut Context<Self>) {
        if let Some(ReadPost { author, body }) = repeated_posts::recall(text) {
            let names = self.context.directory.event_names(&body.channel_id, Some(&author));
            // Otherwise the post is parsed, to learn the names: a thread may host accounts of several servers.
            if names.channel.is_some() && names.sender.is_some() {
                let own = self.is_own(author.as_str());
                self.on_number(body.seq, ctx);
                return self.deliver(body, names, own, permit);
            }
        }
        if let Some(frame) = mattermost::read_posted(text) {
            return self.on_new_post(text, frame, permit, ctx);
        }
        match mattermost::parse_frame(text) {
            Ok(Incoming::Event(envelope)) => self.on_event(&envelope, permit, ctx),
            Ok(Incoming::Reply(reply)) => self.on_reply(&reply, ctx),
            Err(error) => self.on_unreadable(&error, ctx),
        }
    }

    /// Handles a new post that was read in one pass.
    fn on_new_post(
        &mut self,
        text: &ByteString,
        frame: PostedFrame<'_>,
        permit: OwnedSemaphorePermit,
        ctx: &mut Context<Self>,
    ) {
        self.on_number(frame.seq, ctx);
        let (data, post) = (frame.data, ReadPost::from(frame));
        repeated_posts::remember(text, &post);
        let ReadPost { author, body } = post;
        let names = self.context.directory.learn_posted(data, &body.channel_id, Some(&author));
        let own = self.is_own(author.as_str());
        self.deliver(body, names, own, permit);
    }

    /// Reports a frame that is skipped, and ends a socket that brings nothing else.
    fn on_unreadable(&mut self, error: &(impl std::fmt::Display + ?Sized), ctx: &mut Context<Self>) {
        self.observe(Fact::Unreadable { cause: Excerpt::of(error) });
        let Some(socket) = &mut self.socket else { return };
        socket.unreadable_frames += 1;
        if socket.unreadable_frames >= MAX_UNREADABLE_FRAMES {
            let what = format_args!("{MAX_UNREADABLE_FRAMES} unreadable frames in a row; the last: {error}");
            self.end(CloseReason::Protocol { cause: Excerpt::of(&what) }, ctx);
        }
    }

    fn on_event(
        &mut self,
        envelope: &EventEnvelope<'_>,
        permit: OwnedSemaphorePermit,
        ctx: &mut Context<Self>,
    ) {
        if envelope.event == "hello" {
            self.on_hello_event(envelope, ctx);
        }
        self.on_number(envelope.seq, ctx);
        self.watch_own_account(envelope, ctx);
        let me = self.baseline.as_ref().map(|baseline| &baseline.user);
        let mut post_change = post_change::parse_post_change(envelope, me);
        let (own, author) = (post_change.own, post_change.author.take());
        let body = post_change.into_body(envelope);
        let names = self.context.directory.learn(envelope, &body.channel_id, author.as_ref());
        self.deliver(body, names, own, permit);
    }

    /// Checks the number of an event, which is the first sign of missing ones.
    fn on_number(&mut self, seq: u64, ctx: &mut Context<Self>) {
        let Some(socket) = &mut self.socket else { return };
        socket.unreadable_frames = 0;
        if let SequenceCheck::Gap { expected } = socket.sequence.observe(seq) {
            self.observe(Fact::SequenceGap { expected, got: seq });
            self.catch_up_again(ctx);
        }
    }

    fn deliver(&mut self, body: EventBody, names: EventNames, own: bool, permit: OwnedSemaphorePermit) {
        let Some(socket) = self.socket.as_ref().filter(|socket| !socket.handled.contains(&body.seq)) else {
            return;
        };
        let received_at = self.turn_began.map_or_else(wall_clock, |(_, at)| at);
        self.context.stats.record_event(received_at);
        let event = Event {
            account: self.context.account.clone(),
            server: self.context.server.clone(),
            user: self.baseline.as_ref().map(Baseline::account_user).unwrap_or_default(),
            channel: names.channel,
            sender: names.sender,
            generation: self.generation,
            connection_id: socket.connection_id.clone(),
            received_at,
            recovered: false,
            last_recovered: false,
            own,
            body,
        };
        self.received.push(Received { event: Arc::new(event), permit });
    }

    /// Hands the received events to the Delivery: those of one turn together, because a message for each costs as much as the
    /// delivery itself.
    pub(super) fn hand_over_received(&mut self) {
        if !self.received.is_empty() {
            self.delivery.do_send(Deliver(std::mem::take(&mut self.received)));
        }
    }

    /// Handles a hello, which comes at the start or after a failed resume (fact 10).
    fn on_hello_event(&mut self, envelope: &EventEnvelope<'_>, ctx: &mut Context<Self>) {
        let connection_id = match envelope.hello() {
            Ok(hello) => hello.connection_id.unwrap_or_default(),
            Err(error) => {
                let cause = Excerpt::of(&format_args!("unreadable hello: {error}"));
                return self.end(CloseReason::Protocol { cause }, ctx);
            }
        };
        let Some(socket) = &mut self.socket else { return };
        let resume_lost = !socket.connection_id.is_empty() && *socket.connection_id != *connection_id;
        if resume_lost || socket.connection_id.is_empty() {
            socket.connection_id = connection_id.into();
            // A new connection's sequence starts here; after a failed resume not necessarily at 0.
            socket.sequence = Sequence::starting_at(envelope.seq);
            socket.handled.clear();
        }
        if resume_lost {
            self.observe(Fact::ResumeLost);
        }
        if matches!(self.phase, Phase::Opening { .. }) {
            self.on_hello(false, ctx);
        }
    }

    fn on_reply(&mut self, reply: &SocketReply<'_>, ctx: &mut Context<Self>) {
        let Some(socket) = &mut self.socket else { return };
        socket.unreadable_frames = 0;
        let took = reply.seq_reply.and_then(|seq| socket.ping_monitor.reply_received(now(), seq));
        if !reply.ok && (took.is_some() || reply.is_unauthorized()) {
            let error = reply
                .error
                .as_ref()
                .map_or_else(|| Excerpt::of(&reply.status), |error| Excerpt::of(&error.id));
            self.context.stats.record_ping(took.unwrap_or_default(), Some(&error));
            return self.end(CloseReason::Deaf { error }, ctx);
        }
        let Some(took) = took else { return };
        self.context.stats.record_ping(took, None);
        self.context.stats.record_good_probe();
        self.observe(Fact::ProbeGood { took });
        if matches!(self.phase, Phase::Opening { resumed: true, .. }) {
            self.on_hello(true, ctx);
        } else {
            self.decide_drift(ctx);
            self.drive_ping(ctx);
        }
    }

    /// Requests a poll of a sibling account whose user has changed. Guests are no witnesses: they do not see all users.
    pub(super) fn watch_siblings(&self, updated: &UserUpdated) {
        if !self.context.settings.health.witness
            || self.baseline.as_ref().is_none_or(|baseline| baseline.is_guest)
        {
            return;
        }
        let news = self.context.sibling_watch.heard_here(now(), &updated.id, updated.update_at);
        if let SiblingNews::Poll(account, after) = news {
            self.context.supervisor.do_send(SiblingSawChange { account, after });
        }
    }

    fn on_reading_paused(&mut self) {
        if let Some(socket) = &mut self.socket {
            socket.ping_monitor.reading_paused(now());
        }
        if let Phase::Opening { slot, .. } = &mut self.phase {
            // Other accounts must not wait for this account's sink.
            *slot = None;
        }
    }

    fn on_reading_resumed(&mut self, ctx: &mut Context<Self>) {
        let Some(socket) = &mut self.socket else { return };
        let paused_for = socket.ping_monitor.reading_resumed(now());
        if let Phase::Ready { paused, .. } = &mut self.phase {
            *paused += paused_for;
        }
        self.drive_ping(ctx);
    }
}

impl SocketReply<'_> {
    /// Returns true if the server no longer accepts the token, regardless of the error's id (fact 20).
    fn is_unauthorized(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error.status_code == STATUS_UNAUTHORIZED)
    }
}
