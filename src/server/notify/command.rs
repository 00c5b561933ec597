//! A program of the operator's own, with one JSON object on its standard input; exit code 0 is
//! taken as delivered. It sees little of the server's surroundings: keys lie there.

use super::{Channel, NotSent};
use std::io::Write;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub struct Command {
    program: String,
    arguments: Vec<String>,
    timeout: Duration,
}

/// What a program needs to find others and its own; provider keys are not among it.
const SURROUNDINGS: [&str; 8] = [
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "TMPDIR",
    "TEMP",
    "SystemRoot",
    "PATHEXT",
];

const LOOK_AT_CHILD: Duration = Duration::from_millis(20);

impl Command {
    /// `None` where none is configured.
    pub fn open(command: &[String], timeout: Duration) -> Option<Command> {
        let (program, arguments) = command.split_first()?;
        Some(Command {
            program: program.clone(),
            arguments: arguments.to_vec(),
            timeout,
        })
    }

    fn start(&self) -> std::io::Result<Child> {
        let kept = SURROUNDINGS
            .iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        std::process::Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(kept)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    }
}

impl Channel for Command {
    fn send(&self, message: &[u8], stop: &AtomicBool) -> Result<(), NotSent> {
        let failed = |why: String| NotSent::Failed(why);
        let mut child = self
            .start()
            .map_err(|error| failed(format!("{} cannot be started: {error}", self.program)))?;
        if let Some(mut stdin) = child.stdin.take() {
            let message = message.to_vec();
            // One that does not read keeps nobody waiting, and its exit code says what it thought.
            std::thread::spawn(move || drop(stdin.write_all(&message)));
        }
        let deadline = Instant::now() + self.timeout;
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(failed(format!("it ended with {status}"))),
                Ok(None) => {}
                Err(error) => return Err(failed(error.to_string())),
            }
            let stopped = stop.load(Ordering::Relaxed);
            if stopped || Instant::now() >= deadline {
                let _ = child.kill();
                let _ = child.wait();
                return Err(match stopped {
                    true => NotSent::Stopped,
                    false => failed(format!("it ran longer than {:?}", self.timeout)),
                });
            }
            std::thread::sleep(LOOK_AT_CHILD);
        }
    }
}
