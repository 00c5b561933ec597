//! What people hold and do: an office, a family tie, an act that no place and no thing performs.

use super::super::sought::Sought;
use super::beside::honored_end;
use super::shape::{self, Strength};
use super::{Names, Scene};
use crate::masking::chars::{is_han, is_hiragana, is_katakana, one_of};
use crate::masking::lexicon::lexicon;

pub(in crate::masking::rules) static OFFICE: Sought = Sought::new(|| {
    r"(?:ドライバー|スタッフ|エンジニア|デザイナー|営業|看護師|運転手|オーナー|リーダー|マネージャー|職員|社員|新人|後任|前任|窓口|代表|社長|部長|課長|係長|次長|会長|店長|所長|院長|校長|室長|主任|専務|常務|取締役|担当|上司|同僚|部下|先輩|後輩|秘書|弁護士|税理士|医師|教授|講師|監督|選手|記者|友人|友達|同期|知人|恋人|婚約者|幼なじみ|(?P<kin>うち|娘|息子|妻|夫|姉|妹|兄|弟|長男|長女|次男|次女|父|母|孫|甥|姪|彼女|彼氏|子ども))の".into()
});
pub(in crate::masking::rules) static ACT: Sought = Sought::new(|| {
    r"(?P<sure>は(?:言っ|話し|述べ|答え|語っ|休み|欠席|出張|不在)|が(?:担当|対応|出席|欠席|参加|説明|回答|作成|確認|報告|連絡|退職|入社|異動|休暇|体調)|の(?:携帯|内線|連絡先|誕生日|電話番号|メールアドレス|評価|給与|年収|勤務態度|退職|後任|上司|部下))|(?:に(?:確認|依頼|相談|聞い|聞く|聞け|頼|任せ)|へ(?:転送|送付|連絡|依頼|共有)|と(?:面談|相談|打ち合わせ|会い|話し)|からの?(?:連絡|電話|メール|報告|質問|依頼))".into()
});
pub(in crate::masking::rules) static DESK: Sought =
    Sought::new(|| r"(?:部|課|室|係|グループ|チーム|センター|支店|営業所|事務所|事業部) ".into());

/// 社長の石原が, 三浦が担当します, 営業部 斎藤: who holds an office, who does what only people do.
pub(super) fn find(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    let of = |name: &shape::Name| {
        let text = view.slice(name.start, name.end);
        (
            lexicon().surname(text).is_some_and(|s| s.place),
            lexicon().is_word(text),
        )
    };
    for hit in OFFICE.captures_iter(view) {
        let least = if hit.name("kin").is_some() {
            Strength::Single
        } else {
            Strength::Surname
        };
        let Some((strength, name)) = shape::starting_at(view, view.at_byte(hit.whole.end), least)
        else {
            continue;
        };
        let (place, word) = of(&name);
        let soft = view
            .get(name.end)
            .is_none_or(|c| one_of!("はがをにともで、。（(」\n", c))
            || honored_end(view, name.end).is_some();
        let long = name.end - name.start >= 2;
        if soft
            && long
            && !word
            && (!place || strength >= Strength::Half || view.get(name.end) == Some('が'))
            && scene.is_open(name.start, name.end)
        {
            names.add(name);
        }
    }
    for hit in ACT.captures_iter(view) {
        let Some((strength, name)) =
            shape::ending_at(view, view.at_byte(hit.whole.start), Strength::Surname)
        else {
            continue;
        };
        let (place, word) = of(&name);
        let begins = view.before(name.start).is_none_or(|c| {
            !is_han(c) && !is_katakana(c) && !is_hiragana(c) || one_of!("のはとが", c)
        });
        if begins
            && !word
            && (!place || strength >= Strength::Half || hit.name("sure").is_some())
            && scene.is_open(name.start, name.end)
        {
            names.add(name);
        }
    }
    for hit in DESK.find_iter(view) {
        let Some((_, name)) = shape::starting_at(view, view.at_byte(hit.end), Strength::Surname)
        else {
            continue;
        };
        let (place, word) = of(&name);
        let alone = view.get(name.end).is_none_or(|c| one_of!("\n\r(", c));
        if alone && !word && !place && scene.is_open(name.start, name.end) {
            names.add(name);
        }
    }
}
