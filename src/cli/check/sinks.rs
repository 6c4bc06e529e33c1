//! The checks of sinks: the program of a child, the address of a webhook, the directory of a file.

use std::{
    env,
    fmt::Display,
    path::{Path, PathBuf},
    time::Instant,
};

use futures_util::{StreamExt as _, stream};
use matterhost_actors::{
    mattermost::{describe_send_error, http_client},
    model::Excerpt,
};
use rustix::fs::{Access, access};

use super::report::{CheckResult, SinkRow};
use crate::{
    config::{Config, ExecConfig, NatsConfig, SinkConfig, SinkKind, WebhookConfig},
    nats::NatsError,
    sinks::probe_nats,
    telemetry::time::millis,
};

/// The sinks that are tested at once.
const CONCURRENT: usize = 16;
/// The interpreters whose first argument is usually a file.
const INTERPRETERS: [&str; 8] = ["python", "node", "ruby", "perl", "php", "bash", "sh", "Rscript"];

/// Tests all sinks that an account names.
pub(super) async fn check_sinks(config: &Config) -> Vec<SinkRow> {
    let named = |sink: &&SinkConfig| config.accounts.iter().any(|account| account.sinks.contains(&sink.name));
    let checks = config.sinks.iter().filter(named).map(|sink| check_sink(sink, config));
    stream::iter(checks).buffered(CONCURRENT).collect().await
}

async fn check_sink(sink: &SinkConfig, config: &Config) -> SinkRow {
    let (target, usable) = match &sink.kind {
        SinkKind::Stdout => ("standard output".to_owned(), passed()),
        SinkKind::File(file) => (file.path.display().to_string(), check_file(&file.path)),
        SinkKind::Exec(exec) => (exec.command.join(" "), check_program(exec)),
        SinkKind::Webhook(webhook) => (webhook.client.url().to_string(), check_address(webhook).await),
        SinkKind::Nats(nats) => (nats.access.servers.join(", "), check_stream(nats).await),
        SinkKind::Bot(bot) => (format!("bot {}", bot.factory.name()), passed()),
    };
    let usable = if usable.ok == Some(true) && sink.kind.keeps_dead_letters() {
        let letters =
            check_directory(&config.dead_letter.dir, "set dead_letter.dir to a directory that it may write");
        if letters.ok == Some(true) { usable } else { letters }
    } else {
        usable
    };
    let target = Excerpt::of(&target).into();
    SinkRow { sink: sink.name.to_string(), kind: sink.kind.name(), target, usable }
}

fn passed() -> CheckResult {
    CheckResult { ok: Some(true), ..CheckResult::default() }
}

fn failed(problem: impl Display, remedy: impl Into<String>) -> CheckResult {
    let problem = Some(Excerpt::of(&problem).into());
    CheckResult { ok: Some(false), problem, remedy: Some(remedy.into()), took_ms: None }
}

/// Checks that a file can be written, without creating it.
fn check_file(path: &Path) -> CheckResult {
    const REMEDY: &str = "let the user of matterhost write there, or set path to another file";
    if path.exists() {
        return match access(path, Access::WRITE_OK) {
            Ok(()) => passed(),
            Err(error) => failed(format_args!("{} cannot be written: {error}", path.display()), REMEDY),
        };
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match access(parent, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => passed(),
        Err(error) => failed(format_args!("no file can be created in {}: {error}", parent.display()), REMEDY),
    }
}

/// Checks that files can be created in a directory, or the directory itself in one of its parents.
fn check_directory(directory: &Path, remedy: &str) -> CheckResult {
    let existing = directory.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    match access(existing, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if existing.is_dir() => passed(),
        Ok(()) => failed(format_args!("{} is not a directory", existing.display()), remedy),
        Err(error) => failed(format_args!("{} cannot be written: {error}", existing.display()), remedy),
    }
}

/// Checks that the program of a child is there and executable, and the script that it is to run.
fn check_program(exec: &ExecConfig) -> CheckResult {
    let Some((program, arguments)) = exec.command.split_first() else { return passed() };
    let search = env::var_os("PATH").unwrap_or_default();
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![exec.dir.join(program)]
    } else {
        env::split_paths(&search).map(|directory| directory.join(program)).collect()
    };
    let Some(found) = candidates.iter().find(|path| path.is_file()) else {
        let place =
            if program.contains('/') { "there is no file" } else { "no directory of PATH has a program" };
        return failed(
            format_args!("{place} {program}"),
            "install it, or write its full path as the first word of command",
        );
    };
    if access(found, Access::EXEC_OK).is_err() {
        let found = found.display();
        return failed(format_args!("{found} is not executable"), format!("run chmod +x {found}"));
    }
    check_script(found, arguments.first(), &exec.dir)
}

fn check_script(program: &Path, argument: Option<&String>, directory: &Path) -> CheckResult {
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_interpreter = INTERPRETERS
        .iter()
        .any(|known| name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') == *known);
    let script = argument.filter(|argument| is_interpreter && !argument.starts_with('-'));
    match script.map(|script| directory.join(script)).filter(|script| !script.is_file()) {
        None => passed(),
        Some(missing) => failed(
            format_args!("{name} is to run {}, which is not there", missing.display()),
            "correct command or dir: a relative path begins at dir",
        ),
    }
}

/// Checks that an HTTP server answers at the address. Any answer will do: the handler itself expects signed events.
async fn check_address(webhook: &WebhookConfig) -> CheckResult {
    let url = webhook.client.url().to_string();
    let plain = url.split_once("://").map_or(&*url, |(_, rest)| rest);
    let began = Instant::now();
    let request = http_client(&webhook.client).head(format!("http://{plain}/"));
    match tokio::time::timeout(webhook.timeout, request.send()).await {
        Ok(Ok(_)) => CheckResult { took_ms: Some(millis(began.elapsed())), ..passed() },
        Ok(Err(error)) => failed(
            format_args!("{url}: {}", describe_send_error(error)),
            "start the handler, or correct url; look at firewalls and certificates",
        ),
        Err(_) => {
            let limit = humantime::format_duration(webhook.timeout);
            failed(
                format_args!("{url} does not answer within {limit} (timeout)"),
                "start the handler, or correct url",
            )
        }
    }
}

/// Checks that a server answers, and that the stream fits if there is one. Without one, the first event makes it.
async fn check_stream(nats: &NatsConfig) -> CheckResult {
    let began = Instant::now();
    match probe_nats(nats).await {
        Ok(()) => CheckResult { took_ms: Some(millis(began.elapsed())), ..passed() },
        Err(NatsError { what, remedy }) => failed(what, remedy),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::config::{Config, Sources};

    fn exec(dir: &Path, command: &str) -> ExecConfig {
        let file = dir.join("matterhost.toml");
        let text = format!(
            "[servers.s]\nurl = 'http://127.0.0.1:1'\n[accounts.a]\ntoken = 'x'\nsinks = ['one']\n\
             [state]\nstore = 'memory'\n[sinks.one]\ntype = 'exec'\ncommand = {command}\n"
        );
        fs::write(&file, text).unwrap();
        let config = Config::load(&Sources { files: vec![file], ..Sources::default() }, None).unwrap();
        match &config.sinks[0].kind {
            SinkKind::Exec(exec) => exec.clone(),
            _ => unreachable!(),
        }
    }

    #[test]
    fn a_program_must_be_there_and_executable_and_so_must_its_script() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("plain");
        fs::write(&plain, "").unwrap();
        fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(dir.path().join("there.py"), "").unwrap();
        for (command, problem) in [
            ("['sh', '-c', 'x']", None),
            ("['sh', 'there.py']", None),
            ("['no-such-program']", Some("no directory of PATH has a program no-such-program")),
            ("['./no-such-program']", Some("there is no file ./no-such-program")),
            ("['./plain']", Some("is not executable")),
            ("['sh', 'gone.py']", Some("gone.py, which is not there")),
        ] {
            let result = check_program(&exec(dir.path(), command));
            assert_eq!(result.ok, Some(problem.is_none()), "{command}: {result:?}");
            let said = result.problem.unwrap_or_default();
            assert!(said.contains(problem.unwrap_or_default()), "{command}: {said}");
        }
    }

    #[test]
    fn a_file_needs_a_directory_and_a_directory_a_parent() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(check_file(&dir.path().join("new.jsonl")).ok, Some(true));
        assert!(!dir.path().join("new.jsonl").exists(), "a check creates nothing");
        let missing = check_file(&dir.path().join("gone/new.jsonl"));
        assert!(missing.problem.unwrap().contains("no file can be created in"));
        assert_eq!(check_directory(&dir.path().join("a/b/c"), "").ok, Some(true));
        fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!(check_directory(&dir.path().join("file/dead"), "").ok, Some(false));
    }
}
