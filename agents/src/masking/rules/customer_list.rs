//! Many persons with their contact data in one payload: such a list must not leave at all,
//! however well each line of it is masked.
//!
//! It looks at what the other rules found, in the order of the text. Names in a row, then
//! contacts in a row (or the other way round) are one person: a signature has a name in two
//! spellings and four ways to reach it. A person is counted once, by a name and a contact that
//! were not there before, so that a quoted signature counts no more. One more line can only
//! make the list longer.

use crate::masking::SpanKind;
use crate::masking::chars::is_latin;
use std::collections::HashSet;
use std::ops::Range;

pub(in crate::masking) const NAME: &str = "customer-list";

/// A name and a contact further apart, in characters, are not of one entry. A row of a wide
/// table or an object of JSON has less between them.
const REACH: usize = 300;

/// Lines of a mail or an invitation that name who gets it: ten colleagues are no customers.
const RECIPIENTS: [&str; 14] = [
    "from",
    "to",
    "cc",
    "bcc",
    "reply-to",
    "attendees",
    "required",
    "optional",
    "差出人",
    "宛先",
    "送信者",
    "受信者",
    "参加者",
    "出席者",
];

/// The persons with contact data in the documents of one payload so far.
#[derive(Default)]
pub(in crate::masking) struct CustomerList {
    names: HashSet<String>,
    contacts: HashSet<String>,
    length: usize,
    /// The run that waits for one of the other kind.
    waiting: Option<Run>,
    run: Option<Run>,
}

/// Names in a row, or contacts in a row.
struct Run {
    contacts: bool,
    start: usize,
    end: usize,
    /// One of them was not there before.
    fresh: bool,
}

impl CustomerList {
    /// Takes in what was found in one document: kinds, characters `start..end` and values, in order.
    pub fn add<'h>(
        &mut self,
        document: &[char],
        finds: impl Iterator<Item = (SpanKind, Range<usize>, &'h str)>,
    ) {
        let mut recipients = Recipients::default();
        for (kind, at, value) in finds {
            if !recipients.names(document, at.start) {
                self.find(kind, 0, at, value);
            }
        }
    }

    /// Takes in one find, at these characters of the document that begins at `base` of the payload.
    /// Who is only named as a recipient is not one.
    pub fn find(&mut self, kind: SpanKind, base: usize, at: Range<usize>, value: &str) {
        let contacts = match kind {
            SpanKind::Person => false,
            SpanKind::Phone | SpanKind::Email | SpanKind::Address => true,
            _ => return,
        };
        let (start, end) = (base + at.start, base + at.end);
        let known = if contacts {
            &mut self.contacts
        } else {
            &mut self.names
        };
        let fresh = known.insert(value.to_owned());
        match &mut self.run {
            Some(run) if run.contacts == contacts && start <= run.end + REACH => {
                run.end = end;
                run.fresh |= fresh;
            }
            _ => {
                self.end_run();
                self.run = Some(Run {
                    contacts,
                    start,
                    end,
                    fresh,
                });
            }
        }
    }

    fn end_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        match self.waiting.take() {
            Some(first) if first.contacts != run.contacts && run.start <= first.end + REACH => {
                self.length += usize::from(first.fresh && run.fresh);
            }
            _ => self.waiting = Some(run),
        }
    }

    /// How many persons with contact data there are.
    pub fn length(mut self) -> usize {
        self.end_run();
        self.length
    }
}

/// The line of a document that was read last, and whether it names recipients.
#[derive(Default)]
pub(in crate::masking) struct Recipients {
    read: usize,
    recipients: bool,
    begun: bool,
}

impl Recipients {
    /// Whether the line that `at` stands in does. Reads on to there: each character of a document is
    /// read once.
    pub fn names(&mut self, document: &[char], at: usize) -> bool {
        for i in self.read..at.min(document.len()) {
            // A line that begins with white space goes on with the one before.
            let begins = i == 0 || document[i - 1] == '\n';
            if begins && !(self.begun && matches!(document[i], ' ' | '\t')) {
                self.recipients = is_recipients(&document[i..]);
                self.begun = true;
            }
            self.read = i + 1;
        }
        self.recipients
    }
}

fn is_recipients(line: &[char]) -> bool {
    let word: String = line
        .iter()
        .skip_while(|c| matches!(c, '>' | ' ' | '*' | '"'))
        .take_while(|c| !matches!(c, ':' | '：' | '\n'))
        .take(12)
        .flat_map(|c| c.to_lowercase())
        .collect();
    let word = word.trim_end_matches(|c| !is_latin(c) && !c.is_alphabetic());
    RECIPIENTS.contains(&word)
}

#[cfg(test)]
mod tests {
    use crate::capture::Capture;
    use crate::masking::tests::masker;
    use crate::masking::{Dialect, Masker, Policy, TagKey, Verdict};
    use serde_json::{Value, json};

    const SURNAMES: [&str; 16] = [
        "佐藤", "鈴木", "高橋", "田中", "渡辺", "伊藤", "中村", "小林", "加藤", "吉田", "山本",
        "斎藤", "松本", "井上", "木村", "清水",
    ];
    const GIVEN: [&str; 4] = ["健一", "美穂", "大輔", "直子"];

    /// Name, phone, mailbox and address of the n-th customer.
    fn customer(n: usize) -> [String; 4] {
        [
            format!("{} {}", SURNAMES[n % 16], GIVEN[n / 16 % 4]),
            format!("090-{:04}-{:04}", 1200 + n, 3400 + n * 7),
            format!("user{n}@mail.example.jp"),
            format!("神奈川県横浜市西区高島{}-{}-3", n % 9 + 1, n % 7 + 1),
        ]
    }

    fn customers(n: usize) -> Vec<[String; 4]> {
        (0..n).map(customer).collect()
    }

    fn joined(n: usize, line: impl Fn(&[String; 4]) -> String) -> String {
        customers(n).iter().map(line).collect()
    }

    /// The persons of a list that is blocked.
    fn listed(text: &str) -> Option<u64> {
        let found = masker().text(text);
        let list = found.blocks.iter().find(|b| b.rule.as_str() == super::NAME);
        assert_eq!(found.verdict == Verdict::Block, list.is_some());
        list.map(|list| list.count)
    }

    /// Every form that a list of `n` customers has.
    fn forms(n: usize) -> Vec<String> {
        let rows: Vec<Value> = customers(n)
            .iter()
            .map(|[name, phone, mail, _]| json!({"name": name, "phone": phone, "email": mail}))
            .collect();
        vec![
            "氏名,電話番号,メール,住所\n".to_owned()
                + &joined(n, |[a, b, c, d]| format!("{a},{b},{c},{d}\n")),
            "電話番号\t氏名\n".to_owned() + &joined(n, |[a, b, ..]| format!("{b}\t{a}\n")),
            "| 氏名 | メール |\n|---|---|\n".to_owned()
                + &joined(n, |[a, _, c, _]| format!("| {a} | {c} |\n")),
            serde_json::to_string(&rows).expect("JSON"),
            serde_json::to_string_pretty(&rows).expect("JSON"),
            joined(n, |[a, b, c, _]| {
                format!(
                    "BEGIN:VCARD\nVERSION:3.0\nFN:{a}\nTEL;TYPE=CELL:{b}\nEMAIL:{c}\nEND:VCARD\n"
                )
            }),
            joined(n, |[a, b, ..]| format!("{a}様 {b}\n")),
            joined(n, |[a, b, _, d]| {
                format!("氏名：{a}\n住所：{d}\n電話：{b}\n\n")
            }),
        ]
    }

    #[test]
    fn a_list_of_customers_blocks_in_every_form() {
        for text in forms(12) {
            assert_eq!(listed(&text), Some(12), "{text}");
        }
    }

    #[test]
    fn a_longer_list_does_not_pass_and_a_short_one_does() {
        for n in [1, 3, 6, 9] {
            forms(n)
                .iter()
                .for_each(|text| assert_eq!(listed(text), None, "{text}"));
        }
        for n in [10, 11, 25, 60] {
            forms(n)
                .iter()
                .for_each(|text| assert_eq!(listed(text), Some(n as u64), "{text}"));
        }
    }

    #[test]
    fn the_operator_says_how_many_are_too_many() {
        let of = |customer_list_at| {
            let policy = Policy {
                customer_list_at,
                ..Policy::default()
            };
            Masker::new(policy, TagKey::new([1; 32]))
                .map(|masker| masker.text(&forms(5)[0]).verdict)
        };
        assert_eq!(of(5), Ok(Verdict::Block));
        assert_eq!(of(6), Ok(Verdict::Allow));
        assert!(of(0).is_err());
    }

    /// Each colleague writes twice; every mail quotes all before it.
    fn thread() -> String {
        let mut thread = String::new();
        for n in (0..6).chain(0..6) {
            let ([name, phone, mail, place], [to, ..]) = (customer(n), customer((n + 1) % 6));
            let quoted: String = thread.lines().map(|line| format!("> {line}\n")).collect();
            thread = format!(
                "From: {name} <{mail}>\nTo: {to}\n\n{to}様\n\nお世話になっております。{name}です。\n\
                 納期の件、承知しました。\n--\n山吹商事 営業部\n{name}（{}）\nTEL {phone} FAX 03-5555-{:04}\n{mail}\n{place}\n\n{quoted}",
                "サトウ",
                100 + n
            );
        }
        thread
    }

    #[test]
    fn threads_minutes_and_charts_pass() {
        let recipients: String = (0..30)
            .map(customer)
            .map(|[name, _, mail, _]| format!("{name} <{mail}>,\n "))
            .collect();
        let minutes = joined(20, |[name, ..]| format!("{name}：在庫の配置を見直す。\n"));
        for text in [
            thread(),
            format!("議事録\n{minutes}問い合わせ 03-5555-0142\n"),
            joined(30, |[name, ..]| format!("営業部 課長 {name}\n")),
            format!("Cc: {recipients}\n本文です。"),
            (0..30)
                .map(|n| format!("{}店 {}\n", n, customer(n)[1]))
                .collect(),
        ] {
            assert_eq!(listed(&text), None, "{text}");
        }
    }

    fn blocks(messages: &Value) -> Vec<(String, u64)> {
        let body = json!({"model": "m", "messages": messages});
        let capture = Capture::new(serde_json::to_vec(&body).expect("JSON"));
        let masker = masker();
        let first = masker.body(&capture, Dialect::Anthropic).expect("a body");
        let again = masker.body(&capture, Dialect::Anthropic).expect("a body");
        assert_eq!(first.blocks, again.blocks);
        assert_eq!(first.payload.is_none(), !first.blocks.is_empty());
        let rule =
            |count: &schemas::kinds::traffic::RuleCount| (count.rule.to_string(), count.count);
        first.blocks.iter().map(rule).collect()
    }

    #[test]
    fn a_list_is_one_over_all_strings_of_a_call() {
        let list = vec![(super::NAME.to_owned(), 12)];
        let message = |text: String| json!({"role": "user", "content": text});
        let whole = json!([message(forms(12).swap_remove(0))]);
        assert_eq!(blocks(&whole), list);
        // One customer a turn.
        let turns = customers(12);
        let turns = turns
            .iter()
            .map(|[a, b, ..]| message(format!("{a}様（{b}）の件です。")));
        assert_eq!(blocks(&turns.collect()), list);
        // Fields of objects that a tool gave.
        let rows: Vec<Value> = customers(12)
            .iter()
            .map(|[name, phone, ..]| json!({"name": name, "phone": phone}))
            .collect();
        let input = json!({"rows": rows});
        let call = json!([{"role": "assistant", "content": [
            {"type": "tool_use", "id": "toolu_1", "name": "save", "input": input}]}]);
        assert_eq!(blocks(&call), list);
        assert_eq!(blocks(&json!([message(thread())])), []);
    }
}
