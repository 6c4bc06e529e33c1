use proptest::{collection::vec, prelude::*};

use super::*;

fn channel(n: u8) -> ChannelId {
    format!("channel-{n}").as_str().into()
}

fn changes(of: &[(&str, Option<&str>)]) -> ValueChanges {
    of.iter().map(|(key, value)| ((*key).into(), value.map(Into::into))).collect()
}

fn refusal(kept: &KeptValues, earlier: &ValueChanges, key: &str, bytes: usize) -> Option<StorageError> {
    let checked = KeptValues::check_key(key);
    checked.and_then(|()| kept.check(&channel(1), earlier, key, &"x".repeat(bytes))).err()
}

#[test]
fn what_is_too_large_is_refused_by_name() {
    let (kept, none) = (KeptValues::default(), ValueChanges::new());
    for (key, bytes, expected) in [
        ("", 1, Some("a key has 1 to 256 bytes")),
        ("a\nb", 1, Some("no control characters")),
        (&"k".repeat(257), 1, Some("a key has 1 to 256 bytes")),
        (&"k".repeat(256), VALUE_BYTES, None),
        ("k", VALUE_BYTES + 1, Some("\"k\" has 65537 bytes")),
    ] {
        let refused = refusal(&kept, &none, key, bytes).map(|error| error.to_string());
        match (refused, expected) {
            (None, None) => {}
            (Some(text), Some(part)) => assert!(text.contains(part), "{part}: {text}"),
            other => panic!("{bytes} bytes: {other:?}"),
        }
    }
}

#[test]
fn a_channel_and_an_account_have_a_limit_and_a_deletion_makes_room() {
    let mut kept = KeptValues::default();
    let large = "x".repeat(VALUE_BYTES - ENTRY_BYTES - 1);
    let fill = |keys: [&str; 4]| changes(&keys.map(|key| (key, Some(&*large))));
    kept.apply(&channel(1), fill(["a", "b", "c", "d"]));
    assert!(matches!(
        refusal(&kept, &changes(&[]), "e", 1),
        Some(StorageError::ChannelFull { limit: CHANNEL_BYTES, .. })
    ));
    assert_eq!(refusal(&kept, &changes(&[]), "a", VALUE_BYTES - ENTRY_BYTES - 1), None, "replaces a value");
    assert_eq!(refusal(&kept, &changes(&[("a", None)]), "e", 1), None, "after a deletion");
    for n in 2..=64 {
        kept.apply(&channel(n), fill(["a", "b", "c", "d"]));
    }
    assert_eq!(kept.bytes, ACCOUNT_BYTES);
    let refused = kept.check(&channel(70), &changes(&[]), "a", "1");
    assert!(matches!(refused, Err(StorageError::AccountFull { limit: ACCOUNT_BYTES, .. })), "{refused:?}");
    kept.apply(&channel(2), changes(&[("a", None)]));
    assert_eq!(kept.check(&channel(70), &changes(&[]), "a", "1"), Ok(()));
}

#[test]
fn without_a_store_nothing_waits_for_it() {
    let mut kept = KeptValues::default();
    kept.apply(&channel(1), changes(&[("a", Some("1"))]));
    assert!(!kept.has_changes() && kept.get(&channel(1), "a").is_some());
}

/// A step of a host's life.
#[derive(Debug, Clone)]
enum Step {
    /// An event of a channel is acknowledged, with a change of a key.
    Acknowledge { channel: u8, key: u8, value: Option<u8> },
    /// The store is given what may be saved: all channels but one.
    Save { except: u8 },
    /// The store answers.
    Answer { is_saved: bool },
    /// The process is killed; the store may have what it was given.
    Kill { is_saved: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..3, 0u8..3, proptest::option::of(0u8..9))
            .prop_map(|(channel, key, value)| Step::Acknowledge { channel, key, value }),
        2 => (0u8..4).prop_map(|except| Step::Save { except }),
        2 => any::<bool>().prop_map(|is_saved| Step::Answer { is_saved }),
        1 => any::<bool>().prop_map(|is_saved| Step::Kill { is_saved }),
    ]
}

type All = BTreeMap<ChannelId, ChannelValues>;

fn put(all: &mut All, changes: &BTreeMap<ChannelId, ValueChanges>) {
    let mut kept = KeptValues::restore(std::mem::take(all));
    for (channel, changes) in changes {
        kept.apply(channel, changes.clone());
    }
    *all = kept.channels.into_iter().collect();
}

proptest! {
    /// After any kill, each channel is as it was when its acknowledgements were last stored.
    #[test]
    fn a_kill_takes_each_channel_back_to_what_was_stored(steps in vec(step(), 1..40)) {
        let mut kept = KeptValues::restore(All::new());
        // The values after each acknowledgement, those in the store, and what the store is about to write.
        let (mut acknowledged, mut stored, mut given) = (All::new(), All::new(), None);
        for step in steps {
            match step {
                Step::Acknowledge { channel: of, key, value } => {
                    let value = value.map(|value| value.to_string());
                    let changes = changes(&[(&format!("k{key}"), value.as_deref())]);
                    put(&mut acknowledged, &BTreeMap::from([(channel(of), changes.clone())]));
                    kept.apply(&channel(of), changes);
                }
                Step::Save { except } if given.is_none() => {
                    let before = stored.clone();
                    given = Some(kept.take_changes(|saved| *saved != channel(except)));
                    put(&mut stored, given.as_ref().unwrap());
                    for n in 0..3u8 {
                        let expected = if n == except { &before } else { &acknowledged };
                        prop_assert_eq!(stored.get(&channel(n)), expected.get(&channel(n)));
                    }
                    stored = before;
                }
                Step::Answer { is_saved } => if let Some(given) = given.take() {
                    if is_saved { put(&mut stored, &given); }
                    kept.set_saved(is_saved);
                },
                Step::Kill { is_saved } => {
                    if let Some(given) = given.take().filter(|_| is_saved) { put(&mut stored, &given); }
                    kept = KeptValues::restore(stored.clone());
                    acknowledged = stored.clone();
                }
                Step::Save { .. } => {}
            }
            let sizes: usize = kept.channels.values().map(size).sum();
            prop_assert_eq!(kept.bytes, sizes);
        }
    }
}
