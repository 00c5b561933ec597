use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn no_text_makes_reading_a_key_file_panic(
        text in "\\PC{0,99}", kept in "\\{\"(passphrase|system|token)\":\\{(\"(argon2id|sealed|token|key)\":(\"[a-zA-Z0-9+/=]{0,9}\"|\\{\\}|[0-9]{1,12}),?){0,3}\\}\\}"
    ) {
        let vkey = key().verifier().to_string();
        let written = format!("{{\"vkey\":\"{vkey}\",\"kept\":{kept}}}");
        for text in [text, written, format!("PRIVATE+KEY+{kept}")] {
            if let Ok(file) = KeyFile::parse(&text) {
                let _ = file.secret(Some("a passphrase"));
                prop_assert_eq!(&*KeyFile::parse(&file.to_text()).expect("its own text").to_text(), &*file.to_text());
            }
        }
    }
}

fn key() -> SignerKey {
    SignerKey::from_seed("example.com/daicho", &[7; 32]).expect("a sound name")
}

#[test]
fn a_key_comes_back_under_its_passphrase_and_under_no_other() {
    let file = KeyFile::under_passphrase(&key(), "correct horse").expect("seals");
    let text = file.to_text();
    let seed = key().to_text();
    let secret = seed.trim_end().rsplit('+').next().expect("base64");
    assert!(!text.contains(secret) && text.contains("\"argon2id\""));
    let again = KeyFile::parse(&text).expect("its own text");
    assert_eq!(again.verifier(), key().verifier());
    assert_eq!((again.way(), file.way()), ("passphrase", "passphrase"));
    let opened = again.secret(Some("correct horse")).expect("opens");
    assert_eq!(*opened.to_text(), *seed);
    let wrong = again.secret(Some("correct house"));
    assert!(matches!(wrong, Err(UnlockError::WrongPassphrase)));
    assert!(matches!(again.secret(None), Err(UnlockError::NoPassphrase)));

    // The sealed seed of one key under the public half of another opens nothing.
    let other = SignerKey::from_seed("example.com/daicho", &[8; 32]).expect("a sound name");
    let (mine, theirs) = (key().verifier().to_string(), other.verifier().to_string());
    let swapped = KeyFile::parse(&text.replace(&mine, &theirs)).expect("the form holds");
    assert!(swapped.secret(Some("correct horse")).is_err());
}

#[test]
fn a_crafted_file_asks_for_too_much_and_gets_nothing() {
    let file = KeyFile::under_passphrase(&key(), "correct horse").expect("seals");
    let text = file.to_text();
    for (from, to) in [
        ("\"memory_kib\":65536", "\"memory_kib\":4294967295"),
        ("\"passes\":3", "\"passes\":4294967295"),
        ("\"lanes\":1", "\"lanes\":17"),
        ("\"memory_kib\":65536", "\"memory_kib\":0"),
        ("\"passes\":3", "\"passes\":0"),
    ] {
        let crafted = KeyFile::parse(&text.replace(from, to)).expect("the form holds");
        let refused = crafted.secret(Some("correct horse"));
        assert!(
            matches!(refused, Err(UnlockError::Unsound(_))),
            "{from} {to}"
        );
    }
    for crafted in [
        text.replace("\"passes\":3", "\"passes\":-1"),
        text.replace("\"kept\"", "\"more\":1,\"kept\""),
        text.replace("+f39861c3+", "+f39861c4+"),
        "{}".to_owned(),
        String::new(),
    ] {
        assert!(KeyFile::parse(&crafted).is_err(), "{crafted}");
    }
}
