//! Channel lists, from a server that lists all channels at once and from one that lists them by team.

use std::time::{Duration, Instant};

use matterhost_actors::{
    mattermost::{Channel, ChannelKind, Client, ClientLimits, RestErrorKind},
    model::{ChannelId, Token},
};
use matterhost_simulator::{Account, Fault, FaultKind, Simulator};

use tokio::{io::AsyncWriteExt as _, net::TcpListener};

use crate::support::{
    AfterResponse, Server, client, client_with, json, read_head, recorded, response, run, token,
};

const ALL: &str = "GET /users/{user_id}/channels";
const TEAMS: &str = "GET /users/{user_id}/teams";
const BY_TEAM: &str = "GET /users/{user_id}/teams/{team_id}/channels";

/// The label under which the simulator counts requests to unknown routes.
const ABSENT: &str = "unknown";

fn simulator(list_all_channels: bool) -> (Simulator, Account, Token, Client) {
    let simulator = Simulator::builder().list_all_channels(list_all_channels).start().unwrap();
    let bot = simulator.create_bot("bot");
    let token = Token::new(&bot.token).unwrap();
    let client = client(simulator.url());
    (simulator, bot, token, client)
}

fn find<'a>(channels: &'a [Channel], id: &str) -> &'a Channel {
    let mut found = channels.iter().filter(|channel| channel.id.as_str() == id);
    let (channel, None) = (found.next().unwrap(), found.next()) else { panic!("{id} is listed twice") };
    channel
}

/// Returns the length of the channel list, or its error, if the server sends this response.
async fn list_len(reply: String) -> Result<usize, RestErrorKind> {
    let server = Server::respond_with(reply, AfterResponse::KeepAlive).await;
    let list = client(&server.url()).channels(&token()).await;
    list.map(|answer| answer.value.channels.len()).map_err(|error| error.kind)
}

#[test]
fn a_recorded_list_is_understood() {
    run(async {
        let path = "/api/v4/users/me/teams/cnxsi883ifgafxtfe7ey8n5euw/channels?include_deleted=true";
        let server =
            Server::respond_with(recorded("last_post_at", path, 200), AfterResponse::KeepAlive).await;
        let list = client(&server.url()).channels(&token()).await.unwrap().value.channels;
        assert_eq!(list.len(), 5);
        let direct = find(&list, "adyfnnguajd83qgit9nfysqoea");
        assert_eq!((&direct.kind, &*direct.team_id, &*direct.display_name), (&ChannelKind::Direct, "", ""));
        let archived = find(&list, "mxcm8ndwq7nyzxapf9kcxuhena");
        assert_eq!(archived.kind, ChannelKind::Open);
        assert_eq!((archived.delete_at, archived.last_post_at), (1_795_361_306_714, Some(1_795_361_306_710)));
        let head = &server.heads()[0];
        assert!(
            head.starts_with("GET /api/v4/users/me/channels?include_deleted=true HTTP/1.1\r\n"),
            "{head}"
        );
    });
}

#[test]
fn channel_types_are_distinguished_and_an_unknown_one_is_kept() {
    run(async {
        let kinds = [
            ("O", ChannelKind::Open),
            ("P", ChannelKind::Private),
            ("D", ChannelKind::Direct),
            ("G", ChannelKind::Group),
            ("BX", ChannelKind::Other("BX".into())),
        ];
        for (text, kind) in kinds {
            let reply = json(&format!(r#"[{{"id":"c","type":"{text}","create_at":1,"new":{{}}}}]"#));
            let server = Server::respond_with(reply, AfterResponse::KeepAlive).await;
            let list = client(&server.url()).channels(&token()).await.unwrap().value.channels;
            assert_eq!((&list[0].kind, list[0].last_post_at), (&kind, None));
        }
    });
}

#[test]
fn archived_and_direct_channels_are_listed_once_in_either_form() {
    for list_all_channels in [true, false] {
        let (simulator, bot, token, client) = simulator(list_all_channels);
        let teams = ["one", "two"].map(|name| simulator.create_team(name));
        for team in &teams {
            simulator.add_to_team(team, &bot.user_id);
        }
        let private = simulator.create_private_channel(&teams[0], "private");
        let archived = simulator.create_channel(&teams[1], "archived");
        for channel in [&private, &archived] {
            simulator.add_to_channel_quietly(channel, &bot.user_id);
        }
        simulator.archive_channel(&archived);
        let direct = simulator.direct_channel(&simulator.admin().user_id, &bot.user_id);
        let group = simulator.group_channel(&[
            &bot.user_id,
            &simulator.admin().user_id,
            &simulator.create_user("person").user_id,
        ]);
        let post = simulator.post(&simulator.admin().user_id, &direct, "hello");
        run(async {
            let list = client.channels(&token).await.unwrap().value.channels;
            // Each team has two default channels.
            assert_eq!(list.len(), 4 + 4);
            assert_eq!(find(&list, &private).kind, ChannelKind::Private);
            assert!(find(&list, &archived).delete_at > 0);
            assert_eq!(find(&list, &group).kind, ChannelKind::Group);
            assert_eq!(find(&list, &direct).last_post_at, Some(post.create_at));
        });
    }
}

#[test]
fn the_form_of_the_lists_is_asked_for_once() {
    let (simulator, bot, token, client) = simulator(false);
    let team = simulator.create_team("one");
    simulator.add_to_team(&team, &bot.user_id);
    run(async {
        for _ in 0..3 {
            assert_eq!(client.clone().channels(&token).await.unwrap().value.channels.len(), 2);
        }
        let counters = simulator.counters();
        assert_eq!((counters.requests_to(ABSENT), counters.requests_to(BY_TEAM)), (1, 3));
    });
}

#[test]
fn known_teams_save_a_request_unless_the_account_has_left_one() {
    let (simulator, bot, token, client) = simulator(false);
    let [team, left] = ["one", "left"].map(|name| Box::from(simulator.create_team(name)));
    simulator.add_to_team(&team, &bot.user_id);
    run(async {
        for (known, asked) in [(vec![team.clone()], 0), (vec![team.clone(), left], 1), (vec![], 2)] {
            let list = client.channels_knowing(&token, &known).await.unwrap().value;
            assert_eq!((list.channels.len(), &list.teams[..]), (2, &[team.clone()][..]), "{known:?}");
            assert_eq!(simulator.counters().requests_to(TEAMS), asked, "{known:?}");
        }
        simulator.inject(Fault::new(FaultKind::ServerError).route(BY_TEAM));
        let failed = client.channels_knowing(&token, std::slice::from_ref(&team)).await.unwrap_err();
        assert_eq!((failed.kind, simulator.counters().requests_to(TEAMS)), (RestErrorKind::Server(500), 2));
    });
}

#[test]
fn no_channels_at_all_are_an_empty_list() {
    run(async {
        let (here, _, token, client) = simulator(true);
        assert_eq!(client.channels(&token).await.unwrap().value.channels, []);
        assert_eq!(here.counters().requests_to(TEAMS), 0, "fact 26: the route is not missing");

        let (simulator, bot, token, client) = simulator(false);
        simulator.direct_channel(&simulator.admin().user_id, &bot.user_id);
        assert_eq!(client.channels(&token).await.unwrap().value.channels, [], "fact 26: in no team");
    });
}

#[test]
fn an_error_within_a_begun_list_is_that_error() {
    run(async {
        let begun = |id: &str, status: u16| {
            json(&format!(r#"[{{"id":"{id}","message":"No","status_code":{status}}}"#))
        };
        assert_eq!(list_len(begun("app.channel.get_channels.not_found.app_error", 404)).await, Ok(0));
        let failed = list_len(begun("app.channel.get_channels.get.app_error", 500)).await;
        assert_eq!(failed, Err(RestErrorKind::Server(500)));
        assert_eq!(
            list_len(json(r#"[{"id":"c","type":"O","create_at":1}"#)).await,
            Err(RestErrorKind::BadBody)
        );
        for other in [r#"{"id":"c"}"#, "null", r#""c""#] {
            assert_eq!(list_len(json(other)).await, Err(RestErrorKind::BadBody), "{other}");
        }
    });
}

#[test]
fn an_odd_row_costs_itself_and_a_channel_listed_twice_counts_once() {
    run(async {
        let good = r#"{"id":"c","type":"O","create_at":1}"#;
        let bad = r#"{"id":"d","type":"O","create_at":null},{"id":"not an id","type":"O","create_at":1},7"#;
        let list = format!("[{good},{bad},{good}]");
        let server = Server::respond_with(json(&list), AfterResponse::KeepAlive).await;
        let list = client(&server.url()).channels(&token()).await.unwrap().value;
        assert_eq!((list.channels.len(), list.cut_at), (1, None));
        let odd: Vec<&str> = list.odd.iter().map(|odd| &*odd.id).collect();
        assert_eq!(odd, ["d", "not an id", ""]);
        assert!(list.odd[0].cause.contains("null"), "{:?}", list.odd);
    });
}

/// Returns a list of so many channels, each as long as a real one.
fn long_list(channels: usize) -> String {
    let header = "x".repeat(700);
    let row =
        |n| format!(r#"{{"id":"c{n:025}","type":"O","create_at":1,"last_post_at":2,"header":"{header}"}}"#);
    format!("[{}]", (0..channels).map(row).collect::<Vec<_>>().join(","))
}

#[test]
fn a_list_longer_than_any_body_costs_no_more_than_its_rows() {
    run(async {
        let list = long_list(24_000);
        assert!(list.len() > ClientLimits::default().max_body_bytes);
        let server = Server::respond_with(json(&list), AfterResponse::KeepAlive).await;
        let list = client(&server.url()).channels(&token()).await.unwrap().value;
        assert_eq!((list.channels.len(), list.cut_at), (24_000, None));
    });
}

#[test]
fn a_list_with_more_channels_than_the_limit_is_cut_and_says_so() {
    run(async {
        let server = Server::respond_with(json(&long_list(300)), AfterResponse::KeepAlive).await;
        let limits = ClientLimits { max_channels: 200, ..ClientLimits::default() };
        let client = client_with(&server.url(), None, limits);
        let list = client.channels(&token()).await.unwrap().value;
        assert_eq!((list.channels.len(), list.cut_at), (200, Some(200)));
    });
}

#[test]
fn other_failures_are_no_reason_to_list_by_team() {
    run(async {
        let not_found = response("404 x", "content-type: text/html\r\n", "<html>a proxy</html>");
        let server = Server::respond_with(not_found, AfterResponse::KeepAlive).await;
        let error = client(&server.url()).channels(&token()).await.unwrap_err();
        assert_eq!((error.kind, server.heads().len()), (RestErrorKind::NotFound, 1));

        let (simulator, bot, token, client) = simulator(true);
        let team = simulator.create_team("one");
        simulator.add_to_team(&team, &bot.user_id);
        simulator.inject(Fault::new(FaultKind::ServerError).route(ALL).times(1));
        assert_eq!(client.channels(&token).await.unwrap_err().kind, RestErrorKind::Server(500));
        assert_eq!(client.channels(&token).await.unwrap().value.channels.len(), 2);
        assert_eq!(simulator.counters().requests_to(BY_TEAM), 0);
    });
}

#[test]
fn a_list_is_complete_or_none() {
    let (simulator, bot, token, client) = simulator(false);
    let teams = ["one", "two"].map(|name| simulator.create_team(name));
    for team in &teams {
        simulator.add_to_team(team, &bot.user_id);
    }
    run(async {
        simulator.inject(Fault::new(FaultKind::ServerError).route(BY_TEAM).times(1));
        let error = client.channels(&token).await.unwrap_err();
        assert_eq!(error.kind, RestErrorKind::Server(500));
        assert_eq!(error.route, "/users/me/teams/{team_id}/channels");
        assert_eq!(client.channels(&token).await.unwrap().value.channels.len(), 4);
    });
}

/// Returns the time for which a request waits for the list of another account, whose body does not end.
async fn wait_for_a_list_without_end() -> Duration {
    let endless = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n[";
    let server = Server::respond_with(endless, AfterResponse::Hang).await;
    let client = client(&server.url());
    let began = Instant::now();
    let asking = [client.clone(), client]
        .map(|client| actix_rt::spawn(async move { client.channels(&token()).await.map(drop) }));
    while server.heads().len() < 2 {
        tokio::task::yield_now().await;
    }
    for asking in &asking {
        asking.abort();
    }
    began.elapsed()
}

#[test]
fn a_list_that_begins_holds_up_no_other() {
    run(async {
        for _ in 0..10 {
            // Without the others' answer, it is a second.
            if wait_for_a_list_without_end().await < Duration::from_secs(1) {
                return;
            }
        }
        panic!("each waits");
    });
}

#[test]
fn a_list_is_dated_by_its_own_request() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(&format!("http://{}", listener.local_addr().unwrap()));
        let ask = |client: Client| actix_rt::spawn(async move { client.channels(&token()).await.unwrap() });
        let answer = response("200 x", "content-type: application/json\r\nconnection: close\r\n", "[]");
        let first = ask(client.clone());
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await.unwrap();
        let second = ask(client);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let released = Instant::now();
        stream.write_all(answer.as_bytes()).await.unwrap();
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        assert!(first.await.unwrap().value.asked_at.unwrap() <= released);
        assert!(second.await.unwrap().value.asked_at.unwrap() >= released, "it waited for the first");
    });
}

#[test]
fn one_channel_is_asked_for_by_its_id() {
    let (simulator, bot, token, client) = simulator(false);
    let team = simulator.create_team("one");
    let channels = ["mine", "archived", "foreign"].map(|name| simulator.create_private_channel(&team, name));
    let [mine, archived, foreign] = &channels;
    for channel in [mine, archived] {
        simulator.add_to_channel_quietly(channel, &bot.user_id);
    }
    simulator.post(&simulator.admin().user_id, mine, "hello");
    simulator.archive_channel(archived);
    run(async {
        let channel = client.channel(&token, &ChannelId::from(&**mine)).await.unwrap().value;
        assert_eq!((&*channel.name, channel.delete_at), ("mine", 0));
        assert_eq!(channel.last_post_at, None, "fact 24: it is cached");
        assert!(client.channel(&token, &ChannelId::from(&**archived)).await.unwrap().value.delete_at > 0);
        let error = client.channel(&token, &ChannelId::from(&**foreign)).await.unwrap_err();
        assert_eq!((error.kind, error.route), (RestErrorKind::Refused(403), "/channels/{channel_id}"));
        let error = client.channel(&token, &"a".repeat(26).as_str().into()).await.unwrap_err();
        assert_eq!(error.kind, RestErrorKind::NotFound);
        let odd = client.channel(&token, &"me/../?#".into()).await.unwrap_err();
        assert_eq!(odd.kind, RestErrorKind::Refused(400), "the id is one segment of the path");
    });
}
