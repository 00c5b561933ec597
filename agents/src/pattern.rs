//! Patterns that operators write for the names of tools, their arguments, and models.

/// `*` stands for anything, also for nothing and for line ends.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, holds) in [
            ("a*c", "abbc", true),
            ("a*c", "ac\nc", true),
            ("a*a", "a", false),
            ("*b*", "abc", true),
            ("abc", "abcd", false),
            ("", "", true),
            ("*", "", true),
            ("a*b*b", "ab", false),
        ] {
            assert_eq!(fits(pattern, text), holds, "{pattern} {text}");
        }
    }
}
