//! Uploads and downloads of files.

use std::{fs::File, io::Write as _, sync::Arc};

use matterhost_actors::{
    hosting::{OpenFile, ReadLimits},
    model::{
        Attachment, Draft, FileContent, FileId, OutgoingAction, PostedIds, ReplyError, ReplyKey, StoredFile,
    },
    ports::FileDownload,
};
use matterhost_simulator::{Fault, FaultKind, Simulator};

use super::{draft, hold, keyed, perform, post, start, with_a_bot};
use crate::{
    harness::{Harness, SECOND, TestHost, name, settings},
    simulator_harness::{SimulatorHarness, run},
};

fn attachment(name: &str, size: usize) -> Attachment {
    Attachment { name: name.into(), bytes: vec![b'x'; size].into() }
}

fn upload(channel: &str, file: Attachment, key: Option<&str>) -> OutgoingAction {
    let key = key.map(|key| ReplyKey::new(key).unwrap());
    OutgoingAction::Upload { channel: channel.into(), file, key }
}

fn uploaded(id: &str) -> PostedIds {
    PostedIds { files: vec![id.into()], ..PostedIds::default() }
}

/// Writes a file and opens it for an upload.
fn stored(content: &[u8]) -> (File, Attachment) {
    let path = std::env::temp_dir().join(format!("matterhost-upload-{}", fastrand::u64(..)));
    let mut writer = File::create_new(&path).unwrap();
    writer.write_all(content).unwrap();
    let file = StoredFile::new(File::open(&path).unwrap(), ()).unwrap();
    std::fs::remove_file(&path).unwrap();
    (writer, Attachment { name: "big file.bin".into(), bytes: FileContent::Stored(Arc::new(file)) })
}

async fn open(host: &TestHost, id: &str) -> Result<FileDownload, ReplyError> {
    host.supervisor.send(OpenFile { account: name("bot"), id: id.into() }).await.unwrap()
}

#[test]
fn a_file_is_uploaded_once_for_its_key_and_shown_by_a_post() {
    with_a_bot(settings(), async |harness| {
        for key in [Some("k"), Some("k"), None] {
            assert_eq!(
                perform(harness, upload("town", attachment("a.txt", 5), key)).await,
                Ok(uploaded("a.txt"))
            );
        }
        assert_eq!(harness.fake.request_count("upload"), 2, "the key is uploaded once");
        perform(harness, upload("other", attachment("b.txt", 5), Some("k"))).await.unwrap();
        assert_eq!(harness.fake.request_count("upload"), 3, "a key belongs to its channel");
        let file_ids: Vec<FileId> = vec!["a.txt".into()];
        let files = vec![attachment("c.txt", 1)];
        let shown = Draft { file_ids, files, ..keyed("town", "", "p") };
        for _ in 0..2 {
            post(harness, shown.clone()).await.unwrap();
        }
        assert_eq!(harness.fake.rest_messages("town"), [""]);
        assert_eq!(harness.fake.request_count("upload"), 4, "a post that is there needs no file again");
        let file_ids = (0..11).map(|n| FileId::from(&*n.to_string())).collect();
        let many = Draft { file_ids, ..draft("town", "") };
        assert_eq!(post(harness, many).await, Err(ReplyError::TooManyFiles { files: 11, limit: 10 }));
    });
}

#[test]
fn a_file_that_the_server_would_refuse_is_not_sent() {
    with_a_bot(settings(), async |harness| {
        let limits = harness.send(ReadLimits { account: name("bot") }).await.unwrap();
        assert_eq!(limits.file_bytes, 1_000);
        let (writer, changed) = stored(b"0123456789");
        writer.set_len(3).unwrap();
        for (file, expected) in [
            (attachment("a", 1_001), "file \"a\" has 1001 bytes; the server's limit is 1000"),
            (attachment("a", 0), "file \"a\" is empty"),
            (attachment("a/b", 1), "\"a/b\" cannot be the name of a file"),
            (attachment("a\u{1b}", 1), "cannot be the name of a file"),
            (attachment(&"n".repeat(256), 1), "use 1 to 255 bytes"),
            (changed, "file \"big file.bin\" has changed while it waited"),
        ] {
            let files = vec![file.clone()];
            for refused in [
                perform(harness, upload("town", file, None)).await,
                post(harness, Draft { files, ..draft("town", "x") }).await,
            ] {
                let refused = refused.unwrap_err().to_string();
                assert!(refused.contains(expected), "{refused}");
            }
        }
        assert_eq!(harness.fake.request_count("upload"), 0);
        assert_eq!(harness.fake.rest_messages("town").len(), 0);
    });
}

#[test]
fn uploads_and_posts_of_a_channel_do_not_wait_for_each_other() {
    with_a_bot(settings(), async |harness| {
        let (release, held) = hold();
        harness.fake.script_post_replies([held]);
        let first = start(harness, OutgoingAction::Post(draft("town", "first")));
        harness.advance(SECOND).await;
        assert_eq!(perform(harness, upload("town", attachment("a", 1), None)).await, Ok(uploaded("a")));
        assert!(!first.is_finished());
        release.send(()).unwrap();
        first.await.unwrap().unwrap();
    });
}

async fn read(mut download: FileDownload) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(piece) = download.pieces.recv().await {
        content.extend_from_slice(&piece.unwrap());
    }
    content
}

#[test]
fn downloads_are_bounded_and_end_when_nobody_reads() {
    with_a_bot(settings(), async |harness: &mut Harness| {
        let long = "x".repeat(500);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(open(harness, &long).await.unwrap());
        }
        let refused = open(harness, &long).await.unwrap_err();
        assert!(matches!(refused, ReplyError::QueueFull { limit: "4 downloads", .. }), "{refused}");
        let first = held.remove(0);
        assert_eq!((first.len, &*first.name), (500, &*format!("file-{long}")));
        assert_eq!(read(first).await, long.as_bytes());
        harness.advance(SECOND).await;
        let again = open(harness, &long).await.unwrap();
        drop((held, again));
        harness.advance(SECOND).await;
        // One that nobody reads ends after its time, with what fits.
        let slow = open(harness, &long).await.unwrap();
        harness.advance(31 * SECOND).await;
        assert!(read(slow).await.len() < 500);
        let missing = open(harness, "nobody").await.unwrap_err();
        assert!(matches!(missing, ReplyError::NotFound { .. }), "{missing}");
    });
}

/// An upload whose answer is lost is made again, from the beginning of the file.
#[test]
fn a_stored_file_goes_through_in_pieces_also_a_second_time() {
    run(async || {
        let simulator = Simulator::builder().max_file_size(4 << 20);
        let harness = SimulatorHarness::new(simulator.start().unwrap(), &["bot".into()]).await;
        let content: Vec<u8> = (0..3 << 20).map(|n: u32| (n % 251) as u8).collect();
        let (_writer, file) = stored(&content);
        harness.simulator.inject(Fault::new(FaultKind::LostResponse).route("POST /files").times(1));
        let action = upload(&harness.channel, file, Some("k"));
        let host = &harness.host;
        let posted = host.send(matterhost_actors::hosting::SendReply { account: name("bot"), action }).await;
        let id = posted.unwrap().files.remove(0);
        let download = open(host, id.as_str()).await.unwrap();
        assert_eq!((&*download.name, download.len), ("big file.bin", 3 << 20));
        assert!(read(download).await == content, "the content differs");
        assert_eq!(harness.simulator.counters().requests_to("POST /files"), 2);
        let refused = open(host, &"x".repeat(26)).await.unwrap_err();
        assert!(matches!(refused, ReplyError::NotFound { .. }), "{refused}");
    });
}
