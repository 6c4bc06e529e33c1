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

use self::{client::ReplyClient, execute::execute_action};
use super::context::{AccountContext, UpdateContext};
use crate::{
    model::{ChannelId, Generation, OutgoingAction, PostId, PostedIds, ReplyError},
    policy::KeyedQueue,
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
    client: Rc<ReplyClient>,
    queue: KeyedQueue<OrderingKey, Job>,
    bytes: usize,
    typing: usize,
    /// Told when nothing waits.
    draining: Vec<oneshot::Sender<()>>,
}

/// What keeps its order: posts of one channel, and changes of one post.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum OrderingKey {
    Channel(ChannelId),
    Post(PostId),
}

/// Where the result goes.
pub(super) type Done = oneshot::Sender<Result<PostedIds, ReplyError>>;

/// One order on its way.
struct Job {
    action: OutgoingAction,
    deadline: Instant,
    bytes: usize,
    done: Done,
}

/// Says something; the result goes to `done`, which is dropped where it is lost.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Submit {
    /// The account's actors' things, as they are now.
    pub(super) context: Arc<AccountContext>,
    pub(super) generation: Generation,
    pub(super) action: OutgoingAction,
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
    pub(super) fn new(context: Arc<AccountContext>) -> Self {
        Self {
            client: Rc::new(ReplyClient::new(context)),
            queue: KeyedQueue::new(MOST_WAITING),
            bytes: 0,
            typing: 0,
            draining: Vec::new(),
        }
    }

    fn enqueue(&mut self, action: OutgoingAction, done: Done) {
        let (bytes, deadline) =
            (size(&action), Instant::now() + self.client.context().settings.replies.deadline);
        let full = if self.queue.len() >= MOST_WAITING {
            Some("1,000 replies")
        } else if self.bytes > 0 && self.bytes + bytes > MOST_BYTES {
            Some("16 MiB")
        } else {
            None
        };
        if let Some(limit) = full {
            let account = self.client.context().account.clone();
            return answer(done, Err(ReplyError::QueueFull { account, limit }));
        }
        self.bytes += bytes;
        self.queue.push(ordering_key(&action), Job { action, deadline, bytes, done });
    }

    fn pump(&mut self, ctx: &mut Context<Self>) {
        while let Some((ordering_key, job)) = self.queue.take() {
            let Job { action, deadline, bytes, done } = job;
            let work = execute_action(self.client.clone(), action, deadline).into_actor(self);
            ctx.spawn(work.map(move |result, act, ctx| {
                act.queue.complete(&ordering_key);
                act.bytes -= bytes;
                answer(done, result);
                act.pump(ctx);
            }));
        }
        if self.queue.is_empty() {
            for waiting in self.draining.drain(..) {
                // Whoever asked may have stopped waiting.
                let _ = waiting.send(());
            }
        }
    }

    /// It is tried once, beside everything else, and nothing waits for it.
    fn type_now(&mut self, channel: ChannelId, root_id: Option<PostId>, done: Done, ctx: &mut Context<Self>) {
        if self.typing >= MOST_TYPING {
            return answer(done, Ok(PostedIds::default()));
        }
        self.typing += 1;
        let showing = execute::send_typing(self.client.clone(), channel, root_id).into_actor(self);
        ctx.spawn(showing.map(move |result, act, _| {
            act.typing -= 1;
            answer(done, result);
        }));
    }
}

fn answer(done: Done, result: Result<PostedIds, ReplyError>) {
    // Whoever asked may have stopped waiting.
    let _ = done.send(result);
}

fn ordering_key(action: &OutgoingAction) -> OrderingKey {
    match action {
        OutgoingAction::Post(draft) | OutgoingAction::Ephemeral { draft, .. } => {
            OrderingKey::Channel(draft.channel.clone())
        }
        OutgoingAction::Typing { channel, .. } => OrderingKey::Channel(channel.clone()),
        OutgoingAction::Edit { post, .. } | OutgoingAction::React { post, .. } => {
            OrderingKey::Post(post.clone())
        }
    }
}

/// What an order holds in memory, about.
fn size(action: &OutgoingAction) -> usize {
    match action {
        OutgoingAction::Post(draft) | OutgoingAction::Ephemeral { draft, .. } => {
            let files: usize = draft.files.iter().map(|file| file.bytes.len()).sum();
            let props: usize =
                draft.props.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
            draft.text.len() + props + files
        }
        OutgoingAction::Edit { text, .. } => text.len(),
        OutgoingAction::React { emoji, .. } => emoji.len(),
        OutgoingAction::Typing { .. } => 0,
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
        self.client.update_context(submit.context);
        self.client.set_generation(submit.generation);
        match submit.action {
            OutgoingAction::Typing { channel, root_id } => self.type_now(channel, root_id, submit.done, ctx),
            action => {
                self.enqueue(action, submit.done);
                self.pump(ctx);
            }
        }
    }
}

impl Handler<UpdateContext> for Replies {
    type Result = ();

    fn handle(&mut self, UpdateContext(context): UpdateContext, _: &mut Self::Context) {
        self.client.update_context(context);
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
