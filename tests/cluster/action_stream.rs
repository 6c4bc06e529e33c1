//! The queue of actions in NATS.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_nats::{
    Client, ConnectOptions, HeaderMap,
    jetstream::{self, stream::Config},
};
use futures_util::{StreamExt as _, future::BoxFuture};
use matterhost::{
    cluster::{
        ActionQueue, ClusterChange, LeaseRequest, MemberRecord, Membership as _, NatsActions, NatsCluster,
        NatsSettings, QueueNotice, ShardFences,
    },
    config::NatsCredentials,
};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    action_contract::{Senders, account, check_contract, check_limit, first},
    contract::id,
    cutting_proxy::CuttingProxy,
    harness::TTL,
    nats_server::NatsServer,
};

/// The longest wait for what is certain to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest JSON of actions.
const MOST_BYTES: usize = 1024 * 1024;

/// The rights of members and of a client, as the documentation has them.
const RIGHTS: &str = r#"authorization { users: [
    { user: member, password: p, permissions: {
        publish: ["$JS.API.>", "$JS.FC.>", "$KV.>", "matterhost.member.>", "_INBOX.>"]
        subscribe: ["matterhost.member.>", "matterhost.stored.*"] } }
    { user: client, password: p, permissions: { publish: ["matterhost.actions.a"], subscribe: ["_INBOX.>"] } }
] }"#;

/// A queue in NATS, and a client that sends actions.
struct NatsSenders {
    server: NatsServer,
    queue: NatsActions,
    context: jetstream::Context,
    results: watch::Receiver<BTreeMap<String, Vec<u8>>>,
}

async fn open(settings: &NatsSettings) -> Result<NatsActions, String> {
    let fences = Arc::new(ShardFences::default());
    let cluster = NatsCluster::connect(settings, TTL, fences).await.unwrap();
    let opened = cluster.open_actions(settings, &["_INBOX".into()], MOST_BYTES).await;
    opened.map_err(|error| error.to_string())
}

impl NatsSenders {
    async fn start() -> Self {
        let server = NatsServer::start("");
        let queue = open(&server.settings()).await.unwrap();
        let client = async_nats::connect(&server.address).await.unwrap();
        Self::with(server, queue, client).await
    }

    async fn with(server: NatsServer, queue: NatsActions, client: Client) -> Self {
        let mut inboxes = client.subscribe("_INBOX.*").await.unwrap();
        client.flush().await.unwrap();
        let (sender, results) = watch::channel(BTreeMap::new());
        tokio::spawn(async move {
            while let Some(result) = inboxes.next().await {
                sender.send_modify(|results| {
                    results.insert(result.subject.to_string(), result.payload.to_vec());
                });
            }
        });
        Self { server, queue, context: jetstream::new(client), results }
    }
}

impl Senders for NatsSenders {
    fn queue(&self) -> &dyn ActionQueue {
        &self.queue
    }

    fn put<'a>(&'a self, account: &'a str, text: &'a str, inbox: Option<&'a str>) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let mut headers = HeaderMap::new();
            if let Some(inbox) = inbox {
                headers.insert("Matterhost-Reply-To", inbox);
            }
            let subject = format!("matterhost.actions.{}", account.replace('.', "%2E"));
            let text = text.to_owned().into();
            self.context.publish_with_headers(subject, headers, text).await.unwrap().await.is_ok()
        })
    }

    fn result<'a>(&'a self, inbox: &'a str) -> BoxFuture<'a, Vec<u8>> {
        Box::pin(async move {
            let mut results = self.results.clone();
            let results = timeout(PATIENCE, results.wait_for(|results| results.contains_key(inbox))).await;
            results.unwrap().unwrap()[inbox].clone()
        })
    }
}

#[tokio::test]
async fn the_queue_in_nats_fulfils_the_contract() {
    let senders = NatsSenders::start().await;
    check_contract(&senders).await;
    check_limit(&senders).await;
}

#[tokio::test]
async fn a_stream_that_is_made_anew_has_other_keys_and_loses_nothing_to_the_end_of_an_old_action() {
    let senders = NatsSenders::start().await;
    assert!(senders.put("a", "old", None).await);
    let old = first(&senders, "a").await.unwrap();
    senders.context.delete_stream("matterhost_actions").await.unwrap();
    assert_eq!(senders.queue.accounts().await.unwrap(), [], "it is made anew");
    assert!(senders.put("b", "new", None).await);
    let new = first(&senders, "b").await.unwrap();
    assert_eq!(new.sequence, old.sequence);
    assert_ne!(new.key(), old.key());
    senders.queue.finish(old, Vec::new()).await.unwrap();
    assert_eq!(first(&senders, "b").await, Some(new));
}

#[tokio::test]
async fn after_a_new_connection_there_may_have_been_actions() {
    let senders = NatsSenders::start().await;
    let proxy = CuttingProxy::start(&senders.server.address);
    let mut settings = senders.server.settings();
    settings.access.servers = vec![format!("nats://{}", proxy.address)];
    let queue = open(&settings).await.unwrap();
    let mut notices = queue.notices();
    for _ in 0..2 {
        let notice = timeout(PATIENCE, notices.recv()).await.unwrap().unwrap();
        assert_eq!(notice, QueueNotice::Missed);
        proxy.cut();
    }
    // It answers again by itself.
    let again = async {
        while queue.accounts().await.is_err() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn an_action_with_headers_that_are_none_is_taken_like_others() {
    let senders = NatsSenders::start().await;
    let headers = b"NATS/1.0\r\nBad Name: x\r\nOther: \xff\xfe\r\nMatterhost-Reply-To: _INBOX.bad\r\n\r\n";
    let mut socket = TcpStream::connect(senders.server.address.trim_start_matches("nats://")).await.unwrap();
    let (subject, text) = ("matterhost.actions.a", b"odd");
    let head = format!("HPUB {subject} {} {}\r\n", headers.len(), headers.len() + text.len());
    socket.write_all(b"CONNECT {\"verbose\":false,\"headers\":true}\r\n").await.unwrap();
    socket.write_all(&[head.as_bytes(), headers, text, b"\r\n"].concat()).await.unwrap();
    let stored = async {
        loop {
            match first(&senders, "a").await {
                Some(action) => break action,
                None => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let odd = timeout(PATIENCE, stored).await.unwrap();
    assert_eq!((odd.text.as_slice(), odd.inbox.as_deref()), (&b"odd"[..], Some("_INBOX.bad")));
    assert!(senders.put("a", "next", None).await);
    senders.queue.finish(odd, b"done".to_vec()).await.unwrap();
    assert_eq!(senders.result("_INBOX.bad").await, b"done");
    assert_eq!(first(&senders, "a").await.unwrap().text, b"next");
}

#[tokio::test]
async fn a_result_that_is_too_long_for_a_message_is_told_in_short() {
    let senders = NatsSenders::start().await;
    assert!(senders.put("a", "x", Some("_INBOX.long")).await);
    let action = first(&senders, "a").await.unwrap();
    senders.queue.finish(action, vec![b'x'; 2_000_000]).await.unwrap();
    let told = String::from_utf8(senders.result("_INBOX.long").await).unwrap();
    assert!(told.contains("413") && told.contains("has 2000000 bytes"), "{told}");
    assert_eq!(first(&senders, "a").await, None);
}

/// With the least headers that a message with a result needs, and without any. NATS takes no longer messages than it is told.
#[tokio::test]
async fn actions_of_the_longest_json_are_taken() {
    for (configuration, inbox) in [("", None), ("max_payload: 1056768", Some("_INBOX.long"))] {
        let server = NatsServer::start(configuration);
        let queue = open(&server.settings()).await.unwrap();
        let client = async_nats::connect(&server.address).await.unwrap();
        let senders = NatsSenders::with(server, queue, client).await;
        let longest = "x".repeat(MOST_BYTES);
        assert!(senders.put("a", &longest, inbox).await, "{configuration}");
        let action = first(&senders, "a").await.unwrap();
        assert!(action.text == longest.as_bytes() && action.inbox.as_deref() == inbox, "{configuration}");
        senders.queue.finish(action, b"done".to_vec()).await.unwrap();
        assert_eq!(first(&senders, "a").await, None);
    }
}

/// Returns the longest message of the queue, after its limit was set to one and a member has opened it.
async fn longest_message_after(limit: i32) -> i32 {
    let server = NatsServer::start("");
    open(&server.settings()).await.unwrap();
    let context = jetstream::new(async_nats::connect(&server.address).await.unwrap());
    let config =
        async || context.get_stream("matterhost_actions").await.unwrap().cached_info().config.clone();
    context.update_stream(Config { max_message_size: limit, ..config().await }).await.unwrap();
    open(&server.settings()).await.unwrap();
    config().await.max_message_size
}

#[tokio::test]
async fn the_limit_of_an_older_queue_is_raised_and_that_of_an_operator_stays() {
    let (former, now) = (264 * 1024, 1032 * 1024);
    for (limit, expected) in [(former, now), (now, now), (100_000, 100_000), (2 * now, 2 * now)] {
        assert_eq!(longest_message_after(limit).await, expected, "{limit}");
    }
}

#[tokio::test]
async fn a_stream_that_is_no_queue_of_actions_is_refused() {
    let server = NatsServer::start("");
    let context = jetstream::new(async_nats::connect(&server.address).await.unwrap());
    let (name, subjects) = ("matterhost_actions".into(), vec!["matterhost.actions.*".into()]);
    context.create_stream(Config { name, subjects, ..Config::default() }).await.unwrap();
    let error = open(&server.settings()).await.unwrap_err();
    assert!(
        error.contains("is no queue of actions: discard is Old, not New; ")
            && error.contains("nats stream rm matterhost_actions"),
        "{error}"
    );
}

#[tokio::test]
async fn the_rights_of_the_documentation_are_enough() {
    let server = NatsServer::start(RIGHTS);
    let mut settings = server.settings();
    settings.access.credentials = NatsCredentials::User("member".into(), "p".to_owned().into());
    let cluster = NatsCluster::connect(&settings, TTL, Arc::new(ShardFences::default())).await.unwrap();
    let mut changes = cluster.membership.watch();
    let join = LeaseRequest::Join(id("a", 1), MemberRecord::default());
    cluster.membership.change_lease(join).await.unwrap();
    let joined =
        async { while !matches!(changes.recv().await.unwrap(), ClusterChange::MemberRenewed(..)) {} };
    timeout(PATIENCE, joined).await.unwrap();
    let queue = cluster.open_actions(&settings, &["_INBOX".into()], MOST_BYTES).await.unwrap();
    let mut notices = queue.notices();
    let client = ConnectOptions::with_user_and_password("client".into(), "p".into());
    let client = client.connect(&server.address).await.unwrap();
    let senders = NatsSenders::with(server, queue, client).await;
    assert!(senders.put("a", "x", Some("_INBOX.x")).await);
    let stored = async { while notices.recv().await.unwrap() != QueueNotice::Stored(account("a")) {} };
    timeout(PATIENCE, stored).await.unwrap();
    let action = first(&senders, "a").await.unwrap();
    senders.queue.finish(action, b"done".to_vec()).await.unwrap();
    assert_eq!(senders.result("_INBOX.x").await, b"done");
    assert_eq!(first(&senders, "a").await, None);
}
