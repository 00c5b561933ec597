//! `schemas/json` holds the JSON Schema of every kind's data, generated from its type.
#![allow(clippy::unwrap_used)]

use schemas::Data;
use std::path::Path;

/// Run with `UPDATE_SCHEMAS=1` after a change of kinds.
#[test]
fn the_published_schemas_are_those_of_the_types() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("json");
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    let mut known = Vec::new();
    for kind in Data::KINDS {
        let schema = Data::json_schema(kind).unwrap();
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        let path = dir.join(format!("{kind}.json"));
        if update {
            std::fs::write(&path, &text).unwrap();
        }
        let published = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            published, text,
            "{kind}: run the schemas tests with UPDATE_SCHEMAS=1 and commit the result"
        );
        known.push(path);
    }
    for file in std::fs::read_dir(&dir).unwrap() {
        let path = file.unwrap().path();
        assert!(
            known.contains(&path),
            "{} is the schema of no kind",
            path.display()
        );
    }
}

/// A promise to whoever parses these words: each kind once, `family.past_tense` in lower case.
#[test]
fn every_kind_has_one_word() {
    let mut kinds = Data::KINDS.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), Data::KINDS.len());
    assert!(kinds.iter().all(
        |k| k.split('.').count() == 2 && k.bytes().all(|b| b.is_ascii_lowercase() || b == b'.')
    ));
}
