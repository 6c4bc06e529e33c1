use proptest::prelude::*;

use super::*;

fn url(text: &str) -> ServerUrl {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn addresses_extend_the_given_url() {
    let cases = [
        ("https://chat.test", "https://chat.test/api/v4/users/me", "wss://chat.test/api/v4/websocket"),
        ("https://chat.test/", "https://chat.test/api/v4/users/me", "wss://chat.test/api/v4/websocket"),
        ("http://chat.test:80", "http://chat.test/api/v4/users/me", "ws://chat.test/api/v4/websocket"),
        (
            "http://chat.test:8065",
            "http://chat.test:8065/api/v4/users/me",
            "ws://chat.test:8065/api/v4/websocket",
        ),
        (
            "https://chat.test/team/chat//",
            "https://chat.test/team/chat/api/v4/users/me",
            "wss://chat.test/team/chat/api/v4/websocket",
        ),
        ("http://[::1]:8065/", "http://[::1]:8065/api/v4/users/me", "ws://[::1]:8065/api/v4/websocket"),
        (
            " HTTPS://Chat.TEST/a b\n",
            "https://chat.test/a%20b/api/v4/users/me",
            "wss://chat.test/a%20b/api/v4/websocket",
        ),
    ];
    for (text, api, websocket) in cases {
        assert_eq!(url(text).api("/users/me").unwrap().to_string(), api);
        assert_eq!(url(text).websocket(None).unwrap().to_string(), websocket);
    }
}

#[test]
fn host_and_port_are_known_also_where_the_url_leaves_them_out() {
    let parts = |text: &str| {
        let url = url(text);
        (url.host().to_owned(), url.port(), url.is_tls(), url.to_string())
    };
    let of = |host: &str, port, tls, shown: &str| (host.to_owned(), port, tls, shown.to_owned());
    assert_eq!(parts("https://chat.test/"), of("chat.test", 443, true, "https://chat.test"));
    assert_eq!(parts("http://10.0.0.1/x/"), of("10.0.0.1", 80, false, "http://10.0.0.1/x"));
    assert_eq!(parts("https://[fd00::1]:8443"), of("fd00::1", 8443, true, "https://[fd00::1]:8443"));
    assert_eq!(
        parts("https://bücher.test"),
        of("xn--bcher-kva.test", 443, true, "https://xn--bcher-kva.test")
    );
}

#[test]
fn unsuitable_urls_are_refused_with_a_remedy() {
    let cases = [
        ("chat.test", UrlError::Scheme),
        ("localhost:8065", UrlError::Scheme),
        ("wss://chat.test", UrlError::Scheme),
        ("file:///etc", UrlError::Scheme),
        ("", UrlError::Scheme),
        ("https://bot:hidden@chat.test", UrlError::Credentials),
        ("https://hidden@chat.test", UrlError::Credentials),
        ("https://chat.test/?a=hidden", UrlError::Query),
        ("https://chat.test?", UrlError::Query),
        ("https://chat.test/#a", UrlError::Fragment),
        ("https://chat.test/api/v4", UrlError::ApiPath),
        ("https://chat.test/api/v4/", UrlError::ApiPath),
        ("https://chat.test/api/v4/websocket", UrlError::ApiPath),
        ("https://chat.test:0", UrlError::Port),
        ("https://", UrlError::Malformed(url::ParseError::EmptyHost)),
        ("https://[::1", UrlError::Malformed(url::ParseError::InvalidIpv6Address)),
        ("https://chat.test:99999", UrlError::Malformed(url::ParseError::InvalidPort)),
    ];
    for (text, error) in cases {
        let refused = text.parse::<ServerUrl>().unwrap_err();
        assert_eq!(refused, error, "{text}");
        assert!(!refused.to_string().contains("hidden"));
    }
}

#[test]
fn a_resume_point_is_percent_encoded() {
    let resume = ResumePoint { connection_id: "a&b=c d\r\n".into(), next_seq: 7, handled: Vec::new() };
    let uri = url("https://chat.test").websocket(Some(&resume)).unwrap();
    let query = "connection_id=a%26b%3Dc+d%0D%0A&sequence_number=7";
    assert_eq!(uri.query(), Some(query));
}

proptest! {
    #[test]
    fn any_text_is_an_address_or_an_error(text in "(https?://)?\\PC{0,40}") {
        if let Ok(url) = text.parse::<ServerUrl>() {
            let again: ServerUrl = url.to_string().parse().unwrap();
            prop_assert_eq!(&again, &url);
            let api = url.api("/users/me").unwrap();
            prop_assert!(api.path().ends_with("/api/v4/users/me") && api.query().is_none());
            prop_assert!(url.websocket(None).is_ok() && url.plain_api("/x").is_ok());
        }
    }

    #[test]
    fn any_connection_id_can_be_sent(id in "\\PC*|.*", next_seq: u64) {
        let resume = ResumePoint { connection_id: id.as_str().into(), next_seq, handled: Vec::new() };
        let uri = url("http://chat.test/sub").websocket(Some(&resume)).unwrap();
        let query = form_urlencoded::parse(uri.query().unwrap().as_bytes()).into_owned();
        let expected = [("connection_id".to_owned(), id), ("sequence_number".to_owned(), next_seq.to_string())];
        prop_assert_eq!(query.collect::<Vec<_>>(), expected);
    }
}
