//! A conversation as a coding agent sends it: every turn the whole of it again, a little
//! longer, with the cache marks moved to the newest blocks.

use serde_json::{Value, json};

/// SplitMix64: the same seed gives the same conversation everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

const WORDS: &str = "account agent amount append approve archive audit balance batch bucket buffer cache call \
    chain check client close commit config cursor customer date digest due entry error event export fetch field \
    file filter flush frame handle hash header index invoice item key ledger length limit line list load lock mask \
    merge message month name next node number offset open order owner parse path payment policy position prefix \
    print proof query queue rate read record reference region report request reset result root rule scan seal send \
    session sign size source split state store sum sync table tax text time token total tree update user value \
    vendor verify version window write year";
const JAPANESE: &str = "請求書の 金額を 確認し、 消費税の 端数を 切り捨てます。 仕訳の 日付が 翌月に なっている ため、 \
    取引先ごとの 残高と 一致しません。 テストを 追加して、 監査ログに 記録される ことを 確かめます。 承認者は \
    経理部の 担当者で、 期限は 今月末です。 該当する 関数を 修正し、 もう一度 検査を 実行します。";

fn words(text: &'static str) -> Vec<&'static str> {
    text.split_whitespace().collect()
}

fn identifier(random: &mut Random) -> String {
    let words = words(WORDS);
    format!("{}_{}", random.of(&words), random.of(&words))
}

fn prose(random: &mut Random, len_bytes: usize) -> String {
    let (english, japanese) = (words(WORDS), words(JAPANESE));
    let mut text = String::new();
    while text.len() < len_bytes {
        if random.below(3) == 0 {
            (0..8).for_each(|_| text.push_str(random.of(&japanese)));
        } else {
            (0..8).for_each(|_| text.extend([random.of(&english), " "]));
            text.push_str(". ");
        }
    }
    text
}

fn code(random: &mut Random, len_bytes: usize) -> String {
    let mut text = String::new();
    let mut line = 1 + random.below(400);
    while text.len() < len_bytes {
        let (a, b, c) = (identifier(random), identifier(random), identifier(random));
        let n = random.below(10_000);
        let of_line = match random.below(6) {
            0 => format!("pub fn {a}({b}: &str) -> Result<u64, Error> {{"),
            1 => format!("    let {a} = self.{b}({n}).map_err(|e| Error::at(\"{c}\", e))?;"),
            2 => format!("    if {a} > {n} && !{b}.is_empty() {{ return Err({c}); }}"),
            3 => format!("    // {}", prose(random, 40)),
            4 => format!(
                "    {a}.insert({b}.clone(), {c} + 0x{:08x});",
                random.next() as u32
            ),
            _ => "}".to_owned(),
        };
        text.push_str(&format!("{line:>6}\t{of_line}\n"));
        line += 1;
    }
    text
}

/// One agent's conversation; `next_request` is what it sends in its next turn.
pub struct Conversation {
    random: Random,
    system: Value,
    tools: Value,
    messages: Vec<Value>,
}

impl Conversation {
    pub fn new(seed: u64) -> Conversation {
        let mut random = Random(seed);
        let system = json!([
            {"type": "text", "text": "You are a coding agent."},
            {"type": "text", "text": prose(&mut random, 14_000), "cache_control": {"type": "ephemeral"}},
        ]);
        let tools = (0..16)
            .map(|_| {
                let parameter = identifier(&mut random);
                json!({"name": identifier(&mut random), "description": prose(&mut random, 2_200),
                    "input_schema": {"type": "object", "required": [&parameter],
                        "properties": {parameter: {"type": "string", "description": prose(&mut random, 90)}}}})
            })
            .collect();
        let first =
            json!({"role": "user", "content": [{"type": "text", "text": prose(&mut random, 600)}]});
        Conversation {
            random,
            system,
            tools,
            messages: vec![first],
        }
    }

    /// The body of the next call, which holds all before it.
    pub fn next_request(&mut self) -> Vec<u8> {
        let mut messages = self.messages.clone();
        // The marks stand on the last block of the two newest messages of the user.
        for message in messages
            .iter_mut()
            .rev()
            .filter(|m| m["role"] == "user")
            .take(2)
        {
            if let Some(block) = message["content"].as_array_mut().and_then(|c| c.last_mut()) {
                block["cache_control"] = json!({"type": "ephemeral"});
            }
        }
        let body = json!({"model": "claude", "max_tokens": 32_000, "stream": true,
            "system": self.system, "tools": self.tools, "messages": messages});
        self.answer();
        serde_json::to_vec(&body).expect("a value is always JSON")
    }

    /// What agents do when their context is full: a summary takes the place of all messages.
    pub fn compact(&mut self) {
        let summary = prose(&mut self.random, 8_000);
        self.messages =
            vec![json!({"role": "user", "content": [{"type": "text", "text": summary}]})];
    }

    fn answer(&mut self) {
        let random = &mut self.random;
        let id = format!("toolu_{:016x}{:08x}", random.next(), random.next() as u32);
        let said = 60 + random.below(200) as usize;
        self.messages.push(json!({"role": "assistant", "content": [
            {"type": "text", "text": prose(random, said)},
            {"type": "tool_use", "id": id, "name": "Read",
                "input": {"file_path": format!("src/{}.rs", identifier(random))}}]}));
        // Most results are short; one in eight is a file.
        let len_bytes = match random.below(8) {
            0 => 4_000 + random.below(4_000),
            _ => 100 + random.below(700),
        };
        self.messages.push(json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": id, "content": code(random, len_bytes as usize)}]}));
    }
}
