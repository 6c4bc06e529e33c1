use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// The time, in server milliseconds, from which on the tests' acts are dated into the future.
const FUTURE: i64 = 90_000_000;

struct Channel {
    guard: LoopGuard,
    town: ChannelId,
    /// The instant of the server's time 0.
    origin: Instant,
    /// The present time, in server milliseconds: that of the newest post or act.
    now: i64,
}

impl Channel {
    fn with_limit(limit: u32) -> Self {
        Self { guard: LoopGuard::new(limit), town: ChannelId::from("town"), origin: Instant::now(), now: 0 }
    }

    /// Moves the time on to that of a post or act, and returns the instant.
    fn until(&mut self, at: i64) -> Instant {
        if at < FUTURE {
            self.now = self.now.max(at);
        }
        self.origin + Duration::from_millis(self.now.unsigned_abs())
    }

    fn post_made(&mut self, at: i64) {
        let now = self.until(at);
        self.guard.post_made(&self.town, at, now);
    }

    fn receive(&mut self, act: &UserAct, is_recovered: bool) {
        let receipt = Receipt { now: self.until(act.at), is_recovered };
        self.guard.act_received(&self.town, act, receipt);
    }

    fn post(&mut self, bot: &str, is_answer: bool, answers_at: Option<i64>) -> LoopVerdict {
        let bot = UserId::from(bot);
        self.guard.record_post(&BotPost { channel: &self.town, bot: &bot, is_answer, answers_at })
    }

    /// Answers an event and makes the post at that time. Returns true if it is allowed.
    fn answer(&mut self, bot: &str, answers_at: i64, at: i64) -> bool {
        let is_allowed = self.post(bot, true, Some(answers_at)) == LoopVerdict::Allow;
        if is_allowed {
            self.post_made(at);
        }
        is_allowed
    }

    fn act(&mut self, user: &str, at: i64, is_automatic: bool) {
        self.receive(&UserAct { user: user.into(), at, is_automatic, of_account: None }, false);
    }

    /// Receives an act of an account of another host.
    fn account_act(&mut self, user: &str, at: i64, kind: AccountPost) {
        self.receive(&UserAct { user: user.into(), at, is_automatic: true, of_account: Some(kind) }, false);
    }

    fn in_cluster(limit: u32) -> Self {
        Self { guard: LoopGuard::new(limit).in_cluster(), ..Self::with_limit(limit) }
    }
}

#[test]
fn replies_stop_at_the_limit_until_another_user_acts() {
    let mut town = Channel::with_limit(3);
    assert_eq!(town.post("ping", false, None), LoopVerdict::Allow);
    assert_eq!(town.post("echo", true, None), LoopVerdict::Allow);
    assert_eq!(town.post("ping", true, None), LoopVerdict::Allow);
    assert_eq!(town.post("echo", true, None), LoopVerdict::Refuse { first: true });
    town.act("ping", 10, false);
    assert_eq!(town.post("echo", true, None), LoopVerdict::Refuse { first: false }, "reported once");
    assert_eq!(town.post("ping", false, None), LoopVerdict::Allow, "a post that is not an answer");
    let (other, echo) = (ChannelId::from("other"), UserId::from("echo"));
    let elsewhere = BotPost { channel: &other, bot: &echo, is_answer: true, answers_at: None };
    assert_eq!(town.guard.record_post(&elsewhere), LoopVerdict::Allow, "another channel");
    town.act("ana", 20, false);
    assert_eq!(town.post("echo", true, None), LoopVerdict::Allow);
    town.guard.undo(&town.town);
    for _ in 0..3 {
        assert_eq!(town.post("echo", true, None), LoopVerdict::Allow);
    }
    assert_eq!(town.post("echo", true, None), LoopVerdict::Refuse { first: true });
}

#[test]
fn a_call_of_a_person_ends_the_row_whatever_the_time_of_the_host() {
    for host_at in [0, 1_000_500, 1_004_000, 9_000_000] {
        let mut town = Channel::with_limit(1);
        town.act("ana", 1_000_000, false);
        assert!(town.answer("bot", 1_000_000, 1_000_050));
        assert_eq!(town.post("bot", true, None), LoopVerdict::Refuse { first: true });
        town.guard.call_received(&town.town, &"bot".into(), host_at);
        assert_eq!(town.post("bot", true, None), LoopVerdict::Refuse { first: false }, "its own");
        town.guard.call_received(&town.town, &"ana".into(), host_at);
        assert_eq!(town.post("bot", true, None), LoopVerdict::Allow, "{host_at}");
        town.act("ana", 1_000_000, false);
        assert_eq!(town.post("bot", true, None), LoopVerdict::Refuse { first: true }, "what comes again");
        town.act("ana", 1_003_000, false);
        assert_eq!(town.post("bot", true, None), LoopVerdict::Allow, "the next post");
    }
}

#[test]
fn a_program_that_calls_again_and_again_does_not_end_the_row() {
    let (mut town, mut at) = (Channel::with_limit(5), 1_000_000_i64);
    let answers = (0..300).take_while(|_| {
        town.guard.call_received(&town.town, &"outside".into(), at);
        let is_allowed = town.post("bot", true, None) == LoopVerdict::Allow;
        town.post_made(at + 50);
        at += 100;
        is_allowed
    });
    assert!(answers.count() < 20);
}

#[test]
fn an_outside_program_that_answers_at_once_does_not_end_the_row() {
    for (is_automatic, delay, stops) in
        [(false, 100, true), (false, 2_500, false), (true, 2_500, true), (true, 6_000, false)]
    {
        let (mut town, mut at, mut answers) = (Channel::with_limit(20), 1_000_000_i64, 0_u32);
        while answers < 300 {
            town.act("outside", at, is_automatic);
            if !town.answer("bot", at, at + 50) {
                break;
            }
            answers += 1;
            at += 50 + delay;
        }
        let expected = if stops { 20 + QUICK_ACTS } else { 300 };
        assert!(answers.abs_diff(expected) <= 1, "{is_automatic} {delay}: {answers} answers");
    }
}

#[test]
fn two_outside_bots_that_take_turns_do_not_end_the_row_either() {
    let (mut town, mut at) = (Channel::with_limit(20), 1_000_000_i64);
    let answers = (0..300)
        .take_while(|n| {
            town.act(["one", "two"][n % 2], at, true);
            at += 200;
            town.answer("bot", at - 200, at - 100)
        })
        .count();
    assert!(answers < 30, "{answers}");
}

#[test]
fn a_burst_that_was_there_before_the_answers_is_answered() {
    let mut town = Channel::with_limit(20);
    for n in 0..100 {
        town.act("alerts", 1_000 + n, true);
        assert!(town.answer("bot", 1_000 + n, 5_000 + n * 300), "{n}");
    }
}

#[test]
fn several_people_who_talk_at_once_are_answered() {
    let (mut town, mut at) = (Channel::with_limit(20), 1_000_000_i64);
    for n in 0..200 {
        at += 1_000;
        town.act(["ana", "ben", "eva"][n % 3], at, false);
        assert!(town.answer("bot", at, at + 300), "{n}");
    }
}

#[test]
fn an_act_that_comes_again_does_not_end_the_row() {
    let mut town = Channel::with_limit(20);
    let answers = (0..300)
        .take_while(|n| {
            town.act("ana", 1_000, false);
            town.answer("bot", 1_000, 1_500 + n * 5_000_i64)
        })
        .count();
    assert_eq!(answers, 20, "a handler that crashes after each answer");
    town.act("ana", 900, false);
    assert!(!town.answer("bot", 900, 9_000_000), "an older one, from a slower account");
    town.act("ana", 10_000_000, false);
    assert!(town.answer("bot", 10_000_000, 10_000_100));
}

#[test]
fn a_date_in_the_future_blocks_no_channel() {
    let mut town = Channel::with_limit(2);
    town.post("bot", false, None);
    town.act("ana", i64::MAX, false);
    for n in 0..10 {
        town.act("ana", 1_000_000 * n, false);
        assert!(town.answer("bot", 1_000_000 * n, 1_000_000 * n + 10), "{n}");
    }
}

#[test]
fn a_first_answer_to_a_person_is_never_refused_and_a_second_is() {
    let mut town = Channel::with_limit(20);
    for question in [1_000, 900_000] {
        for bot in 0..40 {
            town.act("ana", question, false);
            assert!(town.answer(&format!("bot{bot}"), question, question + 100), "{question} {bot}");
        }
        assert!(!town.answer("bot0", question, question + 200));
        // Bots that answer the answers.
        assert!((0..40).all(|bot| !town.answer(&format!("bot{bot}"), question + 100, question + 300)));
    }
}

proptest! {
    /// In any order of posts, no more consecutive answers than the limit are allowed.
    #[test]
    fn never_more_in_a_row_than_the_limit(
        limit in 1u32..5,
        moves in proptest::collection::vec((0u8..3, 0u8..2), 0..200),
    ) {
        let mut guard = LoopGuard::new(limit);
        let mut rows = [0u32; 2];
        let mut at = 0;
        for (user_index, channel_index) in moves {
            let channel = ChannelId::from(["town", "other"][usize::from(channel_index)]);
            let user = UserId::from(["ping", "echo", "ana"][usize::from(user_index)]);
            let row = &mut rows[usize::from(channel_index)];
            at += 10;
            let act = UserAct { user: user.clone(), at, is_automatic: false, of_account: None };
            let receipt = Receipt { now: Instant::now(), is_recovered: false };
            let post = BotPost { channel: &channel, bot: &user, is_answer: true, answers_at: None };
            if user_index == 2 {
                guard.act_received(&channel, &act, receipt);
                *row = 0;
            } else if guard.record_post(&post) == LoopVerdict::Allow {
                *row += 1;
                guard.act_received(&channel, &act, receipt);
            }
            prop_assert!(*row <= limit);
        }
    }
}

/// Two bots on two members answer each other every ten seconds, as those that think do. Each member sees both bots' posts.
/// Returns the number of their answers.
fn answers_of_a_pair(members: [Channel; 2], receivers: usize) -> u32 {
    let [mut one, mut two] = members;
    let (mut at, mut answers) = (1_000_000_i64, 0_u32);
    one.act("ana", at, false);
    two.act("ana", at, false);
    while answers < 300 {
        let is_first = answers.is_multiple_of(2);
        let (answering, other) = if is_first { (&mut one, &mut two) } else { (&mut two, &mut one) };
        let bot = if is_first { "first" } else { "second" };
        if !answering.answer(bot, at, at + 10_000) {
            break;
        }
        at += 10_000;
        answers += 1;
        for _ in 0..receivers {
            other.account_act(bot, at, AccountPost::New);
        }
        answering.account_act(bot, at, AccountPost::New);
    }
    answers
}

#[test]
fn a_row_of_bots_on_two_members_of_a_cluster_ends_where_it_would_on_one_host() {
    for receivers in [1, 3] {
        let answers = answers_of_a_pair([Channel::in_cluster(20), Channel::in_cluster(20)], receivers);
        assert!((20..=21).contains(&answers), "{answers} with {receivers} receivers on each");
    }
    let elsewhere = answers_of_a_pair([Channel::with_limit(20), Channel::with_limit(20)], 1);
    assert_eq!(elsewhere, 300, "hosts that are in no cluster do not know each other");
}

#[test]
fn an_account_of_another_member_neither_ends_a_row_nor_counts_what_is_no_post() {
    let mut town = Channel::in_cluster(3);
    town.act("ana", 1_000_000, false);
    assert!(town.answer("bot", 1_000_000, 1_010_000));
    town.account_act("far", 1_020_000, AccountPost::New);
    town.account_act("far", 1_030_000, AccountPost::Edit);
    town.act("far", 1_040_000, false);
    assert!(town.answer("bot", 1_040_000, 1_050_000), "an edit and a reaction of it are no posts");
    assert!(!town.answer("bot", 1_060_000, 1_070_000), "its post is one");
    town.act("ana", 1_080_000, false);
    assert!(town.answer("bot", 1_080_000, 1_090_000), "a person ends the row");
    town.account_act("far", 1_020_000, AccountPost::New);
    assert!(
        town.answer("bot", 1_100_000, 1_110_000) && town.answer("bot", 1_120_000, 1_130_000),
        "it came again"
    );
}

#[test]
fn a_post_dated_into_the_future_hides_none_of_the_others_of_another_member() {
    let mut town = Channel::in_cluster(5);
    assert!(town.answer("bot", 1_000_000, 1_010_000));
    for at in [FUTURE, 1_020_000, 1_020_000, 1_030_000] {
        town.account_act("far", at, AccountPost::New);
    }
    assert!(town.answer("bot", 1_030_000, 1_040_000));
    assert!(!town.answer("bot", 1_040_000, 1_050_000), "five posts by now");
    town.act("ana", 1_060_000, false);
    assert!(town.answer("bot", 1_060_000, 1_070_000), "a person ends the row");
}

/// One of two accounts on a member was away for forty minutes, and gets what the other one has received.
#[test]
fn what_an_account_is_given_later_counts_for_no_row() {
    const MINUTE: i64 = 60_000;
    let start = 100 * MINUTE;
    for is_recovered in [true, false] {
        let mut town = Channel::in_cluster(20);
        let far = |n: i64| UserAct {
            user: "far".into(),
            at: start + n * MINUTE / 4,
            is_automatic: true,
            of_account: Some(AccountPost::New),
        };
        assert!(town.answer("bot", start - MINUTE, start - MINUTE));
        (0..20).for_each(|n| town.receive(&far(n), false));
        town.act("ana", start + 10 * MINUTE, false);
        town.receive(&far(80), false);
        town.until(start + 40 * MINUTE);
        (0..20).for_each(|n| town.receive(&far(n), is_recovered));
        town.act("ana", start - 10 * MINUTE, false);
        for n in 0..19 {
            assert!(town.answer("bot", start + n, start + 40 * MINUTE + n), "{n}, {is_recovered}");
        }
        assert!(!town.answer("bot", start, start + 41 * MINUTE), "the row has its own posts alone");
    }
}

#[test]
fn what_was_posted_before_a_row_began_is_not_in_it() {
    let mut town = Channel::in_cluster(3);
    assert!(town.answer("bot", 1_000_000, 1_000_100));
    town.act("ana", 1_010_000, false);
    for at in [1_005_000, 1_006_000, 1_007_000] {
        town.account_act("far", at, AccountPost::New);
    }
    assert!((0..3).all(|n| town.answer("bot", 1_005_000, 1_020_000 + n)));
}

#[test]
fn a_clock_that_was_set_back_hides_nothing_that_follows() {
    let mut town = Channel::in_cluster(3);
    assert!(town.answer("bot", 10_000_000, 10_000_100));
    town.account_act("far", 10_001_000, AccountPost::New);
    town.guard.post_made(&town.town, 5_000_000, town.origin + Duration::from_secs(10_002));
    town.account_act("far", 5_001_000, AccountPost::New);
    assert!(!town.answer("bot", 5_001_000, 5_002_000), "three posts by now");
    town.act("ana", 5_003_000, false);
    assert!(town.answer("bot", 5_003_000, 5_004_000));
}

#[test]
fn an_account_that_has_moved_here_counts_by_what_it_posts_here() {
    let mut town = Channel::in_cluster(3);
    assert!(town.answer("bot", 1_000_000, 1_010_000));
    town.account_act("moved", 1_020_000, AccountPost::New);
    assert!(town.answer("moved", 1_020_000, 1_030_000));
    town.account_act("moved", 1_030_000, AccountPost::New);
    town.account_act("bot", 1_040_000, AccountPost::New);
    assert_eq!(town.post("bot", true, Some(1_030_000)), LoopVerdict::Refuse { first: true });
    town.act("ana", 1_050_000, false);
    assert_eq!(town.post("bot", true, Some(1_050_000)), LoopVerdict::Allow);
}
