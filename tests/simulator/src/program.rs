//! A simulator as a process of its own, for measurements.
//!
//! It prints one line of JSON (`url`, `ca`, `team`, `channel`, `bots`) and then obeys one command a line on
//! standard input, answering each with a line: `ok`, or `error: …`.
#![expect(clippy::print_stdout, reason = "standard output is this program's interface")]

use std::ffi::OsString;
use std::io::{BufRead, Write, stdin, stdout};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde_json::json;

use crate::{Fault, FaultKind, ServerVersion, Simulator};

#[derive(Debug, Parser)]
#[command(about = "A Mattermost stand-in for measurements")]
struct Arguments {
    /// Bots to make; all are members of one channel.
    #[arg(long, default_value_t = 1)]
    bots: usize,
    /// Channels that all bots are in besides.
    #[arg(long, default_value_t = 0)]
    channels: usize,
    /// Speak TLS.
    #[arg(long)]
    tls: bool,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:0")]
    bind: SocketAddr,
    /// Threads that serve sockets.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// The server to be.
    #[arg(long, value_enum, default_value_t)]
    version: ServerVersion,
    /// Seeds ids.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Serves a world as the program `matterhost-simulator` does, until standard input ends or says `stop`.
///
/// The arguments begin with the program's name. A program that measures can run itself again to be this.
pub fn serve(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = Arguments::parse_from(arguments);
    let started = Simulator::builder()
        .bind(arguments.bind)
        .tls(arguments.tls)
        .worker_threads(arguments.threads)
        .seed(arguments.seed)
        .version(arguments.version)
        .start();
    let simulator = match started {
        Ok(simulator) => simulator,
        Err(error) => {
            answer(&format!("error: {error}"));
            return ExitCode::FAILURE;
        }
    };
    introduce(&simulator, arguments.bots, arguments.channels);
    for line in stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words == ["stop"] {
            break;
        }
        answer(&obey(&simulator, &words));
    }
    ExitCode::SUCCESS
}

fn introduce(simulator: &Simulator, bots: usize, channels: usize) {
    let team = simulator.create_team("bench");
    let channel = simulator.create_channel(&team, "bench");
    let more: Vec<_> =
        (0..channels).map(|number| simulator.create_channel(&team, &format!("more-{number}"))).collect();
    let bots: Vec<_> = (0..bots)
        .map(|number| {
            let bot = simulator.create_bot(&format!("bot-{number}"));
            simulator.add_to_team(&team, &bot.user_id);
            for channel in more.iter().chain([&channel]) {
                simulator.add_to_channel_quietly(channel, &bot.user_id);
            }
            json!({ "user_id": bot.user_id, "token": bot.token, "token_id": bot.token_id })
        })
        .collect();
    let world = json!({
        "url": simulator.url(), "ca": simulator.ca_pem(), "team": team, "channel": channel,
        "admin": simulator.admin().user_id, "bots": bots,
    });
    answer(&world.to_string());
}

fn answer(line: &str) {
    println!("{line}");
    // A reader that is gone is noticed at the next command, or at the end of standard input.
    let _ = stdout().flush();
}

fn obey(simulator: &Simulator, words: &[&str]) -> String {
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    match *words {
        ["disable", user] => simulator.disable(user),
        ["enable", user] => simulator.enable(user),
        ["cycle", user] => simulator.cycle(user),
        ["reset", user] => simulator.reset_connections(user),
        ["silence", user] => drop(simulator.silence_connections(user)),
        ["clear"] => simulator.clear_faults(),
        ["drop-all"] => simulator.drop_all_sockets(),
        ["post", user, channel, bytes] => {
            let text = "x".repeat(usize::try_from(number(bytes)).unwrap_or(0));
            simulator.post(user, channel, &text);
        }
        ["flood", channel, count, bytes] => {
            simulator.flood(channel, number(count), usize::try_from(number(bytes)).unwrap_or(0));
        }
        ["flood-user", user, channel, count, bytes] => {
            let bytes = usize::try_from(number(bytes)).unwrap_or(0);
            simulator.flood_user(user, channel, number(count), bytes);
        }
        ["announce", user, bytes] => {
            simulator.inject(Fault::new(FaultKind::FrameHeaderOnly(number(bytes))).user(user));
        }
        ["huge", user, bytes] => {
            let bytes = usize::try_from(number(bytes)).unwrap_or(0);
            simulator.inject(Fault::new(FaultKind::HugeFrame(bytes)).user(user));
        }
        ["custom-status", user] => simulator.set_custom_status(user, "measuring"),
        ["lifetime", seconds] => {
            let age = Duration::from_secs(number(seconds));
            simulator.inject(Fault::new(FaultKind::SocketLifetime(age)));
        }
        ["idle", seconds] => {
            let idle = Duration::from_secs(number(seconds));
            simulator.inject(Fault::new(FaultKind::SocketIdle(idle)));
        }
        ["await-sockets", count] => {
            let count = usize::try_from(number(count)).unwrap_or(0);
            let there = simulator
                .wait_for(|counters| counters.total_open_sockets() == count, Duration::from_secs(60));
            return if there { "ok".to_owned() } else { "error: timeout".to_owned() };
        }
        ["requests", method, route] => {
            return simulator.counters().requests_to(&format!("{method} {route}")).to_string();
        }
        ["sockets"] => return simulator.counters().total_open_sockets().to_string(),
        ["stop-server"] => simulator.stop_server(),
        ["start-server"] => match simulator.start_server() {
            Ok(()) => {}
            Err(error) => return format!("error: {error}"),
        },
        _ => return change_thread(simulator, words),
    }
    "ok".to_owned()
}

/// Obeys the commands about threads.
fn change_thread(simulator: &Simulator, words: &[&str]) -> String {
    let number = |text: &str| text.parse::<usize>().unwrap_or(0);
    match *words {
        ["whole-threads"] => simulator.bring_threads_along(),
        ["thread", user, channel, replies, bytes] => {
            let root = simulator.post(user, channel, "a thread");
            simulator.fill_thread(&root, number(replies), number(bytes));
            simulator.reply(user, &root, "the newest reply");
        }
        ["reply-to-thread", user, channel] => {
            let posts = simulator.posts_in(channel);
            let Some(root) = posts.iter().find(|post| post.message == "a thread") else {
                return "error: no thread".to_owned();
            };
            simulator.reply(user, root, "a reply");
        }
        _ => return "error: unknown command".to_owned(),
    }
    "ok".to_owned()
}
