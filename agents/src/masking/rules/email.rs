//! Mailbox addresses: the local part goes, the domain stays.

use super::{Asked, Find, pattern};
use crate::masking::normal::View;
use crate::masking::policy::EmailMask;
use crate::masking::{Evidence, SpanKind};
use regex::Regex;
use std::sync::LazyLock;

pub(in crate::masking) const NAME: &str = "email";

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"[A-Za-z0-9._%+'&=~^$!-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,8}[A-Za-z]{2,24}",
    )
});

/// What is left of a mailbox by a mask of ours.
static MASKED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\*@[A-Za-z0-9.-]{1,255}"));

/// Mailboxes that are masked already. Their domains are still no place for a name.
pub(in crate::masking) fn masked(view: &View) -> Vec<(usize, usize)> {
    if !view.text.contains("*@") {
        return Vec::new();
    }
    let place = |m: regex::Match| (view.at_byte(m.start()), view.at_byte(m.end()));
    MASKED.find_iter(&view.text).map(place).collect()
}

pub(super) fn find(view: &View, asked: &Asked, out: &mut Vec<Find>) {
    if !view.text.contains('@') {
        return;
    }
    for hit in ADDRESS.find_iter(&view.text) {
        let local_at = hit.as_str().find('@').unwrap_or(0);
        // Marks that open what stands around an address are no part of it.
        let lead = hit.as_str()[..local_at].len()
            - hit.as_str()[..local_at]
                .trim_start_matches(['\'', '.', '-', '&', '~', '$', '!', '^'])
                .len();
        // `email=taro@…` is a field and its value.
        let lead = lead.max(
            hit.as_str()[..local_at]
                .rfind(['=', '&'])
                .map_or(0, |i| i + 1),
        );
        let (start, at, end) = (
            view.at_byte(hit.start() + lead),
            view.at_byte(hit.start() + local_at),
            view.at_byte(hit.end()),
        );
        if start >= at || !is_mailbox(view, start, at, end) {
            continue;
        }
        out.push(Find {
            start,
            end,
            kind: SpanKind::Email,
            rule: NAME,
            evidence: Evidence::of("form of a mailbox"),
            replacement: mask(view, start, at, end, asked.policy.email),
            value: view.slice(start, end).to_lowercase(),
        });
    }
}

/// Not `git@host:path`, `https://user:word@host`, `file@2x.png`.
fn is_mailbox(view: &View, start: usize, at: usize, end: usize) -> bool {
    let before = view.before(start);
    if view.get(end) == Some('@') || before == Some('/') {
        return false;
    }
    // A path after the colon makes it a remote of a version control system.
    let remote = view.get(end) == Some(':')
        && view
            .get(end + 1)
            .is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '~' | '/'));
    if remote
        && (view.slice(start, at) == "git"
            || view
                .slice(end, (end + 120).min(view.len()))
                .split_whitespace()
                .next()
                .is_some_and(|t| t.contains('/')))
    {
        return false;
    }
    // User info of a URL: `scheme://user:word@host`.
    let head = view.slice(start.saturating_sub(40), start);
    if before == Some(':')
        && head.contains("://")
        && !head
            .rsplit("://")
            .next()
            .is_some_and(|t| t.contains(char::is_whitespace))
    {
        return false;
    }
    let last = view
        .slice(at, end)
        .rsplit('.')
        .next()
        .unwrap_or("")
        .to_ascii_lowercase();
    !matches!(
        last.as_str(),
        "png"
            | "jpg"
            | "jpeg"
            | "gif"
            | "svg"
            | "webp"
            | "js"
            | "ts"
            | "css"
            | "rs"
            | "py"
            | "json"
            | "service"
            | "internal"
            | "local"
            | "localhost"
    ) || matches!(last.as_str(), "local" | "internal" | "rs" | "py" if view.slice(at, end).matches('.').count() > 1)
}

fn mask(view: &View, start: usize, at: usize, end: usize, how: EmailMask) -> String {
    let source = |from: usize, to: usize| -> String {
        let (a, b) = view.span(from, to);
        view.original[a..b].iter().collect()
    };
    // In an encoding of its own the whole goes: half of it would still be readable.
    if !matches!(view.source(at), ['@'] | ['＠'] | ['﹫']) {
        return "****".into();
    }
    let domain = source(at, end);
    match how {
        EmailMask::LastFour if at - start > 4 => format!("{}****{domain}", source(start, at - 4)),
        _ => format!("****{domain}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::masking::tests::{masked, unchanged};

    #[test]
    fn the_domain_behind_a_mask_stays() {
        for text in [
            "@Hanako o@mail.example.Sato):\n x",
            "o@tanaka-taro.example.jp",
        ] {
            let once = masked(text);
            assert_eq!(masked(&once), once);
        }
    }

    #[test]
    fn the_local_part_is_masked_and_the_domain_stays() {
        assert_eq!(
            masked("返信は hanako.suzuki@mail.example.jp まで"),
            "返信は ****@mail.example.jp まで"
        );
        assert_eq!(
            masked("ｔａｒｏ＠ｅｘａｍｐｌｅ．ｊｐ"),
            "****＠ｅｘａｍｐｌｅ．ｊｐ"
        );
        assert_eq!(
            masked("<a+b@example.com>,'c@example.org'"),
            "<****@example.com>,'****@example.org'"
        );
        assert_eq!(masked("to=sato%40example.jp"), "to=****");
    }

    #[test]
    fn what_only_looks_like_a_mailbox_stays() {
        unchanged("git@github.example.com:team/app.git を clone");
        unchanged("root@10.0.0.1, left-pad@1.3.0, @scope/pkg, logo@2x.png, ****@example.com");
    }
}
