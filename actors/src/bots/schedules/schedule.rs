use std::time::SystemTime;

use croner::Cron;
use jiff::{Timestamp, tz::TimeZone};

use crate::model::{AccountName, AccountUser, ChannelId, Event, EventBody, Excerpt, Generation, ServerName};

/// The longest name of a schedule, in bytes. It is a part of the keys of the posts.
const MAX_NAME_BYTES: usize = 64;

/// The times at which a bot does something.
///
/// A pattern has five fields, as in cron: minute, hour, day of the month, month, and day of the week (`0` and `7` are Sunday). A
/// sixth field in front is the second. `*`, `1-5`, `1,15` and `*/10` are understood, `MON` and `JAN`, `L` for the last day,
/// and `5#2` for the second Friday. Times are in UTC unless a zone is named. Where a clock is put forward, a run at a time
/// that does not exist happens right after the gap; where it is put back, a run at a fixed time happens once.
///
/// ```
/// use matterhost_actors::bots::Schedule;
///
/// let schedule = Schedule::new("standup", "0 9 * * 1-5")?.in_zone("Europe/Berlin")?;
/// // From Saturday, 6 January 2024, 12:00 UTC, to Monday, 8:00 UTC, which is 9:00 in Berlin.
/// assert_eq!(schedule.next_after(1_704_542_400_000), Some(1_704_700_800_000));
/// # Ok::<(), matterhost_actors::bots::ScheduleError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    name: Box<str>,
    cron: Cron,
    zone: TimeZone,
    skips_missed: bool,
}

/// A run of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The name of the schedule.
    pub schedule: Box<str>,
    /// The time at which the run is due, in Unix milliseconds.
    pub due: i64,
    /// True if the bot did not run at that time, and does it now.
    pub is_late: bool,
}

/// A schedule that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The name cannot be used.
    #[error("{0:?} cannot name a schedule; write 1 to {MAX_NAME_BYTES} bytes without white space")]
    Name(Excerpt),
    /// The pattern cannot be read.
    #[error(
        "schedule {name}: {pattern:?} is no pattern ({cause}); write five fields, such as \"0 9 * * 1-5\""
    )]
    Pattern {
        /// The name of the schedule.
        name: Box<str>,
        /// The pattern.
        pattern: Excerpt,
        /// The reason.
        cause: Excerpt,
    },
    /// The pattern names no time at all, such as 31 February.
    #[error("schedule {name}: no time fits {pattern:?}; check the day and the month")]
    Never {
        /// The name of the schedule.
        name: Box<str>,
        /// The pattern.
        pattern: Excerpt,
    },
    /// The time zone is not known.
    #[error(
        "schedule {name}: there is no time zone {zone:?}; write one such as Europe/Berlin, and install the system's time zones (tzdata)"
    )]
    Zone {
        /// The name of the schedule.
        name: Box<str>,
        /// The zone.
        zone: Excerpt,
    },
}

impl Run {
    /// Returns the id of the run, which is the same when it is tried again.
    pub fn id(&self) -> String {
        format!("{}/{}", self.connection_id(), self.due)
    }

    fn connection_id(&self) -> String {
        format!("schedule/{}", self.schedule)
    }

    /// Returns an event in place of the one that a run does not have. Its id is that of the run.
    pub(crate) fn to_event(&self, account: &AccountName, server: &ServerName) -> Event {
        let data = serde_json::json!({ "schedule": self.schedule, "due": self.due, "is_late": self.is_late });
        let body = EventBody {
            event: "schedule".into(),
            channel_id: ChannelId::default(),
            change: None,
            post: None,
            seq: self.due.unsigned_abs(),
            data: data.to_string().into(),
            broadcast: "{}".into(),
        };
        Event {
            account: account.clone(),
            server: server.clone(),
            user: AccountUser::default(),
            channel: None,
            sender: None,
            generation: Generation::default(),
            connection_id: self.connection_id().into(),
            received_at: SystemTime::now(),
            recovered: self.is_late,
            last_recovered: self.is_late,
            own: false,
            body,
        }
    }
}

impl Schedule {
    /// Creates a schedule in UTC. The name is your choice; keep it, as it tells the runs of schedules apart.
    ///
    /// # Errors
    /// If the name or the pattern cannot be used.
    pub fn new(name: &str, pattern: &str) -> Result<Self, ScheduleError> {
        check_name(name)?;
        let wrong = |error| ScheduleError::Pattern {
            name: name.into(),
            pattern: Excerpt::of(pattern),
            cause: Excerpt::of(&error),
        };
        let cron = pattern.parse().map_err(|error: croner::errors::CronError| wrong(error))?;
        let schedule = Self { name: name.into(), cron, zone: TimeZone::UTC, skips_missed: false };
        match schedule.next_after(Timestamp::now().as_millisecond()) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never { name: name.into(), pattern: Excerpt::of(pattern) }),
        }
    }

    /// Sets the time zone, by its name in the system's database, such as `Europe/Berlin`.
    ///
    /// # Errors
    /// If the system does not have the zone.
    pub fn in_zone(self, zone: &str) -> Result<Self, ScheduleError> {
        match TimeZone::get(zone) {
            Ok(zone) => Ok(Self { zone, ..self }),
            Err(_) => Err(ScheduleError::Zone { name: self.name, zone: Excerpt::of(zone) }),
        }
    }

    /// Passes over the runs that were missed. By default the latest of them happens late, and the others do not.
    #[must_use]
    pub fn skip_missed(self) -> Self {
        Self { skips_missed: true, ..self }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True if missed runs are passed over.
    pub fn skips_missed(&self) -> bool {
        self.skips_missed
    }

    /// Returns the first run after a time, both in Unix milliseconds.
    pub fn next_after(&self, ms: i64) -> Option<i64> {
        let after = Timestamp::from_millisecond(ms).ok()?.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&after, false).ok()?;
        Some(next.timestamp().as_millisecond())
    }

    /// Returns the latest run until a time, both in Unix milliseconds.
    pub(crate) fn latest_until(&self, ms: i64) -> Option<i64> {
        // The search begins at whole seconds.
        let until = Timestamp::from_second(ms.div_euclid(1_000)).ok()?.to_zoned(self.zone.clone());
        let latest = self.cron.find_previous_occurrence(&until, true).ok()?;
        Some(latest.timestamp().as_millisecond())
    }

    /// Replaces the name.
    ///
    /// # Errors
    /// If the name cannot be used.
    pub(crate) fn renamed(self, name: &str) -> Result<Self, ScheduleError> {
        check_name(name)?;
        Ok(Self { name: name.into(), ..self })
    }
}

fn check_name(name: &str) -> Result<(), ScheduleError> {
    let is_name = (1..=MAX_NAME_BYTES).contains(&name.len())
        && !name.contains(|c: char| c.is_whitespace() || c.is_control());
    if is_name { Ok(()) } else { Err(ScheduleError::Name(Excerpt::of(name))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(time: &str) -> i64 {
        time.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn next(schedule: &Schedule, after: &str) -> String {
        let next = schedule.next_after(ms(after)).unwrap();
        Timestamp::from_millisecond(next).unwrap().to_string()
    }

    #[test]
    fn times_are_those_of_the_zone() {
        for (pattern, zone, after, expected) in [
            ("0 9 * * 1-5", "UTC", "2024-01-05T09:00:00Z", "2024-01-08T09:00:00Z"),
            ("0 9 * * 1-5", "UTC", "2024-01-05T08:59:59.999Z", "2024-01-05T09:00:00Z"),
            ("0 9 * * MON", "America/New_York", "2024-07-01T00:00:00Z", "2024-07-01T13:00:00Z"),
            ("*/10 * * * * *", "UTC", "2024-01-05T09:00:01Z", "2024-01-05T09:00:10Z"),
            ("0 12 L * *", "UTC", "2024-02-01T00:00:00Z", "2024-02-29T12:00:00Z"),
            // The clocks of Berlin go from 2:00 to 3:00 on 31 March 2024.
            ("30 2 * * *", "Europe/Berlin", "2024-03-30T12:00:00Z", "2024-03-31T01:00:00Z"),
            ("30 2 * * *", "Europe/Berlin", "2024-03-31T01:00:00Z", "2024-04-01T00:30:00Z"),
            // And from 3:00 back to 2:00 on 27 October 2024.
            ("30 2 * * *", "Europe/Berlin", "2024-10-26T12:00:00Z", "2024-10-27T00:30:00Z"),
            ("30 2 * * *", "Europe/Berlin", "2024-10-27T00:30:00Z", "2024-10-28T01:30:00Z"),
            ("*/30 * * * *", "Europe/Berlin", "2024-10-27T00:30:00Z", "2024-10-27T01:00:00Z"),
        ] {
            let schedule = Schedule::new("a", pattern).unwrap().in_zone(zone).unwrap();
            assert_eq!(next(&schedule, after), expected, "{pattern} in {zone} after {after}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_remedy() {
        for (name, pattern, zone, part) in [
            ("", "* * * * *", "UTC", "cannot name a schedule"),
            ("a b", "* * * * *", "UTC", "without white space"),
            ("a", "0 9 * *", "UTC", "write five fields"),
            ("a", "0 25 * * *", "UTC", "\"0 25 * * *\" is no pattern"),
            ("a", "0 0 31 2 *", "UTC", "no time fits"),
            ("a", "0 9 * * *", "Europe/Atlantis", "no time zone \"Europe/Atlantis\""),
        ] {
            let refused = Schedule::new(name, pattern).and_then(|schedule| schedule.in_zone(zone));
            let error = refused.unwrap_err().to_string();
            assert!(error.contains(part), "{name} {pattern}: {error}");
        }
        assert!(Schedule::new(&"n".repeat(MAX_NAME_BYTES + 1), "* * * * *").is_err());
    }

    proptest::proptest! {
        /// The run after a time is the latest one until itself, and none lies between.
        #[test]
        fn next_and_latest_agree(
            ms in 1_600_000_000_000..1_900_000_000_000_i64,
            pattern in proptest::sample::select(vec!["0 9 * * 1-5", "*/7 2 * * *", "30 2 * * *", "15 * 1 * *", "* * * * * *"]),
            zone in proptest::sample::select(vec!["UTC", "Europe/Berlin", "America/St_Johns"]),
        ) {
            let schedule = Schedule::new("a", pattern).unwrap().in_zone(zone).unwrap();
            let next = schedule.next_after(ms).unwrap();
            proptest::prop_assert!(next > ms);
            proptest::prop_assert_eq!(schedule.latest_until(next), Some(next));
            let before = schedule.latest_until(next - 1).unwrap();
            proptest::prop_assert!(before <= ms, "{} runs before {}", before, next);
            proptest::prop_assert_eq!(schedule.next_after(before), Some(next));
        }
    }
}
