//! Events that the sink did not accept: their retries, and the reports about them.

use std::time::{Duration, SystemTime};

use actix::{AsyncContext as _, Context, Handler, Message, SpawnHandle};

use super::{Delivery, Queued};
use crate::{
    hosting::supervisor::StallChanged,
    model::{ChannelId, CloseReason, Excerpt, Fact, StallCause},
    policy::{Refusal, RefusalScope},
    ports::LONGEST_RETRY,
};

/// The shortest wait before an event is delivered again, whatever the sink wishes.
const SHORTEST_RETRY: Duration = Duration::from_millis(10);

/// The longest wait for a retry that a shutdown sits out. A sink with a full queue asks for less, one that is down for
/// more; its events come again after the next start.
const AWAITED_RETRY: Duration = Duration::from_secs(1);

/// The timer of a channel whose first event is delivered again.
pub(super) struct RetryTimer {
    pub(super) handle: SpawnHandle,
    pub(super) is_long: bool,
}

/// Delivers all events that wait for a retry at once.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct RetryNow;

impl Delivery {
    /// Delivers a refused event again after a delay.
    pub(super) fn retry(
        &mut self,
        channel: ChannelId,
        queued: Queued,
        (after, cause, scope): (Duration, String, RefusalScope),
        is_answer: bool,
        ctx: &mut Context<Self>,
    ) {
        let after = after.clamp(SHORTEST_RETRY, LONGEST_RETRY);
        let (event, now) = (Excerpt::of(&queued.event.id()), SystemTime::now());
        let refusal = Refusal { event, scope, cause: cause.into(), next: now + after, is_answer };
        self.refused.refuse(&channel, refusal, now);
        self.report_waiting(ctx);
        self.queue.pause(&channel, queued);
        let key = channel.clone();
        let handle = ctx.run_later(after, move |act, ctx| {
            act.retrying.remove(&key);
            act.queue.resume(&key);
            act.pump(ctx);
        });
        self.retrying.insert(channel, RetryTimer { handle, is_long: after > AWAITED_RETRY });
    }

    /// Delivers events that wait for a retry at once.
    pub(super) fn retry_now(&mut self, ctx: &mut Context<Self>) {
        for (channel, timer) in self.retrying.drain() {
            ctx.cancel_future(timer.handle);
            self.queue.resume(&channel);
        }
        self.sink_broken = false;
        self.pump(ctx);
    }

    pub(super) fn on_sink_broken(&mut self, cause: String) {
        if std::mem::replace(&mut self.sink_broken, true) {
            return;
        }
        self.draining.clear();
        if let Some((generation, connection)) = &self.connection {
            let reason = CloseReason::SinkBroken { cause: cause.into() };
            connection.do_send(super::Terminate { generation: *generation, reason });
        }
    }

    /// Records that a channel's first event is done. `by_sink` is true if the sink has answered it, and not a filter.
    pub(super) fn finish_refused(&mut self, channel: &ChannelId, by_sink: bool, ctx: &Context<Self>) {
        if !self.refused.is_empty() {
            self.refused.finish(channel, by_sink);
            self.report_waiting(ctx);
        }
    }

    /// Publishes the waiting channels, and reports the beginning and the end of a stall.
    fn report_waiting(&mut self, ctx: &Context<Self>) {
        self.context.stats.set_waiting_channels(self.refused.summary());
        let cause = self.refused.stall_cause().cloned();
        let is_stalled = cause.is_some();
        if std::mem::replace(&mut self.stalled, is_stalled) == is_stalled {
            return;
        }
        let fact = cause.map_or(Fact::Unstalled, |cause| Fact::Stalled { cause });
        self.context.observe(self.generation(), fact);
        self.report_stall(StallCause::Sink, is_stalled, ctx);
    }

    pub(super) fn report_stall(&self, cause: StallCause, is_stalled: bool, ctx: &Context<Self>) {
        let (account, delivery) = (self.context.account.clone(), ctx.address());
        self.context.supervisor.do_send(StallChanged { account, delivery, cause, is_stalled });
    }
}

impl Handler<RetryNow> for Delivery {
    type Result = ();

    fn handle(&mut self, _: RetryNow, ctx: &mut Self::Context) {
        self.retry_now(ctx);
    }
}
