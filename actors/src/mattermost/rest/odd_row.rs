//! Rows of a list that cannot be used.

use super::error::excerpt;

/// A row of a list that is not what it has to be. It costs itself, not the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddRow {
    /// An excerpt of the row's id; empty if it has none.
    pub id: Box<str>,
    /// The reason why it cannot be used.
    pub cause: Box<str>,
}

impl OddRow {
    pub(super) fn new(id: &str, cause: &str) -> Self {
        Self { id: excerpt(id).into(), cause: excerpt(cause).into() }
    }
}
