mod client;
mod execute;
mod find_posted;
mod guard;
mod look_up;
mod parts;
mod posting;
mod thread_root;
mod transfers;
mod update_parts;
mod updates;

use std::{rc::Rc, sync::Arc, time::Duration};

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, SpawnHandle,
    WrapFuture as _,
};
use serde_json::{Map, Value};
use tokio::{sync::oneshot, time::Instant};

pub(super) use guard::SharedLoopGuard;
pub(super) use transfers::{OpenFile, ReadLimits, transfer_time_of};

use self::{
    client::ReplyClient,
    execute::execute_action,
    look_up::look_up,
    updates::{UpdateJob, created_stream},
};
use super::account_context::{AccountContext, UpdateContext};
use crate::{
    model::{
        ChannelId, Found, Generation, IntegrationCall, Lookup, OutgoingAction, PostId, PostedIds, ReplyError,
    },
    policy::{KeyedQueue, UpdateStreams},
};

/// The most actions that may wait for one account: minutes of work at a server's usual rate limit.
const MAX_WAITING: usize = 1_000;

/// The most bytes that may wait for one account, texts and files together. A larger action is accepted if nothing else
/// waits.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The most look-ups in flight for one account; a handler that asks for more is refused.
const MAX_LOOKUPS: usize = 64;

/// The time limit for a look-up, for which its caller waits.
const LOOKUP_DEADLINE: Duration = Duration::from_secs(30);

/// The most typing notifications in flight; more than these are dropped, as they hardly help anyone.
const MAX_TYPING: usize = 8;

/// Carries out the outgoing actions of one account, in order within a channel and without duplicate posts. It lives from
/// the account's first action on, as long as the account's Arbiter.
pub(super) struct Replies {
    client: Rc<ReplyClient>,
    queue: KeyedQueue<OrderingKey, Job>,
    updates: UpdateStreams<UpdateJob>,
    /// The timer of the next update.
    update_timer: Option<SpawnHandle>,
    bytes: usize,
    typing: usize,
    lookups: usize,
    downloads: usize,
    /// Notified when nothing waits.
    draining: Vec<oneshot::Sender<()>>,
}

/// The key of actions that keep their order: the posts of one channel, the uploads to it, or the changes of one post.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum OrderingKey {
    Channel(ChannelId),
    Uploads(ChannelId),
    Post(PostId),
}

/// The sender for an action's result.
pub(super) type Done = oneshot::Sender<Result<PostedIds, ReplyError>>;

/// An action in the queue.
struct Job {
    action: OutgoingAction,
    deadline: Instant,
    bytes: usize,
    done: Done,
}

/// Submits an action. Its result goes to `done`, which is dropped if the result is lost.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Submit {
    /// The account's current context.
    pub(super) context: Arc<AccountContext>,
    pub(super) generation: Generation,
    pub(super) action: OutgoingAction,
    pub(super) done: Done,
}

/// Looks something up. The answer goes to `done`, which is dropped if it is lost.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct LookUp {
    /// The account's current context.
    pub(super) context: Arc<AccountContext>,
    pub(super) lookup: Lookup,
    pub(super) done: oneshot::Sender<Result<Found, ReplyError>>,
}

/// Requests a notification when nothing waits.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Drain(pub(super) oneshot::Sender<()>);

/// Stops the actor.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

impl Replies {
    pub(super) fn new(context: Arc<AccountContext>) -> Self {
        Self {
            client: Rc::new(ReplyClient::new(context)),
            queue: KeyedQueue::new(MAX_WAITING),
            updates: UpdateStreams::default(),
            update_timer: None,
            bytes: 0,
            typing: 0,
            lookups: 0,
            downloads: 0,
            draining: Vec::new(),
        }
    }

    fn enqueue(&mut self, action: OutgoingAction, done: Done) {
        let (bytes, time) = (size(&action), transfers::transfer_time_of(&action));
        let deadline = Instant::now() + self.client.context().settings.replies.deadline + time;
        if let Some(limit) = self.exceeded_limit(bytes, None) {
            return send_result(done, Err(self.queue_full(limit)));
        }
        self.bytes += bytes;
        if let Some(stream) = created_stream(&action) {
            self.updates.creation_begun(stream);
        }
        self.queue.push(ordering_key(&action), Job { action, deadline, bytes, done });
    }

    /// Returns the limit that an action of so many bytes would exceed, if it replaces one of `replaced` bytes or none.
    fn exceeded_limit(&self, bytes: usize, replaced: Option<usize>) -> Option<&'static str> {
        let others = self.bytes - replaced.unwrap_or_default();
        if replaced.is_none() && self.queue.len() + self.updates.len() >= MAX_WAITING {
            Some("1,000 replies")
        } else if others > 0 && others + bytes > MAX_BYTES {
            Some("16 MiB")
        } else {
            None
        }
    }

    fn queue_full(&self, limit: &'static str) -> ReplyError {
        ReplyError::QueueFull { account: self.client.context().account.clone(), limit }
    }

    fn pump(&mut self, ctx: &mut Context<Self>) {
        while let Some((ordering_key, job)) = self.queue.take() {
            let Job { action, deadline, bytes, done } = job;
            let stream = created_stream(&action);
            let work = execute_action(self.client.clone(), action, deadline).into_actor(self);
            ctx.spawn(work.map(move |result, act, ctx| {
                act.queue.complete(&ordering_key);
                act.bytes -= bytes;
                send_result(done, result);
                if let Some(stream) = &stream {
                    act.updates.creation_done(stream);
                    act.pump_updates(ctx);
                }
                act.pump(ctx);
            }));
        }
        self.report_drained();
    }

    /// Tells those who wait for it that nothing waits.
    fn report_drained(&mut self) {
        if self.queue.is_empty() && self.updates.is_empty() {
            for waiting in self.draining.drain(..) {
                // The caller may no longer wait.
                let _ = waiting.send(());
            }
        }
    }

    /// Sends a typing notification once, outside the queue.
    fn send_typing(
        &mut self,
        channel: ChannelId,
        root_id: Option<PostId>,
        done: Done,
        ctx: &mut Context<Self>,
    ) {
        if self.typing >= MAX_TYPING {
            return send_result(done, Ok(PostedIds::default()));
        }
        self.typing += 1;
        let sending = execute::send_typing(self.client.clone(), channel, root_id).into_actor(self);
        ctx.spawn(sending.map(move |result, act, _| {
            act.typing -= 1;
            send_result(done, result);
        }));
    }
}

fn send_result<T>(done: oneshot::Sender<Result<T, ReplyError>>, result: Result<T, ReplyError>) {
    // The caller may no longer wait.
    let _ = done.send(result);
}

/// Corrects the time in an error: a look-up has a limit of its own.
fn of_look_up(mut error: ReplyError) -> ReplyError {
    if let ReplyError::TimedOut { waited, .. } = &mut error {
        *waited = LOOKUP_DEADLINE;
    }
    error
}

fn ordering_key(action: &OutgoingAction) -> OrderingKey {
    match action {
        OutgoingAction::Post(draft) | OutgoingAction::Ephemeral { draft, .. } => {
            OrderingKey::Channel(draft.channel.clone())
        }
        OutgoingAction::Typing { channel, .. }
        | OutgoingAction::Update { channel, .. }
        | OutgoingAction::Integration { channel, .. } => OrderingKey::Channel(channel.clone()),
        OutgoingAction::Upload { channel, .. } => OrderingKey::Uploads(channel.clone()),
        OutgoingAction::Edit { post, .. }
        | OutgoingAction::React { post, .. }
        | OutgoingAction::Unreact { post, .. }
        | OutgoingAction::Delete { post } => OrderingKey::Post(post.clone()),
    }
}

/// Returns the approximate size of an action in memory, in bytes.
fn size(action: &OutgoingAction) -> usize {
    match action {
        OutgoingAction::Post(draft) | OutgoingAction::Ephemeral { draft, .. } => {
            let files: usize = draft.files.iter().map(|file| file.bytes.bytes_in_memory()).sum();
            draft.text.len() + size_of_props(&draft.props) + files
        }
        OutgoingAction::Edit { text, props, .. } => text.len() + props.as_ref().map_or(0, size_of_props),
        OutgoingAction::Update { text, .. } => text.len(),
        OutgoingAction::Upload { file, .. } => file.bytes.bytes_in_memory(),
        OutgoingAction::React { emoji, .. } | OutgoingAction::Unreact { emoji, .. } => emoji.len(),
        OutgoingAction::Delete { .. } | OutgoingAction::Typing { .. } => 0,
        OutgoingAction::Integration { call, .. } => match call {
            IntegrationCall::AnswerCommand { answer, .. } => answer.to_string().len(),
            IntegrationCall::OpenDialog { dialog, .. } => size_of_props(dialog),
        },
    }
}

fn size_of_props(props: &Map<String, Value>) -> usize {
    props.iter().map(|(name, value)| name.len() + value.to_string().len()).sum()
}

impl Actor for Replies {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAX_WAITING);
    }
}

impl Handler<Submit> for Replies {
    type Result = ();

    fn handle(&mut self, submit: Submit, ctx: &mut Self::Context) {
        self.client.update_context(submit.context);
        self.client.set_generation(submit.generation);
        match submit.action {
            OutgoingAction::Typing { channel, root_id } => {
                self.send_typing(channel, root_id, submit.done, ctx);
            }
            OutgoingAction::Update { channel, key, text, wait } => {
                self.update(channel, key, text, (submit.done, wait), ctx);
            }
            action => {
                self.enqueue(action, submit.done);
                self.pump(ctx);
            }
        }
    }
}

impl Handler<LookUp> for Replies {
    type Result = ();

    fn handle(&mut self, LookUp { context, lookup, done }: LookUp, ctx: &mut Self::Context) {
        let account = context.account.clone();
        self.client.update_context(context);
        if self.lookups >= MAX_LOOKUPS {
            return send_result(done, Err(ReplyError::QueueFull { account, limit: "64 look-ups" }));
        }
        self.lookups += 1;
        let found = look_up(self.client.clone(), lookup, Instant::now() + LOOKUP_DEADLINE).into_actor(self);
        ctx.spawn(found.map(move |found, act, _| {
            act.lookups -= 1;
            send_result(done, found.map_err(of_look_up));
        }));
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
