//! Requests to integrations by script: again, changed and slowly; and later answers to commands.

use std::time::{Duration, Instant};

use matterhost_simulator::{SentHook, Simulator};
use serde_json::{Value, json};

use crate::client::rest;
use crate::recordings::integration::Integration;

/// A server with a channel, a command and an integration that answers everything.
struct Rig {
    simulator: Simulator,
    integration: Integration,
    admin: String,
    channel: String,
}

impl Rig {
    fn new(method: &str) -> Self {
        let (simulator, integration) = (Simulator::start().expect("a simulator"), Integration::start());
        let team = simulator.create_team("crew");
        let channel = simulator.create_channel(&team, "lobby");
        let admin = simulator.admin();
        simulator.add_to_channel(&channel, &admin.user_id);
        let url = format!("http://{}/command", integration.address);
        let body = json!({ "team_id": team, "trigger": "do", "method": method, "url": url });
        let made = rest(simulator.address(), "POST", "/api/v4/commands", Some(&admin.token), Some(&body));
        assert_eq!(made.status, 201);
        Self { simulator, integration, admin: admin.user_id, channel }
    }

    fn answer(&self) {
        self.integration.answer_as(&json!({ "status": 200, "answer": { "text": "done" } }));
    }

    fn run(&self, line: &str) -> SentHook {
        self.answer();
        assert_eq!(self.simulator.run_command(&self.admin, &self.channel, line).0, 200);
        self.integration.request();
        self.simulator.sent_hooks().pop().expect("a request")
    }

    fn body(&self) -> Value {
        self.integration.request()["body"].clone()
    }
}

#[test]
fn a_request_can_be_sent_again_changed_and_slowly() {
    let rig = Rig::new("P");
    let sent = rig.run("/do it");
    rig.answer();
    assert_eq!(rig.simulator.send_hook(&sent.request).answer, sent.answer);
    assert_eq!(rig.body(), sent.request.body);
    let mut changed = sent.request.clone();
    changed.body = "token=wrong".to_owned();
    changed.pace = Some(Duration::from_millis(1));
    rig.answer();
    let began = Instant::now();
    rig.simulator.send_hook(&changed);
    assert!(began.elapsed() >= Duration::from_millis(11), "a byte a millisecond");
    assert_eq!(rig.body(), "token=wrong");
    let seen = rig.simulator.ephemeral_posts(&rig.admin);
    assert_eq!(seen.iter().map(|post| &*post.message).collect::<Vec<_>>(), ["done"], "of the first alone");
}

/// Fact 43.
#[test]
fn a_command_takes_five_later_answers() {
    let rig = Rig::new("P");
    let sent = rig.run("/do it");
    let field = sent.request.body.split('&').find_map(|field| field.strip_prefix("response_url="));
    let id = field.and_then(|url| url.rsplit("%2F").next()).expect("an id");
    let path = format!("/hooks/commands/{id}");
    let body = json!({ "text": "late", "response_type": "in_channel" });
    let statuses = (0..6).map(|_| rest(rig.simulator.address(), "POST", &path, None, Some(&body)).status);
    assert_eq!(statuses.collect::<Vec<_>>(), [200, 200, 200, 200, 200, 400]);
    let late = rig.simulator.posts_in(&rig.channel).into_iter().filter(|post| post.message == "late");
    assert_eq!(late.count(), 5);
}
