//! The contract of `CursorStore`. Each implementation runs these tests.

use std::sync::Arc;

use matterhost_actors::{
    model::{
        AccountChange, AccountName, AccountRecord, Changes, ChannelChange, ChannelRecord, ChannelUpdate,
        PostId, PostsUpdate, Records, ResumePoint, UserId,
    },
    ports::CursorStore,
};

fn name(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

fn post(n: i64) -> (i64, PostId) {
    (n, PostId::from(format!("post-{n}").as_str()))
}

/// A channel in which everything is set, so that nothing can be lost unseen.
fn channel(n: i64) -> ChannelRecord {
    ChannelRecord {
        anchor_at: n,
        anchor: Some(post(n).1),
        since: (n + 1..n + 5).map(post).collect(),
        seen_until: n + 5,
        edited_until: n + 2,
        edits: vec![post(n + 3)],
        deleted: vec![post(n + 4).1],
        left: n % 2 == 1,
        joining: n % 3 == 1,
        hole: n % 2 == 0,
        beyond: vec![post(n + 6)],
        absent_since: (n % 2 == 0).then_some(n),
    }
}

fn account(n: i64) -> AccountRecord {
    AccountRecord {
        user: Some(UserId::from("user")),
        baseline: Some(n),
        resume: Some(ResumePoint {
            connection_id: "connection".into(),
            next_seq: 7,
            handled: vec![9, n.unsigned_abs()],
        }),
        listed_at: Some(n),
        server_time: n + 1,
    }
}

fn channels(of: impl IntoIterator<Item = (&'static str, i64)>) -> Records {
    let channels = of.into_iter().map(|(id, n)| (id.into(), channel(n))).collect();
    Records { channels, ..Records::default() }
}

/// Runs the whole contract. `reopen` closes a store as the end of a process would, and opens its data again.
pub(crate) async fn check_contract<S: CursorStore>(store: S, reopen: impl AsyncFn(Arc<S>) -> S) {
    let store = reopen(Arc::new(nothing_is_known_at_first(store).await)).await;
    let store = reopen(Arc::new(changes_are_put_on_what_is_kept(store).await)).await;
    let store = accounts_are_kept_apart_and_forgotten_alone(store).await;
    let store = reopen(Arc::new(updates_are_applied_to_what_is_kept(store).await)).await;
    let store = reopen(Arc::new(a_removed_channel_is_forgotten(store).await)).await;
    let store = values_are_kept_by_channel_and_key(store).await;
    let store = an_update_of_nothing_is_refused(store).await;
    let store = reopen(Arc::new(the_last_of_many_commits_counts(store).await)).await;
    many_accounts_commit_at_once(store).await;
}

async fn nothing_is_known_at_first<S: CursorStore>(store: S) -> S {
    assert_eq!(store.load(&name("a")).await, Ok(Records::default()));
    store.commit(&name("a"), Changes::default()).await.unwrap();
    assert_eq!(store.load(&name("a")).await, Ok(Records::default()));
    let first = Records { account: Some(account(1)), ..channels([("c", 1), ("d", 20)]) };
    store.commit(&name("a"), first.clone().into()).await.unwrap();
    assert_eq!(store.load(&name("a")).await, Ok(first), "a committed cursor can be read at once");
    store
}

async fn changes_are_put_on_what_is_kept<S: CursorStore>(store: S) -> S {
    let first = Records { account: Some(account(1)), ..channels([("c", 1), ("d", 20)]) };
    assert_eq!(store.load(&name("a")).await, Ok(first), "it outlives the process");
    store.commit(&name("a"), channels([("d", 31), ("e", 40)]).into()).await.unwrap();
    store
        .commit(&name("a"), Records { account: Some(account(2)), ..Records::default() }.into())
        .await
        .unwrap();
    let all = Records { account: Some(account(2)), ..channels([("c", 1), ("d", 31), ("e", 40)]) };
    assert_eq!(store.load(&name("a")).await, Ok(all));
    store
}

async fn accounts_are_kept_apart_and_forgotten_alone<S: CursorStore>(store: S) -> S {
    // A name that begins as another does, and one with every sign a name may have.
    for other in ["a.b", "a-b_C.1", "ä"] {
        store.commit(&name(other), channels([("c", 5)]).into()).await.unwrap();
    }
    store.forget(&name("a")).await.unwrap();
    store.forget(&name("a")).await.unwrap();
    assert_eq!(store.load(&name("a")).await, Ok(Records::default()));
    for other in ["a.b", "a-b_C.1", "ä"] {
        assert_eq!(store.load(&name(other)).await, Ok(channels([("c", 5)])), "{other}");
    }
    store
}

/// An update in which everything changes.
fn update(n: i64) -> Changes {
    let posts = |removed: i64, added: i64| PostsUpdate {
        removed_until: Some(post(removed)),
        added: vec![post(added)],
    };
    let update = ChannelUpdate {
        anchor_at: n,
        anchor: Some(post(n).1),
        seen_until: n + 9,
        edited_until: n + 1,
        left: n % 2 == 0,
        joining: n % 3 == 0,
        hole: n % 2 == 1,
        since: posts(n, n + 7),
        edits: posts(n + 1, n + 8),
        beyond: posts(n + 2, n + 9),
        deleted: vec![post(n + 3).1],
        forgotten_deletions: 1,
    };
    let channels = [("c".into(), ChannelChange::Update(Box::new(update)))];
    Changes { account: Some(AccountChange::ServerTime(n)), channels: channels.into(), ..Changes::default() }
}

async fn updates_are_applied_to_what_is_kept<S: CursorStore>(store: S) -> S {
    let mut expected = Records { account: Some(account(1)), ..channels([("c", 1), ("d", 2)]) };
    store.commit(&name("u"), expected.clone().into()).await.unwrap();
    for n in 2..40 {
        store.commit(&name("u"), update(n)).await.unwrap();
        assert!(expected.put(update(n)));
        if n % 10 == 0 {
            assert_eq!(store.load(&name("u")).await, Ok(expected.clone()), "update {n} can be read at once");
        }
        if n % 15 == 0 {
            let whole = channels([("c", n)]);
            store.commit(&name("u"), whole.clone().into()).await.unwrap();
            expected.put(whole.into());
        }
    }
    assert_eq!(store.load(&name("u")).await, Ok(expected));
    store
}

async fn a_removed_channel_is_forgotten<S: CursorStore>(store: S) -> S {
    store.commit(&name("r"), channels([("c", 1), ("d", 2), ("e", 3)]).into()).await.unwrap();
    let mut changes = Changes { account: Some(AccountChange::Record(account(1))), ..update(4) };
    store.commit(&name("r"), changes.clone()).await.unwrap();
    let removed = ["c", "d", "never stored"].map(|channel| (channel.into(), ChannelChange::Removed));
    changes.channels = removed.into();
    store.commit(&name("r"), changes).await.unwrap();
    let expected = Records { account: Some(account(1)), ..channels([("e", 3)]) };
    assert_eq!(store.load(&name("r")).await, Ok(expected));
    store
}

/// Returns changes of the values of a channel.
fn values(channel: &str, of: &[(&str, Option<&str>)]) -> Changes {
    let changes = of.iter().map(|(key, value)| ((*key).into(), value.map(Into::into))).collect();
    Changes { values: [(channel.into(), changes)].into(), ..Changes::default() }
}

async fn values_are_kept_by_channel_and_key<S: CursorStore>(store: S) -> S {
    if !store.keeps_values() {
        return store;
    }
    let mut expected = Records::default();
    for changes in [
        values("c", &[("a", Some("1")), ("b", Some("[]")), ("", Some("0"))]),
        values("d", &[("a", Some("\"ä\""))]),
        // No channel at all, and a record at the same time.
        Changes {
            channels: [("c".into(), ChannelChange::Record(Box::new(channel(1))))].into(),
            ..values("", &[("a", Some("2"))])
        },
        values("c", &[("a", Some("3")), ("b", None), ("never put", None)]),
        values("d", &[("a", None)]),
    ] {
        store.commit(&name("k"), changes.clone()).await.unwrap();
        assert!(expected.put(changes));
        assert_eq!(store.load(&name("k")).await, Ok(expected.clone()));
    }
    assert_eq!(expected.values.len(), 2, "{expected:?}");
    store.commit(&name("k.b"), values("c", &[("a", Some("1"))])).await.unwrap();
    let refused = Changes { values: values("c", &[("a", Some("9"))]).values, ..update(1) };
    store.forget(&name("k")).await.unwrap();
    assert!(store.commit(&name("k"), refused).await.is_err());
    assert_eq!(store.load(&name("k")).await, Ok(Records::default()), "refused with the record");
    assert_eq!(store.load(&name("k.b")).await.unwrap().values.len(), 1);
    store
}

async fn an_update_of_nothing_is_refused<S: CursorStore>(store: S) -> S {
    let mut expected = channels([("c", 1), ("d", 2)]);
    expected.account = Some(account(1));
    expected.put(channels([("c", 30)]).into());
    (31..40).for_each(|n| assert!(expected.put(update(n))));
    expected.account.as_mut().unwrap().server_time = 39;
    assert_eq!(store.load(&name("u")).await, Ok(expected), "it outlives the process");
    store.forget(&name("u")).await.unwrap();
    let refused = [store.commit(&name("u"), update(1)), store.commit(&name("v"), update(1))];
    let other = store.commit(&name("w"), channels([("c", 5)]).into());
    for refused in refused {
        assert!(refused.await.is_err_and(|error| error.message.contains("is not in the store")));
    }
    assert_eq!(other.await, Ok(()), "the commit of another account at the same time");
    for name in [name("u"), name("v")] {
        assert_eq!(store.load(&name).await, Ok(Records::default()));
    }
    store
}

async fn the_last_of_many_commits_counts<S: CursorStore>(store: S) -> S {
    for n in 0..50 {
        store.commit(&name("b"), channels([("c", n)]).into()).await.unwrap();
    }
    assert_eq!(store.load(&name("b")).await, Ok(channels([("c", 49)])));
    store
}

async fn many_accounts_commit_at_once<S: CursorStore>(store: S) {
    assert_eq!(store.load(&name("b")).await, Ok(channels([("c", 49)])), "it outlives the process");
    let names: Vec<AccountName> = (0..100).map(|n| name(&format!("bot-{n}"))).collect();
    let commits: Vec<_> = names.iter().map(|name| store.commit(name, channels([("c", 3)]).into())).collect();
    for commit in commits {
        commit.await.unwrap();
    }
    for name in &names {
        assert_eq!(store.load(name).await, Ok(channels([("c", 3)])), "{name}");
    }
}
