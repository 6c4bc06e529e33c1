//! The wait of a person for the answer of a handler.

use std::{sync::Arc, time::SystemTime};

use matterhost_actors::model::{
    AccountName, AccountUser, Draft, Event, HOOK_ANSWER, OutgoingAction, ReplyKey,
};
use serde_json::Value;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    super::{
        HookAnswer, HookedAccount, Refusal,
        open_hooks::OpenHook,
        outcomes::{Answered, outcomes},
    },
    BUSY, FAILED, HookService, NO_HANDLER,
    checked_hook::Checked,
};
use crate::{admin::server::AccountPlace, sinks::AskedSink};

/// A request that a person waits for. The wait ends when this is dropped, also because the connection has ended: what the
/// handler says from then on is a later answer.
struct WaitingPerson(Arc<OpenHook>);

impl Drop for WaitingPerson {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl HookService {
    /// Hands the event to the sinks, and waits for the answer as long as the person does.
    pub(super) async fn ask(
        &self,
        account: &AccountName,
        checked: Checked,
        answering: AccountPlace,
        until: Instant,
    ) -> (HookAnswer, &'static str) {
        let Checked { data, hook, server } = checked;
        let to = HookedAccount { account: account.clone(), server, user: AccountUser::default() };
        let event = Arc::new(data.into_event(&to, SystemTime::now()));
        if let Some(poster) = self.0.poster.get() {
            poster.user_called(account, &event.body.channel_id, &hook.origin.user_id.as_str().into());
        }
        let open = self.0.open.open(account, &event.id(), hook);
        let asked = self.0.sinks.get().map(|board| board.ask(account, &event)).unwrap_or_default();
        let (handlers, writers): (Vec<_>, Vec<_>) = asked.into_iter().partition(|asked| asked.has_handler);
        if !writers.is_empty() {
            tokio::spawn(outcomes(writers));
        }
        if handlers.is_empty() {
            open.close();
            return (HookAnswer::words(NO_HANDLER), "no_handler");
        }
        self.wait(event, open, handlers, answering, until).await
    }

    /// Waits for handlers. They go on after the response, and if the server hangs up.
    async fn wait(
        &self,
        event: Arc<Event>,
        open: Arc<OpenHook>,
        handlers: Vec<AskedSink>,
        answering: AccountPlace,
        until: Instant,
    ) -> (HookAnswer, &'static str) {
        let waiting = WaitingPerson(Arc::clone(&open));
        let (sender, mut answered) = oneshot::channel();
        let hooks = self.clone();
        tokio::spawn(async move {
            let Err(answered) = sender.send(outcomes(handlers).await) else { return };
            if let Some(words) = answered.words() {
                hooks.tell_failure(&event, &open, words).await;
            }
            drop(answering);
        });
        let in_time = timeout_at(until, &mut answered).await;
        // From here on the task above reports a failure, unless the answer came at the last moment.
        answered.close();
        let answered = in_time
            .map_or_else(|_| answered.try_recv().ok(), |answered| Some(answered.unwrap_or(Answered::Failed)));
        let answer = waiting.0.close();
        match answered {
            Some(Answered::Taken) => (answer, "answered"),
            Some(Answered::Busy) => (HookAnswer::words(BUSY), Refusal::Busy.label()),
            Some(Answered::Failed) => (HookAnswer::words(FAILED), "failed"),
            None => (answer, "late"),
        }
    }

    /// Tells a person who waits no more why there is no answer.
    async fn tell_failure(&self, event: &Event, hook: &OpenHook, words: &str) {
        let Some(poster) = self.0.poster.get() else { return };
        let key = ReplyKey::new(&format!("{}#hooks#failed", event.id())).ok();
        let channel = event.body.channel_id.clone();
        let props = [(HOOK_ANSWER.to_owned(), Value::Bool(true))].into_iter().collect();
        let draft = Draft { channel, text: words.into(), key, props, ..Draft::default() };
        let whisper = OutgoingAction::Ephemeral { user: hook.origin.user_id.as_str().into(), draft };
        if let Err(error) = poster.post(&event.account, whisper).await {
            let (account, event) = (event.account.as_str(), event.id());
            tracing::warn!(account, event, %error, "a handler failed, and the person who waited cannot be told");
        }
    }
}

#[cfg(test)]
mod tests;
