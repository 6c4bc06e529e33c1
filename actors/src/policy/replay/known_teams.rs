//! The teams of an account, remembered for as long as it shows that they are the same.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The ids of teams.
pub(crate) type TeamIds = Arc<[Box<str>]>;

/// The time for which teams count as known after they were listed: longer than between two audits, which list them. A team
/// that is archived and restored changes nothing that an account shows.
const KNOWN_FOR: Duration = Duration::from_secs(15 * 60);

/// The teams that were listed last. To be added to a team changes the account: its `update_at` moves (facts 7 and 48).
#[derive(Debug, Default)]
pub(super) struct KnownTeams(Option<Listed>);

#[derive(Debug)]
struct Listed {
    teams: TeamIds,
    /// The account's `update_at` before they were listed.
    update_at: i64,
    at: Instant,
}

impl KnownTeams {
    /// Records the teams listed for an account that had this `update_at` before. An empty list tells nothing: the server lists
    /// channels without teams, or the account is in no team.
    pub(super) fn set(&mut self, teams: TeamIds, update_at: i64, at: Instant) {
        self.0 = (!teams.is_empty()).then_some(Listed { teams, update_at, at });
    }

    /// Returns the teams of an account with this `update_at`, if they are known.
    pub(super) fn get(&self, update_at: i64, now: Instant) -> Option<&TeamIds> {
        let listed = self.0.as_ref()?;
        let is_known = listed.update_at == update_at && now.saturating_duration_since(listed.at) < KNOWN_FOR;
        is_known.then_some(&listed.teams)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn teams_are_known_until_the_account_is_changed_or_some_time_has_passed() {
        let (start, mut known) = (Instant::now(), KnownTeams::default());
        assert_eq!(known.get(7, start), None);
        known.set(TeamIds::from(["team".into()]), 7, start);
        let just_known = start + KNOWN_FOR.saturating_sub(Duration::from_nanos(1));
        for (update_at, now, is_known) in
            [(7, start, true), (7, just_known, true), (7, start + KNOWN_FOR, false), (8, start, false)]
        {
            assert_eq!(known.get(update_at, now).is_some(), is_known, "{update_at}");
        }
        known.set(TeamIds::from([]), 7, start);
        assert_eq!(known.get(7, start), None);
    }
}
