//! Events sent to a child and not answered yet.

mod acknowledged;
mod child_actions;
mod deaths;
mod overdue;

use std::{collections::VecDeque, ops::Range, rc::Rc, time::Duration};

use futures_util::future::join_all;
use matterhost_actors::ports::Outcome;
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

pub(super) use self::child_actions::MAX_AT_WORK;
use self::{
    acknowledged::AcknowledgedEvents,
    child_actions::ActionsAtWork,
    overdue::{OverdueEvent, OverdueEvents, Progress},
};
use super::{
    ENDED,
    child_run::REDELIVER_AFTER,
    exec_state::ExecState,
    protocol::{ChildMessage, EventRef},
    result_line::ActionResultLine,
    trial::{FRESH, LOOK_EVERY, Trial},
};
use crate::sinks::{
    HandlerDeps,
    failing_events::Failure,
    handler::fenced,
    message::{Course, Message},
    queue::Job,
    typing::Typing,
};

/// The problem of a line that refers to no event of the child.
const UNKNOWN_EVENT: &str = "the answer names no unanswered event";
/// The time for which events wait behind one that the child is at work on, whatever it says.
const MAX_WAIT_FOR_WORK: Duration = Duration::from_secs(3600);

/// The events sent to a child and not answered yet, oldest first.
pub(super) struct UnansweredEvents {
    events: VecDeque<UnansweredEvent>,
    /// The events whose time has passed, which the child may still have.
    overdue: OverdueEvents,
    /// The events that were acknowledged, for actions that come later.
    acknowledged: AcknowledgedEvents,
    state: Rc<ExecState>,
    at_work: Rc<ActionsAtWork>,
    /// The time to answer an event.
    timeout: Duration,
    /// The number of events that the child says it is at work on.
    working: usize,
    /// The time of the child's last usable answer, or of its start.
    last_answer: Instant,
    /// The time of its first one: by then it had started.
    first_answer: Option<Instant>,
}

struct UnansweredEvent {
    job: Job<Message>,
    sent: Instant,
    /// The time at which the child was seen to have read it, if anyone looked.
    read_at: Option<Instant>,
    /// The time since when the child could have answered.
    since: Instant,
    /// The end of the time for which the child said that it is at work on the event.
    working_until: Option<Instant>,
    /// The place of its line's end in the child's input.
    end: u64,
    /// The sign that the bot is typing.
    _typing: Option<Typing>,
    /// The number of posts among the actions.
    posts: usize,
    /// The actions that are not done; the event is acknowledged after them.
    actions: Vec<JoinHandle<()>>,
}

/// The consequence of an event's passed deadline.
pub(super) enum Overdue {
    /// The event's turn has ended; the child goes on.
    Event(Box<Message>, String),
    /// The child answers nothing at all.
    Child(String),
}

impl UnansweredEvents {
    /// Returns no events. Each is to be answered within the timeout. Results of actions go to `results`, which has room for
    /// [`MAX_AT_WORK`].
    pub(super) fn new(
        state: Rc<ExecState>,
        timeout: Duration,
        results: mpsc::Sender<ActionResultLine>,
    ) -> Self {
        Self {
            events: VecDeque::new(),
            overdue: OverdueEvents::default(),
            acknowledged: AcknowledgedEvents::default(),
            state,
            at_work: Rc::new(ActionsAtWork::new(results)),
            timeout,
            working: 0,
            last_answer: Instant::now(),
            first_answer: None,
        }
    }

    /// Returns true if the child has an event that may be taken away after one of the next deaths, whatever else it has.
    pub(super) fn has_doubtful(&self) -> bool {
        let suspicion = |event: &UnansweredEvent| self.state.suspicion(&event.job.item);
        self.events.iter().filter_map(suspicion).any(|suspicion| suspicion.is_doubtful())
    }

    /// Returns the time of the next look at a trial; `None` if it is over, or its event is answered.
    pub(super) fn next_look_at(&self, trial: Trial, now: Instant) -> Option<Instant> {
        let event = self.events.iter().find(|event| event.end == trial.end)?;
        trial.next_look(event.read_at, now)
    }

    /// Returns the time of the next look at the events at a place of the child's input; `None` if all are answered, or were
    /// read some time ago.
    pub(super) fn next_look_in(&self, place: &Range<u64>, now: Instant) -> Option<Instant> {
        let there = self.events.iter().filter(|event| place.start < event.end && event.end <= place.end);
        let fresh = there.filter(|event| event.is_fresh(now));
        fresh.map(|event| event.read_at.map_or(now + LOOK_EVERY, |read_at| read_at + FRESH)).min()
    }

    /// Returns the place in the child's input before the first event that it did not read some time ago.
    pub(super) fn first_fresh(&self, now: Instant) -> Option<u64> {
        let fresh = self.events.iter().filter(|event| event.is_fresh(now));
        fresh.map(|event| event.end.saturating_sub(1)).min()
    }

    /// Records how many bytes the child has read by now.
    pub(super) fn record_read(&mut self, read: u64, now: Instant) {
        let unread = self.events.iter_mut().filter(|event| event.end <= read && event.read_at.is_none());
        unread.for_each(|event| event.read_at = Some(now));
    }

    /// Returns the number of events that went past the others.
    pub(super) fn count_hooks(&self) -> usize {
        self.events.iter().filter(|event| event.job.item.course != Course::InTurn).count()
    }

    /// Adds an event whose line ends at that place of the child's input.
    pub(super) fn add(&mut self, job: Job<Message>, end: u64) {
        let event = UnansweredEvent::new(job, end, &self.state.handler_deps);
        self.events.push_back(event);
    }

    /// Returns an event that was not written to the child, because another host may own its account by now.
    pub(super) fn withdraw(&mut self, end: u64) {
        let index = self.events.iter().position(|event| event.end == end);
        let Some(event) = index.and_then(|index| self.remove(index)) else { return };
        self.state.release(&event.job);
        event.job.settle(fenced());
    }

    /// Gives an event that is delivered again to the run of it that the child is known to be at work on. Returns the event
    /// if there is none, so that it has to be sent.
    pub(super) fn join_work(&mut self, job: Job<Message>) -> Option<Job<Message>> {
        let now = Instant::now();
        if let Some(late) = self.overdue.take_known(&job.item, now) {
            self.rejoin(late, job);
            return None;
        }
        let is_at_work = |event: &&mut UnansweredEvent| {
            event.is_at_work(now) && event.job.is_disowned() && event.job.item.is_same_event(&job.item)
        };
        match self.events.iter_mut().find(is_at_work) {
            Some(event) => {
                let before = std::mem::replace(&mut event.job, job);
                self.state.release(&before);
                None
            }
            None => Some(job),
        }
    }

    /// Goes on with an event whose time had passed before the child said that it is at work on it, or acknowledged it.
    fn rejoin(&mut self, late: OverdueEvent, job: Job<Message>) {
        // The child has read the event.
        let mut event = UnansweredEvent::new(job, 0, &self.state.handler_deps);
        (event.posts, event.actions) = (late.posts, late.actions);
        if late.progress == Progress::Acknowledged {
            self.state.release(&event.job);
            return self.acknowledge(event);
        }
        if let Progress::Working(until) = late.progress {
            event.working_until = Some(until);
            self.working += 1;
        }
        self.events.push_back(event);
    }

    fn acknowledge(&self, event: UnansweredEvent) {
        self.state.failing.borrow_mut().record_answer(&event.job.item);
        self.state.barren_quarantines.set(0);
        event.acknowledge(&self.acknowledged);
    }

    /// Returns the time at which the next answer is due.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.working == 0 {
            return self.events.front().map(|event| event.since + self.timeout);
        }
        self.next_due().map(|(_, due)| due)
    }

    /// Returns the index of the event whose answer is due next, and the time. A child that works on one event may read the
    /// others only after it.
    fn next_due(&self) -> Option<(usize, Instant)> {
        let busy_until = self.events.iter().filter_map(|event| event.working_until).max();
        let due = |event: &UnansweredEvent| {
            event.working_until.unwrap_or_else(|| {
                let due = event.since + self.timeout;
                let longest = event.sent + MAX_WAIT_FOR_WORK + self.timeout;
                busy_until.map_or(due, |busy| due.max(busy.min(longest)))
            })
        };
        let due = self.events.iter().enumerate().map(|(index, event)| (index, due(event)));
        due.min_by_key(|(_, due)| *due)
    }

    /// Starts the times for answers over: the child's output was not read meanwhile.
    pub(super) fn restart_times(&mut self) {
        self.restart_waiting();
        // It could not say that it needs longer.
        let least = self.last_answer + self.timeout;
        for until in self.events.iter_mut().filter_map(|event| event.working_until.as_mut()) {
            *until = (*until).max(least);
        }
    }

    /// Starts the times for answers over, except those that the child named.
    fn restart_waiting(&mut self) {
        self.last_answer = Instant::now();
        self.events.iter_mut().for_each(|event| event.since = self.last_answer);
    }

    /// Handles a line of the child.
    ///
    /// # Errors
    /// A description of the problem if the line cannot be used.
    pub(super) fn handle_line(&mut self, line: &str) -> Result<(), String> {
        let message = ChildMessage::parse(line).inspect_err(|problem| self.tell_unreadable(line, problem))?;
        match message {
            ChildMessage::Ack(event_ref) if self.is_overdue(&event_ref) => {
                self.overdue.acknowledge(&event_ref);
            }
            ChildMessage::Ack(event_ref) => {
                let event = self.take(&event_ref)?;
                self.acknowledge(event);
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
            ChildMessage::Working(event_ref, time) => self.extend(&event_ref, time)?,
            ChildMessage::Act(action) => self.act(*action)?,
        }
        self.last_answer = Instant::now();
        self.first_answer.get_or_insert(self.last_answer);
        Ok(())
    }

    /// Ends the turn of the event whose answer is due, unless the child answers nothing at all.
    pub(super) fn expire_due(&mut self) -> Option<Overdue> {
        let now = Instant::now();
        let (index, _) = self.next_due().filter(|(_, due)| *due <= now)?;
        let late = self.events.get(index)?;
        let message = &late.job.item;
        let (id, channel, account) = (&message.id, message.channel.as_str(), message.account.as_str());
        let time = humantime::format_duration(self.timeout);
        let problem = match late.working_until {
            None => format!("unanswered for {time} (answer_timeout)"),
            Some(_) => "unanswered for longer than it said that it works on it".to_owned(),
        };
        let cause = format!("it left event {id} in channel {channel} of account {account} {problem}");
        let is_at_work = self.events.iter().any(|event| event.is_at_work(now));
        if self.last_answer.elapsed() >= self.timeout && !is_at_work {
            return Some(Overdue::Child(format!("{cause}, and answered nothing else")));
        }
        let event = self.remove(index)?;
        self.state.release(&event.job);
        let UnansweredEvent { job, posts, actions, .. } = event;
        let progress = Progress::Unknown;
        self.overdue.add(OverdueEvent { message: job.item.clone(), posts, actions, progress });
        let said = format!("the handler left the event {problem}");
        let item = Box::new(job.item.clone());
        self.state.retry(job, Failure::Event, &said, |after| after);
        Some(Overdue::Event(item, cause))
    }

    /// Gives the child more time for an event that it is at work on.
    fn extend(&mut self, event_ref: &EventRef, time: Option<Duration>) -> Result<(), String> {
        let until = Instant::now() + time.unwrap_or(self.timeout);
        if self.is_overdue(event_ref) {
            self.overdue.extend(event_ref, until);
            return Ok(());
        }
        let event = self.index_of(event_ref).and_then(|index| self.events.get_mut(index));
        let event = event.ok_or(UNKNOWN_EVENT)?;
        let course = &mut event.job.item.course;
        if *course == Course::Urgent {
            *course = Course::TakenForLater;
        }
        self.working += usize::from(event.working_until.replace(until).is_none());
        Ok(())
    }

    fn index_of(&self, event_ref: &EventRef) -> Option<usize> {
        self.events.iter().position(|event| event_ref.matches(&event.job.item))
    }

    /// True if the time of the event has passed and it has not been delivered again.
    fn is_overdue(&self, event_ref: &EventRef) -> bool {
        self.index_of(event_ref).is_none() && self.overdue.contains(event_ref)
    }

    /// Removes an event. The child can go on with those that waited while it was at work.
    fn remove(&mut self, index: usize) -> Option<UnansweredEvent> {
        let event = self.events.remove(index)?;
        if event.working_until.is_some() {
            self.working -= 1;
            self.restart_waiting();
        }
        Some(event)
    }

    /// Returns all events, to be delivered again. Those that went past the others wait for no other.
    pub(super) fn return_all(&mut self, outcome: &Outcome) {
        for UnansweredEvent { job, .. } in self.events.drain(..) {
            let ended = match job.item.course {
                Course::InTurn => outcome.clone(),
                Course::Urgent => Outcome::Rejected { cause: ENDED.into() },
                Course::TakenForLater => Outcome::Hold { after: REDELIVER_AFTER, cause: ENDED.into() },
            };
            job.settle(ended);
        }
    }

    fn take(&mut self, event_ref: &EventRef) -> Result<UnansweredEvent, String> {
        self.overdue.forget(event_ref);
        let event = self.index_of(event_ref).and_then(|index| self.remove(index)).ok_or(UNKNOWN_EVENT)?;
        self.state.release(&event.job);
        Ok(event)
    }
}

impl UnansweredEvent {
    fn new(job: Job<Message>, end: u64, deps: &HandlerDeps) -> Self {
        let (now, typing) = (Instant::now(), Typing::show(deps, &job.item));
        let (working_until, posts, actions) = (None, 0, Vec::new());
        Self {
            job,
            sent: now,
            read_at: None,
            since: now,
            working_until,
            end,
            _typing: typing,
            posts,
            actions,
        }
    }

    /// True if the child may have read the event shortly before that time, as far as anyone looked.
    fn is_fresh(&self, at: Instant) -> bool {
        // One that is delivered again while the child works on it has no line.
        self.end > 0 && self.read_at.is_none_or(|read_at| at < read_at + FRESH)
    }

    /// True if the child said that it is at work on the event now.
    fn is_at_work(&self, now: Instant) -> bool {
        self.working_until.is_some_and(|until| until > now)
    }

    /// Acknowledges the event once its actions are done, and keeps it for later ones.
    fn acknowledge(self, acknowledged: &AcknowledgedEvents) {
        let (acknowledged, posts) = (acknowledged.clone(), self.posts);
        if self.actions.is_empty() {
            return acknowledged.add(self.job.settle_and_keep(Outcome::Acknowledged), posts);
        }
        acknowledged.add(self.job.item.clone(), posts);
        tokio::task::spawn_local(async move {
            join_all(self.actions).await;
            self.job.settle(Outcome::Acknowledged);
        });
    }
}
