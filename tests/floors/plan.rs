//! The floors: the modules that each module may name.

use crate::{
    code::Code,
    imports::{self, Import},
    sources::Source,
};

/// The package of the simulator.
pub(crate) const SIMULATOR: &str = "matterhost_simulator";

/// The only part of the service that may name the simulator.
pub(crate) const SIMULATOR_USER: &str = "src/cli/demo";

/// The floors of one package.
#[derive(Debug)]
pub(crate) struct FloorPlan {
    pub(crate) root: &'static str,
    pub(crate) package: &'static str,
    /// Each module with the other modules that it may name.
    pub(crate) rows: &'static [(&'static str, &'static [&'static str])],
    /// The module that may name all others.
    pub(crate) top: &'static str,
}

/// Highest first.
pub(crate) const ACTORS: FloorPlan = FloorPlan {
    root: "actors/src",
    package: "matterhost_actors",
    rows: &[
        ("bots", &["hosting", "store", "ports", "mattermost", "policy", "model"]),
        ("hosting", &["ports", "mattermost", "policy", "model"]),
        ("store", &["ports", "model"]),
        ("ports", &["mattermost", "policy", "model"]),
        ("mattermost", &["policy", "model"]),
        ("policy", &["model"]),
        ("model", &[]),
    ],
    top: "testing",
};

/// Highest first. `main` names its own library by the package's name.
pub(crate) const SERVICE: FloorPlan = FloorPlan {
    root: "src",
    package: "matterhost",
    rows: &[
        ("build", &[]),
        ("main", &["program"]),
        ("program", &["cli", "config"]),
        ("host", &["actions", "admin", "cluster", "config", "hooks", "sinks", "telemetry"]),
        ("hooks", &["actions", "admin", "cluster", "config", "sinks", "telemetry"]),
        ("admin", &["actions", "cluster", "config", "telemetry"]),
        ("sinks", &["actions", "config", "nats", "telemetry"]),
        ("telemetry", &["config"]),
        ("actions", &[]),
        ("cluster", &["config", "nats"]),
        ("nats", &["config"]),
        ("config", &[]),
    ],
    top: "cli",
};

impl FloorPlan {
    /// Returns the imports of a source that do not go down.
    pub(crate) fn violations(&self, source: &Source) -> Vec<String> {
        let path = source.path.strip_prefix(self.root).unwrap().trim_start_matches('/');
        let module = path.split('/').next().unwrap().trim_end_matches(".rs");
        if module == "lib" || module == self.top {
            return Vec::new();
        }
        let Some((_, may)) = self.rows.iter().find(|(name, _)| *name == module) else {
            return vec![format!("{}:1: `{module}` is on no floor", source.path)];
        };
        let allowed = |import: &Import| import.module == module || may.contains(&import.module.as_str());
        let named = self.imports(path, &source.text).into_iter().filter(|import| !allowed(import));
        named
            .map(|Import { line, module: named }| {
                format!("{}:{line}: `{module}` names `{named}`, which is not below it", source.path)
            })
            .collect()
    }

    fn imports(&self, path: &str, text: &str) -> Vec<Import> {
        let code = Code::without_tests(text);
        let mut found = imports::from_root("crate", &code);
        found.extend(imports::from_root(self.package, &code));
        found.extend(imports::from_super(depth(path), &code));
        found.sort_by_key(|import| import.line);
        found
    }
}

/// Returns the depth of a file's module below the package's top.
fn depth(path: &str) -> usize {
    path.split('/').count() - usize::from(path.ends_with("/mod.rs"))
}
