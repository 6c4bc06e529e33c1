//! What the port `Api` promises, asked of every implementation: the fake of these tests, and a real client at the
//! simulator.

use std::rc::Rc;

use futures_util::StreamExt as _;
use matterhost_actors::{
    mattermost::{Frame, Incoming, Me, Requests, RestErrorKind, SocketReader, parse},
    model::Token,
    ports::{Api, ApiFactory as _, Mattermost},
};
use matterhost_simulator::{Account, Simulator};

use crate::stage::World;

/// What the suite does to the server behind the API.
trait Backstage {
    fn token(&self) -> Token;
    fn disable(&self);
    fn enable(&self);
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
        if let Incoming::Reply(reply) = parse(&next_text(reader).await).unwrap() {
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

async fn keeps_its_promises(api: Rc<dyn Api>, server: &impl Backstage) {
    let token = server.token();
    api.system_ping().await.unwrap();
    let Me::User { user, etag: Some(etag) } = api.me(&token, None).await.unwrap().value else {
        panic!("a user and an ETag");
    };
    let again = api.me(&token, Some(&etag)).await.unwrap().value;
    assert_eq!(again, Me::Unmodified, "fact 9");

    let (writer, mut reader) = api.dial(&token, None).await.unwrap().socket.split();
    let hello = next_text(&mut reader).await;
    let Incoming::Event(hello) = parse(&hello).unwrap() else { panic!("{hello}") };
    assert_eq!((&*hello.event, hello.seq), ("hello", 0), "fact 2");
    assert!(hello.hello().unwrap().connection_id.is_some());
    let mut requests = Requests::new();
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

struct Fake(World);

impl Backstage for Fake {
    fn token(&self) -> Token {
        Token::new("bot").unwrap()
    }

    fn disable(&self) {
        self.0.disable("bot");
    }

    fn enable(&self) {
        self.0.enable("bot");
    }
}

#[test]
fn the_fake_keeps_the_promises_of_a_server() {
    actix::System::new().block_on(async {
        let world = World::default();
        world.add_user("bot");
        keeps_its_promises(world.api(), &Fake(world.clone())).await;
    });
}

struct Simulated(Simulator, Account);

impl Backstage for Simulated {
    fn token(&self) -> Token {
        Token::new(self.1.token.as_str()).unwrap()
    }

    fn disable(&self) {
        self.0.disable(&self.1.user_id);
    }

    fn enable(&self) {
        self.0.enable(&self.1.user_id);
    }
}

#[test]
fn a_real_client_keeps_them_at_a_server_over_sockets() {
    let simulator = Simulator::start().unwrap();
    let bot = simulator.create_bot("bot");
    let config = crate::sockets::config(&simulator);
    actix::System::new().block_on(async {
        keeps_its_promises(Mattermost::new(config).api(), &Simulated(simulator, bot)).await;
    });
}
