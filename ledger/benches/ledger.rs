//! What the log costs: one commit, one signature check, one proof.
#![allow(clippy::unwrap_used)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ledger::tree::{Tree, leaf_hash};
use ledger::verify::{Trust, verify};
use ledger::{Appender, Options, Reader, Submission};
use schemas::Event;
use schemas::kinds::scanner::{Coverage, FileCovered};
use tempfile::TempDir;

fn fresh() -> (TempDir, Appender, Reader) {
    let dir = TempDir::new().unwrap();
    ledger::create(dir.path(), "example.com/bench", &ledger::clock::SystemClock).unwrap();
    let (appender, reader) = ledger::open(dir.path(), Options::default()).unwrap();
    (dir, appender, reader)
}

fn event(appender: &Appender) -> Submission {
    let data = FileCovered {
        scan: appender.new_id(),
        path: "p".repeat(256).parse().unwrap(),
        coverage: Coverage::Scanned,
        file_sha256: None,
    };
    Event::new(appender.new_id(), "agent:cfo".parse().unwrap(), data).into()
}

fn append(c: &mut Criterion) {
    let (_dir, appender, _) = fresh();
    let mut group = c.benchmark_group("append, durable and signed");
    for batch in [1, 16, 64, 256] {
        group.throughput(Throughput::Elements(batch));
        let events = || (0..batch).map(|_| event(&appender)).collect::<Vec<_>>();
        group.bench_function(format!("batch of {batch}"), |b| {
            b.iter_batched(
                events,
                |batch| appender.append(batch).unwrap(),
                BatchSize::SmallInput,
            );
        });
    }
}

fn verify_log(c: &mut Criterion) {
    const ENTRIES: u64 = 20_000;
    let (dir, appender, _) = fresh();
    for _ in 0..ENTRIES / 200 {
        appender
            .append((0..200).map(|_| event(&appender)).collect())
            .unwrap();
    }
    drop(appender);
    let mut group = c.benchmark_group("verify, every signature");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(ENTRIES + 1));
    group.bench_function("20,000 entries", |b| {
        b.iter(|| {
            assert!(
                verify(dir.path(), &Trust::default(), |_| {})
                    .unwrap()
                    .is_clean()
            )
        });
    });
}

fn tree(c: &mut Criterion) {
    let mut tree = Tree::default();
    (0..100_000_u64).for_each(|i| tree.push(leaf_hash(&i.to_be_bytes())));
    c.bench_function("inclusion proof in 100,000", |b| {
        b.iter(|| tree.inclusion_proof(77_777, 100_000).unwrap())
    });
    c.bench_function("leaf hash of 1 KiB", |b| b.iter(|| leaf_hash(&[7; 1024])));
}

criterion_group!(benches, append, verify_log, tree);
criterion_main!(benches);
