//! The WebSocket handshake.
//!
//! It runs on a tunnel of the HTTP client, whose own WebSocket request returns the status of a refusal but
//! not its `Retry-After`, and uses a codec that does not bound memory.

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
use crate::{
    mattermost::{
        ClientConfig, DialError, DialErrorKind, RateHeaders, Socket,
        rest::{
            connections::{CONNECT_MARGIN, bearer},
            headers,
        },
        transport::ServerConnector,
    },
    model::{ResumePoint, Token},
};

/// An open socket from which nothing has been read yet.
#[derive(Debug)]
pub struct DialedSocket {
    /// The socket. Its first frame is hello, unless it was resumed (facts 2 and 10).
    pub socket: Socket,
    /// The state of the rate limit, which counts upgrades as well (fact 15).
    pub rate: Option<RateHeaders>,
}

/// A factory of connections for sockets. It has no limit, because each is held for the lifetime of its socket.
pub(in crate::mattermost) struct Tunnels(Box<dyn Fn(Uri, RequestHead) -> Opening>);

type Opening = LocalBoxFuture<'static, Result<Tunnel, SendRequestError>>;

/// The response's head, the stream, and the bytes received along with the head.
type Tunnel = (ResponseHead, Box<dyn ByteStream>, BytesMut);

impl Tunnels {
    pub(in crate::mattermost) fn new(config: &ClientConfig) -> Self {
        let connector = Connector::new()
            .connector(ServerConnector::new(config.clone()))
            .timeout(config.limits().connect_timeout + CONNECT_MARGIN)
            .limit(0)
            .finish();
        Self(Box::new(move |uri, head| {
            let connection = connector.call(Connect { uri, addr: None });
            Box::pin(async move {
                let tunnel = connection.await?.open_tunnel(RequestHeadType::from(head)).await?;
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
    let (response, stream, received) = opened.map_err(|error| DialError::from_transport(error.into()))?;
    check_response(&response, &key)?;
    Ok(DialedSocket {
        socket: Socket::with_received(stream, &received, config.limits()),
        rate: RateHeaders::read(&response.headers),
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
    for (name, value) in config.headers().iter() {
        head.headers.insert(name.clone(), value.clone());
    }
    if let Some(bearer) = bearer(token) {
        head.headers.insert(header::AUTHORIZATION, bearer);
    }
    Ok(head)
}

fn check_response(response: &ResponseHead, key: &str) -> Result<(), DialError> {
    let kind = match response.status {
        StatusCode::SWITCHING_PROTOCOLS => return check_upgrade(&response.headers, key),
        status if status.is_redirection() => DialErrorKind::Redirect,
        status if status.as_u16() >= 400 => DialErrorKind::Refused {
            status: status.as_u16(),
            retry_after: headers::retry_after(&response.headers),
        },
        _ => DialErrorKind::NotWebSocket,
    };
    let target = headers::redirect_target(&response.headers);
    let message = match (kind, target) {
        // The kind contains the status.
        (DialErrorKind::Refused { .. }, _) => String::new(),
        (DialErrorKind::Redirect, Some(target)) => {
            format!("status {}, to {target}", response.status.as_u16())
        }
        _ => format!("status {}", response.status.as_u16()),
    };
    Err(DialError { kind, message: message.into(), source: None })
}

/// Checks that a 101 belongs to this request (RFC 6455, section 4.1).
fn check_upgrade(headers: &HeaderMap, key: &str) -> Result<(), DialError> {
    let has_token = |name, token: &str| {
        headers.get_all(name).any(|value: &HeaderValue| {
            value.to_str().is_ok_and(|v| v.split(',').any(|v| v.trim().eq_ignore_ascii_case(token)))
        })
    };
    let accepted = headers.get(header::SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    let problem = if !has_token(header::UPGRADE, "websocket") {
        "it lacks `Upgrade: websocket`"
    } else if !has_token(header::CONNECTION, "upgrade") {
        "it lacks `Connection: Upgrade`"
    } else if accepted != Some(&ws::hash_key(key.as_bytes())) {
        "its Sec-WebSocket-Accept is missing or wrong"
    } else if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        "it contains an extension that was not requested"
    } else {
        return Ok(());
    };
    let message = format!("the response is not a valid upgrade: {problem}").into();
    Err(DialError { kind: DialErrorKind::NotWebSocket, message, source: None })
}
