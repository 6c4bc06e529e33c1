//! The descriptions of the packages: what they name exists, and all of them install the same files.

use std::{collections::BTreeSet, fs, path::Path};

/// Files that are made when a package is built.
const BUILT: [&str; 2] = ["target/release/", "target/package/"];

fn manifest() -> toml::Table {
    fs::read_to_string("Cargo.toml").unwrap().parse().unwrap()
}

fn metadata<'a>(manifest: &'a toml::Table, of: &str) -> &'a toml::Table {
    manifest["package"]["metadata"][of].as_table().unwrap()
}

/// Returns source and target of each file of a package.
fn assets(metadata: &toml::Table) -> BTreeSet<(String, String)> {
    let assets = metadata["assets"].as_array().unwrap().iter();
    assets
        .map(|asset| match asset {
            toml::Value::Array(row) => {
                (row[0].as_str().unwrap().to_owned(), row[1].as_str().unwrap().to_owned())
            }
            row => (row["source"].as_str().unwrap().to_owned(), row["dest"].as_str().unwrap().to_owned()),
        })
        .map(|(source, target)| (source, target.trim_start_matches('/').to_owned()))
        .collect()
}

#[test]
fn the_packages_have_the_same_files_and_these_exist() {
    let manifest = manifest();
    let deb = assets(metadata(&manifest, "deb"));
    let rpm = assets(metadata(&manifest, "generate-rpm"));
    // The tool for Debian's packages installs the unit by itself.
    let unit = "usr/lib/systemd/system/matterhost.service";
    let (units, files): (BTreeSet<_>, BTreeSet<_>) = rpm.into_iter().partition(|(_, target)| target == unit);
    assert_eq!(units.len(), 1);
    assert_eq!(deb, files);
    for (source, _) in &deb {
        let is_built = BUILT.iter().any(|folder| source.starts_with(folder));
        assert!(is_built || Path::new(source).exists(), "{source} does not exist");
    }
    for part in ["bin/", "man1/", "bash-completion/", "zsh/", "fish/", "etc/matterhost/"] {
        assert!(deb.iter().any(|(_, target)| target.contains(part)), "{part} in {deb:?}");
    }
}

#[test]
fn the_crates_can_be_published() {
    for path in ["Cargo.toml", "actors/Cargo.toml", "tests/simulator/Cargo.toml"] {
        let manifest: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
        let package = manifest["package"].as_table().unwrap();
        for key in
            ["description", "license", "readme", "repository", "keywords", "categories", "rust-version"]
        {
            assert!(package.contains_key(key), "{path} has no {key}");
        }
        assert!(!package.contains_key("publish"), "{path}");
        // The registry takes five, of twenty characters.
        assert!(package["keywords"].as_array().unwrap().len() <= 5, "{path}");
    }
    let workspace = manifest();
    let version = workspace["workspace"]["package"]["version"].as_str().unwrap();
    for member in ["matterhost-actors", "matterhost-simulator"] {
        let named = workspace["workspace"]["dependencies"][member]["version"].as_str().unwrap();
        assert_eq!(named, version, "the version of {member} in [workspace.dependencies]");
    }
}

#[test]
fn a_release_changes_every_place_that_names_the_version() {
    let manifest = manifest();
    let version = manifest["workspace"]["package"]["version"].as_str().unwrap();
    let replacements = metadata(&manifest, "release")["pre-release-replacements"].as_array().unwrap();
    let mut files = BTreeSet::new();
    for replacement in replacements {
        let key = |key: &str| replacement[key].as_str().unwrap();
        let text = fs::read_to_string(key("file")).unwrap();
        let expected = key("replace").replace("{{version}}", version);
        // The changelog has no section of this version before its release.
        if key("file") != "CHANGELOG.md" {
            assert_eq!(text.matches(&expected).count(), 1, "{expected} in {}", key("file"));
        }
        files.insert(key("file").to_owned());
    }
    for folder in ["docs", "docs/deploy/kubernetes", "docs/deploy/kustomize", "docs/deploy/compose"] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // The page of releases has versions as examples.
            let names_it = path.is_file()
                && fs::read(&path).unwrap().windows(version.len()).any(|text| text == version.as_bytes());
            if names_it && !path.ends_with("releasing.md") {
                assert!(
                    files.contains(path.to_str().unwrap()),
                    "no release changes {version} in {}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn the_changelog_has_the_version() {
    let manifest = manifest();
    let version = manifest["workspace"]["package"]["version"].as_str().unwrap();
    let changelog = fs::read_to_string("CHANGELOG.md").unwrap();
    let headings: Vec<_> = changelog.lines().filter(|line| line.starts_with("## ")).collect();
    assert_eq!(headings.first(), Some(&"## [Unreleased]"));
    let is_named = headings.iter().any(|line| line.contains(&format!("[{version}]")));
    assert!(is_named || version == "0.1.0", "CHANGELOG.md has no heading for {version}: {headings:?}");
}
