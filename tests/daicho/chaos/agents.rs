//! Agents that call as fast as they can, and leave when they like.

use super::{ANTHROPIC, CHAT, RESPONSES, Shelf};
use crate::world::{Dice, Server};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What an agent knows of one call.
pub struct Told {
    pub number: u64,
    /// Its prompt holds what may never be sent.
    pub prohibited: bool,
    pub status: Option<u16>,
    /// By which daicho named it.
    pub call: Option<String>,
    /// The body of an answer that came to a clean end.
    pub clean: Option<Vec<u8>>,
}

/// How an agent takes leave of a call.
enum Leave {
    /// At the answer's end, or when it has waited enough.
    AtTheEnd,
    /// Once it has so many bytes of the answer.
    InTheAnswer(usize),
    /// Once it has sent so many bytes of its request.
    InTheRequest(usize),
}

const CARD: &str = "5555-5555-5555-4444";

/// Calls until it is told to stop.
pub fn work(server: &Server, token: &str, shelf: &Shelf, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let number = shelf.numbers.fetch_add(1, Ordering::Relaxed);
        let mut dice = Dice(shelf.seed.rotate_left(32) ^ number);
        let (path, body, prohibited) = request(&mut dice, number);
        let leave = match dice.below(8) {
            0 | 1 => Leave::InTheAnswer(dice.below(3_000) as usize),
            2 => Leave::InTheRequest(dice.below(body.len() as u64 + 1) as usize),
            _ => Leave::AtTheEnd,
        };
        let told = Told {
            number,
            prohibited,
            status: None,
            call: None,
            clean: None,
        };
        let told = match leave {
            Leave::InTheRequest(bytes) => {
                begin(server, token, path, &body[..bytes], told, body.len())
            }
            Leave::AtTheEnd => call(server, token, path, body, told, usize::MAX),
            Leave::InTheAnswer(bytes) => call(server, token, path, body, told, bytes),
        };
        if told.status.is_none() {
            // Nobody may be there for the moment.
            std::thread::sleep(Duration::from_millis(2));
        }
        shelf.told.lock().unwrap().push(told);
    }
}

/// A prompt of any size: new, or a conversation that goes on.
fn request(dice: &mut Dice, number: u64) -> (&'static str, Vec<u8>, bool) {
    let path = [ANTHROPIC, CHAT, RESPONSES][dice.below(3) as usize];
    let prohibited = dice.below(20) == 0;
    let mut text = format!("{number}番の件です。");
    match dice.below(4) {
        0 => {
            let lines = 20 + dice.below(400);
            text.extend((0..lines).map(|line| format!("{line}行目、明日の会議の案内。\n")));
        }
        1 => text.push_str("担当は山田太郎さん、taro.yamada@example.com です。"),
        2 => text.extend((0..dice.below(3_000)).map(|_| format!("{:x} ", dice.next() >> 40))),
        _ => {}
    }
    if prohibited {
        text.push_str(&format!("カード番号は {CARD}"));
    }
    let mut body = json!({ "api": path, "model": format!("m-{number}"), "stream": dice.below(4) > 0, "max_tokens": 9 });
    if path == RESPONSES {
        body["input"] = json!(text);
    } else {
        body["messages"] = json!([{ "role": "user", "content": text }]);
    }
    let broken = dice.below(30) == 0;
    let mut bytes = body.to_string().into_bytes();
    if broken {
        bytes.pop();
    }
    (path, bytes, prohibited)
}

fn address(path: &str, number: u64) -> String {
    let side = if path == ANTHROPIC {
        "anthropic"
    } else {
        "openai"
    };
    format!("/{side}{path}?n={number}")
}

/// Calls, and reads so many bytes of the answer.
fn call(server: &Server, token: &str, path: &str, body: Vec<u8>, told: Told, most: usize) -> Told {
    let request = server.client.post(server.url(&address(path, told.number)));
    let request = request.bearer_auth(token).timeout(PATIENCE).body(body);
    let Ok(answer) = request.send() else {
        return told;
    };
    let status = answer.status().as_u16();
    let call = answer
        .headers()
        .get("daicho-call")
        .map(|call| call.to_str().unwrap().to_owned());
    let mut read = Vec::new();
    let ended = answer.take(most as u64).read_to_end(&mut read).is_ok();
    let clean = (ended && most == usize::MAX).then_some(read);
    Told {
        status: Some(status),
        call,
        clean,
        ..told
    }
}

/// How long an agent waits for an answer; some get none.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Sends a part of a request, and is gone.
fn begin(server: &Server, token: &str, path: &str, part: &[u8], told: Told, length: usize) -> Told {
    let address = address(path, told.number);
    let head = format!(
        "POST {address} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"
    );
    if let Ok(mut stream) = TcpStream::connect(&server.address) {
        let _ = stream.write_all(&[head.as_bytes(), part].concat());
    }
    told
}

/// Without the signs of life that are daicho's own.
pub fn without_pings(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let text = text.replace("event: ping\ndata: {\"type\": \"ping\"}\n\n", "");
    text.replace(": ping\n", "").into_bytes()
}

/// What an answer of daicho's own says went wrong.
pub fn message(bytes: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    Some(value["error"]["message"].as_str()?.to_owned())
}
