use agents::masking::{Masker, Policy, TagKey, Verdict};
use std::sync::LazyLock;

pub static MASKER: LazyLock<Masker> = LazyLock::new(|| {
    Masker::new(Policy::default(), TagKey::new([7; 32])).expect("the default is sound")
});

/// Any text is masked: only the spans change, and what may leave does not change when it is
/// masked again. What must not be kept is cut, and cut again changes nothing either.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let found = MASKER.text(text);
    let chars: Vec<char> = text.chars().collect();
    let (mut masked, mut at) = (String::new(), 0);
    for span in &found.spans {
        assert!(at <= span.start && span.start < span.end && span.end <= chars.len());
        masked.extend(&chars[at..span.start]);
        masked.push_str(&span.replacement);
        at = span.end;
    }
    masked.extend(&chars[at..]);
    assert_eq!(masked, found.masked);
    assert_eq!(found.verdict == Verdict::Block, !found.blocks.is_empty());
    if found.verdict == Verdict::Allow {
        let again = MASKER.text(&masked);
        assert_eq!(again.masked, masked, "from {text:?}");
        assert_eq!(again.verdict, Verdict::Allow);
    }
    let (kept, _) = MASKER.cut(text);
    let (again, counts) = MASKER.cut(&kept);
    assert_eq!((again, counts.len()), (kept, 0), "from {text:?}");
    !found.spans.is_empty()
}
