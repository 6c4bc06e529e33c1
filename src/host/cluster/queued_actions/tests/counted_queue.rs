//! Requests to the queue that take time.

use std::sync::atomic::AtomicUsize;

use super::*;

/// A queue that counts the KiB that requests under way may fetch.
#[derive(Debug, Default)]
struct Counted {
    queue: MemoryActions,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Counted {
    fn count<T: Send + 'static>(&self, kib: usize, request: BoxFuture<'static, T>) -> BoxFuture<'static, T> {
        let (now, most) = (Arc::clone(&self.now), Arc::clone(&self.most));
        async move {
            most.fetch_max(now.fetch_add(kib, Ordering::Relaxed) + kib, Ordering::Relaxed);
            sleep(Duration::from_millis(1)).await;
            now.fetch_sub(kib, Ordering::Relaxed);
            request.await
        }
        .boxed()
    }
}

impl ActionQueue for Counted {
    fn accounts(&self) -> BoxFuture<'static, Result<Vec<AccountName>, QueueError>> {
        self.queue.accounts()
    }

    fn first(&self, account: &AccountName) -> BoxFuture<'static, Result<Option<QueuedAction>, QueueError>> {
        self.count(1024, self.queue.first(account))
    }

    fn finish(&self, action: QueuedAction, result: Vec<u8>) -> BoxFuture<'static, Result<(), QueueError>> {
        self.count(action.text.len().div_ceil(1024).max(256), self.queue.finish(action, result))
    }

    fn state(&self) -> BoxFuture<'static, Result<QueueState, QueueError>> {
        self.queue.state()
    }

    fn notices(&self) -> tokio::sync::mpsc::Receiver<QueueNotice> {
        self.queue.notices()
    }
}

#[tokio::test]
async fn many_accounts_ask_the_queue_a_few_at_a_time() {
    let (host, long) = (Host::new(Now::default()), "x".repeat(1_000_000));
    (0..200).for_each(|n| host.put(&format!("bot-{n}"), if n % 10 == 0 { &long } else { "hello" }));
    let counted = Counted { queue: host.queue.clone(), ..Counted::default() };
    let most = Arc::clone(&counted.most);
    let worker = host.start_with(Arc::new(counted));
    host.await_that(|host| host.queue.waiting() == 0).await;
    assert_eq!(most.load(Ordering::Relaxed), 4 * 1024, "KiB");
    worker.stop(Instant::now() + PATIENCE).await;
}

/// The host stops, or gives the account away, while the queue is asked for its first action.
#[tokio::test]
async fn an_action_that_is_read_too_late_is_left_to_the_next_member() {
    for stops in [true, false] {
        let host = Host::new(Now::default());
        host.put("a", "one");
        let surroundings = Surroundings {
            queue: Arc::new(Counted { queue: host.queue.clone(), ..Counted::default() }),
            ..host.surroundings()
        };
        let account = AccountName::new("a").unwrap();
        let mut step = surroundings.clone().step(of(&account, false), false).boxed();
        assert!((&mut step).now_or_never().is_none(), "it asks");
        if stops {
            surroundings.is_stopping.store(true, Ordering::Relaxed);
        } else {
            host.change(|now| now.elsewhere = set("a"));
        }
        assert_eq!((step.await, host.posted("a"), host.queue.waiting()), (StepEnd::Elsewhere, vec![], 1));
    }
}
