use std::{collections::VecDeque, future::ready};

use futures_util::future::{BoxFuture, FutureExt as _};
use matterhost_actors::{
    model::{OutgoingAction, PostedIds, ReplyError, ServerName},
    ports::Poster,
};
use parking_lot::Mutex;
use serde_json::json;

use super::*;
use crate::{
    admin::server::OwnedAccount,
    cluster::{MemberId, MemberName},
    config::Secrets,
    hooks::{HookAccount, Integrations, Signer},
    sinks::SinkBoard,
    telemetry::metrics::Metrics,
};

const WORDS_OF_NO_OWNER: &str = "The bot cannot answer now. Try again later.";
const WORDS_WITHOUT_ANSWER: &str = "The bot has not answered. It may still do what you asked.";

/// The form of a command as the server sends it.
const FORM: &[u8] =
    b"user_id=qaecr7krifn7dk36x1eesefkha&channel_id=6brqgaeuupn65ncg1ywigb6swa&command=%2Fdeploy&text=&token=t";

/// A poster of a host that hosts the account, or not.
struct Host(bool);

impl Poster for Host {
    fn post(&self, _: &AccountName, _: OutgoingAction) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        ready(Ok(PostedIds::default())).boxed()
    }

    fn may_act(&self, _: &AccountName) -> bool {
        self.0
    }
}

/// An owner of the account, and its answer.
type OwnerWithAnswer = (Owner, Result<Vec<u8>, AskError>);

/// Members of which the owner changes at each question, until the last stays.
#[derive(Default)]
struct Members {
    owners: Mutex<VecDeque<OwnerWithAnswer>>,
    asked: Mutex<Vec<(PassedHook, Duration)>>,
}

impl OtherMembers for Members {
    fn others(&self) -> Vec<MemberId> {
        Vec::new()
    }

    fn owned_accounts(&self) -> Vec<OwnedAccount> {
        Vec::new()
    }

    fn owner(&self, _: &AccountName) -> Owner {
        self.owners.lock().front().map_or(Owner::Nobody, |(owner, _)| owner.clone())
    }

    fn ask(
        &self,
        _: &MemberId,
        question: Vec<u8>,
        within: Duration,
    ) -> BoxFuture<'static, Result<Vec<u8>, AskError>> {
        self.asked.lock().push((PassedHook::read(&question).unwrap(), within));
        let mut owners = self.owners.lock();
        let answer = owners.front().map_or(Err(AskError::Unreachable), |(_, answer)| answer.clone());
        if owners.len() > 1 {
            owners.pop_front();
        }
        ready(answer).boxed()
    }
}

fn service(is_hosted: bool) -> HookService {
    service_with(is_hosted, &SinkBoard::default())
}

fn service_with(is_hosted: bool, board: &SinkBoard) -> HookService {
    let secrets = Secrets::parse("whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let integrations = Integrations::new(Signer::new(&secrets), "http://hooks.test", Duration::from_secs(60));
    let service = HookService::new(integrations, Metrics::new(true).hook_meter());
    service.poster(Arc::new(Host(is_hosted)));
    let helpdesk = HookAccount { server: ServerName::new("main").unwrap(), commands: [].into() };
    let name = AccountName::new("helpdesk").unwrap();
    board.set_account(&name, &[]);
    service.set_sinks(board.clone());
    service.set_accounts([(name, helpdesk)].into());
    service
}

fn other(answer: Result<HookReply, AskError>) -> OwnerWithAnswer {
    let owner = MemberId::new(MemberName::new("b").unwrap(), 1);
    (Owner::Member(owner), answer.map(HookReply::into_answer))
}

fn reply() -> HookReply {
    HookReply::Response(HookResponse { status: 200, body: json!({ "text": "from b" }) })
}

/// Answers a command for an account as a member that sees these owners. Returns the response, and the questions.
async fn run(
    account: &str,
    is_hosted: bool,
    owners: Vec<OwnerWithAnswer>,
) -> (HookResponse, Vec<(PassedHook, Duration)>) {
    let (service, members) = (service(is_hosted), Arc::new(Members::default()));
    *members.owners.lock() = owners.into();
    service.set_members(members.clone());
    let response = service.answer(account, &HookPath::Command("deploy".into()), FORM).await;
    let asked = members.asked.lock().clone();
    (response, asked)
}

/// The account has no command, which the owner says.
fn is_answered_here(response: &HookResponse) -> bool {
    response.status == 404 && response.body["detail"] == "there is no such command"
}

#[tokio::test(start_paused = true)]
async fn the_owner_answers_whichever_member_is_asked() {
    let (response, asked) = run("helpdesk", true, vec![(Owner::Here, Err(AskError::Unreachable))]).await;
    assert!(is_answered_here(&response) && asked.is_empty(), "{response:?}");
    let (response, asked) = run("nobody", false, vec![other(Ok(reply()))]).await;
    assert_eq!((response.status, asked.len()), (404, 0), "no member knows the account");
    let (response, asked) = run("helpdesk", false, vec![other(Ok(reply()))]).await;
    assert_eq!(HookReply::Response(response), reply());
    let [(hook, within)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(*hook, PassedHook::new("helpdesk", &HookPath::Command("deploy".into()), FORM));
    assert!(*within <= PASS_WITHIN && PASS_WITHIN < Duration::from_secs(3), "{within:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_carried_out_is_passed_on_again_until_the_account_has_an_owner() {
    let moves = vec![
        other(Ok(HookReply::NotTaken)),
        other(Err(AskError::Unreachable)),
        other(Err(AskError::Silent(Duration::from_secs(1)))),
        other(Ok(HookReply::NotTaken)),
        other(Ok(reply())),
    ];
    let (response, asked) = run("helpdesk", false, moves).await;
    assert_eq!((HookReply::Response(response), asked.len()), (reply(), 5));
    assert!(asked.windows(2).all(|two| two[0].1 > two[1].1), "one deadline for all: {asked:?}");
}

#[tokio::test(start_paused = true)]
async fn without_an_owner_the_person_reads_so_in_time_and_what_may_be_done_is_not_repeated() {
    for (owner, words, questions) in [
        ((Owner::Nobody, Ok(Vec::new())), WORDS_OF_NO_OWNER, 0),
        ((Owner::Here, Ok(Vec::new())), WORDS_OF_NO_OWNER, 0),
        (other(Err(AskError::Late(PASS_WITHIN))), WORDS_WITHOUT_ANSWER, 1),
        (other(Err(AskError::TooLong)), WORDS_WITHOUT_ANSWER, 1),
    ] {
        let begun = Instant::now();
        let (response, asked) = run("helpdesk", false, vec![owner]).await;
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        assert_eq!((&response.body["text"], response.status), (&json!(words), 200));
        assert_eq!(asked.len(), questions);
    }
}

#[tokio::test]
async fn a_member_takes_only_what_it_hosts_and_has_time_for() {
    let hook = PassedHook::new("helpdesk", &HookPath::Command("deploy".into()), FORM);
    let soon = ClusterTime::now() + Duration::from_secs(60);
    let answer = async |is_hosted, deadline| {
        HookReply::read(&service(is_hosted).answer_member(&hook, deadline).await).unwrap()
    };
    assert_eq!(answer(false, soon).await, HookReply::NotTaken, "it is hosted elsewhere");
    assert_eq!(answer(true, ClusterTime::now()).await, HookReply::NotTaken, "nobody waits any more");
    let HookReply::Response(response) = answer(true, soon).await else { panic!("not taken") };
    assert!(is_answered_here(&response), "{response:?}");
    let board = SinkBoard::default();
    let leaving = service_with(true, &board);
    board.set_leaving(&AccountName::new("helpdesk").unwrap());
    let reply = leaving.answer_member(&hook, soon).await;
    assert_eq!(HookReply::read(&reply), Some(HookReply::NotTaken), "it is about to leave");
    let unreadable =
        PassedHook::read(br#"{"hook":{"account":"helpdesk","path":"action","body":"%"}}"#).unwrap();
    let answer = service(true).answer_member(&unreadable, soon).await;
    assert_eq!(HookReply::read(&answer), Some(HookReply::NotTaken));
}
