use config::ValueKind;

use crate::config::value::ConfigValue;

/// The rule by which the host as a whole counts as ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyPolicy {
    /// Every account is ready.
    All,
    /// At least one account is ready.
    Any,
    /// At least this percentage of the accounts is ready, 1 to 100.
    Share(u8),
}

impl ReadyPolicy {
    /// Returns true if `ready` of `all` accounts are enough. A host without accounts is ready.
    pub fn is_met(self, ready: usize, all: usize) -> bool {
        match self {
            Self::All => ready >= all,
            Self::Any => ready > 0 || all == 0,
            Self::Share(percent) => ready.saturating_mul(100) >= all.saturating_mul(usize::from(percent)),
        }
    }
}

impl ConfigValue for ReadyPolicy {
    const KIND: &'static str = "all, any or a share";
    const HINT: &'static str = "write all, any, or a share of the accounts such as 80%";

    fn read(value: &ValueKind) -> Option<Self> {
        let text = String::read(value)?;
        match text.trim() {
            "all" => Some(Self::All),
            "any" => Some(Self::Any),
            share => {
                let percent = share.strip_suffix('%')?.trim().parse().ok()?;
                (1..=100).contains(&percent).then_some(Self::Share(percent))
            }
        }
    }

    fn show(&self) -> String {
        match self {
            Self::All => "all".into(),
            Self::Any => "any".into(),
            Self::Share(percent) => format!("{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_met_by_enough_ready_accounts() {
        for (policy, ready, all, met) in [
            (ReadyPolicy::All, 3, 3, true),
            (ReadyPolicy::All, 2, 3, false),
            (ReadyPolicy::All, 0, 0, true),
            (ReadyPolicy::Any, 1, 3, true),
            (ReadyPolicy::Any, 0, 3, false),
            (ReadyPolicy::Any, 0, 0, true),
            (ReadyPolicy::Share(80), 8, 10, true),
            (ReadyPolicy::Share(80), 7, 10, false),
            (ReadyPolicy::Share(1), 0, 10, false),
        ] {
            assert_eq!(policy.is_met(ready, all), met, "{policy:?} {ready} of {all}");
        }
    }

    #[test]
    fn it_is_written_as_people_would() {
        let read = |text: &str| ReadyPolicy::read(&ValueKind::String(text.into()));
        for policy in [ReadyPolicy::All, ReadyPolicy::Any, ReadyPolicy::Share(80)] {
            assert_eq!(read(&policy.show()), Some(policy));
        }
        for bad in ["", "0%", "101%", "80", "most", "-5%"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
