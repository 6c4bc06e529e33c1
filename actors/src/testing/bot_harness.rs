use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{Answer, EventBuilder};
use crate::{
    bots::{
        Bot, BotSink, Run,
        schedules::{Plan, ScheduledBot as _, Step, millis},
    },
    model::{
        AccountName, BotName, DIALOG_ERRORS, Event, Excerpt, FileId, Found, Lookup, OutgoingAction,
        PostedIds, ReplyError, ServerName,
    },
    ports::{Delivered, EventSink as _, EventStorage, FileDownload, Outcome, Poster, SharedValues},
};

/// The name of the bot's account.
pub(super) const ACCOUNT: &str = "bot";

/// The name of the server.
pub(super) const SERVER: &str = "harness";

/// The time of the first event, in server milliseconds.
const FIRST_EVENT_AT: i64 = 1_700_000_000_000;

/// The time from event to event.
const EVENT_INTERVAL: Duration = Duration::from_secs(1);

/// The id of the bot's own user.
pub(super) const USER: &str = "bot-user";

/// A harness around a bot, in place of a host and its server.
///
/// Each post succeeds and gets an id, `reply-1` and so on, unless [`fail_next`](Self::fail_next) was called. The harness
/// runs on any tokio runtime.
#[derive(Debug)]
pub struct BotHarness<B> {
    sink: BotSink<B>,
    poster: Arc<FakePoster>,
    values: SharedValues,
    delivered: AtomicI64,
    clock: Mutex<Clock>,
}

/// The harness's own time, and the schedules of the bot.
#[derive(Debug)]
struct Clock {
    now: i64,
    plans: Vec<Plan>,
}

/// A poster that records the actions and returns scripted failures.
#[derive(Debug, Default)]
struct FakePoster(Mutex<Script>);

#[derive(Debug, Default)]
struct Script {
    actions: Vec<OutgoingAction>,
    failures: VecDeque<ReplyError>,
    posts: usize,
    found: Vec<(Lookup, Found)>,
    /// The names and contents of files.
    files: Vec<(FileId, String, Bytes)>,
}

impl<B: Bot> BotHarness<B> {
    /// The id of the bot's own user.
    pub const USER: &'static str = USER;

    /// Returns a harness around a bot.
    pub fn new(bot: B) -> Self {
        let poster = Arc::new(FakePoster::default());
        let plans = bot.schedules().into_iter().map(|schedule| Plan::new(schedule, FIRST_EVENT_AT)).collect();
        let sink = BotSink::new(bot, poster.clone());
        let clock = Mutex::new(Clock { now: FIRST_EVENT_AT, plans });
        Self { sink, poster, values: SharedValues::default(), delivered: AtomicI64::new(0), clock }
    }

    /// Sets the name that tells the bots of an account apart, as [`BotSink::named`] does, and as a sink of the whole program has one.
    #[must_use]
    pub fn named(self, name: BotName) -> Self {
        Self { sink: self.sink.named(name), ..self }
    }

    /// Limits the duration of a handler.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { sink: self.sink.with_deadline(deadline), ..self }
    }

    /// Delivers an event and waits for its handler. Returns the outcome on which a host would act.
    pub async fn deliver(&self, builder: EventBuilder) -> Outcome {
        let n = self.delivered.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.lock().tick();
        match builder.build(n, now) {
            Ok(event) => self.hand_over(&Arc::new(event)).await,
            Err(error) => Outcome::Rejected { cause: error.to_string() },
        }
    }

    async fn hand_over(&self, event: &Arc<Event>) -> Outcome {
        let storage = EventStorage::new(event.body.channel_id.clone(), self.values.clone());
        let outcome = match self.sink.deliver_with(event, &storage) {
            Delivered::Now(outcome) => outcome,
            Delivered::Later(outcome) => outcome.await,
        };
        if outcome == Outcome::Acknowledged {
            storage.accept();
        }
        outcome
    }

    /// Returns the harness's time, in Unix milliseconds. It begins on 14 November 2023, 22:13:20 UTC; each event takes a
    /// second of it.
    pub fn now(&self) -> i64 {
        self.clock.lock().now
    }

    /// Lets time pass, and carries out the runs of the bot's schedules that become due, in order. Returns the outcome of each.
    pub async fn pass_time(&self, duration: Duration) -> Vec<(Run, Outcome)> {
        let until = self.now().saturating_add(millis(duration));
        let mut runs = Vec::new();
        loop {
            runs.extend(self.carry_out_due_runs().await);
            if !self.clock.lock().move_to_next_run(until) {
                return runs;
            }
        }
    }

    /// Lets time pass while the host does not run, and starts it again: of the missed runs of each schedule, the latest happens.
    pub async fn be_away(&self, duration: Duration) -> Vec<(Run, Outcome)> {
        self.clock.lock().move_by(duration);
        self.carry_out_due_runs().await
    }

    async fn carry_out_due_runs(&self) -> Vec<(Run, Outcome)> {
        let mut ended = Vec::new();
        loop {
            let due = self.clock.lock().due();
            let Some((n, run)) = due else { return ended };
            let outcome = match (AccountName::new(ACCOUNT), ServerName::new(SERVER)) {
                (Ok(account), Ok(server)) => self.sink.run(&account, &server, &run).await,
                (Err(error), _) | (_, Err(error)) => Outcome::Rejected { cause: error.to_string() },
            };
            self.clock.lock().ended(n, &run, &outcome);
            ended.push((run, outcome));
        }
    }

    /// Makes the next action fail with an error. Several errors fail as many actions, in order.
    pub fn fail_next(&self, error: ReplyError) {
        self.poster.with(|script| script.failures.push_back(error));
    }

    /// Sets the answer to a look-up, in the server's JSON. A look-up without an answer finds nothing.
    pub fn set_found(&self, lookup: Lookup, json: &serde_json::Value) {
        // A JSON value is valid JSON text.
        if let Ok(json) = serde_json::value::to_raw_value(json) {
            self.poster.with(|script| script.found.push((lookup, Found::new(json))));
        }
    }

    /// Sets the content of a file that the bot may download. Other files do not exist.
    pub fn set_file(&self, id: &str, name: &str, content: impl Into<Bytes>) {
        self.poster.with(|script| script.files.push((id.into(), name.to_owned(), content.into())));
    }

    /// Returns the actions of the bot that succeeded so far, in order.
    pub fn actions(&self) -> Vec<OutgoingAction> {
        self.poster.with(|script| script.actions.clone())
    }

    /// Returns the answers to slash commands, buttons and dialogs so far, in order. All are in [`actions`](Self::actions), too.
    pub fn answers(&self) -> Vec<Answer> {
        self.actions().into_iter().filter_map(Answer::of).collect()
    }

    /// Returns the texts of the posts so far, in order.
    pub fn texts(&self) -> Vec<String> {
        let text = |action| match action {
            OutgoingAction::Post(draft) => (!draft.props.contains_key(DIALOG_ERRORS)).then_some(draft.text),
            OutgoingAction::Ephemeral { .. }
            | OutgoingAction::Edit { .. }
            | OutgoingAction::Update { .. }
            | OutgoingAction::React { .. }
            | OutgoingAction::Unreact { .. }
            | OutgoingAction::Delete { .. }
            | OutgoingAction::Typing { .. }
            | OutgoingAction::Upload { .. }
            | OutgoingAction::Integration { .. } => None,
        };
        self.actions().into_iter().filter_map(text).collect()
    }
}

impl Clock {
    /// Returns the time, and lets a second pass.
    fn tick(&mut self) -> i64 {
        let now = self.now;
        self.move_by(EVENT_INTERVAL);
        now
    }

    fn move_by(&mut self, duration: Duration) {
        self.now = self.now.saturating_add(millis(duration));
    }

    /// Moves to the next run until a time, or to that time. Returns false if there is no run before it.
    fn move_to_next_run(&mut self, until: i64) -> bool {
        let now = self.now;
        let next = self.plans.iter_mut().filter_map(|plan| match plan.next(now) {
            Step::WaitUntil(at) => Some(at),
            Step::Run(_) => Some(now),
            Step::Never => None,
        });
        let next = next.min().filter(|next| *next <= until);
        self.now = next.unwrap_or(until).max(now);
        next.is_some()
    }

    /// Returns a run that is due, with the number of its plan.
    fn due(&mut self) -> Option<(usize, Run)> {
        let now = self.now;
        let due = self.plans.iter_mut().enumerate().filter_map(|(n, plan)| match plan.next(now) {
            Step::Run(run) => Some((n, run)),
            Step::WaitUntil(_) | Step::Never => None,
        });
        due.min_by_key(|(_, run)| run.due)
    }

    fn ended(&mut self, n: usize, run: &Run, outcome: &Outcome) {
        let now = self.now;
        if let Some(plan) = self.plans.get_mut(n) {
            plan.ended(now, run, outcome);
        }
    }
}

impl FakePoster {
    fn with<T>(&self, f: impl FnOnce(&mut Script) -> T) -> T {
        f(&mut self.0.lock())
    }
}

impl Poster for FakePoster {
    fn post(
        &self,
        _: &AccountName,
        action: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        let result = self.with(|script| {
            if let Some(error) = script.failures.pop_front() {
                return Err(error);
            }
            let ids = if let OutgoingAction::Post(_) = &action {
                script.posts += 1;
                vec![format!("reply-{}", script.posts).as_str().into()]
            } else {
                Vec::new()
            };
            script.actions.push(action);
            Ok(PostedIds { ids, ..PostedIds::default() })
        });
        ready(result).boxed()
    }

    fn look_up(
        &self,
        account: &AccountName,
        lookup: Lookup,
    ) -> BoxFuture<'static, Result<Found, ReplyError>> {
        let found = self.with(|script| {
            let answer = script.found.iter().rev().find(|(asked, _)| *asked == lookup);
            answer.map(|(_, found)| found.clone())
        });
        let missing = ReplyError::NotFound { account: account.clone(), what: Excerpt::of(&lookup) };
        ready(found.ok_or(missing)).boxed()
    }

    fn open_file(
        &self,
        account: &AccountName,
        id: FileId,
    ) -> BoxFuture<'static, Result<FileDownload, ReplyError>> {
        let file = self.with(|script| script.files.iter().rev().find(|(known, ..)| *known == id).cloned());
        let what = Excerpt::of(&Lookup::File(id));
        let missing = ReplyError::NotFound { account: account.clone(), what };
        ready(file.map(|(_, name, content)| download(name, content)).ok_or(missing)).boxed()
    }
}

/// Returns the download of a file, in one piece.
fn download(name: String, content: Bytes) -> FileDownload {
    let (piece, pieces) = mpsc::channel(1);
    let len = content.len() as u64;
    // There is room for one.
    let _ = piece.try_send(Ok(content));
    FileDownload { name, content_type: String::new(), len, pieces }
}
