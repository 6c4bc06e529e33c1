//! The timers of all accounts, in one queue. An actor polls each of its own timers whenever a message wakes it, which would
//! cost more than everything else while thousands of accounts wait.

use std::{
    pin::Pin,
    task::{Context as TaskContext, Poll, ready},
    time::{Duration, Instant},
};

use actix::{AsyncContext as _, Context, fut::ActorFuture};
use tokio_util::time::{DelayQueue, delay_queue::Key};

use super::Supervisor;
use crate::{
    hosting::account_context::now,
    model::{AccountName, CloseReason},
};

/// The timers that are handled before the mailbox has its turn.
const AT_ONCE: usize = 64;

/// The longest delay: a longer one is a mistake, and would overflow the clock.
const MAX_DELAY: Duration = Duration::from_secs(366 * 24 * 3600);

/// The timers that have not fired, with a resolution of a millisecond. None fires early.
#[derive(Default)]
pub(super) struct Timers {
    queue: DelayQueue<Due>,
    /// True while [`FireTimers`] runs. It ends with the last timer, so that a Supervisor without any can end.
    firing: bool,
}

/// An action that a timer brings about.
pub(super) enum Due {
    /// The next Connection of the account starts.
    Start(AccountName),
    /// The account's Connection was asked to end for this reason, and has not ended in time.
    Abandon(AccountName, CloseReason),
    /// The account is polled, because a sibling saw it change.
    Prompt(AccountName),
}

/// A timer that has not fired: forget it when it does, because its key may then become another's.
#[derive(Debug)]
pub(super) struct Timer {
    pub(super) at: Instant,
    key: Key,
}

impl Timers {
    pub(super) fn set(&mut self, after: Duration, due: Due, ctx: &mut Context<Supervisor>) -> Timer {
        if !std::mem::replace(&mut self.firing, true) {
            ctx.spawn(FireTimers);
        }
        let at = now() + after.min(MAX_DELAY);
        Timer { at, key: self.queue.insert_at(due, at.into()) }
    }

    pub(super) fn cancel(&mut self, timer: &Timer) {
        self.queue.try_remove(&timer.key);
    }
}

/// Fires the timers that are due.
struct FireTimers;

impl ActorFuture<Supervisor> for FireTimers {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        supervisor: &mut Supervisor,
        ctx: &mut Context<Supervisor>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        for _ in 0..AT_ONCE {
            let Some(due) = ready!(supervisor.timers.queue.poll_expired(task)) else {
                supervisor.timers.firing = false;
                return Poll::Ready(());
            };
            supervisor.on_due(due.into_inner(), ctx);
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Supervisor {
    fn on_due(&mut self, due: Due, ctx: &mut Context<Self>) {
        match due {
            Due::Start(account) => self.start_due(&account, ctx),
            Due::Abandon(account, reason) => self.abandon(&account, reason, ctx),
            Due::Prompt(account) => self.prompt(&account, ctx),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix::Actor as _;
    use tokio::{sync::broadcast::error::RecvError, time::timeout};

    use super::*;
    use crate::hosting::{HostSettings, supervisor::SiblingSawChange};

    #[actix::test]
    async fn a_supervisor_without_timers_ends_with_its_last_address() {
        let supervisor = Supervisor::new(HostSettings { arbiters: 0, ..HostSettings::default() });
        let mut observations = supervisor.observer().subscribe();
        let address = supervisor.start();
        let account = AccountName::new("unknown").unwrap();
        address.do_send(SiblingSawChange { account, after: Duration::from_millis(20) });
        drop(address);
        let ended = timeout(Duration::from_secs(10), observations.recv()).await;
        assert!(matches!(ended, Ok(Err(RecvError::Closed))), "{ended:?}");
    }
}
