use schemas::Label;
use std::fmt;

/// A file's place inside a project: relative, parts separated by `/`, none of them empty,
/// `.` or `..`. Two spellings of one place are one value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(Label);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    #[error("is empty")]
    Empty,
    #[error("is absolute and lies outside the project; name the project's directory")]
    OutsideRoot,
    #[error("leaves the project with `..`")]
    LeavesProject,
    #[error(
        "is longer than {} characters, or holds control characters",
        Label::MAX_CHARS
    )]
    NotALabel,
    #[error("is not a file: URI or a relative one")]
    OtherScheme,
    #[error("has a % that is not followed by the two hex digits of UTF-8")]
    BadEscape,
}

impl RepoPath {
    /// Reads a path as tools write it. An absolute one is made relative to `root`.
    pub fn parse(text: &str, root: Option<&str>) -> Result<RepoPath, PathFault> {
        let text = text.replace('\\', "/");
        let relative = if is_absolute(&text) {
            let root = root.ok_or(PathFault::OutsideRoot)?.replace('\\', "/");
            let inside = text.strip_prefix(root.trim_end_matches('/'));
            let inside = inside.and_then(|rest| rest.strip_prefix('/'));
            inside.ok_or(PathFault::OutsideRoot)?.to_owned()
        } else {
            text
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                // Also `a/../b`: through a symlink it may be anywhere.
                ".." => return Err(PathFault::LeavesProject),
                part => parts.push(part),
            }
        }
        if parts.is_empty() {
            return Err(PathFault::Empty);
        }
        let label = parts.join("/").parse().map_err(|_| PathFault::NotALabel)?;
        Ok(RepoPath(label))
    }

    /// Reads a URI reference (RFC 3986): `src/a%20b.py`, or `file:///srv/src/a.py`.
    pub fn from_uri(uri: &str, root: Option<&str>) -> Result<RepoPath, PathFault> {
        RepoPath::parse(&path_of_uri(uri)?, root)
    }

    /// The project as a whole, for results that name no file.
    pub fn project() -> RepoPath {
        RepoPath(Label::lossy("."))
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn label(&self) -> &Label {
        &self.0
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The path that a `file:` URI, or a relative reference, names.
pub(super) fn path_of_uri(uri: &str) -> Result<String, PathFault> {
    let scheme_end = uri.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
    let scheme = scheme_end.filter(|&end| uri[end..].starts_with(':'));
    let path = match scheme.map(|end| (&uri[..end], &uri[end + 1..])) {
        // One letter is a drive: some tools write Windows paths where a URI belongs.
        Some((drive, _)) if drive.len() == 1 => uri,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file") => {
            let local = |r: &str| r.starts_with('/').then(|| r.to_owned());
            let path = match rest.strip_prefix("//") {
                None => local(rest),
                Some(rest) => local(rest.strip_prefix("localhost").unwrap_or(rest)),
            };
            let path = path.ok_or(PathFault::OtherScheme)?;
            let decoded = percent_decoded(&path)?;
            // `/C:/srv` is how a URI writes `C:/srv`.
            let drive = decoded.strip_prefix('/').filter(|p| has_drive(p));
            return Ok(drive.unwrap_or(&decoded).to_owned());
        }
        Some(_) => return Err(PathFault::OtherScheme),
        None if uri.starts_with("//") => return Err(PathFault::OtherScheme),
        None => uri,
    };
    percent_decoded(path)
}

fn percent_decoded(text: &str) -> Result<String, PathFault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let digits = after.get(..2).ok_or(PathFault::BadEscape)?;
        let mut byte = [0];
        hex::decode_to_slice(digits, &mut byte).map_err(|_| PathFault::BadEscape)?;
        bytes.push(byte[0]);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| PathFault::BadEscape)
}

fn has_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

fn is_absolute(path: &str) -> bool {
    path.starts_with('/') || has_drive(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_has_one_path() {
        for (uri, root) in [
            ("src/a b.py", None),
            ("./src//a%20b.py", None),
            ("src\\a b.py", None),
            ("file:///srv/src/a%20b.py", Some("/srv/")),
            ("file://localhost/srv/src/a%20b.py", Some("/srv")),
            ("file:///C:/srv/src/a%20b.py", Some("C:\\srv")),
            ("C:\\srv\\src\\a b.py", Some("C:/srv")),
            ("/srv/src/a b.py", Some("/srv")),
        ] {
            let path = RepoPath::from_uri(uri, root).unwrap();
            assert_eq!(path.as_str(), "src/a b.py", "{uri}");
        }
        let japanese = RepoPath::from_uri("%E6%96%87.py", None).unwrap();
        assert_eq!(japanese.as_str(), "文.py");
    }

    #[test]
    fn no_path_leaves_the_project() {
        use PathFault::*;
        for (uri, root, fault) in [
            ("../a.py", None, LeavesProject),
            ("a/../../b.py", None, LeavesProject),
            ("a/%2E%2E/b.py", None, LeavesProject),
            ("..\\a.py", None, LeavesProject),
            ("/etc/passwd", None, OutsideRoot),
            ("/srvspace/a.py", Some("/srv"), OutsideRoot),
            ("file:///srv/../etc/passwd", Some("/srv"), LeavesProject),
            ("C:/a.py", None, OutsideRoot),
            ("https://example.com/a.py", None, OtherScheme),
            ("file://server/share/a.py", Some("/"), OtherScheme),
            ("//server/share/a.py", None, OtherScheme),
            ("a%2", None, BadEscape),
            ("a%zz", None, BadEscape),
            ("%ff", None, BadEscape),
            ("a%0Ab", None, NotALabel),
            ("", None, Empty),
            ("./", None, Empty),
        ] {
            assert_eq!(RepoPath::from_uri(uri, root), Err(fault), "{uri}");
        }
        let long = "x".repeat(257);
        assert_eq!(RepoPath::parse(&long, None), Err(NotALabel));
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_once_is_read_again_as_the_same(text in ".*", root in ".*") {
            if let Ok(path) = RepoPath::from_uri(&text, Some(&root)) {
                proptest::prop_assert_eq!(RepoPath::parse(path.as_str(), None), Ok(path.clone()));
                proptest::prop_assert!(path.as_str().split('/').all(|p| p != ".." && p != "."));
            }
        }
    }
}
