//! A ledger that has lived for months: events of nearly every kind that reports count, at times
//! that the test chooses, and a few acts of people at its end.

mod each;
mod life;

pub use life::NO_SIGNATURE;

use crate::world::{Dice, Ledger, ORIGIN};
use ledger::clock::Clock;
use ledger::{Appender, Options};
use life::Life;
use schemas::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

pub struct Months {
    pub ledger: Ledger,
    month: String,
    before: String,
}

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

const HOUR: i64 = 3_600_000_000;
const DAYS: i64 = 110;

/// By which costs are counted again.
pub const CONFIG: &str = r#"
[report]
organisation = "株式会社サンプル商事"
utc_offset = "+09:00"
hours = "mon-fri 09:00-18:00"
[vendors.anthropic]
company = "Anthropic PBC"
country = "US"
[[limits.price]]
model = "model-a"
input = 3.0
output = 15.0
[[limits.price]]
model = "model-b*"
input = 0.25
output = 1.25
cache_read = 0.03
cache_creation = 0.3
"#;

impl Months {
    pub fn lived() -> Months {
        let (ledger, appender, hands) = founded(DAYS);
        let now = now();
        let mut life = Life::new(Dice::thrown("reports"), appender);
        while hands.0.load(Ordering::SeqCst) < now - 24 * HOUR {
            let step = i64::try_from(life.dice.below(6)).unwrap() * HOUR + 61_000_007;
            hands.0.fetch_add(step, Ordering::SeqCst);
            life.act();
        }
        life.each(|| {
            hands.0.fetch_add(HOUR, Ordering::SeqCst);
        });
        drop(life);
        std::fs::write(ledger.dir.join("daicho.toml"), CONFIG).unwrap();
        people(&ledger);
        let newest = ledger.run(&["--json", "events", "--newest", "--limit", "1"]);
        let at: Timestamp = newest.lines()[0]["at"].as_str().unwrap().parse().unwrap();
        let tokyo = Timestamp::from_micros(at.micros() + 9 * HOUR);
        let month = tokyo.month();
        let before = Timestamp::from_micros(month.start().micros() - HOUR).month();
        Months {
            ledger,
            month: month.to_string(),
            before: before.to_string(),
        }
    }

    /// Periods that a report is made of.
    pub fn windows(&self, name: &str) -> Vec<String> {
        let both = format!("{}..{}", self.before, self.month);
        match name {
            "retention" => vec![String::new()],
            _ => vec![self.month.clone(), self.before.clone(), both],
        }
    }
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(now.unwrap().as_micros()).unwrap()
}

/// A ledger of so many days ago, where that is still the time.
fn founded(days: i64) -> (Ledger, Appender, Arc<Hands>) {
    let ledger = Ledger::none();
    let hands = Arc::new(Hands(AtomicI64::new(now() - days * 24 * HOUR)));
    ledger::create(&ledger.dir, ORIGIN, &*hands).unwrap();
    let options = Options {
        clock: hands.clone(),
        ..Options::default()
    };
    let (appender, _) = ledger::open(&ledger.dir, options).unwrap();
    (ledger, appender, hands)
}

/// A ledger of 70 days ago in which nothing has happened since, and the month before this one. Of the
/// three months beside that the oldest had no log.
pub fn silent() -> (Ledger, String) {
    let (ledger, appender, _) = founded(70);
    drop(appender);
    let this = Timestamp::from_micros(now()).month();
    let before = Timestamp::from_micros(this.start().micros() - HOUR).month();
    (ledger, before.to_string())
}

/// What the command line does at the end: rules, approvers, a hold that one denies and one grants.
fn people(ledger: &Ledger) {
    let keys = ["s002", "s003"].map(|user| (format!("user:{user}"), ledger.approver(user)));
    ledger.run(&["policy", "adopt"]).ok();
    ledger.run(&["key", "rotate"]).ok();
    for (case, verb) in [
        ("case-1", "approve"),
        ("case-2", "deny"),
        ("case-3", "wait"),
    ] {
        let place = [
            "--json",
            "hold",
            "place",
            "--case",
            case,
            "--reason",
            "訴訟",
            "--class",
            "operation",
        ];
        let asked = ledger.run(&place).lines();
        let approval = asked[0]["approval"].as_str().unwrap().to_owned();
        for (user, key) in &keys {
            if verb == "wait" || (verb == "deny" && user != "user:s002") {
                continue;
            }
            let decide = ["approvals", verb, &approval, "--by", user, "--key", key];
            ledger.run(&decide).ok();
        }
        if verb == "approve" {
            ledger.run(&place).ok();
        }
    }
}
