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
    config::{AdminToken, Secrets},
    hooks::{HookAccount, Integrations, RegisteredCommand, Signer, passed_hook::ShownToken},
    sinks::SinkBoard,
    telemetry::metrics::Metrics,
};

const WORDS_OF_NO_OWNER: &str = "The bot cannot answer now. Try again later.";
const WORDS_OF_BUSY: &str = "The bot is too busy. Try again in a moment.";
const WORDS_WITHOUT_ANSWER: &str = "The bot has not answered. It may still do what you asked.";

/// The form of a command as the server sends it.
const FORM: &[u8] =
    b"user_id=qaecr7krifn7dk36x1eesefkha&channel_id=6brqgaeuupn65ncg1ywigb6swa&command=%2Fdeploy&text=\
    &token=mustnotshow-deploy&trigger_id=t1";

/// The connections of the listener.
const CONNECTIONS: usize = 16;

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

/// Members of which the owner changes at each question, until the last stays. One that would answer a request hosts the account.
#[derive(Default)]
struct Members {
    owners: Mutex<VecDeque<OwnerWithAnswer>>,
    asked: Mutex<Vec<(HookQuestion, Duration)>>,
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
        topic: Topic,
        question: Vec<u8>,
        within: Duration,
    ) -> BoxFuture<'static, Result<Vec<u8>, AskError>> {
        let question = HookQuestion::read(&question).filter(|_| topic == Topic::Hooks).unwrap();
        self.asked.lock().push((question.clone(), within));
        let mut owners = self.owners.lock();
        let is_small = !matches!(question, HookQuestion::Hook(_));
        if is_small && owners.front().is_some_and(|(_, answer)| is_of_host(answer)) {
            return ready(Ok(HookReply::Hosted.into_answer())).boxed();
        }
        let answer = owners.front().map_or(Err(AskError::Unreachable), |(_, answer)| answer.clone());
        if owners.len() > 1 {
            owners.pop_front();
        }
        ready(answer).boxed()
    }
}

/// Returns true for an answer of a member that hosts the account when it is asked whether it does.
fn is_of_host(answer: &Result<Vec<u8>, AskError>) -> bool {
    match answer {
        Ok(answer) => !matches!(HookReply::read(answer), Some(HookReply::NotTaken | HookReply::WrongToken)),
        Err(AskError::Late(_) | AskError::TooLong) => true,
        Err(AskError::Unreachable | AskError::Silent(_)) => false,
    }
}

fn service(is_hosted: bool) -> HookService {
    service_with(is_hosted, &SinkBoard::default())
}

fn service_with(is_hosted: bool, board: &SinkBoard) -> HookService {
    let secrets = Secrets::parse("whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let integrations = Integrations::new(Signer::new(&secrets), "http://hooks.test", Duration::from_secs(60));
    let service = HookService::new(integrations, CONNECTIONS, Metrics::new(true).hook_meter());
    service.poster(Arc::new(Host(is_hosted)));
    let account = |name: &str| {
        let token = AdminToken::new("mustnotshow-deploy").unwrap();
        let commands = [("deploy".into(), vec![token]), ("registered".into(), Vec::new())].into();
        let name = AccountName::new(name).unwrap();
        board.set_account(&name, &[]);
        (name, HookAccount { server: ServerName::new("main").unwrap(), commands })
    };
    service.set_accounts(["helpdesk", "reports"].map(account).into());
    service.set_sinks(board.clone());
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
) -> (HookResponse, Vec<(HookQuestion, Duration)>) {
    let (service, members) = in_cluster(is_hosted, owners);
    let response = service.answer(account, &HookPath::Command("deploy".into()), FORM).await;
    let asked = members.asked.lock().clone();
    (response, asked)
}

fn in_cluster(is_hosted: bool, owners: Vec<OwnerWithAnswer>) -> (HookService, Arc<Members>) {
    let (service, members) = (service(is_hosted), Arc::new(Members::default()));
    *members.owners.lock() = owners.into();
    service.set_members(members.clone());
    (service, members)
}

fn hook() -> PassedHook {
    PassedHook::new("helpdesk", &HookPath::Command("deploy".into()), FORM)
}

fn question(hook: PassedHook) -> Vec<u8> {
    HookQuestion::Hook(hook).to_question()
}

/// Returns how often a request was passed on.
fn requests(asked: &[(HookQuestion, Duration)]) -> usize {
    asked.iter().filter(|(question, _)| matches!(question, HookQuestion::Hook(_))).count()
}

/// The account has no sink, which the owner says.
fn is_answered_here(response: &HookResponse) -> bool {
    response.status == 200 && response.body["text"] == "This bot does not take that."
}

#[tokio::test(start_paused = true)]
async fn the_owner_answers_whichever_member_is_asked() {
    let (response, asked) = run("helpdesk", true, vec![(Owner::Here, Err(AskError::Unreachable))]).await;
    assert!(is_answered_here(&response) && asked.is_empty(), "{response:?}");
    let (response, asked) = run("nobody", false, vec![other(Ok(reply()))]).await;
    assert_eq!((response.status, asked.len()), (404, 0), "no member knows the account");
    let (response, asked) = run("helpdesk", false, vec![other(Ok(reply()))]).await;
    assert_eq!(HookReply::Response(response), reply());
    let [(HookQuestion::Hosts(account), _), (passed, within)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((&**account, passed), ("helpdesk", &HookQuestion::Hook(hook())));
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
    let bodies = requests(&asked);
    assert_eq!(
        (HookReply::Response(response), asked.len(), bodies),
        (reply(), 6, 1),
        "the request goes once"
    );
    let times: Vec<_> = asked.iter().map(|(_, within)| *within).collect();
    assert!(times[..5].windows(2).all(|two| two[0] > two[1]), "one deadline for all: {times:?}");
}

/// A host without an owner is looked for ever more rarely.
#[tokio::test(start_paused = true)]
async fn an_owner_that_takes_nothing_is_asked_a_few_times_without_the_request() {
    let (response, asked) = run("helpdesk", false, vec![other(Ok(HookReply::NotTaken))]).await;
    assert_eq!(response.body["text"], WORDS_OF_NO_OWNER);
    assert!((5..=12).contains(&asked.len()), "{}", asked.len());
    assert!(asked.iter().all(|(question, _)| matches!(question, HookQuestion::Hosts(_))), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn what_any_member_can_refuse_is_not_passed_on() {
    let (service, members) = in_cluster(false, vec![other(Ok(reply()))]);
    let command = |name: &str| HookPath::Command(name.into());
    let wrong = String::from_utf8(FORM.to_vec()).unwrap().replace("mustnotshow", "another");
    for (path, body, status) in [
        (command("deploy"), wrong.as_bytes(), 401),
        (command("nothing"), FORM, 404),
        (command("deploy"), b"token=mustnotshow-deploy", 400),
        (HookPath::Action, b"{}", 400),
        (HookPath::Dialog, b"no JSON", 400),
    ] {
        assert_eq!(service.answer("helpdesk", &path, body).await.status, status, "{path:?}");
    }
    let forged = json!({
        "user_id": "qaecr7krifn7dk36x1eesefkha", "user_name": "ann", "channel_id": "6brqgaeuupn65ncg1ywigb6swa",
        "channel_name": "lobby", "team_id": "", "team_domain": "", "post_id": "6brqgaeuupn65ncg1ywigb6swa",
        "trigger_id": "t", "type": "button", "context": { "matterhost": "v1.e30.e30" },
    });
    let refused = service.answer("helpdesk", &HookPath::Action, forged.to_string().as_bytes()).await;
    assert_eq!((refused.status, &refused.body["detail"]), (401, &json!("it is not signed by this host")));
    assert!(members.asked.lock().is_empty());
}

/// A token that this member does not know. The one that has registered the command last does.
#[tokio::test(start_paused = true)]
async fn a_token_that_only_the_owner_may_know_is_asked_about_before_the_request_goes() {
    let registered = HookPath::Command("registered".into());
    for (answer, is_passed_on) in [(reply(), true), (HookReply::WrongToken, false)] {
        let (service, members) = in_cluster(false, vec![other(Ok(answer))]);
        let response = service.answer("helpdesk", &registered, FORM).await;
        let asked = members.asked.lock().clone();
        let Some((HookQuestion::Accepts(shown), _)) = asked.first() else { panic!("{asked:?}") };
        assert!((&*shown.account, &*shown.trigger) == ("helpdesk", "registered"), "{shown:?}");
        assert!(shown.is("mustnotshow-deploy"));
        assert_eq!((requests(&asked), response.status == 401), (usize::from(is_passed_on), !is_passed_on));
    }
    // Strangers take none of the account's places.
    let (service, members) = in_cluster(false, vec![other(Ok(HookReply::WrongToken))]);
    let name = AccountName::new("helpdesk").unwrap();
    let _all: Vec<_> = std::iter::from_fn(|| service.connections().take(&name)).collect();
    assert_eq!(service.answer("helpdesk", &registered, FORM).await.status, 401);
    *members.owners.lock() = [other(Ok(reply()))].into();
    assert_eq!(service.answer("helpdesk", &registered, FORM).await.body["text"], WORDS_OF_BUSY);
    assert_eq!(requests(&members.asked.lock()), 0);
}

#[tokio::test]
async fn the_owner_says_whether_a_token_is_the_commands() {
    let soon = ClusterTime::now() + Duration::from_secs(60);
    let owner = service(true);
    let name = |text: &str| Box::<str>::from(text);
    owner.accept_registered(&RegisteredCommand {
        server: name("main"),
        id: name("c1"),
        account: name("helpdesk"),
        trigger: name("registered"),
        token: name("mustnotshow-new"),
    });
    for (account, trigger, token, expected) in [
        ("helpdesk", "registered", "mustnotshow-new", HookReply::Hosted),
        ("helpdesk", "registered", "mustnotshow-old", HookReply::WrongToken),
        ("helpdesk", "deploy", "mustnotshow-deploy", HookReply::Hosted),
        ("helpdesk", "deploy", "mustnotshow-new", HookReply::WrongToken),
        ("reports", "registered", "mustnotshow-new", HookReply::WrongToken),
        ("helpdesk", "nothing", "mustnotshow-new", HookReply::WrongToken),
        ("nobody", "registered", "mustnotshow-new", HookReply::NotTaken),
    ] {
        let question = HookQuestion::Accepts(ShownToken::new(account, trigger, token)).to_question();
        let answer = HookReply::read(&owner.answer_member(&question, soon).await).unwrap();
        assert_eq!(answer, expected, "{account} {trigger} {token}");
        let elsewhere = service(false).answer_member(&question, soon).await;
        assert_eq!(HookReply::read(&elsewhere), Some(HookReply::NotTaken));
    }
}

/// Members that host every account and answer nothing.
struct HangingMembers;

impl OtherMembers for HangingMembers {
    fn others(&self) -> Vec<MemberId> {
        Vec::new()
    }

    fn owned_accounts(&self) -> Vec<OwnedAccount> {
        Vec::new()
    }

    fn owner(&self, _: &AccountName) -> Owner {
        Owner::Member(MemberId::new(MemberName::new("b").unwrap(), 1))
    }

    fn ask(
        &self,
        _: &MemberId,
        _: Topic,
        question: Vec<u8>,
        within: Duration,
    ) -> BoxFuture<'static, Result<Vec<u8>, AskError>> {
        match HookQuestion::read(&question).unwrap() {
            HookQuestion::Hosts(_) | HookQuestion::Accepts(_) => {
                ready(Ok(HookReply::Hosted.into_answer())).boxed()
            }
            HookQuestion::Hook(_) => {
                tokio::time::sleep(within).map(move |()| Err(AskError::Late(within))).boxed()
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_that_another_member_does_not_answer_for_leaves_connections_to_others() {
    let service = service(false);
    service.set_members(Arc::new(HangingMembers));
    let path = HookPath::Command("deploy".into());
    let ask = |account: &'static str| {
        let (service, path) = (service.clone(), path.clone());
        tokio::spawn(async move { service.answer(account, &path, FORM).await.body["text"].clone() })
    };
    let asked = [vec!["helpdesk"; CONNECTIONS], vec!["reports"]].concat();
    let mut texts = Vec::new();
    for answer in asked.into_iter().map(ask).collect::<Vec<_>>() {
        texts.push(answer.await.unwrap());
    }
    let busy = texts.iter().filter(|text| *text == WORDS_OF_BUSY).count();
    assert_eq!(busy, CONNECTIONS / 2, "{texts:?}");
    assert_eq!(texts.pop().unwrap(), WORDS_WITHOUT_ANSWER, "the other account's was passed on");
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
        assert_eq!(requests(&asked), questions);
    }
}

#[tokio::test]
async fn a_member_takes_only_what_it_hosts_and_has_time_for() {
    let (hosts, hook) = (HookQuestion::Hosts("helpdesk".into()).to_question(), question(hook()));
    let soon = ClusterTime::now() + Duration::from_secs(60);
    let answer = async |service: HookService, question: &[u8], deadline| {
        HookReply::read(&service.answer_member(question, deadline).await).unwrap()
    };
    for (is_hosted, expected) in [(false, HookReply::NotTaken), (true, HookReply::Hosted)] {
        assert_eq!(answer(service(is_hosted), &hosts, soon).await, expected);
    }
    assert_eq!(answer(service(false), &hook, soon).await, HookReply::NotTaken, "it is hosted elsewhere");
    let late = ClusterTime::now();
    assert_eq!(answer(service(true), &hook, late).await, HookReply::NotTaken, "nobody waits any more");
    let HookReply::Response(response) = answer(service(true), &hook, soon).await else { panic!("not taken") };
    assert!(is_answered_here(&response), "{response:?}");
    let board = SinkBoard::default();
    let leaving = service_with(true, &board);
    board.set_leaving(&AccountName::new("helpdesk").unwrap());
    for question in [&hosts, &hook] {
        assert_eq!(
            answer(leaving.clone(), question, soon).await,
            HookReply::NotTaken,
            "it is about to leave"
        );
    }
    for odd in [&br#"{"hook":{"account":"helpdesk","path":"action","body":"%"}}"#[..], b"accounts"] {
        assert_eq!(answer(service(true), odd, soon).await, HookReply::NotTaken);
    }
}
