//! The working day that the demo plays. Every person, number and key in it is invented.

use schemas::DataClass;

/// The eleven role agents and the secretary.
pub const AGENTS: [(&str, DataClass); 12] = [
    ("ceo", DataClass::Internal),
    ("cso", DataClass::Internal),
    ("cfo", DataClass::Internal),
    ("cmo", DataClass::Generated),
    ("cto", DataClass::Internal),
    ("coo", DataClass::Internal),
    ("chro", DataClass::Internal),
    ("clo", DataClass::Internal),
    ("cio", DataClass::Internal),
    ("cdo", DataClass::Ec),
    ("cco", DataClass::Internal),
    ("secretary", DataClass::Mail),
];

/// Whose mail the secretary reads; they consent to that.
pub const SECRETARY_OF: &str = "s003";

/// What an agent asks, and whether it may leave.
pub struct Scene {
    pub agent: &'static str,
    pub prompt: &'static str,
    pub streaming: bool,
}

const fn scene(agent: &'static str, prompt: &'static str) -> Scene {
    Scene {
        agent,
        prompt,
        streaming: false,
    }
}

const fn streamed(agent: &'static str, prompt: &'static str) -> Scene {
    Scene {
        agent,
        prompt,
        streaming: true,
    }
}

/// Goes out, masked where it has to be.
pub const WORK: [Scene; 12] = [
    scene(
        "ceo",
        "来期の方針を三点にまとめてください。担当は高橋一郎部長です。",
    ),
    scene(
        "cso",
        "競合の動向を要約して、佐藤健一さんへの説明資料を作ってください。",
    ),
    streamed(
        "cfo",
        "山田太郎様（03-5555-0142、yamada.taro@example.co.jp）への請求書の文面を作ってください。",
    ),
    scene("cmo", "新商品の紹介文を百字で書いてください。"),
    scene(
        "cto",
        "障害報告の下書きをお願いします。連絡先は鈴木花子、090-5555-0187です。",
    ),
    streamed(
        "coo",
        "納品先は東京都千代田区丸の内一丁目2番3号です。配送の手順を書き出してください。",
    ),
    scene(
        "chro",
        "面接の案内を田中美咲様に送る文面を考えてください。会場は大阪府大阪市北区梅田3-1-1です。",
    ),
    scene("clo", "秘密保持契約の要点を五つ挙げてください。"),
    scene("cio", "端末の棚卸しの手順を箇条書きにしてください。"),
    scene(
        "cdo",
        "今月の注文は1,204件、返品は31件でした。傾向を二行でまとめてください。",
    ),
    scene(
        "cco",
        "研修の案内文を作成してください。講師は中村由美先生です。",
    ),
    streamed(
        "secretary",
        "明日の会議を伊藤誠さん（ito@example.jp）に知らせる文面をお願いします。",
    ),
];

/// Never goes out.
pub const FORBIDDEN: [(&str, Scene); 4] = [
    (
        "a My Number",
        scene(
            "chro",
            "年末調整の書類です。個人番号は 123456789018 です。確認してください。",
        ),
    ),
    (
        "an API key",
        scene(
            "cto",
            "接続できません。設定は ANTHROPIC_API_KEY=sk-ant-api03-Qw3rTy9UiOp2As5DfGh7JkLzXc1VbNm4Qw8ErTy6Ui0OpAs3DfGh5JkLz9XcVbNm2Qw7ErTyUiOpAsDf1GhJkLzXc-ZxCvBnMaAA です。",
        ),
    ),
    (
        "inside information",
        scene(
            "cfo",
            "まだ公表していない業績予想の下方修正について、発表までに想定問答を作ってください。",
        ),
    ),
    (
        "a customer's record, where only sums may leave",
        scene(
            "cdo",
            "購入者の渡辺直樹さんからの問い合わせに返信する文面を作ってください。",
        ),
    ),
];

/// What a scanner found in the company's own code, as SARIF.
pub const SARIF: &str = include_str!("scan.sarif");

/// The file that the scan is about, and two patches for it: one is approved, one denied.
pub const SOURCE: (&str, &str) = ("app/orders.py", include_str!("orders.py.txt"));
pub const GOOD_PATCH: &str = include_str!("parameters.patch");
pub const POOR_PATCH: &str = include_str!("silence.patch");
