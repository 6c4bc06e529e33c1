//! Attacks by a server on the account that is hosted there.

use std::{io::Result, thread, time::Duration};

use super::{
    harness::{Attacked, Measured},
    hostile_server::{HARMLESS, HostileServer, Out, Script, Writes, now_ms},
};

/// A little less than the longest frame that is read.
const LONG: usize = 4 * 1024 * 1024 - 1024;

/// The rows of a list, in the pieces in which it is sent.
const PIECE_ROWS: usize = 1_000;

/// The rows of an endless list.
const ENDLESS: usize = usize::MAX;

/// Returns the configuration of an account on this server, whose events go to a child that never answers.
pub(super) fn victim(server: &HostileServer) -> String {
    format!(
        "[servers.hostile]\nurl = \"http://{}\"\n[accounts.victim]\nserver = \"hostile\"\ntoken = \"mustnotshow7dqm4q6zj3h5s9e\"\n\
         sinks = [\"silent\"]\n[sinks.silent]\ntype = \"exec\"\ncommand = [\"sleep\", \"600\"]\n",
        server.address
    )
}

fn attack(script: Script) -> Measured {
    let server = HostileServer::start(script);
    let measured = Attacked::start(&victim(&server)).endure(|| ());
    assert!(server.requests() > 0, "nothing was attacked");
    measured
}

/// Attacks over an open socket after a hello.
fn on_the_socket(socket: Writes) -> Measured {
    attack(Script { socket, ..HARMLESS })
}

/// Attacks with the channels that are listed. The sockets are short, so that they are listed often.
fn with_channels(channels: Writes) -> Measured {
    attack(Script { channels, socket: short_socket, ..HARMLESS })
}

/// Attacks with the posts of a channel that has news whenever it is listed.
fn with_posts(posts: Writes) -> Measured {
    let channels = |out: &mut Out| list(out, 1, &mut |_| row("channelwithnews", now_ms()));
    attack(Script { channels, posts, socket: short_socket, ..HARMLESS })
}

fn short_socket(out: &mut Out) -> Result<()> {
    let id = format!("connection{}", out.socket);
    out.hello(&id)?;
    thread::sleep(Duration::from_millis(500));
    Ok(())
}

/// Returns a channel as a server lists it.
fn row(id: &str, last_post_at: u128) -> String {
    format!(r#"{{"id":"{id}","type":"O","create_at":1,"last_post_at":{last_post_at}}}"#)
}

/// Writes a list of so many rows.
fn list(out: &mut Out, count: usize, row: &mut dyn FnMut(usize) -> String) -> Result<()> {
    let mut n = 0;
    let mut open = "[";
    while n < count {
        let until = count.min(n.saturating_add(PIECE_ROWS));
        let rows: Vec<_> = (n..until).map(&mut *row).collect();
        out.write(format!("{open}{}", rows.join(",")).as_bytes())?;
        (n, open) = (until, ",");
    }
    out.write(b"]")
}

super::rows! {
    frames_of_four_megabytes_that_are_unreadable => on_the_socket(|out| {
        out.hello("connection")?;
        let frame = format!(r#"{{"event":"x","seq":"{}"}}"#, "A".repeat(LONG));
        loop {
            out.frame(frame.as_bytes())?;
        }
    });
    events_of_four_megabytes_for_a_sink_that_is_stuck => on_the_socket(|out| {
        out.hello("connection")?;
        for seq in 1.. {
            let data = format!(r#"{{"x":"{}"}}"#, "A".repeat(LONG));
            out.frame(format!(r#"{{"event":"custom_x","data":{data},"broadcast":{{}},"seq":{seq}}}"#).as_bytes())?;
        }
        Ok(())
    });
    frames_that_are_no_json => on_the_socket(|out| {
        out.hello("connection")?;
        loop {
            out.frame(b"x")?;
        }
    });
    sequence_numbers_that_jump => on_the_socket(|out| {
        out.hello("connection")?;
        for seq in 1.. {
            out.event(seq * 10)?;
        }
        Ok(())
    });
    a_hello_with_an_endless_id => on_the_socket(|out| {
        out.hello(&"A".repeat(LONG - 1024))?;
        out.wait_for_the_end()
    });
    hellos_with_other_ids => on_the_socket(|out| {
        for n in 0.. {
            out.hello(&format!("connection{n}"))?;
        }
        Ok(())
    });
    four_hundred_thousand_channels => with_channels(|out| {
        list(out, 400_000, &mut |n| row(&format!("channel{n:019}"), 1_795_354_128_887))
    });
    sixty_thousand_fresh_channels_at_each_listing => with_channels(|out| {
        let socket = out.socket;
        list(out, 60_000, &mut |n| row(&format!("channel{socket:06}x{n:012}"), 1_795_354_128_887))
    });
    channels_with_endless_names => with_channels(|out| {
        let name = "A".repeat(64 * 1024);
        list(out, ENDLESS, &mut |n| {
            format!(r#"{{"id":"channel{n}","type":"O","create_at":1,"last_post_at":1,"name":"{name}","display_name":"{name}"}}"#)
        })
    });
    a_page_without_end_of_posts_that_are_none => with_posts(|out| {
        out.write(br#"{"posts":{"first":{}"#)?;
        for n in 0.. {
            let rows: Vec<_> = (0..PIECE_ROWS).map(|row| format!(r#","{n}x{row}":1"#)).collect();
            out.write(rows.concat().as_bytes())?;
        }
        Ok(())
    });
    a_page_that_lists_half_a_million_posts_and_has_none => with_posts(|out| {
        out.write(br#"{"order":"#)?;
        list(out, 500_000, &mut |n| format!(r#""post{n:022}""#))?;
        out.write(br#","posts":{}}"#)
    });
    a_name_of_the_account_without_end => attack(Script {
        me: |out| {
            out.write(br#"{"id":"hostile000000000000000user","update_at":1,"roles":"","username":""#)?;
            loop {
                out.write(&vec![b'A'; LONG])?;
            }
        },
        ..HARMLESS
    });
}
