//! Names of people become initials.
//!
//! Evidence makes a name, not membership in a list: an honorific, a label, surname and given
//! name together, an introduction, a table's head, a mailbox that spells it, a neighbour in a
//! list. Each kind of evidence has a file; all of them read names by [`shape`]. What none of them
//! decides a small model does ([`tagged`]).

mod bare;
mod beside;
pub(super) mod company;
pub(super) mod deeds;
pub(super) mod honorific;
pub(super) mod label;
pub(super) mod latin;
mod likeness;
pub(super) mod prose;
mod roster;
pub(in crate::masking) mod shape;
mod spread;
pub(in crate::masking) mod table;
mod tagged;
mod thing;
mod weigh;

use super::Find;
use crate::masking::lexicon::lexicon;
use crate::masking::normal::{Reading, View};
use crate::masking::roster::Roster;
use crate::masking::{Evidence, SpanKind, tags};
use shape::Name;
pub(in crate::masking) use spread::{Known, Lesson};
use std::collections::BTreeMap;

pub(in crate::masking) const NAME: &str = "person";

/// Names in a view. `taken` are the characters that other rules have; `known` the names of
/// what came before, to which the names found here are added.
pub(in crate::masking) fn find(
    view: &View,
    taken: &[(usize, usize)],
    known: &mut Known,
    roster: Option<&Roster>,
    out: &mut Vec<Find>,
) {
    // Joining lines makes names of what stands at their ends; a name over a break is read with the break.
    if view.kind == Reading::Joined {
        return;
    }
    let scene = Scene::new(view, taken);
    let mut names = Names::default();
    if let Some(roster) = roster {
        names.because("roster");
        roster::find(&scene, roster, &mut names);
    }
    for (sign, find, script) in EVIDENCE {
        if script == Script::Any || !view.is_ascii() {
            names.because(sign);
            find(&scene, &mut names);
        }
    }
    names.because("named elsewhere");
    spread::find(&scene, known, &mut names);
    for (name, sign) in names.found.into_values() {
        out.push(Find {
            start: name.start,
            end: name.end,
            kind: SpanKind::Person,
            rule: NAME,
            evidence: evidence(view, &name, sign),
            replacement: name.initials(),
            value: tags::squeeze(view.slice(name.start, name.end)),
        });
    }
}

/// Finds the names of one kind of evidence.
type Look = fn(&Scene, &mut Names);

/// What a text must hold for a kind of evidence to be in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Any,
    /// Letters outside of ASCII.
    Japanese,
}

/// The kinds of evidence, in the order in which they look.
const EVIDENCE: [(&str, Look, Script); 11] = {
    use Script::{Any, Japanese};
    [
        (HONORED, honorific::find, Japanese),
        ("label", label::find, Any),
        ("head of a column", table::find, Any),
        ("Latin pair or greeting", latin::find, Any),
        (
            "pair, introduction or line of its own",
            prose::find,
            Japanese,
        ),
        ("office or deed", deeds::find, Japanese),
        ("place of a noun of its own", bare::find, Japanese),
        ("name beside it", beside::find, Any),
        ("signs before and after it", weigh::find, Japanese),
        ("trained model", tagged::find, Any),
        ("name beside it", beside::find, Any),
    ]
};

const HONORED: &str = "honorific or title";

/// What of the name the lists know, and the sign that found it.
fn evidence(view: &View, name: &Name, sign: &'static str) -> Evidence {
    let lexicon = lexicon();
    let knows = |part: &shape::Part| {
        let word = view.slice(part.start, part.end);
        let surname = lexicon.surname(word).is_some()
            || lexicon.is_surname_kana(word)
            || lexicon.is_surname_romaji(word)
            || lexicon.is_foreign_surname(word);
        let given = lexicon.given(word).is_some()
            || lexicon.is_given_kana(word)
            || lexicon.is_given_romaji(word)
            || lexicon.is_foreign_given(word);
        (surname, given)
    };
    let (surname, given) = name
        .parts
        .iter()
        .map(knows)
        .fold((false, false), |a, b| (a.0 || b.0, a.1 || b.1));
    let form = match (surname, given, name.parts.len()) {
        (true, true, 2..) => "surname and given name lexicon",
        (true, ..) => "surname lexicon",
        (_, true, _) => "given name lexicon",
        _ => "shape of a name",
    };
    let said = [
        "さん",
        "様",
        "さま",
        "氏",
        "くん",
        "ちゃん",
        "君",
        "殿",
        "先生",
    ];
    let after = view
        .slice(name.end, (name.end + 4).min(view.len()))
        .trim_start();
    let honorific = said.into_iter().find(|word| after.starts_with(word));
    Evidence::of(form).with(honorific.filter(|_| sign == HONORED).unwrap_or(sign))
}

/// A view with what is no place for a name marked in it.
pub(super) struct Scene<'v> {
    pub view: &'v View<'v>,
    /// Characters of companies' names and of what other rules found.
    closed: Vec<bool>,
}

impl<'v> Scene<'v> {
    fn new(view: &'v View<'v>, taken: &[(usize, usize)]) -> Scene<'v> {
        let mut closed = vec![false; view.len()];
        for &(start, end) in taken {
            closed[start..end].fill(true);
        }
        for (start, end) in company::companies(view) {
            closed[start..end].fill(true);
        }
        Scene { view, closed }
    }

    pub fn is_open(&self, start: usize, end: usize) -> bool {
        !self.closed[start.min(self.closed.len())..end.min(self.closed.len())].contains(&true)
    }

    pub fn is_closed_at(&self, at: usize) -> bool {
        self.closed.get(at).copied().unwrap_or(false)
    }
}

/// The names found so far, in order, none overlapping another. The first evidence wins unless
/// later evidence sees more of the same name.
#[derive(Default)]
pub(super) struct Names {
    /// By where they start, each with the sign that it was found by.
    found: BTreeMap<usize, (Name, &'static str)>,
    /// Characters that a name found has.
    covered: Vec<bool>,
    /// What the names that are added now are found by.
    sign: &'static str,
}

impl Names {
    fn because(&mut self, sign: &'static str) {
        self.sign = sign;
    }

    pub fn add(&mut self, name: Name) {
        let (start, end) = (name.start, name.end);
        if self.covers(start, end) {
            let rivals = self.found.range(..end).rev();
            let rivals: Vec<(usize, usize)> = rivals
                .map(|(_, (rival, _))| (rival.start, rival.end))
                .take_while(|(_, rival_end)| *rival_end > start)
                .collect();
            if rivals.iter().any(|(a, b)| b - a >= end - start) {
                return;
            }
            for (a, b) in rivals {
                self.found.remove(&a);
                self.covered[a..b].fill(false);
            }
        }
        if self.covered.len() < end {
            self.covered.resize(end.next_power_of_two(), false);
        }
        self.covered[start..end].fill(true);
        self.found.insert(start, (name, self.sign));
    }

    pub fn covers(&self, start: usize, end: usize) -> bool {
        let known = self.covered.len();
        self.covered[start.min(known)..end.min(known)].contains(&true)
    }

    /// Where the name that holds `at` ends.
    pub fn end_at(&self, at: usize) -> Option<usize> {
        let (_, (name, _)) = self.found.range(..=at).next_back()?;
        (name.end > at).then_some(name.end)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Name> {
        self.found.values().map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use crate::masking::tests::{masked, unchanged};

    #[test]
    fn names_with_evidence_become_initials() {
        for (text, want) in [
            ("山田太郎様", "Y.T.様"),
            ("山田さんに聞いて", "Y.さんに聞いて"),
            ("担当：鈴木、佐藤", "担当：S.、S."),
            ("氏名　高橋　花子", "氏名　T.H."),
            ("氏名（カナ）タカハシ　ハナコ", "氏名（カナ）T.H."),
            ("Taro Yamada called", "T.Y. called"),
            ("YAMADA Taro", "Y.T."),
            ("Hi Hanako, thanks", "Hi H., thanks"),
            ("経理部の渡辺です。", "経理部のW.です。"),
            ("ジョン・スミスさん", "J.S.さん"),
            ("佐藤部長と面談", "S.部長と面談"),
            ("社長の石原が挨拶", "社長のI.が挨拶"),
            ("娘の美咲が熱を出した", "娘のM.が熱を出した"),
            ("大島が担当します", "O.が担当します"),
            ("藤井大輔（フジイ ダイスケ）", "F.D.（F.D.）"),
            ("姓：藤原　名：美穂", "姓：F.　名：M."),
            ("王偉さん", "W.W.さん"),
            ("<name>藤原 美穂</name>", "<name>F.M.</name>"),
            ("{\"assignee\":\"中村\"}", "{\"assignee\":\"N.\"}"),
            ("@Hanako よろしく", "@H. よろしく"),
            ("氏名,年齢\n伊藤健,30\n", "氏名,年齢\nI.K.,30\n"),
            ("\\u5c71\\u7530\\u592a\\u90ce", "Y.T."),
            ("5bGx55Sw5aSq6YOO", "Y.T."),
        ] {
            assert_eq!(masked(text), want);
        }
    }

    #[test]
    fn a_found_name_spreads_to_its_bare_mentions() {
        assert_eq!(
            masked("小林さんから。小林が担当、小林市は別。"),
            "K.さんから。K.が担当、小林市は別。"
        );
    }

    #[test]
    fn words_places_and_companies_stay() {
        for text in [
            "山口県の森林保全",
            "お客様各位",
            "皆さん、お疲れ様です",
            "株式会社山田商店の製品",
            "千葉工場を視察",
            "石川から大阪へ",
            "東日本と西日本",
            "様子を見て、氏名を確認",
            "患者さんと業者さん",
            "Y.T.様、Y.さん、X.",
            "高松木材と平和島",
            "Please Note the Made In label",
            "部長会議と社長室",
            "Good Morning Japan",
            "田中商店様、高橋建設様",
            "名古屋勤務可、三名様",
            "let some = @Override Some(x)",
            "let location = json!({\"uri\": base}); get(\"uri\")",
        ] {
            unchanged(text);
        }
    }
}
