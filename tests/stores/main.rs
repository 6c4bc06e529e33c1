//! The store on disk: real files, real processes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod child;
mod contract;
mod corruption;
mod disks;
mod journal;
mod kills;
mod migration;
mod store_dir;
