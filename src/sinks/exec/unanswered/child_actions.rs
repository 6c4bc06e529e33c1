//! The actions of a child.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use serde::{Deserialize, de::IgnoredAny};
use tokio::{
    sync::{Notify, mpsc},
    task::{AbortHandle, JoinHandle},
};

use super::{
    super::{
        exec_state::ExecState,
        result_line::{ActionResultLine, AnsweredEventRef},
    },
    UnansweredEvents,
};
use crate::{
    actions::{ActionResult, BAD_REQUEST, MAX_POSTS_PER_EVENT, Work},
    sinks::{
        message::Message,
        reply::{RawAction, ReplyParseError},
    },
};

/// The most bytes of actions that are not done. While there are more, the child's output is not read.
const MAX_ACTION_BYTES: usize = 4 * 1024 * 1024;
/// The most actions that are not done: several for each of the events that a child may have.
pub(in crate::sinks::exec) const MAX_AT_WORK: usize = 256;

/// An action that is not begun.
struct RefusedAction {
    status: u16,
    problem: String,
}

impl RefusedAction {
    /// Returns the refusal of an action in answer to an event.
    fn of(error: &ReplyParseError, event: &Message) -> Self {
        Self { status: error.status(), problem: error.describe(&event.id) }
    }
}

/// The actions that are not done.
pub(super) struct ActionsAtWork {
    count: Cell<usize>,
    bytes: Cell<usize>,
    /// Notified when one is done.
    done: Notify,
    /// The downloads into the directory of the child.
    downloads: RefCell<Vec<AbortHandle>>,
    /// The results that the child wants to be told.
    results: mpsc::Sender<ActionResultLine>,
}

/// The parts of an action that its result refers to, for one that cannot be read as a whole.
#[derive(Deserialize)]
struct NamedAction {
    #[serde(rename = "action")]
    _action: IgnoredAny,
    id: Box<str>,
    #[serde(flatten)]
    event: AnsweredEventRef,
}

impl UnansweredEvents {
    /// Returns true if the child may write more actions.
    pub(in crate::sinks::exec) fn has_room_for_actions(&self) -> bool {
        self.at_work.bytes.get() < MAX_ACTION_BYTES && self.at_work.count.get() < MAX_AT_WORK
    }

    /// Returns a future that ends when an action is done.
    pub(in crate::sinks::exec) fn action_done(&self) -> impl Future<Output = ()> + use<> {
        let at_work = Rc::clone(&self.at_work);
        async move { at_work.done.notified().await }
    }

    /// Ends the downloads of a child that has ended: the next one may want the same paths.
    pub(in crate::sinks::exec) fn end_downloads(&self) {
        self.at_work.downloads.take().iter().for_each(AbortHandle::abort);
    }

    pub(super) fn act(&mut self, raw: RawAction) -> Result<(), String> {
        let name = raw.name().map(Into::into);
        let event = AnsweredEventRef { to: raw.to().map(Into::into), source: raw.source().map(Into::into) };
        let begun = self.begin(raw);
        if let (Err(refused), Some(name)) = (&begun, name) {
            let result = ActionResult::failed(refused.status, refused.problem.clone());
            self.at_work.tell(ActionResultLine::new(name, event, result));
        }
        begun.map_err(|refused| refused.problem)
    }

    /// Tells the child that an action with a name cannot be read.
    pub(super) fn tell_unreadable(&self, line: &str, problem: &str) {
        if let Ok(NamedAction { id, event, .. }) = serde_json::from_str(line) {
            let result = ActionResult::failed(BAD_REQUEST, problem.into());
            self.at_work.tell(ActionResultLine::new(id, event, result));
        }
    }

    /// Begins an action.
    fn begin(&mut self, raw: RawAction) -> Result<(), RefusedAction> {
        let events: Vec<_> = self.events.iter().map(|event| &event.job.item).collect();
        let index = match raw.event_index(&events) {
            Ok(index) => index,
            Err(error) => {
                let refused = RefusedAction { status: error.status(), problem: error.to_string() };
                return self.begin_late(raw).unwrap_or(Err(refused));
            }
        };
        let Some(event) = self.events.get_mut(index) else { return Ok(()) };
        let doing = self.state.begin(&self.at_work, &event.job.item, &mut event.posts, raw)?;
        event.actions.retain(|action| !action.is_finished());
        event.actions.extend(doing);
        Ok(())
    }

    /// Begins an action that comes after the time or the acknowledgement of its event; `None` if there is no such event.
    fn begin_late(&mut self, raw: RawAction) -> Option<Result<(), RefusedAction>> {
        if let Some(overdue) = self.overdue.find(&raw) {
            let begun = self.state.begin(&self.at_work, &overdue.message, &mut overdue.posts, raw);
            return Some(begun.map(|doing| overdue.actions.extend(doing)));
        }
        let (message, posts) = self.acknowledged.find(&raw)?;
        // Nothing waits for it: its event is acknowledged.
        let mut count = posts.get();
        let begun = self.state.begin(&self.at_work, &message, &mut count, raw).map(drop);
        posts.set(count);
        Some(begun)
    }
}

impl ExecState {
    /// Begins an action in answer to an event with so many posts; `None` if it is an empty reply.
    fn begin(
        &self,
        at_work: &Rc<ActionsAtWork>,
        message: &Message,
        posts: &mut usize,
        raw: RawAction,
    ) -> Result<Option<JoinHandle<()>>, RefusedAction> {
        let (bytes, answered) = (raw.len(), message.answered(&self.handler_deps.sink));
        let action = raw
            .into_action(answered, *posts, self.files.as_ref())
            .map_err(|error| RefusedAction::of(&error, message))?;
        let Some(action) = action else { return Ok(None) };
        if action.is_post() {
            if *posts >= MAX_POSTS_PER_EVENT {
                return Err(RefusedAction::of(&ReplyParseError::TooMany, message));
            }
            *posts += 1;
        }
        let name = action.name.clone();
        let event = AnsweredEventRef { to: Some(message.id.clone()), source: Some(message.source.clone()) };
        let is_download = matches!(action.action.work, Work::Download { .. });
        let doing = self.handler_deps.act(message, action);
        at_work.add(bytes);
        let done = Rc::clone(at_work);
        let task = tokio::task::spawn_local(async move {
            let result = doing.await;
            done.remove(bytes);
            if let Some(name) = name {
                done.tell(ActionResultLine::new(name, event, result));
            }
        });
        if is_download {
            at_work.add_download(task.abort_handle());
        }
        Ok(Some(task))
    }
}

impl ActionsAtWork {
    pub(super) fn new(results: mpsc::Sender<ActionResultLine>) -> Self {
        let (count, bytes, downloads) = (Cell::default(), Cell::default(), RefCell::default());
        Self { count, bytes, done: Notify::new(), downloads, results }
    }

    fn add(&self, bytes: usize) {
        self.count.set(self.count.get() + 1);
        self.bytes.set(self.bytes.get() + bytes);
    }

    fn add_download(&self, download: AbortHandle) {
        let mut downloads = self.downloads.borrow_mut();
        downloads.retain(|download| !download.is_finished());
        downloads.push(download);
    }

    fn remove(&self, bytes: usize) {
        self.count.set(self.count.get().saturating_sub(1));
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
        self.done.notify_one();
    }

    /// Passes a result on to the child. Its run takes results at once, so there is room unless the run has ended.
    fn tell(&self, line: ActionResultLine) {
        let _ = self.results.try_send(line);
    }
}
