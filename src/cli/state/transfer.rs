//! `matterhost state export` and `import`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, stream};
use matterhost_actors::{
    model::{AccountName, Changes, Records},
    ports::CursorStore,
};
use tempfile::NamedTempFile;

use super::{
    offline_store::{OfflineStore, StoreLocation},
    transfer_file::{self, Counts, Writer},
};
use crate::cluster::{merge_accounts, merge_channels};

/// The accounts that are read or written at a time: enough that ten thousand take seconds.
const AT_ONCE: usize = 32;
/// The accounts after which the progress is shown.
const PROGRESS: usize = 1_000;
/// The most accounts that a warning names.
const MAX_NAMED: usize = 20;

/// Writes all state of a store into a new file, which only its owner can read. Returns a summary.
pub(super) async fn export(location: StoreLocation, file: PathBuf) -> anyhow::Result<String> {
    if file.exists() {
        bail!("{} exists; name another file", file.display());
    }
    let store = OfflineStore::open(&location, false).await?;
    let accounts = store.accounts(&location).await?;
    let failed = || format!("cannot write {}", file.display());
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut written = NamedTempFile::new_in(directory.unwrap_or(Path::new("."))).with_context(failed)?;
    let counts = write_all(&store, accounts, BufWriter::new(&mut written)).await?;
    written.as_file().sync_all().with_context(failed)?;
    written.persist_noclobber(&file).with_context(failed)?;
    store.check_is_alone().await.context("a member has started during the export; export again")?;
    store.close().await?;
    let Counts { accounts, channels, values } = counts;
    Ok(format!(
        "exported {accounts} accounts with {channels} channels and {values} values to {}\n",
        file.display()
    ))
}

async fn write_all(
    store: &OfflineStore,
    accounts: Vec<AccountName>,
    to: impl io::Write,
) -> anyhow::Result<Counts> {
    let mut writer = Writer::begin(to)?;
    let (all, cursors) = (accounts.len(), store.cursors());
    let load = async |account: AccountName| {
        let records = cursors.load(&account).await;
        (account, records)
    };
    let mut loaded = stream::iter(accounts).map(load).buffered(AT_ONCE).enumerate();
    while let Some((n, (account, records))) = loaded.next().await {
        writer.add(&account, records?)?;
        store.release(&account);
        show_progress("exported", n + 1, all);
    }
    Ok(writer.end()?)
}

/// Merges the state of a file into a store. `known` are the accounts of the configuration. Returns a summary.
pub(super) async fn import(
    location: StoreLocation,
    file: PathBuf,
    known: Option<BTreeSet<AccountName>>,
) -> anyhow::Result<String> {
    let opened = File::open(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let all = transfer_file::read(BufReader::new(opened)).with_context(|| file.display().to_string())?;
    if let Some(known) = known {
        warn_of_unknown(all.keys().filter(|account| !known.contains(*account)));
    }
    let store = OfflineStore::open(&location, true).await?;
    let (count, cursors) = (all.len(), store.cursors());
    let import_one = async |(account, records): (AccountName, Records)| {
        let result = put(&cursors, &account, records).await;
        store.release(&account);
        result
    };
    let mut results = stream::iter(all).map(import_one).buffer_unordered(AT_ONCE).enumerate();
    let (mut merged, mut unchanged, mut values) = (0, 0, 0);
    while let Some((n, result)) = results.next().await {
        let result = result?;
        merged += usize::from(result.had_state && result.is_changed);
        unchanged += usize::from(!result.is_changed);
        values += result.refused_values;
        show_progress("imported", n + 1, count);
    }
    drop(results);
    store
        .check_is_alone()
        .await
        .context("a member has started during the import; stop it, and import again")?;
    store.close().await?;
    if values > 0 {
        warn(format_args!("{values} values of bots are left out: a cluster keeps none"));
    }
    Ok(format!(
        "imported {count} accounts: {unchanged} had all of it, {merged} had some state, with which it was merged\n"
    ))
}

/// The result of an import for one account.
struct Put {
    had_state: bool,
    is_changed: bool,
    refused_values: usize,
}

async fn put(
    store: &Arc<dyn CursorStore>,
    account: &AccountName,
    mut records: Records,
) -> anyhow::Result<Put> {
    let stored = store.load(account).await?;
    let mut refused_values = 0;
    if !store.keeps_values() {
        refused_values = std::mem::take(&mut records.values).values().map(BTreeMap::len).sum();
    }
    let changes = Changes::from(missing(&stored, records));
    let is_changed = !changes.is_empty();
    if is_changed {
        store.commit(account, changes).await?;
    }
    Ok(Put { had_state: !stored.is_empty(), is_changed, refused_values })
}

/// Returns the records that a store lacks: what is acknowledged on either side is acknowledged. Values that it has stay.
fn missing(stored: &Records, imported: Records) -> Records {
    let account = imported.account.map(|imported| match &stored.account {
        Some(stored) => merge_accounts(stored.clone(), imported),
        None => imported,
    });
    let channels = imported.channels.into_iter().map(|(id, imported)| match stored.channels.get(&id) {
        Some(stored) => (id, merge_channels(stored.clone(), imported)),
        None => (id, imported),
    });
    let mut values = imported.values;
    for (channel, values) in &mut values {
        let stored = stored.values.get(channel);
        values.retain(|key, _| stored.is_none_or(|stored| !stored.contains_key(key)));
    }
    values.retain(|_, values| !values.is_empty());
    Records {
        account: account.filter(|account| stored.account.as_ref() != Some(account)),
        channels: channels.filter(|(id, record)| stored.channels.get(id) != Some(record)).collect(),
        values,
    }
}

fn warn_of_unknown<'a>(unknown: impl Iterator<Item = &'a AccountName>) {
    let names: Vec<_> = unknown.map(AccountName::as_str).collect();
    if !names.is_empty() {
        let more = if names.len() > MAX_NAMED { ", …" } else { "" };
        let first = names.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
        warn(format_args!(
            "{} accounts of the file are not in the configuration: {first}{more}; their state is imported, too",
            names.len()
        ));
    }
}

fn show_progress(done: &str, n: usize, all: usize) {
    if n.is_multiple_of(PROGRESS) {
        warn(format_args!("{done} {n} of {all} accounts"));
    }
}

/// Writes a line to standard error. If that is closed, the line is lost.
fn warn(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "matterhost: {text}");
}

#[cfg(test)]
mod tests {
    use matterhost_actors::{
        model::{AccountRecord, ChannelRecord},
        store::{DiskSettings, DiskStore},
    };
    use tempfile::TempDir;

    use super::*;

    fn name() -> AccountName {
        AccountName::new("helpdesk").unwrap()
    }

    fn records(until: i64) -> Records {
        let record = ChannelRecord {
            anchor_at: until,
            anchor: Some(format!("post-{until}").as_str().into()),
            ..ChannelRecord::default()
        };
        Records {
            account: Some(AccountRecord {
                listed_at: Some(1),
                server_time: until,
                ..AccountRecord::default()
            }),
            channels: [("c".into(), record)].into(),
            values: [("c".into(), [("count".into(), until.to_string().into())].into())].into(),
        }
    }

    async fn store(dir: &Path, records: Records) {
        let store = DiskStore::open(dir, DiskSettings::default()).unwrap();
        store.commit(&name(), records.into()).await.unwrap();
        store.close().await.unwrap();
    }

    async fn stored(dir: &Path) -> Records {
        let store = DiskStore::open(dir, DiskSettings::default()).unwrap();
        let records = store.load(&name()).await.unwrap();
        store.close().await.unwrap();
        records
    }

    fn location(dir: &TempDir) -> StoreLocation {
        StoreLocation::Disk(dir.path().join("state"))
    }

    #[tokio::test]
    async fn state_moves_from_one_directory_to_another_and_a_second_import_changes_nothing() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        store(&from.path().join("state"), records(5)).await;
        let file = from.path().join("file");
        let said = export(location(&from), file.clone()).await.unwrap();
        assert!(said.starts_with("exported 1 accounts with 1 channels and 1 values to "), "{said}");
        let again = export(location(&from), file.clone()).await.unwrap_err().to_string();
        assert!(again.ends_with("exists; name another file"), "{again}");
        for had_all in [0, 1] {
            let said = import(location(&to), file.clone(), None).await.unwrap();
            assert!(said.starts_with(&format!("imported 1 accounts: {had_all} had all of it")), "{said}");
            assert_eq!(stored(&to.path().join("state")).await, records(5));
        }
        let nothing = tempfile::tempdir().unwrap();
        let missing = export(location(&nothing), nothing.path().join("file")).await.unwrap_err().to_string();
        assert!(missing.starts_with("no state is stored in "), "{missing}");
    }

    #[tokio::test]
    async fn what_a_store_has_acknowledged_since_stays_acknowledged() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        store(&from.path().join("state"), records(5)).await;
        let file = from.path().join("file");
        export(location(&from), file.clone()).await.unwrap();
        store(&to.path().join("state"), records(9)).await;
        let said = import(location(&to), file, Some(BTreeSet::new())).await.unwrap();
        assert!(said.contains("1 accounts"), "{said}");
        assert_eq!(stored(&to.path().join("state")).await, records(9));
    }

    #[tokio::test]
    async fn the_state_of_a_running_host_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let held = DiskStore::open(&dir.path().join("state"), DiskSettings::default()).unwrap();
        let error = export(location(&dir), dir.path().join("file")).await.unwrap_err().to_string();
        assert!(error.contains("a matterhost is running from") && error.contains("stop it first"), "{error}");
        drop(held);
    }
}
