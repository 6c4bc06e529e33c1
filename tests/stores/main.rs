//! The store on disk: real files, real processes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod child;
mod damage;
mod disks;
mod keeping;
mod kills;
mod shelf;
