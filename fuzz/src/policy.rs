use crate::signer;
use ledger::note::Note;
use ledger::witness::{Policy, PolicyError};

/// Comments and empty lines change nothing; nobody's quorum is met by a note that nobody
/// cosigned, unless none is asked for.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let read: Result<Policy, PolicyError> = text.parse();
    let spaced: Result<Policy, PolicyError> = text.replace('\n', " \t\n\t# a comment\n\n").parse();
    let Ok(policy) = read else {
        assert!(spaced.is_err());
        return false;
    };
    // With the comments it may be too long.
    if let Ok(spaced) = spaced {
        assert_eq!(
            (&spaced.logs, &spaced.witnesses),
            (&policy.logs, &policy.witnesses)
        );
    }
    let note = signer().sign_note("example.com/daicho\n0\n\n");
    let note = Note::parse(note.as_bytes()).expect("a note");
    assert!(policy.cosigned(&note).is_empty());
    let none = text.split('\n').any(|line| {
        let words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        words.eq(["quorum", "none"])
    });
    assert_eq!(policy.has_quorum(&note), none);
    true
}
