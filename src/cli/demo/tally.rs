//! What happened to each bot of the demo, and how soon it was back.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use matterhost_actors::model::{Fact, Observation, Subject};

use super::script::{Blow, What};

/// What happened to one bot.
#[derive(Debug, Default)]
pub(super) struct Fate {
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
pub(super) struct Tally {
    fates: BTreeMap<String, Fate>,
    started: Instant,
}

impl Tally {
    pub(super) fn new(bots: impl Iterator<Item = String>) -> Self {
        Self { fates: bots.map(|bot| (bot, Fate::default())).collect(), started: Instant::now() }
    }

    pub(super) fn fate(&self, bot: &str) -> Option<&Fate> {
        self.fates.get(bot)
    }

    /// Takes note of a blow, and says it in words.
    pub(super) fn blow(&mut self, blow: &Blow) -> String {
        let struck =
            self.fates.iter_mut().filter(|(bot, _)| blow.bot.as_ref().is_none_or(|struck| struck == *bot));
        for (_, fate) in struck {
            match blow.what {
                What::Disabled | What::ServerStopped => fate.deaf_since = None,
                What::Enabled | What::Cycled | What::TokenToggled | What::Reset | What::ServerStarted => {
                    fate.deaf_since = Some(blow.at);
                }
            }
        }
        let who = blow.bot.as_deref().unwrap_or_default();
        let words = match blow.what {
            What::Disabled => format!("{who} is disabled"),
            What::Enabled => format!("{who} is enabled again; its old socket would be deaf for ever"),
            What::Cycled => format!("{who} is disabled and enabled at once; its socket is open and deaf"),
            What::TokenToggled => format!("{who}'s token is disabled and enabled; only the ping can tell"),
            What::Reset => format!("{who}'s connection is reset"),
            What::ServerStopped => "the server stops".into(),
            What::ServerStarted => "the server is up again".into(),
        };
        self.stamp(&words)
    }

    /// Takes note of an observation. What a person wants to read is said in words.
    pub(super) fn observe(&mut self, seen: &Observation) -> Option<String> {
        let Subject::Account(account, generation) = &seen.subject else { return None };
        let fate = self.fates.get_mut(account.as_str())?;
        match &seen.fact {
            Fact::CaughtUp { recovered, .. } => {
                fate.recovered = *recovered;
                None
            }
            Fact::Ready { .. } => {
                let back = fate.deaf_since.take().map(|since| since.elapsed());
                fate.back_after.extend(back);
                let posts = std::mem::take(&mut fate.recovered);
                let back = back.map_or_else(String::new, |back| {
                    format!(", back after {} ms; {posts} posts from meanwhile are fetched", back.as_millis())
                });
                Some(self.stamp(&format!("{account} is ready in generation {generation}{back}")))
            }
            Fact::Closed { reason, .. } => {
                fate.endings.push(reason.label().into());
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

    fn blow(what: What, bot: Option<&str>) -> Blow {
        Blow { what, bot: bot.map(Into::into), at: Instant::now() }
    }

    #[test]
    fn a_bot_is_back_when_it_is_ready_after_the_last_blow() {
        let mut tally = Tally::new(["a".into(), "b".into()].into_iter());
        tally.blow(&blow(What::Disabled, Some("a")));
        tally.observe(&ready("b"));
        tally.blow(&blow(What::Enabled, Some("a")));
        tally.observe(&ready("a"));
        tally.observe(&ready("a"));
        assert_eq!(tally.fate("a").unwrap().back_after.len(), 1, "once for one blow");
        assert!(tally.fate("b").unwrap().back_after.is_empty(), "nothing had happened to it");
    }

    #[test]
    fn a_restart_of_the_server_strikes_all() {
        let mut tally = Tally::new(["a".into(), "b".into()].into_iter());
        tally.blow(&blow(What::ServerStarted, None));
        tally.observe(&ready("a"));
        tally.observe(&ready("b"));
        assert!(["a", "b"].iter().all(|bot| tally.fate(bot).unwrap().back_after.len() == 1));
    }
}
