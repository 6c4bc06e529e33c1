//! The server's clock, which a script can set.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::world::World;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_MS: i64 = 86_400_000;

impl World {
    /// Server time in milliseconds; it never runs backwards, but when a script sets it.
    pub(crate) fn now(&mut self) -> i64 {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        self.last_time = self.last_time.max(millis.saturating_add(self.clock_offset_ms));
        self.last_time
    }

    /// Server time past a moment that it must be seen to differ from, as for `update_at`.
    pub(crate) fn now_after(&mut self, earlier: i64) -> i64 {
        self.now().max(earlier + 1)
    }

    /// Sets the clock off by this much.
    pub(crate) fn shift_clock(&mut self, offset_ms: i64) {
        self.clock_offset_ms = offset_ms;
        self.last_time = 0;
    }

    /// The `Date` header, where the clock is set off; else the HTTP library's is right.
    pub(crate) fn date(&mut self) -> Option<String> {
        (self.clock_offset_ms != 0).then(|| http_date(self.now()))
    }
}

/// A time as HTTP writes it, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(time_ms: i64) -> String {
    let days = time_ms.div_euclid(DAY_MS);
    let seconds = time_ms.rem_euclid(DAY_MS) / 1_000;
    let (year, month, day) = civil(days);
    let name =
        |names: &[&'static str], at: i64| usize::try_from(at).ok().and_then(|at| names.get(at).copied());
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        name(&DAYS, days.rem_euclid(7)).unwrap_or_default(),
        name(&MONTHS, month - 1).unwrap_or_default(),
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Year, month and day of a number of days since 1970, counted in years that begin in March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::http_date;

    #[test]
    fn a_time_is_written_as_http_does() {
        assert_eq!(http_date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(951_782_400_999), "Tue, 29 Feb 2000 00:00:00 GMT");
    }
}
