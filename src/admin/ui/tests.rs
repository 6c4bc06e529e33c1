//! The files of the page are all served, refer only to each other, and contain nothing that the policy forbids.

use std::{collections::HashSet, fs, path::Path};

use super::{ASSETS, Asset, DOCUMENTS, HTML, SCRIPT};

/// Returns every text between `start` and `end`.
fn between<'a>(text: &'a str, start: &str, end: char) -> Vec<&'a str> {
    text.split(start).skip(1).filter_map(|rest| rest.split(end).next()).collect()
}

fn is_served(name: &str) -> bool {
    let path = format!("/{}", name.trim_start_matches("./"));
    ASSETS.iter().chain(DOCUMENTS).any(|asset| asset.path == path)
}

fn scripts() -> impl Iterator<Item = &'static Asset> {
    ASSETS.iter().filter(|asset| asset.content_type == SCRIPT)
}

#[test]
fn every_file_of_the_folder_is_served() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/ui");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = paths.filter(|path| path.extension().is_none_or(|kind| kind != "rs")).collect();
    assert_eq!(files.len(), ASSETS.len());
    for name in files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()) {
        assert!(name == "index.html" || is_served(name), "{name} is not served");
    }
}

#[test]
fn every_file_that_the_page_refers_to_is_served() {
    for script in scripts() {
        for name in between(script.text, "from '", '\'') {
            assert!(name.starts_with("./") && is_served(name), "{} imports {name}", script.path);
        }
    }
    for page in ASSETS.iter().filter(|asset| asset.content_type == HTML) {
        for name in [between(page.text, "href=\"", '"'), between(page.text, "src=\"", '"')].concat() {
            assert!(is_served(name), "{} refers to {name}, which is not served", page.path);
        }
    }
}

#[test]
fn every_script_is_imported() {
    let imported: HashSet<&str> = scripts()
        .flat_map(|script| between(script.text, "from './", '\''))
        .chain(["main.js", "runbook.js"])
        .collect();
    let unused: Vec<_> = scripts().filter(|script| !imported.contains(&script.path[1..])).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn no_markup_is_made_of_text_and_nothing_comes_from_elsewhere() {
    let forbidden =
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"];
    for script in scripts() {
        for word in forbidden {
            assert!(!script.text.contains(word), "{} contains {word}", script.path);
        }
    }
    for asset in ASSETS {
        // A namespace, which is never fetched.
        let text = asset.text.replace("http://www.w3.org/2000/svg", "");
        assert!(
            !text.contains("http://") && !text.contains("https://"),
            "{} refers to another site",
            asset.path
        );
    }
    let index = ASSETS[0].text;
    let inline = ["style=", "<style", "onclick=", "onload=", "onerror=", "onsubmit=", "javascript:"];
    assert!(inline.iter().all(|word| !index.contains(word)), "the markup contains inline script or style");
}

#[test]
fn files_are_short() {
    for asset in ASSETS {
        let lines = asset.text.lines().count();
        assert!(lines <= 260, "{} has {lines} lines; split it", asset.path);
    }
}

#[test]
fn a_tag_is_another_for_another_text() {
    let tags: HashSet<String> = ASSETS.iter().map(|asset| asset.entity_tag().to_string()).collect();
    assert_eq!(tags.len(), ASSETS.len());
    let same = Asset { path: "/same", ..ASSETS[0] };
    assert_eq!(same.entity_tag(), ASSETS[0].entity_tag());
}
