//! The pages of the documentation and their links.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

/// The repository, as links from the book name it.
const REPOSITORY: &str = "https://github.com/matterhost/matterhost/";
/// The pages outside of the book.
const OTHER_PAGES: [&str; 7] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "actors/README.md",
    "tests/fixtures/README.md",
    "tests/simulator/README.md",
];

/// Returns all pages of `docs`, apart from the table of contents.
fn book_pages() -> BTreeSet<PathBuf> {
    let names = |folder: &str| {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect::<Vec<_>>()
    };
    let pages = [names("docs"), names("docs/decisions")].concat();
    pages.into_iter().filter(|page| !page.ends_with("SUMMARY.md")).collect()
}

/// Returns the text without blocks and spans of code.
fn prose(text: &str) -> String {
    let blocks: String = text.split("```").step_by(2).collect();
    blocks.split('`').step_by(2).collect()
}

/// Returns the targets of all links and pictures.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(|target| target.trim_matches(['<', '>']).to_owned()).collect()
}

/// Returns the anchor of a heading in rendered pages.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn anchors(text: &str) -> BTreeSet<String> {
    let outside: String = text.split("```").step_by(2).collect();
    let headings = outside.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

/// Resolves `..` without looking at the disk.
fn normalize(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(parts.pop()),
            Component::CurDir => {}
            other => parts.push(other),
        }
    }
    parts
}

/// Returns what is wrong with a link of a page, if anything.
fn problem(page: &Path, link: &str, texts: &BTreeMap<PathBuf, String>) -> Option<String> {
    let (address, fragment) = link.split_once('#').map_or((link, None), |(path, part)| (path, Some(part)));
    if let Some(own) = address.strip_prefix(REPOSITORY) {
        let path = own.split_once("/main/").map_or("", |(_, path)| path);
        // The pages of releases and reports are not files.
        let is_file = own.starts_with("blob/") || own.starts_with("tree/");
        return (is_file && !Path::new(path).exists()).then(|| format!("{path} does not exist"));
    }
    if address.contains("://") || address.starts_with("mailto:") || address.starts_with("crate::") {
        return None;
    }
    let target = match address {
        "" => page.to_owned(),
        path => normalize(&page.parent().unwrap_or(Path::new("")).join(path)),
    };
    let is_page = target.extension().is_some_and(|extension| extension == "md");
    if !target.exists() {
        return Some(format!("{} does not exist", target.display()));
    }
    if page.starts_with("docs") && (!target.starts_with("docs") || target.is_dir()) {
        return Some(format!("{} is not in the book: link to {REPOSITORY}blob/main/…", target.display()));
    }
    let fragment = fragment.filter(|_| is_page)?;
    let text = texts.get(&target).cloned().unwrap_or_else(|| fs::read_to_string(&target).unwrap());
    (!anchors(&text).contains(fragment)).then(|| format!("{} has no heading #{fragment}", target.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let pages: Vec<_> = book_pages().into_iter().chain(OTHER_PAGES.map(PathBuf::from)).collect();
    let texts: BTreeMap<_, _> =
        pages.iter().map(|page| (page.clone(), fs::read_to_string(page).unwrap())).collect();
    let mut broken = Vec::new();
    let mut count = 0;
    for (page, text) in &texts {
        for link in links(text) {
            count += 1;
            broken.extend(
                problem(page, &link, &texts).map(|problem| format!("{}: {link}: {problem}", page.display())),
            );
        }
    }
    assert!(count > 150, "{count} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_book_has_every_page_once() {
    let contents = fs::read_to_string("docs/SUMMARY.md").unwrap();
    let listed: Vec<_> = links(&contents).iter().map(|link| Path::new("docs").join(link)).collect();
    let set: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(set.len(), listed.len(), "a page is listed twice in docs/SUMMARY.md");
    assert_eq!(set, book_pages(), "add each page of docs to docs/SUMMARY.md, with its title");
    for page in &listed {
        let text = fs::read_to_string(page).unwrap();
        let title = text.lines().next().unwrap().trim_start_matches("# ");
        let link = page.strip_prefix("docs").unwrap().display();
        // Decisions are listed by their titles; other pages may have a shorter name.
        if page.starts_with("docs/decisions/0") {
            assert!(contents.contains(&format!("- [{title}]({link})")), "{link} is called {title}");
        }
    }
}

#[test]
fn broken_links_are_found() {
    let texts = BTreeMap::from([(PathBuf::from("docs/API.md"), "# API\n## One `two`\n".to_owned())]);
    let page = Path::new("docs/faq.md");
    let problem = |link: &str| problem(page, link, &texts);
    for good in ["API.md#one-two", "API.md", "https://example.com/x", "page.png"] {
        assert_eq!(problem(good), None);
    }
    let gone = format!("{REPOSITORY}blob/main/docs/gone.md");
    for bad in ["API.md#three", "gone.md", "../src", "deploy/", &gone] {
        assert!(problem(bad).is_some(), "{bad}");
    }
    assert_eq!(links("[a](b.md) `[c](d.md)` ![e](f.png)"), ["b.md", "f.png"]);
}
