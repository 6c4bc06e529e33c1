//! The version of the program.

/// The version, as in `Cargo.toml`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that the program was built from, or the reason why none is named.
pub const COMMIT: &str = env!("MATTERHOST_COMMIT");

/// Both, for people.
pub const FULL_VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("MATTERHOST_COMMIT"), ")");
