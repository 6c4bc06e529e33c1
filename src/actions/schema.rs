//! The forms of ids and names in the OpenAPI document.

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// Returns the schema of a channel.
pub fn target_schema() -> RefOr<Schema> {
    let name = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";
    text(
        &format!("^([A-Za-z0-9]{{26}}|@{name}|{name}/{name})$"),
        "A channel: its id, `team/channel`, or `@username` for the direct channel with that user. Without it, the channel \
         of the event that is answered.",
    )
}

/// Returns the schema of a user.
pub(super) fn user_schema() -> RefOr<Schema> {
    text(
        "^([A-Za-z0-9]{26}|@[A-Za-z0-9][A-Za-z0-9._-]{0,63})$",
        "A user: an id or `@username`. Without it, the author of the event that is answered.",
    )
}

/// Returns the schema of a post.
pub fn post_id_schema() -> RefOr<Schema> {
    text("^[A-Za-z0-9]{26}$", "The id of a post. Without it, the post of the event that is answered.")
}

/// Returns the schema of the root post of a thread.
pub(super) fn thread_schema() -> RefOr<Schema> {
    text("^[A-Za-z0-9]{26}$", "The root post of a thread.")
}

/// Returns the schema of an emoji's name.
pub(super) fn emoji_schema() -> RefOr<Schema> {
    text("^[A-Za-z0-9_+-]{1,64}$", "The emoji's name, without colons.")
}

/// Returns the schema of an idempotency key.
pub(super) fn key_schema() -> RefOr<Schema> {
    text("^[!-~]{1,256}$", "An idempotency key: actions with the same key create the post once.")
}

fn text(pattern: &str, description: &str) -> RefOr<Schema> {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    schema.pattern(Some(pattern)).description(Some(description)).into()
}
