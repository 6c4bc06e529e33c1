//! The code blocks of the documentation: each is valid in its language, and each command of matterhost exists.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clap::{Parser as _, error::ErrorKind};
use matterhost::cli::Cli;

/// A code block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) text: String,
    page: PathBuf,
    line: usize,
}

/// Returns the code blocks of a page, without their indentation.
pub(crate) fn blocks(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (at, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        open = match (open, fence) {
            (None, None) => None,
            (None, Some(language)) => {
                let block =
                    Block { language: language.into(), text: String::new(), page: page.into(), line: at + 1 };
                Some((block, line.len() - line.trim_start().len()))
            }
            (Some((block, _)), Some(_)) => {
                blocks.push(block);
                None
            }
            (Some((mut block, indent)), None) => {
                block.text.push_str(line.get(indent..).unwrap_or_default());
                block.text.push('\n');
                Some((block, indent))
            }
        };
    }
    assert!(open.is_none(), "{}: a code block does not end", page.display());
    blocks
}

/// Returns the code blocks of all pages for users and contributors.
fn all_blocks() -> Vec<Block> {
    let docs = fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let others = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(PathBuf::from);
    pages.chain(others).flat_map(|page| blocks(&page)).collect()
}

/// Runs a checker that reads the code from standard input, or from a file if its arguments name one.
fn run_checker(block: &Block, program: &str, args: &[&str]) -> Result<(), String> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    child.stdin.take().unwrap().write_all(block.text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

fn check(block: &Block) -> Result<(), String> {
    match &*block.language {
        "sh" => run_checker(block, "bash", &["-n"]).and_then(|()| commands(&block.text)),
        "python" => run_checker(block, "python3", &["-c", "import ast, sys; ast.parse(sys.stdin.read())"]),
        "js" => run_checker(block, "node", &["--input-type=module", "--check", "-"]),
        "toml" => block.text.parse::<toml::Table>().map(drop).map_err(|error| error.to_string()),
        "json" => parse_json(&block.text),
        "jsonl" => block.text.lines().try_for_each(parse_json),
        // Rust is a doc test, or a handler that other tests compile; YAML is a fragment of another program's configuration.
        "rust" | "rust,no_run" | "rust,ignore" | "yaml" | "text" => Ok(()),
        other => Err(format!("unknown language {other:?}; name one that is checked, or text")),
    }
}

fn parse_json(text: &str) -> Result<(), String> {
    serde_json::from_str::<serde_json::Value>(text).map(drop).map_err(|error| error.to_string())
}

/// Checks every call of matterhost in a shell script against its command line.
fn commands(script: &str) -> Result<(), String> {
    let joined = script.replace("\\\n", " ");
    let commands = joined
        .lines()
        .flat_map(simple_commands)
        .filter(|words| words.first().is_some_and(|word| word == "matterhost"));
    for words in commands {
        match Cli::try_parse_from(&words) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {}
            Err(error) => return Err(format!("{}: {error}", words.join(" "))),
        }
    }
    Ok(())
}

/// Splits a line into its commands, and these into words. Redirections and comments are left out.
pub(crate) fn simple_commands(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), String::new());
    let (mut quote, mut skips_word) = (None, false);
    for c in line.chars().chain(['\n']) {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => word.push(c),
            (None, '\'' | '"') => quote = Some(c),
            (None, '#') if word.is_empty() => break,
            (None, ' ' | '|' | '&' | ';' | '<' | '>' | '(' | ')' | '\n') => {
                if !word.is_empty() && !std::mem::take(&mut skips_word) {
                    words.push(std::mem::take(&mut word));
                }
                word.clear();
                match c {
                    '<' | '>' => skips_word = true,
                    ' ' => {}
                    _ => commands.push(std::mem::take(&mut words)),
                }
            }
            (None, _) => word.push(c),
        }
    }
    commands.push(words);
    commands
}

#[test]
fn code_blocks_are_valid() {
    let blocks = all_blocks();
    assert!(blocks.len() > 40, "{} blocks were found", blocks.len());
    let wrong = blocks.iter().filter_map(|block| {
        let error = check(block).err()?;
        Some(format!("{}:{}: {error}\n{}", block.page.display(), block.line, block.text))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn mistakes_in_code_blocks_are_found() {
    let block = |language: &str, text: &str| Block {
        language: language.into(),
        text: text.into(),
        page: PathBuf::new(),
        line: 1,
    };
    for (language, text) in [
        ("sh", "if true\n"),
        ("sh", "matterhost chek\n"),
        ("sh", "df -h | matterhost post --kye x helpdesk @ann\n"),
        ("sh", "xdg-open \"$(matterhost sign-in)\" && matterhost status --wacth\n"),
        ("python", "print(\n"),
        ("js", "const = 1\n"),
        ("toml", "a =\n"),
        ("json", "{\"a\": …}\n"),
        ("ruby", "puts 1\n"),
    ] {
        assert!(check(&block(language, text)).is_err(), "{language}: {text}");
    }
    let good = "matterhost run | jq 'select(.a == \"b\").c' >> out.txt  # a comment with matterhost in it\n";
    assert_eq!(check(&block("sh", good)), Ok(()));
    assert_eq!(check(&block("js", "for await (const line of lines) {}\n")), Ok(()));
}
