//! What can be done to a bundle.

use super::forge::{Forger, Members};
use base64::{Engine, engine::general_purpose::STANDARD};
use exporters::bundle::zip;
use serde_json::{Value, json};

const CONTENT: &str = "00000000000000000005/note";

/// To the bytes of a zip, by name.
pub fn damaged(bytes: &[u8], whole: &Members) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut add = |name: &str, zip: Vec<u8>| all.push((name.to_owned(), zip));
    let flip = |at: usize| {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1;
        flipped
    };
    for (name, inside) in &zip::read(bytes).unwrap() {
        let start = inside.as_ptr() as usize - bytes.as_ptr() as usize;
        add(&format!("a bit of {name}"), flip(start + inside.len() / 2));
    }
    let central = bytes.windows(4).position(|four| four == b"PK\x01\x02");
    let directory = central.unwrap();
    add("a name in the directory", flip(directory + 46));
    add("a size in the directory", flip(directory + 24));
    add("a name before its bytes", flip(30));
    add("the method of a member", flip(8));
    add("the count of members", flip(bytes.len() - 12));
    add("cut in the directory", bytes[..directory + 9].to_vec());
    add("cut in a member", bytes[..directory / 2].to_vec());
    add("cut by a byte", bytes[..bytes.len() - 1].to_vec());
    add("nothing", Vec::new());
    add("no zip", b"daicho".repeat(30));
    add("a byte behind", [bytes, b"\0"].concat());
    add("a byte before", [b"\0", bytes].concat());
    add("two bundles", [bytes, bytes].concat());
    let empty = zip::write(&Members::new()).unwrap();
    add("a zip in front", [&empty, bytes].concat());
    let times = |name: &str| if name == "entries" { 2 } else { 1 };
    let doubled = whole
        .iter()
        .flat_map(|member| vec![member; times(member.0)]);
    add("a member twice", zip::write(doubled).unwrap());
    add("another order", zip::write(whole.iter().rev()).unwrap());
    all
}

/// By somebody who writes the zip anew, with every checksum right.
///
/// `other` is another checkpoint of the same log.
pub fn changed(whole: &Members, other: &[u8]) -> Vec<(String, Members)> {
    let mut changes = Changes {
        whole,
        all: Vec::new(),
    };
    changes.of_members();
    changes.of_entries();
    changes.of_signatures();
    changes.of_proofs();
    changes.of_the_checkpoint(other);
    changes.of_contents();
    changes.all
}

struct Changes<'a> {
    whole: &'a Members,
    all: Vec<(String, Members)>,
}

impl Changes<'_> {
    fn text(&self, name: &str) -> String {
        String::from_utf8(self.whole[name].clone()).unwrap()
    }

    /// One member is other bytes.
    fn set(&mut self, what: &str, name: &str, bytes: impl Into<Vec<u8>>) {
        let mut changed = self.whole.clone();
        changed.insert(name.to_owned(), bytes.into());
        assert!(changed != *self.whole, "{what} changes nothing");
        self.all.push((what.to_owned(), changed));
    }

    fn lines(&self) -> Vec<String> {
        let text = self.text("entries");
        text.split_inclusive('\n').map(str::to_owned).collect()
    }

    /// Line 4 is another.
    fn line(&mut self, what: &str, change: impl Fn(&str) -> String) {
        let mut lines = self.lines();
        lines[4] = change(&lines[4]);
        self.set(what, "entries", lines.concat());
    }

    /// A field of line 4 is another: 0 the body, 1 the signature.
    fn field(&mut self, what: &str, field: usize, change: impl Fn(&str) -> String) {
        self.line(what, |line| {
            let mut fields = fields(line);
            fields[field] = change(&fields[field]);
            fields.join("\t") + "\n"
        });
    }

    /// Entries in this order.
    fn order(&mut self, what: &str, order: &[usize]) {
        let lines = self.lines();
        let picked: String = order.iter().map(|i| lines[*i].as_str()).collect();
        self.set(what, "entries", picked);
    }

    fn of_members(&mut self) {
        for name in self.whole.keys() {
            let mut changed = self.whole.clone();
            changed.remove(name);
            self.all.push((format!("without {name}"), changed));
        }
        for name in [
            "notes.txt",
            "checkpoint.tsr",
            "checkpoint.2",
            "entries/x",
            "manifest.json",
            "released/00000000000000000006/note",
            "sealed/00000000000000000005/letter",
            "sealed/00000000000000000006/note",
            "sealed/5/note",
        ] {
            self.set(&format!("with {name}"), name, "more");
        }
    }

    fn of_entries(&mut self) {
        self.line("a body changed", |line| line.replace("restore", "failover"));
        self.line("a time changed", |line| line.replacen(":", ";", 1));
        self.line("a white space", |line| line.replacen(":", ": ", 1));
        self.line("a key twice", |line| line.replacen("{", "{\"v\":1,", 1));
        let all: Vec<usize> = (0..self.lines().len()).collect();
        let mut swapped = all.clone();
        swapped.swap(4, 5);
        self.order("two entries in another order", &swapped);
        self.order("an entry twice", &[&all[..5], &all[4..]].concat());
        let instead = [&all[..5], &[4], &all[6..]].concat();
        self.order("an entry in another's place", &instead);
        self.order("without entry 0", &all[1..]);
        self.order("no entry", &[]);
        let mut lines = self.lines();
        let (body, rest) = lines[0].split_once('\t').unwrap();
        let mut created: Value = serde_json::from_str(body).unwrap();
        created["data"]["vkey"] = json!(Forger::Seed(3).vkey());
        lines[0] = format!("{created}\t{rest}");
        self.set("another key in entry 0", "entries", lines.concat());
    }

    fn of_signatures(&mut self) {
        let lines = self.lines();
        let signature = |line: &str| fields(line)[1].clone();
        let other = signature(&lines[5]);
        self.field("another's signature", 1, |_| other.clone());
        self.field("a signature cut", 1, |signature| {
            signature.replace("==", "")
        });
        let raw = STANDARD.decode(signature(&lines[4])).unwrap();
        for (what, at) in [("a signature's R", 3), ("a signature's S", 40)] {
            let mut raw = raw.clone();
            raw[at] ^= 1;
            self.field(what, 1, |_| STANDARD.encode(&raw));
        }
        let beyond = plus_order(&raw);
        self.field("a signature's S + L", 1, |_| STANDARD.encode(&beyond));
    }

    /// The hashes of line 4 are others.
    fn path(&mut self, what: &str, change: impl Fn(&mut Vec<String>)) {
        self.line(what, |line| {
            let mut fields = fields(line);
            let mut path = fields.split_off(2);
            change(&mut path);
            fields.append(&mut path);
            fields.join("\t") + "\n"
        });
    }

    fn of_proofs(&mut self) {
        let lines = self.lines();
        let other = fields(&lines[5]).split_off(2);
        let hash = STANDARD.encode([1; 32]);
        self.path("another's proof", |path| path.clone_from(&other));
        self.path("no proof", |path| path.clear());
        self.path("a proof cut", |path| {
            path.pop();
        });
        self.path("a proof longer", |path| path.push(hash.clone()));
        self.path("a proof in another order", |path| path.reverse());
        self.path("a hash changed", |path| path[0].clone_from(&hash));
        self.path("a hash of no bytes", |path| path.insert(1, String::new()));
        self.path("a hash of 31 bytes", |path| {
            path[0] = STANDARD.encode([1; 31]);
        });
        self.path("a hash without its end", |path| {
            path[0] = path[0].replacen('=', "", 1);
        });
        // The last character of 32 bytes has two bits that no byte needs.
        self.path("a hash in another form", |path| {
            let at = path[0].len() - 2;
            let last = path[0].as_bytes()[at];
            path[0].replace_range(at..=at, char::from(last + 1).to_string().as_str());
        });
        self.path("a proof in white space", |path| path[0].push(' '));
        self.path("a proof with a line end", |path| path[0].push('\r'));
        let signature = |line: &str| fields(line)[..1].join("\t") + "\n";
        self.line("neither signature nor proof", signature);
        let joined = |line: &str| line.trim_end().to_owned();
        self.line("two lines in one", joined);
        let text = self.text("entries");
        self.set("entries without their end", "entries", text.trim_end());
        self.set("entries and an empty line", "entries", format!("{text}\n"));
    }

    fn of_the_checkpoint(&mut self, other: &[u8]) {
        let note = self.text("checkpoint");
        let [size, root] = [1, 2].map(|line| note.split('\n').nth(line).unwrap().to_owned());
        let text = note[..note.find("\n\n").unwrap() + 1].to_owned();
        let (_, signatures) = note.split_once("\n\n").unwrap();
        let own = signatures.split_inclusive('\n').next().unwrap();
        let hash = STANDARD.encode([1; 32]);
        let stranger = Forger::Seed(3);
        let mut set = |what: &str, note: String| self.set(what, "checkpoint", note);
        let size_line = format!("\n{size}\n");
        for (what, line) in [
            ("another size", "\n20\n".to_owned()),
            ("a size in another form", format!("\n0{size}\n")),
            ("no size", "\n\n".to_owned()),
        ] {
            set(what, note.replacen(&size_line, &line, 1));
        }
        set("another root", note.replace(&root, &hash));
        set(
            "another origin",
            note.replacen("example.com", "example.org", 1),
        );
        set("a checkpoint by another key", stranger.note(&text));
        set("a checkpoint without a signature", format!("{text}\n"));
        set(
            "a checkpoint that only a witness signed",
            note.replace(own, ""),
        );
        let [_, _, signature] = own.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{own}");
        };
        let mut raw = STANDARD.decode(signature.trim_end()).unwrap();
        raw[30] ^= 1;
        let wrong = note.replace(signature, &format!("{}\n", STANDARD.encode(&raw)));
        set("a checkpoint's signature changed", wrong.clone());
        let both = format!("{note}{}", wrong.split_once("\n\n").unwrap().1);
        set("a second signature of the log, which is wrong", both);
        raw.push(0);
        let longer = note.replace(signature, &format!("{}\n", STANDARD.encode(&raw)));
        set("a checkpoint's signature longer", longer);
        set("a checkpoint and another line", format!("{note}more\n"));
        set("a checkpoint cut", note.trim_end().to_owned());
        set(
            "a checkpoint of four lines",
            note.replacen("\n\n", "\nmore\n\n", 1),
        );
        let other = String::from_utf8(other.to_vec()).unwrap();
        set("another checkpoint of the log in its place", other);
    }

    fn of_contents(&mut self) {
        let (sealed, released) = (format!("sealed/{CONTENT}"), format!("released/{CONTENT}"));
        let longer = [&self.whole[&released][..], b"!"].concat();
        self.set("released content longer", &released, longer);
        let mut bytes = self.whole[&sealed].clone();
        bytes[20] ^= 1;
        self.set("sealed content changed", &sealed, bytes.clone());
        self.set("sealed content cut", &sealed, &bytes[..9]);
        let mut moved = self.whole.clone();
        for from in [sealed, released] {
            let bytes = moved.remove(&from).unwrap();
            moved.insert(from.replace("05/", "06/"), bytes);
        }
        self.all
            .push(("content of another entry".to_owned(), moved));
    }
}

/// Body, signature and hashes of a line.
fn fields(line: &str) -> Vec<String> {
    line.trim_end_matches('\n')
        .split('\t')
        .map(str::to_owned)
        .collect()
}

/// S + L: the same number to whoever does not look.
fn plus_order(signature: &[u8]) -> Vec<u8> {
    let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let (mut sum, mut carry) = (signature.to_vec(), 0);
    for (byte, more) in sum[32..].iter_mut().zip(hex::decode(order).unwrap()) {
        let digit = u16::from(*byte) + u16::from(more) + carry;
        (*byte, carry) = (digit as u8, digit >> 8);
    }
    sum
}
