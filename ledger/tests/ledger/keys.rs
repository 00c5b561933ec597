//! What a log is without the keys of its content.

use crate::{check, create, event, open, with_content};
use ledger::verify::{Check, Trust, verify};
use ledger::{AppendError, ContentError, Reader};

#[test]
fn whoever_has_no_keys_reads_no_content_and_finds_the_log_sound() {
    let dir = create();
    let (appender, reader) = open(dir.path());
    let mut text = "a long conversation ".repeat(400);
    for turn in 0..6 {
        text.push_str(&format!("turn {turn} "));
        let submission = with_content(event(&appender, &format!("a{turn}")), &text);
        appender.append(vec![submission]).unwrap();
    }
    drop((appender, reader));
    let read = |entry: u64| {
        let reader = Reader::open(dir.path()).unwrap();
        let reference = reader.entry(entry).unwrap().content()[0].clone();
        (
            reader.content(&reference),
            reader.sealed(&reference).unwrap(),
        )
    };
    let (plain, sealed) = read(6);
    assert_eq!(plain.unwrap(), text.as_bytes());
    let bucket = Reader::open(dir.path())
        .unwrap()
        .entry(6)
        .unwrap()
        .content()[0]
        .bucket
        .clone();
    // The ledger's own directory has lost something then; an auditor's copy never had it.
    let key = dir.path().join(format!("keys/content/{bucket}.key"));
    std::fs::remove_file(key).unwrap();
    let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
    let [lost] = report.findings.as_slice() else {
        panic!("{:#?}", report.findings);
    };
    assert_eq!((lost.check, lost.seq), (Check::Content, Some(1)));
    assert!(lost.found.contains("cannot be read"), "{lost}");
    std::fs::remove_dir_all(dir.path().join("keys")).unwrap();
    check(dir.path());
    for entry in 1..=6 {
        let (plain, _) = read(entry);
        assert!(matches!(plain, Err(ledger::ContentError::NoKey { .. })));
    }
    assert_eq!(read(6).1, sealed, "what the entry commits to needs no key");
}

/// Another key would take new content and leave what is there unreadable, and nobody would know.
#[test]
fn a_bucket_with_content_whose_key_is_gone_never_gets_another() {
    let dir = create();
    let (appender, reader) = open(dir.path());
    appender
        .append(vec![event(&appender, "a0").into()])
        .unwrap();
    let first = with_content(event(&appender, "a1"), "the first content");
    let receipt = appender.append(vec![first]).unwrap()[0];
    let reference = reader.entry(receipt.seq).unwrap().content()[0].clone();
    drop((appender, reader));
    let key = dir
        .path()
        .join(format!("keys/content/{}.key", reference.bucket));
    let kept = std::fs::read(&key).unwrap();

    // Also where the sealed content went with it.
    for gone in [&key, &dir.path().join("content")] {
        match gone.is_dir() {
            true => std::fs::rename(gone, dir.path().join("elsewhere")).unwrap(),
            false => std::fs::remove_file(gone).unwrap(),
        }
        let (appender, reader) = open(dir.path());
        for _ in 0..2 {
            let second = with_content(event(&appender, "a2"), "the second content");
            let refused = appender.append(vec![second]).unwrap_err();
            assert!(refused.is_retryable(), "the key may come back");
            let AppendError::Content(error) = refused else {
                panic!("{refused}");
            };
            let ContentError::KeyLost { bucket, seq, .. } = &*error else {
                panic!("{error}");
            };
            assert_eq!((bucket, *seq), (&reference.bucket, receipt.seq));
            assert!(error.to_string().contains("auth/2026-11"), "{error}");
        }
        assert!(
            appender
                .seal_ahead(
                    &reference.bucket.class,
                    &"user:s001".parse().unwrap(),
                    b"ahead"
                )
                .is_none()
        );
        assert!(!key.exists());
        // Nothing else has stopped: what has no content, and another bucket.
        appender
            .append(vec![event(&appender, "a3").into()])
            .unwrap();
        let mut other = with_content(event(&appender, "a4"), "of another class");
        other.event.class = "api".parse().unwrap();
        appender.append(vec![other]).unwrap();
        drop((appender, reader));
    }

    std::fs::remove_dir_all(dir.path().join("content")).unwrap();
    std::fs::rename(dir.path().join("elsewhere"), dir.path().join("content")).unwrap();
    let (appender, reader) = open(dir.path());
    std::fs::write(&key, kept).unwrap();
    let again = with_content(event(&appender, "a5"), "with the key again");
    appender.append(vec![again]).unwrap();
    assert_eq!(reader.content(&reference).unwrap(), b"the first content");
}
