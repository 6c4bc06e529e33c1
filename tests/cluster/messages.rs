//! Questions and announcements from member to member, through NATS and in memory.

use std::{sync::Arc, time::Duration};

use matterhost::cluster::{
    ANSWER_LIMIT, AskError, MAX_ANSWER_BYTES, MOST_ANNOUNCEMENTS, MOST_OPEN, MemberId, MemberMessages,
    MemoryMessages, Question, Topic,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use crate::contract::id;

/// The longest wait for what is certain to come.
const PATIENCE: Duration = Duration::from_secs(30);

const ACCOUNTS: Topic = Topic::Accounts;

/// Runs the whole contract of the port.
pub(crate) async fn check_contract(messages: Arc<dyn MemberMessages>) {
    let unknown = messages.ask(&id("nobody", 1), ACCOUNTS, b"?".to_vec(), ANSWER_LIMIT).await;
    assert_eq!(unknown, Err(AskError::Unreachable), "nobody listens");
    let a = id("a", 1);
    let mut questions = messages.questions(&a, ACCOUNTS);
    tokio::spawn(async move {
        let mut unanswered = Vec::new();
        while let Some(Question { text, answer, .. }) = questions.next().await {
            let _ = match text.as_slice() {
                b"silence" => {
                    unanswered.push(answer);
                    break;
                }
                b"nothing" => answer.send(Vec::new()),
                b"much" => answer.send((0..2_000_000_u32).map(|n| (n % 251) as u8).collect()),
                b"too much" => answer.send(vec![1; MAX_ANSWER_BYTES + 1]),
                text => answer.send([b"answer to ", text].concat()),
            };
        }
        sleep(ANSWER_LIMIT * 2).await;
    });
    first_answer(&*messages, &a).await;
    let later = MemberId::parse("a.0000000000000001.7").unwrap();
    let many = (0..20).map(|n| {
        messages.ask(if n % 2 == 0 { &a } else { &later }, ACCOUNTS, format!("{n}").into_bytes(), PATIENCE)
    });
    for (n, answer) in futures_util::future::join_all(many).await.into_iter().enumerate() {
        assert_eq!(answer, Ok(format!("answer to {n}").into_bytes()), "to each its own, in any incarnation");
    }
    assert_eq!(messages.ask(&a, ACCOUNTS, b"nothing".to_vec(), PATIENCE).await, Ok(Vec::new()));
    let much = messages.ask(&a, ACCOUNTS, b"much".to_vec(), PATIENCE).await.unwrap();
    assert!(
        much.len() == 2_000_000 && much.iter().enumerate().all(|(n, byte)| n % 251 == usize::from(*byte))
    );
    let other_process = messages.ask(&id("a", 2), ACCOUNTS, b"?".to_vec(), ANSWER_LIMIT).await;
    assert_eq!(other_process, Err(AskError::Unreachable), "a process that has replaced it is another one");
    let asked = Instant::now();
    let silent = messages.ask(&a, ACCOUNTS, b"silence".to_vec(), ANSWER_LIMIT).await;
    assert_eq!(silent, Err(AskError::Late(ANSWER_LIMIT)));
    assert!(asked.elapsed() >= ANSWER_LIMIT);
    check_concurrency(&*messages).await;
    check_topics(&*messages).await;
    check_announcements(&*messages).await;
}

/// All that listen hear what is announced. One that does not read, or listens no more, keeps nobody from hearing.
async fn check_announcements(messages: &dyn MemberMessages) {
    let [mut a, mut b, mut deaf, gone] = std::array::from_fn(|_| messages.announcements());
    for listener in [&mut a, &mut b, &mut deaf] {
        first_heard(messages, listener).await;
    }
    drop(gone);
    let texts: Vec<_> = (0..2 * MOST_ANNOUNCEMENTS).map(|n| format!("{n}").into_bytes()).collect();
    for text in &texts {
        messages.announce(text.clone()).await;
        assert_eq!([next_text(&mut a).await, next_text(&mut b).await], [text.clone(), text.clone()]);
    }
    let is_full = async {
        while deaf.len() < MOST_ANNOUNCEMENTS {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, is_full).await.unwrap();
    let kept: Vec<_> = std::iter::from_fn(|| deaf.try_recv().ok()).collect();
    assert_eq!(kept.len(), MOST_ANNOUNCEMENTS);
    let kept: Vec<_> = kept.iter().filter(|text| *text != b"first").collect();
    assert!(kept.iter().copied().eq(texts.iter().take(kept.len())), "the others are left out");
    messages.announce(b"last".to_vec()).await;
    // It hears again. What came between may be on the way still.
    while next_text(&mut deaf).await != b"last" {}
}

/// Waits until a member hears what is announced.
async fn first_heard(messages: &dyn MemberMessages, listener: &mut mpsc::Receiver<Vec<u8>>) {
    let heard = async {
        loop {
            messages.announce(b"first".to_vec()).await;
            sleep(Duration::from_millis(5)).await;
            if listener.try_recv().is_ok() {
                return;
            }
        }
    };
    timeout(PATIENCE, heard).await.unwrap();
}

/// Returns the next announcement that is not for the first wait.
async fn next_text(listener: &mut mpsc::Receiver<Vec<u8>>) -> Vec<u8> {
    loop {
        let text = timeout(PATIENCE, listener.recv()).await.unwrap().unwrap();
        if text != b"first" {
            return text;
        }
    }
}

/// Hooks that are not answered, however many, keep no question of an operator waiting.
async fn check_topics(messages: &dyn MemberMessages) {
    let c = id("c", 1);
    let (mut hooks, mut questions) = (messages.questions(&c, Topic::Hooks), messages.questions(&c, ACCOUNTS));
    let taking = tokio::spawn(async move {
        let mut unanswered = Vec::new();
        while let Some(hook) = hooks.next().await {
            unanswered.push(hook);
        }
    });
    let answering = tokio::spawn(async move {
        while let Some(Question { text, answer, .. }) = questions.next().await {
            let _ = answer.send(text);
        }
    });
    first_taken(messages, &c).await;
    let many = (0..2 * MOST_OPEN).map(|_| messages.ask(&c, Topic::Hooks, b"hook".to_vec(), PATIENCE));
    let mut many = futures_util::future::join_all(many);
    let asked = messages.ask(&c, ACCOUNTS, b"restart".to_vec(), PATIENCE);
    tokio::select! {
        biased;
        _ = &mut many => panic!("nobody answers hooks"),
        answer = asked => assert_eq!(answer, Ok(b"restart".to_vec())),
    }
    taking.abort();
    answering.abort();
}

/// A question that takes long does not keep others, and one that nobody waits for any more is not handed over.
async fn check_concurrency(messages: &dyn MemberMessages) {
    let b = id("b", 1);
    let mut questions = messages.questions(&b, ACCOUNTS);
    let (begun, begins) = tokio::sync::oneshot::channel();
    let (end, ends) = tokio::sync::oneshot::channel();
    let answering = tokio::spawn(async move {
        let first = timeout(PATIENCE, questions.next()).await.unwrap().unwrap();
        let _ = begun.send(());
        let second = timeout(PATIENCE, questions.next()).await.unwrap().unwrap();
        let _ = second.answer.send(second.text);
        ends.await.unwrap();
        let _ = first.answer.send(first.text);
        let third = timeout(PATIENCE, questions.next()).await.unwrap().unwrap();
        let _ = third.answer.send(third.text);
    });
    let slow = first_taken(messages, &b);
    let quick = async {
        begins.await.unwrap();
        let quick = messages.ask(&b, ACCOUNTS, b"quick".to_vec(), PATIENCE).await;
        let hurried = messages.ask(&b, ACCOUNTS, b"hurried".to_vec(), Duration::from_millis(300)).await;
        // Silent if the machine is so busy that its clock was not shown in time.
        assert!(matches!(hurried, Err(AskError::Late(_) | AskError::Silent(_))), "{hurried:?}");
        end.send(()).unwrap();
        quick
    };
    let (slow, quick) = futures_util::future::join(slow, quick).await;
    assert_eq!((slow, quick), (b"slow".to_vec(), Ok(b"quick".to_vec())));
    let later = messages.ask(&b, ACCOUNTS, b"later".to_vec(), PATIENCE).await;
    assert_eq!(later, Ok(b"later".to_vec()), "the hurried one is left out");
    answering.await.unwrap();
}

/// Asks until a member listens, and returns its answer.
async fn first_taken(messages: &dyn MemberMessages, member: &MemberId) -> Vec<u8> {
    loop {
        match messages.ask(member, ACCOUNTS, b"slow".to_vec(), PATIENCE).await {
            Ok(answer) => return answer,
            Err(AskError::Unreachable) => sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Waits until a member listens.
async fn first_answer(messages: &dyn MemberMessages, member: &MemberId) {
    let answered = async {
        while messages.ask(member, ACCOUNTS, b"first".to_vec(), PATIENCE).await
            != Ok(b"answer to first".to_vec())
        {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, answered).await.unwrap();
}

#[tokio::test]
async fn messages_in_memory_fulfil_the_contract() {
    check_contract(Arc::new(MemoryMessages::default())).await;
}
