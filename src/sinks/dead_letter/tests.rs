use std::{os::unix::fs::PermissionsExt as _, sync::Arc, thread};

use super::*;
use crate::sinks::tests::fixtures::post;

struct Here {
    dir: tempfile::TempDir,
    letters: DeadLetters,
}

fn here(max_size: u64) -> Here {
    let dir = tempfile::tempdir().unwrap();
    let config = DeadLetterConfig { dir: dir.path().join("dead"), max_size, keep: 2 };
    Here { letters: DeadLetters::for_sink("hook", &config), dir }
}

impl Here {
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
    let here = here(1 << 20);
    assert!(here.ids().is_empty());
    assert!(!here.dir.path().join("dead").exists(), "nothing is made before it is needed");
    here.add_all(&["1", "2"]);
    assert_eq!(here.ids(), ["1", "2"]);
    let letter = &here.letters.list().unwrap()[0];
    assert_eq!((&*letter.sink, &*letter.account, &*letter.cause), ("hook", "helpdesk", "400"));
    for (path, mode) in [("dead", 0o700), ("dead/hook.jsonl", 0o600)] {
        let about = here.dir.path().join(path).metadata().unwrap();
        assert_eq!(about.permissions().mode() & 0o777, mode, "{path}");
    }
}

#[test]
fn the_files_have_a_bound_and_the_oldest_goes() {
    let here = here(1_500);
    for id in 0..20 {
        here.add(&id.to_string());
    }
    let ids = here.ids();
    assert!(ids.len() < 12 && ids.last().unwrap() == "19", "{ids:?}");
    let files = fs::read_dir(here.dir.path().join("dead")).unwrap().map(|entry| entry.unwrap());
    let sizes: Vec<_> = files.map(|file| file.metadata().unwrap().len()).collect();
    assert_eq!(sizes.len(), 4, "three files and the lock");
    assert!(sizes.iter().all(|size| *size <= 1_500), "{sizes:?}");
}

#[test]
fn what_is_taken_stays_until_it_is_done_with() {
    let here = here(1_500);
    here.add_all(&["1", "2", "3", "4"]);
    assert_eq!(ids(&here.letters.take().unwrap()), ["1", "2", "3", "4"]);
    // As after a kill: another go takes them again, and what came meanwhile.
    here.add("5");
    assert_eq!(here.ids(), ["1", "2", "3", "4", "5"]);
    let taken = here.letters.take().unwrap();
    assert_eq!(ids(&taken), ["1", "2", "3", "4", "5"]);
    here.add("6");
    here.letters.finish_retry(&taken[3..]).unwrap();
    assert_eq!(here.ids(), ["6", "4", "5"]);
    let taken = here.letters.take().unwrap();
    here.letters.finish_retry(&[]).unwrap();
    assert_eq!((taken.len(), here.ids().len()), (3, 0));
}

#[test]
fn a_line_that_is_none_is_left_out() {
    let here = here(1 << 20);
    here.add("1");
    let file = here.dir.path().join("dead/hook.jsonl");
    fs::write(&file, fs::read_to_string(&file).unwrap() + "half a li\n").unwrap();
    here.add("2");
    assert_eq!(here.ids(), ["1", "2"]);
}

#[test]
fn who_writes_and_who_takes_do_not_meet() {
    let here = Arc::new(here(2_000));
    let writer = thread::spawn({
        let here = Arc::clone(&here);
        move || (0..100).for_each(|id| here.add(&id.to_string()))
    });
    let mut seen = Vec::new();
    while !writer.is_finished() {
        seen.extend(ids(&here.letters.take().unwrap()));
        here.letters.finish_retry(&[]).unwrap();
    }
    writer.join().unwrap();
    seen.extend(here.ids());
    // The bound drops the oldest when the taker is late; nothing comes twice or in pieces.
    let mut sorted = seen.clone();
    sorted.sort_by_key(|id| id.parse::<u32>().unwrap());
    sorted.dedup();
    assert_eq!(seen, sorted);
    assert_eq!(seen.last().unwrap(), "99");
}
