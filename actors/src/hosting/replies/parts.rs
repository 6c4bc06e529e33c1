//! The parts of a draft that is too long for one post, within the limits of the server.

use serde_json::{Map, Value};

use crate::{
    model::{Attachment, Draft, ReplyError, ServerLimits},
    policy::split_text,
};

/// The most files of one post, which is the server's limit.
const MAX_FILES: usize = 10;

/// The property with a post's buttons, menus and fields.
const ATTACHMENTS: &str = "attachments";

/// The content of one part.
pub(super) struct PartContent<'a> {
    pub(super) text: String,
    pub(super) props: Map<String, Value>,
    pub(super) files: &'a [Attachment],
}

/// Checks the parts of a draft that do not depend on its text's length.
///
/// # Errors
/// If the draft cannot be posted.
pub(super) fn check_draft(draft: &Draft, limits: ServerLimits) -> Result<(), ReplyError> {
    if draft.text.trim().is_empty() && draft.files.is_empty() && !draft.props.contains_key(ATTACHMENTS) {
        return Err(ReplyError::Empty);
    }
    check_files(&draft.files, limits)
}

/// Splits a draft into parts of at most `limit` characters. Files and `props.attachments` go with the last part, other
/// properties with each.
///
/// # Errors
/// If the text is too long even for several posts.
pub(super) fn split_draft(draft: &Draft, limit: usize) -> Result<Vec<PartContent<'_>>, ReplyError> {
    let texts = split_text(&draft.text, limit)
        .map_err(|long| ReplyError::TooLong { characters: long.characters, limit: long.limit })?;
    let last = texts.len() - 1;
    let part = |(n, text)| {
        let mut props = draft.props.clone();
        if n < last {
            props.remove(ATTACHMENTS);
        }
        PartContent { text, props, files: if n == last { &draft.files } else { &[] } }
    };
    Ok(texts.into_iter().enumerate().map(part).collect())
}

/// Checks a text that cannot be split.
pub(super) fn check_text(text: &str, limits: ServerLimits) -> Result<(), ReplyError> {
    if text.trim().is_empty() {
        return Err(ReplyError::Empty);
    }
    let (characters, limit) = (text.chars().count(), limits.post_chars);
    if characters > limit { Err(ReplyError::TooLong { characters, limit }) } else { Ok(()) }
}

fn check_files(files: &[Attachment], limits: ServerLimits) -> Result<(), ReplyError> {
    if files.len() > MAX_FILES {
        return Err(ReplyError::TooManyFiles { files: files.len(), limit: MAX_FILES });
    }
    if !files.is_empty() && !limits.takes_files {
        return Err(ReplyError::NoFiles);
    }
    match files.iter().find(|file| file.bytes.len() as u64 > limits.file_bytes) {
        Some(file) => Err(ReplyError::FileTooLarge {
            name: file.name.clone(),
            bytes: file.bytes.len(),
            limit: limits.file_bytes,
        }),
        None => Ok(()),
    }
}
