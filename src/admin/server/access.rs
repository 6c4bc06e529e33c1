//! The access rules of the API: the tokens that grant it, or everyone.

use crate::{
    admin::generated_token,
    config::{AdminConfig, AdminToken, RandomError, ScopedToken, TokenScope},
};

/// The access to the API. Nothing is granted to a caller without a token, unless the configuration says so.
#[derive(Debug, Clone)]
pub enum Access {
    /// Everyone who can connect has full access.
    Anonymous,
    /// The tokens grant access.
    Tokens {
        /// The token with full access.
        full: AdminToken,
        /// The token with read-only access.
        read: Option<AdminToken>,
        /// Further tokens, each with a scope.
        scoped: Vec<ScopedToken>,
        /// True if the host generated the token, so that an operator needs a way to it.
        is_generated: bool,
    },
}

impl Access {
    /// Returns the access that the configuration grants. Without a token in it, uses the one in its file, or generates one.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn prepare(config: &AdminConfig) -> Result<Self, RandomError> {
        if config.allow_anonymous {
            return Ok(Self::Anonymous);
        }
        let (read, scoped) = (config.read_token.clone(), config.scoped_tokens.clone());
        if let Some(full) = config.token.clone() {
            return Ok(Self::Tokens { full, read, scoped, is_generated: false });
        }
        let full = config.generated_token_file.as_deref().map_or_else(generate_in_memory, |file| {
            generated_token::load_or_generate(file, "token of the admin API")
        })?;
        Ok(Self::Tokens { full, read, scoped, is_generated: true })
    }

    /// Returns what a token grants; none for a wrong one. All tokens are always compared, so that the timing does not
    /// distinguish them.
    pub(super) fn scope_of(&self, token: &str) -> Option<TokenScope> {
        let Self::Tokens { full, read, scoped, .. } = self else { return Some(TokenScope::Full) };
        let single = [(Some(full), TokenScope::Full), (read.as_ref(), TokenScope::Read)];
        let single = single.into_iter().filter_map(|(token, scope)| Some((token?, scope)));
        let scoped = scoped.iter().map(|scoped| (&scoped.token, scoped.scope.clone()));
        single
            .chain(scoped)
            .fold(None, |granted, (known, scope)| if known.matches(token) { Some(scope) } else { granted })
    }
}

fn generate_in_memory() -> Result<AdminToken, RandomError> {
    let reason = "there is neither state on disk nor a runtime directory";
    tracing::info!("the token of the admin API is kept in memory: {reason}");
    AdminToken::generate()
}
