//! Live credentials: by the form their issuers gave them, or by the label before them.
//!
//! Entropy alone is no evidence: it would block every commit hash.

mod gitleaks;

use super::sought::Sought;
use super::{Asked, Find, blocked, pattern};
use crate::masking::normal::View;
use crate::masking::{Evidence, SpanKind};
use regex::Regex;
use std::sync::LazyLock;

pub(in crate::masking) const NAME: &str = "secret";

/// Forms that only a credential has.
static ISSUED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?x)
        (?:AKIA|ASIA|AGPA|AIDA|AROA|ABIA|ACCA)[A-Z0-9]{16}
        | dct_[A-Za-z0-9_-]{43}
        | gh[pousr]_[A-Za-z0-9]{36,} | github_pat_[A-Za-z0-9_]{22,}
        | gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-[A-Za-z0-9_-]{20,}
        | xox[abeoprs]-[A-Za-z0-9-]{10,} | xapp-\d-[A-Za-z0-9-]{10,}
        | hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_+-]{20,}
        | discord(?:app)?\.com/api/webhooks/\d{15,}/[A-Za-z0-9_-]{30,}
        | outlook\.office(?:365)?\.com/webhook/[A-Za-z0-9@/-]{30,} | [a-z0-9-]+\.webhook\.office\.com/webhookb2/[A-Za-z0-9@/-]{30,}
        | sk-(?:ant|proj|or|svcacct|admin)-[A-Za-z0-9_-]{16,} | sk-[A-Za-z0-9]{32,}
        | (?:sk|rk|pk)_live_[A-Za-z0-9]{16,} | sk_test_[A-Za-z0-9]{16,} | whsec_[A-Za-z0-9+/=]{20,}
        | AIza[A-Za-z0-9_-]{35} | ya29\.[A-Za-z0-9_-]{20,} | GOCSPX-[A-Za-z0-9_-]{20,}
        | npm_[A-Za-z0-9]{36} | pypi-[A-Za-z0-9_-]{50,} | rubygems_[a-f0-9]{48} | cio[A-Za-z0-9]{32}
        | SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43} | key-[a-f0-9]{32} | [a-f0-9]{32}-us\d{1,2}
        | hf_[A-Za-z0-9]{30,} | r8_[A-Za-z0-9]{37} | gsk_[A-Za-z0-9]{40,} | xai-[A-Za-z0-9]{40,} | pplx-[A-Za-z0-9]{40,}
        | shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32} | sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,} | EAAC[A-Za-z0-9]{30,}
        | do[opr]_v1_[a-f0-9]{64} | dp\.(?:pt|st|ct)\.[A-Za-z0-9]{40,} | hv[sbr]\.[A-Za-z0-9_-]{24,}
        | ATATT3[A-Za-z0-9_=-]{30,} | figd_[A-Za-z0-9_-]{30,} | lin_api_[A-Za-z0-9]{32,} | ntn_[A-Za-z0-9]{40,}
        | sntrys_[A-Za-z0-9+/=_-]{30,} | NRAK-[A-Z0-9]{27} | PMAK-[a-f0-9-]{50,} | tskey-[a-z]+-[A-Za-z0-9-]{20,}
        | AGE-SECRET-KEY-1[0-9A-Z]{58} | SK[0-9a-f]{32} | \d{8,10}:AA[A-Za-z0-9_-]{33}
        | eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{10,}
        | (?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{20,}={0,2} | [?&]sig=[A-Za-z0-9%+/]{30,}={0,2}
        "#,
    )
});

/// Words one of which each form of [`ISSUED`] holds.
pub(super) static ISSUERS: Sought = Sought::new(|| {
    r"(?x)
    AKIA | ASIA | AGPA | AIDA | AROA | ABIA | ACCA | dct_ | gh[pousr]_ | github_pat_
    | gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)- | xox[abeoprs]- | xapp- | hooks\.slack\.com/
    | discord(?:app)?\.com/api | outlook\.office | \.webhook\.office | sk- | [srp]k_live_ | sk_test_
    | whsec_ | AIza | ya29\. | GOCSPX- | npm_ | pypi- | rubygems_ | cio | SG\. | key- | -us[0-9]
    | hf_ | r8_ | gsk_ | xai- | pplx- | shp(?:at|ca|pa|ss)_ | sq0(?:atp|csp|idp)- | EAAC | do[opr]_v1_
    | dp\.[psc]t\. | hv[sbr]\. | ATATT3 | figd_ | lin_api_ | ntn_ | sntrys_ | NRAK- | PMAK- | tskey-
    | AGE-SECRET-KEY-1 | SK(?:[0-9]|[a-f]) | :AA | eyJ | AccountKey= | SharedAccessKey= | [?&]sig=
    "
    .into()
});

/// No form of [`ISSUED`] is shorter, and none holds a space.
const SHORTEST_ISSUED: usize = 15;

/// Private keys, with line breaks or with `\n` for them; the end may be missing.
pub(super) static PEM: Sought = Sought::new(|| {
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s\\:,.-]{20,}?(?:-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|\z|[^A-Za-z0-9+/=\s\\:,.-])|PuTTY-User-Key-File-\d[\s\S]{0,400}?Private-Lines: \d+[A-Za-z0-9+/=\s]{20,}".into()
});

static URL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"[A-Za-z][A-Za-z0-9+.-]{1,20}://([^\s:/@'<>\x22]{0,64}):([^\s/@'<>\x22]{3,128})@[A-Za-z0-9\[]",
    )
});

pub(super) static AUTHORIZATION: Sought = Sought::new(|| {
    r#"(?i)(?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:(?:bearer|basic|token|digest|apikey)\s+)?([A-Za-z0-9+/=._~-]{12,})|\bbearer\s+([A-Za-z0-9+/=._~-]{20,})|(?:set-)?cookie["']?\s*:\s*["']?[^\n"']{0,80}(?:session|sid|auth|token)[a-z_-]*=([A-Za-z0-9%+/=._~-]{16,})"#.into()
});

/// A word that announces a credential, a sign that it follows, the value.
pub(super) static LABELLED: Sought = Sought::new(|| {
    r#"(?ix)
        (?: pass(?:word|wd|phrase|code)? | pwd | \bpw | secret(?:[_-]?(?:access)?[_-]?key)? | token | api[_\ -]?key | access[_\ -]?key | auth[_-]?key | client[_-]?secret
          | private[_-]?key | encryption[_-]?key | signing[_-]?key | account[_-]?key | credentials?
          | パスワード | パスフレーズ | パスコード | 合言葉 | シークレット(?:キー)? | トークン | (?:api|アクセス|認証|秘密|暗号化?|ライセンス)(?:キー|鍵)
          | (?:仮|初期|ログイン|管理者?)パス | pw)
        (?:\(仮\)|\([^)\n]{1,8}\))? ["'`*]{0,3} \s{0,2}
        (?: (?: [:=] | => | は、? | が | ==? | → | \bis\b )+ \s{0,2} [>]? \s? ["'`「『*]{0,3} | [「『] | \s?\|\s{0,2} )
        ([!-~]{6,200})"#.into()
});
/// `ID/PW: admin / …`.
pub(super) static PAIRED: Sought = Sought::new(|| {
    r"(?i)(?:id|user|ユーザー?|アカウント)\s?[/・と]\s?(?:pw|pwd|pass|password|パスワード)\s?[:=は]\s?[!-~]{1,64}\s?[/,、 ]\s?([!-~]{8,64})".into()
});
pub(super) static PIN: Sought = Sought::new(|| {
    r"(?i)(?:暗証番号|暗証|pin(?:コード|番号| code)|\bpin)(?:は|:|=)\s?[「\x22']?(\d{4,8})(?:[^\d]|\z)".into()
});

pub(super) fn find(view: &View, _: &Asked, out: &mut Vec<Find>) {
    let mut add = |range: std::ops::Range<usize>, evidence: &'static str| {
        let (start, end) = (view.at_byte(range.start), view.at_byte(range.end));
        let evidence = Evidence::of(evidence);
        out.push(blocked(view, start, end, SpanKind::Secret, NAME, evidence));
    };
    for run in issued_runs(view) {
        for hit in ISSUED.find_iter(&view.text[run.clone()]) {
            let range = run.start + hit.start()..run.start + hit.end();
            let before = view.before(view.at_byte(range.start));
            let inside = before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
            if !inside && !is_example(hit.as_str()) {
                add(range, "form of an issued credential");
            }
        }
    }
    for leak in gitleaks::leaks(&view.text) {
        // It reads bytes, and may end inside of a character.
        let whole = |at| view.byte_of(view.at_byte(at));
        let range = whole(leak.place.start)..whole(leak.place.end);
        let value = &view.text[range.clone()];
        if !is_example(value) && !is_placeholder(value) {
            add(range, leak.id);
        }
    }
    for hit in PEM.find_iter(view) {
        add(hit, "private key block");
    }
    let links = view.text.contains("://") && view.text.contains('@');
    for hit in URL.captures_iter(if links { &view.text } else { "" }) {
        let word = hit.get(2).map_or("", |m| m.as_str());
        if !is_placeholder(word)
            && !matches!(word, "password" | "pass" | "pw" | "secret" | "user")
            && !word.chars().all(|c| c.is_ascii_digit())
        {
            let (from, to) = (
                hit.get(0).map_or(0, |m| m.start()),
                hit.get(2).map_or(0, |m| m.end()),
            );
            add(from..to, "password in a URL");
        }
    }
    for hit in AUTHORIZATION.captures_iter(view) {
        if let Some(value) = (1..=3).find_map(|n| hit.get(n))
            && !is_placeholder(&view.text[value.clone()])
            && classes(&view.text[value.clone()]) >= 2
        {
            add(value, "authorization header");
        }
    }
    // Labels may follow each other (`secret access key: password=…`): search on from each label's end.
    let mut at = 0;
    while let Some(hit) = LABELLED.captures_at(view, at) {
        let Some(value) = hit.get(1) else { break };
        let text = trimmed(&view.text[value.clone()]);
        if is_credential(text, &view.text[hit.whole.start..value.start]) {
            let range = value.start..value.start + text.len();
            // Where it is cut off, the next label may stand: password=…"password=….
            at = range.end;
            add(range, "mixed characters after a label");
        } else {
            at = value.start;
        }
    }
    for hit in PAIRED.captures_iter(view) {
        if let Some(value) = hit.get(1)
            && is_credential(trimmed(&view.text[value.clone()]), "")
        {
            add(value, "user and password together");
        }
    }
    for hit in PIN.captures_iter(view) {
        if let Some(value) = hit.get(1) {
            add(value, "digits after a PIN's label");
        }
    }
}

/// Bytes of visible ASCII side by side that may be, or hold, what an issuer gave its form.
fn issued_runs(view: &View) -> impl Iterator<Item = std::ops::Range<usize>> {
    let bytes = view.text.as_bytes();
    let mut done = 0;
    let runs = ISSUERS.begins(view).iter().filter_map(move |&at| {
        let at = at as usize;
        if at < done {
            return None;
        }
        let visible = |b: &&u8| b.is_ascii_graphic();
        let start = at - bytes[done..at].iter().rev().take_while(visible).count();
        done = at + bytes[at..].iter().take_while(visible).count();
        Some(start..done)
    });
    runs.filter(|run| run.len() >= SHORTEST_ISSUED)
}

/// The value without what closes the sentence or the quotation around it.
fn trimmed(value: &str) -> &str {
    // A backslash that escapes something ends a value inside a string of JSON.
    let escape = value
        .match_indices('\\')
        .map(|(at, _)| at)
        .find(|&at| value[at + 1..].starts_with(['n', 'r', 't', '"', 'u', '\\']));
    let end = value
        .find(['"', '\'', '`', '<'])
        .into_iter()
        .chain(escape)
        .filter(|&at| at >= 6)
        .min()
        .unwrap_or(value.len());
    value[..end].trim_end_matches([',', ';', ')', ']', '}', '.', '*', '&'])
}

/// Long and mixed enough, and neither a name for a value nor code that fetches one.
fn is_credential(value: &str, lead: &str) -> bool {
    if value.len() < 8 || classes(value) < 2 || is_placeholder(value) {
        return false;
    }
    let lower = value.to_ascii_lowercase();
    let hashed = [
        "$2a$", "$2b$", "$2y$", "$argon2", "$6$", "$5$", "sha256:", "sha512:", "sha256-", "pbkdf2",
        "{ssha", "bcrypt",
    ]
    .iter()
    .any(|p| lower.starts_with(p));
    // A call, a path, an address, an option, a format: code and prose, not values.
    let head = value
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))
        .unwrap_or(value.len());
    let name = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && head >= 2;
    let code = value.contains("()")
        || value.contains("::")
        || lead.contains("::")
        || value.contains("->")
        || (name
            && (value[head..].starts_with(['(', '[', '{'])
                || value[head..].starts_with("!(")
                || value[head..].starts_with("![")
                || value[head..].starts_with("!{")))
        || lower.starts_with("http")
        || value.starts_with(['/', '.', '<', '[', '{', '%', '-', '&', '('])
        || value.get(1..2).is_some_and(|c| "'\"".contains(c))
        || (lead.contains("==") && !lead.ends_with(['"', '\'']))
        || (value.starts_with('$') && classes(&value[1..]) < 3)
        || (lead.trim_end().ends_with(" is")
            && (value.ends_with(':') || !value.chars().any(|c| c.is_ascii_digit())));
    // An identifier: words joined by dots and underscores, with at most a digit at the end.
    let identifier = value
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
        && value.chars().filter(char::is_ascii_digit).count() < 2
        && (lead.is_ascii() || is_of_words(value))
        && (value.contains(['_', '.', '-'])
            || !lead.contains(['"', '\'', 'は', '「'])
            || value.chars().all(|c| c.is_ascii_lowercase()));
    let dated = value
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '-' | '/' | ':' | '.' | ','));
    !(hashed || code || identifier || dated)
}

/// Words of two letters or more, told apart by marks or by capitals: `nextToken`, `max_tokens`, not
/// `hcJiB_TeGP7`. Behind a label in Japanese nothing else is a name that code has for a value.
fn is_of_words(value: &str) -> bool {
    let mut parts = value.split(|c: char| !c.is_ascii_alphabetic());
    parts.all(|part| {
        let ends = |(at, pair): (usize, &[u8])| {
            let ends = pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase();
            ends.then_some(at + 1)
        };
        let ends = part.as_bytes().windows(2).enumerate().filter_map(ends);
        let mut from = 0;
        let mut words = ends.chain([part.len()]).map(|end| {
            let word = &part[from..end];
            from = end;
            word
        });
        part.is_empty() || words.all(|word| word.len() > 1)
    })
}

/// Kinds of characters: lower, upper, digits, marks.
fn classes(value: &str) -> usize {
    let has = |f: fn(&char) -> bool| usize::from(value.chars().any(|c| f(&c)));
    has(char::is_ascii_lowercase)
        + has(char::is_ascii_uppercase)
        + has(char::is_ascii_digit)
        + has(char::is_ascii_punctuation)
}

/// What documentation and templates write where a credential would stand.
fn is_placeholder(value: &str) -> bool {
    is_example(value)
        || ["abcdefgh", "12345678"]
            .iter()
            .any(|run| value.to_ascii_lowercase().contains(run))
}

fn is_example(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let words = [
        "example",
        "changeme",
        "change_me",
        "change-me",
        "placeholder",
        "dummy",
        "your_",
        "your-",
        "yourtoken",
        "yourapi",
        "yourpass",
        "xxxx",
        "****",
        "redacted",
        "process.env",
        "os.environ",
        "getenv",
        "env.",
        "env(",
        "${",
        "{{",
        "<your",
        "secrets.",
        "[cut:",
        "insert",
        "●●",
        "…",
        "...",
        "todo",
        "_here",
        "-here",
        "sample",
        "vault:",
        "config.",
        "settings.",
        "localhost",
    ];
    words.iter().any(|word| lower.contains(word))
        || value.starts_with("<")
        || value.starts_with("$(")
        || (value.starts_with('%') && value.ends_with('%'))
        || value
            .chars()
            .collect::<std::collections::HashSet<_>>()
            .len()
            <= 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masking::rules::sought;
    use crate::masking::tests::{blocks, masker, passes};

    #[test]
    fn every_issued_form_holds_a_word_that_it_is_sought_by() {
        use regex_syntax::hir::{HirKind, literal::Extractor};
        let words = sought::begins((ISSUERS.pattern)());
        let word = |text: &str| {
            let lower = text.to_ascii_lowercase();
            words.iter().any(|word| {
                let word = std::str::from_utf8(word).expect("ASCII");
                lower.contains(word)
            })
        };
        let parsed = regex_syntax::parse(ISSUED.as_str()).expect("it compiles");
        let HirKind::Alternation(forms) = parsed.kind() else {
            panic!("it is a list of forms");
        };
        let mut others = 0;
        for form in forms {
            match Extractor::new().limit_class(8).extract(form).literals() {
                Some(begins) => begins.iter().for_each(|begin| {
                    let begin = String::from_utf8_lossy(begin.as_bytes()).into_owned();
                    assert!(word(&begin), "{begin}");
                }),
                None => others += 1,
            }
        }
        let other = [
            "a.webhook.office.com/webhookb2/".to_owned(),
            format!("{}-us1", "0a".repeat(16)),
            "123456789:AA".to_owned(),
        ];
        assert!(other.iter().all(|form| word(form)));
        assert_eq!(others, other.len());
    }

    #[test]
    fn issued_forms_block() {
        let zeros = "0aZ".repeat(20);
        for text in [
            format!("ghp_{}", &zeros[..36]),
            format!("dct_{}", &zeros[..43]),
            format!("key AKIA{}", &"Q7".repeat(8)),
            format!("sk-ant-api03-{zeros}"),
            format!("eyJhbGciOiJI.eyJzdWIiOiI.{}", &zeros[..20]),
            format!("https://hooks.slack.com/services/T0/B0/{}", &zeros[..24]),
            format!("-----BEGIN EC PRIVATE KEY-----\\n{zeros}\\n-----END EC PRIVATE KEY-----"),
            "postgres://app:s3cr3tw0rd@db.example.jp/x".into(),
            "Authorization: Basic dXNlcjpwYXNzd29yZA==".into(),
            format!(
                "g h p _ {}",
                zeros[..36]
                    .chars()
                    .map(String::from)
                    .collect::<Vec<_>>()
                    .join(" ")
            ),
        ] {
            blocks(&text, SpanKind::Secret);
        }
    }

    #[test]
    fn labelled_values_block() {
        for text in [
            "パスワード: Tk9#mmQ2x",
            "password=hunter2!x",
            "{\"api_key\": \"9f8e7d6c5b4a\"}",
            "PW は「kX8-2pQz」",
            "暗証番号は4821です",
            "client_secret='q8Zr4Lm1Wn'",
            "共有フォルダのPW「rT4-kuMo9」でお願いします",
            "パスワード「hcJiB_TeGP7」",
            "暗号化キー：vKq83-mmPz01",
            "パスワード：ywaxP-xqbr7",
            "| パスワード | Zk39-plQe |",
            "仮パス：mR7tuv2Q",
        ] {
            blocks(text, SpanKind::Secret);
        }
    }

    #[test]
    fn each_of_two_labelled_values_is_cut() {
        let (cut, rules) = masker().cut("password=hunter2!\"password=hunter3!x");
        assert!(!cut.contains("hunter"), "{cut}");
        assert_eq!(rules[0].count, 2);
    }

    #[test]
    fn talk_about_secrets_and_placeholders_pass() {
        for text in [
            "パスワードは8文字以上にしてください",
            "password = os.environ[\"DB_PASSWORD\"]",
            "token: ${GITHUB_TOKEN}",
            "api_key=<YOUR_API_KEY>",
            "password_hash: $2b$12$abcdefghijklmnopqrstuv",
            "max_tokens: 4096000000",
            "commit 54dca9625af5184dbea1ca0a17905d99cd744812",
            "let token = next_token(&mut input);",
            "AKIAIOSFODNN7EXAMPLE",
            "password: ********",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ",
            "token = tokenizer.next_token",
            "パスワードは user_password に入れます",
            "パスワード「再発行」を押してください",
            "| パスワード | 必須 |",
            "[CUT:SECRET]",
        ] {
            passes(text);
        }
    }
}
