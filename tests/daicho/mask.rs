//! `daicho mask` as its users meet it: what is shown, what is never shown, how it ends.

mod corpora;
mod resent;

use crate::world::{Ran, daicho, run};
#[cfg(target_os = "linux")]
use crate::world::{cannot_run, has};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::Path;
use tempfile::TempDir;

const LETTER: &str = "件名：納品の件\n\n山田さん、お電話は 03-5555-0142 までお願いします。\n";
const SECRET: &str = "メモ\n個人番号：123456789018\n";

fn mask<S: AsRef<OsStr>>(args: &[S], input: &[u8]) -> Ran {
    let nowhere = TempDir::new().unwrap();
    let mut command = daicho(nowhere.path());
    command
        .arg("mask")
        .args(args)
        .stdin(std::process::Stdio::piped());
    run(command, input)
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> String {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn explain_shows_each_find_with_its_place_rule_evidence_and_replacement() {
    let said = mask(&["--explain"], LETTER.as_bytes()).ok();
    assert!(
        said.contains("[[山田]]さん、お電話は [[03-5555-0142]] まで"),
        "{said}"
    );
    let rows: Vec<Vec<&str>> = said
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    for row in [
        "3:1 PERSON person surname lexicon + さん → Y.",
        "3:11 PHONE phone numbering plan → 03-5555-****",
    ] {
        let row: Vec<&str> = row.split_whitespace().collect();
        assert!(rows.contains(&row), "{said}");
    }
    assert!(said.ends_with("2 found: it leaves with the replacements\n"));
    let clean = mask(&["--explain"], "本日は晴天".as_bytes()).ok();
    assert!(clean.ends_with("nothing found: it leaves as it is\n"));
}

#[test]
fn explain_says_that_a_block_lets_nothing_leave() {
    let ran = mask(&["--explain"], SECRET.as_bytes());
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("check digit valid + label"), "{}", ran.out);
    let end = "blocked (my-number): nothing of this text leaves, masked or not\n";
    assert!(ran.out.ends_with(end), "{}", ran.out);
    let names = [
        "健一", "美穂", "大輔", "直子", "翔太", "由美", "和也", "裕子", "浩二", "恵子",
    ];
    let line = |(name, n)| format!("佐藤 {name}様 080-1234-{n}\n");
    let list: String = names.iter().zip(1000..).map(line).collect();
    let ran = mask(&["--explain"], list.as_bytes());
    assert_eq!(ran.code, 1);
    let reason = "customer-list: 10 persons with contact data in one text\n";
    assert!(ran.out.contains(reason), "{}", ran.out);
    assert!(ran.out.contains("blocked (customer-list)"), "{}", ran.out);
    // A text commands no terminal.
    let ran = mask(&["--explain"], "\u{1b}]0;x\u{7}山田さん".as_bytes());
    assert!(!ran.ok().contains('\u{1b}'));
}

#[test]
fn json_gives_the_evidence_of_each_span() {
    let said = &mask(&["--json"], LETTER.as_bytes()).lines()[0];
    let evidence: Vec<&str> = said["spans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|span| span["evidence"].as_str().unwrap())
        .collect();
    assert_eq!(evidence, ["surname lexicon + さん", "numbering plan"]);
}

#[test]
fn a_file_is_masked_as_standard_input_is() {
    let dir = TempDir::new().unwrap();
    let file = write(dir.path(), "letter.txt", LETTER.as_bytes());
    assert_eq!(
        mask(&[&file], b"").ok(),
        mask::<&str>(&[], LETTER.as_bytes()).ok()
    );
    let (bytes, ..) = encoding_rs::SHIFT_JIS.encode(LETTER);
    let file = write(dir.path(), "old.txt", &bytes);
    mask(&[&file], b"").refused(&["Shift_JIS", "iconv"]);
    mask(&[&file, &file], b"").refused(&["more than one file", "--check"]);
    let said = mask(&["--explain", &file], b"").ok();
    assert!(
        said.contains("[[山田]]さん") && said.contains("read as Shift_JIS"),
        "{said}"
    );
}

#[test]
fn check_tells_rules_and_places_in_every_file_and_never_a_value() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (old, ..) = encoding_rs::SHIFT_JIS.encode(LETTER);
    let wide: Vec<u8> = LETTER.encode_utf16().flat_map(u16::to_le_bytes).collect();
    write(dir.path(), "in/a.txt", LETTER.as_bytes());
    write(dir.path(), "in/b/old.txt", &old);
    write(dir.path(), "in/b/wide.txt", &wide);
    write(dir.path(), "in/c.txt", "本日は晴天".as_bytes());
    write(dir.path(), "secret.txt", SECRET.as_bytes());

    let ran = mask(&["--check", &at("in/c.txt")], b"");
    assert_eq!(ran.code, 0);

    let ran = mask(&["--check", &at("in"), &at("secret.txt")], b"");
    assert_eq!(ran.code, 1);
    for value in ["山田", "0142", "123456789018"] {
        assert!(!ran.out.contains(value) && !ran.err.contains(value));
    }
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(
        lines,
        [
            format!("{}: 1 person, 1 phone", at("in/a.txt")).as_str(),
            "  3:1  person (surname lexicon + さん)",
            "  3:11  phone (numbering plan)",
            &format!("{} (Shift_JIS): 1 person, 1 phone", at("in/b/old.txt")),
            "  3:1  person (surname lexicon + さん)",
            "  3:11  phone (numbering plan)",
            &format!("{} (UTF-16LE): 1 person, 1 phone", at("in/b/wide.txt")),
            "  3:1  person (surname lexicon + さん)",
            "  3:11  phone (numbering plan)",
            &format!("{}: clean", at("in/c.txt")),
            &format!("{}: blocked: 1 my-number", at("secret.txt")),
            "  2:6  my-number (check digit valid + label), blocks",
            "1 clean, 3 to mask, 1 to block, 0 not read",
        ]
    );

    let ran = mask(&["--check", "--json", &at("in"), &at("secret.txt")], b"");
    let reports: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let verdicts: Vec<&str> = reports
        .iter()
        .map(|report| report["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts, ["mask", "mask", "mask", "clean", "block"]);
    assert_eq!(reports[4]["rules"]["my-number"], 1);
    assert_eq!(reports[4]["finds"][0]["line"], 2);
}

#[test]
fn check_never_calls_clean_what_it_could_not_read() {
    let dir = TempDir::new().unwrap();
    let clean = write(dir.path(), "clean.txt", b"nothing here");
    for (name, bytes, why) in [
        ("a.docx", b"PK\x03\x04\0\0".as_slice(), "zip archive"),
        ("b.bin", b"\0\x01\x02\0", "binary"),
        ("c.txt", b"\xFF\x81\xFF\x80", "is not text"),
    ] {
        let file = write(dir.path(), name, bytes);
        let ran = mask(&["--check", &clean, &file], b"");
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(
            ran.out.contains(&format!("{file}: not read: it ")),
            "{ran:?}"
        );
        assert!(ran.out.contains(why), "{ran:?}");
        assert!(ran.err.contains("was not checked"), "{ran:?}");
    }
    let ran = mask(&["--check", &format!("{clean}.gone")], b"");
    assert_eq!(ran.code, 2, "{ran:?}");
    let ran = mask(&["--check"], b"");
    assert!(ran.code == 2 && ran.err.contains("FILE"), "{ran:?}");
}

/// A PDF as business systems write it: one line of text in UTF-16, under a font of the reader's.
fn pdf(line: &str) -> Vec<u8> {
    let units = line.encode_utf16().map(|unit| format!("{unit:04X}"));
    let page = format!(
        "BT /F1 12 Tf 72 700 Td <{}> Tj ET",
        units.collect::<String>()
    );
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>".to_owned(),
        format!("<</Length {}>>\nstream\n{page}\nendstream", page.len()),
        "<</Type/Font/Subtype/Type0/BaseFont/HeiseiMin-W3/Encoding/UniJIS-UTF16-H/DescendantFonts[6 0 R]>>".to_owned(),
        "<</Type/Font/Subtype/CIDFontType0/BaseFont/HeiseiMin-W3/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)/Supplement 2>>/DW 1000/FontDescriptor<</Type/FontDescriptor/FontName/HeiseiMin-W3/Flags 4>>>>".to_owned(),
    ];
    let mut pdf = "%PDF-1.4\n".to_owned();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (object, number) in objects.iter().zip(1..) {
        table += &format!("{:010} 00000 n \n", pdf.len());
        pdf += &format!("{number} 0 obj\n{object}\nendobj\n");
    }
    let at = pdf.len();
    format!("{pdf}{table}trailer\n<</Size 7/Root 1 0 R>>\nstartxref\n{at}\n%%EOF\n").into_bytes()
}

#[test]
fn check_reads_the_text_of_a_pdf() {
    let dir = TempDir::new().unwrap();
    let personal = write(dir.path(), "a.pdf", &pdf("担当は佐藤花子様です。"));
    let ran = mask(&["--check", &personal], b"");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("1 person"), "{ran:?}");
    assert!(!ran.out.contains("佐藤"), "{ran:?}");
    let secret = write(dir.path(), "b.pdf", &pdf("個人番号：123456789018"));
    let ran = mask(&["--check", &secret], b"");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("blocked: 1 my-number"), "{ran:?}");
    let clean = write(dir.path(), "c.pdf", &pdf("本日は晴天なり。"));
    mask(&["--check", &clean], b"").ok();
}

/// What `script` makes is a terminal to the program.
#[cfg(target_os = "linux")]
#[test]
fn explain_is_coloured_in_a_terminal_and_nowhere_else() {
    if !has("script", "--version") {
        return cannot_run("mask", "no script (util-linux)");
    }
    let dir = TempDir::new().unwrap();
    let file = write(dir.path(), "letter.txt", LETTER.as_bytes());
    let secret = write(dir.path(), "secret.txt", SECRET.as_bytes());
    let shown = |file: &str, plain: bool| {
        let program = env!("CARGO_BIN_EXE_daicho");
        let data = dir.path().display();
        let mut script = std::process::Command::new("script");
        let typed = format!("'{program}' --data '{data}' mask --explain '{file}'");
        script.args(["--quiet", "--command", &typed, "/dev/null"]);
        match plain {
            true => script.env("NO_COLOR", "1"),
            false => script.env_remove("NO_COLOR"),
        };
        run(script, b"").out
    };
    let letter = shown(&file, false);
    assert!(letter.contains("\x1b[30;43m山田\x1b[0mさん"), "{letter:?}");
    let blocked = shown(&secret, false);
    assert!(
        blocked.contains("\x1b[97;41m123456789018\x1b[0m"),
        "{blocked:?}"
    );
    let plain = shown(&file, true);
    assert!(
        plain.contains("[[山田]]さん") && !plain.contains('\u{1b}'),
        "{plain:?}"
    );
    let piped = mask(&["--explain", &file], b"").ok();
    assert!(!piped.contains('\u{1b}'), "{piped:?}");
}
