use std::fmt;

/// Where the lines of a text begin.
pub struct Places(Vec<usize>);

/// Line and column, both from 1, columns in characters.
#[derive(Clone, Copy, serde::Serialize)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl Places {
    pub fn of(text: &str) -> Places {
        let breaks = text.chars().enumerate().filter(|(_, c)| *c == '\n');
        Places(
            std::iter::once(0)
                .chain(breaks.map(|(at, _)| at + 1))
                .collect(),
        )
    }

    /// The place of the character `at`.
    pub fn at(&self, at: usize) -> Place {
        let line = self.0.partition_point(|&start| start <= at);
        Place {
            line,
            column: at - self.0[line - 1] + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}
