use std::{rc::Rc, sync::Arc, time::Duration};

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler, Message,
    SpawnHandle, WrapFuture as _,
};

use super::{
    account_context::{AccountContext, UpdateContext, now},
    connection::{Baseline, Connection, HealthCheckStopped, Terminate},
    shared_moments,
};
use crate::{
    mattermost::{Etag, Me, RestError, RestErrorKind},
    model::{Excerpt, Fact, Generation},
    policy::{HealthPoll, PollResult, PollVerdict, RequestClass, spread_delay},
    ports::Api,
};

/// A child of one Connection that polls `/users/me` and ends the Connection when the account differs from its baseline.
pub(super) struct HealthCheck {
    context: Arc<AccountContext>,
    api: Rc<dyn Api>,
    generation: Generation,
    connection: Addr<Connection>,
    health: HealthPoll,
    etag: Option<Etag>,
    /// The timer for the next poll.
    timer: Option<SpawnHandle>,
    /// The timer for the poll that confirms a 401; no setting delays it.
    recheck_timer: Option<SpawnHandle>,
    /// True while a poll is in flight: polls never overlap.
    polling: bool,
    /// True if a poll was requested while another was in flight: the answer to that one may be older than the request.
    poll_again: bool,
    planned: bool,
}

/// Requests a poll at once.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct PollNow;

/// Raises the baseline after a change that needs no new Connection, and goes on polling.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct RaiseBaseline(pub(super) i64);

/// Stops the HealthCheck because its Connection has ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

/// The outcome of a poll.
struct Poll {
    result: PollResult,
    etag: Option<Etag>,
    /// The time until the next poll, as the gate wants it.
    interval: Option<Duration>,
    took: Duration,
    /// The reason why there was no answer.
    failed: Option<Excerpt>,
}

impl HealthCheck {
    pub(super) fn new(
        context: Arc<AccountContext>,
        api: Rc<dyn Api>,
        generation: Generation,
        connection: Addr<Connection>,
        baseline: &Baseline,
    ) -> Self {
        let health = HealthPoll::new(baseline.user.clone(), baseline.update_at);
        let etag = baseline.etag.clone();
        Self {
            context,
            api,
            generation,
            connection,
            health,
            etag,
            timer: None,
            recheck_timer: None,
            polling: false,
            poll_again: false,
            planned: false,
        }
    }

    /// Schedules the next poll, unless polling is turned off: then only requests cause polls.
    fn schedule_poll(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        if self.context.settings.health.poll {
            self.timer = Some(ctx.run_later(shared_moments::extend(wait), Self::poll));
        }
    }

    fn poll(&mut self, ctx: &mut Context<Self>) {
        // A timer cancelled after it became due still fires.
        if std::mem::replace(&mut self.polling, true) {
            return;
        }
        for timer in self.timer.take().into_iter().chain(self.recheck_timer.take()) {
            ctx.cancel_future(timer);
        }
        let poll = poll(self.context.clone(), self.api.clone(), self.etag.clone());
        ctx.spawn(poll.into_actor(self).map(|poll, act, ctx| act.on_polled(poll, ctx)));
    }

    fn on_polled(&mut self, poll: Poll, ctx: &mut Context<Self>) {
        if !self.context.gate.is_open() {
            // No further poll is possible. The Connection ends, and the next one gets a working gate.
            return ctx.stop();
        }
        self.polling = false;
        let verdict = self.health.judge(now(), &poll.result);
        self.report(&verdict, poll.took, poll.failed);
        let interval = poll.interval.unwrap_or(self.context.settings.health.poll_interval);
        match verdict {
            PollVerdict::Terminate(reason) => {
                self.connection.do_send(Terminate { generation: self.generation, reason });
            }
            PollVerdict::Recheck(wait) => {
                self.recheck_timer = Some(ctx.run_later(wait, Self::poll));
            }
            PollVerdict::Healthy | PollVerdict::Inconclusive if std::mem::take(&mut self.poll_again) => {
                self.poll(ctx);
            }
            PollVerdict::Healthy => {
                self.etag = poll.etag.or_else(|| self.etag.take());
                self.schedule_poll(interval, ctx);
            }
            PollVerdict::Inconclusive => self.schedule_poll(interval, ctx),
        }
    }

    /// Records and publishes a verdict, if it is conclusive.
    fn report(&self, verdict: &PollVerdict, took: Duration, failed: Option<Excerpt>) {
        let stats = &self.context.stats;
        if let Some(cause) = failed {
            stats.record_poll(took, Some(&cause));
            return self.context.observe(self.generation, Fact::ProbeFailed { cause });
        }
        match verdict {
            PollVerdict::Healthy => {
                stats.record_poll(took, None);
                stats.record_good_probe();
                self.context.observe(self.generation, Fact::ProbeGood { took });
            }
            PollVerdict::Terminate(reason) => stats.record_poll(took, Some(&Excerpt::of(&reason))),
            PollVerdict::Recheck(_) | PollVerdict::Inconclusive => {}
        }
    }
}

/// Polls once, as soon as the gate permits it.
async fn poll(context: Arc<AccountContext>, api: Rc<dyn Api>, etag: Option<Etag>) -> Poll {
    let permit = match context.gate.acquire_permit(RequestClass::Health, &context.account).await {
        Ok(permit) => permit,
        Err(closed) => {
            return Poll {
                result: PollResult::Failed,
                etag: None,
                interval: None,
                took: Duration::ZERO,
                failed: Some(Excerpt::of(&closed)),
            };
        }
    };
    let interval = Some(permit.poll_interval);
    let sent_at = now();
    let answer = permit.request(async || api.me(&context.token, etag.as_ref()).await).await;
    let took = now().saturating_duration_since(sent_at);
    let (result, etag, failed) = match answer {
        Ok(Me::Unmodified) => (PollResult::Unmodified, None, None),
        Ok(Me::User { user, etag }) => {
            (PollResult::User { id: user.id, update_at: user.update_at }, etag, None)
        }
        Err(error) => (failed_poll(&error), None, Some(Excerpt::of(&error))),
    };
    Poll { result, etag, interval, took, failed }
}

fn failed_poll(error: &RestError) -> PollResult {
    if error.kind == RestErrorKind::Unauthorized { PollResult::Unauthorized } else { PollResult::Failed }
}

impl Actor for HealthCheck {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let interval = self.context.settings.health.poll_interval;
        self.schedule_poll(spread_delay(&self.context.account, interval), ctx);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if !self.planned {
            self.connection.do_send(HealthCheckStopped);
        }
    }
}

impl Handler<PollNow> for HealthCheck {
    type Result = ();

    fn handle(&mut self, _: PollNow, ctx: &mut Self::Context) {
        if self.polling {
            self.poll_again = true;
            return;
        }
        self.poll(ctx);
    }
}

impl Handler<RaiseBaseline> for HealthCheck {
    type Result = ();

    fn handle(&mut self, RaiseBaseline(update_at): RaiseBaseline, ctx: &mut Self::Context) {
        self.health.raise_baseline(update_at);
        // A poll that saw drift schedules no other.
        if !self.polling && self.timer.is_none() && self.recheck_timer.is_none() {
            self.schedule_poll(self.context.settings.health.poll_interval, ctx);
        }
    }
}

impl Handler<UpdateContext> for HealthCheck {
    type Result = ();

    fn handle(&mut self, UpdateContext(context): UpdateContext, ctx: &mut Self::Context) {
        let before = std::mem::replace(&mut self.context, context).settings.health;
        let now = self.context.settings.health;
        if self.polling
            || self.recheck_timer.is_some()
            || (before.poll, before.poll_interval) == (now.poll, now.poll_interval)
        {
            // The poll in flight schedules the next one with the new settings.
            return;
        }
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.schedule_poll(spread_delay(&self.context.account, now.poll_interval), ctx);
    }
}

impl Handler<Stop> for HealthCheck {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        self.planned = true;
        ctx.stop();
    }
}
