//! The store on disk: real files, real processes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod damage;
mod keeping;
mod shelf;
