use super::*;

fn account(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

fn load(path: &Path) -> Arc<Journal> {
    Arc::new(Journal::load(path.to_owned()).unwrap())
}

fn runs(journal: &Arc<Journal>, name: &str, place: Option<&str>) -> BotRuns {
    BotRuns::new(Arc::clone(journal), &account(name), place)
}

/// Runs a test with a path in a new directory.
fn with_path(test: &str, body: impl AsyncFnOnce(&Path)) {
    let directory = std::env::temp_dir().join(format!("journal-{test}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(body(&directory.join("schedules.json")));
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn the_next_process_reads_what_this_one_wrote() {
    with_path("next", async |path| {
        let journal = load(path);
        let (a, b) = (runs(&journal, "a", None), runs(&journal, "b", None));
        assert_eq!(a.done_until("daily"), None);
        a.record("daily", 5).await.unwrap();
        b.record("daily", 7).await.unwrap();
        a.record("daily", 6).await.unwrap();
        let next = load(path);
        assert_eq!(runs(&next, "a", None).done_until("daily"), Some(6));
        assert_eq!(runs(&next, "b", None).done_until("daily"), Some(7));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    });
}

#[test]
fn what_is_forgotten_stays_so_when_a_run_ends_afterwards() {
    with_path("forgotten", async |path| {
        const ALL: [(&str, &str); 3] = [("a", "desk"), ("a", "other"), ("ab", "desk")];
        let journal = load(path);
        let all = ALL.map(|(name, place)| runs(&journal, name, Some(place)));
        for bot in &all {
            bot.record("daily", 5).await.unwrap();
        }
        // Started again, and then taken away: both still have runs that end.
        let again = runs(&journal, "a", Some("desk"));
        runs(&journal, "a", Some("desk")).forget().unwrap().await.unwrap();
        all[0].record("daily", 6).await.unwrap();
        again.record("daily", 6).await.unwrap();
        let next = load(path);
        let times = ALL.map(|(name, place)| runs(&next, name, Some(place)).done_until("daily"));
        assert_eq!(times, [None, Some(5), Some(5)]);
        let back = runs(&journal, "a", Some("desk"));
        back.record("daily", 7).await.unwrap();
        assert_eq!(back.done_until("daily"), Some(7), "the same bot comes back");
    });
}

#[test]
fn a_run_that_ends_after_its_schedule_or_its_bot_was_removed_is_not_recorded() {
    with_path("ended", async |path| {
        let journal = load(path);
        let (desk, other) = (runs(&journal, "a", Some("desk")), runs(&journal, "a", Some("other")));
        for bot in [&desk, &other] {
            for schedule in ["daily", "old"] {
                bot.record(schedule, 5).await.unwrap();
            }
        }
        // Started again with fewer schedules, while a run of another one goes on.
        let again = runs(&journal, "a", Some("desk"));
        again.keep_only(&[Schedule::new("daily", "0 1 * * *").unwrap()]).unwrap().await.unwrap();
        let account = account("a");
        journal.keep_only([(&account, Some("desk"))]).unwrap().await.unwrap();
        for bot in [&desk, &other] {
            for schedule in ["daily", "old"] {
                bot.begin(schedule, 6).await.unwrap();
                bot.record(schedule, 6).await.unwrap();
            }
        }
        let next = load(path);
        assert!(next.times.lock().done_until.keys().eq(["a/desk/daily"]), "{next:?}");
        assert!(next.times.lock().begun.is_empty(), "{next:?}");
        // Both come back.
        let schedules = ["daily", "old"].map(|name| Schedule::new(name, "0 1 * * *").unwrap());
        for bot in [again, runs(&journal, "a", Some("other"))] {
            assert!(bot.keep_only(&schedules).is_none());
            bot.record("old", 7).await.unwrap();
            assert_eq!(bot.done_until("old"), Some(7));
        }
    });
}

#[test]
fn a_run_that_began_is_known_until_it_is_done_or_forgotten() {
    with_path("begun", async |path| {
        let journal = load(path);
        let (a, b) = (runs(&journal, "a", None), runs(&journal, "b", None));
        for bot in [&a, &b] {
            bot.record("daily", 5).await.unwrap();
            bot.begin("daily", 7).await.unwrap();
            bot.record("daily", 5).await.unwrap();
        }
        let next = load(path);
        assert_eq!(next.times.lock().bytes, journal.times.lock().bytes);
        let next_a = runs(&next, "a", None);
        assert_eq!((next_a.done_until("daily"), next_a.begun("daily")), (Some(5), Some(7)));
        next_a.record("daily", 7).await.unwrap();
        assert_eq!((next_a.done_until("daily"), next_a.begun("daily")), (Some(7), None));
        runs(&next, "b", None).forget().unwrap().await.unwrap();
        let last = load(path);
        assert_eq!(last.times.lock().bytes, next.times.lock().bytes);
        assert_eq!(runs(&last, "b", None).begun("daily"), None);
    });
}

#[test]
fn what_was_removed_while_no_host_ran_is_forgotten() {
    with_path("removed", async |path| {
        let kept = ["a/desk/daily", "a/desk2/daily", "b/desk/a/b"];
        let gone = ["a/desk/old", "a/des/daily", "a/daily", "ab/desk/daily", "c/desk/daily", ""];
        let text: Vec<_> = kept.iter().chain(&gone).map(|name| format!("{name:?}:5")).collect();
        fs::write(path, format!(r#"{{"format":1,"done_until":{{{}}}}}"#, text.join(","))).unwrap();
        let journal = load(path);
        let (a, b) = (account("a"), account("b"));
        let bots = [(&a, Some("desk")), (&a, Some("desk2")), (&b, Some("desk"))];
        journal.keep_only(bots).unwrap().await.unwrap();
        let daily = Schedule::new("daily", "0 1 * * *").unwrap();
        runs(&journal, "a", Some("desk")).keep_only(&[daily]).unwrap().await.unwrap();
        let next = load(path);
        assert!(next.times.lock().done_until.keys().eq(kept), "{next:?}");
        assert_eq!(next.times.lock().bytes, journal.times.lock().bytes);
        assert!(next.keep_only(bots).is_none(), "there is nothing to write");
        next.keep_only([]).unwrap().await.unwrap();
        assert_eq!(load(path).times.lock().bytes, 0);
    });
}

#[test]
fn changes_at_the_same_time_share_a_write() {
    with_path("shared", async |path| {
        let journal = load(path);
        let bots = ["a", "b", "c"].map(|name| runs(&journal, name, None));
        let [a, b, c] = &bots;
        let recorded = tokio::join!(a.record("daily", 5), b.record("daily", 5), c.record("daily", 5));
        assert_eq!(recorded, (Ok(()), Ok(()), Ok(())));
        assert_eq!(journal.last_write.lock().await.version, 3);
        let next = load(path);
        assert_eq!(["a", "b", "c"].map(|name| runs(&next, name, None).done_until("daily")), [Some(5); 3]);
    });
}

#[test]
fn a_schedule_has_one_claim_at_a_time() {
    let journal = Arc::<Journal>::default();
    let (a, b) = (runs(&journal, "a", None), runs(&journal, "b", None));
    let (first, other) = (a.claim("daily"), b.claim("daily"));
    assert!(Arc::ptr_eq(&first, &a.claim("daily")));
    assert!(!Arc::ptr_eq(&first, &other));
    drop((first, other));
    for n in 0..1_000 {
        drop(a.claim(&n.to_string()));
    }
    assert!(journal.claims.lock().len() <= 2, "{}", journal.claims.lock().len());
}

#[test]
fn a_journal_that_is_full_is_still_read_and_takes_the_runs_that_it_has() {
    with_path("full", async |path| {
        let journal = load(path);
        let bot = runs(&journal, "a", None);
        bot.record("daily", 1).await.unwrap();
        let mut count = 0;
        // Quotes take two bytes in the file.
        while journal.times.lock().set_done(format!("{}{count}", "\"".repeat(10_000)), i64::MAX).is_ok() {
            count += 1;
        }
        let refused = bot.record(&"n".repeat(20_000), 1).await.unwrap_err();
        assert!(refused.contains(&format!("full with {} schedules", count + 1)), "{refused}");
        bot.record("daily", 2).await.unwrap();
        let next = load(path);
        assert_eq!(runs(&next, "a", None).done_until("daily"), Some(2));
        assert_eq!(next.times.lock().bytes, journal.times.lock().bytes);
        bot.forget().unwrap().await.unwrap();
        assert_eq!(journal.times.lock().done_until.len(), count);
    });
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_kept() {
    with_path("other", async |path| {
        for text in ["", "{}", "[1]", r#"{"format":2,"done_until":{}}"#, &" ".repeat(MAX_BYTES + 1)] {
            fs::write(path, text).unwrap();
            let refused = Journal::load(path.to_owned()).unwrap_err();
            assert!(refused.contains("schedules.json") && refused.contains("name another file"), "{refused}");
            assert_eq!(fs::read_to_string(path).unwrap(), text);
        }
    });
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    with_path("missing", async |path| {
        let journal = load(&path.join("missing/schedules.json"));
        let bot = runs(&journal, "a", None);
        let failed = bot.record("daily", 5).await.unwrap_err();
        assert!(failed.contains("missing/schedules.json"), "{failed}");
        assert_eq!(bot.done_until("daily"), Some(5), "kept in memory");
    });
}
