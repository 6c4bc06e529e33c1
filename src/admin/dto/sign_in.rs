//! Signing in to the web page. These values contain secrets, so they cannot be printed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A link that signs a browser in to the page, once.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct SignInLink {
    /// The code; the link is the URL of the page with `#sign-in=CODE`.
    pub code: String,
    /// The time after which the link no longer works.
    pub expires_in_ms: u64,
}

/// The result of signing in.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct SignedIn {
    /// The token with full access.
    pub token: String,
}
