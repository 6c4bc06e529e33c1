//! Taking an action as an account.

use std::sync::Arc;

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
    poster: &Arc<dyn Poster>,
    account: &AccountName,
    action: CheckedAction,
) -> Result<ActionDone, ReplyError> {
    let work = look_up_names(&**poster, account, action).await?;
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
    poster: &Arc<dyn Poster>,
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
            let (poster, account) = (Arc::clone(poster), account.clone());
            async move {
                let found = poster.look_up(&account, Lookup::File(file.clone())).await?;
                to.save(async { poster.open_file(&account, file).await }).await?;
                Ok(ActionDone::found(&found))
            }
            .boxed()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        future::ready,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use matterhost_actors::{
        model::{FileId, Found, PostedIds},
        ports::FileDownload,
    };

    use super::*;
    use crate::actions::FileDir;

    /// A poster that knows a file, or not, and counts the downloads.
    struct Files {
        has_it: bool,
        opened: AtomicUsize,
    }

    impl Poster for Files {
        fn post(
            &self,
            _: &AccountName,
            _: OutgoingAction,
        ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
            ready(Ok(PostedIds::default())).boxed()
        }

        fn look_up(&self, _: &AccountName, _: Lookup) -> BoxFuture<'static, Result<Found, ReplyError>> {
            let json = serde_json::value::to_raw_value(&serde_json::json!({ "id": "f" })).unwrap();
            let missing = ReplyError::Refused { cause: "there is no such file".into() };
            ready(if self.has_it { Ok(Found::new(json)) } else { Err(missing) }).boxed()
        }

        fn open_file(
            &self,
            _: &AccountName,
            _: FileId,
        ) -> BoxFuture<'static, Result<FileDownload, ReplyError>> {
            self.opened.fetch_add(1, Ordering::Relaxed);
            let (_, pieces) = tokio::sync::mpsc::channel(1);
            ready(Ok(FileDownload { name: "f".into(), content_type: String::new(), len: 0, pieces })).boxed()
        }
    }

    #[tokio::test]
    async fn a_download_begins_once_its_file_is_known_and_has_a_place() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("taken"), "x").unwrap();
        let files = FileDir::new(dir.path());
        for (has_it, path, downloads) in [(false, "new", 0), (true, "taken", 0), (true, "new", 1)] {
            let server = Arc::new(Files { has_it, opened: AtomicUsize::new(0) });
            let poster = Arc::clone(&server) as Arc<dyn Poster>;
            let work = Work::Download { file: FileId::from("f"), to: files.new_file(path).unwrap() };
            let action = CheckedAction { target: None, user: None, work };
            let done = take(&poster, &AccountName::new("helpdesk").unwrap(), action).await;
            assert_eq!((done.is_ok(), server.opened.load(Ordering::Relaxed)), (downloads > 0, downloads));
        }
    }
}
