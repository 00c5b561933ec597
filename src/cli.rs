//! The command line as it is typed.

pub mod report;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// A tamper-evident audit and compliance ledger for AI agents.
///
/// Exit codes: 0 all is well; 1 the check found something wrong; 2 it could not be done.
#[derive(Parser)]
#[command(name = "daicho", version, max_term_width = 100)]
pub struct Cli {
    /// Data directory of the ledger
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "./daicho-data"
    )]
    pub data: PathBuf,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Play a working day on a fresh ledger: prompts, masks, blocks, approvals, a SIEM, a proof
    Demo(Demo),
    /// Make a new ledger: its key, its first entry, its configuration
    Init(Init),
    /// Run the gateway, the ledger's API and its console
    Serve(Serve),
    /// Append events: one JSON object per line, from FILE or standard input
    Append(Append),
    /// List entries
    Events(Events),
    /// Show one entry
    Show(Show),
    /// Check every body, link, signature, hash, checkpoint and content of a ledger
    Verify(Verify),
    /// Write a C2SP tlog-proof that an entry is in the log
    Prove(Prove),
    /// Write chosen entries, their proofs and two verifiers into one zip for an outside auditor
    Bundle(Bundle),
    /// Check such a zip, and say what it proves and what not
    VerifyBundle(VerifyBundle),
    /// The log's signing key: show it, replace it, protect it
    #[command(subcommand)]
    Key(Key),
    /// Build every index again from the log
    Rebuild,
    /// Tell the server of a hook event of Claude Code (JSON on standard input) and print its answer.
    ///
    /// Exit codes: 0 the answer counts; 2 a prompt or a use of a tool is stopped, because nobody
    /// could decide; 1 another event could not be recorded.
    Hook(Hook),
    /// Stand before an MCP tool server (stdio): calls are decided and recorded before it hears them
    Mcp(Mcp),
    /// Take in what was written before daicho was there
    #[command(subcommand)]
    Import(Import),
    /// Take in other systems' logs as they are: files, a repository's history, usage exports.
    ///
    /// What has been taken in is known by the log: a repetition takes in what is new.
    #[command(subcommand)]
    Ingest(Ingest),
    /// Mask a text as daicho.toml says, adopted or not; exit 1 if it must not leave at all
    Mask(Mask),
    /// Record what a scanner found, from its SARIF 2.1.0 report
    Scan(Scan),
    /// List findings; with --severity, exit 1 while a live one is that grave or graver
    Findings(Findings),
    /// Patches for findings
    #[command(subcommand)]
    Patch(Patch),
    /// What waits for a person's decision, and the decisions
    #[command(subcommand)]
    Approvals(Approvals),
    /// Agents and their tokens
    #[command(subcommand)]
    Agents(Agents),
    /// People: who may approve, and with which key
    #[command(subcommand)]
    Users(Users),
    /// Whose data of a class may be sent, and what for
    #[command(subcommand)]
    Consent(Consent),
    /// Policies in force, and what daicho.toml would change in them; exit 1 if it would
    Policy(Policy),
    /// What content ends when, what keeps it, and its end
    #[command(subcommand)]
    Retention(Retention),
    /// Legal holds: what they cover does not end
    #[command(subcommand)]
    Hold(Hold),
    /// Erasure of one person's content on request
    #[command(subcommand)]
    Erasure(Erasure),
    /// Lists of people that are masked wherever they stand
    #[command(subcommand)]
    Roster(Roster),
    /// Write a report from the log, record that it was issued, and check such a file again
    #[command(subcommand)]
    Report(report::Report),
    /// The receivers of the log
    #[command(subcommand)]
    Export(Export),
    /// Copy the ledger elsewhere: only what is new, verified, and recorded
    Backup(Backup),
    /// Make an empty data directory from a backup, if it is sound and nothing is missing
    Restore(Restore),
    /// Look at permissions, clock, space, keys, time stamps, receivers; exit 1 if something is wrong
    Doctor,
    /// Witnesses: who cosigns this log, and a witness for others' logs
    #[command(subcommand)]
    Witness(Witness),
    /// Have an authority say when the newest checkpoint existed (RFC 3161), and keep its answer
    Timestamp(Timestamp),
    /// Print this machine's figures: appends, HTTP, gateway, lines of other logs, and a log that is read
    Bench(Bench),
}

/// Where an agent's token is. Not in one of the client's own variables: Claude Code puts no
/// credential of its own into the headers of hooks (seen in 2.1.330).
pub const TOKEN_ENV: &str = "DAICHO_TOKEN";

#[derive(Args)]
pub struct Hook {
    /// Where `daicho serve` is reached
    #[arg(
        long,
        global = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:7420"
    )]
    pub url: String,
    /// Environment variable that holds the agent's token
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = TOKEN_ENV
    )]
    pub token_env: String,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 25)]
    pub timeout: u64,
    #[command(subcommand)]
    pub action: Option<HookAction>,
}

#[derive(Args)]
pub struct Mcp {
    /// The server's name in rules and records: its tool `send` is `mcp__NAME__send`
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Where `daicho serve` is reached
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7420")]
    pub url: String,
    /// Environment variable that holds the agent's token
    #[arg(long, value_name = "NAME", default_value = TOKEN_ENV)]
    pub token_env: String,
    /// Seconds that a call may wait for its draft to be decided, before the agent is told its number
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub wait: u64,
    /// Offer `permission_prompt` beside the server's tools, answered by the ledger: for Claude Code's
    /// --permission-prompt-tool mcp__NAME__permission_prompt
    #[arg(long)]
    pub permission_prompt: bool,
    /// The tool server and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<std::ffi::OsString>,
}

#[derive(Subcommand)]
pub enum Import {
    /// Transcripts of Claude Code's sessions (JSON Lines): each line an event that says it was
    /// imported, sealed like everything else. A line that comes again is recorded once; exit 1 if
    /// a line is none of a transcript: it is named, and kept as text
    Transcript {
        /// As ~/.claude/projects/PROJECT/SESSION.jsonl
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Whose sessions they are
        #[arg(long)]
        agent: String,
        /// Who says that they are
        #[arg(long, value_name = "ACTOR", default_value = "service:operator")]
        by: String,
    },
}

#[derive(Subcommand)]
pub enum Ingest {
    /// A repository's history: every commit that can be reached, as git keeps it
    Git {
        #[arg(long, value_name = "PATH", default_value = ".")]
        repo: PathBuf,
        /// Its [[ingest]] in daicho.toml; class `change` if there is none
        #[arg(long, value_name = "NAME", default_value = "git")]
        source: String,
        /// From all branches and tags, not from HEAD alone
        #[arg(long)]
        all: bool,
    },
    /// Files of lines, which may have grown since the last time
    File {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Their [[ingest]] in daicho.toml
        #[arg(long, value_name = "NAME")]
        source: String,
        /// Whose lines these are, so that they can be erased alone: a staff number or another handle
        #[arg(long, value_name = "ID")]
        person: Option<String>,
    },
    /// The provider's usage export: CSV or JSON
    Usage {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Its [[ingest]] in daicho.toml; class `api` if there is none
        #[arg(long, value_name = "NAME", default_value = "usage")]
        source: String,
        /// Whose lines these are, so that they can be erased alone: a staff number or another handle
        #[arg(long, value_name = "ID")]
        person: Option<String>,
    },
}

#[derive(Subcommand)]
pub enum HookAction {
    /// Show, then write the managed settings that put Claude Code on this host behind daicho
    Install(HookInstall),
    /// Print the header that the client's telemetry shows its token in
    Headers,
    /// Print the token, as the client asks for its key of the model (`apiKeyHelper`)
    Token,
}

#[derive(Args)]
pub struct HookInstall {
    /// Take away exactly what was written
    #[arg(long)]
    pub remove: bool,
    /// Write without a question
    #[arg(long)]
    pub yes: bool,
    /// Directory of the managed settings, instead of this system's own
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Have the client send its telemetry (OTLP over HTTP) to this collector instead of daicho
    #[arg(long, value_name = "URL")]
    pub telemetry: Option<String>,
}

#[derive(Args)]
pub struct Init {
    /// The log's name for ever, as example.co.jp/daicho
    #[arg(long)]
    pub origin: String,
    #[command(flatten)]
    pub on_token: OnToken,
    /// The library of the token's maker, as /usr/lib/softhsm/libsofthsm2.so
    #[arg(long, value_name = "FILE", requires = "token")]
    pub module: Option<PathBuf>,
    /// A file that holds the token's PIN; without it the PIN is asked for
    #[arg(long, value_name = "FILE", requires = "token")]
    pub pin_file: Option<PathBuf>,
}

/// A key on a PKCS #11 token; it is made there if it is not there yet.
#[derive(Args)]
pub struct OnToken {
    /// Label of the PKCS #11 token that is to sign
    #[arg(long, value_name = "LABEL", requires = "token_key")]
    pub token: Option<String>,
    /// Label of the Ed25519 key on it; made there if it is not there yet
    #[arg(long, value_name = "LABEL", requires = "token")]
    pub token_key: Option<String>,
}

#[derive(Args)]
pub struct Serve {
    /// Address to listen on, instead of the configured one
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
}

#[derive(Args)]
pub struct Append {
    /// NDJSON file; - is standard input
    #[arg(default_value = "-")]
    pub file: PathBuf,
}

#[derive(Args)]
pub struct Events {
    #[command(flatten)]
    pub filter: Filter,
    /// At most so many
    #[arg(long)]
    pub limit: Option<usize>,
    /// The newest first
    #[arg(long)]
    pub newest: bool,
}

/// Which entries are meant; all of them, if nothing is said.
#[derive(Args)]
pub struct Filter {
    /// Only these kinds (repeatable)
    #[arg(long)]
    pub kind: Vec<String>,
    /// Only this actor, as agent:cfo
    #[arg(long)]
    pub actor: Option<String>,
    #[arg(long)]
    pub session: Option<String>,
    /// Only this retention class
    #[arg(long)]
    pub class: Option<String>,
    /// From this time on (RFC 3339, or YYYY-MM-DD in UTC)
    #[arg(long)]
    pub since: Option<String>,
    /// Before this time
    #[arg(long)]
    pub until: Option<String>,
    /// From this position on
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub from: u64,
    /// Up to this position, and with it
    #[arg(long, value_name = "SEQ")]
    pub to: Option<u64>,
}

#[derive(Args)]
pub struct Show {
    pub seq: u64,
    /// Open the sealed content too; that it was opened is recorded first
    #[arg(long)]
    pub content: bool,
}

#[derive(Args)]
pub struct Verify {
    /// A checkpoint kept elsewhere (repeatable)
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// The log's key as it was published elsewhere
    #[arg(long)]
    pub vkey: Option<String>,
    /// Certificates (PEM) of the authority whose time stamps must hold
    #[arg(long, value_name = "FILE")]
    pub tsa_ca: Option<PathBuf>,
    /// C2SP tlog-policy whose quorum must have cosigned the checkpoints given, or else
    /// checkpoint.cosigned
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

#[derive(Args)]
pub struct Timestamp {
    /// File of a query for an authority that this host does not reach: written, with the
    /// checkpoint that it is about in FILE.checkpoint; with --response read again
    #[arg(long, value_name = "FILE")]
    pub request: Option<PathBuf>,
    /// The authority's answer (.tsr) to that query: verified and kept
    #[arg(long, value_name = "FILE", requires = "request")]
    pub response: Option<PathBuf>,
}

#[derive(Args)]
pub struct Backup {
    /// Directory of the copy; each run brings it up to date
    #[arg(value_name = "DEST")]
    pub destination: PathBuf,
    /// Copy the keys too: who has the copy can then read all content and sign for the ledger
    #[arg(long)]
    pub with_keys: bool,
    /// What the log calls the destination, instead of the directory's name
    #[arg(long)]
    pub label: Option<String>,
}

#[derive(Args)]
pub struct Restore {
    /// Directory that `daicho backup` wrote
    #[arg(value_name = "SRC")]
    pub source: PathBuf,
    /// A checkpoint kept elsewhere: says whether entries are missing (repeatable)
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// The log's key as it was published elsewhere
    #[arg(long)]
    pub vkey: Option<String>,
}

#[derive(Args)]
pub struct Prove {
    pub seq: u64,
    /// File to write, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Args)]
pub struct Bundle {
    /// The zip to write; an existing file is never written over
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    #[command(flatten)]
    pub filter: Filter,
    /// A checkpoint that the auditor has kept: the bundle proves the entries by it, instead of by
    /// the one for which the most witnesses and authorities stand
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Content to give away in the clear, as 41:request; that it is revealed is recorded first
    /// (repeatable)
    #[arg(long, value_name = "SEQ:NAME")]
    pub release: Vec<String>,
}

#[derive(Args)]
pub struct VerifyBundle {
    #[arg(value_name = "FILE")]
    pub bundle: PathBuf,
    /// The log's key as it was published elsewhere
    #[arg(long)]
    pub vkey: Option<String>,
    /// A checkpoint kept elsewhere, or what a SIEM stored: the bundle's is among them (repeatable)
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// Key of a witness that must have cosigned (repeatable)
    #[arg(long, value_name = "VKEY")]
    pub witness: Vec<String>,
    /// C2SP tlog-policy whose quorum must have cosigned
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Certificates (PEM) of the authority whose time stamp must hold
    #[arg(long, value_name = "FILE")]
    pub tsa_ca: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum Witness {
    /// Make a witness's state file with a new key; prints the verifier key for policies
    Init {
        /// The witness's name for ever, as witness.example.com/w1
        #[arg(long)]
        name: String,
        #[arg(value_name = "FILE")]
        state: PathBuf,
    },
    /// Let a witness know a log, by its verifier key; or the next key of a log that it knows
    AddLog {
        #[arg(value_name = "FILE")]
        state: PathBuf,
        #[arg(long)]
        vkey: String,
    },
    /// Run a C2SP tlog-witness from its state file
    Serve {
        #[arg(value_name = "FILE")]
        state: PathBuf,
        #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7380")]
        listen: String,
    },
    /// What the running server knows of its witnesses; exit 1 while the quorum is missed
    Status,
}

#[derive(Subcommand)]
pub enum Key {
    /// Print the verifier key in force, for whoever will verify
    Show,
    /// List every key that the log has had, with the first entry that each signs
    History,
    /// Put a new key in force, signed by the old one, which is then gone; a running server goes on
    Rotate(Rotate),
    /// Put the key file under a passphrase, or change it; ask for it unless a file is named
    Protect(Protect),
    /// Keep the key file plain again, readable by its owner only
    Unprotect,
}

#[derive(Args)]
pub struct Rotate {
    /// scheduled, leaked, algorithm, custody
    #[arg(long, default_value = "scheduled")]
    pub reason: String,
    #[command(flatten)]
    pub on_token: OnToken,
    /// From a token back to a file of this host
    #[arg(long, conflicts_with = "token")]
    pub file: bool,
}

#[derive(Args)]
pub struct Protect {
    /// A file that holds the new passphrase
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Under Windows' own protection of this user instead
    #[arg(long, conflicts_with = "passphrase_file")]
    pub system: bool,
}

#[derive(Args)]
pub struct Bench {
    /// One second per figure instead of four
    #[arg(long)]
    pub quick: bool,
    /// Where the scratch ledgers go: the disk that is measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub scratch: PathBuf,
    /// One part alone
    #[arg(long, value_enum, value_name = "PART")]
    pub only: Option<Benched>,
    /// Entries of the log that is verified, opened, asked and reported on [default: 200000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(4..))]
    pub entries: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Benched {
    Append,
    Http,
    Gateway,
    Streams,
    Hook,
    Ingest,
    Log,
    Report,
}

#[derive(Args)]
pub struct Policy {
    #[command(subcommand)]
    pub action: Option<PolicyAction>,
}

#[derive(Subcommand)]
pub enum PolicyAction {
    /// Show the change, and put it in force: for new sessions at once, also in a running server
    ///
    /// A change of [retention] takes two approvers: the first call asks for them, and the one
    /// after their approval puts it in force.
    Adopt,
}

#[derive(Subcommand)]
pub enum Retention {
    /// Every bucket: its rule, when it is due, what holds it, how far its end has come
    Plan,
    /// Do what may be done now: ask two people about what is due, end what they have agreed to
    ///
    /// A bucket ends when it is due, nothing holds it, two people have signed for exactly it, the
    /// cooling time after the request is over, and the time can be trusted: a time stamp of the
    /// authority in [timestamp] says so, or, where none is configured, the log has seen the
    /// cooling time pass entry by entry. A running server does this once a day.
    Run,
    /// Keep a bucket longer than its rule says; never shorter
    Extend {
        /// As operation/2026-11
        bucket: String,
        /// From the end of its month on: P30D, P12M, P3Y or forever
        period: String,
    },
}

#[derive(Subcommand)]
pub enum Hold {
    /// Ask two people to place a hold on what fits everything that is given, now and later
    Place(HoldPlace),
    /// Ask two people to release a hold
    Release(HoldRelease),
    /// List holds in force, and the buckets that they cover
    List {
        /// The released ones too
        #[arg(long)]
        all: bool,
    },
}

#[derive(Args)]
pub struct HoldPlace {
    /// Number of the case: a-z 0-9 . _ -
    #[arg(long)]
    pub case: String,
    /// Why; kept sealed
    #[arg(long)]
    pub reason: String,
    /// As operation/2026-11
    #[arg(long)]
    pub bucket: Option<String>,
    #[arg(long)]
    pub session: Option<String>,
    /// As agent:cfo
    #[arg(long)]
    pub actor: Option<String>,
    /// Staff number or handle: what this user did, and agents registered with --person
    #[arg(long)]
    pub person: Option<String>,
    #[arg(long)]
    pub kind: Option<String>,
    /// Retention class
    #[arg(long)]
    pub class: Option<String>,
    /// From this time on (RFC 3339, or YYYY-MM-DD in UTC)
    #[arg(long)]
    pub since: Option<String>,
    /// Before this time
    #[arg(long)]
    pub until: Option<String>,
    /// Also where nothing fits yet: for what is still to come
    #[arg(long)]
    pub future: bool,
    /// Who asks, as user:ID, and so cannot approve; else the operator of this host
    #[arg(long)]
    pub by: Option<String>,
}

#[derive(Args)]
pub struct HoldRelease {
    pub hold: String,
    /// Why; kept sealed
    #[arg(long)]
    pub reason: String,
    /// Who asks, as user:ID, and so cannot approve; else the operator of this host
    #[arg(long)]
    pub by: Option<String>,
}

#[derive(Subcommand)]
pub enum Erasure {
    /// Ask two people to erase one person's content, and nobody else's
    ///
    /// What is a person's is sealed under a key of its own in each bucket: prompts, payloads, answers,
    /// uses of tools, drafts and imported transcripts of a user, or of an agent that was registered
    /// with --person; and what was appended with "person". The keys are destroyed when both have
    /// signed, with those that came until then: what comes later is new. Not where a hold is in force,
    /// as long as it is, nor of a class that [retention] must_keep names: that is recorded, with the
    /// reason. Where nobody can tell whose a key is, for its file is gone or does not open, nothing is
    /// recorded unless --leave-unread says so.
    Request(ErasureRequest),
    /// List requests, and what became of each bucket
    List {
        /// Those that are done, too
        #[arg(long)]
        all: bool,
    },
}

#[derive(Args)]
pub struct ErasureRequest {
    /// Staff number or other handle of the person, never a name
    #[arg(long, required_unless_present = "keys")]
    pub person: Option<String>,
    /// In place of the person: erasures that this log has lost, after an older backup was restored.
    /// JSON lines with bucket and subject, as `daicho events --kind erasure.completed --json`, the SIEM
    /// and `daicho erasure list --json` have them
    #[arg(long, conflicts_with = "person")]
    pub keys: Option<PathBuf>,
    /// Number of the case: a-z 0-9 . _ -
    #[arg(long)]
    pub case: String,
    /// The law or agreement that the request rests on, as appi-35 or gdpr-17: a-z 0-9 . _ -
    #[arg(long)]
    pub basis: String,
    /// Why; kept sealed
    #[arg(long)]
    pub reason: String,
    /// Who asks, as user:ID, and so cannot approve; else the operator of this host
    #[arg(long)]
    pub by: Option<String>,
    /// Go on without keys of which nobody can tell whose they are; the request names them
    #[arg(long, conflicts_with = "keys")]
    pub leave_unread: bool,
}

#[derive(Subcommand)]
pub enum Roster {
    /// Take in a list, in the place of the one of this name; it is kept sealed
    Load {
        /// CSV in UTF-8 with a head: name, kana (or reading), romaji, phone, email. Surname first,
        /// a space, given name. Phones and mailboxes are found by their form and not kept
        file: PathBuf,
        /// What the list is called, as employees
        #[arg(long)]
        name: String,
    },
    /// Say which lists there are, and how many people each has
    List,
    /// Destroy a list: the key of everything that was loaded before ends
    Remove {
        #[arg(required_unless_present = "all")]
        name: Option<String>,
        /// Every list, also one that cannot be read any more
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
}

#[derive(Subcommand)]
pub enum Consent {
    /// Record a person's consent
    Give {
        #[command(flatten)]
        of: ConsentOf,
        /// Until this time (RFC 3339, or YYYY-MM-DD in UTC), instead of until it is withdrawn
        #[arg(long)]
        until: Option<String>,
    },
    /// Record that it is withdrawn; it holds for no call from now on
    Withdraw {
        #[command(flatten)]
        of: ConsentOf,
    },
    /// List every consent that is not withdrawn
    List,
}

#[derive(Args)]
pub struct ConsentOf {
    /// Staff number or keyed tag, never a name
    pub person: String,
    /// Role of the agents that may send the data
    #[arg(long, value_name = "ROLE")]
    pub purpose: String,
    /// internal, mail, ec, personal, generated
    #[arg(long, default_value = "mail")]
    pub class: String,
}

#[derive(Subcommand)]
pub enum Export {
    /// How far each receiver is, as the running server knows it, or else by the cursors
    Status,
    /// Send one entry to a receiver, and say what came back
    ///
    /// It is entry 0, which the receiver has or should have: it drops the copy by chain and seq.
    Test(ExportTest),
    /// Send a part of the log once more, beside what is being sent
    ///
    /// For a receiver that has lost something (`export check` names the gaps). The bytes are those
    /// that were sent before; the receiver's position stays as it is. Lines for files go into a
    /// file of their own.
    Replay(ExportReplay),
    /// Check what a receiver stored: gaps, copies, what was cut, altered or forged
    Check(ExportCheck),
    /// Show the fingerprint of our certificate, for a receiver that pins it (RFC 5425)
    Certificate(ExportCertificate),
}

#[derive(Args)]
pub struct ExportTest {
    /// The receiver's name in daicho.toml
    pub destination: String,
}

#[derive(Args)]
pub struct ExportCertificate {
    /// The receiver's name in daicho.toml
    pub destination: String,
    /// Make a key and a certificate that nobody else vouches for, where client_key_file and
    /// client_certificate_file will be
    #[arg(long)]
    pub create: bool,
}

#[derive(Args)]
pub struct ExportReplay {
    /// The receiver's name in daicho.toml
    pub destination: String,
    /// The first entry
    #[arg(long, value_name = "SEQ")]
    pub from: u64,
    /// The last entry
    #[arg(long, value_name = "SEQ")]
    pub to: u64,
}

#[derive(Args)]
pub struct ExportCheck {
    /// The receiver's file: messages with their structured data, or daicho's own lines of JSON
    pub file: PathBuf,
    /// The log's verifier key: every signature is checked
    #[arg(long, value_name = "VKEY")]
    pub vkey: Option<String>,
    /// Compare with the ledger in --data too
    #[arg(long)]
    pub ledger: bool,
}

#[derive(Args)]
pub struct Scan {
    /// The scanned directory
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Report of any scanner that writes SARIF 2.1.0
    #[arg(long, value_name = "FILE")]
    pub sarif: PathBuf,
    /// The project's handle: findings of different projects never mix
    #[arg(long, default_value = "main")]
    pub project: String,
    /// The scanner looked at every file, although its report does not list them
    #[arg(long)]
    pub whole_project: bool,
    /// Who takes the report in
    #[arg(long, value_name = "ACTOR", default_value = "service:scanner")]
    pub by: String,
}

#[derive(Args)]
pub struct Findings {
    /// This grave or graver: info, low, medium, high, critical
    #[arg(long)]
    pub severity: Option<String>,
    /// Only these states (repeatable): open, verified, refuted, suppressed, merged, closed, reopened
    #[arg(long)]
    pub state: Vec<String>,
    #[arg(long)]
    pub project: Option<String>,
}

#[derive(Subcommand)]
pub enum Patch {
    /// Propose a unified diff for a finding, and ask for its approval
    Propose(PatchPropose),
    /// Apply an approved patch: once, to exactly the files it was approved for
    Apply(PatchApply),
}

#[derive(Args)]
pub struct PatchPropose {
    pub finding: String,
    #[arg(long, value_name = "FILE")]
    pub diff: PathBuf,
    /// The directory that the diff's paths begin in
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
    /// Who proposes, as user:s001; someone else has to approve
    #[arg(long, value_name = "ACTOR")]
    pub by: String,
}

#[derive(Args)]
pub struct PatchApply {
    pub approval: String,
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
    #[arg(long, value_name = "ACTOR", default_value = "service:operator")]
    pub by: String,
}

#[derive(Subcommand)]
pub enum Approvals {
    /// List approvals, oldest first; what waits with a masked preview, and what changed since the
    /// last draft of the same agent and tool
    List {
        /// Only this state: requested, granted, denied, expired
        #[arg(long)]
        state: Option<String>,
    },
    /// Show one, with what would be approved in full, and the difference to the last draft
    Show { approval: String },
    /// Approve, signed with your own SSH Ed25519 key
    #[command(visible_alias = "grant")]
    Approve(Decide),
    /// Deny, signed with your own SSH Ed25519 key
    Deny(Decide),
    /// Write the decisions as files that `ssh-keygen -Y verify` checks
    Evidence {
        approval: String,
        #[arg(long, short, value_name = "DIR")]
        output: PathBuf,
    },
}

#[derive(Args)]
pub struct Decide {
    pub approval: String,
    /// Who decides, as user:s002
    #[arg(long, value_name = "USER")]
    pub by: String,
    /// The decider's OpenSSH private key (Ed25519, or Ed25519 in FIDO hardware); its passphrase is
    /// asked for, or taken from DAICHO_KEY_PASSPHRASE
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Have the ssh-agent sign with the key that is registered for the decider, which is what
    /// happens without --key wherever there is an agent
    #[arg(long, conflicts_with = "key")]
    pub agent: bool,
    /// Why; sealed, not in the log
    #[arg(long)]
    pub reason: Option<String>,
}

#[derive(Subcommand)]
pub enum Users {
    List,
    /// Let a user act; with a key, approve
    Activate {
        /// Staff number or handle, never a name
        user: String,
        /// OpenSSH public key (Ed25519) that the user signs decisions with
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// End it
    Deactivate {
        user: String,
        /// left, moved, requested, incident
        #[arg(long, default_value = "requested")]
        reason: String,
    },
}

#[derive(Args)]
pub struct Mask {
    /// The text; standard input unless given. With --check any number of files and directories
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Show the text with what is found marked, and why: rule, evidence, replacement
    #[arg(long, conflicts_with_all = ["check", "ndjson"])]
    pub explain: bool,
    /// Look through files before they go into a knowledge base: how many finds of which rule
    /// at which lines, never the values. Exit 0: none; 1: something would be masked or
    /// blocked; 2: not every file could be read
    #[arg(long, conflicts_with = "ndjson", requires = "files")]
    pub check: bool,
    /// Read {"id","text"} lines, write {"id","verdict","masked","spans"} lines
    #[arg(long, conflicts_with = "files")]
    pub ndjson: bool,
}

#[derive(Subcommand)]
pub enum Agents {
    List,
    /// Let an agent speak; prints its token, once
    Register {
        agent: String,
        /// What it is for; its own handle unless given
        #[arg(long)]
        role: Option<String>,
        /// internal, mail, ec, personal, generated
        #[arg(long, visible_alias = "class", default_value = "internal")]
        data_class: String,
        /// Whose mail and calendar it reads: staff number or handle; their consent decides
        #[arg(long)]
        person: Option<String>,
        #[arg(long)]
        model: Option<String>,
        /// How long its token opens the door, as P90D; without end unless given
        #[arg(long, value_name = "PERIOD")]
        valid: Option<schemas::Period>,
    },
    /// Change what is known of an agent
    Set {
        agent: String,
        #[arg(long)]
        role: Option<String>,
        #[arg(long, visible_alias = "class")]
        data_class: Option<String>,
        #[arg(long)]
        person: Option<String>,
    },
    /// Give an agent a new token; the old one ends
    Token {
        agent: String,
        /// How long it opens the door, as P90D; without end unless given
        #[arg(long, value_name = "PERIOD")]
        valid: Option<schemas::Period>,
    },
    /// Stop an agent for now
    Suspend {
        agent: String,
        /// requested, incident, inactive, token_leaked, replaced, cleared
        #[arg(long, default_value = "requested")]
        reason: String,
    },
    /// Let a suspended agent speak again
    Release {
        agent: String,
        #[arg(long, default_value = "cleared")]
        reason: String,
    },
    /// Stop an agent for ever
    Retire {
        agent: String,
        #[arg(long, default_value = "requested")]
        reason: String,
    },
}

#[derive(Args)]
pub struct Demo {
    /// End when the day is over, instead of keeping the console open
    #[arg(long)]
    pub once: bool,
}
