use crate::masking::MASKER;
use agents::capture::Capture;
use agents::transcript::Import;
use schemas::Data;

/// Every line becomes one event with one content: as it came where nothing prohibited was found
/// in it. Accepted is what is a line of a transcript; the rest is kept as text.
pub fn check(bytes: &[u8]) -> bool {
    let import = Import {
        importer: "user:s001".parse().expect("a sound actor"),
        agent: "dev".parse().expect("a sound name"),
        masker: &MASKER,
    };
    let line = Capture::new(bytes.to_vec());
    let (submission, fault) = import.line(&line);
    assert_eq!(submission.event.id, import.id(&line));
    let [content] = submission.content.as_slice() else {
        panic!("one content");
    };
    let Data::TranscriptImported(said) = &submission.event.data else {
        panic!("a line that was imported");
    };
    assert_eq!(said.line_bytes, bytes.len() as u64);
    assert_eq!(said.entry.is_some(), fault.is_none());
    if fault.is_none() && said.found.is_empty() {
        assert_eq!(content.bytes, bytes);
    }
    fault.is_none()
}
