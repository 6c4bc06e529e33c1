//! A Supervisor speaks for its accounts.

use actix::Addr;
use futures_util::future::{BoxFuture, FutureExt as _};

use super::{SendReply, Supervisor};
use crate::{
    model::{AccountName, OutgoingAction, PostedIds, ReplyError},
    ports::Poster,
};

impl Poster for Addr<Supervisor> {
    fn post(
        &self,
        account: &AccountName,
        order: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        let account = account.clone();
        let asked = self.send(SendReply { account: account.clone(), action: order });
        // Its mailbox closes when the host has ended.
        async move { asked.await.unwrap_or(Err(ReplyError::Interrupted(account))) }.boxed()
    }
}
