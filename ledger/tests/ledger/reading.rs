//! What readers, indexes and filters give.

use crate::{create, event, open};
use ledger::query::{Filter, Positions, find};
use ledger::verify::{Trust, entries_at, verify};
use ledger::{Index, Projection};
use schemas::Actor;
use std::path::Path;

#[test]
fn entries_are_read_again_without_opening_the_log_as_a_reader_gives_them() {
    let dir = create();
    let (appender, reader) = open(dir.path());
    for i in 0..20 {
        let event = event(&appender, &format!("agent-{i}"));
        appender.append(vec![event.into()]).unwrap();
    }
    let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
    let size = reader.size();
    assert!(report.is_clean() && report.files > 2);
    let choices = [
        vec![],
        vec![0],
        vec![size - 1],
        (0..size).collect(),
        vec![1, 9, 17],
    ];
    for positions in choices {
        let mut given = Vec::new();
        entries_at(dir.path(), &positions, |entry, file, offset| {
            let place = reader.place_of(entry.seq());
            assert_eq!(place, Some((file.to_owned(), offset)));
            assert_eq!(entry.leaf(), reader.entry(entry.seq()).unwrap().leaf());
            given.push(entry.seq());
        })
        .unwrap();
        assert_eq!(given, positions);
    }
    assert!(entries_at(dir.path(), &[3, size], |_, _, _| {}).is_err());
}

/// A fold that remembers everything it saw.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Seen(Vec<String>);

impl Projection for Seen {
    const NAME: &'static str = "seen";
    const VERSION: u32 = 1;
    fn fold(&mut self, entry: &ledger::Entry) {
        self.0
            .push(format!("{} {} {}", entry.seq(), entry.kind(), entry.leaf()));
    }
}

#[test]
fn a_rebuilt_index_answers_the_same() {
    let dir = create();
    let (appender, reader) = open(dir.path());
    for i in 0..30 {
        appender
            .append(vec![event(&appender, &format!("a{i}")).into()])
            .unwrap();
        if i == 20 {
            let mut index = Index::open(reader.clone()).unwrap();
            index.add::<Seen>();
            index.catch_up().unwrap();
            index.save().unwrap();
        }
    }
    let digests = |expect_from: u64| {
        let mut index = Index::open(reader.clone()).unwrap();
        let view = index.add::<Seen>();
        assert_eq!(view.cursor(), expect_from);
        index.add::<Positions>();
        index.catch_up().unwrap();
        (index.digests().unwrap(), index.notices().to_vec())
    };
    let (grown, _) = digests(22);
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let (rebuilt, notices) = digests(0);
    assert_eq!(grown, rebuilt);
    assert!(notices.is_empty());
    for file in walk(&dir.path().join("index")) {
        std::fs::write(&file, b"garbage").unwrap();
    }
    let (again, notices) = digests(0);
    assert_eq!(again, rebuilt);
    assert!(notices[0].contains("damaged"), "{notices:?}");
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for item in std::fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path))
        } else {
            files.push(path)
        }
    }
    files
}

#[test]
fn filters_find_exactly_what_they_name() {
    let dir = create();
    let (appender, reader) = open(dir.path());
    for i in 0..10 {
        let mut event = event(&appender, &format!("a{i}"));
        event.session = Some(format!("s{}", i % 2).parse().unwrap());
        appender.append(vec![event.into()]).unwrap();
    }
    let mut index = Index::in_memory(reader.clone());
    let view = index.add::<Positions>();
    index.catch_up().unwrap();
    let find = |filter: &Filter| find(&reader, &view, filter).unwrap();
    assert_eq!(find(&Filter::default()).len(), 11);
    assert_eq!(
        find(&Filter {
            kinds: vec!["ledger.created".into()],
            ..Filter::default()
        }),
        [0]
    );
    assert_eq!(
        find(&Filter {
            session: Some("s1".parse().unwrap()),
            limit: Some(2),
            ..Filter::default()
        }),
        [2, 4]
    );
    let actor: Actor = "user:s001".parse().unwrap();
    let newest = Filter {
        actor: Some(actor),
        newest_first: true,
        limit: Some(1),
        ..Filter::default()
    };
    assert_eq!(find(&newest), [10]);
    let future = Filter {
        since: Some("2027-01-01T00:00:00.000000Z".parse().unwrap()),
        ..Filter::default()
    };
    assert!(find(&future).is_empty());
    let past = Filter {
        until: Some("2026-11-22T00:00:00.000000Z".parse().unwrap()),
        ..Filter::default()
    };
    assert!(find(&past).is_empty(), "until is exclusive");
}
