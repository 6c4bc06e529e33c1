//! The recordings of a real server, played against the simulator: one test a file.
//!
//! The differences are in the package's README, and these tests hold the list to the truth.

mod compare;
mod current;
mod known_differences;
mod replay;

use std::time::{SystemTime, UNIX_EPOCH};

use matterhost_simulator::{RateLimit, ServerVersion, Simulator};
use replay::{ADMIN, Replay};
use serde_json::json;

/// A name, the recording's id, and where it talks: a bot; or what kind it has: a channel.
type Named = (&'static str, &'static str, &'static str);

/// Makes a team, channels and bots with the names that the recording has, as its recorder did.
fn world(replay: &mut Replay, team: Named, channels: &[Named], bots: &[Named]) {
    let team_id = bind(replay, team.1, "/teams", "id", &json!({ "name": team.0 }));
    for (name, id, kind) in channels {
        let body = json!({ "team_id": team_id, "name": name, "display_name": name, "type": kind });
        bind(replay, id, "/channels", "id", &body);
    }
    for (name, id, conn) in bots {
        let bot = bot(replay, name, id, conn);
        replay.admin("POST", &format!("/teams/{team_id}/members"), &json!({ "user_id": bot }));
    }
}

fn bot(replay: &mut Replay, name: &str, id: &str, conn: &str) -> String {
    let body = json!({ "username": name, "display_name": name, "description": "t" });
    let bot = bind(replay, id, "/bots", "user_id", &body);
    let token = replay.admin("POST", &format!("/users/{bot}/tokens"), &json!({}));
    let text = |name: &str| token[name].as_str().expect("a text").to_owned();
    replay.tokens.insert(conn.to_owned(), text("token"));
    replay.token_ids.insert(conn.to_owned(), text("id"));
    bot
}

fn bind(replay: &mut Replay, id: &str, path: &str, key: &str, body: &serde_json::Value) -> String {
    let made = replay.admin("POST", path, body)[key].as_str().expect("an id").to_owned();
    assert!(replay.ids.bind(id, &made));
    made
}

/// Adds a bot to a channel; the post about it is made when the recording shows it.
fn join_quietly(replay: &mut Replay, channel: &str, user: &str) {
    replay.joins.push((channel.to_owned(), user.to_owned()));
    let (channel, user) = (replay.ids.translate(channel), replay.ids.translate(user));
    replay.simulator.add_to_channel_quietly(&channel, &user);
}

/// Adds a bot to a channel with all that belongs to it.
fn join(replay: &Replay, channel: &str, user: &str) {
    let (channel, user) = (replay.ids.translate(channel), replay.ids.translate(user));
    replay.simulator.add_to_channel(&channel, &user);
}

/// Turns until the clock shows another millisecond, so that the next post gets a time of its own.
fn next_millisecond() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_millis();
    let start = now();
    while now() == start {
        std::hint::spin_loop();
    }
}

/// A replay whose ids sort as the recording's do: names of direct channels and lists of users hang on it.
fn sorted(scenario: &'static str, ids: &[&str], prepare: impl Fn(&mut Replay)) -> Replay {
    let version = if scenario.starts_with("11.1/") { ServerVersion::V11_1 } else { ServerVersion::default() };
    for seed in 1..200 {
        let mut replay = Replay::with(scenario, Simulator::builder().version(version).seed(seed));
        prepare(&mut replay);
        if ids.is_sorted_by_key(|id| replay.ids.translate(id)) {
            return replay;
        }
    }
    panic!("no seed gives ids in the order of {scenario}");
}

#[test]
fn connect() {
    let mut replay = Replay::new("connect");
    let team = ("crew", "aqhqar39stg8ich8gi1144z6uh", "");
    let bots = [("bot-pqdgac", "pt4mbhwr1tgi3penh1rjpxswwc", "bot")];
    world(&mut replay, team, &[("talk", "talktalktalktalktalktalkta", "O")], &bots);
    let token = replay.tokens["bot"].clone();
    replay.tokens.extend(["header", "challenge"].map(|conn| (conn.to_owned(), token.clone())));
    let channel = replay.ids.translate("talktalktalktalktalktalkta");
    replay.admin("POST", "/posts", &json!({ "channel_id": channel, "message": "seen" }));
    replay.run(|_, _, _| ());
}

#[test]
fn server_stop() {
    let mut replay = Replay::new("server_stop");
    bot(&mut replay, "bot", "msmj7yh5gjfti84i8g4isy3ahe", "bot");
    replay.run(|replay, number, _| match number {
        4 => replay.simulator.stop_server(),
        5 => {
            let refused = std::net::TcpStream::connect(replay.simulator.address());
            assert!(refused.is_err(), "a stopped server refuses connections");
        }
        _ => {}
    });
}

#[test]
fn token_toggle() {
    let mut replay = Replay::new("token_toggle");
    let team = ("crew", "cnxsi883ifgafxtfe7ey8n5euw", "");
    let channels = [("talk", "7tzugq8r8jbozdiw9ownkqc7go", "O")];
    let bots = [("bot-uhiwxf", "usn9juz96trn7x1o7ocgdg9dse", "bot")];
    world(&mut replay, team, &channels, &bots);
    let token_id = replay.token_ids["bot"].clone();
    replay.ids.bind("jihd1kqmgjyn3ndknzs4de39iy", &token_id);
    replay.run(|_, _, _| ());
}

#[test]
fn cycle_while_away() {
    let mut replay = Replay::new("cycle_while_away");
    let (bot, channel) = ("mp3jc5pf6bdtxegw7po314jt3c", "96f8a3ecd7fipgk6zfcfjt9ewe");
    let team = ("crew", "cnxsi883ifgafxtfe7ey8n5euw", "");
    world(&mut replay, team, &[("chan-ciydlg", channel, "O")], &[("bot", bot, "bot")]);
    join_quietly(&mut replay, channel, bot);
    replay.cuts = &["bot"];
    let token = replay.tokens["bot"].clone();
    replay.tokens.insert("resumed".to_owned(), token);
    replay.run(|replay, number, _| {
        if number == 7 {
            let bot = replay.ids.translate(bot);
            replay.simulator.disable(&bot);
            replay.post(channel, "while disabled");
            replay.simulator.enable(&bot);
            replay.post(channel, "while away");
        }
    });
}

#[test]
fn quick_cycle_idle() {
    let mut replay = Replay::new("quick_cycle_idle");
    let (bot, channel) = ("rfdbnjrwhtd8pcbstgpzupt9th", "x49ppej5bbr1tggz9ksd744wtc");
    let team = ("crew", "aqhqar39stg8ich8gi1144z6uh", "");
    world(&mut replay, team, &[("chan-uvgalt", channel, "O")], &[("bot-nzmuiy", bot, "bot")]);
    join_quietly(&mut replay, channel, bot);
    replay.run(|_, _, _| ());
}

#[test]
fn disable_enable() {
    let mut replay = Replay::new("disable_enable");
    let (bot, peer) = ("uom3x8tm13y49qxgrabu7a9rhe", "4ki4dzhyetgipr4txsxa1xar3e");
    let channel = "kx6h4gdwdpympdqk8gqk1dutba";
    let team = ("crew", "aqhqar39stg8ich8gi1144z6uh", "");
    let bots = [("bot-jqxbym", bot, "bot"), ("bot-bxypco", peer, "peer")];
    world(&mut replay, team, &[("chan-sqallz", channel, "O")], &bots);
    join_quietly(&mut replay, channel, bot);
    replay.joins.push((channel.to_owned(), peer.to_owned()));
    replay.cuts = &["bot"];
    replay.run(|replay, number, _| match number {
        // The peer had not joined yet when the post about it went out.
        7 => join_quietly(replay, channel, peer),
        28 => assert!(replay.socket("bot").is_quiet(), "a deaf socket answers pings"),
        _ => {}
    });
}

#[test]
fn errors() {
    let mut replay = Replay::new("errors");
    let (bot, channel) = ("q7kicrn4rjnodgfzs5fj1z7emh", "zzdaap6csbgaxn69n55fi5msea");
    let team = ("crew", "aqhqar39stg8ich8gi1144z6uh", "");
    let channels = [("chan-fqjgad", channel, "O"), ("closed", "d1oezu9tf3gfjcwjhnuc53qsmw", "P")];
    world(&mut replay, team, &channels, &[("bot", bot, "bot")]);
    join(&replay, channel, bot);
    let token_id = replay.token_ids["bot"].clone();
    replay.ids.bind("nwj3xkh1cbrrfghewarfr47owc", &token_id);
    replay.run(|_, _, _| ());
}

#[test]
fn rate_limit() {
    let limit = RateLimit { per_second: 2, burst: 5 };
    let replay = Replay::with("rate_limit", Simulator::builder().rate_limit(limit));
    replay.rest("admin", "GET", "/api/v4/users/me", None);
    replay.run(|_, _, _| ());
}

#[test]
fn resume() {
    let mut replay = Replay::new("resume");
    let (bot, channel) = ("ioch49as4py9mbmm4ybouzjboc", "gwguyyja63d3pcyfz6tguwz9uw");
    let team = ("crew", "aqhqar39stg8ich8gi1144z6uh", "");
    world(&mut replay, team, &[("chan-osjudc", channel, "O")], &[("bot-akxzpq", bot, "first")]);
    join_quietly(&mut replay, channel, bot);
    replay.cuts = &["first", "resumed", "resumed-early", "resumed-ahead", "second"];
    let token = replay.tokens["first"].clone();
    let conns = ["resumed", "unknown", "bad", "second"];
    replay.tokens.extend(conns.map(|conn| (conn.to_owned(), token.clone())));
    replay.run(|replay, number, _| match number {
        10 => ["away0", "away1"].iter().for_each(|text| replay.post(channel, text)),
        41 => (0..300).for_each(|_| replay.post(channel, "away for long")),
        _ => {}
    });
}

#[test]
fn catch_up() {
    let (bot, channel) = ("ffphyc43ttn1fxmfnjj8jdcncr", "idynomzegbfjfrmmrpbzpxbdoe");
    let channels = [
        ("chan-gfpufa", channel, "O"),
        ("chan-lvgpgx", "rz3egnhja7g8drgyes6tp937hr", "O"),
        ("chan-abmzgr", "sbgr5tky53fbtdyd6fpmidac8h", "O"),
    ];
    let team = ("team-ybclwo", "aqhqar39stg8ich8gi1144z6uh", "");
    let mut replay = sorted("catch_up", &[ADMIN, bot], |replay| {
        world(replay, team, &channels, &[("bot-mqfcxi", bot, "bot")]);
    });
    for (_, id, _) in channels {
        next_millisecond();
        join(&replay, id, bot);
    }
    let (admin, here) = (replay.simulator.admin().user_id, replay.ids.translate(channel));
    let posts: Vec<_> = (0..8)
        .map(|number| {
            next_millisecond();
            replay.simulator.post(&admin, &here, &format!("p{number}"))
        })
        .collect();
    next_millisecond();
    replay.simulator.edit_post(&posts[1].id, "p1 edited later");
    replay.simulator.delete_post(&posts[4].id);
    replay.ids.bind("ozacn8pzn3yp7quxamdc1w7oer", &posts[3].id);
    replay.ids.bind("umtk8ebbfpnk3yuaik17o8sbnc", &posts[4].id);
    replay.times.insert("1795354132563".to_owned(), posts[3].create_at);
    replay.run(|_, _, _| ());
}

#[test]
fn events() {
    let (bot, other) = ("5i7zwettkbfhfcner868ext35r", "7ou7zbewj7br3ygibjiif6phuh");
    let channel = "u9jsod8y478n78q7swq4irrcmh";
    let channels = [("chan-limqji", channel, "O"), ("chan-mfubcx", "faozfi9fq7nwbqroxsnmkxae5o", "P")];
    let bots = [("bot-zqjqcb", bot, "bot"), ("bot-sxbxhj", other, "other")];
    let team = ("crew", "aqhqar39stg8ich8gi1144z6uh", "");
    let mut replay = sorted("events", &[bot, other, ADMIN], |replay| {
        world(replay, team, &channels, &bots);
    });
    join_quietly(&mut replay, channel, bot);
    join_quietly(&mut replay, channel, other);
    let [first, second] = ["bot", "other"].map(|conn| replay.tokens[conn].clone());
    replay.run(move |replay, number, _| match number {
        // The one that types is the other bot, under the first one's name in the recording.
        21 => drop(replay.tokens.insert("bot".to_owned(), second.clone())),
        22 => drop(replay.tokens.insert("bot".to_owned(), first.clone())),
        _ => {}
    });
}

#[test]
fn own_changes() {
    let mut replay = Replay::new("own_changes");
    let team = ("crew", "crewcrewcrewcrewcrewcrewcr", "");
    world(&mut replay, team, &[], &[("bot-upbuyz", "tp4ppfrsx3dz7ppuwbzaoas7se", "bot")]);
    bind(&mut replay, "jqdjf34fkj8jfnwhujna5jn6tr", "/teams", "id", &json!({ "name": "another" }));
    replay.run(|_, _, _| ());
}

#[test]
fn last_post_at() {
    let bot_id = "pcxt6t98efbqjgnqu7awb6co8r";
    let (talk, archived) = ("omahwnc8m7gbtcgpuk8x56tcyo", "mxcm8ndwq7nyzxapf9kcxuhena");
    let channels = [("chan-haidad", talk, "O"), ("chan-vyglif", archived, "O")];
    let team = ("crew", "cnxsi883ifgafxtfe7ey8n5euw", "");
    let mut replay = sorted("last_post_at", &[ADMIN, bot_id], |replay| {
        world(replay, team, &channels, &[("bot-muuhng", bot_id, "bot")]);
    });
    bot(&mut replay, "apart", "apartapartapartapartaparta", "bot-without-team");
    for (_, id, _) in channels {
        next_millisecond();
        join(&replay, id, bot_id);
    }
    next_millisecond();
    let (admin, here) = (replay.simulator.admin().user_id, replay.ids.translate(talk));
    let one = replay.simulator.post(&admin, &here, "one");
    next_millisecond();
    let two = replay.simulator.post(&admin, &here, "two");
    replay.ids.bind("xgcy5ouohjdttq94883nfadcro", &one.id);
    replay.ids.bind("yqyt4rwj4pnf38hgzc9haio1gr", &two.id);
    replay.times.insert("1795361305993".to_owned(), one.create_at - 1);
    replay.run(|replay, number, _| {
        next_millisecond();
        if number == 9 {
            replay.post(archived, "before archiving");
            next_millisecond();
        }
    });
}
