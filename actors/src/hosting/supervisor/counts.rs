//! How many accounts are in which state: a question so cheap that a watchdog may ask it every second.

use actix::{Handler, Message, MessageResult};

use super::Supervisor;
use crate::model::StateCounts;

/// Asks how many accounts are in which state. Whoever gets an answer knows as well that the Supervisor works.
///
/// It looks at one field of each account and copies nothing: [`crate::hosting::supervisor::ListAccounts`] costs far more.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "StateCounts")]
pub struct CountStates;

impl Handler<CountStates> for Supervisor {
    type Result = MessageResult<CountStates>;

    fn handle(&mut self, _: CountStates, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.accounts.values().map(|account| account.state).collect())
    }
}
