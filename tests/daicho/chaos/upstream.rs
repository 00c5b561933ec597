//! A provider on bare sockets. It writes down every byte of every body as it comes, and beside it
//! how long the log was before the first byte of the request did.

use super::{ANTHROPIC, CHAT, Shelf};
use crate::world::Dice;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// One request, as far as it came.
#[derive(Default, Clone)]
pub struct Heard {
    /// The number that its address says.
    pub number: u64,
    pub body: Vec<u8>,
    pub whole: bool,
    /// Bytes in the log's files when the first byte came.
    pub log_bytes: u64,
    /// The answer's body, where all of it was said.
    pub said: Option<Vec<u8>>,
}

/// What the provider does with a request; the number in its address decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Act {
    LeaveAtOnce,
    LeaveInTheBody,
    LeaveUnanswered,
    LeaveInTheAnswer,
    Silence,
    Overloaded,
    Answer,
}

impl Act {
    pub fn of(seed: u64, number: u64) -> Act {
        match Dice(seed ^ number).below(16) {
            0 => Act::LeaveAtOnce,
            1 => Act::LeaveInTheBody,
            2 => Act::LeaveUnanswered,
            3..=5 => Act::LeaveInTheAnswer,
            6 => Act::Silence,
            7 => Act::Overloaded,
            _ => Act::Answer,
        }
    }
}

/// Serves until the process ends. Gives the address.
pub fn start(shelf: Arc<Shelf>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shelf = Arc::clone(&shelf);
            std::thread::spawn(move || converse(stream, &shelf));
        }
    });
    format!("http://{address}")
}

/// Requests on one connection, until one of the two has enough.
fn converse(mut stream: TcpStream, shelf: &Shelf) {
    let _ = stream.set_nodelay(true);
    let mut came = Vec::new();
    while let Some(heard) = hear(&mut stream, &mut came, shelf) {
        let act = Act::of(shelf.seed, heard.number);
        let index = shelf.put(heard.clone());
        match act {
            Act::LeaveAtOnce | Act::LeaveInTheBody | Act::LeaveUnanswered => return,
            Act::Silence => return until_it_leaves(&mut stream, shelf),
            _ if !heard.whole => return,
            _ => {}
        }
        let Some(said) = answer(&mut stream, &heard, act, shelf.seed) else {
            return;
        };
        shelf.said(index, said);
    }
}

/// Reads one request as far as this provider cares to. `None` where none begins.
fn hear(stream: &mut TcpStream, came: &mut Vec<u8>, shelf: &Shelf) -> Option<Heard> {
    let mut heard = Heard::default();
    let head = loop {
        if let Some(end) = came.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        let first = came.is_empty();
        if more(stream, came)? && first {
            heard.log_bytes = shelf.log_bytes();
        }
    };
    let text = String::from_utf8_lossy(&came[..head]).to_lowercase();
    let after = |mark: &str| -> Option<u64> {
        let rest = &text[text.find(mark)? + mark.len()..];
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    // One that is not as the agents send them is nobody's, and the account says so.
    let (Some(number), Some(length)) = (after("?n="), after("content-length: ")) else {
        heard.body = came.split_off(head);
        return Some(heard);
    };
    heard.number = number;
    let length = length as usize;
    let wanted = match Act::of(shelf.seed, heard.number) {
        Act::LeaveAtOnce => 0,
        Act::LeaveInTheBody => length / 2,
        _ => length,
    };
    heard.body = came.split_off(head);
    came.clear();
    while heard.body.len() < wanted && more(stream, &mut heard.body).is_some() {}
    heard.whole = heard.body.len() == length;
    Some(heard)
}

/// `None` where nothing more comes.
fn more(stream: &mut TcpStream, into: &mut Vec<u8>) -> Option<bool> {
    let mut buffer = [0; 16 << 10];
    match stream.read(&mut buffer) {
        Ok(count @ 1..) => {
            into.extend_from_slice(&buffer[..count]);
            Some(true)
        }
        _ => None,
    }
}

fn until_it_leaves(stream: &mut TcpStream, shelf: &Shelf) {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
    while !shelf.over.load(Ordering::Relaxed) {
        match stream.read(&mut [0; 64]) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}

/// Answers in pieces. Gives the body where all of it went out.
fn answer(stream: &mut TcpStream, heard: &Heard, act: Act, seed: u64) -> Option<Vec<u8>> {
    let mut dice = Dice(!seed ^ heard.number);
    let asked: Value = serde_json::from_slice(&heard.body).unwrap();
    let path = match asked["api"].as_str() {
        Some(api) => api,
        None => unreachable!("{asked}"),
    };
    let streaming = asked["stream"] == true;
    let (status, media, body) = if act == Act::Overloaded {
        let error = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
        ("529 Overloaded", "application/json", error.to_string())
    } else if streaming {
        (
            "200 OK",
            "text/event-stream",
            events(path, heard.number, &mut dice),
        )
    } else {
        (
            "200 OK",
            "application/json",
            message(path, heard.number, &text(heard.number, &mut dice)),
        )
    };
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-type: {media}\r\ntransfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let bytes = body.into_bytes();
    let cut = match act {
        Act::LeaveInTheAnswer => dice.below(bytes.len() as u64) as usize,
        _ => bytes.len(),
    };
    let slow = dice.below(3) == 0;
    let mut at = 0;
    while at < cut {
        let end = (at + 1 + dice.below(if slow { 200 } else { 4_000 }) as usize).min(cut);
        let piece = &bytes[at..end];
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        stream.write_all(&chunk).ok()?;
        if slow {
            std::thread::sleep(Duration::from_millis(dice.below(5)));
        }
        at = end;
    }
    if act == Act::LeaveInTheAnswer {
        return None;
    }
    stream.write_all(b"0\r\n\r\n").ok()?;
    Some(bytes)
}

fn text(number: u64, dice: &mut Dice) -> String {
    let line = format!("返事 {number}: 確認のうえ、対応いたします。");
    line.repeat(1 + dice.below(40) as usize)
}

/// An answer in one piece.
fn message(path: &str, number: u64, text: &str) -> String {
    let answer = match path {
        ANTHROPIC => json!({
            "id": format!("msg_{number}"), "type": "message", "role": "assistant", "model": "m",
            "content": [{ "type": "text", "text": text }], "stop_reason": "end_turn",
            "usage": { "input_tokens": 1, "output_tokens": 1 },
        }),
        CHAT => json!({
            "id": format!("chatcmpl-{number}"), "object": "chat.completion", "model": "m",
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
        }),
        _ => json!({
            "id": format!("resp_{number}"), "object": "response", "status": "completed", "model": "m",
            "output": [{ "type": "message", "role": "assistant", "status": "completed",
                         "content": [{ "type": "output_text", "text": text, "annotations": [] }] }],
            "usage": { "input_tokens": 1, "output_tokens": 1, "total_tokens": 2 },
        }),
    };
    answer.to_string()
}

/// The same as the events of a stream.
fn events(path: &str, number: u64, dice: &mut Dice) -> String {
    let text = text(number, dice);
    let chars: Vec<char> = text.chars().collect();
    let parts: Vec<String> = chars.chunks(9).map(|part| part.iter().collect()).collect();
    let mut out = String::new();
    let mut event = |kind: &str, mut data: Value| {
        data["type"] = json!(kind);
        out.push_str(&format!("event: {kind}\ndata: {data}\n\n"));
    };
    let whole: Value = serde_json::from_str(&message(path, number, &text)).unwrap();
    match path {
        ANTHROPIC => {
            let mut begun = whole.clone();
            begun["content"] = json!([]);
            begun["stop_reason"] = Value::Null;
            event("message_start", json!({ "message": begun }));
            let block = json!({ "type": "text", "text": "" });
            event(
                "content_block_start",
                json!({ "index": 0, "content_block": block }),
            );
            for part in parts {
                let delta = json!({ "type": "text_delta", "text": part });
                event("content_block_delta", json!({ "index": 0, "delta": delta }));
            }
            event("content_block_stop", json!({ "index": 0 }));
            let end =
                json!({ "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 1 } });
            event("message_delta", end);
            event("message_stop", json!({}));
        }
        CHAT => {
            let chunk = |delta: Value, reason: Value| {
                let mut chunk = whole.clone();
                chunk["object"] = json!("chat.completion.chunk");
                chunk["choices"] = json!([{ "index": 0, "delta": delta, "finish_reason": reason }]);
                format!("data: {chunk}\n\n")
            };
            for part in parts {
                out.push_str(&chunk(json!({ "content": part }), Value::Null));
            }
            out.push_str(&chunk(json!({}), json!("stop")));
            out.push_str("data: [DONE]\n\n");
        }
        _ => {
            let mut begun = whole.clone();
            begun["status"] = json!("in_progress");
            begun["output"] = json!([]);
            event("response.created", json!({ "response": begun }));
            for part in parts {
                let place = json!({ "output_index": 0, "content_index": 0, "delta": part });
                event("response.output_text.delta", place);
            }
            event("response.completed", json!({ "response": whole }));
        }
    }
    out
}
