//! The HealthCheck: polls `/users/me` for as long as its Connection lives, and ends it on drift.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler, Message,
    SpawnHandle, WrapFuture as _,
};

use super::{
    connection::{Baseline, Connection, HealthCheckStopped, Terminate},
    context::{AccountContext, UpdateContext, now},
};
use crate::{
    mattermost::{Etag, Me, RestError, RestErrorKind},
    model::{Fact, Generation},
    policy::{HealthPoll, PollResult, PollVerdict, RequestClass, spread_delay},
    ports::Api,
};

/// A child of one Connection: it knows that one's baseline and can end no other.
pub(super) struct HealthCheck {
    context: Arc<AccountContext>,
    api: Rc<dyn Api>,
    generation: Generation,
    connection: Addr<Connection>,
    health: HealthPoll,
    etag: Option<Etag>,
    /// The timer for the next poll.
    timer: Option<SpawnHandle>,
    /// The timer by which a 401 is asked again in a moment: no setting puts that off.
    in_doubt: Option<SpawnHandle>,
    /// One is on its way: polls never overlap.
    polling: bool,
    /// Somebody asked for a poll while one was on its way: what that one finds may be older than the question.
    again: bool,
    planned: bool,
}

/// Poll now.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct PollNow;

/// The Connection ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

/// What a poll brought: its finding, and when to poll next.
struct Poll {
    found: PollResult,
    etag: Option<Etag>,
    interval: Option<Duration>,
    took: Duration,
    /// Why there was no answer.
    failed: Option<String>,
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
            in_doubt: None,
            polling: false,
            again: false,
            planned: false,
        }
    }

    fn poll_after(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        self.timer = Some(ctx.run_later(wait, Self::poll));
    }

    /// Where polling is turned off it polls only when it is prompted.
    fn poll_again(&mut self, interval: Duration, ctx: &mut Context<Self>) {
        if self.context.settings.health.poll {
            self.poll_after(interval, ctx);
        }
    }

    fn poll(&mut self, ctx: &mut Context<Self>) {
        // A timer that is cancelled when it is due already still fires.
        if std::mem::replace(&mut self.polling, true) {
            return;
        }
        for timer in self.timer.take().into_iter().chain(self.in_doubt.take()) {
            ctx.cancel_future(timer);
        }
        let poll = poll(self.context.clone(), self.api.clone(), self.etag.clone());
        ctx.spawn(poll.into_actor(self).map(|poll, act, ctx| act.polled(poll, ctx)));
    }

    fn polled(&mut self, poll: Poll, ctx: &mut Context<Self>) {
        if !self.context.gate.is_open() {
            // It could never look again. Its Connection ends, and the next one gets a gate that works.
            return ctx.stop();
        }
        self.polling = false;
        let verdict = self.health.judge(&poll.found);
        self.tell(&verdict, poll.took, poll.failed);
        let interval = poll.interval.unwrap_or(self.context.settings.health.poll_interval);
        match verdict {
            PollVerdict::Terminate(reason) => {
                self.connection.do_send(Terminate { generation: self.generation, reason });
            }
            PollVerdict::Recheck(wait) => {
                self.in_doubt = Some(ctx.run_later(wait, Self::poll));
            }
            PollVerdict::Healthy | PollVerdict::Inconclusive if std::mem::take(&mut self.again) => {
                self.poll(ctx);
            }
            PollVerdict::Healthy => {
                self.etag = poll.etag.or_else(|| self.etag.take());
                self.poll_again(interval, ctx);
            }
            PollVerdict::Inconclusive => self.poll_again(interval, ctx),
        }
    }

    /// Tells what a poll said: well, ill, or nothing.
    fn tell(&self, verdict: &PollVerdict, took: Duration, failed: Option<String>) {
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
            PollVerdict::Terminate(reason) => stats.record_poll(took, Some(&reason.to_string())),
            PollVerdict::Recheck(_) | PollVerdict::Inconclusive => {}
        }
    }
}

/// One poll, when the gate gives leave.
async fn poll(context: Arc<AccountContext>, api: Rc<dyn Api>, etag: Option<Etag>) -> Poll {
    let permit = match context.gate.acquire_permit(RequestClass::Health, &context.account).await {
        Ok(permit) => permit,
        Err(closed) => {
            return Poll {
                found: PollResult::Failed,
                etag: None,
                interval: None,
                took: Duration::ZERO,
                failed: Some(closed.to_string()),
            };
        }
    };
    let asked = now();
    let answer = api.me(&context.token, etag.as_ref()).await;
    let took = now().saturating_duration_since(asked);
    let interval = Some(permit.poll_interval);
    match answer {
        Ok(answer) => {
            context.gate.report_answer(answer.rate);
            let (found, etag) = match answer.value {
                Me::Unmodified => (PollResult::Unmodified, None),
                Me::User { user, etag } => {
                    (PollResult::User { id: user.id, update_at: user.update_at }, etag)
                }
            };
            Poll { found, etag, interval, took, failed: None }
        }
        Err(error) => {
            context.gate.report_failure(&error);
            let failed = Some(error.to_string());
            Poll { found: finding(&error), etag: None, interval, took, failed }
        }
    }
}

fn finding(error: &RestError) -> PollResult {
    if error.kind == RestErrorKind::Unauthorized { PollResult::Unauthorized } else { PollResult::Failed }
}

impl Actor for HealthCheck {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let interval = self.context.settings.health.poll_interval;
        self.poll_again(spread_delay(&self.context.account, interval), ctx);
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
            self.again = true;
            return;
        }
        self.poll(ctx);
    }
}

impl Handler<UpdateContext> for HealthCheck {
    type Result = ();

    fn handle(&mut self, UpdateContext(context): UpdateContext, ctx: &mut Self::Context) {
        let before = std::mem::replace(&mut self.context, context).settings.health;
        let now = self.context.settings.health;
        if self.polling
            || self.in_doubt.is_some()
            || (before.poll, before.poll_interval) == (now.poll, now.poll_interval)
        {
            // What is on its way goes on as it is set then.
            return;
        }
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.poll_again(spread_delay(&self.context.account, now.poll_interval), ctx);
    }
}

impl Handler<Stop> for HealthCheck {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        self.planned = true;
        ctx.stop();
    }
}
