//! The API, its OpenAPI document and docs/API.md agree.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use serde_json::Value;
use url::Url;

use super::host::{ANY_PORT, AdminHost, REQUEST_INTERVAL, TOKEN};
use crate::{
    code_blocks::{blocks, simple_commands},
    program::Fixture,
};

/// The methods of each path.
type Routes = BTreeMap<String, BTreeSet<String>>;

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Returns the routes of the OpenAPI document.
fn described(document: &Value) -> Routes {
    let methods = |item: &Value| {
        let keys = item.as_object().unwrap().keys().map(|key| key.to_uppercase());
        keys.filter(|key| METHODS.contains(&key.as_str())).collect()
    };
    document["paths"].as_object().unwrap().iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

/// Returns the routes of the source.
fn implemented() -> Routes {
    let source = fs::read_to_string("src/admin/server/routes.rs").unwrap();
    let parts = source.split("allow_only(").skip(1).filter_map(|part| {
        let path = part.trim_start().strip_prefix('"')?.split('"').next()?;
        let words = [
            ("get().to(", "GET"),
            ("web::post()", "POST"),
            ("web::put()", "PUT"),
            ("web::delete()", "DELETE"),
        ];
        let methods =
            words.iter().filter(|(word, _)| part.contains(word)).map(|(_, method)| (*method).to_owned());
        Some((path.to_owned(), methods.collect()))
    });
    parts.collect()
}

fn documented(page: &str) -> Routes {
    let mut routes = Routes::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("| `")) {
        let Some((method, rest)) = line.split_once(' ') else { continue };
        if METHODS.contains(&method) {
            let path = rest.split(['`', '?']).next().unwrap();
            routes.entry(path.to_owned()).or_default().insert(method.to_owned());
        }
    }
    routes
}

#[test]
fn the_response_of_a_reload_is_described_by_name() {
    let document = serde_json::to_value(matterhost::admin::server::openapi()).unwrap();
    for method in ["get", "post"] {
        let answer = &document["paths"]["/v1/reload"][method]["responses"]["200"];
        let schema = &answer["content"]["application/json"]["schema"]["$ref"];
        assert_eq!(schema, "#/components/schemas/ConfigDiff", "{answer}");
    }
    let effects = &document["components"]["schemas"]["Effect"];
    assert!(effects.to_string().contains("restart"), "{effects}");
}

#[test]
fn every_route_is_described_and_every_description_is_of_a_route() {
    let document = serde_json::to_value(matterhost::admin::server::openapi()).unwrap();
    assert_eq!(document["openapi"].as_str().unwrap(), "3.1.0");
    let described = described(&document);
    assert!(described.len() > 10);
    assert_eq!(described, implemented());
    assert_eq!(described, documented(&fs::read_to_string("docs/API.md").unwrap()), "docs/API.md");
}

/// Returns true if a path, with its own values, is one with parameters.
fn is_of(path: &str, template: &str) -> bool {
    let parts = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let (path, template) = (parts(path), parts(template));
    let fits = |(part, expected): (&String, &String)| part == expected || expected.starts_with('{');
    path.len() == template.len() && path.iter().zip(&template).all(fits)
}

#[test]
fn the_examples_with_curl_call_routes_at_the_default_address() {
    let routes = described(&serde_json::to_value(matterhost::admin::server::openapi()).unwrap());
    let mut count = 0;
    for page in ["docs/API.md", "docs/files.md", "docs/slow-handlers.md"] {
        let scripts = blocks(Path::new(page)).into_iter().filter(|block| block.language == "sh");
        let commands = scripts.flat_map(|block| {
            let joined = block.text.replace("\\\n", " ");
            joined.lines().flat_map(simple_commands).collect::<Vec<_>>()
        });
        for words in commands.filter(|words| words.first().is_some_and(|word| word == "curl")) {
            let after = |flag: &str| words.iter().skip_while(|word| *word != flag).nth(1).cloned();
            let sends = words.iter().any(|word| word == "-d" || word == "--data-binary");
            let method = after("-X").unwrap_or_else(|| if sends { "POST" } else { "GET" }.into());
            let url = Url::parse(words.iter().find(|word| word.starts_with("http")).unwrap()).unwrap();
            let is_default = url.host_str() == Some("127.0.0.1") && url.port() == Some(8466);
            let elsewhere = words.iter().any(|word| word == "--unix-socket") || url.scheme() == "https";
            assert!(is_default || elsewhere, "{page}: {url} is not the default address");
            let is_route = |(path, methods): (&String, &BTreeSet<String>)| {
                is_of(url.path(), path) && methods.contains(&method)
            };
            assert!(routes.iter().any(is_route), "{page}: there is no route {method} {}", url.path());
            count += 1;
        }
    }
    assert!(count > 8, "{count} examples were found");
}

#[test]
fn a_method_that_is_not_described_is_refused_with_those_that_are() {
    let host = AdminHost::ready("");
    let document = host.get("/openapi.json").json();
    assert_eq!(document, serde_json::to_value(matterhost::admin::server::openapi()).unwrap());
    for (path, methods) in described(&document) {
        let path =
            path.replace("{name}", "helpdesk").replace("{action}", "audit").replace("{id}", &"x".repeat(26));
        for method in METHODS.iter().filter(|method| !methods.contains(**method)) {
            thread::sleep(REQUEST_INTERVAL);
            let answer = host.request(method, &path, &[], b"");
            let detail = answer.problem(405);
            let allowed = answer.header("allow").unwrap();
            assert!(detail.contains(allowed), "{detail}");
            let allowed: BTreeSet<_> = allowed.split(", ").filter(|method| *method != "HEAD").collect();
            assert_eq!(allowed, methods.iter().map(String::as_str).collect(), "{method} {path}");
        }
    }
    let detail = host.get("/v1").problem(404);
    assert!(detail.contains("/openapi.json"), "{detail}");
}

#[test]
fn refusals_are_described_as_problems() {
    let document = serde_json::to_value(matterhost::admin::server::openapi()).unwrap();
    for (path, methods) in described(&document) {
        for method in methods {
            let operation = &document["paths"][&path][method.to_lowercase()];
            let responses = operation["responses"].as_object().unwrap();
            assert!(operation["summary"].is_string(), "{method} {path}");
            for (status, response) in responses.iter().filter(|(status, _)| !status.starts_with('2')) {
                let content = response["content"].as_object().unwrap();
                let types: BTreeSet<_> = content.keys().map(String::as_str).collect();
                let mut expected = BTreeSet::from(["application/problem+json"]);
                if path == "/readyz" && status == "503" {
                    expected.insert("text/plain");
                }
                assert_eq!(types, expected, "{method} {path} {status}");
            }
        }
    }
}

/// The settings of schemathesis.
const SCHEMATHESIS_TOML: &str = include_str!("schemathesis.toml");

#[test]
#[ignore = "needs schemathesis, which tests/run.sh installs, with its path in MATTERHOST_SCHEMATHESIS"]
fn the_api_is_as_it_describes_itself() {
    let tool = env::var("MATTERHOST_SCHEMATHESIS").unwrap();
    let seed = env::var("MATTERHOST_SEED").unwrap_or_else(|_| fastrand::u32(..).to_string());
    println!("MATTERHOST_SEED={seed}");
    let more = format!("{ANY_PORT}token = \"{TOKEN}\"\n[replies]\ndeadline = \"5s\"\n");
    let host = AdminHost::start(Fixture::new(), &more);
    host.await_state("helpdesk", "ready");
    host.dir.write("schemathesis.toml", SCHEMATHESIS_TOML);
    let mut command = Command::new(tool);
    command.args(["run", "--no-color"]).arg(format!("--seed={seed}")).stdin(Stdio::null());
    // schemathesis hides the value of this header in its output.
    command.arg(format!("--header=Authorization: Bearer {TOKEN}"));
    command.arg(format!("http://{}/openapi.json", host.address)).current_dir(host.dir.path());
    assert!(command.status().unwrap().success());
    assert_eq!(host.get("/livez").status, 200);
}
