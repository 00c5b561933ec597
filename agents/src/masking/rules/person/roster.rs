//! Who stands on the company's roster.

use super::shape::{Name, Part};
use super::{Names, Scene, honorific};
use crate::masking::roster::{Folded, Roster};

pub(super) fn find(scene: &Scene, roster: &Roster, names: &mut Names) {
    let chars = &scene.view.chars;
    let part = |(start, end, initial)| Part {
        start,
        end,
        initial,
    };
    let folded = Folded::of(chars);
    let listed = roster.full(chars, &folded).into_iter();
    let listed = listed.chain(roster.latin(chars));
    for name in listed.filter(|name| scene.is_open(name.start, name.end)) {
        names.add(Name {
            start: name.start,
            end: name.end,
            parts: name.parts.map(part).to_vec(),
        });
    }
    // One word alone is many people's: it needs an honorific.
    for (start, end, initial) in roster.single(&folded) {
        if honorific::starts_at(scene.view, end) && scene.is_open(start, end) {
            names.add(Name {
                start,
                end,
                parts: vec![part((start, end, initial))],
            });
        }
    }
}
