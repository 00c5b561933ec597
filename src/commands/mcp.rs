//! An MCP tool server behind daicho, on standard input and output.

mod prompt;

use crate::cli::Mcp;
use crate::mcp::message::{self, Message, next_line};
use crate::mcp::{Asked, Child, Client, Ledger, Proxy, ToolServer};
use crate::outcome::{Done, Failure, Outcome};
use crate::tell::Server;
use anyhow::{Context, anyhow};
use futures_util::future::BoxFuture;
use prompt::Prompt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader, Stdout};
use tokio::process::Command;
use tokio::sync::{Mutex, mpsc};

/// For one answer of `daicho serve`.
const TIMEOUT_SECONDS: u64 = 25;

/// What a server that was left may take to end by itself.
const PARTING: Duration = Duration::from_secs(5);

pub fn run(args: &Mcp) -> Done {
    if !message::is_name(&args.name) {
        let help = "letters, digits, `-` and `_`, 64 at most, and no `__`";
        return Err(Failure::msg("--name is no name of a server", help));
    }
    let daicho = Server::at(&args.url, &args.token_env, TIMEOUT_SECONDS)?;
    let runtime = tokio::runtime::Runtime::new().context("no threads")?;
    let done = runtime.block_on(between(args, daicho));
    // The client may still hold standard input open, and nobody reads it any more.
    runtime.shutdown_background();
    done
}

async fn between(args: &Mcp, daicho: Server) -> Done {
    let there = There(Arc::new(daicho));
    let prompt = match args.permission_prompt {
        true => Some(Arc::new(Prompt::open(there.clone()).await?)),
        false => None,
    };
    let (server, hear) = start(args)?;
    let server = Arc::new(server);
    let output = Arc::new(Output {
        to: Mutex::new(tokio::io::stdout()),
        prompt: prompt.clone(),
    });
    let proxy = Arc::new(Proxy {
        name: args.name.clone(),
        session: message::session().context("the system gives no randomness")?,
        directory: std::env::current_dir().map_or(Value::Null, |dir| json!(dir.to_string_lossy())),
        wait: Duration::from_secs(args.wait),
        ledger: Box::new(there),
        client: Arc::clone(&output) as Arc<dyn Client>,
        server: Arc::clone(&server) as Arc<dyn ToolServer>,
        asked: Asked::default(),
    });
    if let Err(failure) = proxy.start().await {
        server.part(Duration::ZERO).await;
        return Err(failure);
    }
    tokio::spawn(read_client(Arc::clone(&proxy), output));
    proxy.hear(hear).await;
    // Who says nothing any more has ended, or might as well have.
    server.part(PARTING).await;
    let ended = server.ended().await;
    proxy.server_ended().await;
    if let Err(failure) = proxy.end().await {
        eprintln!("warning: the end was not recorded: {:#}", failure.fault);
    }
    match ended {
        Ok(status) if status.success() => Ok(Outcome::Well),
        Ok(status) => Err(Failure::msg(
            format!("the tool server ended with {status}"),
            "see what it printed",
        )),
        Err(error) => Err(anyhow!(error).into()),
    }
}

fn start(args: &Mcp) -> Result<(Child, mpsc::Receiver<Value>), Failure> {
    let (program, arguments) = args.command.split_first().context("no COMMAND")?;
    let mut command = Command::new(program);
    command.args(arguments);
    // Whoever holds the token speaks as the agent.
    command.env_remove(&args.token_env);
    Child::start(command).map_err(|error| {
        let fault = anyhow!(error).context(format!("{} cannot be started", program.display()));
        Failure::new(fault, "give the program's path after `--`")
    })
}

async fn read_client(proxy: Arc<Proxy>, output: Arc<Output>) {
    let mut from = BufReader::new(tokio::io::stdin());
    while let Ok(Some(line)) = next_line(&mut from).await {
        let message = Message::of_client(&line);
        let prompt = output.prompt.as_ref();
        match prompt.and_then(|prompt| Some((prompt, prompt.question(&message)?))) {
            None => proxy.client_says(message).await,
            Some((prompt, question)) => {
                let (prompt, output) = (Arc::clone(prompt), Arc::clone(&output));
                tokio::spawn(async move { output.send(prompt.answer(question).await).await });
            }
        }
    }
    // The client has gone: so may the server, in its own time.
    proxy.server.part(PARTING).await;
}

/// The ledger behind a running `daicho serve`.
#[derive(Clone)]
struct There(Arc<Server>);

impl There {
    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Server) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let server = Arc::clone(&self.0);
        let asked = tokio::task::spawn_blocking(move || ask(&server));
        asked.await.context("the question did not end")?
    }

    async fn say(&self, message: Value) -> Result<Value, Failure> {
        self.ask(move |server| server.say(&message)).await
    }
}

impl Ledger for There {
    fn tell(&self, told: Value) -> BoxFuture<'_, Result<Value, Failure>> {
        let told = told.to_string();
        Box::pin(async move {
            let answer = self.ask(move |server| server.tell("/hooks/mcp", told.as_bytes()));
            Ok(serde_json::from_str(&answer.await?)?)
        })
    }

    fn draft<'a>(&'a self, approval: &'a str) -> BoxFuture<'a, Option<String>> {
        let path = format!("/hooks/mcp/drafts/{approval}");
        Box::pin(async move {
            let answer = self.ask(move |server| server.get(&path)).await.ok()?;
            let answer: Value = serde_json::from_str(&answer).ok()?;
            answer["state"].as_str().map(str::to_owned)
        })
    }
}

/// The client, on standard output.
struct Output {
    to: Mutex<Stdout>,
    prompt: Option<Arc<Prompt>>,
}

impl Client for Output {
    fn send(&self, mut message: Value) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(prompt) = &self.prompt {
                prompt.offer(&mut message);
            }
            let line = format!("{message}\n");
            let mut output = self.to.lock().await;
            let _ = output.write_all(line.as_bytes()).await;
            let _ = output.flush().await;
        })
    }
}
