//! A time in which a handler wants nothing.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A time in which a handler wants nothing, shared between threads.
#[derive(Debug, Default)]
pub(in crate::sinks) struct Pause(Mutex<Option<Instant>>);

impl Pause {
    /// Nothing for so long, from now on; a longer pause that has begun stays.
    pub(in crate::sinks) fn begin(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Some(current.map_or(until, |current| current.max(until)));
    }

    /// How much of it is left.
    pub(in crate::sinks) fn remaining(&self) -> Option<Duration> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_pause_counts_and_ends() {
        let pause = Pause::default();
        assert_eq!(pause.remaining(), None);
        pause.begin(Duration::from_secs(10));
        pause.begin(Duration::from_secs(5));
        assert_eq!(pause.remaining(), Some(Duration::from_secs(10)));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(pause.remaining(), None);
    }
}
