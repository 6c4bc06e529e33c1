//! The store on disk: what accounts have acknowledged, kept for the next process in one file.
//!
//! [`DiskStore`] is the port's implementation. All of redb is behind it: `file` opens and makes the file, `backend`
//! and `overlay` let it be looked at without being changed, `rows` knows what lies where, and `writer` is the one
//! thread that touches it.

mod backend;
mod disk;
mod error;
mod file;
mod format;
mod inspect;
mod overlay;
mod rows;
mod writer;

pub use disk::{DiskSettings, DiskStore};
pub use error::{DiskError, DiskErrorKind};
pub use file::FILE_NAME;
pub use inspect::{Look, forget, list, look};
pub use rows::Kept;
