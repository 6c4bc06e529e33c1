//! Taking an action as an account.

use futures_util::future::{BoxFuture, FutureExt as _, TryFutureExt as _};
use matterhost_actors::{
    model::{AccountName, Lookup, OutgoingAction, ReplyError, UserId},
    ports::Poster,
};

use super::{ActionDone, CheckedAction, Work};

impl CheckedAction {
    /// True for an update whose sender does not wait for the result.
    pub fn is_detached(&self) -> bool {
        matches!(self.work, Work::Act(OutgoingAction::Update { wait: false, .. }))
    }

    /// Returns the action with its result at the end, as of one whose sender waits.
    #[must_use]
    pub fn attached(mut self) -> Self {
        if let Work::Act(OutgoingAction::Update { wait, .. }) = &mut self.work {
            *wait = true;
        }
        self
    }
}

/// Looks up what an action names, and takes it.
///
/// # Errors
/// If something that it names is not found, or it is not done.
pub async fn take(
    poster: &dyn Poster,
    account: &AccountName,
    action: CheckedAction,
) -> Result<ActionDone, ReplyError> {
    let work = look_up_names(poster, account, action).await?;
    start(poster, account, work).await
}

/// Looks up what an action names.
///
/// # Errors
/// If it is not found.
pub async fn look_up_names(
    poster: &dyn Poster,
    account: &AccountName,
    action: CheckedAction,
) -> Result<Work, ReplyError> {
    let CheckedAction { target, user, mut work } = action;
    if let Some(target) = target {
        work.set_channel(&poster.find_channel(account, target).await?);
    }
    if let Some(user) = user {
        let found = poster.look_up(account, Lookup::User(user)).await?;
        work.set_reader(UserId::from(found.id()));
    }
    Ok(work)
}

/// Begins an action or look-up at once, and returns the future of its result. Actions keep the order in which they
/// begin.
pub fn start(
    poster: &dyn Poster,
    account: &AccountName,
    work: Work,
) -> BoxFuture<'static, Result<ActionDone, ReplyError>> {
    match work {
        Work::Act(action) => {
            poster.post(account, action).map_ok(|posted| ActionDone::posted(&posted)).boxed()
        }
        Work::LookUp(lookup) => {
            poster.look_up(account, lookup).map_ok(|found| ActionDone::found(&found)).boxed()
        }
        Work::Download { file, to } => {
            let info = poster.look_up(account, Lookup::File(file.clone()));
            let download = poster.open_file(account, file);
            async move {
                let found = info.await?;
                to.save(download.await?).await?;
                Ok(ActionDone::found(&found))
            }
            .boxed()
        }
    }
}
