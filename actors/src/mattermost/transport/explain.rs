//! Causes and remedies of failed connections, as a person reads them.

use std::{fmt, io, time::Duration};

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};
use rustls_pki_types::UnixTime;

use super::{proxy::ProxyRefusal, verifier::UnusableCertificate};

/// The most names of a certificate that are shown, and the most characters of each: 200 characters in all, as of any
/// foreign text.
const MAX_NAMES: usize = 5;
const MAX_NAME_CHARS: usize = 40;

/// A server that speaks TLS where the URL begins with `http`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WrongScheme {
    /// The answer to a plain request is a TLS record.
    #[error("the server speaks TLS on this port")]
    ServerSpeaksTls,
}

/// A cause that a person can act on, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::mattermost) struct Explanation {
    pub(in crate::mattermost) cause: String,
    pub(in crate::mattermost) remedy: String,
}

/// True if the failure tells more than that there was no connection.
pub(super) fn is_telling(error: &io::Error) -> bool {
    is_tls(error) || is_proxy_refusal(error)
}

/// True if TLS failed or a certificate was rejected.
pub(super) fn is_tls(error: &io::Error) -> bool {
    inner::<Error>(error).is_some()
}

/// True if a proxy refused, for a reason that does not pass by itself.
pub(super) fn is_proxy_refusal(error: &io::Error) -> bool {
    inner::<ProxyRefusal>(error).is_some()
}

/// True if the server speaks TLS and the URL says otherwise.
pub(super) fn is_wrong_scheme(error: &io::Error) -> bool {
    inner::<WrongScheme>(error).is_some()
}

fn inner<T: std::error::Error + 'static>(error: &io::Error) -> Option<&T> {
    error.get_ref()?.downcast_ref()
}

/// Explains a failure, if it is of a kind that has a remedy of its own.
pub(in crate::mattermost) fn explain(error: &io::Error) -> Option<Explanation> {
    if let Some(refusal) = inner::<ProxyRefusal>(error) {
        return Some(Explanation { cause: refusal.to_string(), remedy: refusal.remedy().to_owned() });
    }
    if let Some(scheme) = inner::<WrongScheme>(error) {
        let remedy = "write https:// instead of http:// in url, or name its port for plain HTTP".to_owned();
        return Some(Explanation { cause: scheme.to_string(), remedy });
    }
    inner::<Error>(error).map(explain_tls)
}

fn explanation(cause: impl Into<String>, remedy: impl Into<String>) -> Explanation {
    Explanation { cause: cause.into(), remedy: remedy.into() }
}

fn explain_tls(error: &Error) -> Explanation {
    match error {
        Error::InvalidCertificate(error) => explain_certificate(error),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => explanation(
            "the server does not speak TLS on this port, but perhaps plain HTTP",
            "name its port for TLS in url, or write http:// instead of https:// if the way is safe",
        ),
        Error::AlertReceived(
            alert @ (AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied),
        ) => explanation(
            format!("the server rejects our certificate, or wants one ({alert:?})"),
            "give a client certificate that the server knows: cert_file and key_file",
        ),
        Error::AlertReceived(AlertDescription::ProtocolVersion) | Error::PeerIncompatible(_) => explanation(
            format!("the server offers no TLS that is safe ({error})"),
            "enable TLS 1.2 or 1.3 with current ciphers on the server",
        ),
        Error::AlertReceived(AlertDescription::HandshakeFailure) => explanation(
            "the server ended the handshake (HandshakeFailure)",
            "enable TLS 1.2 or 1.3 with current ciphers on the server; if it wants a client certificate, give \
             cert_file and key_file",
        ),
        Error::AlertReceived(AlertDescription::UnrecognisedName) => explanation(
            "the server knows no host of this name (UnrecognisedName)",
            "write the name that the server has its certificate for into url",
        ),
        other => {
            explanation(other.to_string(), "look at the TLS settings of the server and of proxies in between")
        }
    }
}

fn explain_certificate(error: &CertificateError) -> Explanation {
    use CertificateError as C;
    match error {
        C::ExpiredContext { not_after, .. } => explanation(
            format!("the certificate expired at {}", date(*not_after)),
            "renew the certificate on the server",
        ),
        C::NotValidYetContext { not_before, .. } => explanation(
            format!("the certificate is not valid before {}", date(*not_before)),
            "look at the clocks of this machine and of the one that made the certificate",
        ),
        C::NotValidForNameContext { expected, presented } => wrong_name(&expected.to_str(), presented),
        C::UnknownIssuer => explanation(
            "the issuer of the certificate is not known",
            "name the PEM file of the issuing authority (or of the self-signed certificate) in ca_file; if the \
             authority is a public one, let the server send its intermediate certificates as well (fullchain.pem)",
        ),
        C::BadSignature => explanation(
            "the certificate was not signed by the key of the authority of this name that is known here",
            "was the authority, or the self-signed certificate, made anew? name its present PEM file in ca_file",
        ),
        C::Other(other) => explain_unusable(other.0.downcast_ref(), error),
        C::BadEncoding => explanation("the certificate cannot be read", MAKE_ANOTHER),
        C::Revoked => explanation("the certificate is revoked", "get a new certificate for the server"),
        other => explanation(other.to_string(), MAKE_ANOTHER),
    }
}

const MAKE_ANOTHER: &str = "make another certificate: version 3, SHA-256, a key of RSA 2048 bits (or P-256) or more, with \
     the server's name (openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 825 -addext \
     \"subjectAltName=DNS:NAME\")";

fn explain_unusable(unusable: Option<&UnusableCertificate>, error: &CertificateError) -> Explanation {
    match unusable {
        Some(UnusableCertificate::AuthorityOfItsOwn) => explanation(
            "the server shows a self-signed certificate of an authority, which is not the one in ca_file",
            "name the PEM file of this very certificate in ca_file",
        ),
        Some(UnusableCertificate::Version1) => {
            explanation("the certificate is of version 1, which holds no server name", MAKE_ANOTHER)
        }
        None => explanation(error.to_string(), MAKE_ANOTHER),
    }
}

fn wrong_name(expected: &str, presented: &[String]) -> Explanation {
    if presented.is_empty() {
        let cause = format!(
            "the certificate is not valid for {expected}: it names no host (its common name does not count)"
        );
        return explanation(cause, MAKE_ANOTHER);
    }
    let shown: Vec<_> = presented.iter().take(MAX_NAMES).map(|name| plain_name(name)).collect();
    let more = presented.len().saturating_sub(MAX_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    explanation(
        format!("the certificate is not valid for {expected}, but for {}{more}", shown.join(", ")),
        "write one of these names into url, or make a certificate with this name",
    )
}

/// Writes `DnsName("a.test")` as `a.test`, limited in length and without control characters.
fn plain_name(presented: &str) -> String {
    let name = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(presented);
    let is_plain =
        |c: &char| !c.is_control() && !matches!(*c, '"' | '\u{200e}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    name.chars().filter(is_plain).take(MAX_NAME_CHARS).collect()
}

fn date(time: UnixTime) -> impl fmt::Display {
    let time = std::time::UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs()));
    let last = std::time::UNIX_EPOCH + Duration::from_secs(253_402_300_799); // 9999-12-31
    humantime::format_rfc3339_seconds(time.unwrap_or(last).min(last))
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::ServerName;

    use super::*;

    #[test]
    fn each_cause_has_its_remedy() {
        let day = UnixTime::since_unix_epoch(Duration::from_secs(1_700_000_000));
        let name = ServerName::try_from("chat.test").unwrap();
        let certificate = |error: CertificateError| Error::InvalidCertificate(error);
        let many = (0..20).map(|n| format!("DnsName(\"{n}.test\")")).collect::<Vec<_>>();
        for (error, cause, remedy) in [
            (
                certificate(CertificateError::ExpiredContext { time: day, not_after: day }),
                "expired at 2023-11-14T22:13:20Z",
                "renew",
            ),
            (
                certificate(CertificateError::NotValidYetContext { time: day, not_before: day }),
                "not valid before 2023-11-14",
                "clocks",
            ),
            (certificate(CertificateError::UnknownIssuer), "issuer", "ca_file"),
            (
                certificate(CertificateError::NotValidForNameContext {
                    expected: name.clone(),
                    presented: many,
                }),
                "not valid for chat.test, but for 0.test, 1.test, 2.test, 3.test, 4.test and 15 more",
                "url",
            ),
            (
                certificate(CertificateError::NotValidForNameContext {
                    expected: name,
                    presented: Vec::new(),
                }),
                "names no host",
                "subjectAltName",
            ),
            (Error::InvalidMessage(InvalidMessage::InvalidContentType), "plain HTTP", "http://"),
            (Error::AlertReceived(AlertDescription::CertificateRequired), "wants one", "cert_file"),
            (Error::AlertReceived(AlertDescription::ProtocolVersion), "no TLS that is safe", "TLS 1.2"),
        ] {
            let told = explain(&io::Error::new(io::ErrorKind::InvalidData, error)).unwrap();
            assert!(told.cause.contains(cause), "{told:?}");
            assert!(told.remedy.contains(remedy), "{told:?}");
        }
        assert_eq!(explain(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
    }

    #[test]
    fn names_of_a_certificate_are_shown_plainly() {
        assert_eq!(plain_name("DnsName(\"a\u{202e}\u{1b}b\")"), "ab");
        assert_eq!(plain_name("IpAddress(127.0.0.1)"), "127.0.0.1");
        assert_eq!(plain_name(&"x".repeat(1000)).len(), MAX_NAME_CHARS);
    }
}
