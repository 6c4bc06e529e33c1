//! Events sent to a child and not answered yet.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::Duration,
};

use futures_util::future::join_all;
use matterhost_actors::ports::Outcome;
use serde::{Deserialize, de::IgnoredAny};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::Instant,
};

use super::{
    protocol::{ChildMessage, EventRef},
    result_line::ActionResultLine,
};
use crate::{
    actions::{ActionResult, BAD_REQUEST},
    sinks::{
        HandlerDeps,
        failing_events::{FailingEvents, Failure, MAX_DEATHS, NextAttempt},
        message::Message,
        queue::Job,
        reply::{MAX_REPLIES_PER_EVENT, RawAction, ReplyParseError},
        shared_slots::SharedSlots,
    },
};

/// The most bytes of actions that are not done. While there are more, the child's output is not read.
const MAX_ACTION_BYTES: usize = 4 * 1024 * 1024;
/// The most actions that are not done: several for each of the events that a child may have.
pub(super) const MAX_AT_WORK: usize = 256;
/// The events at most whose time has passed and that the child may still answer; older ones are forgotten.
const MAX_OVERDUE: usize = 1_024;

/// The events in a row, without an accepted one between them, that are taken away before the failures of the child are
/// charged: a child that dies on every event is broken itself. Several accounts may receive the same post.
const MAX_BARREN_QUARANTINES: u32 = 8;

/// The state of an exec sink that outlives the runs of its child.
pub(super) struct ExecState {
    pub(super) handler_deps: HandlerDeps,
    pub(super) failing: RefCell<FailingEvents>,
    /// The events that wait for the child, and its slots.
    pub(super) waiting: RefCell<SharedSlots<Job<Message>>>,
    /// The events taken away since the last accepted one.
    pub(super) barren_quarantines: Cell<u32>,
}

/// The events sent to a child and not answered yet, oldest first.
pub(super) struct UnansweredEvents {
    events: VecDeque<UnansweredEvent>,
    /// The events whose time has passed, which the child may still have.
    overdue: VecDeque<Message>,
    state: Rc<ExecState>,
    at_work: Rc<ActionsAtWork>,
    /// The time of the child's last usable answer, or of its start.
    last_answer: Instant,
}

struct UnansweredEvent {
    job: Job<Message>,
    since: Instant,
    /// The place of its line's end in the child's input.
    end: u64,
    /// The number of posts among the actions.
    posts: usize,
    /// The actions that are not done; the event is acknowledged after them.
    actions: Vec<JoinHandle<()>>,
}

/// The actions that are not done.
struct ActionsAtWork {
    count: Cell<usize>,
    bytes: Cell<usize>,
    /// Notified when one is done.
    done: Notify,
    /// The results that the child wants to be told.
    results: mpsc::Sender<ActionResultLine>,
}

/// The parts of an action that its result refers to, for one that cannot be read as a whole.
#[derive(Deserialize)]
struct NamedAction {
    #[serde(rename = "action")]
    _action: IgnoredAny,
    id: Box<str>,
    to: Option<Box<str>>,
}

/// The consequence of an event's passed deadline.
pub(super) enum Overdue {
    /// The event's turn has ended; the child goes on.
    Event(Box<Message>, String),
    /// The child answers nothing at all.
    Child(String),
}

impl UnansweredEvents {
    /// Returns no events. Results of actions go to `results`, which has room for [`MAX_AT_WORK`].
    pub(super) fn new(state: Rc<ExecState>, results: mpsc::Sender<ActionResultLine>) -> Self {
        let at_work =
            ActionsAtWork { count: Cell::default(), bytes: Cell::default(), done: Notify::new(), results };
        let (events, overdue, at_work) = (VecDeque::new(), VecDeque::new(), Rc::new(at_work));
        Self { events, overdue, state, at_work, last_answer: Instant::now() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Returns the number of events that the child had at least so many times when it died.
    pub(super) fn count_suspects(&self, deaths: u32) -> usize {
        let failing = self.state.failing.borrow();
        self.events.iter().filter(|event| failing.deaths(&event.job.item) >= deaths).count()
    }

    /// Adds an event whose line ends at that place of the child's input.
    pub(super) fn add(&mut self, job: Job<Message>, end: u64) {
        let since = Instant::now();
        self.events.push_back(UnansweredEvent { job, since, end, posts: 0, actions: Vec::new() });
    }

    /// Returns the time since when the oldest event has been waiting.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.events.front().map(|event| event.since)
    }

    /// Returns true if the child may write more actions.
    pub(super) fn has_room_for_actions(&self) -> bool {
        self.at_work.bytes.get() < MAX_ACTION_BYTES && self.at_work.count.get() < MAX_AT_WORK
    }

    /// Starts the times for answers over: the child's output was not read meanwhile.
    pub(super) fn restart_times(&mut self) {
        self.last_answer = Instant::now();
        self.events.iter_mut().for_each(|event| event.since = self.last_answer);
    }

    /// Returns a future that ends when an action is done.
    pub(super) fn action_done(&self) -> impl Future<Output = ()> + use<> {
        let at_work = Rc::clone(&self.at_work);
        async move { at_work.done.notified().await }
    }

    /// Handles a line of the child.
    ///
    /// # Errors
    /// A description of the problem if the line cannot be used.
    pub(super) fn handle_line(&mut self, line: &str) -> Result<(), String> {
        let message = ChildMessage::parse(line).inspect_err(|problem| self.tell_unreadable(line, problem))?;
        match message {
            ChildMessage::Ack(event_ref) => {
                let event = self.take(&event_ref)?;
                self.state.failing.borrow_mut().record_answer(&event.job.item);
                self.state.barren_quarantines.set(0);
                event.acknowledge();
            }
            ChildMessage::Retry(event_ref, after) => {
                let event = self.take(&event_ref)?;
                let cause = "the handler asked for a retry";
                self.state.retry(event.job, Failure::Deferred, cause, |_| after);
            }
            ChildMessage::Reject(event_ref, cause) => {
                let event = self.take(&event_ref)?;
                self.state.failing.borrow_mut().record_answer(&event.job.item);
                self.state.reject(event.job, &cause);
            }
            ChildMessage::Act(action) => self.act(*action)?,
        }
        self.last_answer = Instant::now();
        Ok(())
    }

    /// Ends the turn of the oldest event if its time has passed, unless the child answers nothing at all.
    pub(super) fn expire_oldest(&mut self, limit: Duration) -> Option<Overdue> {
        let oldest = self.events.front().filter(|event| event.since.elapsed() >= limit)?;
        let oldest = &oldest.job.item;
        let (id, channel, account) = (&oldest.id, oldest.channel.as_str(), oldest.account.as_str());
        let time = humantime::format_duration(limit);
        let cause = format!(
            "it left event {id} in channel {channel} of account {account} unanswered for {time} (answer_timeout)"
        );
        if self.last_answer.elapsed() >= limit {
            return Some(Overdue::Child(format!("{cause}, and answered nothing else")));
        }
        let event = self.events.pop_front()?;
        self.state.release(&event.job);
        if self.overdue.len() >= MAX_OVERDUE {
            self.overdue.pop_front();
        }
        self.overdue.push_back(event.job.item.clone());
        let said = format!("the handler left the event unanswered for {time} (answer_timeout)");
        let item = Box::new(event.job.item.clone());
        self.state.retry(event.job, Failure::Event, &said, |after| after);
        Some(Overdue::Event(item, cause))
    }

    /// Returns all events, to be delivered again.
    pub(super) fn return_all(&mut self, after: Duration, cause: &str) {
        for event in self.events.drain(..) {
            event.job.settle(Outcome::Retry { after, cause: cause.to_owned() });
        }
    }

    /// Describes the events that a child has read that many bytes of, for the log.
    pub(super) fn describe_read(&self, read: u64) -> String {
        let taken: Vec<_> = self.events.iter().filter(|event| event.end <= read).collect();
        let Some(first) = taken.first().map(|event| &event.job.item) else { return String::new() };
        let more = match taken.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let (id, channel, account) = (&first.id, first.channel.as_str(), first.account.as_str());
        format!("; it had event {id} in channel {channel} of account {account}{more}")
    }

    /// Records that the child died, having read that many bytes, and takes an event away that it died on too often.
    /// Returns true if an event may be the cause, unless that was said too often.
    pub(super) fn record_death(&mut self, read: u64, cause: &str) -> bool {
        let taken: Vec<_> = self.events.iter().filter(|event| event.end <= read).collect();
        let late = self.overdue.iter().filter(|late| taken.iter().all(|event| event.job.item.id != late.id));
        let suspects: Vec<_> = taken.iter().map(|event| &event.job.item).chain(late).cloned().collect();
        let alone = suspects.len() == 1;
        for suspect in &suspects {
            let deaths = self.state.failing.borrow_mut().record_death(suspect, alone);
            if deaths >= MAX_DEATHS {
                self.quarantine(suspect, cause);
            }
        }
        !suspects.is_empty() && self.state.barren_quarantines.get() <= MAX_BARREN_QUARANTINES
    }

    fn quarantine(&mut self, suspect: &Message, cause: &str) {
        let is_suspect = |event: &UnansweredEvent| {
            event.job.item.id == suspect.id && event.job.item.source == suspect.source
        };
        let index = self.events.iter().position(is_suspect);
        if let Some(event) = index.and_then(|index| self.events.remove(index)) {
            let cause =
                format!("the handler failed {MAX_DEATHS} times with this event; the last time {cause}");
            self.state.barren_quarantines.set(self.state.barren_quarantines.get() + 1);
            self.state.reject(event.job, &cause);
        }
    }

    fn take(&mut self, event_ref: &EventRef) -> Result<UnansweredEvent, String> {
        self.overdue.retain(|event| !event_ref.matches(event));
        let index = self.events.iter().position(|event| event_ref.matches(&event.job.item));
        let event = index.and_then(|index| self.events.remove(index));
        let event = event.ok_or("the answer names no unanswered event")?;
        self.state.release(&event.job);
        Ok(event)
    }

    fn act(&mut self, raw: RawAction) -> Result<(), String> {
        let (name, to) = (raw.name().map(Into::into), raw.to().map(Into::into));
        let begun = self.begin(raw);
        if let (Err(problem), Some(name)) = (&begun, name) {
            let result = ActionResult::failed(BAD_REQUEST, problem.clone());
            self.at_work.tell(ActionResultLine::new(name, to, result));
        }
        begun
    }

    /// Tells the child that an action with a name cannot be read.
    fn tell_unreadable(&self, line: &str, problem: &str) {
        if let Ok(NamedAction { id, to, .. }) = serde_json::from_str(line) {
            let result = ActionResult::failed(BAD_REQUEST, problem.into());
            self.at_work.tell(ActionResultLine::new(id, to, result));
        }
    }

    /// Begins an action.
    fn begin(&mut self, raw: RawAction) -> Result<(), String> {
        let events: Vec<_> = self.events.iter().map(|event| &event.job.item).collect();
        let index = raw.event_index(&events).map_err(|error| error.to_string())?;
        let Some(event) = self.events.get_mut(index) else { return Ok(()) };
        let message = &event.job.item;
        let (bytes, answered) = (raw.len(), message.answered(&self.state.handler_deps.sink));
        let action = raw.into_action(answered, event.posts).map_err(|error| error.describe(&message.id))?;
        let Some(action) = action else { return Ok(()) };
        if action.is_post() {
            if event.posts >= MAX_REPLIES_PER_EVENT {
                return Err(ReplyParseError::TooMany.describe(&message.id));
            }
            event.posts += 1;
        }
        let (name, to) = (action.name.clone(), message.id.clone());
        let doing = self.state.handler_deps.act(message, action);
        let at_work = Rc::clone(&self.at_work);
        at_work.add(bytes);
        event.actions.retain(|action| !action.is_finished());
        event.actions.push(tokio::task::spawn_local(async move {
            let result = doing.await;
            at_work.remove(bytes);
            if let Some(name) = name {
                at_work.tell(ActionResultLine::new(name, Some(to), result));
            }
        }));
        Ok(())
    }
}

impl ActionsAtWork {
    fn add(&self, bytes: usize) {
        self.count.set(self.count.get() + 1);
        self.bytes.set(self.bytes.get() + bytes);
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

impl UnansweredEvent {
    /// Acknowledges the event once its actions are done.
    fn acknowledge(self) {
        if self.actions.is_empty() {
            return self.job.settle(Outcome::Acknowledged);
        }
        tokio::task::spawn_local(async move {
            join_all(self.actions).await;
            self.job.settle(Outcome::Acknowledged);
        });
    }
}

impl ExecState {
    /// Forgets the accounts that no longer deliver to the sink.
    pub(super) fn forget_accounts(&self) {
        for account in self.handler_deps.monitor.take_forgotten() {
            self.waiting.borrow_mut().forget(&account);
            self.failing.borrow_mut().forget_account(&account);
        }
    }

    /// Takes the next event that waits, with a slot for it.
    pub(super) fn take_waiting(&self) -> Option<Job<Message>> {
        let job = self.waiting.borrow_mut().take()?;
        self.handler_deps.monitor.take_slot(&job.item.account);
        Some(job)
    }

    /// Returns the slot of an event.
    pub(super) fn release(&self, job: &Job<Message>) {
        self.waiting.borrow_mut().release(&job.item.account);
        self.handler_deps.monitor.free_slot(&job.item.account);
    }

    /// Returns an event to be delivered again, or gives it up. `delay` chooses the delay.
    fn retry(&self, job: Job<Message>, failure: Failure, cause: &str, delay: impl Fn(Duration) -> Duration) {
        if job.is_disowned() {
            return;
        }
        let next = self.failing.borrow_mut().record_failure(&job.item, failure, Instant::now());
        match next {
            NextAttempt::GiveUp(limit) => self.reject(job, &format!("{cause}; {limit}")),
            NextAttempt::After(after) => {
                let cause = cause.to_owned();
                let outcome = self.failing.borrow().retry_outcome(&job.item, delay(after), cause);
                job.settle(outcome);
            }
        }
    }

    /// Makes an event a dead letter.
    fn reject(&self, job: Job<Message>, cause: &str) {
        if job.is_disowned() {
            return;
        }
        let outcome = self.handler_deps.reject(&job.item, cause);
        if matches!(outcome, Outcome::Rejected { .. }) {
            self.failing.borrow_mut().forget(&job.item);
        }
        job.settle(outcome);
    }
}
