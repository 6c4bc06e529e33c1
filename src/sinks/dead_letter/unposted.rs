//! Replies that could not be posted.

use matterhost_actors::model::{
    ChannelId, Draft, FileId, OutgoingAction, PostId, ReplyKey, ReplyKeyError, Target, UserId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::actions::{AnsweredEvent, CheckedAction, Work};

/// A reply that could not be posted, as its dead letter keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnpostedReply {
    /// The index among the replies to the event.
    pub index: usize,
    /// The key, if it is not the one that the index gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The channel; empty if it could not be looked up.
    pub channel: ChannelId,
    /// The channel as the handler named it, if it could not be looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The post whose thread it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<PostId>,
    /// Any post of the thread, if its first post is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_of: Option<PostId>,
    /// The only reader of an ephemeral reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<UserId>,
    /// True if the text replaces that of the post with the key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub update: bool,
    /// The text.
    pub text: String,
    /// The post's props.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub props: Map<String, Value>,
    /// The files that are uploaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file_ids: Vec<FileId>,
    /// The names of files that were not uploaded, and are not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_files: Vec<String>,
}

impl UnpostedReply {
    /// Returns the kept form of an action, the `index`th that answers the event; `None` if it creates no post.
    pub(in crate::sinks) fn of(event: &AnsweredEvent, index: usize, action: &CheckedAction) -> Option<Self> {
        let (draft, reader) = match &action.work {
            Work::Act(OutgoingAction::Post(draft)) => (draft.clone(), None),
            // A reader who has to be looked up cannot be kept.
            Work::Act(OutgoingAction::Ephemeral { user, draft }) if action.user.is_none() => {
                (draft.clone(), Some(user.clone()))
            }
            Work::Act(OutgoingAction::Update { channel, key, text, .. }) => {
                let (channel, text, key) = (channel.clone(), text.clone(), Some(key.clone()));
                (Draft { channel, text, key, ..Draft::default() }, None)
            }
            _ => return None,
        };
        let is_bare = draft.text.trim().is_empty() && draft.props.is_empty() && draft.file_ids.is_empty();
        if is_bare && !draft.files.is_empty() {
            // Without its files, nothing is left to post.
            return None;
        }
        let update = matches!(action.work, Work::Act(OutgoingAction::Update { .. }));
        let numbered = event.numbered_key(index).ok();
        let key =
            draft.key.as_ref().filter(|key| Some(key.as_str()) != numbered.as_ref().map(ReplyKey::as_str));
        Some(Self {
            index,
            key: key.map(|key| key.as_str().to_owned()),
            channel: draft.channel,
            target: action.target.as_ref().map(ToString::to_string),
            thread: draft.root_id,
            thread_of: draft.thread_of,
            reader,
            update,
            text: draft.text,
            props: draft.props,
            file_ids: draft.file_ids,
            lost_files: draft.files.into_iter().map(|file| file.name).collect(),
        })
    }

    /// Returns the action that posts the reply, with the key that it had before: if it was posted after all, it is not
    /// posted again.
    pub(super) fn into_action(self, event: &AnsweredEvent) -> Result<CheckedAction, ReplyKeyError> {
        // It was a target when it was written.
        let target = self.target.and_then(|target| target.parse::<Target>().ok());
        let key = match self.key {
            Some(key) => event.answer(ReplyKey::of_answer(&key)?),
            None => event.numbered_key(self.index)?,
        };
        if self.update {
            let (channel, text) = (self.channel, self.text);
            let update = OutgoingAction::Update { channel, key, text, wait: true };
            return Ok(CheckedAction { target, user: None, work: Work::Act(update) });
        }
        let draft = Draft {
            channel: self.channel,
            text: self.text,
            root_id: self.thread,
            thread_of: self.thread_of,
            props: self.props,
            file_ids: self.file_ids,
            key: Some(key),
            ..Draft::default()
        };
        let action = match self.reader {
            None => OutgoingAction::Post(draft),
            Some(user) => OutgoingAction::Ephemeral { user, draft },
        };
        Ok(CheckedAction { target, user: None, work: Work::Act(action) })
    }
}

#[cfg(test)]
mod tests {
    use matterhost_actors::model::{AccountName, Attachment};

    use super::*;
    use crate::actions::ThreadPlace;

    fn event() -> AnsweredEvent {
        AnsweredEvent {
            account: AccountName::new("helpdesk").unwrap(),
            sink: "child".into(),
            id: "e1".into(),
            channel: "c1".into(),
            post: None,
            thread: ThreadPlace::default(),
            author: None,
            is_hook: false,
            trigger: None,
            create_at: None,
        }
    }

    #[test]
    fn the_longest_names_and_keys_are_kept() {
        let event = AnsweredEvent {
            sink: format!("{0}@{0}", "s".repeat(128)).into(),
            id: format!("{}/edited/{}", "p".repeat(64), i64::MAX).into(),
            ..event()
        };
        let keys = [event.numbered_key(0).unwrap(), event.own_key(&"k".repeat(256)).unwrap()];
        for key in keys {
            let draft = Draft { text: "a".into(), key: Some(key.clone()), ..Draft::default() };
            let work = Work::Act(OutgoingAction::Post(draft));
            let kept =
                UnpostedReply::of(&event, 0, &CheckedAction { target: None, user: None, work }).unwrap();
            let Work::Act(OutgoingAction::Post(posted)) = kept.into_action(&event).unwrap().work else {
                panic!("no post")
            };
            assert_eq!(posted.key, Some(key));
        }
    }

    /// An uploaded file can still be posted; of one that was only named, the name is kept.
    #[test]
    fn the_ids_of_files_are_kept_and_the_names_of_the_others() {
        let files = vec![Attachment { name: "lost.csv".into(), bytes: vec![b'x'].into() }];
        let draft = Draft { text: "see".into(), files, file_ids: vec!["f1".into()], ..Draft::default() };
        let action = |draft: &Draft| CheckedAction {
            target: None,
            user: None,
            work: Work::Act(OutgoingAction::Post(draft.clone())),
        };
        let kept = UnpostedReply::of(&event(), 0, &action(&draft)).unwrap();
        assert_eq!(kept.lost_files, ["lost.csv"]);
        let read: UnpostedReply = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
        let Work::Act(OutgoingAction::Post(posted)) = read.into_action(&event()).unwrap().work else {
            panic!("no post")
        };
        assert_eq!((posted.file_ids, posted.files.len(), &*posted.text), (vec!["f1".into()], 0, "see"));
        let only_files = Draft { text: String::new(), file_ids: Vec::new(), ..draft };
        assert_eq!(UnpostedReply::of(&event(), 0, &action(&only_files)), None, "nothing is left to post");
    }
}
