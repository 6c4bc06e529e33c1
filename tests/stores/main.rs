//! The store on disk: real files, real processes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod keeping;
