use super::words::{class_title, level_text, period_text};
use super::{ClassTally, Retention, of_buckets, rank};
use crate::report::facts::Moment;
use crate::report::model::{
    Cell, Figure, Query, Report, Section, Table, Unit, column, figures, from_the_log, text, told,
};
use crate::report::{Basis, Positions, ReportError};
use ledger::buckets::{Hold, Periods, Spared};
use roaring::RoaringTreemap;
use schemas::{BucketId, Class};

pub const NAME: &str = "retention";

/// The report: the state at its head, under the rules that were adopted by then.
pub fn report(retention: &Retention, basis: Basis) -> Result<Report, ReportError> {
    basis.check(retention.size)?;
    let periods = retention.buckets.periods();
    let now = basis.head.at;
    let mut named: Vec<&Class> = periods.keys().chain(retention.classes.keys()).collect();
    named.sort_by_key(|class| (rank(class), *class));
    named.dedup();
    let sections = vec![
        classes(retention, periods, &named),
        of_buckets::section(retention, &named, now),
        of_buckets::soon(retention, &named, now),
        holds(retention),
        erasures(retention),
        protection(retention),
        limits(),
    ];
    Ok(Report {
        report: NAME,
        version: 4,
        title: text("保存期間報告書", "Retention report"),
        basis,
        sections,
    })
}

pub(super) fn figure(
    id: String,
    value: u64,
    unit: Unit,
    query: Query,
    positions: Positions,
) -> Cell {
    Cell::Figure(Figure {
        id,
        value,
        unit,
        query,
        positions,
    })
}

fn classes(retention: &Retention, periods: &Periods, named: &[&Class]) -> Section {
    let columns = vec![
        column("保存区分", "Class"),
        column("保存期間", "Period"),
        figures("記録数", "Events"),
        column("最も古い記録", "Oldest"),
        column("最も新しい記録", "Newest"),
        figures("内容数", "Contents"),
        figures("封印後のバイト数", "Sealed bytes"),
        column("次の満了日時", "Next due"),
    ];
    let mut table = Table::new("classes", columns);
    let empty = ClassTally::default();
    for &class in named {
        let tally = retention.classes.get(class).unwrap_or(&empty);
        let there = || tally.buckets.iter().filter(|(_, b)| b.expired.is_none());
        let behind = there().fold(RoaringTreemap::new(), |mut all, (_, bucket)| {
            all |= &bucket.entries;
            all
        });
        let dues = there().filter_map(|(&month, _)| {
            let class = class.clone();
            retention.due(&BucketId { class, month })
        });
        let next = dues.min();
        let contents = there().map(|(_, bucket)| bucket.contents).sum();
        let bytes = there().map(|(_, bucket)| bucket.sealed_bytes).sum();
        let id = |column: &str| format!("classes.{class}.{column}");
        let events = Query::of("entry").when("class", class);
        let kept = Query::of("content")
            .when("class", class)
            .when("state", "kept");
        let sealed = kept.clone().take("sum", "sealed_bytes");
        let positions = Positions::from(behind);
        let of_class = Positions::from(&tally.events);
        table.rows.push(vec![
            Cell::Text(class_title(class)),
            Cell::Text(period_text(periods.get(class).copied())),
            figure(
                id("events"),
                tally.events.len(),
                Unit::Count,
                events,
                of_class,
            ),
            entry(tally.oldest),
            entry(tally.newest),
            figure(
                id("contents"),
                contents,
                Unit::Count,
                kept,
                positions.clone(),
            ),
            figure(id("sealed_bytes"), bytes, Unit::Bytes, sealed, positions),
            next.map_or(Cell::Empty, Cell::Time),
        ]);
    }
    Section::new("classes", text("保存区分ごとの状況", "By retention class"))
        .says(text(
            "台帳の記録そのものは消去されず、期間が定めるのは記録に付随する内容（プロンプト、送信データ、応答など、封印して別に保管するもの）です。",
            "Entries of the log are never removed. Periods govern their content: prompts, payloads, responses and the like, which are sealed and kept beside the log.",
        ))
        .shows(table)
        .notes(text(
            "内容数とバイト数は、満了して消去されたものを除きます。個人の請求により鍵を破棄した内容は、読めないまま満了まで残るため、これに含みます。同じバケットの中の等しい内容は一度だけ保管され、一度だけ数えます。",
            "Contents and bytes leave out what has expired and been removed. What an erasure made unreadable stays until its bucket ends, and is in them. Equal content inside a bucket is stored once and counted once.",
        ))
}

fn holds(retention: &Retention) -> Section {
    let columns = vec![
        column("案件", "Case"),
        column("対象", "Scope"),
        column("発令", "Placed"),
        column("識別子", "Identifier"),
        figures("対象のバケット", "Buckets"),
    ];
    let mut table = Table::new("holds", columns)
        .or(text("有効な保全命令はありません。", "No hold is in force."));
    let in_force = retention.buckets.holds();
    for (hold, open) in in_force.filter(|(_, hold)| hold.released.is_none()) {
        table.rows.push(vec![
            Cell::Name(open.case.to_string()),
            Cell::Name(open.scope.to_string()),
            entry(Some(open.placed.into())),
            Cell::Name(hold.to_string()),
            figure(
                format!("holds.{hold}.buckets"),
                open.buckets.len() as u64,
                Unit::Count,
                Query::of("hold")
                    .when("hold", hold)
                    .take("count", "buckets"),
                held(open, retention),
            ),
        ]);
    }
    Section::new("holds", text("保全命令（リーガルホールド）", "Legal holds"))
        .says(text(
            "保全命令は保存期間に優先します。対象となる内容は、満了日時を過ぎても解除まで消去されません。",
            "A hold comes before any period: what it covers stays beyond its due date until the hold is released.",
        ))
        .shows(table)
}

/// Where a hold was placed, and where each bucket that it keeps was opened.
fn held(hold: &Hold, retention: &Retention) -> Positions {
    let buckets = hold.buckets.iter();
    let opened = buckets.filter_map(|id| Some(retention.buckets.get(id)?.first));
    opened.chain([hold.placed.seq]).collect()
}

/// The register of requests to erase one person's content, and what became of each.
fn erasures(retention: &Retention) -> Section {
    let columns = vec![
        column("案件", "Case"),
        column("根拠", "Basis"),
        column("請求", "Requested"),
        column("識別子", "Identifier"),
        column("バケット", "Bucket"),
        column("結果", "Outcome"),
        figures("消去した内容", "Contents erased"),
    ];
    let mut table = Table::new("erasures", columns).or(text(
        "消去の請求はありません。",
        "No erasure was requested.",
    ));
    for (id, erasure) in retention.buckets.erasures() {
        let reached = erasure.all_keys().map(|key| (key, true));
        for (key, reached) in reached.chain(erasure.unread.iter().map(|key| (key, false))) {
            let done = retention.buckets.owned(key).and_then(|owned| owned.erased);
            let erased = done.and_then(|seq| retention.erased.get(&seq));
            let contents = erased.map(|erased| erased.contents);
            let method = erased.map_or("", |erased| erased.method.as_str());
            let outcome = match (done, retention.buckets.may_erase(id, key)) {
                (Some(seq), _) if method == ledger::NO_KEY => told(
                    format!("記録済み：位置 {seq}。鍵は既になく、破棄したものはない"),
                    format!("recorded at {seq}: no key was there, and none was destroyed"),
                ),
                (Some(seq), _) => {
                    told(format!("消去済み：位置 {seq}"), format!("erased, at {seq}"))
                }
                (None, _) if !reached => text(
                    "対象外：鍵がないか開けず、誰のものか判らない",
                    "not reached: its key is gone or does not open, and nobody knows whose it is",
                ),
                (None, Err(Spared::Held { .. })) => text("保全中のため保管", "kept: held"),
                (None, Err(Spared::Duty { duty, .. })) => {
                    told(format!("保管義務：{duty}"), format!("kept by duty: {duty}"))
                }
                (None, Err(_)) => text("満了により消去済み", "ended with its bucket"),
                (None, Ok(())) => text("未消去", "not erased"),
            };
            let (bucket, subject) = (&key.bucket, &key.subject);
            let erased = Query::kinds(&["erasure.completed"])
                .when("subject", subject)
                .take("sum", "contents");
            table.rows.push(vec![
                Cell::Name(erasure.case.to_string()),
                Cell::Name(erasure.basis.to_string()),
                entry(Some(erasure.requested.into())),
                Cell::Name(id.to_string()),
                Cell::Name(bucket.to_string()),
                Cell::Text(outcome),
                figure(
                    format!("erasures.{id}.{subject}.contents"),
                    contents.unwrap_or_default(),
                    Unit::Count,
                    erased,
                    done.into_iter().collect(),
                ),
            ]);
        }
    }
    let title = text("個人の内容の消去", "Erasure of one person's content");
    Section::new("erasures", title)
        .says(text(
            "一人の内容は、バケットごとにその人だけの鍵で封印されています。消去はその鍵の破棄であり、他の人の内容には及びません。",
            "What is one person's is sealed under a key of its own in each bucket. To erase it is to destroy that key; nobody else's content is touched.",
        ))
        .shows(table)
}

/// What the system said of the files when it was last asked.
fn protection(retention: &Retention) -> Section {
    let columns = vec![
        column("対象", "Files"),
        column("水準", "Level"),
        column("読み戻した時点", "Read back"),
        figures("書込みの終わったファイル", "Full files"),
        figures("書込み禁止", "Read-only"),
        figures("変更不可フラグ", "Immutable"),
        figures("読み戻せず", "Not read"),
    ];
    let mut table = Table::new("protection", columns).or(text(
        "保護の水準は読み戻されていません。どの水準も証明されていません。",
        "Nothing was read back: no level is proven.",
    ));
    if let Some((moment, checked)) = &retention.protection {
        let [of_log, of_content] = FILES;
        for (fields, title, read) in [
            (of_log, text("台帳の記録", "Log"), &checked.log),
            (
                of_content,
                text("封印された内容", "Sealed content"),
                &checked.content,
            ),
        ] {
            let counts = [read.files, read.read_only, read.immutable, read.unread];
            let mut row = vec![
                Cell::Text(title),
                Cell::Text(level_text(read.level())),
                entry(Some(*moment)),
            ];
            row.extend(fields.iter().zip(counts).map(|(&field, count)| {
                figure(
                    format!("protection.{field}"),
                    count,
                    Unit::Count,
                    Query::kinds(&["protection.checked"]).take("newest", field),
                    [moment.position].into_iter().collect(),
                )
            }));
            table.rows.push(row);
        }
    }
    let title = text("書込みからの保護", "Protection from being written to");
    Section::new("protection", title)
        .says(text(
            "水準は設定や仕様からではなく、報告書の作成に先立ってファイルの属性を読み戻した結果です。書込みの終わったすべてのファイルについて満たされた水準だけを示します。各ディレクトリの最新のファイルは、書込み中でありうるため対象外です。",
            "The level is not what was configured: before this report was made, each file's mode and flag were read back. It is the level that every full file was found to have: all but the newest of each directory, which may still be written to and was not asked.",
        ))
        .shows(table)
        .notes(text(
            "書込み禁止（L0）と変更不可フラグ（L1）は、この機器の管理者が解除できます。記録はこの機器のファイルに保管され、オブジェクトロック（L2、L3）は使われていません。",
            "Modes (L0) and the immutable flag (L1) can be taken away by whoever administers this host. The record is in files of this host: no object lock (L2, L3) is in use.",
        ))
}

/// Fields of `protection.checked`, in the order of the table's figures.
const FILES: [[&str; 4]; 2] = [
    ["log.files", "log.read_only", "log.immutable", "log.unread"],
    [
        "content.files",
        "content.read_only",
        "content.immutable",
        "content.unread",
    ],
];

fn limits() -> Section {
    let title = text(
        "この報告書が示すことと示さないこと",
        "What this report shows and does not",
    );
    Section::new("limits", title)
        .notes(from_the_log())
        .notes(text(
            "「消去済み」は、鍵の破棄とファイルの削除が記録されたことを示します。他の媒体に作られた複製は対象外です。",
            "“Expired” says that the destruction of the key and the removal of the files were recorded. Copies on other media are not covered.",
        ))
}

/// When, and where in the log.
pub(super) fn entry(moment: Option<Moment>) -> Cell {
    match moment {
        None => Cell::Empty,
        Some(Moment { position, at }) => Cell::Entry { at, position },
    }
}
