//! The forms of ids and names in the OpenAPI document. The optional ones may be null.

use utoipa::openapi::{
    ArrayBuilder, ObjectBuilder, RefOr, Schema,
    schema::{SchemaType, Type},
};

const POST: &str = "^[A-Za-z0-9]{26}$";
/// The most files of a post, which is the server's limit.
pub(crate) const MAX_FILES: usize = 10;
const CHANNEL: &str =
    "A channel: its id, `team/channel`, or `@username` for the direct channel with that user.";

/// Returns the schema of a channel.
pub fn target_schema() -> RefOr<Schema> {
    text(&channel_pattern(), CHANNEL)
}

/// Returns the schema of an optional channel.
pub(super) fn optional_target_schema() -> RefOr<Schema> {
    let description = format!("{CHANNEL} Without it, the channel of the event that is answered.");
    optional_text(&channel_pattern(), &description)
}

fn channel_pattern() -> String {
    let name = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";
    format!("^([A-Za-z0-9]{{26}}|@{name}|{name}/{name})$")
}

/// Returns the schema of an optional user.
pub(super) fn user_schema() -> RefOr<Schema> {
    optional_text(
        "^([A-Za-z0-9]{26}|@[A-Za-z0-9][A-Za-z0-9._-]{0,63})$",
        "A user: an id or `@username`. Without it, the author of the event that is answered.",
    )
}

/// Returns the schema of a post.
pub(super) fn post_id_schema() -> RefOr<Schema> {
    text(POST, "The id of a post.")
}

/// Returns the schema of a post that may be given by its key instead.
pub(super) fn update_post_schema() -> RefOr<Schema> {
    optional_text(POST, "The id of a post. It or `key` is required, and not both.")
}

/// Returns the schema of an optional post.
pub(super) fn optional_post_id_schema() -> RefOr<Schema> {
    optional_text(POST, "The id of a post. Without it, the post of the event that is answered.")
}

/// Returns the schema of the optional root post of a thread.
pub(super) fn thread_schema() -> RefOr<Schema> {
    optional_text(POST, "The root post of a thread.")
}

/// Returns the schema of an emoji's name.
pub(super) fn emoji_schema() -> RefOr<Schema> {
    text("^[A-Za-z0-9_+-]{1,64}$", "The emoji's name, without colons.")
}

/// Returns the schema of an optional idempotency key.
pub(super) fn key_schema() -> RefOr<Schema> {
    optional_text("^[!-~]{1,256}$", "An idempotency key: actions with the same key create the post once.")
}

/// Returns the schema of an uploaded file.
pub fn file_id_schema() -> RefOr<Schema> {
    text(POST, "The id of an uploaded file.")
}

/// Returns the schema of the path of a file.
pub(super) fn path_schema() -> RefOr<Schema> {
    text("^[^\\u0000]{1,4095}$", "The path of a file, below the directory of the child process.")
}

/// Returns the schema of the optional path of a new file.
pub(super) fn new_path_schema() -> RefOr<Schema> {
    optional_text(
        "^[^\\u0000]{1,4095}$",
        "The path of a new file, below the directory of the child process. No other handler has one.",
    )
}

/// Returns the schema of the optional name of a file.
pub(super) fn file_name_schema() -> RefOr<Schema> {
    optional_text(
        "^[^/\\\\\\u0000-\\u001f]{1,255}$",
        "The name of the file, without slashes; 255 bytes at most.",
    )
}

/// Returns the schema of the files of a post.
pub(super) fn files_schema() -> RefOr<Schema> {
    let description = "The files to attach: ids of files that were uploaded to the channel before; of a child process also paths below its directory.";
    let file = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(4095));
    ArrayBuilder::new().items(file).max_items(Some(MAX_FILES)).description(Some(description)).into()
}

fn text(pattern: &str, description: &str) -> RefOr<Schema> {
    schema(Type::String.into(), pattern, description)
}

fn optional_text(pattern: &str, description: &str) -> RefOr<Schema> {
    schema([Type::String, Type::Null].into_iter().collect(), pattern, description)
}

fn schema(types: SchemaType, pattern: &str, description: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(types).pattern(Some(pattern)).description(Some(description)).into()
}
