//! The history of each bot of the demo, and the lines that tell it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use matterhost_actors::model::{Fact, Observation, Subject};

use super::{
    script::{Fault, FaultKind},
    words,
};

/// The statistics of one bot.
#[derive(Debug, Default)]
pub(super) struct BotStats {
    /// Time since when the bot could receive events again, until it is ready.
    deaf_since: Option<Instant>,
    /// Time from the end of each fault until the bot was ready.
    pub(super) recovery_times: Vec<Duration>,
    /// Number of changes that the current or last catch-up fetched.
    fetched: usize,
    is_ready: bool,
    /// Why its last Connection ended, as it was told, until it is ready again.
    ending: Option<String>,
}

/// The statistics of all bots.
#[derive(Debug)]
pub(super) struct DemoStats {
    bots: BTreeMap<String, BotStats>,
    started: Instant,
    /// Something that concerns all bots, told once and not bot by bot.
    together: Option<Together>,
}

#[derive(Debug)]
enum Together {
    /// The bots connect for the first time.
    Start,
    /// The server stops and starts; with the number of changes that the bots have fetched since.
    Outage { fetched: usize },
}

impl DemoStats {
    pub(super) fn new(bots: impl Iterator<Item = String>) -> Self {
        let bots = bots.map(|bot| (bot, BotStats::default())).collect();
        Self { bots, started: Instant::now(), together: Some(Together::Start) }
    }

    pub(super) fn of(&self, bot: &str) -> Option<&BotStats> {
        self.bots.get(bot)
    }

    /// Records a fault and describes it.
    pub(super) fn record_fault(&mut self, fault: &Fault) -> String {
        let affects = |bot: &String| fault.bot.as_ref().is_none_or(|affected| affected == bot);
        for (_, stats) in self.bots.iter_mut().filter(|(bot, _)| affects(bot)) {
            match fault.kind {
                FaultKind::Disabled | FaultKind::ServerStopped => stats.deaf_since = None,
                FaultKind::HandlerCrash => {}
                FaultKind::Enabled
                | FaultKind::Cycled
                | FaultKind::TokenToggled
                | FaultKind::Reset
                | FaultKind::ServerStarted => stats.deaf_since = Some(fault.at),
            }
        }
        if fault.kind == FaultKind::ServerStopped {
            self.together = Some(Together::Outage { fetched: 0 });
            self.bots.values_mut().for_each(|bot| bot.is_ready = false);
        }
        self.line(&words::fault(fault))
    }

    /// Records an observation, and describes it if it is worth a line.
    pub(super) fn observe(&mut self, seen: &Observation) -> Option<String> {
        let Subject::Account(account, _) = &seen.subject else { return None };
        let stats = self.bots.get_mut(account.as_str())?;
        match &seen.fact {
            Fact::CaughtUp { recovered, .. } => {
                stats.fetched = *recovered;
                None
            }
            Fact::Ready { .. } => {
                stats.is_ready = true;
                stats.ending = None;
                let recovery = stats.deaf_since.take().map(|since| since.elapsed());
                stats.recovery_times.extend(recovery);
                let fetched = std::mem::take(&mut stats.fetched);
                self.describe_ready(account.as_str(), recovery, fetched)
            }
            Fact::Closed { reason, .. } => {
                stats.is_ready = false;
                // The bots lose their connections to a stopped server one after the other.
                let told = self.together.is_none().then(|| words::ending(account.as_str(), reason))?;
                // A bot that is not let in tries again and again.
                let is_new = stats.ending.replace(told.clone()).as_ref() != Some(&told);
                is_new.then(|| self.line(&told))
            }
            _ => None,
        }
    }

    fn describe_ready(&mut self, bot: &str, recovery: Option<Duration>, fetched: usize) -> Option<String> {
        let all_ready = self.bots.values().all(|stats| stats.is_ready);
        let told = match &mut self.together {
            None => words::recovery(bot, recovery, fetched),
            Some(Together::Start) if all_ready => "All bots are connected.".into(),
            Some(Together::Start) => return None,
            Some(Together::Outage { fetched: so_far }) => {
                *so_far += fetched;
                let (fetched, last) = (*so_far, recovery);
                all_ready.then(|| words::recovery("All bots", last, fetched))?
            }
        };
        if all_ready {
            self.together = None;
        }
        Some(self.line(&told))
    }

    /// Puts the time before a sentence.
    pub(super) fn line(&self, text: &str) -> String {
        format!("{:>6.1} s  {text}", self.started.elapsed().as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use matterhost_actors::model::{AccountName, CloseReason, Generation, ServerName};

    use super::*;

    fn seen(bot: &str, fact: Fact) -> Observation {
        let subject = Subject::Account(AccountName::new(bot).unwrap(), Generation(2));
        let (at, server) = (SystemTime::now(), ServerName::new("main").unwrap());
        Observation { at, server, subject, fact }
    }

    fn ready(bot: &str) -> Observation {
        seen(bot, Fact::Ready { after: Duration::ZERO })
    }

    fn caught_up(bot: &str, recovered: usize) -> Observation {
        seen(bot, Fact::CaughtUp { channels: 1, recovered, took: Duration::ZERO })
    }

    fn dropped(bot: &str) -> Observation {
        let reason = CloseReason::Dropped { cause: "reset".into() };
        seen(bot, Fact::Closed { reason, ready_for: None, charged: false })
    }

    fn fault(kind: FaultKind, bot: Option<&str>) -> Fault {
        Fault { kind, bot: bot.map(Into::into), at: Instant::now() }
    }

    fn two_ready_bots() -> DemoStats {
        let mut stats = DemoStats::new(["a".into(), "b".into()].into_iter());
        assert_eq!(stats.observe(&ready("a")), None);
        assert!(stats.observe(&ready("b")).unwrap().ends_with("All bots are connected."));
        stats
    }

    #[test]
    fn a_bot_has_recovered_when_it_is_ready_after_the_last_fault() {
        let mut stats = two_ready_bots();
        stats.record_fault(&fault(FaultKind::Disabled, Some("a")));
        stats.observe(&ready("b"));
        stats.record_fault(&fault(FaultKind::Enabled, Some("a")));
        stats.observe(&caught_up("a", 3));
        let told = stats.observe(&ready("a")).unwrap();
        assert!(told.contains("a hears again after") && told.contains("fetched 3 posts"), "{told}");
        stats.observe(&ready("a"));
        assert_eq!(stats.of("a").unwrap().recovery_times.len(), 1, "one recovery for one fault");
        assert!(stats.of("b").unwrap().recovery_times.is_empty(), "the fault was not on this bot");
    }

    #[test]
    fn a_bot_that_tries_again_is_told_of_once_until_it_is_ready() {
        let mut stats = two_ready_bots();
        for _ in 0..2 {
            let refused = || {
                seen("a", Fact::Closed { reason: CloseReason::Unauthorized, ready_for: None, charged: false })
            };
            let told: Vec<_> = [dropped("a"), refused(), refused(), refused()]
                .iter()
                .filter_map(|ending| stats.observe(ending))
                .collect();
            assert_eq!(told.len(), 2, "{told:?}");
            assert!(told[1].contains("the server refuses the token"), "{told:?}");
            stats.observe(&ready("a"));
        }
    }

    #[test]
    fn a_restart_of_the_server_is_told_once_for_all_bots() {
        let mut stats = two_ready_bots();
        stats.record_fault(&fault(FaultKind::ServerStopped, None));
        assert_eq!((stats.observe(&dropped("a")), stats.observe(&dropped("b"))), (None, None));
        stats.record_fault(&fault(FaultKind::ServerStarted, None));
        for bot in ["a", "b"] {
            stats.observe(&caught_up(bot, 2));
        }
        assert_eq!(stats.observe(&ready("a")), None);
        let told = stats.observe(&ready("b")).unwrap();
        assert!(told.contains("All bots hear again after") && told.contains("fetched 4 posts"), "{told}");
        assert!(["a", "b"].iter().all(|bot| stats.of(bot).unwrap().recovery_times.len() == 1));
        assert!(stats.observe(&dropped("a")).unwrap().ends_with("a: the connection broke."));
    }
}
