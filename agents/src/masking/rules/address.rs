//! Addresses: only the prefecture stays.
//!
//! `[postal code] [prefecture] municipality town number [building]`, where the gazetteer
//! knows the municipalities and a number in the form of an address is what tells a place
//! to live from a place in the news.

use super::sought::Sought;
use super::{Asked, Find, digits, pattern};
use crate::masking::chars::{is_han, is_hiragana, is_katakana, is_latin, one_of};
use crate::masking::lexicon::{PREFECTURES, PREFECTURES_LATIN, gazetteer};
use crate::masking::normal::View;
use crate::masking::tags;
use crate::masking::{Evidence, SpanKind};
use aho_corasick::{AhoCorasick, Anchored, Input as AhoInput, MatchKind, StartKind};
use regex::Regex;
use rustc_hash::FxHashSet;
use std::sync::LazyLock;

pub(in crate::masking) const NAME: &str = "address";

/// No prefecture is guessed.
const UNKNOWN: &str = "（住所）";

/// Prefectures, municipalities: longest first.
static PLACES: LazyLock<Places> = LazyLock::new(|| {
    let mut names: Vec<&'static str> = gazetteer()
        .municipalities
        .keys()
        .copied()
        .chain(PREFECTURES)
        .collect();
    names.sort_unstable();
    let automaton = AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .start_kind(StartKind::Anchored)
        .build(&names)
        .expect("a few thousand short names fit");
    let heads = names.iter().filter_map(|name| {
        let mut chars = name.chars();
        chars.next().zip(chars.next())
    });
    let heads: FxHashSet<(char, char)> = heads.collect();
    let mut firsts = vec![false; usize::from(u16::MAX) + 1];
    for &(first, _) in &heads {
        firsts[first as usize] = true;
    }
    Places {
        automaton,
        names,
        firsts,
        heads,
    }
});

struct Places {
    automaton: AhoCorasick,
    names: Vec<&'static str>,
    /// First characters of the names, and the first two.
    firsts: Vec<bool>,
    heads: FxHashSet<(char, char)>,
}

impl Places {
    /// The longest name with which a text begins, and where that ends.
    fn at_start(&self, text: &str) -> Option<(&'static str, usize)> {
        let hit = self
            .automaton
            .find(AhoInput::new(text).anchored(Anchored::Yes))?;
        Some((self.names[hit.pattern().as_usize()], hit.end()))
    }

    fn may_begin(&self, view: &View, at: usize) -> bool {
        let first = view.chars[at];
        self.firsts.get(first as usize) == Some(&true)
            && view
                .get(at + 1)
                .is_some_and(|second| self.heads.contains(&(first, second)))
    }
}

/// What follows a municipality: town, then numbers in the form of an address.
static TAIL: LazyLock<Regex> = LazyLock::new(|| {
    let form = r"(?x)^[\ ,]?
        (?P<town>[\p{Han}\p{Hiragana}\p{Katakana}A-Za-zー々ヶケノ・()]{0,12}?[\ ]?[\p{Han}\p{Hiragana}\p{Katakana}A-Za-zー々ヶケノ・()]{0,16}?)
        [\ ]?
        (?P<number>
          (?:甲|乙|丙|丁|イ|ロ|ハ|第|北|南|東|西|字)? (?:[0-9]{1,5}|G\ ?(?:丁目\ N|U(?:[-のノ]?N)?)|G[-/の]N)
          (?: \ ?(?:丁目\ N|U(?:[-のノ]?N)?) | [-/の]N | [-/の][A-Z]\b | [\ ]?(?:東|西|南|北|甲|乙|字\p{Han}{1,6}|\p{Han}{1,3})[\ ]?N (?:U(?:[-のノ]?N)?|[-の]N) )*
          | 無番地 | 番外地
        )";
    // G, N and U are no letters of the pattern otherwise.
    pattern(
        &form
            .replace('G', "[〇一二三四五六七八九十百千]{1,6}")
            .replace('N', "(?:[0-9]{1,5}|[〇一二三四五六七八九十百千]{1,6})")
            .replace(
                'U',
                "(?:丁目|番地|番丁|番町|番組|番|号|条通|条|線|地割|区画|街区|丁|地内)",
            ),
    )
});
/// Compiles what takes longest to compile.
pub(in crate::masking) fn prepare() {
    LazyLock::force(&PLACES);
    LazyLock::force(&TAIL);
}

/// The number is one of an address by itself.
static FORMED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"丁目|番地|番|号|条|線|地割|街区|[0-9]-[0-9]|[0-9/の][0-9一二三四五六七八九十]|番外地|丁",
    )
});
static STRONG: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"丁目|番地|番|地割|街区|[0-9]-[0-9]|[0-9]/[0-9]|[0-9]の[0-9]|条[東西南北]?|番外地")
});
/// Words and particles that no town's name holds.
static PROSE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:の|は|が|を|に|で|へ|と|も|や|から|まで|より|では|には|です|ます)|から|まで|です|ます|した|する|では|には|ので|での|への|とは|方面|会議|支店|支社|工場|本社|出張|店舗|倉庫|営業所|現在|人口|面積|約|合計|全|件数|電話",
    )
});

const ROOM: &str =
    r"(?:[A-Z]?-?[0-9]{1,4}(?:号室|号棟|号館|号|階|F\b|室|棟)|[A-Z]棟|[BＢ]?[0-9]{1,2}F)";
const KINDS: &str = "マンション|ハイツ|コーポ|アパート|ビルディング|ビル|荘|メゾン|パレス|レジデンス|ハウス|タワー|プラザ|コート|ヒルズ|テラス|ガーデン|寮|団地|棟|館|ハイム|シャトー|ドミール|グラン|サン|パーク|ライオンズ|プラウド|ヴィラ|ビラ|ヴィレッジ|スクエア|ステージ|ドーム|フラット|カーサ|エステート|社宅|住宅|センター|ルミエール|クレスト|シティ|アーバン|フォレスト|キャッスル|ロイヤル|エクセル|ダイヤ|レオパレス|プレイス|オフィス|ゲート|フロント|会館|公舎|宿舎|庁舎";
/// A building on the same line (after a space or not) or on the next.
static BUILDING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"^(?P<gap>[ ,]{{0,2}}|\r?\n ?)(?P<name>[\p{{Han}}\p{{Hiragana}}\p{{Katakana}}A-Za-zー々・'&ヶケ][\p{{Han}}\p{{Hiragana}}\p{{Katakana}}A-Za-zー々・'&.ヶケ]{{0,18}}?)?[ ]?(?:(?P<room>(?:[0-9]{{1,2}} )?#?{ROOM}(?:[ -]?{ROOM}|[ -]?[0-9]{{1,4}}\b)?)|#(?P<hash>[A-Z]?[0-9]{{1,5}})|(?P<bare>[A-Z]?-?[0-9]{{1,4}}\b))"
    ))
});
/// A building that has no room.
static HOUSE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"^(?:[ ,]{{0,2}}|\r?\n ?)(?:(?:[\p{{Han}}\p{{Katakana}}A-Za-zー々・'&ヶケ])[\p{{Han}}\p{{Hiragana}}\p{{Katakana}}A-Za-zー々・'&.ヶケ]{{0,14}})?(?:{KINDS})(?:[\p{{Katakana}}ー]{{1,10}}|[A-Z0-9IVX]{{1,4}}|第?[一二三四五六七八九十]{{1,2}}|\p{{Han}}{{2}})?(?:[ ]?[0-9]{{1,4}}\b)?"
    ))
});
static KIND: LazyLock<Regex> = LazyLock::new(|| pattern(KINDS));

pub(super) static POSTAL: Sought = Sought::new(|| {
    r"〒 ?\d{3} ?-? ?\d{4}|(?:郵便番号|郵便No\.?|〒番号|(?i:postal[ _]?code|zip(?:[ _]?code)?|postcode))[^\d\n]{0,6}(\d{3}-?\d{4})".into()
});
static LABEL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:住所|所在地|お届け先|届け先|届先|配送先|配達先|送付先|送り先|集荷先|居住地|現住所|本籍地?|勤務地住所|address|addr|street|町名・?番地|番地|丁目以降|市区町村以下)[0-9]?[\x22']?\)?[ :=は|,\t]{0,3}[\x22'「(]?$",
    )
});
/// Town and number of a form's own field, without a municipality.
static STREET: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^[\p{Han}\p{Hiragana}\p{Katakana}ー々ヶケ]{1,12} ?[0-9]{1,5}(?:丁目|番地?|-)[0-9番地号の丁目-]{0,14}",
    )
});
static TOWN_BLOCK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"[\p{Han}々ヶケ]{1,8}(?:[0-9]{1,3}|[一二三四五六七八九十]{1,3})丁目(?:[0-9]{1,4}|[一二三四五六七八九十]{1,4})(?:番地?(?:の?[0-9一二三四五六七八九十]{1,4}号?)?|-[0-9]{1,4}(?:-[0-9]{1,4})?)",
    )
});
static LATIN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)
        (?:(?:Room|Rm\.?|Apt\.?|Unit|Suite|No\.)\ ?[A-Z]?[0-9]{1,4}[A-Z]?,?\ )?
        (?:(?:[A-Za-z0-9][A-Za-z0-9'.\#-]*\ ){0,4}[A-Za-z0-9\#-]+,\ ?)?
        [0-9]{1,4}(?:-[0-9]{1,4}){0,3}(?:-?chome|-?banchi|-?ban)?,?\ (?:[A-Z][A-Za-z-]+(?:\ [0-9]{1,2}-?(?:chome|jo))?,?\ ){0,4}?
        [A-Z][a-z]+[-\ ](?:shi|ku|gun|machi|cho|mura|City|Ward|Town)\b
        (?:,?\ (?:[A-Z][A-Za-z]+(?:-(?:shi|ku|gun|machi|cho|mura|ken|fu|to|City))?))*
        (?:,?\ \d{3}-\d{4})?(?:,?\ Japan)?",
    )
});

/// Cheaper to look for than [`LATIN`], which holds one of them.
pub(super) static MUNICIPAL: Sought =
    Sought::new(|| r"[- ](?:shi|ku|gun|machi|cho|mura|City|Ward|Town)\b".into());

pub(super) fn find(view: &View, _: &Asked, out: &mut Vec<Find>) {
    let first = out.len();
    let places = &*PLACES;
    let (mut done, mut past) = (0, 0);
    for start in view.wide() {
        if start < past || !places.may_begin(view, start) {
            continue;
        }
        let byte = view.byte_of(start);
        let Some((place, length)) = places.at_start(&view.text[byte..]) else {
            continue;
        };
        let end = view.at_byte(byte + length);
        past = end;
        if start < done {
            continue;
        }
        if let Some(found) = at_place(view, start, end, place) {
            done = found.end;
            out.push(found);
        }
    }
    let covered = |out: &[Find], start: usize, end: usize| {
        out[first..].iter().any(|f| f.start < end && start < f.end)
    };
    for hit in POSTAL.captures_iter(view) {
        let code = hit.get(1).unwrap_or(hit.whole);
        let (start, end) = (view.at_byte(code.start), view.at_byte(code.end));
        let after_digit = view
            .get(end)
            .is_some_and(|c| c.is_ascii_digit() || c == '*');
        if !after_digit && !covered(out, start, end) {
            let prefecture = gazetteer().by_postal_code(&digits(&view.text[code]));
            out.push(address(view, start, end, prefecture));
        }
    }
    let japanese = if view.is_ascii() { "" } else { &view.text };
    let blocks = japanese.contains("丁目");
    for hit in TOWN_BLOCK.find_iter(if blocks { japanese } else { "" }) {
        let start = view.at_byte(hit.start());
        let end = with_building(view, view.at_byte(hit.end()));
        if !covered(out, start, end) {
            out.push(address(view, start, end, None));
        }
    }
    let latin = MUNICIPAL.is_match(view);
    for hit in LATIN.find_iter(if latin { &view.text } else { "" }) {
        let text = hit.as_str();
        let suffix = ["-shi", "-ku", "-gun", "-machi", "-cho", "-mura"]
            .iter()
            .any(|s| text.contains(s));
        if !suffix && !PREFECTURES_LATIN.iter().any(|p| text.contains(p)) {
            continue;
        }
        let (start, end) = (view.at_byte(hit.start()), view.at_byte(hit.end()));
        if !covered(out, start, end) {
            let mut found = address(view, start, end, None);
            if let Some(name) = PREFECTURES_LATIN
                .iter()
                .find(|p| hit.as_str().contains(**p))
            {
                found.replacement = (*name).into();
            }
            out.push(found);
        }
    }
    if !view.is_ascii() {
        labelled(view, first, out);
    }
    for hit in BUILDING_FIELD.captures_iter(view) {
        let Some(value) = hit.get(1) else { continue };
        let (start, end) = (view.at_byte(value.start), view.at_byte(value.end));
        if !covered(out, start, end) && view.chars[start..end].iter().any(char::is_ascii_digit) {
            out.push(address(view, start, end, None));
        }
    }
}

/// A field for the municipality: of an address only where another field has the rest of it.
static CITY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:市区町村|市町村|city|municipality|locality)[0-9]?[\x22']?\)?[ :=|\t]{1,3}[\x22'「(]?$",
    )
});

/// The rest of an address stands in a field of its own beside `start..end`.
fn in_parts(view: &View, start: usize, end: usize) -> bool {
    const FIELDS: [&str; 9] = [
        "zip",
        "postal",
        "street",
        "address",
        "郵便番号",
        "〒",
        "番地",
        "町名",
        "丁目",
    ];
    let around = view.slice(start.saturating_sub(60), (end + 60).min(view.len()));
    FIELDS.iter().any(|field| around.contains(field))
}

/// A form's own field for the building.
pub(super) static BUILDING_FIELD: Sought = Sought::new(|| {
    r#"(?:建物名?|マンション名|アパート名|建物名・部屋番号|建物・部屋番号)["']?[:=\t ]{1,3}["']?([^\n,"'、。|\t<]{2,30}[^\n,"'、。|\t< ])"#.into()
});

/// A field that a label calls an address: municipality alone, or town and number alone.
fn labelled(view: &View, first: usize, out: &mut Vec<Find>) {
    for hit in STREET_STARTS.find_iter(view) {
        let begin = view.at_byte(hit.end);
        let value = view.slice(begin, (begin + 60).min(view.len()));
        let Some(street) = STREET.find(value) else {
            continue;
        };
        let end = with_building(view, view.at_byte(view.byte_of(begin) + street.end()));
        if !out[first..].iter().any(|f| f.start < end && begin < f.end) {
            out.push(address(view, begin, end, None));
        }
    }
}
pub(super) static STREET_STARTS: Sought = Sought::new(|| {
    r"(?i)(?:住所|所在地|お届け先|届け先|配送先|配達先|送付先|送り先|集荷先|町名・?番地|番地|address|addr|street)[0-9]?[\x22']?\)?[ :=は|,\t]{1,3}[\x22'「(]?".into()
});

/// The address that holds the place at `start..end`, if it is one.
fn at_place(view: &View, start: usize, end: usize, place: &str) -> Option<Find> {
    let mut prefecture = PREFECTURES.iter().copied().find(|p| *p == place);
    let named = prefecture.is_some();
    let mut at = end;
    let mut known = !named;
    if !named {
        prefecture = gazetteer().municipalities.get(place).copied().flatten();
        // 栄町, 本町: a street of that name is in every second city.
        if place.ends_with(['町', '村']) && !place.contains('郡') && place.chars().count() <= 3 {
            prefecture = None;
        }
    } else {
        let gap = usize::from(matches!(view.get(at), Some(' ')));
        let rest = view.slice(at + gap, (at + gap + 12).min(view.len()));
        if let Some((town, length)) = PLACES.at_start(rest) {
            known = !PREFECTURES.contains(&town);
            at = view.at_byte(view.byte_of(at + gap) + length);
        }
    }
    // A second level: the ward of a city, the town of a district.
    let rest = view.slice(at, (at + 9).min(view.len()));
    let gap = rest.len() - rest.trim_start_matches(' ').len();
    if known
        && let Some((town, length)) = PLACES.at_start(&rest[gap..])
        && !PREFECTURES.contains(&town)
    {
        at = view.at_byte(view.byte_of(at) + gap + length);
    }
    // A municipality inside a longer word (小山町 in 大小山町) is another place.
    if !named && view.before(start).is_some_and(is_katakana) {
        return None;
    }
    let (begin, postal) = with_postal_code(view, start);
    let mut number_end = number(view, at, named || postal.is_some(), known);
    // 三条 in 三条通烏丸東入701番地 is the street, the number comes later.
    while let Some(end) = number_end
        && view.before(end).is_some_and(|c| one_of!("条番丁通", c))
        && view.get(end).is_some_and(is_han)
        && let Some(further) = number(view, end, named, known)
    {
        number_end = Some(further);
    }
    let stop = match number_end {
        Some(end) => with_building(view, end),
        None => {
            // Without a number only a label, or a postal code, makes it an address.
            let before = view.slice(begin.saturating_sub(14), begin);
            let closed = view
                .get(at)
                .is_none_or(|c| one_of!("\n\r\"',、。)」|\t</で", c));
            let labelled = known
                && (closed && LABEL.is_match(before)
                    || (closed || view.get(at) == Some(' '))
                        && CITY.is_match(before)
                        && in_parts(view, begin, at));
            if !(labelled || postal.is_some()) {
                return None;
            }
            if labelled { at } else { town_end(view, at) }
        }
    };
    let prefecture = prefecture.or_else(|| gazetteer().by_postal_code(postal.as_deref()?));
    Some(address(view, begin, stop, prefecture))
}

fn address(view: &View, start: usize, end: usize, prefecture: Option<&str>) -> Find {
    Find {
        start,
        end,
        kind: SpanKind::Address,
        rule: NAME,
        evidence: Evidence::of(prefecture.map_or("form of an address", |_| "gazetteer")),
        replacement: prefecture.unwrap_or(UNKNOWN).to_string(),
        value: tags::squeeze(view.slice(start, end))
            .trim_start_matches('〒')
            .to_string(),
    }
}

/// End of town and number after a municipality.
fn number(view: &View, at: usize, named: bool, known: bool) -> Option<usize> {
    let rest = view.slice(at, (at + 80).min(view.len()));
    let hit = TAIL.captures(rest)?;
    let town = hit.name("town").map_or("", |m| m.as_str());
    let number = hit.name("number")?;
    let text = number.as_str();
    if PROSE.is_match(town.trim_start()) {
        return None;
    }
    let end = view.at_byte(view.byte_of(at) + number.end());
    let next = view.get(end);
    // A mask after it: this was a phone number that is masked already.
    let masked = matches!(
        (next, view.get(end + 1)),
        (Some('-' | ' ' | ')'), Some('*'))
    );
    let open = next.is_none_or(|c| !(is_latin(c) || c == '*')) && !masked;
    let unit = next.is_some_and(|c| {
        one_of!(
            "年月日円個件人名時分社店台本校%万億回位階割世かヶカ箇代匹頭番",
            c
        )
    });
    let strong = STRONG.is_match(text) || text == "無番地";
    let sound = if strong {
        (!unit || text.contains(['丁', '番', '号'])) && is_no_date(text)
    } else {
        // A bare number: only in a whole address that ends there.
        let ends = next.is_none_or(|c| one_of!("\n\r \"',、。)」|\t<(", c));
        FORMED.is_match(text) && !unit
            || (named
                && known
                && ends
                && !town.trim().is_empty()
                && text.bytes().all(|b| b.is_ascii_digit()))
    };
    // A prefecture with no known municipality needs a form that only addresses have.
    let placed = known || (strong && town.chars().filter(|c| !c.is_whitespace()).count() >= 2);
    (sound && open && placed).then_some(end)
}

fn is_no_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', '/']).collect();
    !(parts.len() == 3
        && parts[0].len() == 4
        && parts[0].starts_with("20")
        && parts[1].len() == 2
        && parts[2].len() == 2)
}

/// After a postal code: the rest of municipality and town.
fn town_end(view: &View, at: usize) -> usize {
    let mut end = at;
    while let Some(c) = view.get(end)
        && (is_han(c) || is_katakana(c))
        && end < at + 12
    {
        end += 1;
    }
    end
}

/// The postal code left of `start`: where it begins, and its digits.
fn with_postal_code(view: &View, start: usize) -> (usize, Option<String>) {
    let mut at = start;
    let mut breaks = 0;
    while let Some(c) = view.before(at)
        && (c == ' ' || c == '\n' || c == '\r' || c == ',' || c == ':')
        && start - at < 3
    {
        breaks += usize::from(c == '\n');
        at -= 1;
    }
    if breaks > 1 {
        return (start, None);
    }
    let end = at;
    let digit = |i: usize| view.before(i).is_some_and(|c| c.is_ascii_digit());
    let mut count = 0;
    while digit(at) || (count == 4 && view.before(at) == Some('-')) {
        count += usize::from(digit(at));
        at -= 1;
        if count == 7 {
            break;
        }
    }
    let bare = !view.slice(at, end).contains('-');
    let mut begin = at;
    while view.before(begin) == Some(' ') && at - begin < 2 {
        begin -= 1;
    }
    let marked = view.before(begin) == Some('〒');
    if count != 7
        || digit(at)
        || (bare && !marked && start - end > 0 && view.before(at).is_some_and(is_latin))
        || view.before(at) == Some('-')
    {
        return (start, None);
    }
    (
        if marked { begin - 1 } else { at },
        Some(digits(view.slice(at, end))),
    )
}

/// Past a building that follows the number.
fn with_building(view: &View, at: usize) -> usize {
    let rest = view.slice(at, (at + 48).min(view.len()));
    let end = |bytes: usize| view.at_byte(view.byte_of(at) + bytes);
    let house = HOUSE
        .find(rest)
        .filter(|m| !PROSE.is_match(m.as_str().trim_start()));
    if let Some(hit) = BUILDING.captures(rest) {
        let name = hit.name("name").map_or("", |m| m.as_str());
        let whole = hit.get(0).map_or(0, |m| m.end());
        let broken = hit.name("gap").is_some_and(|g| g.as_str().contains('\n'));
        let kind = KIND.is_match(name);
        let particle = (name.starts_with(is_hiragana) && !kind)
            || name.starts_with([
                'に', 'を', 'は', 'が', 'の', 'で', 'へ', 'と', 'か', 'ま', '様', '宛', '届',
            ])
            || PROSE.is_match(name);
        let next = view.get(end(whole));
        let unit = next.is_some_and(|c| {
            one_of!("年月日円個件人名時分-*", c) || c.is_ascii_digit() || c == ':'
        });
        let room = hit.name("room").is_some() || hit.name("hash").is_some();
        let fits = if broken || !room {
            kind
        } else {
            kind || name.chars().count() <= 12
        };
        if fits && !particle && !unit && house.is_none_or(|h| h.end() <= whole || room) {
            return end(whole);
        }
    }
    house.map_or(at, |h| end(h.end()))
}

#[cfg(test)]
mod tests {
    use crate::masking::tests::{masked, unchanged};

    #[test]
    fn only_the_prefecture_stays() {
        for (text, want) in [
            (
                "住所：神奈川県横浜市西区みなとみらい2丁目3番1号",
                "住所：神奈川県",
            ),
            (
                "〒100-0001 東京都千代田区千代田1-1 皇居ビル3階へ",
                "東京都へ",
            ),
            ("横浜市西区高島1-2-3に移転", "神奈川県に移転"),
            ("札幌市中央区北１条西２丁目", "北海道"),
            ("府中市宮町1-2-3", "（住所）"),
            ("〒183-0001 府中市浅間町1-2-3", "東京都"),
            (
                "京都府京都市上京区今出川通烏丸東入相国寺門前町701番地",
                "京都府",
            ),
            ("大阪府堺市北区百舌鳥梅町三丁目三十九番地", "大阪府"),
            ("埼玉県川越市旭町1-2-3\n若葉マンション405号室", "埼玉県"),
            (
                "愛知県豊田市挙母町2-3-4 メゾン青空201 に届けて",
                "愛知県 に届けて",
            ),
        ] {
            assert_eq!(masked(text), want);
        }
    }

    #[test]
    fn places_in_the_news_stay() {
        for text in [
            "東京都",
            "横浜市で会議を開く",
            "大阪府の人口は880万人",
            "千葉県は2024年に150人",
            "渋谷区の会議室は3階です",
            "札幌市まで2時間",
            "神戸市から3-4名が参加",
        ] {
            unchanged(text);
        }
    }
}
