use crate::cli::{Cli, Serve};
use crate::config::Config;
use crate::door::address_file;
use crate::handles;
use crate::outcome::{Done, Failure, say};
use crate::server::{self, Node};
use agents::gateway::Provider;
use anyhow::Context;
use ledger::Layout;
use std::time::Duration;
use tokio::net::TcpListener;

/// For what runs beside the server's tasks, once these have ended.
const PARTING: Duration = Duration::from_secs(5);

pub fn run(cli: &Cli, args: &Serve) -> Done {
    let layout = Layout::new(&cli.data);
    let config = Config::load(&layout)?;
    handles::use_all();
    let runtime = tokio::runtime::Runtime::new().context("no threads for the server")?;
    // Before anything is written: a second start on the same port changes nothing.
    let listen = args.listen.as_ref().unwrap_or(&config.server.listen);
    let listener = runtime
        .block_on(TcpListener::bind(listen))
        .map_err(|error| {
            let error =
                anyhow::Error::new(error).context(format!("{listen} cannot be listened on"));
            Failure::new(
                error,
                "another program may use it: choose another with --listen or [server] listen",
            )
        })?;
    let (keys, without) = config.keys()?;
    if keys.is_empty() {
        eprintln!("note: the gateway is closed: {}", without.join("; "));
    }
    let grace = config.server.grace();
    let node = Node::open(&cli.data, config, keys)?;
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    std::fs::write(address_file(&layout), address.to_string())
        .context("serve.address cannot be written")?;
    // Before it is said that the server is there: who knows of it can also stop it.
    let stop = {
        let _runtime = runtime.enter();
        server::stop_signal()
    };
    say!("console  http://{address}/");
    for provider in node.providers() {
        match provider {
            Provider::Anthropic => say!("gateway  ANTHROPIC_BASE_URL=http://{address}/anthropic"),
            Provider::OpenAi => say!("gateway  OPENAI_BASE_URL=http://{address}/openai/v1"),
        }
    }
    say!("mcp      http://{address}/mcp");
    for name in node.mcp.names() {
        say!("mcp      http://{address}/mcp/{name}");
    }
    for listener in node.listeners.iter() {
        let over = if listener.is_tls() { "TLS" } else { "TCP" };
        let (name, at) = (&listener.source().name, listener.address());
        say!("ingest   {name}: syslog over {over} on {at}");
    }
    let done = runtime.block_on(server::serve(listener, node, grace, stop));
    // Rules that are still at work on a text would go on to their end.
    runtime.shutdown_timeout(PARTING);
    let _ = std::fs::remove_file(address_file(&layout));
    done
}
