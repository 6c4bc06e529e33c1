//! The example that `matterhost config example` prints.

/// A commented configuration, which the reader accepts once its token is there.
pub const EXAMPLE: &str = include_str!("example.toml");
