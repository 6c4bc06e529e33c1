//! The accounts of all members of a cluster: of this one at first hand, of the others by asking them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry},
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix_web::http::StatusCode;
use futures_util::future::{BoxFuture, join};
use matterhost_actors::model::{AccountName, Excerpt};
use parking_lot::Mutex;

use super::{api_error::ApiError, hosted_accounts::HostedAccounts, lists_of_others::ListsOfOthers};
use crate::{
    admin::dto::{Account, AccountDetail, Action, ActionAccepted, MemberAnswer, MemberQuestion},
    cluster::{ANSWER_LIMIT, AskError, MemberId, Topic},
};

/// The other members of the cluster, and the accounts that each is to host.
pub trait OtherMembers: Send + Sync + 'static {
    /// Returns the live members, without this one.
    fn others(&self) -> Vec<MemberId>;

    /// Returns the accounts of the configuration with the members that are to host them.
    fn owned_accounts(&self) -> Vec<OwnedAccount>;

    /// Returns the owner of an account.
    fn owner(&self, account: &AccountName) -> Owner;

    /// Asks a member on a topic, once and within a limit.
    fn ask(
        &self,
        member: &MemberId,
        topic: Topic,
        question: Vec<u8>,
        within: Duration,
    ) -> BoxFuture<'static, Result<Vec<u8>, AskError>>;
}

/// An account of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedAccount {
    /// Its name.
    pub name: String,
    /// The name of its server.
    pub server: String,
    /// The name of the member that is to host it, if one is.
    pub member: Option<String>,
}

/// The owner of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// This member, or the configuration has no such account.
    Here,
    /// Another member.
    Member(MemberId),
    /// No live member.
    Nobody,
}

/// The accounts of all members. Clones share what they know of silent members.
#[derive(Clone)]
pub(super) struct AllAccounts {
    hosted: HostedAccounts,
    silent: Arc<Mutex<SilentMembers>>,
    lists: Arc<ListsOfOthers>,
}

/// The times since which members have not told anything of some of their accounts; `None` stands for no member.
type SilentMembers = BTreeMap<Option<String>, SystemTime>;

/// Another member that owns an account, and the way to it.
type OtherOwner = (Arc<dyn OtherMembers>, MemberId);

impl AllAccounts {
    pub(super) fn new(hosted: HostedAccounts) -> Self {
        Self { hosted, silent: Arc::default(), lists: Arc::default() }
    }

    /// Lists all accounts by name. Those of a member that does not answer in time are `unknown`.
    pub(super) async fn list(&self) -> Result<Vec<Account>, ApiError> {
        let Some(members) = self.hosted.operations.members() else { return self.hosted.list().await };
        let lists = self.lists.ask(&members);
        let (own, others) = join(self.hosted.list(), lists).await;
        let rows = others.iter().cloned().chain(own?).collect();
        Ok(complete(rows, members.owned_accounts(), &mut self.silent.lock(), SystemTime::now()))
    }

    /// Returns everything known about one account.
    pub(super) async fn detail(&self, name: &AccountName) -> Result<AccountDetail, ApiError> {
        let Some((members, owner)) = self.other_owner(name)? else { return self.hosted.detail(name).await };
        match ask(&*members, &owner, &MemberQuestion::Account(name.to_string())).await? {
            MemberAnswer::Account(detail) => Ok(*detail),
            answer => Err(refused(&owner, answer)),
        }
    }

    /// Begins an action on one account.
    pub(super) async fn act(&self, name: &AccountName, action: Action) -> Result<ActionAccepted, ApiError> {
        let Some((members, owner)) = self.other_owner(name)? else {
            return self.hosted.act(name, action).await;
        };
        match ask(&*members, &owner, &MemberQuestion::Act(name.to_string(), action)).await? {
            MemberAnswer::Accepted(accepted) => Ok(accepted),
            answer => Err(refused(&owner, answer)),
        }
    }

    /// Fails if another member hosts the account, for a request that only its member can answer.
    pub(super) fn check_is_here(&self, name: &AccountName) -> Result<(), ApiError> {
        match self.other_owner(name)? {
            None => Ok(()),
            Some((_, owner)) => Err(ApiError::misdirected(format!(
                "account {name} is hosted by member {}; send the request to that one",
                owner.name()
            ))),
        }
    }

    /// Returns the owner of an account if it is another member. Fails if no member owns the account.
    fn other_owner(&self, name: &AccountName) -> Result<Option<OtherOwner>, ApiError> {
        let Some(members) = self.hosted.operations.members() else { return Ok(None) };
        match members.owner(name) {
            Owner::Here => Ok(None),
            Owner::Member(owner) => Ok(Some((members, owner))),
            Owner::Nobody => Err(ApiError::unavailable(format!(
                "no member of the cluster hosts account {name} at the moment; `matterhost cluster status` shows the members"
            ))),
        }
    }
}

async fn ask(
    members: &dyn OtherMembers,
    member: &MemberId,
    question: &MemberQuestion,
) -> Result<MemberAnswer, ApiError> {
    // Names always serialize.
    let question = serde_json::to_vec(question).unwrap_or_default();
    let failed = |cause: &dyn std::fmt::Display| {
        ApiError::unavailable(format!("member {} does not answer: {cause}", member.name()))
    };
    let answer =
        members.ask(member, Topic::Accounts, question, ANSWER_LIMIT).await.map_err(|error| failed(&error))?;
    serde_json::from_slice(&answer).map_err(|error| failed(&Excerpt::of(&error)))
}

/// Returns the accounts that another member hosts; none if it does not answer in time.
pub(super) async fn list_of(members: &dyn OtherMembers, member: &MemberId) -> Vec<Account> {
    match ask(members, member, &MemberQuestion::Accounts).await {
        Ok(MemberAnswer::Accounts(accounts)) => accounts,
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// Returns the error of a member that refused a question.
fn refused(member: &MemberId, answer: MemberAnswer) -> ApiError {
    let MemberAnswer::Refused { status, detail } = answer else {
        return ApiError::unavailable(format!("member {} has answered something else", member.name()));
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    ApiError::new(status, format!("member {}: {}", member.name(), Excerpt::of(&detail)))
}

/// Returns one row for each account, by name: that of its owner, if two members have told of it. An account of which no
/// member has told is `unknown`.
fn complete(
    rows: Vec<Account>,
    owned: Vec<OwnedAccount>,
    silent: &mut SilentMembers,
    now: SystemTime,
) -> Vec<Account> {
    let owners: HashMap<&str, Option<&str>> =
        owned.iter().map(|account| (account.name.as_str(), account.member.as_deref())).collect();
    let mut all = BTreeMap::<String, Account>::new();
    for row in rows {
        let is_of_owner = owners.get(row.name.as_str()).is_some_and(|owner| *owner == row.member.as_deref());
        match all.entry(row.name.clone()) {
            Entry::Vacant(entry) => drop(entry.insert(row)),
            Entry::Occupied(mut entry) if is_of_owner => drop(entry.insert(row)),
            Entry::Occupied(_) => {}
        }
    }
    let mut still_silent = BTreeSet::new();
    for OwnedAccount { name, server, member } in owned {
        if let Entry::Vacant(entry) = all.entry(name.clone()) {
            let since = *silent.entry(member.clone()).or_insert(now);
            still_silent.insert(member.clone());
            entry.insert(Account::unknown(&name, &server, member, since));
        }
    }
    silent.retain(|member, _| still_silent.contains(member));
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn row(name: &str, member: &str, state: &str) -> Account {
        let row = Account::unknown(name, "main", Some(member.into()), UNIX_EPOCH);
        Account { state: state.into(), ..row }
    }

    fn owned(name: &str, member: Option<&str>) -> OwnedAccount {
        OwnedAccount { name: name.into(), server: "main".into(), member: member.map(Into::into) }
    }

    fn seen(rows: &[Account]) -> Vec<(&str, Option<&str>, &str)> {
        rows.iter().map(|row| (row.name.as_str(), row.member.as_deref(), row.state.as_str())).collect()
    }

    #[test]
    fn each_account_is_shown_once_with_its_owner_and_unknown_without_an_answer() {
        let mut silent = SilentMembers::new();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let accounts = || {
            vec![
                owned("helpdesk", Some("a")),
                owned("reports", Some("b")),
                owned("lonely", None),
                owned("moved", Some("a")),
            ]
        };
        let rows = vec![
            row("moved", "a", "connecting"),
            row("moved", "c", "stopping"),
            row("helpdesk", "a", "ready"),
            row("of an older configuration", "c", "ready"),
        ];
        let all = complete(rows.clone(), accounts(), &mut silent, at(5));
        let expected = [
            ("helpdesk", Some("a"), "ready"),
            ("lonely", None, "unknown"),
            ("moved", Some("a"), "connecting"),
            ("of an older configuration", Some("c"), "ready"),
            ("reports", Some("b"), "unknown"),
        ];
        assert_eq!(seen(&all), expected);
        let mut reversed = rows.clone();
        reversed.reverse();
        assert_eq!(seen(&complete(reversed, accounts(), &mut silent, at(6))), expected, "in any order");
        let since = |rows: &[Account]| rows.iter().find(|row| row.name == "reports").unwrap().since.clone();
        assert_eq!(since(&complete(rows.clone(), accounts(), &mut silent, at(9))), since(&all), "it stays");
        let answered = rows.iter().cloned().chain([row("reports", "b", "ready")]).collect();
        complete(answered, accounts(), &mut silent, at(10));
        let again = complete(rows, accounts(), &mut silent, at(11));
        assert_ne!(since(&again), since(&all), "it had answered meanwhile");
    }
}
