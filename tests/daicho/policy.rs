//! Policies, classes of data and consents as operators and agents meet them: what is in force
//! is what was adopted, and the register says what left.

use crate::privacy::upstream;
use crate::world::{Ledger, Server, daicho, overwrite};
use serde_json::{Value, json};

/// A ledger whose provider repeats what it is asked.
fn ledger() -> Ledger {
    let ledger = Ledger::new();
    configure(&ledger, "https://api.anthropic.com", &upstream());
    ledger
}

#[track_caller]
fn configure(ledger: &Ledger, before: &str, after: &str) {
    let path = ledger.dir.join("daicho.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    assert!(config.contains(before), "{before}");
    overwrite(&path, config.replacen(before, after, 1).as_bytes());
}

fn serve(ledger: &Ledger) -> Server {
    let mut command = daicho(&ledger.dir);
    command.env("ANTHROPIC_API_KEY", "provider-key");
    Server::start(&ledger.dir, command)
}

/// Status, and what the provider says to what reached it; or the refusal.
fn ask(server: &Server, token: &str, session: &str, messages: Value) -> (u16, String) {
    let body = json!({ "model": "m", "max_tokens": 9, "messages": messages });
    let request = server.client.post(server.url("/anthropic/v1/messages"));
    let request = request.header("x-claude-code-session-id", session);
    let answer = request
        .header("x-api-key", token)
        .json(&body)
        .send()
        .unwrap();
    let status = answer.status().as_u16();
    let answer: Value = answer.json().unwrap();
    let said = if status == 200 {
        &answer["content"][0]["text"]
    } else {
        assert_eq!(answer["error"]["type"], "permission_error", "{answer}");
        &answer["error"]["message"]
    };
    (status, said.as_str().unwrap().to_owned())
}

fn says(text: &str) -> Value {
    json!([{ "role": "user", "content": text }])
}

fn register(ledger: &Ledger, args: &[&str]) -> String {
    let args = [&["agents", "register"], args].concat();
    ledger.run(&args).ok().trim().to_owned()
}

fn events(ledger: &Ledger, kind: &str) -> Vec<Value> {
    ledger.run(&["events", "--json", "--kind", kind]).lines()
}

const MAIL: &str = "taro.yamada@example.co.jp に送ってください。";
const WHOLE: &str = "「****@example.co.jp に送ってください。」ですね。";
const LAST_FOUR: &str = "「taro.ya****@example.co.jp に送ってください。」ですね。";

#[test]
fn a_changed_policy_is_shown_then_adopted_and_a_session_keeps_the_one_it_began_with() {
    let ledger = ledger();
    let token = register(&ledger, &["cfo"]);
    let first = events(&ledger, "policy.adopted");
    assert_eq!(first.len(), 8, "the first use adopts all: {first:?}");
    let said = ledger.run(&["policy"]).ok();
    assert_eq!(said.lines().count(), 8, "{said}");
    assert!(said.contains("masking    in force since "), "{said}");

    configure(&ledger, "email = \"local-part\"", "email = \"last-four\"");
    configure(
        &ledger,
        "insider_keywords = []",
        "insider_keywords = [\"雷鳥\"]",
    );
    // Nothing is in force because a file says so.
    let server = serve(&ledger);
    let ready = server.text("/readyz");
    assert!(
        ready.starts_with("ready\nnote: daicho.toml changes masking"),
        "{ready}"
    );
    assert!(!ready.contains("雷鳥"), "{ready}");
    assert_eq!(
        ask(&server, &token, "old", says(MAIL)),
        (200, WHOLE.to_owned())
    );

    let shown = ledger.run(&["policy"]);
    assert_eq!(shown.code, 1, "{shown:?}");
    for line in [
        "--- masking in force, adopted at ",
        "+++ masking in daicho.toml, digest ",
        "@@ masking.email: what of a mailbox's local part is masked @@\n-\"local-part\"\n+\"last-four\"\n",
        "@@ masking.insider_keywords: words that keep a text from leaving @@\n+\"雷鳥\"\n",
    ] {
        assert!(shown.out.contains(line), "{line} is not in {shown:?}");
    }
    let revealed = events(&ledger, "content.revealed").remove(0);
    assert_eq!(revealed["data"]["purpose"], "policy-diff");
    assert_eq!(
        events(&ledger, "policy.adopted").len(),
        8,
        "shown is not adopted"
    );

    let adopted = ledger.run(&["policy", "adopt"]).ok();
    assert!(
        adopted.contains("+\"last-four\"") && adopted.contains("masking adopted"),
        "{adopted}"
    );
    let event = events(&ledger, "policy.adopted").pop().unwrap();
    assert_eq!(event["data"]["policy"], "masking");
    assert_eq!(event["data"]["previous"], first[0]["data"]["digest"]);
    assert!(!event.to_string().contains("雷鳥"), "the text is sealed");
    let again = ledger.run(&["policy", "adopt"]);
    assert!(again.err.contains("nothing was recorded"), "{again:?}");
    assert_eq!(events(&ledger, "policy.adopted").len(), 9);

    // The running server takes it for what begins now, once its views have seen it.
    let digest = event["data"]["digest"].clone();
    crate::world::wait_for("readyz without a note", || {
        server.text("/readyz") == "ready\n"
    });
    assert_eq!(
        ask(&server, &token, "new", says(MAIL)),
        (200, LAST_FOUR.to_owned())
    );
    assert_eq!(
        ask(&server, &token, "old", says(MAIL)),
        (200, WHOLE.to_owned())
    );
    assert_eq!(server.stop(), 0);
    let server = serve(&ledger);
    assert_eq!(
        ask(&server, &token, "old", says(MAIL)),
        (200, WHOLE.to_owned())
    );
    assert_eq!(
        ask(&server, &token, "new", says(MAIL)),
        (200, LAST_FOUR.to_owned())
    );
    assert_eq!(ask(&server, &token, "newest", says("雷鳥の進捗")).0, 403);
    assert_eq!(server.stop(), 0);
    let old = first[0]["data"]["digest"].clone();
    let policies: Vec<Value> = events(&ledger, "payload.masked")
        .iter()
        .map(|event| event["data"]["policy"].clone())
        .collect();
    assert_eq!(
        policies,
        [&old, &digest, &old, &old, &digest].map(Value::clone)
    );
    assert_eq!(
        events(&ledger, "payload.blocked")[0]["data"]["policy"],
        digest
    );
    ledger.verify();
}

#[test]
fn a_period_of_silence_is_adopted_and_blocks_until_its_last_day_is_over() {
    let ledger = ledger();
    let token = register(&ledger, &["cfo"]);
    let period = |name: &str, until: &str, word: &str| {
        format!(
            "\n[[masking.silence]]\nname = \"{name}\"\nfrom = \"2020-01-01\"\n\
             until = \"{until}\"\nkeywords = [\"{word}\"]\n"
        )
    };
    let periods = period("long", "2999-12-31", "中間決算") + &period("over", "2020-03-31", "増配");
    configure(&ledger, "\n[classes]\n", &format!("{periods}\n[classes]\n"));
    let shown = ledger.run(&["policy"]);
    let change = "@@ masking.silence: periods before disclosures in which texts with these words \
                  do not leave @@\n+{\"name\":\"long\",\"from\":\"2020-01-01\",\
                  \"until\":\"2999-12-31\",\"keywords\":[\"中間決算\"]}\n";
    assert!(shown.out.contains(change), "{shown:?}");
    ledger.run(&["policy", "adopt"]).ok();

    let server = serve(&ledger);
    let (status, why) = ask(&server, &token, "a", says("中間決算の資料を要約して"));
    assert_eq!(status, 403);
    assert!(why.contains("insider.long"), "{why}");
    assert_eq!(
        ask(&server, &token, "a", says("増配の資料を要約して")).0,
        200
    );
    assert_eq!(server.stop(), 0);
    let blocked = events(&ledger, "payload.blocked").remove(0);
    let reason = |rule: &str| json!({ "rule": rule, "count": 1 });
    assert_eq!(
        blocked["data"]["reasons"],
        json!([reason("insider"), reason("insider.long")])
    );
    let adopted = events(&ledger, "policy.adopted").pop().unwrap();
    assert_eq!(blocked["data"]["policy"], adopted["data"]["digest"]);

    // A key that nobody knows is no period that is silently another.
    configure(&ledger, "until = \"2999-12-31\"", "till = \"2999-12-31\"");
    let ran = ledger.run(&["policy"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("unknown field `till`"), "{ran:?}");
}

#[test]
fn a_text_masked_by_hand_is_masked_by_what_is_in_force_with_its_roster() {
    let ledger = ledger();
    let letter = ledger.beside("letter.txt");
    let list = ledger.beside("staff.csv");
    overwrite(&letter, format!("鰕原鷲司と {MAIL}").as_bytes());
    overwrite(&list, "name,kana\n鰕原 鷲司,エビハラ シュウジ\n".as_bytes());
    let mask = |args: &[&str]| {
        let file = [letter.to_str().unwrap()];
        ledger.run(&[&["mask"], args, &file].concat())
    };
    let load = [
        "roster",
        "load",
        list.to_str().unwrap(),
        "--name",
        "employees",
    ];
    ledger.run(&load).ok();
    let before = ledger.verify()["entries"].clone();
    configure(&ledger, "email = \"local-part\"", "email = \"last-four\"");
    let in_force = mask(&[]);
    assert_eq!(in_force.out, "E.S.と ****@example.co.jp に送ってください。");
    assert!(in_force.err.contains("not adopted"), "{in_force:?}");
    let configured = mask(&["--configured"]);
    let tried = "鰕原鷲司と taro.ya****@example.co.jp に送ってください。";
    assert_eq!((&*configured.out, &*configured.err), (tried, ""));
    let checked = mask(&["--check"]);
    assert!(checked.out.contains("roster"), "{checked:?}");
    ledger.run(&["policy", "adopt"]).ok();
    let adopted = mask(&[]);
    let both = "E.S.と taro.ya****@example.co.jp に送ってください。";
    assert_eq!((&*adopted.out, &*adopted.err), (both, ""));

    // Without its key the roster is not left out in silence.
    std::fs::remove_file(ledger.dir.join("keys/roster.key")).unwrap();
    mask(&[]).refused(&["the roster adopted at", "cannot be read", "--configured"]);
    assert_eq!(mask(&["--configured"]).out, tried);
    let after = ledger.verify()["entries"].as_u64().unwrap();
    let shown_and_adopted = 2;
    assert_eq!(after, before.as_u64().unwrap() + shown_and_adopted);

    let nowhere = tempfile::TempDir::new().unwrap();
    let mut command = daicho(nowhere.path());
    command.args(["mask", letter.to_str().unwrap()]);
    let default = crate::world::run(command, b"");
    assert!(default.err.contains("there is no ledger in"), "{default:?}");
    assert_eq!(
        default.out,
        "鰕原鷲司と ****@example.co.jp に送ってください。"
    );
}

#[test]
fn what_cannot_be_used_is_not_adopted_and_changes_nothing() {
    let ledger = ledger();
    register(&ledger, &["cfo"]);
    let keyword = "insider_keywords = []";
    configure(&ledger, keyword, "insider_keywords = [\"隼\"]");
    let before = ledger.verify()["entries"].as_u64().unwrap();
    let ran = ledger.run(&["policy", "adopt"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err.contains("correct [masking] in daicho.toml"),
        "{ran:?}"
    );
    // Only that the text in force was shown beside it.
    assert_eq!(ledger.verify()["entries"].as_u64().unwrap(), before + 1);
    assert_eq!(events(&ledger, "policy.adopted").len(), 8);
}

#[test]
fn classes_and_consents_decide_what_leaves_and_each_decision_names_its_rules() {
    let ledger = ledger();
    let rule = "\n[[classes.rule]]\nclass = \"mail\"\ntool = \"mcp__mail__*\"\n";
    configure(
        &ledger,
        "\n# How drafts and patches",
        &format!("{rule}\n# How drafts and patches"),
    );
    let internal = register(&ledger, &["cfo"]);
    let shop = register(&ledger, &["shop", "--class", "ec"]);
    let hr = register(&ledger, &["hr", "--class", "personal"]);
    let secretary = register(
        &ledger,
        &[
            "desk",
            "--role",
            "secretary",
            "--class",
            "mail",
            "--person",
            "s001",
        ],
    );
    let give = ["consent", "give", "s001", "--purpose", "secretary"];
    let server = serve(&ledger);
    let person = "佐藤健一様のご住所は東京都千代田区神田小川町三丁目7番1号です。";

    // Sent masked; sent if it is of nobody; never sent.
    assert_eq!(ask(&server, &internal, "a", says(person)).0, 200);
    assert_eq!(
        ask(&server, &shop, "a", says("今月の注文は120件です。")).0,
        200
    );
    let (status, why) = ask(&server, &shop, "a", says(person));
    assert_eq!(status, 403);
    assert!(
        why.contains("class.ec ×1") && why.contains("counts and sums"),
        "{why}"
    );
    assert!(!why.contains("佐藤"), "{why}");
    let (status, why) = ask(&server, &hr, "a", says("こんにちは"));
    assert!(status == 403 && why.contains("class.personal ×1"), "{why}");

    // Mail: while a consent is in force.
    let (status, why) = ask(&server, &secretary, "a", says(person));
    assert!(status == 403 && why.contains("class.mail ×1"), "{why}");
    ledger.run(&[&give[..], &["--class", "ec"]].concat()).ok();
    assert_eq!(ask(&server, &secretary, "a", says(person)).0, 403);
    let given = ledger.run(&[&["--json"], &give[..]].concat()).lines();
    crate::world::wait_for("the consent is known", || {
        ask(&server, &secretary, "a", says(person)).0 == 200
    });
    let masked = events(&ledger, "payload.masked").pop().unwrap();
    assert_eq!(masked["data"]["class"]["consent"], given[0]["seq"]);
    // A tool that reads mail makes it mail for an agent whose person has not consented.
    let used = json!([
        { "role": "user", "content": "今日の予定は？" },
        { "role": "assistant", "content": [{ "type": "tool_use", "id": "t1", "name": "mcp__mail__search", "input": {} }] },
        { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t1", "content": "なし" }] },
    ]);
    let (status, why) = ask(&server, &internal, "b", used);
    assert!(status == 403 && why.contains("class.mail ×1"), "{why}");
    let listed = ledger.run(&["consent", "list", "--json"]).lines();
    assert_eq!(listed.len(), 2);
    ledger
        .run(&["consent", "withdraw", "s001", "--purpose", "secretary"])
        .ok();
    crate::world::wait_for("the withdrawal is known", || {
        ask(&server, &secretary, "a", says(person)).0 == 403
    });
    let withdraw = ledger.run(&["consent", "withdraw", "s001", "--purpose", "secretary"]);
    withdraw.refused(&["no consent of s001 to secretary for mail"]);

    // An agent can be given another class.
    ledger
        .run(&["agents", "set", "hr", "--class", "internal"])
        .ok();
    crate::world::wait_for("the class is known", || {
        ask(&server, &hr, "a", says(person)).0 == 200
    });
    assert_eq!(server.stop(), 0);

    let classes = &events(&ledger, "policy.adopted")[1]["data"];
    assert_eq!(classes["policy"], "classes");
    for event in [
        events(&ledger, "payload.masked"),
        events(&ledger, "payload.blocked"),
    ]
    .concat()
    {
        assert_eq!(
            event["data"]["class"]["policy"], classes["digest"],
            "{event}"
        );
    }
    let blocked = events(&ledger, "payload.blocked");
    let reasons = |event: &Value| event["data"]["reasons"].clone();
    assert_eq!(
        reasons(&blocked[0]),
        json!([{ "rule": "class.ec", "count": 1 }, { "rule": "address", "count": 1 }, { "rule": "person", "count": 1 }])
    );
    assert_eq!(blocked[1]["data"]["class"]["handling"], "never");
    ledger.verify();
}

#[test]
fn a_consent_names_nobody_and_no_time_that_is_past() {
    let ledger = Ledger::new();
    let give = |args: &[&str]| {
        let args = [&["consent", "give", "--purpose", "secretary"], args].concat();
        ledger.run(&args)
    };
    for (args, parts) in [
        (&["山田太郎"][..], &["no staff number", "never a name"][..]),
        (&["s001", "--until", "2020-01-01"], &["--until is past"]),
        (&["s001", "--until", "soon"], &["--until"]),
        (&["s001", "--class", "secret"], &["--class"]),
        (&["yamada.taro"], &["reads like a name"]),
    ] {
        let ran = give(args);
        assert_eq!(ran.code, 2, "{ran:?}");
        for part in parts {
            assert!(ran.err.contains(part), "{part:?} is not in {ran:?}");
        }
    }
    assert_eq!(events(&ledger, "consent.given"), [Value::Null; 0]);
    let named = ["agents", "register", "desk", "--person", "yamada.taro"];
    ledger
        .run(&named)
        .refused(&["reads like a name", "never a name"]);
    assert_eq!(events(&ledger, "agent.registered"), [Value::Null; 0]);
}

#[test]
fn the_register_says_what_left_for_whom_and_where_that_stands() {
    let ledger = ledger();
    let vendor = "\n[vendors.anthropic]\ncompany = \"Anthropic PBC\"\ncountry = \"US\"\nbasis = \"equivalent-measures\"\nretention = \"P30D, 契約第5条\"\n";
    configure(
        &ledger,
        "\n# How drafts and patches",
        &format!("{vendor}\n# How drafts and patches"),
    );
    let cfo = register(&ledger, &["cfo"]);
    let hr = register(&ledger, &["hr", "--class", "personal"]);
    let server = serve(&ledger);
    assert_eq!(ask(&server, &cfo, "a", says(MAIL)).0, 200);
    assert_eq!(ask(&server, &cfo, "a", says("こんにちは")).0, 200);
    assert_eq!(ask(&server, &hr, "a", says("こんにちは")).0, 403);
    assert_eq!(server.stop(), 0);
    let masked = events(&ledger, "payload.masked");
    let month = masked[0]["at"].as_str().unwrap()[..7].to_owned();
    let report =
        |args: &[&str]| ledger.run(&[&["report", "transfers", "--month", &month], args].concat());

    let at = |event: &Value| event["seq"].as_u64().unwrap().to_string();
    let csv = report(&["--format", "csv", "--language", "en"]).ok();
    let masks = at(&masked[0]);
    let blocked = at(&events(&ledger, "payload.blocked")[0]);
    for (figure, value, positions) in [
        (
            "calls.anthropic/internal/sent",
            2,
            &*format!("{masks},{}", at(&masked[1])),
        ),
        ("masks.anthropic/internal/email", 1, &masks),
        ("calls.anthropic/personal/sent", 0, ""),
        ("calls.anthropic/personal/blocked", 1, &blocked),
    ] {
        let mut lines = csv
            .lines()
            .filter(|line| line.contains(&format!(",{figure},")));
        let line = lines
            .next()
            .unwrap_or_else(|| panic!("{figure} is not in {csv}"));
        // In brackets: a spreadsheet must not make a number or a date of them.
        let quoted = match positions {
            "" => String::new(),
            many if many.contains(',') => format!("\"[{many}]\""),
            one => format!("[{one}]"),
        };
        assert!(
            line.contains(&format!(",{value},count,{figure},")),
            "{line}"
        );
        assert!(line.ends_with(&format!(",{quoted}")), "{line}");
    }
    let digest = &events(&ledger, "policy.adopted")[4]["data"]["digest"];

    let page = report(&["--format", "md"]).ok();
    for part in [
        "# 外国にある第三者への提供記録 ",
        "| anthropic | Anthropic PBC | US | 相当措置",
        "P30D, 契約第5条",
        digest.as_str().unwrap(),
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let page = report(&["--format", "md", "--language", "en"]).ok();
    assert!(page.contains("# Register of transfers"), "{page}");
    let facts = "Anthropic PBC | US | equivalent measures (APPI art. 28 (3), rules art. 16, 18) |";
    assert!(page.contains(facts), "{page}");
    let issued = events(&ledger, "report.issued").pop().unwrap();
    assert_eq!(
        (&issued["data"]["report"], &issued["data"]["period"]),
        (&json!("transfers"), &json!(month))
    );
    // Of a month before the log, and of what is no month, there is none.
    ledger
        .run(&["report", "transfers", "--month", "2020-01"])
        .refused(&["the log begins at", "holds nothing of 2020-01"]);
    ledger
        .run(&["report", "transfers", "--month", "2020-13"])
        .refused(&["--month"]);
}

#[test]
fn a_roster_is_kept_sealed_masks_whom_it_names_and_can_be_destroyed() {
    let ledger = ledger();
    let token = register(&ledger, &["cfo"]);
    let server = serve(&ledger);
    let bare = "鰕原鷲司と鷲司さん、see Shuji Ebihara";
    let said = |session: &str| ask(&server, &token, session, says(bare));
    let before = said("old");
    assert!(before.1.contains("鰕原鷲司"), "{before:?}");

    let file = ledger.beside("staff.csv");
    let load = |text: &str, name: &str| {
        overwrite(&file, text.as_bytes());
        ledger.run(&["roster", "load", file.to_str().unwrap(), "--name", name])
    };
    load("name,age\n鰕原 鷲司,3\n", "employees").refused(&["column 2"]);
    load("name\n鰕原鷲司\n", "employees").refused(&["person 1 has no space"]);
    load("name,kana\n鰕原 鷲司,エビハラ シュウジ\n", "employees").ok();
    load("name,kana\n一口 巴,イモアライ トモエ\n", "customers").ok();
    let listed = ledger.run(&["roster", "list"]).ok();
    assert!(
        listed.contains("employees") && listed.contains("1 people"),
        "{listed}"
    );
    // A session that began keeps its masks; what begins now knows the roster, here and later.
    let masked = (200, "「E.S.とS.さん、see S.E.」ですね。".to_owned());
    let mut attempts = 0;
    crate::world::wait_for("the roster is known", || {
        attempts += 1;
        said(&format!("new-{attempts}")) == masked
    });
    assert_eq!(said("old"), before);
    assert_eq!(said("new"), masked);
    assert_eq!(
        server.text("/readyz"),
        "ready\n",
        "a roster is no change of daicho.toml"
    );
    assert_eq!(server.stop(), 0);
    let server = serve(&ledger);
    assert_eq!(ask(&server, &token, "old", says(bare)), before);
    assert_eq!(ask(&server, &token, "new", says(bare)), masked);

    // Nowhere in the clear, and no plain digest either.
    for path in crate::world::walk(&ledger.dir) {
        let bytes = std::fs::read(&path).unwrap();
        for text in ["一口", "イモアライ", "巴"] {
            let found = bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
    let key = std::fs::read(ledger.dir.join("keys/roster.key")).unwrap();
    ledger
        .run(&["roster", "remove", "partners"])
        .refused(&["no list of this name"]);
    ledger.run(&["roster", "remove", "employees"]).ok();
    assert_ne!(
        std::fs::read(ledger.dir.join("keys/roster.key")).unwrap(),
        key
    );
    let listed = ledger.run(&["roster", "list", "--json"]).lines();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0]["roster"], &listed[0]["people"]),
        (&json!("customers"), &json!(1))
    );
    // The version with the list is gone, for the running server too: its sessions go on under the
    // one in force, and say so.
    crate::world::wait_for("the list is forgotten", || {
        ask(&server, &token, "new", says("一口 巴")).1 == "「I.T.」ですね。"
    });
    assert_eq!(ask(&server, &token, "old", says(bare)), before);
    assert_eq!(server.stop(), 0);
    let of = |session: &str| {
        let mut all = events(&ledger, "payload.masked");
        all.retain(|event| event["session"] == session);
        all
    };
    assert_eq!(
        of("new").pop().unwrap()["data"]["instead_of"],
        of("new")[0]["data"]["policy"]
    );
    ledger.run(&["roster", "remove", "--all"]).ok();
    assert!(!ledger.dir.join("keys/roster.key").exists());
    assert_eq!(ledger.run(&["roster", "list"]).ok(), "");
    ledger.verify();
}
