//! What is to be issued by itself, and when: on the first working day of a month the reports of the
//! month before. Days that were missed are made up for. What was done the log says, so that a
//! restart, or another server, does nothing twice.

use super::{Document, Form, IssuedReport, IssuedReports, Soundness, Wish};
use crate::config::Schedule;
use exporters::report::window::{Offset, Window};
use exporters::report::{Language, retention};
use schemas::kinds::acting::NotifyOutcome;
use schemas::{Actor, EventId, Hash, Month, Timestamp};
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// Months that are made up for.
const MOST_MISSED: usize = 12;

/// Documents of one report that are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub report: String,
    pub month: Month,
    pub documents: Vec<(Form, Language)>,
}

/// Who issues what nobody has asked for.
pub fn actor() -> Actor {
    Actor::Service("schedule".parse().expect("a literal name is sound"))
}

impl Due {
    pub fn wish(&self) -> Wish {
        Wish {
            report: self.report.clone(),
            // That one is of the state at its head.
            month: (self.report != retention::NAME).then(|| self.month.to_string()),
            formats: Vec::new(),
            languages: Vec::new(),
            head: None,
            vkey: None,
            unverified: false,
            continued: false,
            checkpoints: Vec::new(),
            attempt: None,
        }
    }

    pub fn names(&self) -> Vec<PathBuf> {
        let names = self.documents.iter();
        names
            .map(|&of| PathBuf::from(name(&self.report, self.month, of)))
            .collect()
    }

    /// The one id of a document: a second attempt, anywhere, is refused by the log.
    pub fn id(&self, form: Form, language: Language) -> EventId {
        let (report, month) = (&self.report, self.month);
        let act = format!("{report}\n{month}\n{}\n{}", form.ending(), language.tag());
        once("report.issued", &act)
    }
}

/// The id of an act of the schedule that happens once.
pub fn once(act: &str, of: &str) -> EventId {
    let digest = Sha256::digest(format!("daicho/schedule/{act}/v1\n{of}\n"));
    EventId::derived(Hash(digest.into()))
}

/// As `monthly-2026-11.ja.html`; JSON is in no language.
pub fn name(report: &str, month: Month, (form, language): (Form, Language)) -> String {
    let ending = form.ending();
    match form {
        Form::Json => format!("{report}-{month}.{ending}"),
        _ => format!("{report}-{month}.{}.{ending}", language.tag()),
    }
}

/// The documents that the schedule has issued of a report's month.
pub fn done<'i>(
    issued: &'i IssuedReports,
    report: &'i str,
    month: Month,
    offset: Offset,
) -> impl Iterator<Item = &'i IssuedReport> {
    by_schedule(issued, report).filter(move |one| month_of(one, offset) == month)
}

fn by_schedule<'i>(
    issued: &'i IssuedReports,
    report: &'i str,
) -> impl Iterator<Item = &'i IssuedReport> {
    let actor = actor();
    let all = issued.all().iter();
    all.filter(move |one| one.actor == actor && one.report.as_str() == report)
}

/// Of one that is of no month, the month before it was issued.
pub fn month_of(one: &IssuedReport, offset: Offset) -> Month {
    one.month()
        .unwrap_or_else(|| before(offset.month(one.at), offset))
}

fn before(month: Month, offset: Offset) -> Month {
    Window::month(month, offset).before().from
}

/// What is due now in a log that was founded then.
pub fn due(
    schedule: &Schedule,
    offset: Offset,
    issued: &IssuedReports,
    (founded, now): (Timestamp, Timestamp),
) -> Vec<Due> {
    let this = offset.month(now);
    let begun = now >= offset.first_working_day(this, &schedule.closed_days);
    let last = before(this, offset);
    let newest = if begun { last } else { before(last, offset) };
    let wanted = Wish {
        report: String::new(),
        month: None,
        formats: schedule.formats.clone(),
        languages: schedule.languages.clone(),
        head: None,
        vkey: None,
        unverified: false,
        continued: false,
        checkpoints: Vec::new(),
        attempt: None,
    };
    let mut all = Vec::new();
    for report in &schedule.reports {
        let months: Vec<Month> = match report.as_str() {
            // Of the state at its head there is no earlier one to make up for.
            retention::NAME => begun.then_some(last).into_iter().collect(),
            _ => {
                let reached = by_schedule(issued, report).map(|one| month_of(one, offset));
                let reached = reached.max().unwrap_or(newest);
                let back =
                    std::iter::successors(Some(newest), |&month| Some(before(month, offset)));
                let missed = back.take(MOST_MISSED).take_while(|&month| month >= reached);
                missed.collect()
            }
        };
        for month in months.into_iter().rev() {
            if Window::month(month, offset).until() <= founded {
                continue;
            }
            let done: Vec<_> = done(issued, report, month, offset)
                .filter_map(IssuedReport::form)
                .collect();
            let mut documents = wanted.documents();
            documents.retain(|document| !done.contains(document));
            if !documents.is_empty() {
                all.push(Due {
                    report: report.clone(),
                    month,
                    documents,
                });
            }
        }
    }
    all
}

/// How the schedule stands, of every month that it has to do with.
pub struct Standing<'i> {
    /// Due and not issued.
    pub late: Vec<Due>,
    /// Issued, and nobody took it from the webhook.
    pub given_up: Vec<(Month, &'i str)>,
    pub newest: Option<&'i IssuedReport>,
}

/// In a log that was founded then, at this time.
pub fn standing<'i>(
    schedule: &Schedule,
    offset: Offset,
    issued: &'i IssuedReports,
    times: (Timestamp, Timestamp),
) -> Standing<'i> {
    let actor = actor();
    let mine = || issued.all().iter().filter(|one| one.actor == actor);
    let of = |one: &'i IssuedReport| (month_of(one, offset), one.report.as_str());
    let mut given_up: Vec<_> = mine().map(of).collect();
    given_up.sort_unstable();
    given_up.dedup();
    given_up.retain(|(month, report)| {
        let tried: Vec<_> = issued.tried(report, *month).collect();
        tried.contains(&NotifyOutcome::GivenUp) && !tried.contains(&NotifyOutcome::Delivered)
    });
    Standing {
        late: due(schedule, offset, issued, times),
        given_up,
        newest: mine().next_back(),
    }
}

/// What a receiver is given: one JSON object with the documents in it.
#[derive(serde::Serialize)]
pub struct Message<'m> {
    /// Always `report.issued`.
    pub event: &'static str,
    /// The log's own name.
    pub origin: &'m str,
    pub report: &'m str,
    pub month: Month,
    /// Whether the log that they are of was found sound.
    pub soundness: Soundness,
    pub documents: Vec<Attached>,
}

#[derive(serde::Serialize)]
pub struct Attached {
    pub name: String,
    #[serde(flatten)]
    pub document: Document,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ledger::clock::Clock;
    use ledger::{Index, Options, View};
    use schemas::kinds::acting::NotifyChannel;
    use schemas::kinds::records::{ReportDelivered, ReportIssued};
    use schemas::{Event, Label};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    struct Hands(AtomicI64);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(self.0.load(Ordering::SeqCst))
        }
    }

    struct World {
        hands: Arc<Hands>,
        appender: ledger::Appender,
        index: Index,
        issued: View<IssuedReports>,
        founded: Timestamp,
        schedule: Schedule,
        _dir: tempfile::TempDir,
    }

    impl World {
        fn founded(at: &str) -> World {
            let dir = tempfile::tempdir().unwrap();
            let founded = moment(at);
            let hands = Arc::new(Hands(AtomicI64::new(founded.micros())));
            ledger::create(dir.path(), "example.com/daicho", &*hands).unwrap();
            let options = Options {
                clock: hands.clone(),
                ..Options::default()
            };
            let (appender, reader) = ledger::open(dir.path(), options).unwrap();
            let mut index = Index::in_memory(reader);
            let issued = index.add();
            World {
                hands,
                appender,
                index,
                issued,
                founded,
                schedule: Schedule::default(),
                _dir: dir,
            }
        }

        /// The months of what is due at a time of Tokyo.
        fn due(&self, local: &str) -> Vec<Due> {
            let tokyo: Offset = "+09:00".parse().unwrap();
            let now = Timestamp::from_micros(moment(local).micros() - 9 * 3_600_000_000);
            self.hands.0.store(now.micros(), Ordering::SeqCst);
            self.index.catch_up().unwrap();
            let times = (self.founded, now);
            self.issued
                .read(|issued| due(&self.schedule, tokyo, issued, times))
        }

        /// Issues what is due, with another figure each time.
        fn issue(&self, due: &Due) -> Result<(), ledger::AppendError> {
            let document = |&(form, language): &(Form, Language)| {
                let head = self.index.reached();
                let period = format!("{} +09:00", due.month);
                let fact = ReportIssued {
                    report: due.report.parse().unwrap(),
                    period: due.wish().month.map(|_| Label::lossy(&period)),
                    head,
                    report_sha256: Hash([head as u8; 32]),
                    media: Label::lossy(&form.media(language)),
                };
                Event::new(due.id(form, language), actor(), fact).into()
            };
            let batch = due.documents.iter().map(document).collect();
            self.appender.append(batch).map(drop)
        }
    }

    fn moment(text: &str) -> Timestamp {
        let text = format!("{}.000000Z", text.replace(' ', "T"));
        text.parse().unwrap()
    }

    fn months(due: &[Due]) -> Vec<String> {
        let told = due.iter();
        told.map(|due| format!("{} {}", due.report, due.month))
            .collect()
    }

    #[test]
    fn a_month_is_due_on_the_first_working_day_after_it_and_once() {
        let world = World::founded("2026-10-05 00:00:00");
        // 2026-11-01 is a Sunday.
        assert_eq!(months(&world.due("2026-11-01 23:59:59")), [""; 0]);
        let due = world.due("2026-11-02 00:00:00");
        assert_eq!(months(&due), ["monthly 2026-10"]);
        assert_eq!(
            due[0].names(),
            ["monthly-2026-10.ja.html", "monthly-2026-10.json"].map(PathBuf::from)
        );
        world.issue(&due[0]).unwrap();
        for later in [
            "2026-11-02 00:00:01",
            "2026-11-30 23:59:59",
            "2026-11-03 12:00:00",
        ] {
            assert_eq!(months(&world.due(later)), [""; 0], "{later}");
        }
        // Another server that did not know: the log refuses it.
        let twice = world.issue(&due[0]);
        assert!(
            matches!(twice, Err(ledger::AppendError::Conflict { .. })),
            "{twice:?}"
        );
        assert_eq!(
            months(&world.due("2026-12-01 08:00:00")),
            ["monthly 2026-11"]
        );
    }

    #[test]
    fn months_that_were_missed_are_made_up_for_and_none_before_the_log() {
        let mut world = World::founded("2026-06-20 00:00:00");
        // Nobody served: the newest month alone, for nothing was ever issued.
        let due = world.due("2026-09-01 00:00:00");
        assert_eq!(months(&due), ["monthly 2026-08"]);
        world.issue(&due[0]).unwrap();
        // Off from September to January; the 4th is the first day of work.
        let missed = world.due("2027-01-03 12:00:00");
        let told = ["monthly 2026-09", "monthly 2026-10", "monthly 2026-11"];
        assert_eq!(months(&missed), told);
        missed.iter().for_each(|due| world.issue(due).unwrap());
        assert_eq!(
            months(&world.due("2027-01-04 00:00:00")),
            ["monthly 2026-12"]
        );
        // One form more, of the months from the newest on.
        world.schedule.formats.push(Form::Csv);
        let more = world.due("2027-01-03 12:00:00");
        assert_eq!(months(&more), ["monthly 2026-11"]);
        assert_eq!(more[0].documents, [(Form::Csv, Language::Japanese)]);

        let young = World::founded("2026-11-02 00:00:00");
        assert_eq!(months(&young.due("2026-11-20 00:00:00")), [""; 0]);
    }

    /// A later month that was taken hides none before it that was not.
    #[test]
    fn every_month_that_nobody_took_is_told() {
        let world = World::founded("2026-06-20 00:00:00");
        let told = |due: &Due, outcome: NotifyOutcome| {
            let fact = ReportDelivered {
                report: due.report.parse().unwrap(),
                month: due.month,
                channel: NotifyChannel::Webhook,
                outcome,
                attempts: 1,
            };
            let event = Event::new(world.appender.new_id(), actor(), fact);
            world.appender.append(vec![event.into()]).unwrap();
        };
        for (day, outcome) in [
            ("2026-08-03 12:00:00", NotifyOutcome::GivenUp),
            ("2026-09-01 12:00:00", NotifyOutcome::GivenUp),
            ("2026-10-01 12:00:00", NotifyOutcome::Delivered),
        ] {
            let due = world.due(day).remove(0);
            world.issue(&due).unwrap();
            told(&due, outcome);
        }
        let given_up = || {
            assert!(world.due("2026-10-02 12:00:00").is_empty());
            let now = world.hands.now();
            world.issued.read(|issued| {
                let times = (world.founded, now);
                let tokyo = "+09:00".parse().unwrap();
                let standing = standing(&world.schedule, tokyo, issued, times);
                let newest = standing.newest.unwrap().month();
                assert_eq!(newest, Some("2026-09".parse().unwrap()));
                let months = standing.given_up.iter().map(|(month, _)| month.to_string());
                months.collect::<Vec<_>>()
            })
        };
        assert_eq!(given_up(), ["2026-07", "2026-08"]);
        // The next start tried again, and somebody took it.
        let july = Due {
            report: "monthly".to_owned(),
            month: "2026-07".parse().unwrap(),
            documents: Vec::new(),
        };
        told(&july, NotifyOutcome::Delivered);
        assert_eq!(given_up(), ["2026-08"]);
    }

    #[test]
    fn the_retention_report_is_of_its_day() {
        let mut world = World::founded("2026-06-20 00:00:00");
        world.schedule.reports = vec!["retention".to_owned()];
        assert_eq!(months(&world.due("2026-11-01 12:00:00")), [""; 0]);
        let due = world.due("2026-11-02 12:00:00");
        assert_eq!(months(&due), ["retention 2026-10"]);
        world.issue(&due[0]).unwrap();
        assert_eq!(months(&world.due("2026-11-29 12:00:00")), [""; 0]);
        assert_eq!(
            months(&world.due("2026-12-01 12:00:00")),
            ["retention 2026-11"]
        );
    }
}
