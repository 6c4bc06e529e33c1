//! The sign that a bot is typing, shown while its handler works.

use std::{sync::Arc, time::Duration};

use matterhost_actors::model::OutgoingAction;
use tokio::{
    spawn,
    task::AbortHandle,
    time::{Instant, interval_at},
};

use super::{HandlerDeps, message::Message};

/// The time after which a handler counts as slow. A quick one costs no request.
const BEGIN_AFTER: Duration = Duration::from_millis(500);
/// The time between two signs: clients show each for about five seconds.
const INTERVAL: Duration = Duration::from_secs(4);
/// The most signs for one event: ten minutes, after which people stop waiting.
const MAX_SIGNS: usize = 150;

/// The sign that a bot is typing; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Typing(AbortHandle);

impl Typing {
    /// Shows the bot as typing where an event's post is; `None` if the sink does not, or the event is no post of another user.
    pub(super) fn show(deps: &HandlerDeps, event: &Message) -> Option<Self> {
        let is_post = event.post.id.is_some() && !event.post.may_be_reply;
        if !deps.shows_typing || !is_post || event.own {
            return None;
        }
        let (poster, account) = (Arc::clone(&deps.poster), event.account.clone());
        let root_id = event.post.root_id.clone().filter(|root| !root.as_str().is_empty());
        let typing = OutgoingAction::Typing { channel: event.channel.clone(), root_id };
        let showing = async move {
            let mut signs = interval_at(Instant::now() + BEGIN_AFTER, INTERVAL);
            for _ in 0..MAX_SIGNS {
                signs.tick().await;
                // A sign that cannot be shown is of no use later.
                let _ = poster.post(&account, typing.clone()).await;
            }
        };
        Some(Self(spawn(showing).abort_handle()))
    }
}

impl Drop for Typing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::tests::fixtures::{RecordingReplyPoster, handler_deps, post};

    #[tokio::test(start_paused = true)]
    async fn a_slow_handler_is_shown_as_typing_until_it_has_answered() {
        let recorded = Arc::<RecordingReplyPoster>::default();
        let poster = Arc::clone(&recorded) as _;
        let deps = HandlerDeps { poster, shows_typing: true, ..handler_deps("hook") };
        let event = Message::from_event(&post("c", "1"));
        let showing = async {
            drop(Typing::show(&deps, &event));
            tokio::time::sleep(INTERVAL).await;
            assert_eq!(recorded.actions().len(), 0, "a quick handler");
            let typing = Typing::show(&deps, &event);
            tokio::time::sleep(BEGIN_AFTER + 2 * INTERVAL + BEGIN_AFTER).await;
            drop(typing);
            tokio::time::sleep(3 * INTERVAL).await;
            let actions = recorded.actions();
            assert_eq!(actions.len(), 3, "{actions:?}");
            let expected = OutgoingAction::Typing { channel: "c".into(), root_id: None };
            assert!(actions.iter().all(|(_, action)| *action == expected), "{actions:?}");
            let silent = HandlerDeps { shows_typing: false, ..deps.clone() };
            let own = Message { own: true, ..event.clone() };
            assert!(Typing::show(&silent, &event).is_none() && Typing::show(&deps, &own).is_none());
        };
        tokio::task::LocalSet::new().run_until(showing).await;
    }
}
