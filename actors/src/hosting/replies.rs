//! Replies: what an account says, in order within a channel, each post once.

mod client;
mod execute;
mod find_posted;
mod guard;
mod posting;

use std::{rc::Rc, sync::Arc};

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, AsyncContext as _, Context, Handler, Message,
    WrapFuture as _,
};
use tokio::{sync::oneshot, time::Instant};

pub(super) use guard::SharedLoopGuard;

use self::{client::Desk, execute::carry_out};
use super::context::{Env, Renew};
use crate::{
    model::{ChannelId, Generation, Order, PostId, Posted, ReplyError},
    policy::Lanes,
};

/// The most that may wait for one account: minutes of work at the pace that a server allows.
const MOST_WAITING: usize = 1_000;

/// The most bytes that may wait for one account, texts and files together. What is larger by itself may come when
/// nothing else waits.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The most signs of typing on their way: more than these are about channels that nobody looks at.
const MOST_TYPING: usize = 8;

/// Says what one account is asked to say. It lives from the first time on, for as long as the account's Arbiter.
pub(super) struct Replies {
    desk: Rc<Desk>,
    lanes: Lanes<Lane, Job>,
    bytes: usize,
    typing: usize,
    /// Told when nothing waits.
    draining: Vec<oneshot::Sender<()>>,
}

/// What keeps its order: posts of one channel, and changes of one post.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Lane {
    Channel(ChannelId),
    Post(PostId),
}

/// Where the result goes.
pub(super) type Done = oneshot::Sender<Result<Posted, ReplyError>>;

/// One order on its way.
struct Job {
    order: Order,
    deadline: Instant,
    bytes: usize,
    done: Done,
}

/// Says something; the result goes to `done`, which is dropped where it is lost.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Submit {
    /// The account's actors' things, as they are now.
    pub(super) env: Arc<Env>,
    pub(super) generation: Generation,
    pub(super) order: Order,
    pub(super) done: Done,
}

/// Tells when nothing waits.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Drain(pub(super) oneshot::Sender<()>);

/// Ends it.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

impl Replies {
    pub(super) fn new(env: Arc<Env>) -> Self {
        Self {
            desk: Rc::new(Desk::new(env)),
            lanes: Lanes::new(MOST_WAITING),
            bytes: 0,
            typing: 0,
            draining: Vec::new(),
        }
    }

    fn queue(&mut self, order: Order, done: Done) {
        let (bytes, deadline) = (size(&order), Instant::now() + self.desk.env().settings.replies.deadline);
        let full = if self.lanes.len() >= MOST_WAITING {
            Some("1,000 replies")
        } else if self.bytes > 0 && self.bytes + bytes > MOST_BYTES {
            Some("16 MiB")
        } else {
            None
        };
        if let Some(limit) = full {
            let account = self.desk.env().account.clone();
            return answer(done, Err(ReplyError::Full { account, limit }));
        }
        self.bytes += bytes;
        self.lanes.push(lane(&order), Job { order, deadline, bytes, done });
    }

    fn pump(&mut self, ctx: &mut Context<Self>) {
        while let Some((lane, job)) = self.lanes.take() {
            let Job { order, deadline, bytes, done } = job;
            let work = carry_out(self.desk.clone(), order, deadline).into_actor(self);
            ctx.spawn(work.map(move |result, act, ctx| {
                act.lanes.done(&lane);
                act.bytes -= bytes;
                answer(done, result);
                act.pump(ctx);
            }));
        }
        if self.lanes.is_empty() {
            for waiting in self.draining.drain(..) {
                // Whoever asked may have stopped waiting.
                let _ = waiting.send(());
            }
        }
    }

    /// It is tried once, beside everything else, and nothing waits for it.
    fn type_now(&mut self, channel: ChannelId, root_id: Option<PostId>, done: Done, ctx: &mut Context<Self>) {
        if self.typing >= MOST_TYPING {
            return answer(done, Ok(Posted::default()));
        }
        self.typing += 1;
        let showing = execute::typing(self.desk.clone(), channel, root_id).into_actor(self);
        ctx.spawn(showing.map(move |result, act, _| {
            act.typing -= 1;
            answer(done, result);
        }));
    }
}

fn answer(done: Done, result: Result<Posted, ReplyError>) {
    // Whoever asked may have stopped waiting.
    let _ = done.send(result);
}

fn lane(order: &Order) -> Lane {
    match order {
        Order::Post(draft) | Order::Ephemeral { draft, .. } => Lane::Channel(draft.channel.clone()),
        Order::Typing { channel, .. } => Lane::Channel(channel.clone()),
        Order::Edit { post, .. } | Order::React { post, .. } => Lane::Post(post.clone()),
    }
}

/// What an order holds in memory, about.
fn size(order: &Order) -> usize {
    match order {
        Order::Post(draft) | Order::Ephemeral { draft, .. } => {
            let files: usize = draft.files.iter().map(|file| file.bytes.len()).sum();
            let props: usize =
                draft.props.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
            draft.text.len() + props + files
        }
        Order::Edit { text, .. } => text.len(),
        Order::React { emoji, .. } => emoji.len(),
        Order::Typing { .. } => 0,
    }
}

impl Actor for Replies {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MOST_WAITING);
    }
}

impl Handler<Submit> for Replies {
    type Result = ();

    fn handle(&mut self, submit: Submit, ctx: &mut Self::Context) {
        self.desk.renew(submit.env);
        self.desk.goes_on(submit.generation);
        match submit.order {
            Order::Typing { channel, root_id } => self.type_now(channel, root_id, submit.done, ctx),
            order => {
                self.queue(order, submit.done);
                self.pump(ctx);
            }
        }
    }
}

impl Handler<Renew> for Replies {
    type Result = ();

    fn handle(&mut self, Renew(env): Renew, _: &mut Self::Context) {
        self.desk.renew(env);
    }
}

impl Handler<Drain> for Replies {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Self::Context) {
        self.draining.push(drain.0);
        self.pump(ctx);
    }
}

impl Handler<Stop> for Replies {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
