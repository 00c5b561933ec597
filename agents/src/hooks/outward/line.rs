//! Command lines: which program does what.

use super::is_one_of;
use super::path::{Below, Path};
use super::shell::{Command, Shell, Word, commands};

/// The kind of what a command line does outside, if it does.
pub(super) fn outward(line: &str, shell: Shell, cwd: Option<&str>) -> Option<&'static str> {
    by_line(line, shell, cwd, NESTED)
}

/// Shells inside shells that are followed.
const NESTED: usize = 4;

fn by_line(line: &str, shell: Shell, cwd: Option<&str>, nested: usize) -> Option<&'static str> {
    // After a change of directory to elsewhere no relative path is known any more.
    let mut cwd = cwd.map(Path::new);
    for command in commands(line, shell) {
        if let Some(kind) = by_command(&command.words, &command, shell, cwd.as_ref(), nested) {
            return Some(kind);
        }
        if is_change_of_directory(&command) {
            let to = command.words.get(1).filter(|word| word.sure);
            cwd = match (to, cwd) {
                (Some(to), Some(at)) if !matches!(at.below(&to.text), Below::Out) => Some(at),
                _ => None,
            };
        }
    }
    None
}

fn is_change_of_directory(command: &Command) -> bool {
    let program = command.words.first().map(program);
    matches!(
        program.as_deref(),
        Some("cd" | "pushd" | "popd" | "chdir" | "set-location" | "sl")
    )
}

/// Programs that run what follows them.
const WRAPPERS: &str = "sudo doas env nohup nice ionice time exec command builtin stdbuf timeout xargs setsid \
    if then else elif do while until ! start-process watch parallel npx busybox";
/// Programs that read a command line out of their arguments, or out of their input.
const SHELLS: &str = "sh bash zsh dash ksh fish eval su ssh powershell pwsh cmd iex invoke-expression xargs \
    watch parallel";
const MAILERS: &str = "mail mailx sendmail mutt neomutt msmtp swaks s-nail ssmtp send-mailmessage";
const PUBLISHERS: &str = "npm pnpm yarn bun cargo poetry uv flit hatch gem dotnet nuget mvn gradle lerna \
    wrangler vercel netlify firebase fly flyctl heroku twine docker podman helm kubectl \
    terraform gcloud az serverless surge gh glab";
const PUBLISHES: &str = "publish unpublish upload push deploy release apply destroy yank";
const FORGES: &str = "create merge comment review edit close delete release upload";
const DELETERS: &str = "rm rmdir unlink shred srm trash del erase rd remove-item ri";
const FETCHERS: &str = "curl wget http https xh invoke-restmethod irm invoke-webrequest iwr";

/// The name of a program without its place: `/usr/bin/git`, `git.exe`.
fn program(word: &Word) -> String {
    let name = word.text.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = name.to_lowercase();
    name.strip_suffix(".exe")
        .map_or(name.clone(), str::to_owned)
}

fn by_command(
    words: &[Word],
    command: &Command,
    shell: Shell,
    cwd: Option<&Path>,
    nested: usize,
) -> Option<&'static str> {
    // `NAME=value` before a program.
    let start = words.iter().position(|word| !is_assignment(&word.text))?;
    let (head, rest) = words[start..].split_first()?;
    let name = program(head);
    let name = name.as_str();
    let plain: Vec<&str> = rest
        .iter()
        .map(|word| word.text.as_str())
        .filter(|text| !text.starts_with('-'))
        .collect();
    let has = |verbs: &str| plain.iter().any(|word| is_one_of(word, verbs));
    let found = match name {
        "git" | "hg" | "jj" if has("push") && is_pushed(rest) => Some("push"),
        "git" if has("send-email") => Some("mail"),
        "svn" if has("commit ci") => Some("push"),
        "gh" | "glab" if has("api") => sends(rest).then_some("publish"),
        "aws" | "gsutil" | "rclone" | "scp" | "rsync" | "sftp" => {
            copies_away(name, rest).then_some("publish")
        }
        "stripe" | "paypal" => Some("payment"),
        "find" if is_deleting_find(rest) => {
            leads_out(&paths_of_find(rest), cwd, true).then_some("delete")
        }
        name if is_one_of(name, MAILERS) => Some("mail"),
        name if is_one_of(name, PUBLISHERS) => {
            let forge = matches!(name, "gh" | "glab");
            let verbs = if forge { FORGES } else { PUBLISHES };
            has(verbs).then_some("publish")
        }
        name if is_one_of(name, FETCHERS) => sends(rest).then_some("send"),
        name if is_one_of(name, DELETERS) => {
            let paths: Vec<&Word> = rest.iter().filter(|w| !w.text.starts_with('-')).collect();
            leads_out(&paths, cwd, false).then_some("delete")
        }
        _ => None,
    };
    if found.is_some() || nested == 0 {
        return found;
    }
    if is_one_of(name, WRAPPERS) || is_one_of(name, SHELLS) {
        let inner =
            (0..rest.len()).find_map(|at| by_command(&rest[at..], command, shell, cwd, nested - 1));
        // What `xargs rm` deletes stands nowhere.
        let deletes = rest.iter().any(|word| is_one_of(&program(word), DELETERS));
        let unseen = matches!(name, "xargs" | "parallel") && deletes;
        if let Some(kind) = inner.or(unseen.then_some("delete")) {
            return Some(kind);
        }
    }
    if is_one_of(name, SHELLS) {
        let at = cwd.map(|path| path.text.as_str());
        let lines = rest.iter().map(|word| word.text.as_str());
        return lines
            .chain([command.input.as_str()])
            .filter(|line| line.contains(char::is_whitespace))
            .find_map(|line| by_line(line, shell, at, nested - 1));
    }
    None
}

fn is_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// `push` is what git is to do, not a word of a message: the first word that is no option and
/// no option's value.
fn is_pushed(rest: &[Word]) -> bool {
    let mut words = rest.iter().map(|word| word.text.as_str());
    while let Some(word) = words.next() {
        match word {
            "-C" | "-c" | "-R" | "--git-dir" | "--work-tree" | "--namespace" | "--cwd" => {
                words.next();
            }
            option if option.starts_with('-') => {}
            // `git lfs push`, `jj git push`, `git subtree push`, `git stash push` is none.
            "lfs" | "git" | "subtree" | "annex" => {}
            first => return first == "push",
        }
    }
    false
}

/// Does an HTTP client carry data to a host other than this one?
fn sends(rest: &[Word]) -> bool {
    let local = |text: &str| {
        let host = text.split_once("://").map_or(text, |(_, rest)| rest);
        let host = host.split(['/', '?']).next().unwrap_or_default();
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        ["localhost", "127.0.0.1", "[::1]", "::1"]
            .iter()
            .any(|name| {
                host == *name || host.strip_prefix(name).is_some_and(|p| p.starts_with(':'))
            })
    };
    let mut carries = false;
    let mut addresses = Vec::new();
    for (at, word) in rest.iter().enumerate() {
        let text = word.text.as_str();
        let method =
            |text: &str| !matches!(text.to_uppercase().as_str(), "GET" | "HEAD" | "OPTIONS");
        let next = rest.get(at + 1).map_or("", |word| &word.text);
        let long = text
            .split_once('=')
            .map_or(text, |(option, _)| option)
            .to_lowercase();
        let value = text.split_once('=').map_or(next, |(_, value)| value);
        carries |= match long.as_str() {
            "--request" | "--method" | "-method" | "-x" if !text.starts_with("-x") => method(value),
            "--json" | "--upload-file" | "--body" | "-body" | "-infile" | "--input" => true,
            long if [
                "--data",
                "--form",
                "--post-",
                "--body-",
                "--field",
                "--raw-field",
            ]
            .iter()
            .any(|start| long.starts_with(start)) =>
            {
                true
            }
            // Short options run together: `-sXPOST`, `-fsSd`.
            _ if text.starts_with('-') && !text.starts_with("--") => {
                match text.find(['X', 'd', 'F', 'T']) {
                    Some(at) if text[at..].starts_with('X') => {
                        let value = &text[at + 1..];
                        method(if value.is_empty() { next } else { value })
                    }
                    Some(_) => true,
                    None => text == "-f",
                }
            }
            // HTTPie: `http POST host`.
            "post" | "put" | "patch" | "delete" => at == 0,
            _ => false,
        };
        if text.contains("://") || local(text) {
            addresses.push(text);
        }
    }
    carries && (addresses.is_empty() || !addresses.iter().all(|text| local(text)))
}

/// Does a copier write to another host or bucket?
fn copies_away(name: &str, rest: &[Word]) -> bool {
    let remote = |text: &str| {
        text.contains("://")
            || text
                .split_once(':')
                .is_some_and(|(host, _)| host.len() > 1 && !host.contains(['/', '\\']))
    };
    let words = || {
        rest.iter()
            .map(|word| word.text.as_str())
            .filter(|t| !t.starts_with('-'))
    };
    match name {
        "sftp" => true,
        "scp" | "rsync" => words().next_back().is_some_and(remote),
        _ => {
            let act = words().any(|word| {
                matches!(
                    word,
                    "cp" | "mv"
                        | "sync"
                        | "rm"
                        | "copy"
                        | "copyto"
                        | "move"
                        | "delete"
                        | "purge"
                        | "deploy"
                )
            });
            act && words().next_back().is_some_and(remote)
        }
    }
}

fn is_deleting_find(rest: &[Word]) -> bool {
    rest.iter()
        .any(|word| word.text == "-delete" || is_one_of(&program(word), DELETERS))
}

fn paths_of_find(rest: &[Word]) -> Vec<&Word> {
    rest.iter()
        .take_while(|word| !word.text.starts_with(['-', '(', '!']))
        .collect()
}

/// `contents`: the workspace itself may be named, for what is in it.
fn leads_out(paths: &[&Word], cwd: Option<&Path>, contents: bool) -> bool {
    let out = |cwd: &Path, word: &Word| match cwd.below(&word.text) {
        Below::Out => true,
        Below::Itself => !contents,
        Below::In => false,
    };
    paths
        .iter()
        .any(|word| !word.sure || cwd.is_none_or(|cwd| out(cwd, word)))
}
