use agents::ingest::{Frame, Frames, Message, messages, read};
use chrono::FixedOffset;
use schemas::Timestamp;

/// Any stream, cut anywhere, is the same messages, which content gives back; and each line can be
/// asked what it says. Accepted is what has a whole message.
pub fn check(bytes: &[u8]) -> bool {
    let whole = framed(&[bytes]);
    let (one, two) = bytes.split_at(bytes.len() / 2);
    assert_eq!(framed(&[one, two]), whole);
    let mut content = Vec::new();
    for (bytes, frame) in &whole {
        let frame = *frame;
        Message { bytes, frame }.write(&mut content);
        let now = Timestamp::from_micros(1_790_000_000_000_000);
        let said = read(
            bytes,
            now,
            FixedOffset::east_opt(9 * 3_600).expect("a zone"),
        );
        assert!(said.host.is_none_or(|host| !host.is_empty()));
    }
    let again = messages(&content).expect("what was written is read");
    assert!(again.iter().eq(whole.iter().map(|(bytes, _)| bytes)));
    whole.iter().any(|(_, frame)| *frame != Frame::Piece)
}

fn framed(parts: &[&[u8]]) -> Vec<(Vec<u8>, Frame)> {
    let (mut frames, mut all) = (Frames::default(), Vec::new());
    let mut take = |message: Message<'_>| all.push((message.bytes.to_vec(), message.frame));
    for part in parts {
        frames.push(part, &mut take);
    }
    frames.end(&mut take);
    all
}
