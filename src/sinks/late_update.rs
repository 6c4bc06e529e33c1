//! Updates in answer to events that come later and are not waited for.

use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::task::spawn_blocking;

use super::{SinkHandle, dead_letter::UnpostedReply, handler::keep_unposted, message::Message};
use crate::actions::{AnsweredEvent, CheckedAction, take};

impl SinkHandle {
    /// Begins an update in answer to an event. If it fails, it is kept among the dead letters. Returns false if it is not
    /// taken: too many go on, or its channel has to be looked up.
    pub fn update(&self, event: &AnsweredEvent, update: &CheckedAction) -> bool {
        let Ok(permit) = Arc::clone(&self.detached).try_acquire_owned() else { return false };
        if update.has_names() {
            return false;
        }
        let (poster, account, action) = (Arc::clone(&self.poster), event.account.clone(), update.clone());
        let mut taking = async move { take(&poster, &account, action.attached()).await }.boxed();
        // Polled once, it has its place among the updates.
        let taken = (&mut taking).now_or_never();
        let (handle, message) = (self.clone(), Message::of_answered(event));
        let reply = UnpostedReply::of(event, 0, update);
        tokio::spawn(async move {
            let taken = match taken {
                Some(taken) => taken,
                None => taking.await,
            };
            if let Err(error) = taken {
                let keep = move || {
                    let SinkHandle { name, letters, monitor, .. } = &handle;
                    keep_unposted(name, Some(letters), monitor, &message, reply, &error);
                };
                // The task ends only with the program.
                let _ = spawn_blocking(keep).await;
            }
            drop(permit);
        });
        true
    }
}
