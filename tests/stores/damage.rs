//! A file that is not whole is refused or found whole, and never written to.

use std::fs;

use matterhost::stores::{DiskErrorKind, DiskStore};

use crate::shelf::{Shelf, records};

const ACCOUNTS: u32 = 30;
/// Of redb.
const PAGE: usize = 4096;
/// A prime, so that cuts fall everywhere within pages.
const STEP: usize = 1013;

#[test]
fn a_file_cut_at_any_length_is_refused_as_it_is_or_found_whole() {
    for (whole, what) in Shelf::filled(ACCOUNTS).iter().zip(["closed", "killed"]) {
        let shelf = Shelf::new();
        let last = whole.len() - PAGE;
        let coarse = (PAGE..last).step_by(STEP);
        let (mut refused, mut opened) = (0, 0);
        for len in (0..PAGE).chain(coarse).chain(last..whole.len()) {
            let cut = &whole[..len];
            fs::write(shelf.file(), cut).unwrap();
            if let Some(store) = refused_or_open(&shelf, cut, len) {
                let what = format!("{what}, cut at {len} of {}", whole.len());
                for n in 0..ACCOUNTS {
                    let found = shelf.load(&store, &format!("bot-{n}")).unwrap();
                    assert_eq!(found, records(3, i64::from(n)), "{what}: bot-{n}");
                }
                shelf.close(&store);
                opened += 1;
            } else {
                refused += 1;
            }
        }
        println!("{what}, {} bytes: {refused} cuts refused, {opened} found whole", whole.len());
        assert!(refused > PAGE);
    }
}

fn refused_or_open(shelf: &Shelf, bytes: &[u8], place: usize) -> Option<DiskStore> {
    match shelf.open() {
        Ok(store) => Some(store),
        Err(error) => {
            assert_eq!(error.kind, DiskErrorKind::Damaged, "{place}: {error}");
            assert!(shelf.bytes() == bytes, "{place}: the file was changed");
            None
        }
    }
}
