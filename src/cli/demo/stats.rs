//! Statistics of the demo: recovery times and endings of each bot.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use matterhost_actors::model::{Fact, Observation, Subject};

use super::script::{Fault, FaultKind};

/// The statistics of one bot.
#[derive(Debug, Default)]
pub(super) struct BotStats {
    /// Time since when the bot could receive events again, until it is ready.
    pub(super) deaf_since: Option<Instant>,
    /// Time from the end of each fault until the bot was ready.
    pub(super) recovery_times: Vec<Duration>,
    /// Number of posts that the current or last catch-up fetched.
    pub(super) recovered: usize,
    /// Reasons why its Connections ended, newest last.
    pub(super) endings: Vec<String>,
}

/// The statistics of all bots.
#[derive(Debug)]
pub(super) struct DemoStats {
    bots: BTreeMap<String, BotStats>,
    started: Instant,
}

impl DemoStats {
    pub(super) fn new(bots: impl Iterator<Item = String>) -> Self {
        Self { bots: bots.map(|bot| (bot, BotStats::default())).collect(), started: Instant::now() }
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
        let text = match fault.kind {
            FaultKind::Disabled => format!("{who} is disabled"),
            FaultKind::Enabled => format!("{who} is enabled again; its old socket would stay deaf forever"),
            FaultKind::Cycled => {
                format!("{who} is disabled and enabled immediately; its socket is open but deaf")
            }
            FaultKind::TokenToggled => {
                format!("{who}'s token is disabled and enabled; only a ping detects it")
            }
            FaultKind::Reset => format!("{who}'s connection is reset"),
            FaultKind::ServerStopped => "the server stops".into(),
            FaultKind::ServerStarted => "the server starts again".into(),
        };
        self.with_time(&text)
    }

    /// Records an observation, and describes it if it is worth a line.
    pub(super) fn observe(&mut self, seen: &Observation) -> Option<String> {
        let Subject::Account(account, generation) = &seen.subject else { return None };
        let stats = self.bots.get_mut(account.as_str())?;
        match &seen.fact {
            Fact::CaughtUp { recovered, .. } => {
                stats.recovered = *recovered;
                None
            }
            Fact::Ready { .. } => {
                let recovery = stats.deaf_since.take().map(|since| since.elapsed());
                stats.recovery_times.extend(recovery);
                let posts = std::mem::take(&mut stats.recovered);
                let recovery = recovery.map_or_else(String::new, |time| {
                    format!(" after {} ms; {posts} missed posts were fetched", time.as_millis())
                });
                Some(self.with_time(&format!("{account} is ready in generation {generation}{recovery}")))
            }
            Fact::Closed { reason, .. } => {
                stats.endings.push(reason.label().into());
                Some(self.with_time(&format!("{account}: {reason}")))
            }
            _ => None,
        }
    }

    fn with_time(&self, text: &str) -> String {
        format!("{:>6.1} s  {text}", self.started.elapsed().as_secs_f64())
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
    fn a_bot_has_recovered_when_it_is_ready_after_the_last_fault() {
        let mut stats = DemoStats::new(["a".into(), "b".into()].into_iter());
        stats.record_fault(&fault(FaultKind::Disabled, Some("a")));
        stats.observe(&ready("b"));
        stats.record_fault(&fault(FaultKind::Enabled, Some("a")));
        stats.observe(&ready("a"));
        stats.observe(&ready("a"));
        assert_eq!(stats.of("a").unwrap().recovery_times.len(), 1, "one recovery for one fault");
        assert!(stats.of("b").unwrap().recovery_times.is_empty(), "the fault was not on this bot");
    }

    #[test]
    fn a_restart_of_the_server_affects_all_bots() {
        let mut stats = DemoStats::new(["a".into(), "b".into()].into_iter());
        stats.record_fault(&fault(FaultKind::ServerStarted, None));
        stats.observe(&ready("a"));
        stats.observe(&ready("b"));
        assert!(["a", "b"].iter().all(|bot| stats.of(bot).unwrap().recovery_times.len() == 1));
    }
}
