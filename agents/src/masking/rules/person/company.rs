//! Companies, by their legal form.

use crate::masking::chars::{is_han, is_hiragana, is_katakana, one_of};
use crate::masking::normal::View;
use crate::masking::rules::sought::Sought;

pub(in crate::masking::rules) static FORM: Sought = Sought::new(|| {
    r"株式会社|有限会社|合同会社|合資会社|合名会社|相互会社|医療法人(?:社団|財団)?|社会福祉法人|学校法人|宗教法人|(?:一般|公益)?(?:社団|財団)法人|独立行政法人|国立大学法人|特定非営利活動法人|NPO法人|協同組合|弁護士法人|税理士法人|監査法人|\(株\)|\(有\)|\(同\)|㈱|㈲".into()
});

/// Companies by their legal form, before or after the name.
pub(super) fn companies(view: &View) -> Vec<(usize, usize)> {
    let inside = |c: char| {
        is_han(c)
            || is_katakana(c)
            || c.is_ascii_alphanumeric()
            || matches!(c, '・' | '&' | '.' | '-' | '\'')
    };
    let mut out = Vec::new();
    for hit in FORM.find_iter(view) {
        let (form, after) = (view.at_byte(hit.start), view.at_byte(hit.end));
        let mut end = after;
        let mut hiragana = 0;
        while let Some(c) = view.get(end)
            && (inside(c) || (is_hiragana(c) && hiragana < 8))
            && end < after + 20
        {
            // Hiragana belongs to the company while it stands at the front (株式会社あさひ屋).
            if is_hiragana(c) {
                if end > after + hiragana || one_of!("のはがをにとへでも", c) {
                    break;
                }
                hiragana += 1;
            }
            end += 1;
            // An office of it: what comes next may be its people.
            if matches!(c, '部' | '課' | '室' | '店')
                && end > after + 2
                && view.get(end).is_some_and(is_han)
            {
                break;
            }
        }
        let mut start = form;
        while let Some(c) = view.before(start)
            && inside(c)
            && form - start < 20
        {
            start -= 1;
        }
        out.push((start, end));
    }
    out
}
