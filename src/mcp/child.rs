//! A tool server as a child process: a message on each line of its standard input and output.

use super::ToolServer;
use super::message::next_line;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::time::timeout;

/// Messages of a server that are read ahead.
const AHEAD: usize = 16;

pub struct Child {
    /// `None` once it was left.
    input: Mutex<Option<ChildStdin>>,
    ended: watch::Receiver<Option<Ended>>,
    kill: Arc<Notify>,
}

type Ended = Result<ExitStatus, Arc<io::Error>>;

impl Child {
    /// Starts a program, and reads what it says. Who drops the receiver hears no more; the
    /// program ends at the latest with this process.
    pub fn start(mut command: Command) -> io::Result<(Child, mpsc::Receiver<Value>)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or(io::ErrorKind::BrokenPipe)?;
        let (said, hear) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            if let Err(error) = read(output, said).await {
                tracing::warn!(%error, "the tool server's output cannot be read on");
            }
        });
        let (end, ended) = watch::channel(None);
        let kill = Arc::new(Notify::new());
        let told = Arc::clone(&kill);
        tokio::spawn(async move {
            let status = tokio::select! {
                status = child.wait() => status,
                () = told.notified() => {
                    let _ = child.start_kill();
                    child.wait().await
                }
            };
            end.send_replace(Some(status.map_err(Arc::new)));
        });
        let child = Child {
            input: Mutex::new(input),
            ended,
            kill,
        };
        Ok((child, hear))
    }

    /// How it ended, once it has.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(status)) => status.clone(),
            Ok(None) | Err(_) => Err(Arc::new(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

impl ToolServer for Child {
    fn send(&self, message: Value) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut line = message.to_string();
            line.push('\n');
            if let Some(input) = &mut *self.input.lock().await {
                // One that does not listen any more is about to end.
                let _ = input.write_all(line.as_bytes()).await;
                let _ = input.flush().await;
            }
        })
    }

    fn part(&self, patience: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // One that reads nothing holds up who writes to it: it is not waited for.
            let leave = async {
                self.input.lock().await.take();
                self.ended().await
            };
            if timeout(patience, leave).await.is_err() {
                self.kill.notify_one();
            }
        })
    }

    fn gone(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move { drop(self.ended().await) })
    }
}

async fn read(output: ChildStdout, said: mpsc::Sender<Value>) -> io::Result<()> {
    let mut output = BufReader::new(output);
    while let Some(line) = next_line(&mut output).await? {
        let Ok(message) = serde_json::from_slice(&line) else {
            tracing::warn!("the tool server wrote what is no message; it was left out");
            continue;
        };
        if said.send(message).await.is_err() {
            break;
        }
    }
    Ok(())
}
