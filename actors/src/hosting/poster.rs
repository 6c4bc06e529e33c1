//! A Supervisor speaks for its accounts.

use actix::Addr;
use futures_util::future::{BoxFuture, FutureExt as _};

use super::{SendReply, Supervisor};
use crate::{
    model::{AccountName, Order, Posted, ReplyError},
    ports::Voice,
};

impl Voice for Addr<Supervisor> {
    fn speak(&self, account: &AccountName, order: Order) -> BoxFuture<'static, Result<Posted, ReplyError>> {
        let account = account.clone();
        let asked = self.send(SendReply { account: account.clone(), action: order });
        // Its mailbox closes when the host has ended.
        async move { asked.await.unwrap_or(Err(ReplyError::Interrupted(account))) }.boxed()
    }
}
