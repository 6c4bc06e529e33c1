//! The recordings of 11.1. They are of the same scenarios as the older ones, with other ids.

use matterhost_simulator::{RateLimit, ServerVersion, Simulator};

use super::replay::{ADMIN_11_1, Replay};
use super::{Named, bind, bot, join, join_quietly, next_millisecond, sorted, world};

fn replay(scenario: &'static str) -> Replay {
    Replay::with(scenario, Simulator::builder().version(ServerVersion::V11_1))
}

/// The team of most recordings, and that of the later ones.
const TEAM: Named = ("crew", "b87wdpf1f3nb9kxurd4m4o8g1r", "");
const LATER_TEAM: Named = ("crew", "qfxobyk57f8z581zfnd3nxc8ta", "");

#[test]
fn connect() {
    let mut replay = replay("11.1/connect");
    let bots = [("bot-ryujdm", "c3apq3r8mjfqpjs4ngebdzszdc", "bot")];
    world(&mut replay, TEAM, &[("talk", "talktalktalktalktalktalkta", "O")], &bots);
    let token = replay.tokens["bot"].clone();
    replay.tokens.extend(["header", "challenge"].map(|conn| (conn.to_owned(), token.clone())));
    let channel = replay.ids.translate("talktalktalktalktalktalkta");
    replay.admin("POST", "/posts", &serde_json::json!({ "channel_id": channel, "message": "seen" }));
    replay.run(|_, _, _| ());
}

#[test]
fn server_stop() {
    let mut replay = replay("11.1/server_stop");
    bot(&mut replay, "bot", "ctyxyme4epftzys4mxnhp6n57o", "bot");
    replay.run(|replay, number, _| {
        if number == 4 {
            replay.simulator.stop_server();
        }
    });
}

#[test]
fn token_toggle() {
    let mut replay = replay("11.1/token_toggle");
    let channels = [("talk", "68toy5ioeinpikm4yahzhi9ugw", "O")];
    let bots = [("bot-xxzdxu", "gpdkzm5azjyhpkgmop7k7n5qir", "bot")];
    world(&mut replay, LATER_TEAM, &channels, &bots);
    let token_id = replay.token_ids["bot"].clone();
    replay.ids.bind("9fpocxnqtbdime8fpp9r5me5qy", &token_id);
    replay.run(|_, _, _| ());
}

#[test]
fn cycle_while_away() {
    let mut replay = replay("11.1/cycle_while_away");
    let (bot, channel) = ("sa618gwuqjng7d3qyjtt8drt1o", "8zhtmp5fb3giip58p95wcmb7xo");
    world(&mut replay, LATER_TEAM, &[("chan-iftxeb", channel, "O")], &[("bot", bot, "bot")]);
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
    let mut replay = replay("11.1/quick_cycle_idle");
    let bot = "5im7b3dwubnn5nq8mk8ce148jo";
    world(&mut replay, TEAM, &[], &[("bot-bjzdrb", bot, "bot")]);
    replay.run(|_, _, _| ());
}

#[test]
fn disable_enable() {
    let mut replay = replay("11.1/disable_enable");
    let (bot, peer) = ("4j6k899gdbbhjj8nbpxkfs175y", "pppz9iusqtg9b8p9n1h7zeryua");
    let channel = "bab6bbseoprwirapprri59rhga";
    let bots = [("bot-mxkjam", bot, "bot"), ("bot-ghgdhr", peer, "peer")];
    world(&mut replay, TEAM, &[("chan-irfznk", channel, "O")], &bots);
    join(&replay, channel, bot);
    join(&replay, channel, peer);
    replay.cuts = &["bot"];
    replay.run(|replay, number, _| {
        if number == 26 {
            assert!(replay.socket("bot").is_quiet(), "a deaf socket answers pings");
        }
    });
}

#[test]
fn errors() {
    let mut replay = replay("11.1/errors");
    let (bot, channel) = ("ywwz4f1uepge9nzeyxkcnihzsr", "86gpg1sxjby99ga7673c9f3u5e");
    let channels = [("open", channel, "O"), ("closed", "rpfg17mjbtna8ennyx5xdhnpje", "P")];
    world(&mut replay, TEAM, &channels, &[("bot", bot, "bot")]);
    join(&replay, channel, bot);
    let token_id = replay.token_ids["bot"].clone();
    replay.ids.bind("3sibc8t5m7r7xrqt67fnyqkx3y", &token_id);
    replay.run(|_, _, _| ());
}

#[test]
fn rate_limit() {
    let limit = RateLimit { per_second: 2, burst: 5 };
    let builder = Simulator::builder().version(ServerVersion::V11_1).rate_limit(limit);
    let replay = Replay::with("11.1/rate_limit", builder);
    replay.rest("admin", "GET", "/api/v4/users/me", None);
    replay.run(|_, _, _| ());
}

#[test]
fn resume() {
    let mut replay = replay("11.1/resume");
    let (bot, channel) = ("rpt4arrbobduxp9khibih6hj5c", "64ajo1quwfgrfc84bbdogrqfyc");
    world(&mut replay, TEAM, &[("chan-qnxqjo", channel, "O")], &[("bot", bot, "first")]);
    join_quietly(&mut replay, channel, bot);
    replay.cuts = &["first", "resumed", "resumed-early", "resumed-ahead", "second"];
    let token = replay.tokens["first"].clone();
    let conns = ["resumed", "unknown", "bad", "second"];
    replay.tokens.extend(conns.map(|conn| (conn.to_owned(), token.clone())));
    replay.run(|replay, number, _| match number {
        9 => ["away0", "away1"].iter().for_each(|text| replay.post(channel, text)),
        38 => (0..300).for_each(|_| replay.post(channel, "away for long")),
        _ => {}
    });
}

#[test]
fn catch_up() {
    let (bot, channel) = ("x7mp4nkeoifa5yo1mjrs7yrajo", "ff7sa3hmrtdwtf6bzys4egtk7c");
    let channels = [
        ("chan-esjchn", channel, "O"),
        ("chan-cdnjeh", "i4dn9mwnpifimngu6eagpemnfo", "O"),
        ("chan-cypltj", "ter4qfupw383dqg4uqbegy9gbr", "O"),
    ];
    let team = ("team-kzargt", TEAM.1, "");
    let mut replay = sorted("11.1/catch_up", &[ADMIN_11_1, bot], |replay| {
        world(replay, team, &channels, &[("bot-kmhmdq", bot, "bot")]);
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
    replay.ids.bind("p6yizkts7tbtbd7yk9dxjmiqec", &posts[3].id);
    replay.ids.bind("5zydeckoujdazrmeka4ncodmzh", &posts[4].id);
    replay.times.insert("1795874475895".to_owned(), posts[3].create_at);
    replay.run(|_, _, _| ());
}

#[test]
fn events() {
    let (bot, other) = ("hzk3aw34ubrb5yq5sq4g9ocbqw", "uf33gu8axibgxgrcnm75ojk5gh");
    let channel = "7sroo16piifwikyd55pje1z3sa";
    let channels = [("chan-uqjeeu", channel, "O"), ("chan-xhbnpz", "597ayhc6wjn8tjmaaa3zeixquc", "P")];
    let bots = [("bot-lsvbsl", bot, "bot"), ("bot-eeoncn", other, "other")];
    let replay = sorted("11.1/events", &[bot, ADMIN_11_1, other], |replay| {
        world(replay, TEAM, &channels, &bots);
    });
    join(&replay, channel, bot);
    join(&replay, channel, other);
    let [first, second] = ["bot", "other"].map(|conn| replay.tokens[conn].clone());
    replay.run(move |replay, number, _| match number {
        // The one that types is the other bot, under the first one's name in the recording.
        20 => drop(replay.tokens.insert("bot".to_owned(), second.clone())),
        21 => drop(replay.tokens.insert("bot".to_owned(), first.clone())),
        _ => {}
    });
}

#[test]
fn own_changes() {
    let mut replay = replay("11.1/own_changes");
    let bots = [("bot-elirur", "7ekioi9zubyo3knbod99fdgsce", "bot")];
    world(&mut replay, LATER_TEAM, &[], &bots);
    let team = serde_json::json!({ "name": "another" });
    bind(&mut replay, "et13s9kfojr55jqdseyok98mwh", "/teams", "id", &team);
    replay.run(|_, _, _| ());
}

#[test]
fn last_post_at() {
    let bot_id = "egmkxgn1st8hdfqnat9wnipodr";
    let (talk, archived) = ("n9t4z6d8m3y3bp13ayt4cehtxa", "jzpedbo1kpgctkcc5cbm4zyter");
    let channels = [("chan-glldiq", talk, "O"), ("chan-rwhgnm", archived, "O")];
    let mut replay = sorted("11.1/last_post_at", &[bot_id, ADMIN_11_1], |replay| {
        world(replay, LATER_TEAM, &channels, &[("bot-fdhphh", bot_id, "bot")]);
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
    replay.ids.bind("fech8qtj13ggtk184qn17cwsur", &one.id);
    replay.ids.bind("3q8i98r97bye9ffsybcta3yzhy", &two.id);
    replay.times.insert("1795874512381".to_owned(), one.create_at - 1);
    replay.run(|replay, number, _| {
        next_millisecond();
        if number == 9 {
            replay.post(archived, "before archiving");
            next_millisecond();
        }
    });
}
