//! The memory of an account: what it received, what it acknowledged, and what is missing.

mod backlog;
mod channel;
mod cursor;
mod edits;
mod recent;
mod sequence;
mod state;

pub use backlog::{Listed, News, NewsKind};
pub use cursor::{Anchor, Cursor};
pub use edits::Edits;
pub use sequence::{Sequence, Step};
pub use state::{Beginning, Book, BookSettings};
