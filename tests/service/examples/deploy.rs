//! The deploy bot: a slash command, buttons, a menu and a dialog, from a person and back.

use matterhost_simulator::Account;
use serde_json::{Value, json};

use super::{Rig, Variant};
use crate::admin::host::free_address;

/// The text of the bot when a newest version was chosen.
const DONE: &str = "Deployed 1.1 to staging for @ann.";

/// A bot with its command.
struct Bot<'a> {
    rig: &'a Rig,
    variant: &'a Variant,
    account: &'a Account,
    command: String,
}

impl Bot<'_> {
    fn run(&self, text: &str) -> (u16, Value) {
        let (person, line) = (&self.rig.person.user_id, format!("{} {text}", self.command));
        self.rig.simulator.run_command(person, &self.variant.channel, &line)
    }

    /// Makes the bot post its buttons, and returns the post.
    fn deploy(&self) -> String {
        let before = self.rig.posts(self.variant, self.account).len();
        assert_eq!(self.run("staging").0, 200, "{}", self.command);
        let mut posts = self.rig.posts(self.variant, self.account);
        assert_eq!(posts.len(), before + 1, "{}: {posts:?}", self.variant.name);
        posts.pop().unwrap().id
    }

    fn press(&self, post: &str, action: &str, chosen: Option<&str>) -> u16 {
        self.rig.simulator.press(&self.rig.person.user_id, post, action, chosen).0
    }

    fn texts(&self) -> Vec<String> {
        self.rig.posts(self.variant, self.account).into_iter().map(|post| post.message).collect()
    }

    fn is_used(&self) {
        let refusal = format!("Say {} staging or production.", self.command);
        assert_eq!(self.run("nowhere").1["text"], refusal, "{}", self.variant.name);
        let post = self.deploy();
        assert_eq!(self.press(&post, "newest", None), 200);
        assert_eq!(self.texts(), [DONE]);
        assert_eq!(self.press(&post, "newest", None), 400, "the buttons are gone");
        let post = self.deploy();
        assert_eq!(self.press(&post, "version", Some("1.0")), 200);
        assert_eq!(self.texts(), [DONE, "Deployed 1.0 to staging for @ann."]);

        let post = self.deploy();
        assert_eq!(self.press(&post, "reason", None), 200);
        let dialog = self.rig.simulator.opened_dialogs().pop().unwrap();
        let submit = |reason: &str| {
            let submission = json!({ "reason": reason });
            self.rig.simulator.submit_dialog(&dialog, &self.variant.channel, Some(&submission))
        };
        let errors = json!({ "errors": { "reason": "Write a few words." } });
        assert_eq!(submit("no"), (200, errors), "{}", self.variant.name);
        assert_eq!(submit("because it is Friday"), (200, json!({})));
        let last = "Deployed 1.1 to staging for @ann. Reason: because it is Friday";
        assert_eq!(self.texts().last().unwrap(), last);
        assert_eq!(submit("because it is Friday").0, 400, "once");
    }
}

#[test]
fn a_deploy_bot_answers_a_command_buttons_a_menu_and_a_dialog() {
    let rig = Rig::new("deploy");
    let hooks = free_address();
    rig.configure(&format!("[hooks]\nbind = \"{hooks}\"\npublic_url = \"http://{hooks}\"\n"));
    let variants = rig
        .variants
        .iter()
        .flat_map(|variant| variant.bots.iter().enumerate().map(move |bot| (variant, bot)));
    let bots: Vec<_> = variants
        .map(|(variant, (n, account))| {
            let (trigger, owner) = (format!("{}-{n}", variant.name), format!("{}-{n}", variant.name));
            let url = format!("http://{hooks}/hooks/{owner}/command/{trigger}");
            let token = rig.simulator.create_command(&rig.team, &trigger, &url);
            rig.configure(&format!("[accounts.{owner}.commands.{trigger}]\ntoken = \"{token}\"\n"));
            Bot { rig: &rig, variant, account, command: format!("/{trigger}") }
        })
        .collect();
    let _host = rig.start();
    bots.iter().for_each(Bot::is_used);
}
