//! The contract of the port `Api`, tested with every implementation: the fake of these tests, and a real client with the
//! simulator.

mod reading;
mod writing;

use std::rc::Rc;

use futures_util::StreamExt as _;
use matterhost_actors::{
    mattermost::{Frame, Incoming, Me, RestErrorKind, SocketReader, SocketRequests, parse_frame},
    model::{ChannelId, PostId, Token},
    ports::{Api, ApiFactory as _, HttpApi},
};
use matterhost_simulator::{Account, PostOptions, ServerVersion, Simulator};

use crate::{harness::FakeServer, simulator_harness::run};

/// Control of the server behind the API.
trait ServerControl {
    fn token(&self) -> Token;
    fn disable(&self);
    fn enable(&self);
    /// A new channel, with or without the token's account in it.
    fn channel(&self, name: &str, joined: bool) -> ChannelId;
    fn archive(&self, channel: &ChannelId);
    fn post(&self, channel: &ChannelId, create_at: i64) -> PostId;
    fn edit(&self, post: &PostId);
    fn delete(&self, post: &PostId);
}

async fn next_text(reader: &mut SocketReader) -> String {
    loop {
        if let Frame::Text(text) = reader.next().await.unwrap().unwrap() {
            return text.to_string();
        }
    }
}

/// The next reply's `ok`, past any events.
async fn next_reply(reader: &mut SocketReader) -> bool {
    loop {
        if let Incoming::Reply(reply) = parse_frame(&next_text(reader).await).unwrap() {
            return reply.ok;
        }
    }
}

async fn update_at(api: &Rc<dyn Api>, token: &Token) -> i64 {
    match api.me(token, None).await.unwrap().value {
        Me::User { user, .. } => user.update_at,
        Me::Unmodified => panic!("no ETag was sent"),
    }
}

async fn check_contract(api: Rc<dyn Api>, server: &impl ServerControl) {
    let token = server.token();
    api.system_ping().await.unwrap();
    let Me::User { user, etag: Some(etag) } = api.me(&token, None).await.unwrap().value else {
        panic!("a user and an ETag");
    };
    let again = api.me(&token, Some(&etag)).await.unwrap().value;
    assert_eq!(again, Me::Unmodified, "fact 9");

    let (writer, mut reader) = api.dial(&token, None).await.unwrap().socket.split();
    let hello = next_text(&mut reader).await;
    let Incoming::Event(hello) = parse_frame(&hello).unwrap() else { panic!("{hello}") };
    assert_eq!((&*hello.event, hello.seq), ("hello", 0), "fact 2");
    assert!(hello.hello().unwrap().connection_id.is_some());
    let mut requests = SocketRequests::new();
    writer.send_text(&requests.ping().1).unwrap();
    assert!(next_reply(&mut reader).await);

    server.disable();
    let refused = api.me(&token, None).await.unwrap_err();
    assert_eq!(refused.kind, RestErrorKind::Unauthorized, "fact 8");
    server.enable();
    assert_ne!(update_at(&api, &token).await, user.update_at, "fact 7");
    writer.send_text(&requests.ping().1).unwrap();
    assert!(!next_reply(&mut reader).await, "fact 4: a deaf socket confesses");
}

struct Fake(FakeServer);

impl ServerControl for Fake {
    fn token(&self) -> Token {
        Token::new("bot").unwrap()
    }

    fn disable(&self) {
        self.0.disable("bot");
    }

    fn enable(&self) {
        self.0.enable("bot");
    }

    fn channel(&self, name: &str, joined: bool) -> ChannelId {
        self.0.add_channel(name, if joined { &["bot"] } else { &["other"] });
        name.into()
    }

    fn archive(&self, channel: &ChannelId) {
        self.0.archive_channel(channel.as_str(), 9_000);
    }

    fn post(&self, channel: &ChannelId, create_at: i64) -> PostId {
        self.0.post(channel.as_str(), create_at)
    }

    fn edit(&self, post: &PostId) {
        self.0.edit_post(post.as_str(), 8_000);
    }

    fn delete(&self, post: &PostId) {
        self.0.delete_post(post.as_str(), 7_000);
    }
}

#[test]
fn the_fake_keeps_the_promises_of_a_server() {
    run(async || {
        let fake = FakeServer::default();
        fake.add_user("bot");
        let server = Fake(fake.clone());
        check_contract(fake.api(), &server).await;
        reading::lists_channels(fake.api(), &server).await;
        reading::pages_posts(fake.api(), &server).await;
        reading::says_what_it_leaves_out(fake.api(), &server).await;
        writing::posts_and_edits(fake.api(), &server).await;
        writing::reacts_and_types(fake.api(), &server).await;
        writing::takes_files(fake.api(), &server).await;
    });
}

struct Simulated {
    simulator: Simulator,
    bot: Account,
    team: String,
}

impl ServerControl for Simulated {
    fn token(&self) -> Token {
        Token::new(self.bot.token.as_str()).unwrap()
    }

    fn disable(&self) {
        self.simulator.disable(&self.bot.user_id);
    }

    fn enable(&self) {
        self.simulator.enable(&self.bot.user_id);
    }

    fn channel(&self, name: &str, joined: bool) -> ChannelId {
        let channel = self.simulator.create_private_channel(&self.team, name);
        if joined {
            self.simulator.add_to_channel_quietly(&channel, &self.bot.user_id);
        }
        channel.as_str().into()
    }

    fn archive(&self, channel: &ChannelId) {
        self.simulator.archive_channel(channel.as_str());
    }

    fn post(&self, channel: &ChannelId, create_at: i64) -> PostId {
        let options = PostOptions {
            user_id: self.simulator.admin().user_id,
            channel_id: channel.as_str().to_owned(),
            message: "hello".to_owned(),
            create_at: Some(create_at),
            ..PostOptions::default()
        };
        self.simulator.post_with(&options).id.as_str().into()
    }

    fn edit(&self, post: &PostId) {
        self.simulator.edit_post(post.as_str(), "hello again");
    }

    fn delete(&self, post: &PostId) {
        self.simulator.delete_post(post.as_str());
    }
}

#[test]
fn a_real_client_keeps_them_at_a_server_over_sockets() {
    for version in ServerVersion::ALL {
        let simulator = Simulator::builder().version(version).start().unwrap();
        let (bot, team) = (simulator.create_bot("bot"), simulator.create_team("team"));
        simulator.grant_permission(&bot.user_id, "create_post_ephemeral");
        simulator.add_to_team(&team, &bot.user_id);
        let config = crate::simulator_harness::config(&simulator);
        run(async || {
            let api = HttpApi::new(config).api();
            let server = Simulated { simulator, bot, team };
            check_contract(api.clone(), &server).await;
            reading::lists_channels(api.clone(), &server).await;
            reading::pages_posts(api.clone(), &server).await;
            reading::says_what_it_leaves_out(api.clone(), &server).await;
            writing::posts_and_edits(api.clone(), &server).await;
            writing::reacts_and_types(api.clone(), &server).await;
            writing::takes_files(api, &server).await;
        });
    }
}
