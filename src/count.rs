use std::fmt::Display;

/// So many of a thing, as a reader says it: 1 entry, 2 entries.
pub fn counted(count: impl Display + PartialEq + From<u8>, thing: &str) -> String {
    match (count == 1.into(), thing.strip_suffix('y')) {
        (true, _) => format!("{count} {thing}"),
        (false, Some(stem)) => format!("{count} {stem}ies"),
        (false, None) => format!("{count} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_one_and_all_else_is_many() {
        let of = |thing: &str| {
            [0_u64, 1, 2, 11]
                .map(|count| counted(count, thing))
                .join(", ")
        };
        assert_eq!(of("entry"), "0 entries, 1 entry, 2 entries, 11 entries");
        assert_eq!(
            of("finding"),
            "0 findings, 1 finding, 2 findings, 11 findings"
        );
    }
}
