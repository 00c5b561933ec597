/// The workspace, as a text: this program may run on another system than the client.
pub(super) struct Path {
    pub text: String,
    parts: Vec<String>,
}

impl Path {
    pub fn new(text: &str) -> Path {
        Path {
            text: text.to_owned(),
            parts: parts(text),
        }
    }

    pub fn below(&self, path: &str) -> Below {
        if path.starts_with('~') {
            return Below::Out;
        }
        let absolute = path.starts_with(['/', '\\']) || path.as_bytes().get(1) == Some(&b':');
        let whole = if absolute {
            path.to_owned()
        } else {
            format!("{}/{path}", self.text)
        };
        let whole = parts(&whole);
        match whole.strip_prefix(self.parts.as_slice()) {
            None => Below::Out,
            Some([]) => Below::Itself,
            Some(_) => Below::In,
        }
    }
}

/// Where a path leads.
pub(super) enum Below {
    In,
    Itself,
    Out,
}

/// The steps of a path, `..` taken back; without regard to case where drives have letters.
fn parts(path: &str) -> Vec<String> {
    let windows = path.as_bytes().get(1) == Some(&b':') || path.starts_with('\\');
    let mut parts: Vec<String> = Vec::new();
    let steps = path.split(|c| c == '/' || (windows && c == '\\'));
    for step in steps {
        match step {
            "" | "." => {}
            ".." => drop(parts.pop()),
            step if windows => parts.push(step.to_lowercase()),
            step => parts.push(step.to_owned()),
        }
    }
    parts
}
