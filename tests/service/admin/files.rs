//! Files that are uploaded and downloaded by the API and by `matterhost post`.

use std::{fs, io::Write as _, time::Instant};

use matterhost_simulator::Simulator;
use serde_json::json;

use super::{
    host::{ANY_PORT, AdminHost, READ_TOKEN, TOKEN},
    http_client::{self, Response},
};
use crate::program::{DEADLINE, Fixture, output, text};

const ACTIONS: &str = "/v1/accounts/helpdesk/actions";
const FILES: &str = "/v1/accounts/helpdesk/files";

/// Starts a host whose server takes files of so many bytes.
fn host_with_limit(bytes: usize) -> AdminHost {
    let simulator = Simulator::builder().max_file_size(bytes).start().unwrap();
    let host = AdminHost::start(Fixture::on(simulator), ANY_PORT);
    host.await_state("helpdesk", "ready");
    host
}

fn upload(host: &AdminHost, query: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    host.request("POST", &format!("{FILES}?target=crew/lobby{query}"), headers, body)
}

/// Returns the ids of uploaded files.
fn ids(response: &Response) -> Vec<String> {
    assert_eq!(response.status, 200, "{}", response.text());
    serde_json::from_value(response.json()["files"].clone()).unwrap()
}

fn uploads(host: &AdminHost) -> u64 {
    host.fixture.simulator.counters().requests_to("POST /files")
}

#[test]
fn a_file_is_uploaded_once_for_its_key_shown_by_a_post_and_downloaded() {
    let host = AdminHost::ready("");
    let content: Vec<u8> = (0..700_000_u32).map(|n| b'a' + (n % 23) as u8).collect();
    let key = [("idempotency-key", "k")];
    let uploaded = [(); 2].map(|()| ids(&upload(&host, "&name=gr%C3%B6%C3%9Fe%201.csv", &key, &content)));
    assert_eq!((uploaded[0].len(), uploads(&host)), (1, 1));
    assert_eq!(uploaded[0], uploaded[1]);
    let post = json!({ "action": "post", "target": "crew/lobby", "text": "see", "files": uploaded[0] });
    assert_eq!(host.send("POST", ACTIONS, &post).status, 200);
    let posts = host.fixture.simulator.posts_in(&host.fixture.channel);
    assert_eq!(posts.last().unwrap().file_ids, uploaded[0]);
    let path = format!("{FILES}/{}", uploaded[0][0]);
    let file = host.get(&path);
    assert!(file.status == 200 && file.body == content, "{} bytes", file.body.len());
    assert_eq!(file.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(file.header("content-length"), Some("700000"));
    assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        file.header("content-disposition"),
        Some("attachment; filename=\"gr__e 1.csv\"; filename*=UTF-8''gr%C3%B6%C3%9Fe%201.csv")
    );
    let head = host.request("HEAD", &path, &[], b"");
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("700000"), 0));
    let found = host.send("POST", ACTIONS, &json!({ "action": "get_file", "file": uploaded[0][0] })).json();
    assert_eq!((&found["found"]["name"], &found["found"]["size"]), (&json!("größe 1.csv"), &json!(700_000)));
}

#[test]
fn a_form_uploads_its_files_in_order() {
    let host = AdminHost::ready("");
    let part = |name: &str, content: &str| {
        format!("--b\r\ncontent-disposition: form-data; name=\"f\"{name}\r\n\r\n{content}\r\n")
    };
    let form = |parts: &[String]| parts.concat() + "--b--\r\n";
    let kind = [("content-type", "multipart/form-data; boundary=b"), ("idempotency-key", "k")];
    let named = |name: &str| part(&format!("; filename=\"{name}\""), &format!("content of {name}"));
    let both = form(&[named("a.txt"), named("b ü.txt")]);
    let uploaded = ids(&upload(&host, "", &kind, both.as_bytes()));
    assert_eq!(uploaded, ids(&upload(&host, "", &kind, both.as_bytes())));
    let contents: Vec<_> = uploaded.iter().map(|id| host.get(&format!("{FILES}/{id}")).text()).collect();
    assert_eq!(contents, ["content of a.txt", "content of b ü.txt"]);
    let many: Vec<_> = (0..11).map(|n| named(&n.to_string())).collect();
    let empty = part("; filename=\"e\"", "");
    for (body, status, expected) in [
        (form(&[part("", "x")]), 400, "the part \"f\" of the form has no file name"),
        (form(&[named("../a")]), 400, "cannot be the name of a file"),
        (form(&[empty]), 422, "file \"e\" is empty"),
        (form(&[]), 422, "the form has no files"),
        (form(&many), 422, "11 files are too many"),
        ("nonsense".into(), 400, "the form cannot be read"),
    ] {
        let detail = upload(&host, "", &kind[..1], body.as_bytes()).problem(status);
        assert!(detail.contains(expected), "{expected}: {detail}");
    }
}

#[test]
fn what_cannot_be_uploaded_is_refused_with_the_reason() {
    let host = host_with_limit(1_000);
    let encoded = [("content-encoding", "gzip")];
    let long = format!("&name={}", "n".repeat(256));
    for (query, headers, size, status, expected) in [
        ("", &[][..], 5, 400, "cannot be the name of a file"),
        ("&name=", &[], 5, 400, "1 to 255 bytes"),
        ("&name=a%2Fb", &[], 5, 400, "without slashes"),
        ("&name=a%0Ab", &[], 5, 400, "control characters"),
        (&*long, &[], 5, 400, "1 to 255 bytes"),
        ("&name=a&nmae=b", &[], 5, 400, "nmae"),
        ("&name=a", &encoded, 5, 415, "without Content-Encoding"),
        ("&name=a", &[("idempotency-key", "ü")], 5, 400, "Idempotency-Key"),
        ("&name=a", &[], 0, 422, "file \"a\" is empty"),
        ("&name=a", &[], 1_001, 413, "file \"a\" has 1001 bytes; the server's limit is 1000"),
    ] {
        let detail = upload(&host, query, headers, &vec![b'x'; size]).problem(status);
        assert!(detail.contains(expected), "{expected}: {detail}");
    }
    for (path, status, expected) in [
        (format!("{FILES}?name=a"), 400, "target"),
        (format!("{FILES}?name=a&target=town"), 400, "is not a target"),
        (format!("{FILES}?name=a&target=crew/nowhere"), 404, "crew/nowhere"),
        ("/v1/accounts/nobody/files?name=a&target=crew/lobby".into(), 404, "nobody"),
        ("/v1/replies/files?name=a".into(), 401, "reply token"),
        // Characters that need no encoding may be encoded.
        ("/v1/accounts/nobody/fil%65s?name=a&target=crew/lobby".into(), 404, "nobody"),
        ("/v1/repl%69es/f%69les?name=a".into(), 401, "reply token"),
        ("/v1/repl%69es".into(), 401, "reply token"),
    ] {
        let detail = host.request("POST", &path, &[], b"content").problem(status);
        assert!(detail.contains(expected), "{expected}: {detail}");
    }
    for (id, status, expected) in [
        ("x".repeat(26), 404, "file xxxxxxxxxxxxxxxxxxxxxxxxxx was not found"),
        ("../../users/me".into(), 404, ""),
        ("short".into(), 404, "26 letters and digits"),
    ] {
        let detail = host.get(&format!("{FILES}/{id}")).problem(status);
        assert!(detail.contains(expected), "{detail}");
    }
    assert_eq!(uploads(&host), 0);
    let unknown = json!({ "action": "post", "target": "crew/lobby", "text": "x", "files": ["a.txt"] });
    let detail = host.send("POST", ACTIONS, &unknown).problem(422);
    assert!(detail.contains("/v1/accounts/NAME/files"), "{detail}");
}

/// Sends a body without its length, until the host answers.
fn send_endlessly(host: &AdminHost, path: &str) -> Response {
    let mut stream = http_client::connect(host.api.address);
    let token = format!("Bearer {}", host.api.token.unwrap());
    let address = host.api.address.to_string();
    let headers = [("host", &*address), ("authorization", &token), ("transfer-encoding", "chunked")];
    stream.write_all(http_client::head("POST", path, &headers).as_bytes()).unwrap();
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let end = Instant::now() + DEADLINE;
    while stream.write_all(chunk.as_bytes()).is_ok() {
        assert!(Instant::now() < end, "it is read for ever");
    }
    http_client::read(stream).unwrap_or_else(|| panic!("no answer"))
}

#[test]
fn a_file_without_a_length_is_read_up_to_the_limit() {
    let host = host_with_limit(100_000);
    let detail = send_endlessly(&host, &format!("{FILES}?target=crew/lobby&name=a")).problem(413);
    assert!(detail.contains("the server's limit is 100000"), "{detail}");
    assert_eq!(uploads(&host), 0);
    let left: Vec<_> = fs::read_dir(host.dir.path().join("state/matterhost")).unwrap().collect();
    assert!(
        left.iter().all(|entry| entry.as_ref().unwrap().metadata().unwrap().len() != 100_000),
        "{left:?}"
    );
}

#[test]
fn readers_that_do_not_read_are_bounded_and_hold_no_memory() {
    let host = host_with_limit(7 << 20);
    let id = ids(&upload(&host, "&name=big", &[], &vec![b'x'; 7 << 20])).remove(0);
    let path = format!("{FILES}/{id}");
    let before = host.memory_kib();
    let unread: Vec<_> = (0..4).map(|_| host.request_streaming(&path, &[])).collect();
    assert!(unread.iter().all(|stream| stream.answer.status == 200));
    let refused = host.get(&path);
    assert!(refused.problem(429).contains("4 downloads") && refused.header("retry-after").is_some());
    let more = host.memory_kib().saturating_sub(before);
    assert!(more < 14 << 10, "{more} KiB for four readers of 7 MiB");
    drop(unread);
    let end = Instant::now() + DEADLINE;
    while host.get(&path).status != 200 {
        assert!(Instant::now() < end, "a download that is broken off is not forgotten");
    }
}

#[test]
fn a_token_that_may_only_read_sees_no_file() {
    let host = AdminHost::ready(&format!("token = \"{TOKEN}\"\nread_token = \"{READ_TOKEN}\"\n"));
    let id = ids(&upload(&host, "&name=a", &[], b"secret")).remove(0);
    let reading = super::host::Api { token: Some(READ_TOKEN), ..host.api };
    for (method, path) in [("GET", format!("{FILES}/{id}")), ("POST", format!("{FILES}?target=x&name=a"))] {
        let detail = reading.request(method, &path, &[], b"").problem(403);
        assert!(detail.contains("read-only"), "{detail}");
    }
}

#[test]
fn the_command_posts_files_of_any_size() {
    let host = AdminHost::ready(&format!("token = \"{TOKEN}\"\n"));
    let token = host.dir.write("token", TOKEN);
    let options = [format!("--admin=http://{}", host.address), format!("--token-file={}", token.display())];
    let file = |name: &str, content: &[u8]| {
        let path = host.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (small, large) = (file("a.txt", b"small"), file("b.bin", &vec![b'y'; 900_000]));
    let empty = file("c.txt", b"");
    let run = |args: &[&str]| {
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        output(&[&["post", "helpdesk", "crew/lobby"], args, &options].concat())
    };
    for _ in 0..2 {
        let posted = run(&["--file", &small, "--file", &large, "--key", "backup"]);
        assert!(posted.status.success(), "{}", text(&posted.stderr));
        assert!(posted.stderr.is_empty(), "progress is for terminals: {}", text(&posted.stderr));
    }
    let posts = host.fixture.simulator.posts_in(&host.fixture.channel);
    let with_files: Vec<_> = posts.iter().filter(|post| !post.file_ids.is_empty()).collect();
    assert_eq!((with_files.len(), with_files[0].file_ids.len()), (1, 2));
    let contents: Vec<_> =
        with_files[0].file_ids.iter().map(|id| host.get(&format!("{FILES}/{id}")).body.len()).collect();
    assert_eq!(contents, [5, 900_000]);
    for (args, expected) in [
        (["text", "--file", "nowhere/x"], "nowhere/x cannot be uploaded: No such file"),
        (["text", "--file", "."], "it is not a regular file"),
        (["text", "--file", &empty], "file \"c.txt\" is empty"),
    ] {
        let refused = run(&args);
        assert!(
            !refused.status.success() && text(&refused.stderr).contains(expected),
            "{}",
            text(&refused.stderr)
        );
    }
}
