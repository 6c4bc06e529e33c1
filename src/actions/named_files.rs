//! The files that actions name: by the ids of uploads, or by their paths below the directory of a child process.

use matterhost_actors::model::{
    Attachment, ChannelId, Draft, Excerpt, FileId, OutgoingAction, ReplyKey, is_full_id,
};

use super::{
    ActionError, ActionPlace, CheckedAction, Work,
    checked_action::{act, check_key, own_key},
    schema::MAX_FILES,
};

impl ActionPlace<'_> {
    /// Returns the upload of a file of the handler's directory.
    pub(super) fn upload(
        self,
        target: Option<String>,
        path: &str,
        name: Option<String>,
        key: Option<&str>,
    ) -> Result<CheckedAction, ActionError> {
        let (key, file) = (self.upload_key(key)?, self.open(path, name)?);
        let upload = OutgoingAction::Upload { channel: ChannelId::default(), file, key };
        Ok(act(upload).to(self.target(target)?))
    }

    /// Returns the key of an upload, which is the event's own in an answer to one. It may be left out: people do not see an upload
    /// that is made twice.
    fn upload_key(self, named: Option<&str>) -> Result<Option<ReplyKey>, ActionError> {
        match self {
            Self::Request { key } => named.or(key).map(check_key).transpose(),
            Self::Answer { event, .. } => named.map(|own| own_key(event, own)).transpose(),
            Self::LateAnswer { event, key } => named.or(key).map(|own| own_key(event, own)).transpose(),
        }
    }

    /// Attaches files to a draft: uploaded ones, and those of the handler's directory.
    pub(super) fn attach(self, files: Vec<String>, mut draft: Draft) -> Result<Draft, ActionError> {
        if files.len() > MAX_FILES {
            return Err(ActionError::Member { member: "files", form: "a list of at most 10 files" });
        }
        for file in files {
            if is_full_id(&file) {
                draft.file_ids.push(FileId::from(&*file));
            } else {
                draft.files.push(self.open(&file, None)?);
            }
        }
        Ok(draft)
    }

    /// Returns the download of a file into the handler's directory.
    pub(super) fn download(self, file: &str, path: &str) -> Result<CheckedAction, ActionError> {
        let file = file_id(file)?;
        match self {
            Self::Answer { files: Some(files), .. } => {
                let work = Work::Download { file, to: files.new_file(path)? };
                Ok(CheckedAction { target: None, user: None, work })
            }
            Self::Request { .. } | Self::Answer { .. } | Self::LateAnswer { .. } => {
                Err(ActionError::NoDirectory)
            }
        }
    }

    /// Opens a file of the handler's directory.
    fn open(self, path: &str, name: Option<String>) -> Result<Attachment, ActionError> {
        match self {
            Self::Answer { files: Some(files), .. } => Ok(files.open(path, name)?),
            Self::Request { .. } | Self::Answer { .. } | Self::LateAnswer { .. } => {
                Err(ActionError::NotUploaded(Excerpt::of(path)))
            }
        }
    }
}

/// Returns the id of an uploaded file.
pub(super) fn file_id(id: &str) -> Result<FileId, ActionError> {
    let form = "a file's id: 26 letters and digits";
    if is_full_id(id) { Ok(id.into()) } else { Err(ActionError::Member { member: "file", form }) }
}
