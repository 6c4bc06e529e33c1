//! The key of reply tokens, which the host keeps across restarts.

use super::generated_token::load_or_generate;
use crate::{
    actions::ReplyTokens,
    config::{AdminConfig, AdminToken, RandomError},
};

/// The file of the key, beside that of the generated token.
const FILE: &str = "reply.key";

/// Returns the issuer of reply tokens. Its key is in a file, if there is state on disk.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn reply_tokens(config: &AdminConfig) -> Result<ReplyTokens, RandomError> {
    let key = match &config.generated_token_file {
        Some(beside) => load_or_generate(&beside.with_file_name(FILE), "key of reply tokens")?,
        None => AdminToken::generate()?,
    };
    Ok(ReplyTokens::new(key.expose().as_bytes()))
}
