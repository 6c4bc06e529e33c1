//! The parts of a draft that is too long for one post, within the limits of the server.

use serde_json::{Map, Value};

use crate::{
    model::{Attachment, Draft, FileId, ReplyError, ServerLimits, check_file_name},
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
    pub(super) file_ids: &'a [FileId],
}

/// Checks the parts of a draft that do not depend on its text's length.
///
/// # Errors
/// If the draft cannot be posted.
pub(super) fn check_draft(draft: &Draft, limits: ServerLimits) -> Result<(), ReplyError> {
    if draft.text.trim().is_empty() && !draft.has_files() && !draft.props.contains_key(ATTACHMENTS) {
        return Err(ReplyError::Empty);
    }
    check_files(&draft.files, draft.file_ids.len(), limits)
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
        let (files, file_ids): (&[_], &[_]) =
            if n == last { (&draft.files, &draft.file_ids) } else { (&[], &[]) };
        PartContent { text, props, files, file_ids }
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

/// Checks the files of a post that has so many uploaded ones beside them.
pub(super) fn check_files(
    files: &[Attachment],
    uploaded: usize,
    limits: ServerLimits,
) -> Result<(), ReplyError> {
    if files.len() + uploaded > MAX_FILES {
        return Err(ReplyError::TooManyFiles { files: files.len() + uploaded, limit: MAX_FILES });
    }
    for file in files {
        check_file_name(&file.name)?;
        if file.bytes.is_empty() {
            return Err(ReplyError::EmptyFile { name: file.name.clone() });
        }
    }
    if !files.is_empty() && !limits.takes_files {
        return Err(ReplyError::NoFiles);
    }
    match files.iter().find(|file| file.bytes.len() > limits.file_bytes) {
        Some(file) => Err(ReplyError::FileTooLarge {
            name: file.name.clone(),
            bytes: file.bytes.len(),
            limit: limits.file_bytes,
        }),
        None => Ok(()),
    }
}
