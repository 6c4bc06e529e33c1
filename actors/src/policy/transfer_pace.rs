use std::time::{Duration, Instant};

/// The slowest acceptable transfer of a file, in bytes a second: a poor mobile connection. A slower one holds a connection
/// and a place that others need.
const MIN_RATE: u64 = 16 * 1024;

/// The time that a transfer may take beyond its bytes, for a pause on the way.
const GRACE: Duration = Duration::from_secs(30);

/// The pace of a transfer, which must not become too slow.
#[derive(Debug, Clone, Copy)]
pub struct TransferPace {
    began: Instant,
    bytes: u64,
}

impl TransferPace {
    /// Begins a transfer.
    pub fn new(now: Instant) -> Self {
        Self { began: now, bytes: 0 }
    }

    /// Counts bytes that have arrived.
    pub fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// Returns the number of bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the time by which the next bytes must have arrived.
    pub fn deadline(&self) -> Instant {
        self.began + GRACE + Duration::from_secs(self.bytes / MIN_RATE)
    }
}

/// Returns the time that a transfer of so many bytes may take.
pub fn transfer_time(bytes: u64) -> Duration {
    GRACE + Duration::from_secs(bytes / MIN_RATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_gives_a_transfer_time_and_a_stalled_one_has_little() {
        let now = Instant::now();
        let mut pace = TransferPace::new(now);
        assert_eq!(pace.deadline(), now + GRACE);
        pace.add(160 * 1024);
        pace.add(0);
        assert_eq!((pace.bytes(), pace.deadline()), (160 * 1024, now + GRACE + Duration::from_secs(10)));
        assert_eq!(transfer_time(160 * 1024), GRACE + Duration::from_secs(10));
    }
}
