//! A bot in Rust as the sink of an account: its answers are those of any other handler.

use std::time::{Duration, UNIX_EPOCH};

use matterhost_actors::{
    bots::{BotSink, Router, UserError},
    model::{AccountUser, ServerName},
    ports::{Delivered, EventSink as _, Outcome},
};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    config::Secrets,
    hooks::{HookData, HookKind, HookedAccount, Signer, open_hooks::OpenHook},
};

/// The poster behind: it records what is no answer.
#[derive(Default)]
struct Behind(Mutex<Vec<OutgoingAction>>);

impl Poster for Behind {
    fn post(
        &self,
        _: &AccountName,
        action: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        self.0.lock().push(action);
        ready(Ok(PostedIds::default())).boxed()
    }

    fn may_act(&self, _: &AccountName) -> bool {
        false
    }

    fn is_hosted(&self, _: &AccountName) -> BoxFuture<'static, bool> {
        ready(false).boxed()
    }
}

fn router() -> Router {
    Router::new()
        .command("deploy", "<env>", async |call: matterhost_actors::bots::Call| {
            call.reply(format!("Deploying to {}.", call.text("env"))).await?;
            Ok(())
        })
        .button("newest", async |context: matterhost_actors::bots::Context, _| {
            context.replace_post("Done.", Map::new()).await?;
            context.reply_privately("Thank you.").await?;
            Ok(())
        })
        .button("why", async |context: matterhost_actors::bots::Context, _| {
            context.open_dialog(json!({ "callback_id": "reason", "title": "Why?", "elements": [] })).await?;
            Ok(())
        })
        .dialog("reason", async |context: matterhost_actors::bots::Context, dialog| {
            let dialog: matterhost_actors::bots::DialogSubmission = dialog;
            match dialog.text("reason") {
                "" => context.refuse_fields([("reason", "Write a few words.")]).await?,
                "no" => return Err(UserError::new("Not today.").into()),
                reason => drop(context.reply(format!("Because {reason}.")).await?),
            }
            Ok(())
        })
}

/// Returns a poster in front of another.
fn poster(behind: &Arc<Behind>, open: &Arc<OpenHooks>) -> HookPoster {
    let signer = Signer::new(&Secrets::parse("whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw").unwrap());
    let integrations = Integrations::new(signer, "https://bots.test", Duration::from_secs(60));
    HookPoster { inner: behind.clone(), open: Arc::clone(open), integrations }
}

#[tokio::test]
async fn the_host_behind_says_if_an_account_may_act() {
    let poster = poster(&Arc::default(), &Arc::default());
    let account = AccountName::new("helpdesk").unwrap();
    assert!(!poster.may_act(&account) && !poster.is_hosted(&account).await);
}

/// Returns the response to a request, and what the bot did besides.
async fn ask(kind: HookKind, data: Value) -> (Value, Vec<OutgoingAction>) {
    let account = AccountName::new("helpdesk").unwrap();
    let (behind, open) = (Arc::new(Behind::default()), Arc::new(OpenHooks::default()));
    let poster = poster(&behind, &open);
    let sink = BotSink::new(router(), Arc::new(poster));
    let origin = Origin { user_id: "ann".into(), channel_id: "c1".into(), ..Origin::default() };
    let mut members = data.as_object().unwrap().clone();
    members.insert("user_id".into(), json!("ann"));
    let data = HookData { kind, origin: origin.clone(), id: "x".into(), data: members };
    let server = ServerName::new("test").unwrap();
    let to = HookedAccount { account: account.clone(), server, user: AccountUser::default() };
    let event = Arc::new(data.into_event(&to, UNIX_EPOCH));
    let mut hook = OpenHook::new(kind, origin);
    hook.post = Some("p1".into());
    let hook = open.open(&account, &event.id(), hook);
    let Delivered::Later(outcome) = sink.deliver(&event) else { panic!("not taken") };
    assert_eq!(outcome.await, Outcome::Acknowledged);
    let did = behind.0.lock().clone();
    (hook.close().into_json(kind), did)
}

#[test]
fn a_bot_in_rust_answers_in_the_response() {
    let press = |id: &str| json!({ "id": id, "post_id": "p1", "trigger_id": "t" });
    let sent = |reason: &str| json!({ "callback_id": "reason", "submission": { "reason": reason } });
    actix::System::new().block_on(async {
        for (kind, data, expected) in [
            (
                HookKind::SlashCommand,
                json!({ "command": "/deploy", "text": "staging" }),
                json!({ "text": "Deploying to staging.", "response_type": "in_channel" }),
            ),
            (
                HookKind::SlashCommand,
                json!({ "command": "/deploy", "text": "" }),
                json!({ "text": "`env` is missing. Usage: `/deploy <env>`", "response_type": "ephemeral" }),
            ),
            (
                HookKind::Button,
                press("newest"),
                json!({ "update": { "message": "Done.", "props": {} }, "ephemeral_text": "Thank you." }),
            ),
            (HookKind::Dialog, sent(""), json!({ "errors": { "reason": "Write a few words." } })),
            (HookKind::Dialog, sent("no"), json!({ "errors": {}, "error": "Not today." })),
        ] {
            assert_eq!(ask(kind, data).await, (expected, Vec::new()), "{kind:?}");
        }
        let (answer, did) = ask(HookKind::Button, press("why")).await;
        assert_eq!(answer, json!({}));
        let [OutgoingAction::Integration { call: IntegrationCall::OpenDialog { url, trigger_id, .. }, .. }] =
            &did[..]
        else {
            panic!("{did:?}")
        };
        assert_eq!((&**url, &**trigger_id), ("https://bots.test/hooks/helpdesk/dialog", "t"));
        let (answer, did) = ask(HookKind::Dialog, sent("it is time")).await;
        assert_eq!(answer, json!({}));
        assert!(
            matches!(&did[..], [OutgoingAction::Post(draft)] if draft.text == "Because it is time."),
            "{did:?}"
        );
    });
}
