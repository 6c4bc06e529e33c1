//! Help, completions, and invalid arguments.

use crate::program::{matterhost, output, text};

#[test]
fn help_shows_every_command_with_examples() {
    let help = output(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let help = text(&help.stdout);
    for word in
        ["run", "check", "config", "completions", "Examples:", "matterhost config example > matterhost.toml"]
    {
        assert!(help.contains(word), "{word} in\n{help}");
    }
    for command in [&["run", "--help"][..], &["check", "--help"], &["config", "example", "--help"]] {
        let help = text(&output(command).stdout);
        assert!(help.contains("Example:\n  matterhost "), "{help}");
    }
}

#[test]
fn the_version_is_the_packages() {
    let version = concat!("matterhost ", env!("CARGO_PKG_VERSION"), " (");
    let printed = text(&output(&["--version"]).stdout);
    assert!(printed.starts_with(version) && printed.ends_with(")\n"), "{printed}");
}

#[test]
fn an_unknown_command_exits_with_2() {
    for args in [&[][..], &["rnu"], &["run", "--confg", "x"], &["config"], &["run", "--log-format", "xml"]] {
        let output = output(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
}

#[test]
fn each_shell_has_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = output(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("log-format"), "{shell}");
    }
}

#[test]
fn a_reader_that_closes_early_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = matterhost(&["completions", "bash"]).stdout(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
}
