use std::{fs, os::unix::fs::PermissionsExt as _, sync::Arc, thread};

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
fn dead_letters_are_listed_oldest_first_and_readable_by_the_owner_only() {
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

fn selected(ids: &[&str]) -> Selection {
    Selection { ids: ids.iter().map(|id| (*id).to_owned()).collect(), account: None }
}

#[test]
fn a_dead_letter_stays_until_it_is_removed() {
    let fixture = fixture(1_500);
    fixture.add_all(&["1", "2", "3", "4"]);
    let chosen = fixture.letters.select(&selected(&["2", "4"])).unwrap();
    assert_eq!(fixture.ids(), ["1", "2", "3", "4"], "as after a crash: they are still there");
    // One that comes meanwhile is kept.
    fixture.add("5");
    assert_eq!(fixture.letters.remove(&chosen).unwrap(), 2);
    assert_eq!(fixture.ids(), ["1", "3", "5"]);
    assert_eq!(fixture.letters.remove(&chosen).unwrap(), 0, "they are gone");
    let all = fixture.letters.select(&Selection::default()).unwrap();
    assert_eq!((fixture.letters.count().unwrap(), fixture.letters.remove(&all).unwrap()), (3, 3));
    assert_eq!((fixture.letters.count().unwrap(), fixture.ids().len()), (0, 0));
    let files = fs::read_dir(fixture.dir.path().join("dead")).unwrap();
    let names: Vec<_> = files.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["hook.lock"], "nothing else is left over");
}

#[test]
fn letters_are_selected_by_account_and_by_event() {
    let fixture = fixture(1 << 20);
    fixture.add_all(&["1", "2"]);
    let of = |account: &str, ids: &[&str]| {
        let selection = Selection { account: Some(account.into()), ..selected(ids) };
        let found = fixture.letters.select(&selection).unwrap();
        found.into_iter().map(|stored| stored.letter.id().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of("helpdesk", &[]), ["1", "2"]);
    assert_eq!(of("helpdesk", &["2", "9"]), ["2"]);
    assert!(of("other", &["2"]).is_empty());
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

/// A power loss may leave a part of the last letter.
#[test]
fn a_letter_that_was_cut_short_is_cut_off_and_the_next_is_whole() {
    for cut in [&b"half a li"[..], b"{\"time\":\"\xe2\x82", b"\0\0\0", b"{\"time\":\"2\0\0"] {
        let fixture = fixture(1 << 20);
        fixture.add("1");
        let file = fixture.dir.path().join("dead/hook.jsonl");
        let whole = fs::read(&file).unwrap();
        fs::write(&file, [&whole, cut].concat()).unwrap();
        assert_eq!(fixture.ids(), ["1"], "{cut:?}");
        fixture.add("2");
        assert_eq!(fixture.ids(), ["1", "2"], "{cut:?}");
        assert_eq!(fs::read(&file).unwrap()[..whole.len()], whole);
        assert_eq!(fixture.letters.count().unwrap(), 2);
    }
}

/// An editor may leave out the last line's end.
#[test]
fn a_whole_letter_without_a_line_end_is_kept() {
    let fixture = fixture(1 << 20);
    fixture.add_all(&["1", "2"]);
    let file = fixture.dir.path().join("dead/hook.jsonl");
    let mut bytes = fs::read(&file).unwrap();
    bytes.pop();
    fs::write(&file, &bytes).unwrap();
    fixture.add("3");
    assert_eq!(fixture.ids(), ["1", "2", "3"]);
}

#[test]
fn a_line_that_is_no_text_keeps_no_letter_from_being_listed_and_removed() {
    let fixture = fixture(1 << 20);
    fixture.add("1");
    let file = fixture.dir.path().join("dead/hook.jsonl");
    fs::write(&file, [&fs::read(&file).unwrap(), &b"{\"time\":\"\xe2\x82\n"[..]].concat()).unwrap();
    fixture.add("2");
    assert_eq!(fixture.ids(), ["1", "2"]);
    let chosen = fixture.letters.select(&selected(&["1"])).unwrap();
    assert_eq!(fixture.letters.remove(&chosen).unwrap(), 1);
    assert_eq!(fixture.ids(), ["2"]);
    assert!(fs::read(&file).unwrap().starts_with(b"{\"time\":\"\xe2\x82\n"), "what is not known stays");
}

#[test]
fn all_letters_can_be_removed_from_a_full_disk() {
    let fixture = fixture(1 << 20);
    fixture.add_all(&["1", "2"]);
    let temporary = fixture.dir.path().join("dead/hook.tmp");
    let all = fixture.letters.select(&Selection::default()).unwrap();
    // Writing to this device fails as on a full disk.
    std::os::unix::fs::symlink("/dev/full", &temporary).unwrap();
    let error = fixture.letters.remove(&all[..1]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(!fs::exists(&temporary).unwrap(), "nothing is left over");
    assert_eq!(fixture.ids(), ["1", "2"]);
    std::os::unix::fs::symlink("/dev/full", &temporary).unwrap();
    assert_eq!(fixture.letters.remove(&all).unwrap(), 2);
    assert!(fixture.ids().is_empty());
}

#[test]
fn writers_and_retries_exclude_each_other() {
    let fixture = Arc::new(fixture(2_000));
    let writer = thread::spawn({
        let fixture = Arc::clone(&fixture);
        move || (0..100).for_each(|id| fixture.add(&id.to_string()))
    });
    let mut seen = Vec::new();
    while !writer.is_finished() {
        let taken = fixture.letters.select(&Selection::default()).unwrap();
        fixture.letters.remove(&taken).unwrap();
        seen.extend(taken.into_iter().map(|stored| stored.letter.id().unwrap().to_string()));
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
