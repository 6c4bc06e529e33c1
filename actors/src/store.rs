//! The store on disk: the cursors of all accounts, in one redb file that outlives the process.
//!
//! [`DiskStore`] implements the port. `file` opens and creates the file, `backend` and `overlay` let it be inspected
//! without being changed, `rows` defines the tables of records, `update_journal` keeps updates until they are applied to them,
//! `format_version` migrates old files, and `writer` is the thread that owns the file. `store_requests` are what it serves.

mod database_access;
mod database_file;
mod disk;
mod error;
mod format_version;
mod inspect;
mod overlay;
mod rows;
mod store_requests;
mod update_journal;
mod writer;

pub use database_file::FILE_NAME;
pub use disk::{DiskSettings, DiskStore};
pub use error::{DiskError, DiskErrorKind};
pub use inspect::{StoreStatus, forget, inspect, list};
pub use rows::StoredAccount;
