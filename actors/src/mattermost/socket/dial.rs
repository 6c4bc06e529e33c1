//! The WebSocket handshake.
//!
//! Done by hand on the HTTP client's tunnel: its own WebSocket request tells the status of a refusal,
//! but not `Retry-After`, and frames everything with a codec that does not bound memory.

use actix_http::{
    ConnectionType, RequestHead, RequestHeadType, ResponseHead, StatusCode,
    header::{self, HeaderMap, HeaderName, HeaderValue},
    ws,
};
use actix_service::Service as _;
use awc::{Connect, Connector, error::SendRequestError, http::Uri};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::BytesMut;
use futures_util::future::LocalBoxFuture;
use tokio::time::timeout;

use super::ByteStream;
use crate::mattermost::{
    ClientConfig, DialError, DialErrorKind, RateHeaders, Socket,
    rest::{client::bearer, headers},
    transport::ServerConnector,
};
use crate::model::{ResumePoint, Token};

/// An open socket, from which nothing has been read.
#[derive(Debug)]
pub struct DialedSocket {
    /// The socket. Hello is its first frame, unless it was resumed (facts 2 and 10).
    pub socket: Socket,
    /// What is left of the rate limit: upgrades count too (fact 15).
    pub rate: Option<RateHeaders>,
}

/// Opens connections for sockets: without a limit, for each is held as long as the socket lives.
pub(in crate::mattermost) struct Tunnels(Box<dyn Fn(Uri, RequestHead) -> Opening>);

type Opening = LocalBoxFuture<'static, Result<Tunnel, SendRequestError>>;

/// The answer's head, and the stream with what came along with it.
type Tunnel = (ResponseHead, Box<dyn ByteStream>, BytesMut);

impl Tunnels {
    pub(in crate::mattermost) fn new(config: &ClientConfig) -> Self {
        let connector = Connector::new()
            .connector(ServerConnector::new(config.clone()))
            .timeout(config.limits().connect_timeout)
            .limit(0)
            .finish();
        Self(Box::new(move |uri, head| {
            let connecting = connector.call(Connect { uri, addr: None });
            Box::pin(async move {
                let tunnel = connecting.await?.open_tunnel(RequestHeadType::from(head)).await?;
                let parts = tunnel.1.into_parts();
                Ok((tunnel.0, Box::new(parts.io) as Box<dyn ByteStream>, parts.read_buf))
            })
        }))
    }
}

pub(in crate::mattermost) async fn dial(
    config: &ClientConfig,
    tunnels: &Tunnels,
    token: &Token,
    resume: Option<&ResumePoint>,
) -> Result<DialedSocket, DialError> {
    let key = BASE64_STANDARD.encode(fastrand::u128(..).to_ne_bytes());
    let head = request(config, token, resume, &key)?;
    let plain = config.url().plain_api("/websocket").map_err(DialError::bad_request)?;
    let opening = timeout(config.limits().request_timeout, (tunnels.0)(plain, head));
    let opened = opening.await.unwrap_or(Err(SendRequestError::Timeout));
    let (answer, stream, received) = opened.map_err(|error| DialError::failed(error.into()))?;
    check(&answer, &key)?;
    Ok(DialedSocket {
        socket: Socket::opened(stream, &received, config.limits()),
        rate: RateHeaders::read(&answer.headers),
    })
}

fn request(
    config: &ClientConfig,
    token: &Token,
    resume: Option<&ResumePoint>,
    key: &str,
) -> Result<RequestHead, DialError> {
    let mut head = RequestHead::default(); // a GET
    head.uri = config.url().websocket(resume).map_err(DialError::bad_request)?;
    head.set_connection_type(ConnectionType::Upgrade);
    let mut set = |name: HeaderName, value: &str| match HeaderValue::try_from(value) {
        Ok(value) => {
            head.headers.insert(name, value);
            Ok(())
        }
        Err(error) => Err(DialError::bad_request(error)),
    };
    set(header::HOST, config.url().authority())?;
    set(header::USER_AGENT, config.user_agent())?;
    set(header::UPGRADE, "websocket")?;
    set(header::SEC_WEBSOCKET_VERSION, "13")?;
    set(header::SEC_WEBSOCKET_KEY, key)?;
    if let Some(bearer) = bearer(token) {
        head.headers.insert(header::AUTHORIZATION, bearer);
    }
    Ok(head)
}

fn check(answer: &ResponseHead, key: &str) -> Result<(), DialError> {
    let kind = match answer.status {
        StatusCode::SWITCHING_PROTOCOLS => return check_upgrade(&answer.headers, key),
        status if status.is_redirection() => DialErrorKind::Redirect,
        status if status.as_u16() >= 400 => DialErrorKind::Refused {
            status: status.as_u16(),
            retry_after: headers::retry_after(&answer.headers),
        },
        _ => DialErrorKind::NotWebSocket,
    };
    Err(DialError { kind, message: format!("status {}", answer.status.as_u16()).into(), source: None })
}

/// The 101 must be meant for this very request (RFC 6455, section 4.1).
fn check_upgrade(headers: &HeaderMap, key: &str) -> Result<(), DialError> {
    let says = |name, word: &str| {
        headers.get_all(name).any(|value: &HeaderValue| {
            value.to_str().is_ok_and(|v| v.split(',').any(|v| v.trim().eq_ignore_ascii_case(word)))
        })
    };
    let accepted = headers.get(header::SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    let missing = if !says(header::UPGRADE, "websocket") {
        "Upgrade: websocket"
    } else if !says(header::CONNECTION, "upgrade") {
        "Connection: Upgrade"
    } else if accepted != Some(&ws::hash_key(key.as_bytes())) {
        "the right Sec-WebSocket-Accept"
    } else if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        "no extension that was not asked for"
    } else {
        return Ok(());
    };
    let message = format!("the answer lacks {missing}").into();
    Err(DialError { kind: DialErrorKind::NotWebSocket, message, source: None })
}
