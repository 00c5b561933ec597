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
    let times = |name: &str| if name == "entries.ndjson" { 2 } else { 1 };
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
        let text = self.text("entries.ndjson");
        text.split_inclusive('\n').map(str::to_owned).collect()
    }

    fn blocks(&self) -> Vec<String> {
        let text = self.text("proofs");
        text.split_inclusive("\n\n").map(str::to_owned).collect()
    }

    /// Line 4 is another.
    fn line(&mut self, what: &str, change: impl Fn(&str) -> String) {
        let mut lines = self.lines();
        lines[4] = change(&lines[4]);
        self.set(what, "entries.ndjson", lines.concat());
    }

    /// The proof of line 4 is another.
    fn block(&mut self, what: &str, change: impl Fn(&str) -> String) {
        let mut blocks = self.blocks();
        blocks[4] = change(&blocks[4]);
        self.set(what, "proofs", blocks.concat());
    }

    /// Entries with their proofs, in this order.
    fn order(&mut self, what: &str, order: &[usize]) {
        let (lines, blocks) = (self.lines(), self.blocks());
        let mut changed = self.whole.clone();
        let pick = |items: &[String]| order.iter().map(|i| items[*i].as_str()).collect::<String>();
        changed.insert("entries.ndjson".to_owned(), pick(&lines).into_bytes());
        changed.insert("proofs".to_owned(), pick(&blocks).into_bytes());
        self.all.push((what.to_owned(), changed));
    }

    fn of_members(&mut self) {
        for name in self.whole.keys() {
            let mut changed = self.whole.clone();
            changed.remove(name);
            self.all.push((format!("without {name}"), changed));
        }
        for name in [
            "notes.txt",
            "older/other.checkpoint",
            "older/stamped.tsr",
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
        let (body, signature) = lines[0].split_once('\t').unwrap();
        let mut created: Value = serde_json::from_str(body).unwrap();
        created["data"]["vkey"] = json!(Forger::Seed(3).vkey());
        lines[0] = format!("{created}\t{signature}");
        self.set("another key in entry 0", "entries.ndjson", lines.concat());
    }

    fn of_signatures(&mut self) {
        let lines = self.lines();
        let signature = |line: &str| line.split_once('\t').unwrap().1.trim().to_owned();
        let with = |line: &str, signature: &str| {
            let (body, _) = line.split_once('\t').unwrap();
            format!("{body}\t{signature}\n")
        };
        let other = signature(&lines[5]);
        self.line("another's signature", |line| with(line, &other));
        self.line("a signature cut", |line| line.replace("==\n", "\n"));
        let raw = STANDARD.decode(signature(&lines[4])).unwrap();
        for (what, at) in [("a signature's R", 3), ("a signature's S", 40)] {
            let mut raw = raw.clone();
            raw[at] ^= 1;
            self.line(what, |line| with(line, &STANDARD.encode(&raw)));
        }
        let beyond = plus_order(&raw);
        self.line("a signature's S + L", |line| {
            with(line, &STANDARD.encode(&beyond))
        });
    }

    fn of_proofs(&mut self) {
        let mut blocks = self.blocks();
        blocks.swap(4, 5);
        self.set("two proofs in another order", "proofs", blocks.concat());
        blocks.pop();
        self.set("a proof dropped", "proofs", blocks.concat());
        self.block("another index", |block| {
            block.replacen("index 6", "index 7", 1)
        });
        self.block("an index in two forms", |block| {
            block.replacen("index 6", "index 06", 1)
        });
        self.block("a proof cut", |block| {
            block.trim_end().rsplit_once('\n').unwrap().0.to_owned() + "\n\n"
        });
        let hash = STANDARD.encode([1; 32]);
        self.block("a proof longer", |block| {
            block.replacen("\n\n", &format!("\n{hash}\n\n"), 1)
        });
        self.block("a hash changed", |block| {
            block.replace(block.split('\n').nth(1).unwrap(), &hash)
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
        let (kept, cosigned) = (
            self.text("older/kept.checkpoint"),
            self.text("older/cosigned.checkpoint"),
        );
        self.set("an older checkpoint in its place", "checkpoint", kept);
        let at = "older/kept.checkpoint";
        self.set("another older checkpoint", at, cosigned);
        let forged = stranger.note(&format!("example.com/daicho\n11\n{hash}\n"));
        self.set("an older checkpoint by another key", at, forged);
        let at = "older/kept.consistency";
        let other = self.text("older/cosigned.consistency");
        self.set("another consistency proof", at, other);
        self.set("no consistency proof", at, "");
        let cut = self.text(at).trim_end().to_owned();
        self.set("a consistency proof without its end", at, cut);
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
        set("another version", manifest.replace(":1,", ":2,"));
        set("a manifest with white space", format!("{manifest}\n"));
        set("no manifest", "null".to_owned());
    }
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
