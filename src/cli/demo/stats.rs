//! What happened to each bot of the demo, and how soon it was back.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use matterhost_actors::model::{Fact, Observation, Subject};

use super::script::{Fault, FaultKind};

/// What happened to one bot.
#[derive(Debug, Default)]
pub(super) struct BotStats {
    /// Since when it could hear again if only it noticed.
    pub(super) deaf_since: Option<Instant>,
    /// How soon it was back, each time.
    pub(super) back_after: Vec<Duration>,
    /// What the catch-up under way, or the last one, brought.
    pub(super) recovered: usize,
    /// Why its Connections ended, newest last.
    pub(super) endings: Vec<String>,
}

/// What happened to all bots.
#[derive(Debug)]
pub(super) struct DemoStats {
    bots: BTreeMap<String, BotStats>,
    started: Instant,
}

impl DemoStats {
    pub(super) fn new(bots: impl Iterator<Item = String>) -> Self {
        Self { bots: bots.map(|bot| (bot, BotStats::default())).collect(), started: Instant::now() }
    }

    pub(super) fn stats(&self, bot: &str) -> Option<&BotStats> {
        self.bots.get(bot)
    }

    /// Takes note of a blow, and says it in words.
    pub(super) fn record_fault(&mut self, fault: &Fault) -> String {
        let struck =
            self.bots.iter_mut().filter(|(bot, _)| fault.bot.as_ref().is_none_or(|struck| struck == *bot));
        for (_, stats) in struck {
            match fault.kind {
                FaultKind::Disabled | FaultKind::ServerStopped => stats.deaf_since = None,
                FaultKind::Enabled
                | FaultKind::Cycled
                | FaultKind::TokenToggled
                | FaultKind::Reset
                | FaultKind::ServerStarted => {
                    stats.deaf_since = Some(fault.at);
                }
            }
        }
        let who = fault.bot.as_deref().unwrap_or_default();
        let words = match fault.kind {
            FaultKind::Disabled => format!("{who} is disabled"),
            FaultKind::Enabled => format!("{who} is enabled again; its old socket would be deaf for ever"),
            FaultKind::Cycled => {
                format!("{who} is disabled and enabled at once; its socket is open and deaf")
            }
            FaultKind::TokenToggled => {
                format!("{who}'s token is disabled and enabled; only the ping can tell")
            }
            FaultKind::Reset => format!("{who}'s connection is reset"),
            FaultKind::ServerStopped => "the server stops".into(),
            FaultKind::ServerStarted => "the server is up again".into(),
        };
        self.stamp(&words)
    }

    /// Takes note of an observation. What a person wants to read is said in words.
    pub(super) fn observe(&mut self, seen: &Observation) -> Option<String> {
        let Subject::Account(account, generation) = &seen.subject else { return None };
        let stats = self.bots.get_mut(account.as_str())?;
        match &seen.fact {
            Fact::CaughtUp { recovered, .. } => {
                stats.recovered = *recovered;
                None
            }
            Fact::Ready { .. } => {
                let back = stats.deaf_since.take().map(|since| since.elapsed());
                stats.back_after.extend(back);
                let posts = std::mem::take(&mut stats.recovered);
                let back = back.map_or_else(String::new, |back| {
                    format!(", back after {} ms; {posts} posts from meanwhile are fetched", back.as_millis())
                });
                Some(self.stamp(&format!("{account} is ready in generation {generation}{back}")))
            }
            Fact::Closed { reason, .. } => {
                stats.endings.push(reason.label().into());
                Some(self.stamp(&format!("{account}: {reason}")))
            }
            _ => None,
        }
    }

    fn stamp(&self, words: &str) -> String {
        format!("{:>6.1} s  {words}", self.started.elapsed().as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use matterhost_actors::model::{AccountName, Generation, ServerName};

    use super::*;

    fn ready(bot: &str) -> Observation {
        let subject = Subject::Account(AccountName::new(bot).unwrap(), Generation(2));
        let (at, server) = (SystemTime::now(), ServerName::new("main").unwrap());
        Observation { at, server, subject, fact: Fact::Ready { after: Duration::ZERO } }
    }

    fn fault(kind: FaultKind, bot: Option<&str>) -> Fault {
        Fault { kind, bot: bot.map(Into::into), at: Instant::now() }
    }

    #[test]
    fn a_bot_is_back_when_it_is_ready_after_the_last_blow() {
        let mut tally = DemoStats::new(["a".into(), "b".into()].into_iter());
        tally.record_fault(&fault(FaultKind::Disabled, Some("a")));
        tally.observe(&ready("b"));
        tally.record_fault(&fault(FaultKind::Enabled, Some("a")));
        tally.observe(&ready("a"));
        tally.observe(&ready("a"));
        assert_eq!(tally.stats("a").unwrap().back_after.len(), 1, "once for one blow");
        assert!(tally.stats("b").unwrap().back_after.is_empty(), "nothing had happened to it");
    }

    #[test]
    fn a_restart_of_the_server_strikes_all() {
        let mut tally = DemoStats::new(["a".into(), "b".into()].into_iter());
        tally.record_fault(&fault(FaultKind::ServerStarted, None));
        tally.observe(&ready("a"));
        tally.observe(&ready("b"));
        assert!(["a", "b"].iter().all(|bot| tally.stats(bot).unwrap().back_after.len() == 1));
    }
}
