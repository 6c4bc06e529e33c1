//! Merges the files: tables are joined, and a key may be set only once.

use config::{Map, Value, ValueKind};

use super::{document::Document, places::Places};
use crate::config::problem::Problem;

/// Merges the files in their order. A key that two of them set is reported with both places.
pub(super) fn documents(
    documents: Vec<Document>,
    problems: &mut Vec<Problem>,
) -> (Map<String, Value>, Places) {
    let (mut tree, mut places) = (Map::new(), Places::default());
    for document in documents {
        join(&mut tree, document.table, "", &(&places, &document.places), problems);
        places.extend(document.places);
    }
    (tree, places)
}

/// Joins two tables. `places` are those of the first and of the second.
fn join(
    tree: &mut Map<String, Value>,
    table: Map<String, Value>,
    path: &str,
    places: &(&Places, &Places),
    problems: &mut Vec<Problem>,
) {
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let Some(before) = tree.get_mut(&key) else {
            tree.insert(key, value);
            continue;
        };
        match (&mut before.kind, value.kind) {
            (ValueKind::Table(before), ValueKind::Table(table)) => {
                join(before, table, &path, places, problems);
            }
            _ => problems.push(set_twice(path, places)),
        }
    }
}

fn set_twice(path: String, (before, now): &(&Places, &Places)) -> Problem {
    let describe = |places: &Places| places.around(&path).map(super::Place::describe).unwrap_or_default();
    let (first, second) = (describe(before), describe(now));
    let message = format!("it is set in {first} and in {second}");
    Problem { place: Some(second), ..Problem::new(path, message, "keep one of them") }
}
