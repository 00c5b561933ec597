use std::fmt;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// How a command ended, when it could be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Exit code 0: all is well.
    Well,
    /// Exit code 1: the check found something wrong.
    Wrong,
}

/// Exit code 2: it could not be done. Says what is at fault and what to do.
#[derive(Debug)]
pub struct Failure {
    pub fault: anyhow::Error,
    pub help: Option<String>,
}

impl Failure {
    pub fn new(fault: impl Into<anyhow::Error>, help: impl Into<String>) -> Failure {
        Failure {
            fault: fault.into(),
            help: Some(help.into()),
        }
    }

    pub fn msg(
        fault: impl fmt::Display + fmt::Debug + Send + Sync + 'static,
        help: impl Into<String>,
    ) -> Failure {
        Failure {
            fault: anyhow::Error::msg(fault),
            help: Some(help.into()),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(fault: E) -> Failure {
        Failure {
            fault: fault.into(),
            help: None,
        }
    }
}

pub type Done = Result<Outcome, Failure>;

/// Prints the fault with its causes, then the remedy, and gives the exit code.
pub fn exit(done: Done) -> ExitCode {
    match done {
        Ok(Outcome::Well) => ExitCode::SUCCESS,
        Ok(Outcome::Wrong) => ExitCode::from(1),
        Err(failure) if is_broken_pipe(&failure) => ExitCode::SUCCESS,
        Err(failure) => {
            let help = failure.help.as_deref().unwrap_or(remedy(&failure.fault));
            // Nobody may be listening, which is no reason to panic.
            let _ = writeln!(
                std::io::stderr(),
                "error: {:#}\nhelp:  {help}",
                failure.fault
            );
            ExitCode::from(2)
        }
    }
}

/// A line of output. Where nobody reads on (`daicho findings | head`), the command is over:
/// `println!` would panic.
macro_rules! say {
    ($($text:tt)*) => { $crate::outcome::print_line(format_args!($($text)*)) };
}
pub(crate) use say;

pub fn print_line(text: fmt::Arguments<'_>) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        // What was acknowledged is durable; there is nobody to tell anything more.
        std::process::exit(0);
    }
}

/// What to do about a fault that says no more than its causes do.
fn remedy(fault: &anyhow::Error) -> &'static str {
    let io = fault.chain().find_map(|cause| cause.downcast_ref());
    match io.map(std::io::Error::kind) {
        Some(ErrorKind::NotFound) => "check the path",
        Some(ErrorKind::PermissionDenied) => "check who owns it and who may do this",
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => "free space and try again",
        Some(_) => "see the cause, which is the system's own",
        None => "the command's --help says what it takes",
    }
}

/// Whoever read our output has seen enough (`daicho events | head`).
fn is_broken_pipe(failure: &Failure) -> bool {
    let io = failure.fault.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
