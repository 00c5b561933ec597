//! Signatures as OpenSSH makes and checks them, and those that are none.

use super::*;
use proptest::prelude::*;
use signature::SignatureFault;
use std::path::Path;
use std::process::{Command, Stdio};

fn ssh_keygen(directory: &Path, arguments: &[&str], input: &str) -> bool {
    use std::io::Write;
    let mut child = Command::new("ssh-keygen")
        .current_dir(directory)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("ssh-keygen is installed");
    let mut stdin = child.stdin.take().unwrap();
    // It may have stopped reading; the exit status says what it thought.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait().unwrap().success()
}

#[test]
fn ssh_keygen_verifies_a_decision_and_refuses_a_changed_one() {
    let mut world = World::new(1);
    world.decide("user:1042", 1, Verdict::Approve).unwrap();
    let decision = SignedDecision::of(&world.events.last().unwrap().1.data).unwrap();
    let evidence = decision.evidence().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("allowed_signers", &evidence.allowed_signers);
    write("statement.sig", &evidence.signature);
    // The command as it is shown, without the shell's redirection.
    let shown = evidence.command.strip_prefix("ssh-keygen ").unwrap();
    let shown = shown.strip_suffix(" < statement").unwrap();
    let arguments: Vec<&str> = shown.split(' ').collect();
    assert!(ssh_keygen(
        directory.path(),
        &arguments,
        &evidence.statement
    ));
    let changed = evidence
        .statement
        .replace("decision: approve", "decision: deny");
    assert!(!ssh_keygen(directory.path(), &arguments, &changed));
    let foreign = evidence.allowed_signers.replace(NAMESPACE_TEXT, "file");
    write("allowed_signers", &foreign);
    assert!(!ssh_keygen(
        directory.path(),
        &arguments,
        &evidence.statement
    ));
}

const NAMESPACE_TEXT: &str = signature::NAMESPACE;

/// Signs with the real program, as an approver whose key never leaves their own machine.
fn signed_by_ssh_keygen(kind: &[&str], namespace: &str, stated: &Statement) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut make = vec!["-q", "-N", "", "-C", "a comment", "-f", "key", "-t"];
    make.extend(kind);
    assert!(ssh_keygen(directory.path(), &make, ""));
    std::fs::write(directory.path().join("statement"), stated.text()).unwrap();
    let sign = [
        "-Y",
        "sign",
        "-q",
        "-f",
        "key",
        "-n",
        namespace,
        "statement",
    ];
    assert!(ssh_keygen(directory.path(), &sign, ""));
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    (read("key.pub"), read("statement.sig"))
}

#[test]
fn a_signature_of_ssh_keygen_is_accepted() {
    let mut world = World::new(1);
    let (approver, now) = (actor("user:1042"), world.now);
    let stated = statement(&world.approvals, id(1), &approver, Verdict::Approve, now).unwrap();
    let (public, armoured) = signed_by_ssh_keygen(&["ed25519"], NAMESPACE_TEXT, &stated);
    let public = ApproverKey::parse(&public).unwrap();
    assert!(!public.label().as_str().contains("comment"));
    world.activate("1042", Some(public.label().clone()));
    let signed = signature::from_armour(&armoured).unwrap();
    let round = signature::from_armour(&signature::to_armour(&signed).unwrap()).unwrap();
    assert_eq!(signed, round);
    let planned = decide(&world.approvals, stated, &public, signed, now).unwrap();
    world.take(planned.event);
    world.granted().unwrap();
}

#[test]
fn a_signature_for_another_purpose_or_of_another_kind_of_key_is_refused() {
    let stated = statement::tests::statement();
    let (public, armoured) = signed_by_ssh_keygen(&["ed25519"], "file", &stated);
    let public = ApproverKey::parse(&public).unwrap();
    let signed = signature::from_armour(&armoured).unwrap();
    let fault = signature::verify(&stated, &public, &signed).unwrap_err();
    assert_eq!(fault, SignatureFault::WrongNamespace);

    let kind = ["ecdsa", "-b", "256"];
    let (other_public, armoured) = signed_by_ssh_keygen(&kind, NAMESPACE_TEXT, &stated);
    let fault = ApproverKey::parse(&other_public).unwrap_err();
    assert_eq!(fault, signature::KeyFault::NotEd25519);
    let signed = signature::from_armour(&armoured).unwrap();
    let fault = signature::verify(&stated, &public, &signed).unwrap_err();
    assert_eq!(fault, SignatureFault::NotEd25519);
}

/// What FIDO hardware would have made, by PROTOCOL.u2f: the armoured signature of a touched key.
fn signed_by_hardware(stated: &Statement, flags: u8) -> (ApproverKey, SignatureText) {
    use ed25519_dalek::{Signer, SigningKey};
    let secret = SigningKey::from_bytes(&[7; 32]);
    let public = ssh_key::public::Ed25519PublicKey(secret.verifying_key().to_bytes());
    let data = ssh_key::public::KeyData::SkEd25519(ssh_key::public::SkEd25519::new(public, "ssh:"));
    let text = stated.text();
    let hash = ssh_key::HashAlg::Sha512;
    let message = ssh_key::SshSig::signed_data(NAMESPACE_TEXT, hash, text.as_bytes()).unwrap();
    let said = [flags, 0, 0, 0, 9];
    let signed = [&sha256(b"ssh:").0[..], &said, &sha256(&message).0].concat();
    let raw = [&secret.sign(&signed).to_bytes()[..], &said].concat();
    let raw = ssh_key::Signature::new(ssh_key::Algorithm::SkEd25519, raw).unwrap();
    let line = ssh_key::PublicKey::new(data.clone(), "")
        .to_openssh()
        .unwrap();
    let sig = ssh_key::SshSig::new(data, NAMESPACE_TEXT, hash, raw).unwrap();
    let armoured = sig.to_pem(ssh_key::LineEnding::LF).unwrap();
    let key = ApproverKey::parse(&line).unwrap();
    (key, signature::from_armour(&armoured).unwrap())
}

#[test]
fn a_key_in_hardware_decides_when_touched_and_openssh_agrees() {
    let mut world = World::new(1);
    let (approver, now) = (actor("user:1042"), world.now);
    let stated = statement(&world.approvals, id(1), &approver, Verdict::Approve, now).unwrap();
    let (public, signed) = signed_by_hardware(&stated, 0x01);
    assert!(public.is_hardware());
    world.activate("1042", Some(public.label().clone()));
    let planned = decide(&world.approvals, stated.clone(), &public, signed, now).unwrap();
    world.take(planned.event);
    world.granted().unwrap();

    let decision = SignedDecision::of(&world.events.last().unwrap().1.data).unwrap();
    let evidence = decision.evidence().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("allowed_signers", &evidence.allowed_signers);
    write("statement.sig", &evidence.signature);
    let shown = evidence.command.strip_prefix("ssh-keygen ").unwrap();
    let shown = shown.strip_suffix(" < statement").unwrap();
    let arguments: Vec<&str> = shown.split(' ').collect();
    let judged = |text: &str| ssh_keygen(directory.path(), &arguments, text);
    assert!(judged(&evidence.statement));
    assert!(!judged(&evidence.statement.replace("approve", "deny")));

    let (_, untouched) = signed_by_hardware(&stated, 0x00);
    let fault = signature::verify(&stated, &public, &untouched).unwrap_err();
    assert_eq!(fault, SignatureFault::Untouched);
    // The same point as a plain key is another key.
    let plain = ssh_key::public::Ed25519PublicKey(
        ed25519_dalek::SigningKey::from_bytes(&[7; 32])
            .verifying_key()
            .to_bytes(),
    );
    let plain = ssh_key::PublicKey::new(ssh_key::public::KeyData::Ed25519(plain), "");
    let plain = ApproverKey::parse(&plain.to_openssh().unwrap()).unwrap();
    let (_, touched) = signed_by_hardware(&stated, 0x01);
    let fault = signature::verify(&stated, &plain, &touched).unwrap_err();
    assert_eq!(fault, SignatureFault::OtherKey);
    let mut other = stated;
    other.deadline = Timestamp::from_micros(other.deadline.micros() + 1);
    let fault = signature::verify(&other, &public, &touched).unwrap_err();
    assert_eq!(fault, SignatureFault::Forged);
}

#[test]
fn an_encrypted_key_needs_its_passphrase() {
    let directory = tempfile::tempdir().unwrap();
    let make = [
        "-q",
        "-t",
        "ed25519",
        "-N",
        "open sesame",
        "-a",
        "1",
        "-f",
        "key",
    ];
    assert!(ssh_keygen(directory.path(), &make, ""));
    let file = std::fs::read(directory.path().join("key")).unwrap();
    let stated = statement::tests::statement();
    let sign = |passphrase: Option<&[u8]>| signature::sign(&stated, &file, passphrase);
    use signature::SignError::*;
    assert_eq!(sign(None).unwrap_err(), PassphraseMissing);
    assert_eq!(sign(Some(b"wrong")).unwrap_err(), PassphraseWrong);
    let (public, signed) = sign(Some(b"open sesame")).unwrap();
    signature::verify(&stated, &public, &signed).unwrap();
    let none = signature::sign(&stated, b"no key", None).unwrap_err();
    assert_eq!(none, KeyUnreadable);
}

#[test]
fn a_weak_key_cannot_be_registered() {
    use base64::Engine;
    // The identity point: any signature with S = 0 would fit every message.
    let mut blob = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20\x01".to_vec();
    blob.extend([0; 31]);
    let text = base64::engine::general_purpose::STANDARD.encode(blob);
    let fault = ApproverKey::parse(&format!("ssh-ed25519 {text}")).unwrap_err();
    assert_eq!(fault, signature::KeyFault::Weak);
}

proptest! {
    #[test]
    fn no_bytes_make_the_readers_panic(text in ".{0,300}", bytes in any::<Vec<u8>>()) {
        let _ = ApproverKey::parse(&text);
        let _ = ApproverKey::parse(&format!("ssh-ed25519 {text}"));
        let _ = signature::from_armour(&text);
        let stated = statement::tests::statement();
        let _ = signature::sign(&stated, &bytes, None);
        use base64::Engine;
        let mut encoded = b"SSHSIG\x00\x00\x00\x01".to_vec();
        encoded.extend(&bytes);
        let encoded = base64::engine::general_purpose::STANDARD.encode(&encoded);
        if let Some(text) = SignatureText::new(encoded) {
            prop_assert!(signature::verify(&stated, &key(1).1, &text).is_err());
            let _ = signature::to_armour(&text);
        }
    }

    #[test]
    fn a_flipped_bit_of_a_signature_is_refused(bit in 0usize..1_500) {
        use base64::Engine;
        let codec = base64::engine::general_purpose::STANDARD;
        let stated = statement::tests::statement();
        let (public, signed) = signature::sign(&stated, &key(1).0, None).unwrap();
        let mut bytes = codec.decode(signed.as_str()).unwrap();
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let flipped = SignatureText::new(codec.encode(bytes)).unwrap();
        prop_assert!(signature::verify(&stated, &public, &flipped).is_err());
    }
}
