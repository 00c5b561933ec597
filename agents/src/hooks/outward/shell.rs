//! A command line, read as far as it can be without running it.
//!
//! Quotes, escapes, lists, pipes, substitutions and here-documents are understood; what only
//! the shell knows (a variable, the output of a command) makes a word *unsure*. Nothing here
//! is a boundary: a script that is written first and run later says nothing on its line.

/// One word of a command, without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    /// Nothing in it is known only when it runs.
    pub sure: bool,
}

/// One program with its arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Command {
    pub words: Vec<Word>,
    /// What stands in a here-document for it to read.
    pub input: String,
}

/// Whose grammar it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shell {
    Posix,
    Power,
}

impl Shell {
    fn escape(self) -> char {
        match self {
            Shell::Posix => '\\',
            Shell::Power => '`',
        }
    }
}

/// Substitutions inside substitutions that are followed.
const DEPTH: usize = 8;

/// Every command of a text, in order; those of substitutions after the one they stand in.
pub(super) fn commands(text: &str, shell: Shell) -> Vec<Command> {
    let mut all = Vec::new();
    read(text, shell, DEPTH, &mut all);
    all
}

struct Reader<'t> {
    chars: std::iter::Peekable<std::str::Chars<'t>>,
    shell: Shell,
    command: Command,
    word: Option<Word>,
    inner: Vec<String>,
    /// Ends of here-documents that begin at the next line.
    waiting: Vec<String>,
    done: Vec<Command>,
}

fn read(text: &str, shell: Shell, depth: usize, all: &mut Vec<Command>) {
    let mut reader = Reader {
        chars: text.chars().peekable(),
        shell,
        command: Command::default(),
        word: None,
        inner: Vec::new(),
        waiting: Vec::new(),
        done: Vec::new(),
    };
    reader.run();
    all.append(&mut reader.done);
    if depth > 0 {
        for inner in reader.inner {
            read(&inner, shell, depth - 1, all);
        }
    }
}

impl Reader<'_> {
    fn run(&mut self) {
        while let Some(c) = self.chars.next() {
            match c {
                c if c == self.shell.escape() => match self.chars.next() {
                    Some('\n') | None => {}
                    Some(c) => self.push(c),
                },
                '\'' => self.quoted(),
                '"' => self.double(),
                '$' | '`' => self.expansion(c),
                '#' if self.word.is_none() => self.skip_line(),
                '\n' => {
                    self.end_command();
                    self.documents();
                }
                ';' | '|' | '&' | '(' | ')' | '{' | '}' if self.breaks(c) => self.end_command(),
                '<' if self.chars.peek() == Some(&'<') && self.shell == Shell::Posix => {
                    self.document();
                }
                '<' | '>' => {
                    // `2>`: which output, no word.
                    self.word
                        .take_if(|word| word.text.bytes().all(|b| b.is_ascii_digit()));
                    self.end_word();
                    // Where it goes is no argument; `2>&1` is no end of a command.
                    while self.chars.next_if(|c| "<>&| \t".contains(*c)).is_some() {}
                    while self
                        .chars
                        .next_if(|c| !c.is_whitespace() && !";|&()".contains(*c))
                        .is_some()
                    {}
                }
                c if c.is_whitespace() => self.end_word(),
                c => self.push(c),
            }
        }
        self.end_command();
    }

    /// Braces are grouping only where they stand alone: `{a,b}` is a word.
    fn breaks(&mut self, c: char) -> bool {
        let alone = self.word.is_none()
            && self
                .chars
                .peek()
                .is_none_or(|c| c.is_whitespace() || ";|&)".contains(*c));
        !matches!(c, '{' | '}') || alone || self.shell == Shell::Power
    }

    fn word(&mut self) -> &mut Word {
        self.word.get_or_insert(Word {
            text: String::new(),
            sure: true,
        })
    }

    fn push(&mut self, c: char) {
        self.word().text.push(c);
    }

    fn quoted(&mut self) {
        self.word();
        while let Some(c) = self.chars.next().filter(|c| *c != '\'') {
            self.push(c);
        }
    }

    fn double(&mut self) {
        self.word();
        while let Some(c) = self.chars.next() {
            match c {
                '"' => return,
                c if c == self.shell.escape() => {
                    if let Some(c) = self.chars.next() {
                        self.push(c);
                    }
                }
                '$' | '`' => self.expansion(c),
                c => self.push(c),
            }
        }
    }

    /// What stands here is known when it runs; what a substitution runs is a command too.
    fn expansion(&mut self, c: char) {
        self.word().sure = false;
        if c == '`' {
            let inner: String = self.chars.by_ref().take_while(|c| *c != '`').collect();
            self.inner.push(inner);
        } else if self.chars.next_if_eq(&'(').is_some() {
            let (mut inner, mut open) = (String::new(), 1);
            for c in self.chars.by_ref() {
                open += i32::from(c == '(') - i32::from(c == ')');
                if open == 0 {
                    break;
                }
                inner.push(c);
            }
            self.inner.push(inner);
        } else {
            self.push(c);
        }
    }

    fn skip_line(&mut self) {
        while self.chars.next_if(|c| *c != '\n').is_some() {}
    }

    fn document(&mut self) {
        self.end_word();
        self.chars.next();
        if self.chars.next_if_eq(&'<').is_some() {
            return; // a here-string: its word is an argument like another
        }
        let mut end = String::new();
        while self.chars.next_if(|c| "- \t".contains(*c)).is_some() {}
        while let Some(c) = self
            .chars
            .next_if(|c| !c.is_whitespace() && !";|&".contains(*c))
        {
            if !"'\"\\".contains(c) {
                end.push(c);
            }
        }
        self.waiting.push(end);
    }

    /// The lines up to each end belong to the command before them.
    fn documents(&mut self) {
        for end in std::mem::take(&mut self.waiting) {
            let mut input = String::new();
            loop {
                let line: String = self.chars.by_ref().take_while(|c| *c != '\n').collect();
                if line.trim() == end || (line.is_empty() && self.chars.peek().is_none()) {
                    break;
                }
                input.push_str(&line);
                input.push('\n');
            }
            if let Some(command) = self.done.last_mut() {
                command.input.push_str(&input);
            }
        }
    }

    fn end_word(&mut self) {
        self.command.words.extend(self.word.take());
    }

    fn end_command(&mut self) {
        self.end_word();
        let command = std::mem::take(&mut self.command);
        if !command.words.is_empty() {
            self.done.push(command);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &str) -> Vec<String> {
        let line = |command: Command| {
            let words = command
                .words
                .iter()
                .map(|w| format!("{}{}", w.text, if w.sure { "" } else { "?" }));
            words.collect::<Vec<_>>().join("·")
        };
        commands(text, Shell::Posix).into_iter().map(line).collect()
    }

    #[test]
    fn a_line_is_its_commands() {
        for (text, read) in [
            ("git  push", vec!["git·push"]),
            (
                "a && b; c | d & e || f\ng",
                vec!["a", "b", "c", "d", "e", "f", "g"],
            ),
            ("'g'i\\t \"push\" 'a b' # git push", vec!["git·push·a b"]),
            ("rm $HOME/x \"$(pwd)/y\"", vec!["rm·$HOME/x?·/y?", "pwd"]),
            ("a `b c` $(d $(e))", vec!["a·?·?", "b·c", "d·?", "e"]),
            (
                "(cd x && { make; }) > out 2>&1 end",
                vec!["cd·x", "make", "end"],
            ),
            ("cp a.{c,h} b\\\n c", vec!["cp·a.{c,h}·b·c"]),
            ("echo '", vec!["echo·"]),
        ] {
            assert_eq!(lines(text), read, "{text}");
        }
    }

    #[test]
    fn a_here_document_belongs_to_the_command_that_reads_it() {
        let read = commands("cat <<'EOF' > x\ngit push\nEOF\nls", Shell::Posix);
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].input, "git push\n");
        assert_eq!(read[1].words[0].text, "ls");
    }

    #[test]
    fn in_powershell_a_backslash_is_a_letter() {
        let read = commands("Remove-Item C:\\x\\y", Shell::Power);
        assert_eq!(read[0].words[1].text, "C:\\x\\y");
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_panic(text in "[a-z$`'\"(){};|&<>\\\\ \n#-]{0,80}") {
            commands(&text, Shell::Posix);
            commands(&text, Shell::Power);
        }
    }
}
