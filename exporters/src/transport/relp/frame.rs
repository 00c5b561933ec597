//! One frame of RELP.

use std::io::Write;

/// What a receiver says is short: an answer, or its offers.
const MAX_DATA: usize = 16 << 10;
const MAX_HEADER: usize = 9 + 1 + 32 + 1 + 9 + 1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub number: u32,
    pub command: String,
    pub data: Vec<u8>,
}

impl Frame {
    /// The frame at the start of `bytes` and its length; `None` if it is not all there yet.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Frame, usize)>, &'static str> {
        let mut at = 0;
        let Some(number) = digits(bytes, &mut at)? else {
            return Ok(None);
        };
        let Some(command) = word(bytes, &mut at)? else {
            return Ok(None);
        };
        let Some(length) = digits_to_end(bytes, &mut at)? else {
            return Ok(None);
        };
        if length > MAX_DATA {
            return Err("a frame is too long for an answer");
        }
        // Without data there is no space either; some senders write one all the same.
        if bytes.get(at) == Some(&b' ') {
            at += 1;
        } else if length > 0 {
            return match bytes.get(at) {
                None => Ok(None),
                Some(_) => Err("a length is not followed by data"),
            };
        }
        let Some(data) = bytes.get(at..at + length) else {
            return Ok(None);
        };
        match bytes.get(at + length) {
            None => Ok(None),
            Some(b'\n') => {
                let data = data.to_vec();
                let frame = Frame {
                    number,
                    command,
                    data,
                };
                Ok(Some((frame, at + length + 1)))
            }
            Some(_) => Err("a frame does not end where it says"),
        }
    }

    /// An answer of the kind 200.
    pub fn is_ok(&self) -> bool {
        let rest = self.data.strip_prefix(b"200");
        rest.is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_digit))
    }
}

pub(super) fn put(number: u32, command: &str, data: &[u8], out: &mut Vec<u8>) {
    let written = match data.is_empty() {
        true => write!(out, "{number} {command} 0"),
        false => write!(out, "{number} {command} {} ", data.len()),
    };
    written.expect("writing to a Vec cannot fail");
    out.extend_from_slice(data);
    out.push(b'\n');
}

/// A number and the space after it.
fn digits(bytes: &[u8], at: &mut usize) -> Result<Option<u32>, &'static str> {
    match digits_to_end(bytes, at)? {
        None => Ok(None),
        Some(number) if bytes.get(*at) == Some(&b' ') => {
            *at += 1;
            Ok(u32::try_from(number).ok())
        }
        Some(_) => Err("a number is not followed by a command"),
    }
}

/// A number of at most nine digits; `None` if it may go on.
fn digits_to_end(bytes: &[u8], at: &mut usize) -> Result<Option<usize>, &'static str> {
    let rest = &bytes[*at..];
    let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if length > 9 || (length == 0 && !rest.is_empty()) {
        return Err("a number is missing");
    }
    if length == rest.len() {
        return Ok(None);
    }
    *at += length;
    let value = rest[..length].iter();
    Ok(Some(value.fold(0, |n, b| n * 10 + usize::from(b - b'0'))))
}

/// A command and the space after it.
fn word(bytes: &[u8], at: &mut usize) -> Result<Option<String>, &'static str> {
    let rest = &bytes[*at..];
    let length = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    if length > 32 || bytes.len() - rest.len() > MAX_HEADER {
        return Err("a command is too long");
    }
    match rest.get(length) {
        None => Ok(None),
        Some(b' ') if length > 0 => {
            *at += length + 1;
            Ok(Some(String::from_utf8_lossy(&rest[..length]).into_owned()))
        }
        Some(_) => Err("a command is missing"),
    }
}
