use std::{os::unix::fs::PermissionsExt as _, sync::Arc, thread};

use super::*;
use crate::sinks::tests::fixtures::post;

struct Fixture {
    dir: tempfile::TempDir,
    letters: DeadLetters,
}

fn fixture(max_size: u64) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let config = DeadLetterConfig { dir: dir.path().join("dead"), max_size, keep: 2 };
    Fixture { letters: DeadLetters::for_sink("hook", &config), dir }
}

impl Fixture {
    fn add(&self, id: &str) {
        self.letters.add(&Message::from_event(&post("c", id)), "400").unwrap();
    }

    fn add_all(&self, ids: &[&str]) {
        for id in ids {
            self.add(id);
        }
    }

    fn ids(&self) -> Vec<String> {
        ids(&self.letters.list().unwrap())
    }
}

fn ids(letters: &[DeadLetter]) -> Vec<String> {
    letters.iter().map(|letter| Message::parse(letter.event.get()).unwrap().id.to_string()).collect()
}

#[test]
fn what_is_kept_is_listed_oldest_first_and_for_the_operator_alone() {
    let fixture = fixture(1 << 20);
    assert!(fixture.ids().is_empty());
    assert!(!fixture.dir.path().join("dead").exists(), "the directory is created on the first write");
    fixture.add_all(&["1", "2"]);
    assert_eq!(fixture.ids(), ["1", "2"]);
    let letter = &fixture.letters.list().unwrap()[0];
    assert_eq!((&*letter.sink, &*letter.account, &*letter.cause), ("hook", "helpdesk", "400"));
    for (path, mode) in [("dead", 0o700), ("dead/hook.jsonl", 0o600)] {
        let metadata = fixture.dir.path().join(path).metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{path}");
    }
}

#[test]
fn the_files_have_a_bound_and_the_oldest_goes() {
    let fixture = fixture(1_500);
    for id in 0..20 {
        fixture.add(&id.to_string());
    }
    let ids = fixture.ids();
    assert!(ids.len() < 12 && ids.last().unwrap() == "19", "{ids:?}");
    let files = fs::read_dir(fixture.dir.path().join("dead")).unwrap().map(|entry| entry.unwrap());
    let sizes: Vec<_> = files.map(|file| file.metadata().unwrap().len()).collect();
    assert_eq!(sizes.len(), 4, "three files and the lock");
    assert!(sizes.iter().all(|size| *size <= 1_500), "{sizes:?}");
}

#[test]
fn what_is_taken_stays_until_it_is_done_with() {
    let fixture = fixture(1_500);
    fixture.add_all(&["1", "2", "3", "4"]);
    assert_eq!(ids(&fixture.letters.take().unwrap()), ["1", "2", "3", "4"]);
    // As after a crash: the next retry takes them again, with those added since.
    fixture.add("5");
    assert_eq!(fixture.ids(), ["1", "2", "3", "4", "5"]);
    let taken = fixture.letters.take().unwrap();
    assert_eq!(ids(&taken), ["1", "2", "3", "4", "5"]);
    fixture.add("6");
    fixture.letters.finish_retry(&taken[3..]).unwrap();
    assert_eq!(fixture.ids(), ["6", "4", "5"]);
    let taken = fixture.letters.take().unwrap();
    fixture.letters.finish_retry(&[]).unwrap();
    assert_eq!((taken.len(), fixture.ids().len()), (3, 0));
}

#[test]
fn a_line_that_is_none_is_left_out() {
    let fixture = fixture(1 << 20);
    fixture.add("1");
    let file = fixture.dir.path().join("dead/hook.jsonl");
    fs::write(&file, fs::read_to_string(&file).unwrap() + "half a li\n").unwrap();
    fixture.add("2");
    assert_eq!(fixture.ids(), ["1", "2"]);
}

#[test]
fn who_writes_and_who_takes_do_not_meet() {
    let fixture = Arc::new(fixture(2_000));
    let writer = thread::spawn({
        let fixture = Arc::clone(&fixture);
        move || (0..100).for_each(|id| fixture.add(&id.to_string()))
    });
    let mut seen = Vec::new();
    while !writer.is_finished() {
        seen.extend(ids(&fixture.letters.take().unwrap()));
        fixture.letters.finish_retry(&[]).unwrap();
    }
    writer.join().unwrap();
    seen.extend(fixture.ids());
    // The size limit drops the oldest when the reader is late; no letter comes twice or in part.
    let mut sorted = seen.clone();
    sorted.sort_by_key(|id| id.parse::<u32>().unwrap());
    sorted.dedup();
    assert_eq!(seen, sorted);
    assert_eq!(seen.last().unwrap(), "99");
}
