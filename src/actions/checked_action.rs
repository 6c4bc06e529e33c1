//! The checks of an action before it is taken.

use matterhost_actors::model::{
    ChannelId, DIALOG_ERRORS, Draft, FileId, HOOK_ANSWER, IntegrationCall, Lookup, OutgoingAction, PostId,
    ReplyKey, Target, UserId, UserRef, is_full_id,
};
use serde_json::{Map, Value, json};

use super::{
    ActionError, AnsweredEvent, BotAction, FileDir, NewFilePath, ResponseType, named_files::file_id,
};

/// The posts that a look-up returns unless it says how many.
const DEFAULT_COUNT: usize = 60;
/// The most posts of a look-up: the server's limit of a page.
const MAX_COUNT: usize = 200;

/// The place of an action, which provides the members that are left out.
#[derive(Debug, Clone, Copy)]
pub enum ActionPlace<'a> {
    /// A request on its own, with the key of a post without one.
    Request {
        /// The key.
        key: Option<&'a str>,
    },
    /// The answer to an event.
    Answer {
        /// The event.
        event: &'a AnsweredEvent,
        /// The index of the action among the posts that answer the event, which is the same when it is delivered again.
        index: usize,
        /// The directory of a handler that names files by their path.
        files: Option<&'a FileDir>,
    },
    /// A later answer to an event, with the key of a post without one.
    LateAnswer {
        /// The event.
        event: &'a AnsweredEvent,
        /// The key.
        key: Option<&'a str>,
    },
}

/// An action whose members are valid. A channel or user that is named has to be looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedAction {
    /// The name of the channel, if its id is not known.
    pub target: Option<Target>,
    /// The name of the user, if the id is not known.
    pub user: Option<UserRef>,
    /// The action or look-up, with empty ids for these.
    pub work: Work,
}

/// An action, a look-up or a download.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are actions, and none is kept for long")]
pub enum Work {
    /// An action.
    Act(OutgoingAction),
    /// A look-up.
    LookUp(Lookup),
    /// The download of a file into the directory of a child process.
    Download {
        /// The file.
        file: FileId,
        /// The path of the new file.
        to: NewFilePath,
    },
}

impl BotAction {
    /// Checks the action and converts it.
    ///
    /// # Errors
    /// When a member is not valid or missing.
    pub fn check(self, place: ActionPlace<'_>) -> Result<CheckedAction, ActionError> {
        match self {
            Self::Reply { text, in_thread, response_type, mut props, errors, key, files } => {
                if !errors.is_empty() {
                    if !place.event("to")?.is_hook {
                        return Err(ActionError::NoDialog);
                    }
                    props.insert(DIALOG_ERRORS.into(), json!(errors));
                }
                if response_type == Some(ResponseType::Ephemeral) && !files.is_empty() {
                    return Err(ActionError::Both("response_type", "files"));
                }
                let draft = place.attach(files, Draft { text, props, ..Draft::default() })?;
                place.reply(response_type, in_thread, key.as_deref(), draft)
            }
            Self::Post { target, text, thread, props, key, files } => {
                let (key, root_id) = (place.post_key(key.as_deref())?, root(thread.as_deref())?);
                let draft = place.attach(files, Draft { text, root_id, props, key, ..Draft::default() })?;
                Ok(act(OutgoingAction::Post(draft)).to(place.target(target)?))
            }
            Self::Upload { target, file, name, key } => place.upload(target, &file, name, key.as_deref()),
            Self::Whisper { target, user, text, thread } => {
                let draft = Draft { text, root_id: root(thread.as_deref())?, ..Draft::default() };
                let whisper = OutgoingAction::Ephemeral { user: UserId::default(), draft };
                Ok(act(whisper).to(place.target(target)?).read_by(place.user(user)?))
            }
            Self::Update { post, key, target, wait, text, props } => {
                place.any_update((post, key, target, wait), text, props)
            }
            Self::OpenDialog { dialog } => place.open_dialog(dialog),
            Self::Delete { post } => Ok(act(OutgoingAction::Delete { post: post_id("post", &post)? })),
            Self::React { post, emoji } => {
                Ok(act(OutgoingAction::React { post: place.post(post)?, emoji: check_emoji(emoji)? }))
            }
            Self::Unreact { post, emoji } => {
                Ok(act(OutgoingAction::Unreact { post: place.post(post)?, emoji: check_emoji(emoji)? }))
            }
            Self::Typing { target, thread } => {
                let root_id = root(thread.as_deref())?;
                let typing = OutgoingAction::Typing { channel: ChannelId::default(), root_id };
                Ok(act(typing).to(place.target(target)?))
            }
            Self::FindChannel { target } => Ok(look_up(Lookup::Channel(place.target(target)?))),
            Self::FindUser { user } => Ok(look_up(Lookup::User(place.user(user)?))),
            Self::GetThread { post } => Ok(look_up(Lookup::Thread(place.post(post)?))),
            Self::GetFile { file, path: None } => Ok(look_up(Lookup::File(file_id(&file)?))),
            Self::GetFile { file, path: Some(path) } => place.download(&file, &path),
            Self::GetPosts { target, count } => {
                let lookup = Lookup::Posts { channel: ChannelId::default(), count: check_count(count)? };
                Ok(look_up(lookup).to(place.target(target)?))
            }
        }
    }
}

impl CheckedAction {
    pub(super) fn to(mut self, target: Target) -> Self {
        match target {
            Target::Id(id) => self.work.set_channel(&id),
            named => self.target = Some(named),
        }
        self
    }

    fn read_by(mut self, user: UserRef) -> Self {
        match user {
            UserRef::Id(id) => self.work.set_reader(id),
            named @ UserRef::Name(_) => self.user = Some(named),
        }
        self
    }

    /// True if the action creates a post.
    pub fn is_post(&self) -> bool {
        matches!(self.work, Work::Act(OutgoingAction::Post(_) | OutgoingAction::Ephemeral { .. }))
    }

    /// True if something that the action names has to be looked up.
    pub fn has_names(&self) -> bool {
        self.target.is_some() || self.user.is_some()
    }
}

impl Work {
    /// Sets the channel of work that has one.
    pub(super) fn set_channel(&mut self, found: &ChannelId) {
        match self {
            Self::Act(OutgoingAction::Post(draft) | OutgoingAction::Ephemeral { draft, .. }) => {
                draft.channel = found.clone();
            }
            Self::Act(
                OutgoingAction::Typing { channel, .. }
                | OutgoingAction::Update { channel, .. }
                | OutgoingAction::Upload { channel, .. },
            )
            | Self::LookUp(Lookup::Posts { channel, .. }) => {
                *channel = found.clone();
            }
            Self::Act(
                OutgoingAction::Edit { .. }
                | OutgoingAction::Integration { .. }
                | OutgoingAction::React { .. }
                | OutgoingAction::Unreact { .. }
                | OutgoingAction::Delete { .. },
            )
            | Self::LookUp(Lookup::Channel(_) | Lookup::User(_) | Lookup::Thread(_) | Lookup::File(_))
            | Self::Download { .. } => {}
        }
    }

    /// Sets the only reader of a post.
    pub(super) fn set_reader(&mut self, found: UserId) {
        if let Self::Act(OutgoingAction::Ephemeral { user, .. }) = self {
            *user = found;
        }
    }
}

impl<'a> ActionPlace<'a> {
    /// Returns the event that is answered.
    fn event(self, member: &'static str) -> Result<&'a AnsweredEvent, ActionError> {
        match self {
            Self::Request { .. } => Err(ActionError::Missing(member)),
            Self::Answer { event, .. } | Self::LateAnswer { event, .. } => Ok(event),
        }
    }

    pub(super) fn target(self, named: Option<String>) -> Result<Target, ActionError> {
        if let Some(named) = named {
            return Ok(named.parse()?);
        }
        let channel = &self.event("target")?.channel;
        if channel.as_str().is_empty() {
            return Err(ActionError::EventLacks("channel"));
        }
        Ok(Target::Id(channel.clone()))
    }

    fn user(self, named: Option<String>) -> Result<UserRef, ActionError> {
        match named {
            Some(named) => Ok(named.parse()?),
            None => Ok(UserRef::Id(self.author()?)),
        }
    }

    fn author(self) -> Result<UserId, ActionError> {
        self.event("user")?.author.clone().ok_or(ActionError::EventLacks("author"))
    }

    fn post(self, named: Option<String>) -> Result<PostId, ActionError> {
        match named {
            Some(named) => post_id("post", &named),
            None => self.event("post")?.post.clone().ok_or(ActionError::EventLacks("post")),
        }
    }

    /// Returns the key of a post.
    fn post_key(self, named: Option<&str>) -> Result<Option<ReplyKey>, ActionError> {
        match self {
            Self::Request { key } => named.or(key).map(check_key).transpose(),
            Self::Answer { .. } | Self::LateAnswer { .. } => Ok(Some(match named {
                Some(named) => check_key(named)?.into_answer(),
                None => self.answer_key(None)?,
            })),
        }
    }

    /// Returns the key of a post in answer to the event, which has a key of its own or not.
    fn answer_key(self, own: Option<&str>) -> Result<ReplyKey, ActionError> {
        match (self, own) {
            (Self::Request { .. }, _) => Err(ActionError::Missing("to")),
            (Self::Answer { event, .. } | Self::LateAnswer { event, .. }, Some(own)) => own_key(event, own),
            (Self::Answer { event, index, .. }, None) => Ok(event.numbered_key(index)?),
            (Self::LateAnswer { event, key: Some(key) }, None) => own_key(event, key),
            (Self::LateAnswer { event, key: None }, None) => Ok(event.unique_key()?),
        }
    }

    /// True for the answer to a command, button, menu or dialog.
    fn is_hook(self) -> bool {
        self.event("to").is_ok_and(|event| event.is_hook)
    }

    fn open_dialog(self, dialog: Map<String, Value>) -> Result<CheckedAction, ActionError> {
        let (event, user) = (self.event("trigger")?, self.author()?);
        let trigger_id = event.trigger.clone().ok_or(ActionError::EventLacks("trigger"))?;
        let call = IntegrationCall::OpenDialog { trigger_id, user, url: Box::default(), dialog };
        Ok(act(OutgoingAction::Integration { channel: event.channel.clone(), call }))
    }

    fn reply(
        self,
        response_type: Option<ResponseType>,
        in_thread: bool,
        key: Option<&str>,
        mut draft: Draft,
    ) -> Result<CheckedAction, ActionError> {
        // A post of the bot's own can be updated by its key; what a response shows cannot.
        let is_kept = (key.is_some() || draft.has_files()) && response_type != Some(ResponseType::Ephemeral);
        let key = self.answer_key(key)?;
        let event = self.event("to")?;
        draft.key = Some(key);
        if event.is_hook && !is_kept {
            draft.props.insert(HOOK_ANSWER.into(), json!(true));
        }
        if in_thread {
            (draft.root_id, draft.thread_of) = (event.thread.root.clone(), event.thread.post.clone());
        }
        let reply = match response_type {
            None | Some(ResponseType::InChannel) => OutgoingAction::Post(draft),
            Some(ResponseType::Ephemeral) => OutgoingAction::Ephemeral { user: self.author()?, draft },
        };
        Ok(act(reply).to(self.target(None)?))
    }
}

impl ActionPlace<'_> {
    /// Returns the update of a post by its id, its key or the event.
    fn any_update(
        self,
        named: (Option<String>, Option<String>, Option<String>, Option<bool>),
        text: String,
        props: Option<Map<String, Value>>,
    ) -> Result<CheckedAction, ActionError> {
        match named {
            (Some(post), None, None, None) => {
                Ok(act(OutgoingAction::Edit { post: post_id("post", &post)?, text, props }))
            }
            (Some(_), Some(_), ..) => Err(ActionError::Both("post", "key")),
            (Some(_), _, Some(_), _) => Err(ActionError::Both("post", "target")),
            (Some(_), ..) => Err(ActionError::Both("post", "wait")),
            (None, Some(_), ..) if props.is_some() => Err(ActionError::Both("key", "props")),
            (None, None, None, None) if self.is_hook() => {
                Ok(act(OutgoingAction::Edit { post: self.post(None)?, text, props }))
            }
            (None, None, ..) => Err(ActionError::MissingEither("post", "key")),
            (None, Some(key), target, wait) => self.update(&key, target, text, wait.unwrap_or(true)),
        }
    }

    /// Returns the update of a post by its key: of a reply to the event, unless a channel is named.
    fn update(
        self,
        key: &str,
        target: Option<String>,
        text: String,
        wait: bool,
    ) -> Result<CheckedAction, ActionError> {
        let is_reply = target.is_none() && !matches!(self, Self::Request { .. });
        let key = if is_reply { self.answer_key(Some(key))? } else { check_key(key)? };
        let update = OutgoingAction::Update { channel: ChannelId::default(), key, text, wait };
        Ok(act(update).to(self.target(target)?))
    }
}

pub(super) fn act(action: OutgoingAction) -> CheckedAction {
    CheckedAction { target: None, user: None, work: Work::Act(action) }
}

fn look_up(lookup: Lookup) -> CheckedAction {
    CheckedAction { target: None, user: None, work: Work::LookUp(lookup) }
}

/// Returns the key of an answer to an event, to which it belongs.
pub(super) fn own_key(event: &AnsweredEvent, own: &str) -> Result<ReplyKey, ActionError> {
    if own.is_ascii() { Ok(event.own_key(own)?) } else { Err(ActionError::KeyNotAscii) }
}

/// Returns a key that stands for itself.
pub(super) fn check_key(key: &str) -> Result<ReplyKey, ActionError> {
    if key.is_ascii() { Ok(ReplyKey::new(key)?) } else { Err(ActionError::KeyNotAscii) }
}

fn root(thread: Option<&str>) -> Result<Option<PostId>, ActionError> {
    thread.map(|id| post_id("thread", id)).transpose()
}

fn post_id(member: &'static str, id: &str) -> Result<PostId, ActionError> {
    let form = "a post's id: 26 letters and digits";
    if is_full_id(id) { Ok(id.into()) } else { Err(ActionError::Member { member, form }) }
}

fn check_emoji(emoji: String) -> Result<String, ActionError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-');
    let is_name = (1..=64).contains(&emoji.len()) && emoji.bytes().all(is_allowed);
    let form = "an emoji's name without colons, such as thumbsup";
    if is_name { Ok(emoji) } else { Err(ActionError::Member { member: "emoji", form }) }
}

fn check_count(count: Option<usize>) -> Result<usize, ActionError> {
    let count = count.unwrap_or(DEFAULT_COUNT);
    let form = "1 to 200";
    if (1..=MAX_COUNT).contains(&count) {
        Ok(count)
    } else {
        Err(ActionError::Member { member: "count", form })
    }
}
