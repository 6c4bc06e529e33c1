//! Ports for programs that have to know theirs before they listen.

use std::{
    iter,
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
};

/// The first port. The system gives higher ones to connections and to listeners that name none, so that another test would get
/// a port that was free a moment ago now and then.
const FIRST: u16 = 20_000;

/// The ports that are tried for one that is free.
const MOST_TRIES: usize = 1_000;

/// Returns a port that is free, and that no other test of this program gets.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(FIRST);
    iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed))
        .take(MOST_TRIES)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}
