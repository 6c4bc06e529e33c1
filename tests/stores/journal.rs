//! Updates are written once, in the journal, and reach their records later.

use std::sync::Arc;

use futures_util::future::join_all;
use matterhost_actors::store::{DiskStore, FILE_NAME, forget, list};
use matterhost_actors::{
    model::{AccountRecord, Changes, ChannelChange, ChannelRecord, ChannelValues, Records},
    ports::CursorStore as _,
};

use crate::store_dir::{StoreDir, name, records, seed, update};

/// Returns the store of a copy of the file, as it is after a kill at this moment.
fn killed(store_dir: &StoreDir) -> (StoreDir, DiskStore) {
    let copy = StoreDir::new();
    std::fs::copy(store_dir.file(), copy.dir().join(FILE_NAME)).unwrap();
    let store = copy.open().unwrap();
    (copy, store)
}

#[test]
fn updates_are_found_after_a_kill_and_a_stop_and_are_listed() {
    let store_dir = StoreDir::new();
    let store = store_dir.open().unwrap();
    store_dir.commit(&store, "a", records(2, 1)).unwrap();
    (2..=9).for_each(|n| store_dir.commit(&store, "a", update(2, n)).unwrap());
    let (copy, copied) = killed(&store_dir);
    assert_eq!(copy.load(&copied, "a"), Ok(records(2, 9)));
    // Updates go on where the journal that was replayed ended.
    copy.commit(&copied, "a", update(2, 10)).unwrap();
    let (second, again) = killed(&copy);
    assert_eq!(second.load(&again, "a"), Ok(records(2, 10)));
    store_dir.close(&store);
    let listed = list(store_dir.dir()).unwrap();
    assert_eq!((listed.len(), listed[0].channels), (1, 2));
    let store = store_dir.open().unwrap();
    assert_eq!(store_dir.load(&store, "a"), Ok(records(2, 9)));
}

#[test]
fn a_forgotten_account_stays_forgotten_whatever_the_journal_has() {
    for restarts in [true, false] {
        let store_dir = StoreDir::new();
        let store = store_dir.open().unwrap();
        store_dir.commit(&store, "a", records(2, 1)).unwrap();
        store_dir.commit(&store, "b", records(2, 1)).unwrap();
        store_dir.commit(&store, "a", update(2, 2)).unwrap();
        let (copy, store) = if restarts { killed(&store_dir) } else { (store_dir, store) };
        actix::System::new().block_on(store.forget(&name("a"))).unwrap();
        let (copy, copied) = killed(&copy);
        assert!(copy.load(&copied, "a").unwrap().is_empty());
        copy.commit(&copied, "a", records(1, 7)).unwrap();
        let (copy, copied) = killed(&copy);
        assert_eq!(copy.load(&copied, "a"), Ok(records(1, 7)));
        copy.close(&copied);
        assert_eq!(forget(copy.dir(), &name("a")), Ok(true));
        assert_eq!(list(copy.dir()).unwrap().len(), 1);
    }
}

/// An update is left out at a start if its number is not above the one that its record has.
#[test]
fn numbers_go_on_after_a_kill_though_the_last_transactions_had_no_updates() {
    let store_dir = StoreDir::new();
    let store = store_dir.open().unwrap();
    store_dir.commit(&store, "a", records(2, 1)).unwrap();
    store_dir.commit(&store, "b", records(2, 1)).unwrap();
    store_dir.commit(&store, "b", update(2, 2)).unwrap();
    (2..=9).for_each(|n| store_dir.commit(&store, "a", records(2, n)).unwrap());
    let (copy, copied) = killed(&store_dir);
    copy.commit(&copied, "a", update(2, 10)).unwrap();
    let (second, again) = killed(&copy);
    assert_eq!(second.load(&again, "a"), Ok(records(2, 10)));
    assert_eq!(second.load(&again, "b"), Ok(records(2, 2)));
}

#[test]
fn numbers_go_on_in_a_file_that_was_deleted_and_is_written_again() {
    let store_dir = StoreDir::new();
    let store = store_dir.open().unwrap();
    (1..=9).for_each(|n| store_dir.commit(&store, "a", records(2, n)).unwrap());
    std::fs::remove_file(store_dir.file()).unwrap();
    store_dir.commit(&store, "a", update(2, 10)).unwrap();
    let (copy, copied) = killed(&store_dir);
    assert_eq!(copy.load(&copied, "a"), Ok(records(2, 10)));
}

/// Any mixture of updates, whole records, loads and kills leaves what was committed last; enough of it to fill the journal.
#[test]
fn a_full_journal_is_applied_to_the_records() {
    let seed = seed();
    println!("seed {seed}; set MATTERHOST_SEED to repeat this run");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut store_dir = StoreDir::new();
    let mut store = store_dir.open().unwrap();
    let mut times = [0_i64; 12];
    for step in 0..3_000 {
        let account = random.usize(..times.len());
        let time = times[account] + 1;
        let changes: Changes =
            if time == 1 || random.u32(..50) == 0 { records(4, time).into() } else { update(4, time) };
        store_dir.commit(&store, &format!("bot-{account}"), changes).unwrap();
        times[account] = time;
        if random.u32(..600) == 0 {
            (store_dir, store) = killed(&store_dir);
        }
        if step % 100 == 0 {
            let found = store_dir.load(&store, &format!("bot-{account}"));
            assert_eq!(found, Ok(records(4, time)), "step {step}");
        }
    }
    let (copy, copied) = killed(&store_dir);
    for (account, time) in times.into_iter().enumerate() {
        assert_eq!(copy.load(&copied, &format!("bot-{account}")), Ok(records(4, time)));
    }
}

/// The bytes of a file do not grow, however many updates come.
#[test]
fn a_file_does_not_grow_with_its_updates() {
    let store_dir = StoreDir::new();
    let store = store_dir.open().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let accounts: Vec<_> = (0..50).map(|n| name(&format!("bot-{n}"))).collect();
    let commit = |n: i64| {
        let changes = if n == 1 { records(10, n).into() } else { update(10, n) };
        runtime.block_on(join_all(accounts.iter().map(|account| store.commit(account, changes.clone()))))
    };
    let mut sizes = Vec::new();
    for n in 1..=600 {
        for stored in commit(n) {
            stored.unwrap();
        }
        if n % 100 == 0 {
            sizes.push(store_dir.bytes().len());
        }
    }
    // redb doubles the file now and then. All updates together would need more than this.
    assert!(sizes.iter().all(|size| *size <= 16 << 20), "{sizes:?}");
    assert_eq!(store_dir.load(&store, "bot-7"), Ok(records(10, 600)));
}

#[test]
fn a_commit_of_many_channels_is_complete_when_it_is_answered_and_others_pass_it() {
    let store_dir = StoreDir::new();
    let store = Arc::new(store_dir.open().unwrap());
    let channels = |n: i64| {
        (0..3_000).map(move |c| {
            (format!("c{c:05}").as_str().into(), ChannelRecord { anchor_at: n, ..ChannelRecord::default() })
        })
    };
    let value: ChannelValues = [("key".into(), "1".into())].into();
    let large = Records {
        account: Some(AccountRecord { listed_at: Some(1), ..AccountRecord::default() }),
        channels: channels(1).collect(),
        values: ["c00000", "c02999", "elsewhere"].map(|channel| (channel.into(), value.clone())).into(),
    };
    actix::System::new().block_on(async {
        let committed = store.commit(&name("large"), large.clone().into());
        let small = store.commit(&name("small"), records(1, 1).into());
        let loaded = store.load(&name("large"));
        small.await.unwrap();
        committed.await.unwrap();
        assert_eq!(loaded.await, Ok(large.clone()), "a load waits for the whole commit");
        // Of a commit with an update that is refused, nothing claims to be stored.
        let mut refused = Changes::from(Records { channels: channels(2).collect(), ..Records::default() });
        refused.channels.insert("a".into(), ChannelChange::Update(Box::default()));
        assert!(store.commit(&name("large"), refused).await.is_err());
        assert_eq!(store.commit(&name("large"), large.clone().into()).await, Ok(()));
        assert_eq!(store.load(&name("large")).await, Ok(large.clone()));
    });
    drop(store);
    let (copy, copied) = killed(&store_dir);
    assert_eq!(copy.load(&copied, "large"), Ok(large));
}
