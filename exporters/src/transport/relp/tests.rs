use super::*;
use proptest::prelude::*;

/// A wire whose receiver has said its part before.
struct Played {
    heard: Vec<u8>,
    written: Vec<u8>,
}

impl Wire for Played {
    fn to(&self) -> &str {
        "receiver"
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        self.written.extend_from_slice(bytes);
        Ok(())
    }

    fn hear(&mut self, _: Option<Duration>) -> Result<(), TransportError> {
        Ok(())
    }

    fn heard(&mut self) -> &mut Vec<u8> {
        &mut self.heard
    }

    fn close(&mut self) {}
}

/// A session with `messages` sent, of which the first has the number `first`.
fn session(first: u32, messages: usize, heard: &str) -> Relp {
    let wire = Played {
        heard: heard.into(),
        written: vec![],
    };
    let mut relp = Relp {
        wire: Box::new(wire),
        stop: Arc::default(),
        window: 128,
        next: first,
        waiting: VecDeque::new(),
        answered: 0,
        leaving: None,
        said: String::new(),
        since: Instant::now(),
    };
    let mut frames = Vec::new();
    for _ in 0..messages {
        relp.frame(b"m", &mut frames);
    }
    relp
}

fn fault(heard: &str) -> (Option<u64>, String) {
    let mut relp = session(2, 3, heard);
    let fault = relp.listen().expect_err("a fault");
    (relp.answered(), fault.to_string())
}

#[test]
fn answers_count_in_order_whatever_order_they_come_in() {
    let mut relp = session(2, 3, "3 rsp 6 200 OK\n4 rsp 6 200 OK\n");
    relp.listen().expect("sound");
    assert_eq!(relp.answered(), Some(0));
    relp.wire.heard().extend_from_slice(b"2 rsp 6 200 OK\n");
    relp.listen().expect("sound");
    assert_eq!(relp.answered(), Some(3));
}

#[test]
fn numbers_begin_again_after_the_last() {
    let answers = "999999998 rsp 6 200 OK\n999999999 rsp 6 200 OK\n1 rsp 6 200 OK\n2 rsp 3 200\n";
    let mut relp = session(999_999_998, 4, answers);
    relp.listen().expect("sound");
    assert_eq!((relp.answered(), relp.next), (Some(4), 3));
}

#[test]
fn what_a_receiver_says_before_it_leaves_counts() {
    let (answered, why) = fault("2 rsp 6 200 OK\n0 serverclose 0\n");
    assert_eq!(answered, Some(1));
    assert!(why.contains("closed the connection"), "{why}");
    let (answered, why) = fault("2 rsp 6 200 OK\n3 rsp 14 500 queue full\n");
    assert_eq!(answered, Some(1));
    assert!(why.contains("500 queue full"), "{why}");
    // A hint that asks for nothing.
    let mut relp = session(2, 1, "0 notice 5 hello\n2 rsp 6 200 OK\n");
    relp.listen().expect("sound");
    assert_eq!(relp.answered(), Some(1));
}

#[test]
fn an_answer_to_nothing_is_no_answer() {
    for heard in [
        "9 rsp 6 200 OK\n",
        "1 rsp 6 200 OK\n",
        "2 rsp 6 200 OK\n2 rsp 6 200 OK\n",
        "2 syslog 1 x\n",
        "2 rsp 6 200 OKAY\n",
        "2 rsp 99999999 200\n",
        "HTTP/1.1 400 Bad Request\r\n",
        "1234567890 rsp 0\n",
    ] {
        let (_, why) = fault(heard);
        assert!(why.contains("no RELP receiver"), "{heard:?}: {why}");
    }
    let (_, why) = fault("2 rsp 6 2000 K\n");
    assert!(why.contains("refuses"), "{why}");
}

proptest! {
    #[test]
    fn a_frame_comes_back_from_any_cut_of_its_bytes(
        number in 0..=LAST_NUMBER, command in "[a-z]{1,32}",
        data in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut bytes = Vec::new();
        frame::put(number, &command, &data, &mut bytes);
        for cut in 0..bytes.len() {
            prop_assert_eq!(Frame::parse(&bytes[..cut]), Ok(None), "{}", cut);
        }
        let whole = bytes.len();
        bytes.extend_from_slice(b"7 rsp");
        prop_assert_eq!(Frame::parse(&bytes), Ok(Some((Frame { number, command, data }, whole))));
    }

    #[test]
    fn no_bytes_break_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Frame::parse(&bytes);
    }
}
