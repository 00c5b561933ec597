//! Speed of the masking rules, whole and in parts: `cargo bench -p daicho-agents --bench masking`.

use agents::capture::Capture;
use agents::masking::{Dialect, Masker, Policy, TagKey};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

const CODE: &str = include_str!("../src/scanner/sarif.rs");

/// Minutes and mails: mostly prose, now and then a person.
const BUSINESS: &str = "議事録（第三回 物流改善会議）\n日時：2026年11月20日 14時から\n出席：佐伯、長谷川、三宅\n\n\
    一、先月の出荷実績について報告があった。前年同月に比べて件数は4％増えたが、遅延率は横ばいである。\n\
    二、倉庫の在庫配置を見直し、回転の速い商品を入口側へ移す。作業は繁忙期の前に終える。\n\
    三、次回までに配送会社三社の見積もりを揃え、費用と所要日数を一覧にする。担当：三宅\n\n\
    いつもお世話になっております。経理部の佐伯です。\n先日ご依頼いただいた精算の件ですが、添付の様式に必要事項を記入のうえ、\
    月末までにご返送ください。ご不明な点がございましたら、03-5555-0142 までご連絡ください。\n\
    なお、来月から申請の締め切りが早まりますので、ご注意ください。よろしくお願いいたします。\n\n";

fn masker() -> Masker {
    Masker::new(Policy::default(), TagKey::new([1; 32])).expect("the default is sound")
}

fn of_size(unit: &str, bytes: usize) -> String {
    unit.repeat(bytes.div_ceil(unit.len()))
}

/// A conversation of `turns` turns, each with words, code and a tool's rows.
fn request(turns: usize) -> Vec<u8> {
    let messages: Vec<_> = (0..turns)
        .map(|n| {
            let rows: Vec<_> = (0..4)
                .map(|k| serde_json::json!({"id": n * 10 + k, "name": "佐伯 真由", "amount": 1200 + k}))
                .collect();
            let code = CODE.lines().skip(n % 200 * 2).take(20).collect::<Vec<_>>().join("\n");
            let text = format!("{n} 番目の依頼です。\n{BUSINESS}\n```\n{code}\n```");
            serde_json::json!({"role": "user", "content": [
                {"type": "text", "text": text},
                {"type": "tool_result", "tool_use_id": format!("toolu_{n}"), "content": serde_json::json!({"rows": rows}).to_string()},
            ]})
        })
        .collect();
    serde_json::to_vec(&serde_json::json!({"model": "m", "messages": messages})).expect("JSON")
}

fn texts(c: &mut Criterion) {
    let masker = masker();
    let mut group = c.benchmark_group("text");
    for (name, unit) in [("business", BUSINESS), ("code", CODE)] {
        let text = of_size(unit, 64 << 10);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new("mask", name), |b| {
            b.iter(|| masker.text(black_box(&text)))
        });
        // Views and the rules for what is prohibited, without names and without a second look.
        group.bench_function(BenchmarkId::new("cut", name), |b| {
            b.iter(|| masker.cut(black_box(&text)))
        });
    }
    group.finish();
}

fn requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("request");
    for turns in [1, 40, 200] {
        let bytes = request(turns);
        let before = request(turns - 1);
        let mask = |masker: &Masker, bytes: &[u8]| {
            masker
                .body(&Capture::new(bytes.to_vec()), Dialect::Anthropic)
                .map(|body| body.stored.len())
        };
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("first", turns), |b| {
            b.iter(|| mask(&masker(), black_box(&bytes)))
        });
        group.bench_function(BenchmarkId::new("last-turn-is-new", turns), |b| {
            b.iter_batched(
                || {
                    let masker = masker();
                    let _ = mask(&masker, &before);
                    masker
                },
                |masker| mask(&masker, black_box(&bytes)),
                criterion::BatchSize::PerIteration,
            )
        });
    }
    group.finish();
}

/// The longest body that the gateway takes, beside one of a megabyte: as many bytes a second.
fn long(c: &mut Criterion) {
    let mut group = c.benchmark_group("long");
    let turn = request(101).len() - request(100).len();
    for megabytes in [1, 32] {
        let bytes = request((megabytes << 20) / turn);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("first", format!("{megabytes} MB")), |b| {
            b.iter(|| {
                let capture = Capture::new(black_box(&bytes).clone());
                let body = masker().body(&capture, Dialect::Anthropic);
                body.map(|body| body.stored.len())
            })
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = texts, requests, long
}
criterion_main!(benches);
