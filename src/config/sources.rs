//! Puts the layers on each other: the file, then the environment, then flags. Defaults are beneath them, in the
//! readers.

use std::{
    collections::HashMap,
    env, fmt,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use config::{FileFormat, Map, Source, Value, ValueKind};

use super::{problem::Problem, syntax};

/// The largest configuration that is read: ten thousand accounts take a tenth of it.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// What every variable of the configuration begins with.
const PREFIX: &str = "MATTERHOST__";

/// Where a configuration comes from. Nothing else is looked at, so that a test can say it all.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file.
    pub file: PathBuf,
    /// The process's environment.
    pub environment: HashMap<String, String>,
    /// Keys and values that flags set, with the flag's name.
    pub flags: Vec<(&'static str, String, &'static str)>,
}

/// Values from somewhere else than a file, by path. They may be tokens: it has no telling `Debug`.
#[derive(Clone)]
struct Values(Vec<(Vec<String>, Value)>);

/// The process's environment. What is no text cannot be meant for us.
pub fn environment() -> HashMap<String, String> {
    env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

impl Sources {
    /// Reads the file and puts everything together.
    pub(super) fn collect(&self) -> Result<Map<String, Value>, Problem> {
        let (text, format) = read(&self.file)?;
        // Alone first: the environment's names follow the file's.
        let file = config::File::from_str(&text, format);
        let parsed = config::Config::builder().add_source(file.clone()).build();
        let parsed = parsed.map_err(|error| syntax::explain(&error, &text))?;
        let merged = config::Config::builder()
            .add_source(file)
            .add_source(self.variables(&parsed.cache))
            .add_source(self.flags())
            .build()
            .map_err(|error| syntax::explain(&error, &text))?;
        merged.collect().map_err(|error| syntax::explain(&error, &text))
    }

    fn variables(&self, file: &Value) -> Values {
        let of = |(name, value): (&String, &String)| {
            let path = name.strip_prefix(PREFIX)?.split("__").map(str::to_lowercase).collect::<Vec<_>>();
            let origin = format!("the variable {name}");
            Some((as_in_file(path, file), Value::new(Some(&origin), value.clone())))
        };
        let mut values: Vec<_> = self.environment.iter().filter_map(of).collect();
        values.sort_by(|a, b| a.0.cmp(&b.0));
        Values(values)
    }

    fn flags(&self) -> Values {
        let of = |(key, value, flag): &(&str, String, &str)| {
            let origin = (*flag).to_owned();
            (key.split('.').map(str::to_owned).collect(), Value::new(Some(&origin), value.clone()))
        };
        Values(self.flags.iter().map(of).collect())
    }
}

/// Variables have capitals and underscores only: `HELP_DESK` means the `Help-Desk` of the file.
fn as_in_file(mut path: Vec<String>, file: &Value) -> Vec<String> {
    let plain = |name: &str| name.to_lowercase().replace(['-', '.'], "_");
    let mut table = Some(file);
    for part in &mut path {
        let Some(ValueKind::Table(names)) = table.map(|value| &value.kind) else { break };
        if let Some(name) = names.keys().find(|name| plain(name) == plain(part)) {
            part.clone_from(name);
        }
        table = names.get(part);
    }
    path
}

fn read(path: &Path) -> Result<(String, FileFormat), Problem> {
    let refuse = |what: String, remedy: &str| Problem::new("", what, remedy);
    let format = match path.extension().and_then(|ext| ext.to_str()) {
        Some("toml") => FileFormat::Toml,
        Some("yaml" | "yml") => FileFormat::Yaml,
        Some("json") => FileFormat::Json,
        _ => {
            let what = "the file's name does not tell its format".to_owned();
            return Err(refuse(what, "let it end in .toml, .yaml, .yml or .json"));
        }
    };
    let text = read_text(path, LARGEST_FILE).map_err(|what| {
        refuse(what, "give a readable file with --config; `matterhost config example` prints one")
    })?;
    Ok((text, format))
}

/// Reads a text file, if it is one and not too large.
pub(super) fn read_text(path: &Path, largest: u64) -> Result<String, String> {
    let unreadable = |error: io::Error| format!("it cannot be read ({error})");
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err("it is a directory".into());
    }
    // Not by its length: a device has none, and never ends.
    let mut bytes = Vec::new();
    file.take(largest + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > largest {
        return Err(format!("it has more than {largest} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".into())
}

impl Source for Values {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let mut root = Map::new();
        for (path, value) in &self.0 {
            put(&mut root, path, value);
        }
        Ok(root)
    }
}

fn put(table: &mut Map<String, Value>, path: &[String], value: &Value) {
    let [first, rest @ ..] = path else { return };
    if rest.is_empty() {
        table.insert(first.clone(), value.clone());
        return;
    }
    let inner = table.entry(first.clone()).or_insert_with(|| Value::new(None, Map::<String, Value>::new()));
    if !matches!(inner.kind, ValueKind::Table(_)) {
        inner.kind = ValueKind::Table(Map::new());
    }
    if let ValueKind::Table(inner) = &mut inner.kind {
        put(inner, rest, value);
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(path, _)| path.join("."))).finish()
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("file", &self.file).finish_non_exhaustive()
    }
}
