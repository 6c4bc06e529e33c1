//! The formats of times in the log, the admin API, events and tables.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The end of the year 9999 in Unix milliseconds; RFC 3339 has no later dates.
const LATEST_MS: u64 = 253_402_300_799_999;

/// Returns a duration in whole milliseconds.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Formats a duration for people, in whole milliseconds, such as `1m 30s`.
pub fn human(time: Duration) -> String {
    humantime::format_duration(Duration::from_millis(millis(time))).to_string()
}

/// Returns a time in Unix milliseconds; 0 if it is before 1970.
pub fn unix_millis(at: SystemTime) -> u64 {
    millis(at.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Returns the time of a server's Unix milliseconds; `None` before 1970 or after the year 9999.
pub fn from_unix_millis(at: i64) -> Option<SystemTime> {
    let millis = u64::try_from(at).ok().filter(|millis| *millis <= LATEST_MS)?;
    Some(UNIX_EPOCH + Duration::from_millis(millis))
}

/// Formats a time by RFC 3339, in UTC with milliseconds. Times outside 1970 to 9999 become the nearest of these.
pub fn rfc3339(at: SystemTime) -> String {
    let millis = unix_millis(at).min(LATEST_MS);
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(millis)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_whole_milliseconds() {
        assert_eq!(human(Duration::from_micros(1_500_400)), "1s 500ms");
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }

    #[test]
    fn times_outside_of_the_calendar_are_clamped_or_refused() {
        let before = UNIX_EPOCH - Duration::from_secs(1);
        let after = UNIX_EPOCH + Duration::from_millis(LATEST_MS + 1);
        assert_eq!((unix_millis(before), rfc3339(before)), (0, "1970-01-01T00:00:00.000Z".into()));
        assert_eq!(rfc3339(after), "9999-12-31T23:59:59.999Z");
        assert_eq!((from_unix_millis(-1), from_unix_millis(i64::MAX)), (None, None));
        assert_eq!(from_unix_millis(1_500).map(unix_millis), Some(1_500));
    }
}
