//! Reports: made from the log, issued, found again, checked. The same for the command line, the
//! API and the schedule.

mod file;
mod form;
mod issue;
mod issued;
mod make;
mod places;
pub mod rules;
pub mod schedule;
pub mod sign;
mod since;
mod soundness;

pub use file::ReportFile;
pub use form::Form;
pub use issue::{ALWAYS, Document, Issue, Issuer, Outside, PROGRAM, Wish};
pub use issued::{
    IssuedReport, IssuedReports, again, basis, report as issued_report, write as write_report,
};
pub use make::{from_kept, make};
pub use places::{PROOF, Places, TOKEN, beside, taken};
pub use soundness::Soundness;
