//! Signing in to the web page by a link that works once. The link contains a code, which the page exchanges for the token.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Json},
};
use parking_lot::Mutex;

use super::{access::Access, api_error::ApiError, authenticator::require_bearer_token, backend::Backend};
use crate::{
    admin::dto::{Problem, SignInLink, SignedIn},
    config::{AdminToken, RandomError},
};

/// The lifetime of a link: enough to go from the log to a browser, short for one that stays in a log.
const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// The most links that work at the same time: one for each of a few operators. The oldest ends for a new one.
const MAX_LINKS: usize = 8;

/// The links that were made and not yet used.
#[derive(Debug, Default, Clone)]
pub(super) struct SignInLinks(Arc<Mutex<VecDeque<Link>>>);

#[derive(Debug)]
struct Link {
    code: AdminToken,
    expires: Instant,
}

impl SignInLinks {
    /// Makes a link and returns its code.
    pub(super) fn create(&self, now: Instant) -> Result<AdminToken, RandomError> {
        let code = AdminToken::generate()?;
        let mut links = self.0.lock();
        links.retain(|link| now < link.expires);
        if links.len() == MAX_LINKS {
            links.pop_front();
        }
        links.push_back(Link { code: code.clone(), expires: now + LIFETIME });
        Ok(code)
    }

    /// Uses a link up. Returns false if there is none with this code, or no longer.
    fn redeem(&self, code: &str, now: Instant) -> bool {
        let mut links = self.0.lock();
        links.retain(|link| now < link.expires);
        // All are compared, so the timing does not tell which one is similar.
        let before = links.len();
        links.retain(|link| !link.code.matches(code));
        links.len() < before
    }
}

/// Make a link for signing in to the page
#[utoipa::path(post, path = "/v1/sign-in-links", tag = "host",
    responses((status = 201, body = SignInLink), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create_link(backend: Data<Backend>) -> Result<HttpResponse, ApiError> {
    if matches!(*backend.access, Access::Anonymous) {
        let detail = "the page needs no sign-in, because admin.allow_anonymous is set";
        return Err(ApiError::new(StatusCode::CONFLICT, detail));
    }
    let code = backend
        .sign_in_links
        .create(Instant::now())
        .map_err(|error| ApiError::unavailable(error.to_string()))?;
    let expires_in_ms = u64::try_from(LIFETIME.as_millis()).unwrap_or(u64::MAX);
    Ok(HttpResponse::Created().json(SignInLink { code: code.expose().into(), expires_in_ms }))
}

/// Exchange the code of a link, sent as the bearer token, for the token
#[utoipa::path(post, path = "/v1/sign-in", tag = "host", security(("code" = [])),
    responses((status = 200, body = SignedIn), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn sign_in(
    backend: Data<Backend>,
    request: HttpRequest,
) -> Result<Json<SignedIn>, ApiError> {
    let code = require_bearer_token(request.headers(), "the code of a link")?;
    match &*backend.access {
        Access::Tokens { full, .. } if backend.sign_in_links.redeem(code, Instant::now()) => {
            tracing::info!("a sign-in link of the page was used");
            Ok(Json(SignedIn { token: full.expose().into() }))
        }
        Access::Tokens { .. } | Access::Anonymous => Err(backend
            .authenticator
            .refuse("the link was used before, or has expired; `matterhost sign-in` makes another")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_works_once_and_for_a_while() {
        let (links, now) = (SignInLinks::default(), Instant::now());
        let [one, other] = [(); 2].map(|()| links.create(now).unwrap());
        assert!(!links.redeem("", now) && !links.redeem("guess", now));
        assert!(links.redeem(one.expose(), now));
        assert!(!links.redeem(one.expose(), now), "used");
        let last = now + LIFETIME.saturating_sub(Duration::from_nanos(1));
        assert!(links.redeem(other.expose(), last), "another one is not touched");
        let late = links.create(now).unwrap();
        assert!(!links.redeem(late.expose(), now + LIFETIME), "expired");
    }

    #[test]
    fn the_oldest_of_many_links_ends() {
        let (links, now) = (SignInLinks::default(), Instant::now());
        let codes: Vec<_> = (0..=MAX_LINKS).map(|_| links.create(now).unwrap()).collect();
        assert_eq!(links.0.lock().len(), MAX_LINKS);
        assert!(!links.redeem(codes[0].expose(), now));
        assert!(codes[1..].iter().all(|code| links.redeem(code.expose(), now)));
        assert!(!format!("{links:?}").contains(codes[0].expose()));
    }
}
