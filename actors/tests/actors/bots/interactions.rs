//! Slash commands, buttons, menus and dialogs of a router.

use std::time::Duration;

use matterhost_actors::{
    bots::{Bot, BotResult, ButtonPress, Call, Context, DialogSubmission, Router, UserError},
    model::{OutgoingAction, ReplyError},
    ports::Outcome,
    testing::{Answer, BotHarness, button, dialog, menu, post, slash_command},
};
use serde_json::{Map, json};

async fn deploy(call: Call) -> BotResult {
    let count: u32 = call.parse("count")?.unwrap_or(1);
    if call.text("env") == "moon" {
        return Err(UserError::new("There is no moon.").into());
    }
    call.reply(format!("{count} to {}", call.text("env"))).await?;
    Ok(())
}

async fn choose(context: Context, press: ButtonPress) -> BotResult {
    let version = press.selected_option.as_deref().unwrap_or(press.text("version"));
    if version == "0.9" {
        return Err(UserError::new("That is too old.").into());
    }
    context.replace_post(format!("Deployed {version}."), Map::new()).await?;
    Ok(())
}

async fn ask(context: Context, _: ButtonPress) -> BotResult {
    context.open_dialog(json!({ "callback_id": "why", "title": "Why?", "state": "1.1" })).await?;
    Ok(())
}

async fn why(context: Context, dialog: DialogSubmission) -> BotResult {
    match dialog.text("reason") {
        "" => context.refuse_fields([("reason", "Write a few words.")]).await?,
        "no" => return Err(UserError::new("Not today.").into()),
        reason => drop(context.reply(format!("{}: {reason}", dialog.state)).await?),
    }
    Ok(())
}

fn harness() -> BotHarness<Router> {
    BotHarness::new(
        Router::new()
            .command("deploy", "<env> [count]", deploy)
            .allow_users(["@ana"])
            .command("slow", "<env> [count]", deploy)
            .cool_down(Duration::from_secs(60))
            .button("version", choose)
            .allow_users(["@ana", "@ben"])
            .button("reason", ask)
            .dialog("why", why),
    )
}

fn run(test: impl AsyncFnOnce(BotHarness<Router>)) {
    crate::simulator_harness::run(async || test(harness()).await);
}

fn private(text: &str) -> Answer {
    Answer::Private(text.into())
}

#[test]
fn a_slash_command_runs_the_same_handler_and_only_its_result_is_for_all() {
    run(async |harness| {
        for (text, expected) in [
            ("/deploy staging 3", Answer::InChannel("3 to staging".into())),
            ("/Deploy staging", Answer::InChannel("1 to staging".into())),
            ("/deploy", private("`env` is missing. Usage: `/deploy <env> [count]`")),
            (
                "/deploy a many",
                private(
                    "`count` cannot be `many` (`invalid digit found in string`). Usage: `/deploy <env> [count]`",
                ),
            ),
            ("/deploy moon", private("There is no moon.")),
            ("/ops deploy staging", Answer::InChannel("1 to staging".into())),
            ("/ops deploy", private("`env` is missing. Usage: `/ops deploy <env> [count]`")),
            (
                "/ops",
                private(
                    "* `/ops deploy <env> [count]`\n* `/ops slow <env> [count]`\n\nMore about one of them: `/ops help` and its name.",
                ),
            ),
            ("/ops depoly", private("There is no command `depoly`. Did you mean `/ops deploy`?")),
            ("/ops other", private("There is no command `other`. `/ops help` lists the commands.")),
        ] {
            assert_eq!(harness.deliver(slash_command(text)).await, Outcome::Acknowledged, "{text}");
            assert_eq!(harness.answers().pop(), Some(expected), "{text}");
        }
        harness.deliver(slash_command("/deploy staging").by("eve")).await;
        assert_eq!(
            harness.answers().pop(),
            Some(private("`/deploy` is not for you; ask those who run this bot."))
        );
        let before = harness.answers().len();
        harness.deliver(post("!deploy town")).await;
        assert_eq!((harness.texts().pop(), harness.answers().len()), (Some("1 to town".into()), before));
    });
}

#[test]
fn a_person_is_told_each_time_that_a_slash_command_comes_too_early() {
    run(async |harness| {
        for _ in 0..4 {
            assert_eq!(harness.deliver(slash_command("/slow staging")).await, Outcome::Acknowledged);
        }
        let answers = harness.answers();
        assert_eq!((answers.len(), &answers[0]), (4, &Answer::InChannel("1 to staging".into())));
        for early in &answers[1..] {
            let Answer::Private(text) = early else { panic!("{early:?}") };
            assert!(text.starts_with("Please wait ") && text.ends_with("`/slow` again."), "{text}");
        }
    });
}

#[test]
fn a_button_and_a_menu_change_their_post() {
    run(async |harness| {
        let update = |text: &str| Answer::Update { text: text.into(), props: Map::new() };
        for (event, expected) in [
            (button("version").with_context("version", json!("1.1")), update("Deployed 1.1.")),
            (menu("version", "1.0").by("ben"), update("Deployed 1.0.")),
            (menu("version", "0.9"), private("That is too old.")),
            (menu("version", "1.0").by("eve"), private("This is not for you, or not here.")),
            (button("gone"), private("This button does nothing any more.")),
        ] {
            harness.deliver(event.post_id("the-post")).await;
            assert_eq!(harness.answers().pop(), Some(expected));
        }
        let actions = harness.actions();
        assert!(matches!(&actions[0], OutgoingAction::Edit { post, .. } if post.as_str() == "the-post"));
    });
}

#[test]
fn a_dialog_is_opened_sent_back_and_answered() {
    run(async |harness| {
        harness.deliver(button("reason")).await;
        let Some(Answer::Dialog(opened)) = harness.answers().pop() else { panic!("{:?}", harness.actions()) };
        assert_eq!(opened["callback_id"], "why");
        let errors =
            |field: &str, text: &str| Answer::FieldErrors([(field.to_owned(), text.to_owned())].into());
        for (event, expected) in [
            (dialog("why"), errors("reason", "Write a few words.")),
            (dialog("why").with_field("reason", json!("no")), errors("", "Not today.")),
            (dialog("old"), errors("", "This dialog does nothing any more.")),
            (
                dialog("why").with_state("1.1").with_field("reason", json!("a bug")),
                Answer::InChannel("1.1: a bug".into()),
            ),
        ] {
            harness.deliver(event).await;
            assert_eq!(harness.answers().pop(), Some(expected));
        }
        assert_eq!(harness.texts(), ["1.1: a bug"], "errors are no posts");
        let before = harness.actions().len();
        assert_eq!(harness.deliver(dialog("why").cancelled()).await, Outcome::Acknowledged);
        assert_eq!(harness.actions().len(), before);
    });
}

#[test]
fn answers_that_do_not_fit_the_event_are_refused() {
    struct Wrong;

    impl Bot for Wrong {
        async fn posted(&self, context: &Context, post: &matterhost_actors::bots::Post) -> BotResult {
            match &*post.message {
                "dialog" => context.open_dialog(json!({})).await?,
                "no object" => context.open_dialog(json!([])).await?,
                "replace" => context.replace_post("new", Map::new()).await?,
                _ => context.reply_privately("for you").await?,
            }
            Ok(())
        }
    }

    crate::simulator_harness::run(async || {
        let harness = BotHarness::new(Wrong);
        for (text, part) in [
            ("dialog", "only a slash command or a button opens a dialog"),
            ("no object", "a dialog is a JSON object"),
            ("replace", "the event is no button or menu"),
        ] {
            let outcome = harness.deliver(post(text)).await;
            assert!(matches!(&outcome, Outcome::Rejected { cause } if cause.contains(part)), "{outcome:?}");
        }
        harness.deliver(post("whisper")).await;
        assert!(matches!(&harness.actions()[..], [OutgoingAction::Ephemeral { user, draft }]
            if user.as_str() == "ana" && draft.props.is_empty()));
        harness.fail_next(ReplyError::NoChannel);
        assert!(matches!(harness.deliver(post("whisper")).await, Outcome::Rejected { .. }));
    });
}

#[test]
fn mistakes_in_buttons_and_dialogs_are_told_at_the_start() {
    let wrong = Router::new()
        .button("two words", ask)
        .button("a", ask)
        .button("a", ask)
        .describe("a button")
        .dialog("why", why)
        .allow_users(["@ana"])
        .dialog("why", why);
    let problems = wrong.problems();
    let parts = [
        "\"two words\" cannot name a button",
        "describe is about a command",
        "allow_users cannot restrict a dialog",
        "button a is there twice",
        "dialog \"why\" is there twice",
    ];
    assert_eq!(problems.len(), parts.len(), "{problems:?}");
    for (problem, part) in problems.iter().zip(parts) {
        assert!(problem.contains(part), "{part}: {problem}");
    }
}
