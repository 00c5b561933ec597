use super::*;
use crate::disk::LocalDisk;
use proptest::prelude::*;
use sha2::Digest;
use std::collections::HashSet;
use std::path::Path;

fn store(dir: &Path) -> ContentStore {
    let mut store = ContentStore::new(Layout::new(dir), Arc::new(LocalDisk), "example.com/daicho");
    store.pack_bytes = 1_000;
    store
}

fn content(text: &str) -> Content {
    Content {
        name: "request".parse().expect("a name"),
        media: "text/plain".parse().expect("a label"),
        bytes: text.as_bytes().to_vec(),
    }
}

fn bucket() -> BucketId {
    "operation/2026-11".parse().expect("a bucket")
}

/// No log is here that could have content in a bucket.
const UNUSED: &dyn Recorded = &NoLog;

struct NoLog;

impl Recorded for NoLog {
    fn first_in(&self, _: &BucketId) -> Result<Option<u64>, ReadError> {
        Ok(None)
    }

    fn newest_in(&self, _: &BucketId) -> Owners {
        Owners::new()
    }
}

fn sealed(store: &ContentStore, text: &str) -> Sealed {
    let content = content(text);
    store
        .seal(&bucket(), None, &content, Kin::Recent, UNUSED)
        .expect("seals")
}

fn packs(dir: &Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(dir.join("content/operation/2026-11"));
    let mut files: Vec<_> = files
        .into_iter()
        .flatten()
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    files
}

fn readonly(path: &Path) -> bool {
    path.metadata().expect("is there").permissions().readonly()
}

/// Another seals, and is recorded, between the look at the place of the key and that at the log.
#[test]
fn who_seals_first_at_once_with_others_finds_no_key_lost() {
    struct Meanwhile<'s>(&'s ContentStore);

    impl Recorded for Meanwhile<'_> {
        fn first_in(&self, _: &BucketId) -> Result<Option<u64>, ReadError> {
            sealed(self.0, "another's");
            Ok(Some(1))
        }

        fn newest_in(&self, _: &BucketId) -> Owners {
            Owners::new()
        }
    }

    let dir = tempfile::TempDir::new().expect("a directory");
    let store = store(dir.path());
    let (own, log) = (content("one's own"), Meanwhile(&store));
    let own = store.seal(&bucket(), None, &own, Kin::Recent, &log);
    let own = own.expect("the key is there");
    store.store([&own].into_iter()).expect("stores");
    assert!(store.read(&own.reference).is_ok());
}

/// Read-only is what was synced first: a pack is not closed over what is only in the cache.
#[test]
fn a_pack_that_fills_up_inside_a_batch_is_durable_before_the_next_begins() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let store = store(dir.path());
    let batch: Vec<_> = (0..120)
        .map(|i| sealed(&store, &format!("content {i}")))
        .collect();
    store.store(batch.iter()).expect("stores");
    let files = packs(dir.path());
    let (last, full) = files.split_last().expect("packs");
    assert!(full.len() > 2 && full.iter().all(|pack| readonly(pack)) && !readonly(last));
    for item in &batch {
        assert!(store.read(&item.reference).is_ok());
    }
}

#[test]
fn what_a_crash_left_of_a_content_does_not_count_as_stored() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let first = store(dir.path());
    let item = sealed(&first, "content");
    first.store([&item].into_iter()).expect("stores");
    std::mem::forget(first); // killed: nothing is closed
    let pack = &packs(dir.path())[0];
    let mut bytes = std::fs::read(pack).expect("reads");
    let end = bytes.len();
    bytes[end - 8..].fill(0); // the length reached the disk, the bytes did not
    std::fs::write(pack, &bytes).expect("writes");
    std::fs::write(pack.with_file_name("00000002.pack"), b"daicho/pa").expect("writes");

    let second = store(dir.path());
    second.store([&item].into_iter()).expect("stores");
    assert_eq!(second.read(&item.reference).expect("opens"), b"content");
    second.store([&item].into_iter()).expect("stores");
    let files = packs(dir.path());
    assert_eq!(files.len(), 3, "written once more, and only once");
    assert!(readonly(&files[0]) && readonly(&files[1]));
    let reader = store(dir.path());
    assert_eq!(reader.read(&item.reference).expect("opens"), b"content");
}

/// A conversation at a turn.
fn turn(of: usize, turn: usize) -> String {
    let lines = (0..120 + turn).map(|line| {
        let mark = Hash(sha2::Sha256::digest(format!("{of} {line}")).into());
        format!("{line} {mark}\n")
    });
    lines.collect()
}

fn is_delta(sealed: &Sealed) -> bool {
    sealed
        .frame
        .as_ref()
        .is_some_and(|f| f.against != Against::NOTHING)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Conversations in turn, masked beside, repeated, refused, after a restart: each content
    /// is what it was, and no sealed bytes are stored twice.
    #[test]
    fn any_sequence_of_contents_comes_back(
        steps in prop::collection::vec((0..3_usize, 0..40_usize, 0..8_u8), 1..40),
    ) {
        let dir = tempfile::TempDir::new().expect("a directory");
        let mut store = store(dir.path());
        let mut stored = Vec::new();
        for (of, at, how) in steps {
            let mut text = turn(of, at);
            if how == 0 {
                store = self::store(dir.path());
            }
            if how == 1 {
                text = text.replace("7a", "**");
            }
            let first = sealed(&store, &text);
            if how == 2 {
                continue; // its batch is refused
            }
            let second = sealed(&store, &text.replace('0', "zero"));
            let batch = if how == 3 { vec![second] } else { vec![first, second] };
            store.store(batch.iter()).expect("stores");
            let texts = [text.clone(), text.replace('0', "zero")];
            let skipped = texts.len() - batch.len();
            stored.extend(batch.into_iter().zip(texts.into_iter().skip(skipped)));
        }
        let reader = self::store(dir.path());
        for (item, text) in &stored {
            prop_assert!(reader.read(&item.reference).expect("opens") == text.as_bytes());
            let sealed = reader.sealed(&item.reference).expect("is there");
            prop_assert_eq!(sealed.len() as u64, item.reference.sealed_bytes);
            prop_assert_eq!(Hash(sha2::Sha256::digest(&sealed).into()), item.reference.sealed);
        }
        let mut seen = HashSet::new();
        for path in packs(dir.path()) {
            let number = pack_number(&path).expect("a pack");
            let mut walk = Walk::new(&pack_header(&bucket(), number));
            let fault = walk.on(&path, |met| assert!(seen.insert(met.digest))).expect("reads");
            prop_assert!(fault.is_none());
        }
    }
}

#[test]
fn equal_content_is_stored_once_and_a_turn_as_what_it_adds() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let store = store(dir.path());
    let mut last: Option<Sealed> = None;
    for at in 0..40 {
        let text = turn(0, at);
        let (prompt, payload) = (sealed(&store, &text), sealed(&store, &text));
        assert_eq!(prompt.reference.sealed, payload.reference.sealed);
        assert_eq!(at > 0, is_delta(&prompt));
        if at > 0 {
            // A line is 65 characters, 32 bytes of them chance.
            assert!(prompt.len_bytes() < 90, "{}", prompt.len_bytes());
        }
        store
            .store([&prompt, &payload].into_iter())
            .expect("stores");
        last = Some(prompt);
    }
    let again = sealed(&store, &turn(0, 39));
    assert!(again.frame.is_none(), "it is in a pack");
    assert_eq!(again.reference, last.expect("forty").reference);
}

#[test]
fn a_start_goes_on_with_the_conversations_of_the_run_before() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let first = store(dir.path());
    for at in 0..5 {
        for of in 0..3 {
            first
                .store([&sealed(&first, &turn(of, at))].into_iter())
                .expect("stores");
        }
    }
    drop(first);
    let second = store(dir.path());
    for of in 0..3 {
        assert!(sealed(&second, &turn(of, 4)).frame.is_none());
        assert!(is_delta(&sealed(&second, &turn(of, 5))));
    }
}

#[test]
fn what_is_masked_is_packed_beside_what_it_was() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let store = store(dir.path());
    let mut before = (0, 0);
    for at in 0..30 {
        let prompt = sealed(&store, &turn(0, at * 10));
        let payload = sealed(&store, &turn(0, at * 10).replace("a1", "**"));
        let sizes = (prompt.len_bytes(), payload.len_bytes());
        if at > 1 {
            let beside = payload.frame.as_ref().expect("new").against.beside;
            assert_eq!(beside, prompt.reference.sealed);
            assert!(sizes.1 * 2 < sizes.0, "{sizes:?} after {before:?}");
        }
        before = sizes;
        store
            .store([&prompt, &payload].into_iter())
            .expect("stores");
        assert!(store.read(&payload.reference).is_ok());
    }
}

/// A tool that is asked again says the same. What is masked has its place beside the prompt all the
/// same, unless its own conversation holds it as well.
#[test]
fn what_is_said_again_is_put_beside_nothing() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let store = store(dir.path());
    let said: String = turn(0, 0)
        .lines()
        .take(15)
        .map(|l| format!("{l}\n"))
        .collect();
    let mut text = turn(0, 0);
    for at in 0..10 {
        text.push_str(&format!("again, {at}\n{said}"));
        let prompt = sealed(&store, &text);
        let payload = sealed(&store, &text.replace("a1", "**"));
        for new in [&prompt, &payload] {
            let frame = new.frame.as_ref().expect("new");
            assert!(at == 0 || frame.against.base != Hash::ZERO);
            assert!(at == 0 || frame.against.beside == Hash::ZERO);
        }
        store
            .store([&prompt, &payload].into_iter())
            .expect("stores");
        assert_eq!(
            store.read(&prompt.reference).expect("opens"),
            text.as_bytes()
        );
    }
}

#[test]
fn what_is_sealed_ahead_is_taken_by_its_batch_and_known_to_nobody_before() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let store = store(dir.path());
    let (taken, refused) = (turn(1, 0), turn(1, 1));
    let ahead = |text: &str| {
        let sealed = store.seal_ahead(&bucket(), None, text.as_bytes(), UNUSED);
        sealed.expect("seals")
    };
    let waiting = || {
        lock(&store.ahead)
            .values()
            .map(|w| w.0.clone())
            .collect::<Vec<_>>()
    };
    assert!(ahead(&refused).is_some());
    let tag = ahead(&taken).expect("is new");
    let frame = lock(&store.ahead)[&tag].0.clone();
    // Not even the other is packed against what nobody recorded.
    let whole = |frame: &Arc<Frame>| frame.against == Against::NOTHING;
    assert!(waiting().len() == 2 && waiting().iter().all(whole));
    let sealed = sealed(&store, &taken);
    assert!(
        sealed
            .frame
            .is_some_and(|sealed| Arc::ptr_eq(&sealed, &frame))
    );
    assert!(waiting().len() == 1 && ahead(&taken).is_none());
    store.forget(&bucket());
    assert!(waiting().is_empty() && packs(dir.path()).is_empty());
}

#[test]
fn nothing_is_packed_against_another_bucket() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let store = store(dir.path());
    store
        .store([&sealed(&store, &turn(0, 3))].into_iter())
        .expect("stores");
    let next = "operation/2026-12".parse().expect("a bucket");
    let there = store
        .seal(&next, None, &content(&turn(0, 3)), Kin::Recent, UNUSED)
        .expect("seals");
    assert!(!is_delta(&there));
    let here = sealed(&store, &turn(0, 4));
    assert!(is_delta(&here));
}

/// Frames as whoever has the key can make them.
struct Forge {
    store: ContentStore,
    key: Arc<ContentKey>,
    /// Written before the next reading, with one sync.
    made: Mutex<Vec<Sealed>>,
}

impl Forge {
    fn new(dir: &Path) -> Forge {
        let store = store(dir);
        let key = store.key(&bucket(), Some(UNUSED)).expect("a key");
        Forge {
            store,
            key,
            made: Mutex::default(),
        }
    }

    fn put(&self, against: Against, packed: &[u8]) -> Hash {
        let boxed = self.key.seal("example.com/daicho", &against, packed);
        let frame = Arc::new(Frame::new(against, boxed.expect("seals"), Vec::new()));
        let digest = frame.digest;
        let mut item = sealed(&self.store, "any");
        item.frame = Some(frame);
        lock(&self.made).push(item);
        digest
    }

    fn read(&self, digest: Hash, plain_bytes: u64) -> Result<Vec<u8>, ContentError> {
        let made = std::mem::take(&mut *lock(&self.made));
        self.store.store(made.iter()).expect("stores");
        let mut reference = sealed(&self.store, "any").reference;
        (reference.sealed, reference.plain_bytes) = (digest, plain_bytes);
        self.store.read(&reference)
    }
}

fn against(base: Hash, beside: Hash) -> Against {
    Against { base, beside }
}

#[test]
fn a_crafted_content_gives_an_error_in_bounded_time_and_memory() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let forge = Forge::new(dir.path());
    let whole = forge.put(
        Against::NOTHING,
        &delta::pack_whole(b"whole").expect("packs"),
    );
    assert_eq!(forge.read(whole, 5).expect("opens"), b"whole");
    assert!(forge.read(whole, 4).is_err() && forge.read(whole, 6).is_err());

    // Its base is nowhere, or in another bucket; it is beside something and has no base.
    for wrong in [
        against(Hash([7; 32]), Hash::ZERO),
        against(Hash::ZERO, whole),
    ] {
        let lost = forge.put(wrong, &[0]);
        assert!(forge.read(lost, 5).is_err());
    }
    let next = "operation/2026-12".parse().expect("a bucket");
    let elsewhere = forge
        .store
        .seal(&next, None, &content("elsewhere"), Kin::Recent, UNUSED)
        .expect("seals");
    forge.store.store([&elsewhere].into_iter()).expect("stores");
    let lost = forge.put(against(elsewhere.reference.sealed, Hash::ZERO), &[0]);
    assert!(matches!(
        forge.read(lost, 9),
        Err(ContentError::Missing { .. })
    ));

    // Beside something that is itself beside something.
    let first = forge.put(against(whole, whole), &[0]);
    assert_eq!(forge.read(first, 5).expect("opens"), b"whole");
    let second = forge.put(against(whole, first), &[0]);
    assert!(matches!(
        forge.read(second, 5),
        Err(ContentError::Unopenable { .. })
    ));

    // A base that unpacks to more than a base may be.
    let bomb = delta::pack_whole(&vec![0; MOST_BASE_BYTES + 1]).expect("packs");
    let bomb = forge.put(Against::NOTHING, &bomb);
    let lit = forge.put(against(bomb, Hash::ZERO), &[0]);
    assert!(matches!(
        forge.read(lit, 5),
        Err(ContentError::Unopenable { .. })
    ));

    // Longer than any chain that is made. The steps are cheap: only their number is too many.
    let mut last = whole;
    for _ in 0..4_095 {
        last = forge.put(against(last, Hash::ZERO), &[0]);
    }
    assert_eq!(forge.read(last, 5).expect("the longest"), b"whole");
    let over = forge.put(against(last, Hash::ZERO), &[0]);
    assert!(matches!(
        forge.read(over, 5),
        Err(ContentError::Unopenable { .. })
    ));
}

#[test]
fn a_chain_that_writes_too_much_is_not_followed() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let forge = Forge::new(dir.path());
    let large = delta::pack_whole(&vec![0; MOST_BASE_BYTES]).expect("packs");
    let mut last = forge.put(Against::NOTHING, &large);
    // Each moves all of it: one edit at the beginning that changes nothing.
    for step in 1..18 {
        last = forge.put(against(last, Hash::ZERO), &[1, 0, 0, 0]);
        if step > 14 {
            let read = forge.read(last, MOST_BASE_BYTES as u64);
            assert_eq!(read.is_ok(), step < 16, "{step}");
        }
    }
}

#[test]
fn a_conversation_longer_than_a_chain_may_be_goes_on_whole() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let mut store = store(dir.path());
    store.pack_bytes = PACK_BYTES;
    let text = turn(0, 0);
    let (mut wholes, mut batch) = (0, Vec::new());
    for at in 0..4_200 {
        let item = sealed(&store, &format!("{text}{at}"));
        wholes += usize::from(!is_delta(&item));
        batch.push(item);
        if at % 100 == 99 {
            store.store(batch.iter()).expect("stores");
            let newest = batch.drain(..).next_back().expect("a hundred");
            let plain = store.read(&newest.reference).expect("opens");
            assert_eq!(plain, format!("{text}{at}").as_bytes());
        }
    }
    assert_eq!(wholes, 2);
}

fn sealed_for(store: &ContentStore, person: &str, text: &str, log: &dyn Recorded) -> Sealed {
    let person = person.parse().expect("a name");
    store
        .seal(&bucket(), Some(&person), &content(text), Kin::Recent, log)
        .expect("seals")
}

/// Whoever seals has the key in hand when it is retired, and would remember the text after all was
/// forgotten.
#[test]
fn what_was_being_sealed_when_its_person_was_erased_is_not_remembered() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let store = store(dir.path());
    let person: Name = "s001".parse().expect("a name");
    let key = store.key_to_seal(&bucket(), Some(&person), UNUSED);
    let key = key.expect("a key");
    let subject = key.under.subject.expect("a person's");
    let sealing = |text: &str| {
        let (_, tip) = store.seal_new(&key, text.as_bytes(), Kin::Recent)?;
        store.remember(key.tag(text.as_bytes()), tip, Kin::Recent)
    };
    let remembered = || lock(&store.recent).tips(&key.under, 5_000).len();
    sealing(&turn(0, 0)).expect("seals");
    assert_eq!(remembered(), 1);
    store.forget_subject(&bucket(), subject);
    assert_eq!(remembered(), 0);
    let late = sealing(&turn(0, 1));
    assert!(matches!(late, Err(ContentError::Erasing { .. })));
    assert_eq!(remembered(), 0);
}

/// The log says whose each content is: what is another's is not tried.
#[test]
fn a_start_opens_what_the_log_says_is_this_persons() {
    struct Log(Owners);
    impl Recorded for Log {
        fn first_in(&self, _: &BucketId) -> Result<Option<u64>, ReadError> {
            Ok(Some(0))
        }

        fn newest_in(&self, _: &BucketId) -> Owners {
            self.0.clone()
        }
    }
    let dir = tempfile::TempDir::new().expect("a directory");
    let first = store(dir.path());
    let batch = ["s001", "s002"].map(|person| sealed_for(&first, person, &turn(0, 0), UNUSED));
    first.store(batch.iter()).expect("stores");
    drop(first);
    let owners = |of: [usize; 2]| {
        let of = batch.iter().zip(of.map(|at| batch[at].reference.subject));
        Log(of
            .map(|(item, subject)| (item.reference.sealed, subject))
            .collect())
    };
    for (of, goes_on) in [([0, 1], true), ([1, 0], false)] {
        let second = store(dir.path());
        for person in ["s001", "s002"] {
            let next = sealed_for(&second, person, &turn(0, 1), &owners(of));
            assert_eq!(is_delta(&next), goes_on, "{of:?} {person}");
        }
    }
}

/// Nothing is written to a month that is over: its packs are read-only, those of a killed run from the
/// next start on.
#[test]
fn packs_of_a_month_that_is_over_are_closed() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let of = |store: &ContentStore, month: &str| {
        let bucket = format!("operation/{month}").parse().expect("a bucket");
        let sealed = store.seal(&bucket, None, &content(month), Kin::Recent, UNUSED);
        store
            .store([&sealed.expect("seals")].into_iter())
            .expect("stores");
    };
    let november = || packs(dir.path()).iter().all(|pack| readonly(pack));
    let store = store(dir.path());
    of(&store, "2026-11");
    assert!(!november());
    of(&store, "2026-12");
    assert!(november(), "the turn of the month");
    of(&store, "2026-11");
    assert_eq!(
        packs(dir.path()).len(),
        1,
        "known content is not written again"
    );
    let late = sealed(&store, "of the turn");
    store.store([&late].into_iter()).expect("stores");
    assert!(packs(dir.path()).len() == 2 && !november());
    std::mem::forget(store); // killed
    let next = self::store(dir.path());
    next.close_before("2026-11".parse().expect("a month"));
    assert!(!november(), "its month goes on");
    next.close_before("2026-12".parse().expect("a month"));
    assert!(november());
    assert_eq!(next.read(&late.reference).expect("opens"), b"of the turn");
}
