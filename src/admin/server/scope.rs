//! The routes that each scope of a token opens.

use std::sync::LazyLock;

use actix_web::{
    dev::{Path, ResourceDef, Url},
    http::{Method, Uri},
};

use matterhost_actors::model::AccountName;

use super::api_error::ApiError;
use crate::config::TokenScope;

/// The routes by which one account acts and looks something up. It is matched and decoded as the routes themselves are.
static ACTING: LazyLock<ResourceDef> =
    LazyLock::new(|| ResourceDef::new("/v1/accounts/{name}/{route:actions|files|files/[^/]+|lookups/[^/]+}"));

/// The last part of the route that takes actions.
const ACTIONS: &str = "actions";

/// The route that describes the caller's own rights.
const INSTANCE: &str = "/v1/instance";

/// The right that a request requires.
#[derive(Debug, PartialEq, Eq)]
enum Required {
    /// Any token grants it.
    Any,
    /// To read what shows no posts.
    Read,
    /// To act as this account, or to read what it may see.
    Act(String),
    /// Everything.
    Full,
}

impl Required {
    fn of(method: &Method, uri: &Uri) -> Self {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let mut path = Path::new(Url::new(uri.clone()));
        match acting_route(&mut path) {
            Some((account, _)) => Self::Act(account),
            None if path.as_str() == INSTANCE && is_read => Self::Any,
            None if is_read => Self::Read,
            None => Self::Full,
        }
    }

    /// Returns the scopes that would be enough.
    fn remedy(&self) -> String {
        match self {
            Self::Any | Self::Read => "the scope read or full".into(),
            Self::Act(account) => format!("the scope full, or act for the account {account}"),
            Self::Full => "the scope full".into(),
        }
    }
}

/// Refuses a request that the scope of its token does not include.
pub(super) fn check(scope: &TokenScope, method: &Method, uri: &Uri) -> Result<(), ApiError> {
    let required = Required::of(method, uri);
    let is_granted = match (scope, &required) {
        (TokenScope::Full, _) | (_, Required::Any) | (TokenScope::Read, Required::Read) => true,
        (TokenScope::Act(accounts), Required::Act(account)) => {
            accounts.iter().any(|name| name.as_str() == account)
        }
        (TokenScope::Read, Required::Act(_) | Required::Full)
        | (TokenScope::Act(_), Required::Read | Required::Full) => false,
    };
    if is_granted {
        return Ok(());
    }
    let remedy = required.remedy();
    Err(ApiError::forbidden(match scope {
        TokenScope::Read => format!("this token is read-only; this needs a token with {remedy}"),
        scope => format!("this needs a token with {remedy}; this one has the scope {scope}"),
    }))
}

/// Returns the account of the route that takes actions.
pub(super) fn account_of_actions(uri: &Uri) -> Option<AccountName> {
    let (account, route) = acting_route(&mut Path::new(Url::new(uri.clone())))?;
    AccountName::new(&account).ok().filter(|_| route == ACTIONS)
}

/// Returns the account of a route by which one acts, and the rest of the route.
fn acting_route(path: &mut Path<Url>) -> Option<(String, String)> {
    ACTING.capture_match_info(path).then(|| path.load().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(scope: &TokenScope, method: &Method, uri: &'static str) -> Option<String> {
        check(scope, method, &Uri::from_static(uri)).err().map(|error| error.to_string())
    }

    fn accounts_of(scope: &TokenScope) -> &[AccountName] {
        let TokenScope::Act(accounts) = scope else { panic!("{scope:?}") };
        accounts
    }

    #[test]
    fn each_scope_opens_its_routes_and_a_refusal_names_the_right_one() {
        let accounts = ["helpdesk", "größe"].map(|name| AccountName::new(name).unwrap());
        let act = TokenScope::Act(accounts.into());
        let (get, post, put) = (Method::GET, Method::POST, Method::PUT);
        for (method, uri, read, acting) in [
            (&get, "/v1/instance", true, true),
            (&get, "/v1/%69nstance", true, true),
            (&get, "/v1/accounts", true, false),
            (&get, "/v1/accounts/helpdesk", true, false),
            (&get, "/metrics", true, false),
            (&get, "/v1/events?account=helpdesk", true, false),
            (&post, "/v1/accounts/helpdesk/actions", false, true),
            (&post, "/v1/accounts/gr%C3%B6%C3%9Fe/actions", false, true),
            (&get, "/v1/accounts/helpdesk/lookups/posts?target=x", false, true),
            (&post, "/v1/accounts/helpdesk/files?target=x&name=y", false, true),
            (&get, "/v1/accounts/helpdesk/files/x", false, true),
            (&get, "/v1/accounts/alerts/files/x", false, false),
            (&post, "/v1/accounts/alerts/actions", false, false),
            (&post, "/v1/accounts/help%64esk/actions", false, true),
            (&post, "/v1/accounts/help%2564esk/actions", false, false),
            (&post, "/v1/accounts/helpdesk%2Factions", false, false),
            (&post, "/v1/accounts/alerts/../helpdesk/actions", false, false),
            (&get, "/v1/accounts/Helpdesk/lookups/user", false, false),
            (&post, "/v1/accounts/helpdesk/restart", false, false),
            (&put, "/v1/accounts/helpdesk", false, false),
            (&Method::DELETE, "/v1/accounts/helpdesk", false, false),
            (&post, "/v1/reload", false, false),
            (&put, "/v1/log-level", false, false),
            (&put, "/v1/instance", false, false),
            (&post, "/v1/sign-in-links", false, false),
        ] {
            assert_eq!(refusal(&TokenScope::Full, method, uri), None, "{uri}");
            assert_eq!(refusal(&TokenScope::Read, method, uri).is_none(), read, "{uri}");
            assert_eq!(refusal(&act, method, uri).is_none(), acting, "{uri}");
            let takes_actions = acting && uri.ends_with("/actions");
            let account = account_of_actions(&Uri::from_static(uri));
            assert_eq!(
                account.is_some_and(|account| accounts_of(&act).contains(&account)),
                takes_actions,
                "{uri}"
            );
        }
        let detail = refusal(&act, &post, "/v1/accounts/alerts/actions").unwrap();
        assert!(detail.ends_with("this one has the scope act (helpdesk, größe)"), "{detail}");
        assert!(detail.contains("the scope full, or act for the account alerts"), "{detail}");
        let detail = refusal(&act, &get, "/v1/accounts").unwrap();
        assert!(detail.contains("the scope read or full"), "{detail}");
        let detail = refusal(&TokenScope::Read, &post, "/v1/reload").unwrap();
        assert_eq!(detail, "this token is read-only; this needs a token with the scope full");
    }
}
