//! Refusals of channels to be read.

/// The rounds in a row that must be refused before a channel that the list lacks counts as left: a refusal may pass.
const REFUSALS_OF_A_LEFT_CHANNEL: u32 = 3;

/// The refusal of a channel to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChannelRefusal {
    /// True if the channel could be read before.
    pub(crate) is_first: bool,
    /// True if the account must have left the channel, provided that the list lacks it.
    pub(crate) counts_as_left: bool,
}

impl ChannelRefusal {
    /// Returns the refusal with this number in a row, which begins with 1.
    pub(super) fn nth(number: u32) -> Self {
        Self { is_first: number == 1, counts_as_left: number >= REFUSALS_OF_A_LEFT_CHANNEL }
    }
}
