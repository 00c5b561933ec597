use super::receiver::Receiver;
use super::upstream::{self, Scripted};
use crate::config::{self, Config};
use crate::outcome::Failure;
use crate::server::gateway::ProviderKey;
use crate::server::{self, Node};
use agents::gateway::Provider;
use agents::registry::Token;
use anyhow::Context;
use ledger::clock::SystemClock;
use ledger::{Layout, Submission};
use schemas::{Data, Event};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Longest time that the demo waits for anything.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// A ledger that is being served, a model, a SIEM: all of them on free ports of this host.
pub struct Stage {
    pub dir: PathBuf,
    pub node: Node,
    pub address: SocketAddr,
    pub model: Arc<Scripted>,
    pub siem: Receiver,
    pub tokens: BTreeMap<&'static str, Token>,
    runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
    served: Option<tokio::task::JoinHandle<()>>,
}

impl Stage {
    pub fn set() -> Result<Stage, Failure> {
        let dir = fresh_dir()?;
        ledger::create(&dir, "example.co.jp/daicho-demo", &SystemClock)?;
        config::write_default(&Layout::new(&dir))?;
        let siem = Receiver::start()?;
        let runtime = Runtime::new().context("no threads for the demo")?;
        let (listener, provider, model) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let provider = TcpListener::bind("127.0.0.1:0").await?;
            anyhow::Ok((listener, provider, Arc::new(Scripted::default())))
        })?;
        let provider_address = provider.local_addr()?;
        let routes = upstream::routes(Arc::clone(&model));
        runtime.spawn(async move { axum::serve(provider, routes).await });

        // What an operator would write into daicho.toml.
        let mut config: Config = toml::from_str(&format!(
            "[anthropic]\nbase_url = \"http://{provider_address}\"\n[report]\norganisation = \"株式会社サンプル商事\"\n\
             [[export]]\nname = \"parent-siem\"\ntransport = \"tcp\"\nhost = \"127.0.0.1\"\nport = {}\nhostname = \"ledger.example.co.jp\"\nenterprise_number = 99999\n",
            siem.port()
        ))?;
        config.complete();
        let key = ProviderKey::new("demo-provider-key")?;
        let grace = config.server.grace();
        let node = Node::open(&dir, config, [(Provider::Anthropic, key)].into())?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = node.clone();
        let served = runtime.spawn(async move {
            let until = async {
                let _ = stopped.await;
            };
            let _ = server::serve(listener, serving, grace, until).await;
        });
        Ok(Stage {
            dir,
            node,
            address,
            model,
            siem,
            tokens: BTreeMap::new(),
            runtime,
            stop: Some(stop),
            served: Some(served),
        })
    }

    /// Appends what people and services of the day do.
    pub fn record(&self, actor: &str, data: impl Into<Data>) -> Result<u64, Failure> {
        let event = Event::new(self.node.appender.new_id(), actor.parse()?, data);
        self.append(vec![event.into()])
    }

    /// Gives the first position, when the views have seen the last.
    pub fn append(&self, batch: Vec<Submission>) -> Result<u64, Failure> {
        let receipts = self.node.appender.append(batch)?;
        self.node.views.catch_up()?;
        receipts
            .first()
            .map(|receipt| receipt.seq)
            .ok_or_else(|| anyhow::anyhow!("nothing to append").into())
    }

    pub fn token(&self, agent: &str) -> Result<&str, Failure> {
        let token = self
            .tokens
            .get(agent)
            .with_context(|| format!("{agent} has no token"))?;
        Ok(token.reveal())
    }

    /// Sends a call to the gateway as an agent's client would. Gives status and body.
    pub fn call(&self, token: &str, body: &serde_json::Value) -> Result<(u16, String), Failure> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let request = client
            .post(format!("http://{}/anthropic/v1/messages", self.address))
            .header("x-api-key", token)
            .header("anthropic-version", "2023-06-01")
            .header("content-type", "application/json")
            .body(body.to_string());
        let answer = self.runtime.block_on(async {
            let answer = request.send().await?;
            let status = answer.status().as_u16();
            anyhow::Ok((status, answer.text().await?))
        })?;
        self.node.views.catch_up()?;
        Ok(answer)
    }

    pub fn wait_for_interrupt(&self) {
        let _ = self.runtime.block_on(tokio::signal::ctrl_c());
    }

    /// Closes everything and takes the directory away.
    pub fn strike(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(served) = self.served.take() {
            let _ = self.runtime.block_on(served);
        }
        let Stage {
            dir, node, runtime, ..
        } = self;
        drop(runtime);
        drop(node); // the ledger closes before its directory goes
        if let Some(scene) = dir.parent() {
            let _ = std::fs::remove_dir_all(scene);
        }
    }
}

fn fresh_dir() -> anyhow::Result<PathBuf> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).context("the system gives no randomness")?;
    let name = format!("daicho-demo-{}", hex::encode(random));
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    Ok(dir.join("daicho-data"))
}

/// Copies a ledger's directory without its secrets and working files.
pub fn copy_record(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    std::fs::copy(from.join("checkpoint"), to.join("checkpoint"))?;
    for part in ["log", "content"] {
        copy_tree(&from.join(part), &to.join(part))?;
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for item in std::fs::read_dir(from)? {
        let path = item?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_tree(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
