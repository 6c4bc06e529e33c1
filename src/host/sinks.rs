//! The operations of the admin API on the running sinks.

use std::collections::HashSet;

use actix::Addr;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join_all, ready},
};
use matterhost_actors::{
    hosting::{RetryDeliveries, Supervisor},
    model::{AccountName, Excerpt},
};
use tokio::task::spawn_blocking;

use crate::{
    actions::{AnsweredEvent, CheckedAction},
    admin::{
        dto::{self, LetterSelection, SinkAction, SkipRequest},
        server::{SinkAnswer, SinkOperations, SinkRefused},
    },
    sinks::{
        SinkBoard, SinkHandle,
        dead_letter::{
            DeadLetter, Selection,
            retry::{RetryError, describe_unknown},
        },
        monitor::{AttemptSnapshot, Complaint, SinkSnapshot, SinkState, SkipError},
    },
    telemetry::time::rfc3339,
};

/// The most accounts of a sink, and the most dead letters, that are listed: more than a person reads.
const MAX_LISTED: usize = 100;
/// The most accounts whose slots are listed.
const MAX_SLOT_USERS: usize = 20;

/// The implementation of [`SinkOperations`] for a running host.
pub(crate) struct HostSinks {
    board: SinkBoard,
    supervisor: Addr<Supervisor>,
}

impl HostSinks {
    pub(crate) fn new(board: SinkBoard, supervisor: Addr<Supervisor>) -> Self {
        Self { board, supervisor }
    }

    fn find(&self, sink: &str) -> Result<SinkHandle, SinkRefused> {
        self.board.get(sink).ok_or_else(|| {
            let names: Vec<_> = self.board.all().iter().map(|handle| handle.name().to_string()).collect();
            let sink = Excerpt::of(sink);
            SinkRefused::Unknown(format!("no account uses a sink {sink}; the sinks are {}", names.join(", ")))
        })
    }

    /// Carries out an operation on a sink.
    fn with<T: Send + 'static, F>(&self, sink: &str, work: impl FnOnce(SinkHandle) -> F) -> SinkAnswer<T>
    where
        F: Future<Output = Result<T, SinkRefused>> + Send + 'static,
    {
        match self.find(sink) {
            Ok(handle) => work(handle).boxed(),
            Err(refused) => ready(Err(refused)).boxed(),
        }
    }

    /// Delivers at once what waits in these accounts.
    fn retry_deliveries(&self, accounts: Vec<AccountName>) -> impl Future<Output = ()> + use<> {
        let requests = accounts.into_iter().map(|account| self.supervisor.send(RetryDeliveries(account)));
        let requests: Vec<_> = requests.collect();
        // An account that was removed meanwhile has nothing to deliver.
        async move { drop(join_all(requests).await) }
    }
}

impl SinkOperations for HostSinks {
    fn list(&self) -> SinkAnswer<Vec<dto::Sink>> {
        let sinks: Vec<_> = self.board.all().into_iter().map(|handle| self.describe(handle)).collect();
        async move { join_all(sinks).await.into_iter().collect() }.boxed()
    }

    fn delivers(&self, account: &AccountName, sink: &str) -> bool {
        self.board.delivers(account, sink)
    }

    fn update(&self, event: &AnsweredEvent, update: &CheckedAction) -> bool {
        self.board.get(&event.sink).is_some_and(|handle| handle.update(event, update))
    }

    fn get(&self, sink: &str) -> SinkAnswer<dto::Sink> {
        self.with(sink, |handle| self.describe(handle))
    }

    fn act(&self, sink: &str, action: SinkAction) -> SinkAnswer<()> {
        self.with(sink, |handle| {
            match action {
                SinkAction::Restart => handle.restart(),
                SinkAction::RetryNow => handle.retry_now(),
            }
            // A bot in Rust has no thread: what it failed on comes again.
            let may_recover = handle.kind() == "bot";
            let is_broken = !may_recover && handle.snapshot(Vec::new()).state == SinkState::Broken;
            let delivered = self.retry_deliveries(self.board.accounts_of(handle.name()));
            async move {
                delivered.await;
                let cause = "its thread has died or its output was closed; restart the host, and report it";
                if is_broken { Err(SinkRefused::Conflict(cause.into())) } else { Ok(()) }
            }
        })
    }

    fn skip(&self, sink: &str, request: SkipRequest) -> SinkAnswer<dto::Skipped> {
        self.with(sink, |handle| {
            let SkipRequest { account, channel, event } = request;
            let skipped = handle.skip(&account, &channel, event.as_deref());
            let account = AccountName::new(&account).ok().filter(|_| skipped.is_ok());
            let delivered = self.retry_deliveries(account.into_iter().collect());
            async move {
                let event = skipped.map_err(|error: SkipError| SinkRefused::Conflict(error.to_string()))?;
                delivered.await;
                Ok(dto::Skipped { sink: handle.name().to_string(), event: event.into() })
            }
        })
    }

    fn start_resting(&self, account: &AccountName) -> BoxFuture<'static, Vec<String>> {
        let resting = self.board.resting_sinks_of(account);
        let accounts: HashSet<_> =
            resting.iter().flat_map(|handle| self.board.accounts_of(handle.name())).collect();
        resting.iter().for_each(SinkHandle::retry_now);
        let names = resting.iter().map(|handle| handle.name().to_string()).collect();
        self.retry_deliveries(accounts.into_iter().collect()).map(|()| names).boxed()
    }

    fn dead_letters(&self, sink: &str) -> SinkAnswer<dto::DeadLetters> {
        self.with(sink, |handle| {
            let letters = handle.dead_letters().clone();
            run_blocking(move || {
                let all = letters.list()?;
                let newest = all.iter().rev().take(MAX_LISTED).map(describe_letter).collect();
                Ok(dto::DeadLetters { dead_letters: newest, total: all.len() })
            })
        })
    }

    fn retry_letters(&self, sink: &str, selection: LetterSelection) -> SinkAnswer<dto::RetriedLetters> {
        self.with(sink, |handle| {
            // A task of its own goes on if the caller gives up, so that no accepted letter is kept.
            let retry = tokio::spawn(async move { handle.retry_letters(select(selection)).await });
            async move {
                let summary = retry.await.map_err(|error| SinkRefused::Failed(error.to_string()))?;
                let summary = summary.map_err(|error| match error {
                    RetryError::Busy(_) | RetryError::NoHandler(_) => {
                        SinkRefused::Conflict(error.to_string())
                    }
                    RetryError::NoLetter { .. } => SinkRefused::Unknown(error.to_string()),
                    RetryError::Files(_) => SinkRefused::Failed(error.to_string()),
                })?;
                Ok(dto::RetriedLetters {
                    accepted: summary.accepted,
                    refused: summary.refused,
                    remaining: summary.remaining,
                    cause: summary.cause.as_ref().map(|cause| Excerpt::of(cause).into()),
                    unknown: summary.unknown,
                })
            }
        })
    }

    fn drop_letters(&self, sink: &str, selection: LetterSelection) -> SinkAnswer<dto::DroppedLetters> {
        self.with(sink, |handle| {
            let letters = handle.dead_letters().clone();
            let dropping = run_blocking(move || {
                let selection = select(selection);
                let selected = letters.select(&selection)?;
                let unknown = selection.unknown(&selected);
                Ok((selected.is_empty(), letters.remove(&selected)?, unknown))
            });
            async move {
                let (is_empty, dropped, unknown) = dropping.await?;
                if is_empty && !unknown.is_empty() {
                    return Err(SinkRefused::Unknown(describe_unknown(handle.name(), &unknown)));
                }
                Ok(dto::DroppedLetters { dropped, unknown })
            }
        })
    }
}

fn select(selection: LetterSelection) -> Selection {
    Selection { ids: selection.ids.into_iter().collect(), account: selection.account }
}

async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, SinkRefused> {
    let failed = |error: &dyn std::error::Error| {
        SinkRefused::Failed(format!("the dead letters cannot be read or written: {error}"))
    };
    match spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}

impl HostSinks {
    /// Describes a sink, with the number of its dead letters.
    fn describe(&self, handle: SinkHandle) -> SinkAnswer<dto::Sink> {
        let accounts = self.board.accounts_of(handle.name());
        let letters = handle.dead_letters().clone();
        async move {
            let dead_letters = run_blocking(move || letters.count()).await?;
            let snapshot = handle.snapshot(accounts);
            Ok(describe_sink(&handle, &snapshot, dead_letters))
        }
        .boxed()
    }
}

fn describe_sink(handle: &SinkHandle, snapshot: &SinkSnapshot, dead_letters: usize) -> dto::Sink {
    let mut slots_in_use: Vec<_> = snapshot.slots.iter().collect();
    slots_in_use.sort_by_key(|(_, slots)| std::cmp::Reverse(*slots));
    let slot_use = |(account, slots): &(AccountName, usize)| dto::SlotUse {
        account: account.to_string(),
        slots: *slots,
    };
    dto::Sink {
        name: handle.name().to_string(),
        kind: handle.kind().into(),
        best_effort: handle.is_best_effort(),
        state: snapshot.state.label().into(),
        since: rfc3339(snapshot.since),
        next_attempt: snapshot.next.map(rfc3339),
        last_complaint: snapshot.complaint.as_ref().map(describe_complaint),
        last_exit: snapshot
            .exit
            .as_ref()
            .map(|exit| dto::SinkExit { at: rfc3339(exit.at), cause: exit.cause.to_string() }),
        last_lines: snapshot.last_lines.iter().map(ToString::to_string).collect(),
        starts: snapshot.starts,
        budget: snapshot.budget.map(|budget| dto::SinkBudget { left: budget.left, used: budget.used }),
        slots: handle.slots(),
        slots_in_use: slots_in_use.into_iter().take(MAX_SLOT_USERS).map(slot_use).collect(),
        waiting: snapshot.waiting,
        unanswered: snapshot.unanswered,
        events: snapshot.events.iter().map(describe_event).collect(),
        filtered: snapshot.left_out.iter().map(describe_filtered).collect(),
        lost: snapshot.lost,
        dead_letters,
        accounts: snapshot.accounts.iter().take(MAX_LISTED).map(ToString::to_string).collect(),
        account_count: snapshot.accounts.len(),
    }
}

fn describe_filtered((key, events): &(&'static str, u64)) -> dto::FilteredEvents {
    dto::FilteredEvents { key: (*key).to_owned(), events: *events }
}

fn describe_complaint(of: &Complaint) -> dto::SinkComplaint {
    dto::SinkComplaint {
        at: rfc3339(of.at),
        text: of.text.to_string(),
        account: of.account.to_string(),
        channel: of.channel.to_string(),
        event: of.event.to_string(),
    }
}

fn describe_event(of: &AttemptSnapshot) -> dto::SinkEvent {
    dto::SinkEvent {
        account: of.account.to_string(),
        channel: of.channel.to_string(),
        event: of.event.to_string(),
        since: rfc3339(of.since),
        attempts: of.answers,
        next_attempt: of.next.map(rfc3339),
        cause: of.cause.as_ref().map(ToString::to_string),
    }
}

fn describe_letter(of: &DeadLetter) -> dto::DeadLetter {
    let text = |text: &str| Excerpt::of(text).into();
    dto::DeadLetter {
        time: text(&of.time),
        account: text(&of.account),
        event: text(&of.id().unwrap_or_default()),
        reply: of.reply.as_ref().map(|reply| text(&reply.text)),
        cause: text(&of.cause),
    }
}
