//! Hooks of which the requests come to a member that does not host their account.

use std::{fs, time::Duration};

use crate::{
    harness::{Cluster, terminate},
    nats_server::free_port::free_port,
    one_view::{accounts, shared},
    program::RunningProgram,
};

/// The secret of all members.
const SECRET: &str = "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw";

/// The text of a post whose button was pressed.
const DONE: &str = "Deployed 1.1 to staging for @person-0.";

/// A cluster of two members, whose hooks all come to the first.
struct Rig {
    cluster: Cluster,
    addresses: [String; 2],
    commands: String,
}

impl Rig {
    fn new() -> Self {
        // A lease that outlives the pause of a member.
        let cluster = Cluster::with(12, Duration::from_secs(20));
        let handler = fs::read_to_string("docs/handlers/python/deploy_child.py").unwrap();
        fs::write(cluster.path("handler.py"), handler).unwrap();
        let addresses = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
        let command = |n| {
            let url = format!("http://{}/hooks/bot-{n}/command/deploy{n}", addresses[0]);
            let token = cluster.simulator.create_command(&cluster.team, &format!("deploy{n}"), &url);
            format!("[accounts.bot-{n}.commands.deploy{n}]\ntoken = \"{token}\"\n")
        };
        let commands = (0..cluster.bots.len()).map(command).collect();
        Self { cluster, addresses, commands }
    }

    fn start(&self, member: usize) -> RunningProgram {
        let (name, [public, _]) = (["a", "b"][member], &self.addresses);
        let hooks = format!(
            "[hooks]\nbind = \"{}\"\npublic_url = \"http://{public}\"\nsecret = \"{SECRET}\"\n{}",
            self.addresses[member], self.commands
        );
        self.cluster.start_with_admin_and(name, &hooks)
    }

    /// Makes a bot post its buttons, and returns the post.
    fn deploy(&self, bot: usize) -> String {
        let (account, channel) = &self.cluster.bots[bot];
        let (person, simulator) = (self.cluster.person(), &self.cluster.simulator);
        let (status, _) = simulator.run_command(&person, channel, &format!("/deploy{bot} staging"));
        assert_eq!(status, 200);
        let mut posts = simulator.posts_in(channel).into_iter();
        posts.rfind(|post| post.user_id == account.user_id && post.kind.is_empty()).unwrap().id
    }

    /// Presses a button as a person, and returns what the person reads alone.
    fn press(&self, post: &str) -> Option<String> {
        let (person, simulator) = (self.cluster.person(), &self.cluster.simulator);
        let before = simulator.ephemeral_posts(&person).len();
        assert_eq!(simulator.press(&person, post, "newest", None).0, 200);
        simulator.ephemeral_posts(&person).into_iter().nth(before).map(|post| post.message)
    }

    fn text_of(&self, bot: usize, post: &str) -> String {
        let posts = self.cluster.simulator.posts_in(&self.cluster.bots[bot].1);
        posts.into_iter().find(|found| found.id == post).unwrap().message
    }
}

fn number(account: &str) -> usize {
    account.strip_prefix("bot-").unwrap().parse().unwrap()
}

#[test]
fn a_hook_finds_the_member_that_hosts_its_account_and_a_button_outlives_the_member_that_posted_it() {
    let rig = Rig::new();
    let [a, b] = [0, 1].map(|member| rig.start(member));
    let [of_a, of_b] = shared(&rig.cluster, "a").map(|accounts| number(&accounts[0]));
    for bot in [of_a, of_b] {
        let post = rig.deploy(bot);
        assert_eq!((rig.press(&post), rig.text_of(bot, &post)), (None, DONE.into()));
    }

    let [paused, next, old] = [(); 3].map(|()| rig.deploy(of_b));
    b.signal("STOP");
    assert_eq!(rig.press(&paused).as_deref(), Some("The bot cannot answer now. Try again later."));
    let took = rig.cluster.simulator.sent_hooks().pop().unwrap().took;
    println!("without an answer: {took:?}");
    b.signal("CONT");
    assert_eq!((rig.press(&next), rig.text_of(of_b, &next)), (None, DONE.into()));
    assert_eq!(rig.text_of(of_b, &paused), "Deploying to staging.", "what came too late is not done");

    terminate(b);
    rig.cluster.await_that("all accounts on the other member", |cluster| {
        accounts(cluster, "a").values().all(|(of, state)| of.as_deref() == Some("a") && state == "ready")
    });
    assert_eq!((rig.press(&old), rig.text_of(of_b, &old)), (None, DONE.into()));
    terminate(a);
}
