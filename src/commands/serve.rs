use crate::cli::{Cli, Serve};
use crate::commands::open_failed;
use crate::config::{self, Config};
use crate::door::address_file;
use crate::outcome::{Done, Failure};
use crate::server::{self, Node};
use crate::views::Views;
use anyhow::Context;
use exporters::forward::Forwarder;
use ledger::{Layout, Options};
use std::sync::Arc;
use tokio::net::TcpListener;

pub fn run(cli: &Cli, args: &Serve) -> Done {
    let layout = Layout::new(&cli.data);
    let config = Config::load(&layout)?;
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
    let (appender, reader) = ledger::open(&cli.data, Options::default()).map_err(open_failed)?;
    let views = Arc::new(Views::open(reader.clone())?);
    let operator = config::operator_digest(&layout)?;
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    std::fs::write(address_file(&layout), address.to_string())
        .context("serve.address cannot be written")?;
    println!("console  http://{address}/");
    println!("gateway  ANTHROPIC_BASE_URL=http://{address}/anthropic");
    let mut forwarders = Vec::new();
    for destination in config.export {
        let name = destination.name().clone();
        let forwarder =
            Forwarder::start(destination, reader.clone(), &cli.data).map_err(|error| {
                Failure::new(
                    error,
                    format!("correct [[export]] {name}, or see `daicho verify`"),
                )
            })?;
        forwarders.push(forwarder);
    }
    let node = Node {
        appender,
        reader,
        views,
        operator,
        forwarders: Arc::new(forwarders),
    };
    let done = runtime.block_on(server::serve(listener, node));
    let _ = std::fs::remove_file(address_file(&layout));
    done
}
