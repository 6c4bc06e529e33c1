use std::{fs, path::PathBuf};

use matterhost_actors::ports::{EventSink as _, Outcome};
use tempfile::TempDir;

use super::*;
use crate::sinks::{
    lines::rotate::{existing_files, rotated_path},
    tests::fixtures::{delivered, post},
};

/// The configuration of a file sink in a directory of its own.
struct Fixture {
    _dir: TempDir,
    config: FileConfig,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = FileConfig {
            path: dir.path().join("events.jsonl"),
            rotate_size: 1_000,
            rotate_after: Duration::from_secs(3600),
            keep: 2,
            fsync: true,
        };
        Self { _dir: dir, config }
    }

    fn start(&self) -> LineSink {
        start("archive", self.config.clone(), StartGate::open()).unwrap()
    }

    fn files(&self) -> Vec<PathBuf> {
        existing_files(&self.config.path, self.config.keep)
    }

    fn ids(path: &Path) -> Vec<String> {
        let id = |line: &str| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().into()
        };
        fs::read_to_string(path).unwrap().lines().map(id).collect()
    }

    fn all_ids(&self) -> Vec<String> {
        self.files().iter().flat_map(|path| Self::ids(path)).collect()
    }
}

#[tokio::test]
async fn acknowledged_events_are_in_the_file() {
    let fixture = Fixture::new();
    let sink = fixture.start();
    assert_eq!(delivered(&sink, &post("c", "1")).await, Outcome::Acknowledged);
    assert_eq!(Fixture::ids(&fixture.config.path), ["1"]);
}

#[tokio::test]
async fn a_file_is_put_aside_before_it_is_too_large_and_the_oldest_goes() {
    let fixture = Fixture::new();
    let sink = fixture.start();
    for id in 0..9 {
        assert_eq!(delivered(&sink, &post("c", &id.to_string())).await, Outcome::Acknowledged);
    }
    assert_eq!(fixture.files().len(), 3);
    assert!(!rotated_path(&fixture.config.path, 3).exists());
    for file in fixture.files() {
        assert!(fs::metadata(file).unwrap().len() <= fixture.config.rotate_size);
    }
    let ids = fixture.all_ids();
    let expected: Vec<String> = (0..9).map(|id| id.to_string()).collect();
    assert!(ids.len() < 9 && ids == expected[9 - ids.len()..], "{ids:?}");
}

#[tokio::test]
async fn a_file_is_put_aside_when_it_is_old() {
    let mut fixture = Fixture::new();
    fixture.config.rotate_after = Duration::ZERO;
    let sink = fixture.start();
    for id in ["1", "2", "3"] {
        delivered(&sink, &post("c", id)).await;
    }
    assert_eq!(Fixture::ids(&rotated_path(&fixture.config.path, 2)), ["1"]);
    assert_eq!(Fixture::ids(&rotated_path(&fixture.config.path, 1)), ["2"]);
    assert_eq!(Fixture::ids(&fixture.config.path), ["3"]);
}

#[tokio::test]
async fn a_file_that_was_moved_or_removed_is_reopened() {
    let fixture = Fixture::new();
    let sink = fixture.start();
    let aside = fixture.config.path.with_extension("old");
    assert_eq!(delivered(&sink, &post("c", "1")).await, Outcome::Acknowledged);
    fs::rename(&fixture.config.path, &aside).unwrap();
    assert_eq!(delivered(&sink, &post("c", "2")).await, Outcome::Acknowledged);
    assert_eq!(
        (Fixture::ids(&aside), Fixture::ids(&fixture.config.path)),
        (vec!["1".into()], vec!["2".into()])
    );
    fs::remove_file(&fixture.config.path).unwrap();
    assert_eq!(delivered(&sink, &post("c", "3")).await, Outcome::Acknowledged);
    assert_eq!(Fixture::ids(&fixture.config.path), ["3"]);
    // Another file in its place.
    fs::write(fixture.config.path.with_extension("new"), "").unwrap();
    fs::rename(fixture.config.path.with_extension("new"), &fixture.config.path).unwrap();
    assert_eq!(delivered(&sink, &post("c", "4")).await, Outcome::Acknowledged);
    assert_eq!(Fixture::ids(&fixture.config.path), ["4"]);
}

#[tokio::test]
async fn only_the_operator_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;

    let mut fixture = Fixture::new();
    fixture.config.rotate_after = Duration::ZERO;
    let sink = fixture.start();
    for id in ["1", "2", "3"] {
        delivered(&sink, &post("c", id)).await;
    }
    assert_eq!(fixture.files().len(), 3);
    for file in fixture.files() {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_line_that_a_crash_cut_short_is_cut_off() {
    let fixture = Fixture::new();
    let whole = "{\"id\":\"0\"}\n";
    for cut in
        ["{\"id\":\"x\",\"da", "{", "{\"id\":\"x\0\0", &format!("{{\"fill\":\"{}", "x".repeat(200_000))]
    {
        fs::write(&fixture.config.path, format!("{whole}{cut}")).unwrap();
        let mut current = Current::open(&fixture.config.path).unwrap();
        assert_eq!(current.committed, whole.len() as u64);
        current.out.flush().unwrap();
        assert_eq!(fs::read_to_string(&fixture.config.path).unwrap(), whole);
    }
}

#[tokio::test]
async fn a_file_of_others_keeps_what_is_in_it() {
    let foreign = ["no line at all", "{\"token\":\"a\"}", "[\"half", "a line\nand half a", "{$x"];
    for content in foreign {
        let fixture = Fixture::new();
        let path = &fixture.config.path;
        fs::write(path, content).unwrap();
        // A reload opens it too, and may then fail for another reason.
        let sink = fixture.start();
        assert_eq!(fs::read_to_string(path).unwrap(), content, "before the first event");
        assert_eq!(delivered(&sink, &post("c", "1")).await, Outcome::Acknowledged);
        assert_eq!(delivered(&sink, &post("c", "2")).await, Outcome::Acknowledged);
        let text = fs::read_to_string(path).unwrap();
        let (kept, lines) = text.split_at(content.len());
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!((kept, lines[0], lines.len()), (content, "", 3), "{text}");
        assert!(lines[1].contains("this is 1") && lines[2].contains("this is 2"), "{text}");
    }
}

#[tokio::test]
async fn a_file_that_fails_is_tried_again_and_holds_each_line_whole() {
    let mut fixture = Fixture::new();
    fixture.config.keep = 1;
    let sink = fixture.start();
    delivered(&sink, &post("c", "1")).await;
    // A directory that is not empty blocks the rotation.
    let in_the_way = rotated_path(&fixture.config.path, 1);
    fs::create_dir_all(in_the_way.join("something")).unwrap();
    let mut ids = vec!["1".to_owned()];
    let refused = loop {
        let id = (ids.len() + 1).to_string();
        match crate::sinks::tests::fixtures::outcome(sink.deliver(&post("c", &id))).await {
            Outcome::Acknowledged => ids.push(id),
            other => break other,
        }
        assert!(ids.len() < 10);
    };
    assert!(matches!(refused, Outcome::Retry { after: RETRY_AFTER, .. }), "{refused:?}");
    assert_eq!(Fixture::ids(&fixture.config.path), ids);
    fs::remove_dir_all(in_the_way).unwrap();
    let id = (ids.len() + 1).to_string();
    assert_eq!(delivered(&sink, &post("c", &id)).await, Outcome::Acknowledged);
    ids.push(id);
    assert_eq!(fixture.all_ids(), ids);
}

#[test]
fn uncommitted_bytes_are_truncated() {
    let fixture = Fixture::new();
    let current = Some(Current::open(&fixture.config.path).unwrap());
    let mut files = Files { config: fixture.config.clone(), name: "archive".into(), current, failing: false };
    files.write_line("{\"id\":\"1\"}\n").unwrap();
    files.commit().unwrap();
    // Longer than the buffer, so it is written to the file at once.
    files.write_line(&format!("{{\"fill\":\"{}\"}}\n", "x".repeat(100_000))).unwrap();
    let files_then = fixture.files();
    assert!(fs::metadata(files_then.last().unwrap()).unwrap().len() > 100_000);
    assert_eq!(
        files.handle_failure(&io::ErrorKind::StorageFull.into()),
        FailureAction::RetryAfter(RETRY_AFTER)
    );
    assert_eq!(fixture.all_ids(), ["1"]);
    files.write_line("{\"id\":\"2\"}\n").unwrap();
    files.commit().unwrap();
    assert_eq!(fixture.all_ids(), ["1", "2"]);
    assert!(!files.failing);
}

#[test]
fn a_file_that_cannot_be_opened_is_reported_at_the_start() {
    let mut fixture = Fixture::new();
    fixture.config.path = fixture.config.path.join("no").join("such");
    assert_eq!(
        start("archive", fixture.config, StartGate::open()).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
}
