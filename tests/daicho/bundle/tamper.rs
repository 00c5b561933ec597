//! What can be done to a bundle.

use super::forge::{Forger, Members};
use base64::{Engine, engine::general_purpose::STANDARD};
use exporters::bundle::zip;
use serde_json::{Value, json};

pub const COSIGNED: &str = "older/cosigned.checkpoint";
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
pub fn changed(whole: &Members) -> Vec<(String, Members)> {
    let mut changes = Changes {
        whole,
        all: Vec::new(),
    };
    changes.of_members();
    changes.of_entries();
    changes.of_signatures();
    changes.of_proofs();
    changes.of_checkpoints();
    changes.of_contents();
    changes.of_the_manifest();
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

    /// A field of line 4 is another: 0 the body, 1 the signature, 2 the path.
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
        // Without what a witness has signed less is proven, and nothing is wrong.
        let needed = |name: &&String| *name != COSIGNED;
        for name in self.whole.keys().filter(needed) {
            let mut changed = self.whole.clone();
            changed.remove(name);
            self.all.push((format!("without {name}"), changed));
        }
        for name in [
            "notes.txt",
            "older/other.checkpoint",
            "older/stamped.tsr",
            "older/kept.checkpoint",
            "manifest.json/x",
            "released/00000000000000000006/note",
            "sealed/00000000000000000005/letter",
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
        self.order("an entry dropped", &[&all[..5], &all[6..]].concat());
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

    fn of_proofs(&mut self) {
        let lines = self.lines();
        let other = fields(&lines[5])[2].clone();
        self.field("another's proof", 2, |_| other.clone());
        self.field("no proof", 2, |_| String::new());
        let without = fields(&lines[4])[..2].join("\t");
        self.line("a proof dropped", |_| format!("{without}\n"));
        self.line("a field more", |line| line.replace('\n', "\tmore\n"));
        let hash = STANDARD.encode([1; 32]);
        self.field("a proof cut", 2, |path| {
            path.rsplit_once(' ').unwrap().0.to_owned()
        });
        self.field("a proof longer", 2, |path| format!("{path} {hash}"));
        self.field("a hash changed", 2, |path| {
            path.replace(path.split(' ').next().unwrap(), &hash)
        });
        self.field("a proof of hashes in two forms", 2, |path| {
            path.replacen('=', "", 1)
        });
        self.field("a proof in white space", 2, |path| {
            path.replacen(' ', "  ", 1)
        });
    }

    fn of_checkpoints(&mut self) {
        let note = self.text("checkpoint");
        let [size, root] = [1, 2].map(|line| note.split('\n').nth(line).unwrap().to_owned());
        let text = note[..note.find("\n\n").unwrap() + 1].to_owned();
        let hash = STANDARD.encode([1; 32]);
        let stranger = Forger::Seed(3);
        let mut set = |what: &str, note: String| self.set(what, "checkpoint", note);
        set(
            "another size",
            note.replacen(&format!("\n{size}\n"), "\n40\n", 1),
        );
        set("another root", note.replace(&root, &hash));
        set(
            "another origin",
            note.replacen("example.com", "example.org", 1),
        );
        set("a checkpoint by another key", stranger.note(&text));
        set("a checkpoint without a signature", format!("{text}\n"));
        let at = COSIGNED;
        let cosigned = self.text(at);
        self.set(
            "an older checkpoint in its place",
            "checkpoint",
            cosigned.clone(),
        );
        let forged = stranger.note(&format!("example.com/daicho\n21\n{hash}\n"));
        self.set("an older checkpoint by another key", at, forged);
        let another = cosigned.replacen("\n21\n", "\n20\n", 1);
        self.set("an older checkpoint of another size", at, another);
        let at = "older/proofs";
        let whole = self.text(at);
        let [seq, leaf, path] = &fields(&whole)[..] else {
            panic!("{whole}");
        };
        let line = |seq: &str, leaf: &str, path: &str| format!("{seq}\t{leaf}\t{path}\n");
        let longer = format!("{path} {hash}");
        let own = fields(&self.lines()[4])[2].clone();
        for (what, text) in [
            ("no older proof", String::new()),
            (
                "an older proof without its end",
                whole.trim_end().to_owned(),
            ),
            ("an older proof of another entry", line("19", leaf, path)),
            ("an older proof beyond the log", line("99", leaf, path)),
            (
                "a position in two forms",
                line(&format!("0{seq}"), leaf, path),
            ),
            ("another leaf in an older proof", line(seq, &hash, path)),
            ("an older proof with another's path", line(seq, leaf, &own)),
            ("an older proof longer", line(seq, leaf, &longer)),
            ("an older proof of no hash", line(seq, leaf, "")),
            (
                "an older proof and something more",
                format!("{whole}more\n"),
            ),
            (
                "a wrong older proof more",
                whole.clone() + &line("17", leaf, path),
            ),
        ] {
            self.set(what, at, text);
        }
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

    fn of_the_manifest(&mut self) {
        let manifest = self.text("manifest.json");
        let mut set = |what: &str, text: String| self.set(what, "manifest.json", text);
        let with = |more: &str| manifest.replace("}}", &format!(",{more}}}}}"));
        set("more is said to be chosen", manifest.replace(":14", ":15"));
        set("less is said to be chosen", manifest.replace(":14", ":13"));
        set("another session is said", with(r#""session":"odd""#));
        let until = r#""until":"2020-01-01T00:00:00.000000Z""#;
        set("another time is said", with(until));
        set("kinds that are a text", with(r#""kind":"drill.completed""#));
        set("an unknown choice", with(r#""mood":"odd""#));
        set("words that are a number", with(r#""only":5"#));
        set("no end of the range", manifest.replace(r#","to":14"#, ""));
        set("another version", manifest.replace(":1,", ":2,"));
        set("a manifest with white space", format!("{manifest}\n"));
        set("no manifest", "null".to_owned());
    }
}

/// Body, signature and path of a line.
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
