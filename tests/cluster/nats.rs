//! The store of a cluster in NATS.

use std::{fs, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use matterhost::{
    cluster::{
        AskError, LeaseRequest, MemberMessages as _, MemberRecord, Membership as _, NatsCluster,
        NatsMembership, NatsSettings, ShardFences, Topic,
    },
    config::{NatsAccess, NatsCredentials},
};
use matterhost_simulator::TOKEN_PREFIX;
use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::{contract, messages, nats_server::NatsServer, sharing};

/// The pair of keys in the documentation of NATS.
const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const PUBLIC_KEY: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

const TTL: Duration = Duration::from_secs(2);

impl NatsServer {
    pub(crate) fn settings(&self) -> NatsSettings {
        NatsSettings {
            access: self.access(),
            prefix: "matterhost".into(),
            replicas: 1,
            name: "matterhost test".into(),
        }
    }

    fn access(&self) -> NatsAccess {
        NatsAccess {
            servers: vec![format!("nats://{}", self.address)],
            credentials: NatsCredentials::None,
            secret_file: None,
            ca_file: None,
            client_certificate: None,
        }
    }

    fn settings_with(&self, credentials: NatsCredentials) -> NatsSettings {
        NatsSettings { access: NatsAccess { credentials, ..self.access() }, ..self.settings() }
    }
}

async fn error(settings: &NatsSettings, ttl: Duration) -> String {
    NatsMembership::connect(settings, ttl).await.unwrap_err().to_string()
}

async fn assert_joins(settings: &NatsSettings) {
    let store = NatsMembership::connect(settings, TTL).await.unwrap();
    let join = LeaseRequest::Join(contract::id("a", 1), MemberRecord::default());
    store.change_lease(join).await.unwrap();
}

#[tokio::test]
async fn the_store_in_nats_fulfils_the_contract() {
    let server = NatsServer::start("");
    let store = NatsMembership::connect(&server.settings(), TTL).await.unwrap();
    contract::check_contract(Arc::new(store), TTL).await;
}

#[tokio::test]
async fn messages_through_nats_fulfil_the_contract() {
    let server = NatsServer::start("");
    let fence = Arc::new(ShardFences::default());
    let cluster = NatsCluster::connect(&server.settings(), TTL, fence).await.unwrap();
    messages::check_contract(Arc::new(cluster.messages)).await;
}

/// NATS may hand a question over long after it was asked, such as when the connection was held up.
#[tokio::test]
async fn a_question_that_comes_after_its_deadline_is_not_taken() {
    let server = NatsServer::start("");
    let cluster =
        NatsCluster::connect(&server.settings(), TTL, Arc::new(ShardFences::default())).await.unwrap();
    let mut questions = cluster.messages.questions(&contract::id("a", 1), Topic::Accounts);
    let client = async_nats::connect(&server.address).await.unwrap();
    let subject = "matterhost.member.a.0000000000000001";
    let mut clock = client.request(subject, "".into()).await;
    while clock.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        clock = client.request(subject, "".into()).await;
    }
    let mut asked = client.subscribe("matterhost.member.silent.0000000000000001").await.unwrap();
    let (silent, limit) = (contract::id("silent", 1), Duration::from_millis(200));
    let ask = || cluster.messages.ask(&silent, Topic::Accounts, b"restart".to_vec(), limit);
    let mut unasked = ask().await;
    while unasked == Err(AskError::Unreachable) {
        // The server of NATS does not know the subscription yet.
        unasked = ask().await;
    }
    assert_eq!(unasked, Err(AskError::Silent(limit)));
    let clock_asked = tokio::time::timeout(Duration::from_secs(30), asked.next()).await.unwrap().unwrap();
    asked.unsubscribe().await.unwrap();
    let texts: Vec<_> = asked.collect().await;
    assert!(clock_asked.payload.is_empty() && texts.is_empty(), "{texts:?}");

    let now = u64::from_be_bytes(clock.unwrap().payload[..].try_into().unwrap());
    let hour = u64::try_from(Duration::from_secs(3600).as_nanos()).unwrap();
    for (deadline, text) in [(now, "late"), (0, "very late"), (now + hour, "in time")] {
        let question = [&deadline.to_be_bytes(), text.as_bytes()].concat();
        client.publish_with_reply(subject, client.new_inbox(), question.into()).await.unwrap();
    }
    let taken = tokio::time::timeout(Duration::from_secs(30), questions.next()).await.unwrap().unwrap();
    assert_eq!(taken.text, b"in time");
}

#[tokio::test]
async fn members_share_the_shards_through_nats() {
    let server = NatsServer::start("");
    let store = NatsMembership::connect(&server.settings(), TTL).await.unwrap();
    sharing::check_members(Arc::new(store), TTL).await;
}

#[tokio::test]
async fn buckets_with_other_settings_are_refused_with_the_way_to_fix_them() {
    let server = NatsServer::start("");
    let settings = server.settings();
    assert_joins(&settings).await;
    assert_joins(&NatsSettings { prefix: "other".into(), ..settings.clone() }).await;
    let longer = error(&settings, TTL * 2).await;
    assert!(
        longer.contains("matterhost_members of NATS JetStream keeps keys for 2s, not for 4s"),
        "{longer}"
    );
    assert!(
        longer.contains("cluster.lease_ttl") && longer.contains("nats kv del matterhost_members"),
        "{longer}"
    );
    let replicas = error(&NatsSettings { replicas: 3, ..settings.clone() }, TTL).await;
    assert!(replicas.contains("is on 1 servers, not on 3; set cluster.replicas to 1"), "{replicas}");
    let none = error(&NatsSettings { prefix: "new".into(), replicas: 3, ..settings }, TTL).await;
    assert!(none.contains("new_members") && none.contains("cluster.replicas"), "{none}");
}

#[tokio::test]
async fn a_server_without_jetstream_or_that_is_down_is_an_error() {
    let server = NatsServer::start("accounts { A { users: [{user: u, password: p}] } }\nno_auth_user: u");
    let settings = server.settings();
    let disabled = error(&settings, TTL).await;
    assert!(disabled.contains("enable JetStream"), "{disabled}");
    drop(server);
    let down = error(&settings, TTL).await;
    assert!(down.contains("cannot connect to NATS at nats://127.0.0.1:"), "{down}");
}

#[tokio::test]
async fn each_kind_of_credentials_is_accepted_and_none_is_shown() {
    let secret = |n: u8| format!("{TOKEN_PREFIX}{n}");
    let user = NatsServer::start(&format!("authorization {{ user: member, password: {} }}", secret(1)));
    let credentials = |password: String| NatsCredentials::User("member".into(), password.into());
    assert!(!format!("{:?}", credentials(secret(1))).contains(TOKEN_PREFIX));
    assert_joins(&user.settings_with(credentials(secret(1)))).await;
    let refused = error(&user.settings_with(credentials(secret(2))), TTL).await;
    assert!(refused.contains("check the servers, their TLS and the credentials"), "{refused}");
    assert!(!refused.contains(TOKEN_PREFIX));
    let servers = vec![format!("nats://member:{}@{}", secret(2), user.address)];
    let refused =
        error(&NatsSettings { access: NatsAccess { servers, ..user.access() }, ..user.settings() }, TTL)
            .await;
    assert!(refused.contains(&user.address) && !refused.contains(TOKEN_PREFIX), "{refused}");
    let token = NatsServer::start(&format!("authorization {{ token: {} }}", secret(3)));
    let credentials = NatsCredentials::Token(secret(3).into());
    assert_joins(&token.settings_with(credentials)).await;
    let creds = NatsCredentials::Creds("no credentials".into());
    let unreadable = error(&token.settings_with(creds), TTL).await;
    assert!(unreadable.contains("nsc generate creds"), "{unreadable}");
}

#[tokio::test]
async fn an_nkey_is_accepted() {
    let server = NatsServer::start(&format!("authorization {{ users: [{{ nkey: {PUBLIC_KEY} }}] }}"));
    let credentials = NatsCredentials::NKey(SEED.into());
    assert_joins(&server.settings_with(credentials)).await;
}

#[tokio::test]
async fn tls_is_checked_against_the_configured_authority() {
    let dir = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    fs::write(&certificate, cert.pem()).unwrap();
    fs::write(&key, signing_key.serialize_pem()).unwrap();
    let server = NatsServer::start(&format!("tls {{ cert_file: {certificate:?}, key_file: {key:?} }}"));
    let servers = vec![format!("tls://{}", server.address)];
    let access = NatsAccess { servers, ..server.access() };
    let settings = NatsSettings { access: access.clone(), ..server.settings() };
    let trusting = NatsAccess { ca_file: Some(certificate), ..access };
    assert_joins(&NatsSettings { access: trusting, ..settings.clone() }).await;
    let unknown = error(&settings, TTL).await;
    assert!(unknown.contains("certificate") || unknown.contains("TLS"), "{unknown}");
}
