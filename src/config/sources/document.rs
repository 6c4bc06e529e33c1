//! One configuration file: its values, and the line of each key.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use config::{FileFormat, Map, Value, ValueKind};
use secrecy::{ExposeSecret as _, SecretString};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    LARGEST_FILE,
    files::NamedTexts,
    places::{Place, Places},
    read_text,
};
use crate::config::{problem::Problem, syntax};

/// A parsed file.
pub(super) struct Document {
    /// The path by which it is compared with others.
    pub(super) id: PathBuf,
    pub(super) path: Arc<Path>,
    pub(super) table: Map<String, Value>,
    pub(super) places: Places,
    /// The text, which may hold tokens.
    pub(super) text: Arc<SecretString>,
}

impl Document {
    /// Reads and parses a file. Its text in `pinned`, if any, is used instead of its content.
    pub(super) fn read(path: &Path, id: PathBuf, pinned: &NamedTexts) -> Result<Self, Problem> {
        let format = format(path)?;
        let text = match pinned.get(path) {
            Some(text) => Arc::clone(text),
            None => read_text(path, LARGEST_FILE).map(|text| Arc::new(text.into())).map_err(|message| {
                let remedy = "pass a readable file with --config; `matterhost config example` prints one";
                Problem::new("", message, remedy)
            })?,
        };
        let source = config::File::from_str(text.expose_secret(), format);
        let parsed = config::Config::builder().add_source(source).build();
        let parsed = parsed.map_err(|error| syntax::explain(&error, text.expose_secret()))?;
        let table = match parsed.cache.kind {
            ValueKind::Table(table) => table,
            // A file without a key.
            _ => Map::new(),
        };
        let path: Arc<Path> = path.into();
        let places = places(&path, &table, text.expose_secret(), format);
        Ok(Self { id, path, table, places, text })
    }
}

fn format(path: &Path) -> Result<FileFormat, Problem> {
    match path.extension().and_then(|ext| ext.to_str()) {
        Some("toml") => Ok(FileFormat::Toml),
        Some("yaml" | "yml") => Ok(FileFormat::Yaml),
        Some("json") => Ok(FileFormat::Json),
        _ => {
            let message = "the file name does not show the format";
            Err(Problem::new("", message, "use the ending .toml, .yaml, .yml or .json"))
        }
    }
}

fn places(file: &Arc<Path>, table: &Map<String, Value>, text: &str, format: FileFormat) -> Places {
    let mut places = Places::default();
    let parsed = (format == FileFormat::Toml).then(|| DeTable::parse(text).ok()).flatten();
    match parsed {
        Some(parsed) => {
            let starts: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
            let line = |offset: usize| starts.partition_point(|start| *start < offset) + 1;
            add_lines(file, &line, "", parsed.get_ref(), &mut places);
        }
        // The other parsers do not tell the lines.
        None => add_keys(file, "", table, &mut places),
    }
    places
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn add_lines(
    file: &Arc<Path>,
    line: &impl Fn(usize) -> usize,
    path: &str,
    table: &DeTable<'_>,
    places: &mut Places,
) {
    for (key, value) in table {
        let path = join(path, key.get_ref());
        let place = Place { file: Arc::clone(file), line: Some(line(key.span().start)) };
        places.insert(path.clone(), place);
        if let DeValue::Table(inner) = Spanned::get_ref(value) {
            add_lines(file, line, &path, inner, places);
        }
    }
}

fn add_keys(file: &Arc<Path>, path: &str, table: &Map<String, Value>, places: &mut Places) {
    for (key, value) in table {
        let path = join(path, key);
        places.insert(path.clone(), Place { file: Arc::clone(file), line: None });
        if let ValueKind::Table(inner) = &value.kind {
            add_keys(file, &path, inner, places);
        }
    }
}

/// Returns the path by which a file is compared with others.
pub(super) fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
