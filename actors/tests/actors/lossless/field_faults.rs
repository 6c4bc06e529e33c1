//! Faults that people report from real installations. Most strike while the bot catches up.

use matterhost_actors::mattermost::SINCE_LIMIT;
use matterhost_simulator::{Fault, FaultKind};

use super::{MS, users::ChattingUsers};
use crate::catch_up::tick;

const POSTS: &str = "GET /channels/{channel_id}/posts";

const HOUR_MS: i64 = 3_600_000;

/// The most by which posts are dated back: less than the overlap, so that they are fetched.
const MAX_BACK_MS: i64 = 500;

pub(super) const FIELD_FAULTS: [&str; 21] = [
    "proxy page",
    "sign-in page",
    "unauthorized",
    "long thread",
    "redirect",
    "early hints",
    "encoding",
    "lifetime",
    "idle",
    "custom status",
    "refused",
    "short pages",
    "inaccessible posts",
    "odd row",
    "odd channel",
    "dated posts",
    "clock ahead",
    "leave",
    "leave while dropped",
    "retention",
    "another team",
];

/// More changes while the bot is away than a server shows at once. It costs seconds, so that few runs have it.
pub(super) const MANY_CHANGES: &str = "many changes";

pub(super) async fn inject_field_fault(users: &mut ChattingUsers, random: &mut fastrand::Rng, name: &str) {
    let simulator = &users.harness.simulator;
    let all = |kind| Fault::new(kind).lasting(50 * MS);
    let fault = match name {
        "proxy page" => all(FaultKind::ProxyPage(*random.choice(&[403, 404, 502]).unwrap())),
        "sign-in page" => all(FaultKind::Html),
        "redirect" => all(FaultKind::Redirect("http://127.0.0.1:1/login".into())),
        "early hints" => all(FaultKind::EarlyHints),
        "encoding" => all(FaultKind::Encoded("br")),
        "lifetime" => all(FaultKind::SocketLifetime(30 * MS)),
        "idle" => all(FaultKind::SocketIdle(30 * MS)),
        "refused" => {
            use FaultKind as K;
            let kinds = [K::Forbidden, K::NotFound, K::ProxyPage(403), K::ProxyPage(404)];
            let kind = kinds[random.usize(..kinds.len())].clone();
            Fault::new(kind).route(POSTS).times(random.u32(1..=3))
        }
        "short pages" => Fault::new(FaultKind::ShortPage(random.usize(..4))).times(random.u32(1..=4)),
        "inaccessible posts" => {
            // The server of today says so; the others' lists lack the member.
            let pointer = "/first_inaccessible_post_time".to_owned();
            Fault::new(FaultKind::Rewrite { pointer, value: Some(1.into()) }).times(random.u32(1..=4))
        }
        "unauthorized" => {
            // It is everybody's trouble, so that nobody is asked slowly.
            users.harness.bots.iter().for_each(|bot| simulator.drop_sockets(&bot.user_id));
            all(FaultKind::Unauthorized)
        }
        "odd channel" => Fault::odd_channel_id(&users.any_channel(random)).times(random.u32(1..=2)),
        "long thread" => return long_thread(users, random).await,
        MANY_CHANGES => return many_changes(users, random),
        "odd row" => return odd_row(users, random).await,
        "dated posts" => return dated_posts(users, random).await,
        "clock ahead" => return clock_ahead(users, random).await,
        "leave" => return leave_while_disabled(users, random).await,
        "leave while dropped" => return leave_while_dropped(users, random).await,
        "retention" => return purge_oldest(users, random).await,
        "another team" => return join_another_team(users, random).await,
        _ => return simulator.set_custom_status(&users.harness.bots[0].user_id, "thinking"),
    };
    simulator.inject(fault);
    drop_sockets(users);
    users.chat(random, 5).await;
}

fn drop_sockets(users: &ChattingUsers) {
    users.harness.simulator.drop_sockets(&users.harness.bots[0].user_id);
}

/// Lets pages bring a long thread along.
async fn long_thread(users: &mut ChattingUsers, random: &mut fastrand::Rng) {
    users.lengthen_thread(random);
    drop_sockets(users);
    users.chat(random, 5).await;
}

/// Makes more posts while the bot is away than `since` shows, with edits and deletions behind them.
fn many_changes(users: &mut ChattingUsers, random: &mut fastrand::Rng) {
    let bot = users.harness.bots[0].user_id.clone();
    users.harness.simulator.disable(&bot);
    let channel = users.any_channel(random);
    for _ in 0..=SINCE_LIMIT {
        users.post_dated(random, &channel, 0);
    }
    for _ in 0..6 {
        users.touch_any(random, &channel);
    }
    users.harness.simulator.enable(&bot);
}

/// Makes a row of a missed post unusable in lists.
async fn odd_row(users: &mut ChattingUsers, random: &mut fastrand::Rng) {
    drop_sockets(users);
    users.chat(random, 2).await;
    let channel = users.any_channel(random);
    let post = users.post_dated(random, &channel, 0);
    let odd = if random.bool() { Fault::missing_row(&post) } else { Fault::null_create_at(&post) };
    users.harness.simulator.inject(odd.times(random.u32(1..=3)));
    users.chat(random, 2).await;
}

/// Makes posts that are dated into the future and back, some of them missed.
async fn dated_posts(users: &mut ChattingUsers, random: &mut fastrand::Rng) {
    for n in 0..4 {
        if n == 2 {
            drop_sockets(users);
        }
        let channel = users.any_channel(random);
        let by = if random.u8(..4) == 0 { HOUR_MS } else { -random.i64(0..=MAX_BACK_MS) };
        users.post_dated(random, &channel, by);
        users.chat(random, 2).await;
    }
}

/// Removes the oldest posts of a channel, one of which may be the anchor, while the bot is away.
async fn purge_oldest(users: &mut ChattingUsers, random: &mut fastrand::Rng) {
    drop_sockets(users);
    users.chat(random, 3).await;
    let channel = users.any_channel(random);
    let share = random.usize(1..4);
    users.purge_oldest(&channel, share);
    users.chat(random, 3).await;
}

/// Adds the bot to another team while its socket is away.
async fn join_another_team(users: &mut ChattingUsers, random: &mut fastrand::Rng) {
    drop_sockets(users);
    users.chat(random, 1).await;
    users.join_another_team();
    users.chat(random, 3).await;
}

/// Sets the server's clock ahead for a while.
async fn clock_ahead(users: &mut ChattingUsers, random: &mut fastrand::Rng) {
    users.harness.simulator.shift_clock(HOUR_MS);
    drop_sockets(users);
    users.chat(random, 5).await;
    users.harness.simulator.shift_clock(0);
    users.chat(random, 3).await;
    // A host that is replaced before it has stored what a list showed knows nothing of the change. The first socket may be
    // of before it.
    users.harness.drop_and_reconnect().await;
    users.harness.drop_and_reconnect().await;
    let post = users.harness.post("the clock is right again");
    users.harness.wait_until_stored(&post).await;
}

/// Removes the bot from a channel while it is disabled, and adds it again. Somebody may delete the post about that.
async fn leave_while_disabled(users: &mut ChattingUsers, random: &mut fastrand::Rng) {
    let bot = users.harness.bots[0].user_id.clone();
    users.harness.simulator.disable(&bot);
    users.chat(random, 3).await;
    leave_and_return(users, random, &bot);
    users.chat(random, 3).await;
    users.harness.simulator.enable(&bot);
}

/// Removes the bot from a channel while its socket is away, and adds it again: a resume tells of both.
async fn leave_while_dropped(users: &mut ChattingUsers, random: &mut fastrand::Rng) {
    let bot = users.harness.bots[0].user_id.clone();
    drop_sockets(users);
    users.chat(random, 1).await;
    leave_and_return(users, random, &bot);
    users.chat(random, 3).await;
}

fn leave_and_return(users: &mut ChattingUsers, random: &mut fastrand::Rng, bot: &str) {
    let channel = users.any_channel(random);
    // What shares a millisecond has no order in it.
    tick();
    users.harness.simulator.remove_from_channel(&channel, bot);
    for _ in 0..random.usize(1..3) {
        tick();
        users.post_while_out(random, &channel);
    }
    tick();
    users.harness.simulator.add_to_channel(&channel, bot);
    users.date_from_now();
    if random.bool() {
        let posts = users.harness.simulator.posts_in(&channel);
        let joined = posts.iter().rfind(|post| post.kind == "system_add_to_channel");
        users.harness.simulator.delete_post(&joined.unwrap().id);
    }
}
