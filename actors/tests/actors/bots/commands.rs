//! Commands: what people write, and what they read.

use std::{sync::Arc, time::Duration};

use matterhost_actors::{
    bots::{Bot as _, BotResult, Call, Host, Router, UserError},
    model::{AccountName, Lookup, ReplyError, UserRef},
    ports::Outcome,
    testing::{BotHarness, EventBuilder, post},
};
use serde_json::json;

use crate::simulator_harness::run;

async fn deploy(call: Call) -> BotResult {
    let count: u32 = call.parse("count")?.unwrap_or(1);
    if call.text("env") == "moon" {
        return Err(UserError::new("There is no moon.").into());
    }
    call.reply(format!("{} x {count} for {}", call.text("env"), call.user())).await?;
    Ok(())
}

async fn say(call: Call) -> BotResult {
    call.reply(call.text("text")).await?;
    Ok(())
}

async fn fail(_: Call) -> BotResult {
    Err("the database is gone".into())
}

fn router() -> Router {
    Router::new()
        .command("deploy", "<env> [count]", deploy)
        .describe("Deploys a build.")
        .command("say", "<text...>", say)
        .command("secret", "", say)
        .allow_users(["@ben"])
        .command("ops", "[text...]", say)
        .allow_channels(["staff/ops"])
        .command("team", "[text...]", say)
        .allow_teams(["staff"])
        .command("slow", "<text>", deploy_slowly)
        .cool_down(Duration::from_secs(60))
        .command("now", "[text...]", say)
        .expires_after(Duration::from_secs(600))
        .command("fail", "", fail)
}

async fn deploy_slowly(call: Call) -> BotResult {
    if call.text("text") == "wrong" {
        return Err(UserError::new("That is wrong.").into());
    }
    say(call).await
}

fn play(test: impl AsyncFnOnce(&BotHarness<Router>)) {
    run(async || test(&BotHarness::new(router())).await);
}

/// Delivers an event and returns the text that it was answered with; empty without an answer.
async fn answer(harness: &BotHarness<Router>, event: EventBuilder) -> String {
    let before = harness.texts().len();
    assert_eq!(harness.deliver(event).await, Outcome::Acknowledged);
    harness.texts().split_off(before).join("|")
}

#[test]
fn commands_are_called_and_explained() {
    play(async |harness| {
        for (text, expected) in [
            ("!deploy staging", "staging x 1 for ana"),
            ("!Deploy \"the stage\" 3", "the stage x 3 for ana"),
            ("@bot deploy staging", "staging x 1 for ana"),
            ("!say one  two\n three", "one  two\n three"),
            ("!deploy", "`env` is missing. Usage: `!deploy <env> [count]`"),
            (
                "!deploy a 1 b",
                "There are too many arguments; put one with spaces in quotes. Usage: `!deploy <env> [count]`",
            ),
            (
                "!deploy a many`@all",
                "`count` cannot be `many'@all` (`invalid digit found in string`). Usage: `!deploy <env> [count]`",
            ),
            ("!deploy moon", "There is no moon."),
            ("!depoly a", "There is no command `depoly`. Did you mean `!deploy`?"),
            ("!xyz", ""),
            ("@bot xyz", "There is no command `xyz`. `!help` lists the commands."),
            ("hello", ""),
            ("!secret", "`!secret` is not for you; ask those who run this bot."),
            ("!ops", "`!ops` is for other channels."),
            ("!team", "`!team` is for the channels of another team."),
        ] {
            assert_eq!(answer(harness, post(text)).await, expected, "{text}");
        }
    });
}

#[test]
fn help_lists_what_the_person_may_call_there() {
    play(async |harness| {
        let list = answer(harness, post("!help")).await;
        assert!(
            list.starts_with("* `!deploy <env> [count]`: Deploys a build.\n* `!say <text...>`\n"),
            "{list}"
        );
        assert!(list.ends_with("`!help` and its name."), "{list}");
        for hidden in ["secret", "ops", "team"] {
            assert!(!list.contains(hidden), "{hidden}: {list}");
        }
        let there = answer(harness, post("@bot").by("ben").in_team_channel("staff", "ops")).await;
        for shown in ["secret", "ops", "team"] {
            assert!(there.contains(shown), "{shown}: {there}");
        }
        let one = answer(harness, post("!help deploy")).await;
        assert!(one.contains("Deploys a build.") && one.contains("may be left out"), "{one}");
        assert!(answer(harness, post("!help !slow")).await.ends_with("Once in 1m per person."));
        let hidden = answer(harness, post("!help secret")).await;
        assert!(hidden.starts_with("There is no command `secret`."), "{hidden}");
    });
}

#[test]
fn commands_are_for_their_users_channels_and_teams() {
    play(async |harness| {
        let ops = || post("!ops hi").in_team_channel("staff", "ops");
        assert_eq!(answer(harness, ops()).await, "hi");
        assert_eq!(answer(harness, post("!team hi").in_team_channel("staff", "town")).await, "hi");
        let elsewhere = post("!team hi").in_team_channel("guests", "town");
        assert!(answer(harness, elsewhere).await.contains("another team"));
        assert!(answer(harness, post("!team hi").in_direct_channel()).await.contains("another team"));

        let unnamed = || post("!secret").by("someone").without_sender_name();
        assert!(answer(harness, unnamed()).await.contains("is not for you"));
        let lookup = Lookup::User(UserRef::Id("someone".into()));
        harness.set_found(lookup, &json!({ "id": "someone", "username": "ben" }));
        assert!(!answer(harness, unnamed()).await.contains("is not for you"));
    });
}

#[test]
fn a_direct_channel_needs_no_prefix_and_threads_keep_their_answers() {
    play(async |harness| {
        let direct = |text: &str| post(text).in_direct_channel();
        assert_eq!(answer(harness, direct("deploy a")).await, "a x 1 for ana");
        assert!(answer(harness, direct("good morning")).await.starts_with("There is no command `good`."));
        answer(harness, post("!say here").in_thread("root")).await;
        let last = format!("{:?}", harness.actions().last().unwrap());
        assert!(last.contains("root_id: Some") && last.contains("root"), "{last}");
    });
}

#[test]
fn a_person_waits_before_the_next_call() {
    play(async |harness| {
        let at = |text: &str, seconds: i64| post(text).at(1_700_000_000_000 + seconds * 1_000);
        assert_eq!(answer(harness, at("!slow wrong", 0)).await, "That is wrong.");
        assert_eq!(answer(harness, at("!slow", 1)).await, "`text` is missing. Usage: `!slow <text>`");
        let first = at("!slow a", 2).post_id("first");
        assert_eq!(answer(harness, first.clone()).await, "a");
        assert_eq!(
            answer(harness, at("!slow b", 12)).await,
            "Please wait 50s before you call `!slow` again."
        );
        assert_eq!(answer(harness, at("!slow c", 13)).await, "", "the person knows");
        assert_eq!(answer(harness, at("!slow d", 13).by("ben")).await, "d");
        assert_eq!(answer(harness, first).await, "a", "delivered again");
        assert_eq!(answer(harness, at("!slow e", 62).recovered()).await, "e");
    });
}

#[test]
fn a_missed_call_is_not_carried_out_when_it_is_old() {
    play(async |harness| {
        let missed = |seconds: i64| post("!now go").at(harness.now() - seconds * 1_000).recovered();
        assert_eq!(answer(harness, missed(590)).await, "go");
        let refused = answer(harness, missed(9 * 3_600)).await;
        assert!(refused.starts_with("I was away when you called `!now` 9h"), "{refused}");
        assert_eq!(answer(harness, post("!now go").at(harness.now() - 700_000)).await, "go", "received live");
        let unlimited = post("!say go").at(harness.now() - 700_000).recovered();
        assert_eq!(answer(harness, unlimited).await, "go");
    });
}

#[test]
fn posts_by_programs_are_no_commands_by_default() {
    let marked = |prop: &str, mark| post("!say hi").with_prop(prop, mark);
    play(async |harness| {
        for event in [marked("from_bot", json!("true")), marked("from_webhook", json!(true))] {
            assert_eq!(answer(harness, event).await, "");
        }
        assert_eq!(answer(harness, marked("from_bot", json!("false"))).await, "hi");
        assert_eq!(answer(harness, post("!say hi").by(BotHarness::<Router>::USER)).await, "");
    });
    run(async || {
        let harness = BotHarness::new(router().accept_bots());
        assert_eq!(answer(&harness, marked("from_webhook", json!("true"))).await, "hi");
    });
}

#[test]
fn a_failure_is_that_of_the_handler() {
    play(async |harness| {
        let Outcome::Broken { cause } = harness.deliver(post("!fail")).await else { panic!("not broken") };
        assert!(cause.contains("the database is gone"), "{cause}");
        harness.fail_next(ReplyError::Stopped(AccountName::new("bot").unwrap()));
        assert!(matches!(harness.deliver(post("!slow a").post_id("again")).await, Outcome::Retry { .. }));
        assert_eq!(answer(harness, post("!slow a").post_id("again")).await, "a");
    });
}

#[test]
fn mistakes_are_told_at_the_start() {
    let wrong = Router::new()
        .describe("nothing")
        .prefix("/")
        .command("a b", "", fail)
        .command("x", "<env", fail)
        .command("X", "", fail)
        .allow_users(["ana"])
        .allow_channels(["@ana", "town"])
        .allow_teams([""]);
    let parts = [
        "describe needs a command",
        "the prefix \"/\"",
        "\"a b\" cannot name a command",
        "\"<env\" is no parameter",
        "command \"X\" is there twice",
        "\"ana\" names no user",
        "\"@ana\" is no channel",
        "\"town\" is not a target",
        "team is empty",
    ];
    let problems = wrong.problems();
    assert_eq!(problems.len(), parts.len(), "{problems:?}");
    for (problem, part) in problems.iter().zip(parts) {
        assert!(problem.contains(part), "{part}: {problem}");
    }
    let wrong = Arc::new(wrong);
    run(async || {
        let host = Host::builder().server("http://127.0.0.1:9").account("wrong", "token", wrong.clone());
        let refused = host.start().await.unwrap_err();
        assert_eq!(refused.problems.len(), parts.len());
        assert!(refused.problems[0].starts_with("account wrong: describe"), "{refused}");
        assert!(matches!(BotHarness::new(wrong).deliver(post("!x")).await, Outcome::Broken { .. }));
    });
}
