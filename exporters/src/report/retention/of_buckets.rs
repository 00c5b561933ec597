//! Buckets one by one: their state and dates, what they hold, and what somebody has to decide about.

use super::document::{entry, figure};
use super::words::{period_text, state_text};
use super::{BucketState, BucketTally, Retention};
use crate::report::Positions;
use crate::report::model::{Cell, Query, Section, Table, Unit, column, figures, text, told};
use ledger::buckets::Bucket;
use schemas::{BucketId, Class, Timestamp};

/// A quarter ahead is what somebody has to decide about now.
const SOON_MICROS: i64 = 90 * 24 * 3_600 * 1_000_000;

/// Every bucket in the order of the report.
fn each<'r>(
    retention: &'r Retention,
    named: &'r [&Class],
) -> impl Iterator<Item = (BucketId, &'r BucketTally)> {
    named.iter().flat_map(|&class| {
        let tally = retention.classes.get(class).into_iter();
        tally
            .flat_map(|tally| &tally.buckets)
            .map(|(&month, bucket)| {
                let class = class.clone();
                (BucketId { class, month }, bucket)
            })
    })
}

pub(super) fn section(retention: &Retention, named: &[&Class], now: Timestamp) -> Section {
    Section::new("buckets", text("バケットと満了日", "Buckets and due dates"))
        .says(text(
            "バケットは一つの保存区分の一か月分（UTC の暦月）の内容です。満了日時は、その月の終わりに保存期間を加えた時刻です。",
            "A bucket is the content of one class in one calendar month (UTC). It is due one period after the end of its month.",
        ))
        .shows(states(retention, named, now))
        .shows(contents(retention, named))
        .notes(text(
            "個人の鍵は、その人の内容だけを封印した鍵です。その内容の最初の記録、消去の記録を根拠とします。誰のものでもない内容は、バケット自身の鍵で封印されています。",
            "A person’s key seals nothing but what is theirs: behind its figure are the first entry with such content, and the record of its erasure. What is nobody’s is sealed under the bucket’s own key.",
        ))
}

/// When each was opened, by which rule it ends, and what keeps it.
fn states(retention: &Retention, named: &[&Class], now: Timestamp) -> Table {
    let columns = vec![
        column("バケット", "Bucket"),
        column("状態", "State"),
        column("規則", "Rule"),
        column("満了日時", "Due"),
        column("開始", "Opened"),
        column("保全命令", "Held for"),
        column("延長・消去の記録", "Extended, ended"),
    ];
    let mut table = Table::new("buckets", columns).or(text(
        "内容を持つバケットはありません。",
        "There is no bucket with content.",
    ));
    for (bucket, tally) in each(retention, named) {
        let found = retention.buckets.get(&bucket);
        let due = retention.due(&bucket);
        let extended = found.and_then(|found| found.extended);
        let holds = retention.buckets.held_by(&bucket).into_iter();
        let cases = holds.filter_map(|id| retention.buckets.hold(id));
        let cases: Vec<String> = cases.map(|hold| hold.case.to_string()).collect();
        table.rows.push(vec![
            Cell::Name(bucket.to_string()),
            Cell::Text(state_text(retention.state(&bucket, tally, now))),
            Cell::Text(period_text(found.and_then(|found| found.period))),
            due.map_or_else(|| Cell::Text(text("なし", "never")), Cell::Time),
            entry(tally.opened),
            match cases.is_empty() {
                true => Cell::Empty,
                false => Cell::Name(cases.join(", ")),
            },
            match (tally.expired, extended) {
                (Some(expired), _) => entry(Some(expired)),
                (None, Some(position)) => Cell::Text(told(
                    format!("延長：位置 {position}"),
                    format!("extended at position {position}"),
                )),
                (None, None) => Cell::Empty,
            },
        ]);
    }
    table
}

/// What each holds, and under how many keys.
fn contents(retention: &Retention, named: &[&Class]) -> Table {
    let columns = vec![
        column("バケット", "Bucket"),
        figures("記録数", "Entries"),
        column("最初–最後の位置", "First–last"),
        figures("内容数", "Contents"),
        figures("封印後のバイト数", "Sealed bytes"),
        figures("個人の鍵", "Persons’ keys"),
        figures("うち消去", "Of them erased"),
    ];
    let mut table = Table::new("buckets.contents", columns).or(text(
        "内容を持つバケットはありません。",
        "There is no bucket with content.",
    ));
    for (bucket, tally) in each(retention, named) {
        let id = |column: &str| format!("buckets.{bucket}.{column}");
        let entries = Query::of("entry").when("bucket", &bucket);
        let contents = Query::of("content").when("bucket", &bucket);
        let sealed = contents.clone().take("sum", "sealed_bytes");
        let behind = Positions::from(&tally.entries);
        let (count, bytes) = (Unit::Count, Unit::Bytes);
        let first_last = match (tally.entries.min(), tally.entries.max()) {
            (Some(first), Some(last)) => Cell::Name(format!("{first}–{last}")),
            _ => Cell::Empty,
        };
        let own = behind.clone();
        let mut row = vec![
            Cell::Name(bucket.to_string()),
            figure(id("entries"), tally.entries.len(), count, entries, own),
            first_last,
        ];
        let own = behind.clone();
        row.push(figure(id("contents"), tally.contents, count, contents, own));
        row.push(figure(
            id("sealed_bytes"),
            tally.sealed_bytes,
            bytes,
            sealed,
            behind,
        ));
        row.extend(keys(&bucket, retention.buckets.get(&bucket)));
        table.rows.push(row);
    }
    table
}

/// Of persons whose content it has: how many, and of how many the erasure is recorded.
fn keys(id: &BucketId, bucket: Option<&Bucket>) -> [Cell; 2] {
    // Of a person without content an erasure may be recorded all the same.
    let owned = || {
        let all = bucket.into_iter().flat_map(|of| of.subjects.values());
        all.filter(|owned| owned.entries > 0)
    };
    let erased: Vec<u64> = owned().filter_map(|owned| owned.erased).collect();
    let query = Query::of("key").when("bucket", id);
    let count = |column: &str, value: usize, query: Query, positions: Positions| {
        let id = format!("buckets.{id}.{column}");
        figure(id, value as u64, Unit::Count, query, positions)
    };
    let first = owned().map(|owned| owned.first).collect();
    [
        count("keys", owned().count(), query.clone(), first),
        count(
            "erased",
            erased.len(),
            query.when("state", "erased"),
            erased.into_iter().collect(),
        ),
    ]
}

/// What is due, or will be within 90 days of the head.
pub(super) fn soon(retention: &Retention, named: &[&Class], now: Timestamp) -> Section {
    let columns = vec![
        column("バケット", "Bucket"),
        column("満了日時", "Due"),
        column("状態", "State"),
        figures("内容数", "Contents"),
    ];
    let mut table = Table::new("soon", columns).or(text(
        "該当するバケットはありません。",
        "There is no such bucket.",
    ));
    let limit = Timestamp::from_micros(now.micros().saturating_add(SOON_MICROS));
    for (bucket, tally) in each(retention, named) {
        let state = retention.state(&bucket, tally, now);
        let Some(due) = retention.due(&bucket) else {
            continue;
        };
        if due > limit || state == BucketState::Expired {
            continue;
        }
        table.rows.push(vec![
            Cell::Name(bucket.to_string()),
            Cell::Time(due),
            Cell::Text(state_text(state)),
            figure(
                format!("soon.{bucket}.contents"),
                tally.contents,
                Unit::Count,
                Query::of("content").when("bucket", &bucket),
                Positions::from(&tally.entries),
            ),
        ]);
    }
    let title = text(
        "満了済み、または90日以内に満了するもの",
        "Due, or due within 90 days",
    );
    Section::new("soon", title).shows(table)
}
