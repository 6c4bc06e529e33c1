//! The reading of a channel in rounds.

/// The need to read the channel in a round. Nothing more counts as settled while received changes are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// The channel is read if the listing shows news.
    IfNews,
    /// Received changes were dropped, and too many others wait to fetch them now.
    Postponed,
    /// Received changes were dropped, and the next round fetches them.
    Due,
}

/// The part that a round has in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoundPart {
    /// No round is running.
    None,
    /// The listing does not contain the channel.
    Unlisted,
    /// The listing contains the channel, and announces everything up to this time.
    Listed(i64),
}
