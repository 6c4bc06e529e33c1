//! The far side of a sink for events of dead letters.

use matterhost_actors::ports::Delivered;

use super::{exec::Exec, hosted_bots::HostedBots, message::Message, nats::Nats, webhook::Webhook};

/// A sink that takes the events of dead letters.
#[derive(Clone)]
pub(super) enum LetterTarget {
    Webhook(Webhook),
    Exec(Exec),
    Nats(Nats),
    Bots(HostedBots),
}

impl LetterTarget {
    /// Queues an event for the handler.
    pub(super) fn submit(&self, message: Message) -> Delivered {
        match self {
            Self::Webhook(webhook) => webhook.submit(message),
            Self::Exec(exec) => exec.submit(message),
            Self::Nats(nats) => nats.submit(message),
            Self::Bots(bots) => bots.submit(&message),
        }
    }

    /// Lets events in that are refused while the handler pauses.
    pub(super) fn end_pause(&self) {
        match self {
            Self::Webhook(webhook) => webhook.end_pause(),
            Self::Exec(exec) => exec.end_pause(),
            // They ask for no pause.
            Self::Nats(_) | Self::Bots(_) => {}
        }
    }
}
