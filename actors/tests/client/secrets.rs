//! A token appears in its header only.

use matterhost_actors::{
    mattermost::{Client, ClientConfig, ClientLimits, NewPost},
    model::ResumePoint,
};

use crate::support::{AfterResponse, SECRET, Server, client, response, run, token};

fn assert_no_token(text: &str) {
    assert!(!text.contains(SECRET), "{text}");
}

#[test]
fn nothing_that_can_be_printed_shows_a_token() {
    let token = token();
    assert_no_token(&format!("{token:?} {token:#?}"));
    let config = ClientConfig::new(
        "http://127.0.0.1:9".parse().unwrap(),
        None,
        ClientLimits::default(),
        "matterhost/test",
    );
    assert_no_token(&format!("{config:?} {:?}", Client::new(&config)));
    let typo = format!("https://bot:{SECRET}@chat.test/?token={SECRET}#{SECRET}");
    let error = typo.parse::<matterhost_actors::mattermost::ServerUrl>().unwrap_err();
    assert_no_token(&format!("{error:?} {error}"));
}

#[test]
fn errors_show_no_token_though_a_server_repeats_it() {
    run(async {
        let resume = ResumePoint { connection_id: SECRET.into(), next_seq: 1, handled: Vec::new() };
        let echo = |status: &str| {
            let headers = format!("location: http://127.0.0.1:9/{SECRET}\r\n");
            response(status, &headers, &format!("Bearer {SECRET} is bad"))
        };
        let app_error = format!("{{\"id\":\"x\",\"message\":\"{SECRET}\"}}");
        let replies = [
            echo("200 OK"),
            echo("302 x"),
            echo("401 x"),
            echo("500 x"),
            response("403 x", "", &app_error),
            format!("{SECRET}\r\n\r\n"),
            String::new(),
        ];
        for reply in replies {
            let server = Server::respond_with(reply, AfterResponse::Close).await;
            let client = client(&server.url());
            let error = client.me(&token(), None).await.unwrap_err();
            assert_no_token(&format!("{error:?} {error:#?} {error}"));
            let post = NewPost { message: "hello".into(), ..NewPost::default() };
            let error = client.create_post(&token(), &post).await.unwrap_err();
            assert_no_token(&format!("{error:?} {error:#?} {error}"));
            let error = client.dial(&token(), Some(&resume)).await.unwrap_err();
            assert_no_token(&format!("{error:?} {error:#?} {error}"));
        }
    });
}
