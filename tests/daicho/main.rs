//! The program seen from outside: the real binary, real files, real sockets, and judges
//! that others wrote.
//!
//! | module | what would fail here |
//! |---|---|
//! | `cli` | a command whose output, `--json` or exit code is another than it says |
//! | `kill` | an acknowledged event that a kill lost, at any moment of 50 |
//! | `chaos` | a byte that left unrecorded, or a call without one end, whatever was cut |
//! | `disk` | a full disk that loses something, or a ledger that does not go on after it |
//! | `abuse` | a client, a token or a restart that gets round a limit, or takes others with it |
//! | `faults` | a system call that fails, and a ledger that does not survive it |
//! | `oracle` | a checkpoint, tile or proof that Go's own note and tlog do not accept |
//! | `judges` | a log of 70,000 entries that any other judge does not accept |
//! | `format` | a log that a second verifier, written from the format, sees otherwise |
//! | `keys` | a rotation that loses a moment, a key or an auditor; a secret that opens without its own |
//! | `hooks` | a hook that is not recorded, or lets go what nobody granted |
//! | `claude_code` | what the real client says and does that hooks, gateway and telemetry do not all show alike |
//! | `approvals` | a decision that counts and should not, a deadline that nobody hears of, an approver untold |
//! | `decisions` | an approver whom HTTP takes for another, or a decision that means less there |
//! | `mask` | a find that is shown wrongly, a file called clean that is not, a level on labelled texts that is not kept |
//! | `mcp` | a call of a tool that runs unrecorded, ungranted, or with what must not leave |
//! | `retention` | content that ends early, held, by one person alone or by a wrong clock; rules or holds that nobody approved |
//! | `erasure` | one person's content that stays, comes back, or takes another's along; an erasure that nobody approved, or of what is held |
//! | `import` | a line of a transcript that is lost, doubled, or passes for something seen |
//! | `ingest` | a line of another system that is lost, changed, doubled, or told outside of its seal |
//! | `privacy` | a planted name or secret in a file, log line, export, page or report |
//! | `reports` | a figure that the raw log gives otherwise, or a changed report that passes for issued |
//! | `review` | a finding, patch or approval that bandit or OpenSSH sees otherwise |
//! | `backup` | a copy that is not the ledger, or an old one that passes for it |
//! | `bundle` | a tampered evidence bundle that one of its three verifiers calls proven |
//! | `doctor` | a fault of the surroundings that an operator is not told of |
//! | `export` | a receiver that lacks an entry, or one whose loss is not found in what it stored |
//! | `receivers` | a fault of a receiver that `export status` or the metrics do not show, or that loses an entry |
//! | `storm` | an entry that a receiver lacks after both sides died at random |
//! | `policy` | rules in force that nobody adopted, or data that leaves against its class |
//! | `tidy` | an import, a clock or a status code in the wrong room |
//! | `witness` | a witness that cosigns two histories, or a log that does not notice its absence |
//! | `timestamp` | a time stamp that OpenSSL sees otherwise, or one whose loss or change is not found |
//! | `bad_input` | bad input that changes something, or an error that does not help |
//!
//! A test starts what it needs on free ports and stops it again. One that cannot run says
//! so on one line; where `CI` is set that is a failure.
#![allow(clippy::unwrap_used)]

mod abuse;
mod approvals;
mod backup;
mod bad_input;
mod bundle;
#[cfg(unix)]
mod chaos;
mod claude_code;
mod cli;
/// Real receivers and their certificates, as the exporters' own tests have them.
#[path = "../../exporters/tests/common/mod.rs"]
mod common;
mod decisions;
#[cfg(unix)]
mod disk;
mod doctor;
mod erasure;
mod export;
mod faults;
mod format;
mod hooks;
mod import;
mod ingest;
mod judges;
mod keys;
mod kill;
mod mask;
mod mcp;
mod oracle;
mod policy;
mod privacy;
#[cfg(unix)]
mod receivers;
mod reports;
mod retention;
mod review;
mod storm;
mod telemetry;
mod tidy;
mod timestamp;
mod witness;
mod world;
