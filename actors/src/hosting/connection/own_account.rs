//! News about the account itself on its own socket, and drift that it may explain (facts 6, 30, 48).

use std::time::Duration;

use actix::{AsyncContext as _, Context};

use super::{Connection, Phase, connect::Baseline, now};
use crate::{
    hosting::health_check::RaiseBaseline,
    mattermost::EventEnvelope,
    model::{CloseReason, Fact},
    policy::{Drift, DriftVerdict},
};

impl Connection {
    /// Handles an event that may be about the account itself.
    pub(super) fn watch_own_account(&mut self, envelope: &EventEnvelope<'_>, ctx: &mut Context<Self>) {
        match &*envelope.event {
            "status_change" if self.shows_own_offline(envelope) => self.look_soon(ctx),
            "added_to_team" => {
                let added = envelope.added_to_team();
                if added.is_ok_and(|added| self.is_own(&added.user_id)) {
                    self.own_changes.added_to_team();
                }
            }
            "user_updated" => self.on_user_updated(envelope),
            _ => {}
        }
    }

    pub(super) fn is_own(&self, user: &str) -> bool {
        self.baseline.as_ref().is_some_and(|baseline| baseline.user.as_str() == user)
    }

    /// Returns true for the only event that a disabled account still receives (5.37 only).
    fn shows_own_offline(&self, envelope: &EventEnvelope<'_>) -> bool {
        self.context.settings.health.witness
            && envelope
                .status_change()
                .is_ok_and(|change| change.status == "offline" && self.is_own(&change.user_id))
    }

    fn on_user_updated(&mut self, envelope: &EventEnvelope<'_>) {
        let Ok(updated) = envelope.user_updated() else { return };
        if !self.is_own(updated.id.as_str()) {
            return self.watch_siblings(&updated);
        }
        // A socket that hears of its account's change is not deaf; a disabled account hears of nothing.
        if updated.delete_at == 0 {
            self.own_changes.announced(now());
            self.raise_baseline(updated.update_at);
        }
    }

    /// Polls and pings at once, or in a second if that was done just now.
    fn look_soon(&mut self, ctx: &mut Context<Self>) {
        match self.own_prompts.request(now()) {
            None => {}
            Some(Duration::ZERO) => self.look_now(ctx),
            Some(after) => {
                ctx.run_later(after, Self::look_now);
            }
        }
    }

    fn look_now(&mut self, ctx: &mut Context<Self>) {
        if self.health_check.is_some() {
            self.poll_now();
        } else {
            self.poll_pending = true;
        }
        if let Some(socket) = &mut self.socket {
            socket.ping_monitor.ping_soon(now());
            self.drive_ping(ctx);
        }
    }

    /// Handles the HealthCheck's report that `update_at` differs from the baseline.
    pub(super) fn on_drift(&mut self, baseline: i64, seen: i64, ctx: &mut Context<Self>) {
        let is_open = matches!(self.phase, Phase::CatchingUp | Phase::Ready { .. });
        let drift = Drift {
            baseline: self.baseline.as_ref().map_or(baseline, |baseline| baseline.update_at),
            seen,
            is_behind: self.is_behind(),
            can_ping: self.context.settings.health.ping && is_open,
        };
        match self.own_changes.drift_seen(now(), drift) {
            DriftVerdict::End => self.end(CloseReason::Stale { baseline: drift.baseline, seen }, ctx),
            DriftVerdict::AskPing => {
                self.send_ping(ctx);
                self.drive_ping(ctx);
            }
            DriftVerdict::Explained(update_at) => self.raise_baseline(update_at),
        }
    }

    /// Decides about the drift that was put to a ping, once the server has accepted the ping.
    pub(super) fn decide_drift(&mut self, ctx: &mut Context<Self>) {
        let Some(baseline) = self.baseline.as_ref().map(|baseline| baseline.update_at) else { return };
        match self.own_changes.ping_answered(baseline) {
            Some((_, DriftVerdict::Explained(update_at))) => self.raise_baseline(update_at),
            Some((seen, DriftVerdict::End | DriftVerdict::AskPing)) => {
                self.end(CloseReason::Stale { baseline, seen }, ctx);
            }
            None => {}
        }
    }

    /// Raises the baseline everywhere, and lets the HealthCheck go on.
    fn raise_baseline(&mut self, update_at: i64) {
        let Some(baseline) = &mut self.baseline else { return };
        if update_at > baseline.update_at {
            baseline.update_at = update_at;
            let Baseline { user, .. } = &*baseline;
            self.context.replay.with(|replay| replay.set_baseline(user, update_at));
            self.context.sibling_watch.set_baseline(user, &self.context.account, update_at);
            self.observe(Fact::OwnChange);
        }
        if let Some(health) = &self.health_check {
            health.do_send(RaiseBaseline(update_at));
        }
    }
}
