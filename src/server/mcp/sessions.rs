use super::fault::Fault;
use super::remote::Remote;
use super::session::Session;
use super::streams::Streams;
use crate::config::{McpAt, McpName, McpServer};
use crate::mcp::{Asked, Child, Client, Ledger, Proxy, ToolServer, message};
use crate::outcome::Failure;
use crate::server::Node;
use crate::server::gateway::{UpstreamError, draft_state, tell};
use futures_util::future::BoxFuture;
use schemas::Name;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::{Semaphore, mpsc};

/// Sessions at a time: each may be a process.
const MOST_SESSIONS: u32 = 128;

const MOST_OF_ONE_AGENT: usize = 16;

/// What a program needs to run at all. Nothing else of our environment is for a tool server:
/// the providers' keys are in it.
const GIVEN: &str = "PATH HOME USER LANG LC_ALL TZ TMPDIR TEMP TMP SYSTEMROOT COMSPEC PATHEXT \
                     APPDATA LOCALAPPDATA USERPROFILE PROGRAMFILES PROGRAMDATA";

/// The tool servers that are configured, and who is at work with them.
pub struct Sessions {
    servers: BTreeMap<McpName, McpServer>,
    open: Mutex<HashMap<String, Arc<Session>>>,
    places: Arc<Semaphore>,
    stopping: AtomicBool,
}

impl Sessions {
    pub fn new(servers: BTreeMap<McpName, McpServer>) -> Sessions {
        Sessions {
            servers,
            open: Mutex::default(),
            places: Arc::new(Semaphore::new(MOST_SESSIONS as usize)),
            stopping: AtomicBool::new(false),
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.servers.keys().map(McpName::as_str)
    }

    pub fn server(&self, name: &str) -> Result<&McpServer, Fault> {
        self.servers.get(name).ok_or_else(Fault::no_server)
    }

    /// A session of this agent's own.
    pub fn session(&self, id: &str, agent: &Name, server: &str) -> Result<Arc<Session>, Fault> {
        let open = self.open();
        let session = open.get(id);
        let session = session.filter(|s| s.agent == *agent && s.server() == server);
        let session = session.ok_or_else(Fault::over)?;
        session.touch();
        Ok(Arc::clone(session))
    }

    /// Starts a tool server, and records that a session with it begins.
    pub async fn begin(
        self: &Arc<Self>,
        node: &Node,
        agent: Name,
        name: &str,
    ) -> Result<Arc<Session>, Fault> {
        let configured = self.server(name)?;
        self.make_room(&agent)?;
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Fault::too_many())?;
        let id = message::session().ok_or_else(|| Fault::no_start(name, &"no randomness"))?;
        let (server, said) = start(configured).map_err(|cause| Fault::no_start(name, &cause))?;
        let streams = Arc::new(Streams::default());
        let proxy = Proxy {
            name: name.to_owned(),
            session: id.clone(),
            directory: Value::Null,
            wait: configured.wait,
            ledger: Box::new(Here {
                node: node.clone(),
                agent: agent.clone(),
            }),
            client: Arc::clone(&streams) as Arc<dyn Client>,
            server,
            asked: Asked::default(),
        };
        if let Err(failure) = proxy.start().await {
            proxy.server.part(Duration::ZERO).await;
            return Err(Fault::unrecorded(&failure));
        }
        let session = Arc::new(Session::new(agent, streams, Arc::new(proxy)));
        self.open().insert(id.clone(), Arc::clone(&session));
        let (sessions, lives) = (Arc::clone(self), Arc::clone(&session));
        tokio::spawn(async move {
            lives.live(said).await;
            sessions.open().remove(&id);
            drop(place);
        });
        // A stop that came between saw no session yet.
        if self.stopping.load(Ordering::SeqCst) {
            session.leave();
            return Err(Fault::stopping());
        }
        Ok(session)
    }

    /// Clients go without a word: an agent's oldest session that waits for nothing makes way.
    fn make_room(&self, agent: &Name) -> Result<(), Fault> {
        let open = self.open();
        let own: Vec<_> = open.values().filter(|s| s.agent == *agent).collect();
        if own.len() < MOST_OF_ONE_AGENT {
            return Ok(());
        }
        let idle = own.iter().filter_map(|s| Some((s.idle_since()?, s)));
        let (_, oldest) = idle
            .min_by_key(|(since, _)| *since)
            .ok_or_else(Fault::too_many)?;
        oldest.leave();
        Ok(())
    }

    /// Every session ends. Their streams would keep the listener open.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for session in self.open().values() {
            session.leave();
        }
    }

    /// Waits until every end is recorded.
    pub async fn idle(&self) {
        let _all = self.places.acquire_many(MOST_SESSIONS).await;
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Started = (Arc<dyn ToolServer>, mpsc::Receiver<Value>);

fn start(server: &McpServer) -> anyhow::Result<Started> {
    match &server.at {
        McpAt::Command {
            program,
            arguments,
            env,
        } => {
            let mut command = Command::new(program);
            let given = GIVEN
                .split_whitespace()
                .chain(env.iter().map(String::as_str));
            let given = given.filter_map(|name| Some((name, std::env::var_os(name)?)));
            // What it prints may be anybody's data, and our own output is nobody's log of that.
            command
                .args(arguments)
                .env_clear()
                .envs(given)
                .stderr(Stdio::null());
            let (child, said) = Child::start(command)?;
            Ok((Arc::new(child), said))
        }
        McpAt::Url {
            url,
            key_env,
            key_file,
        } => {
            let (remote, said) = Remote::open(url, key_env.as_deref(), key_file.as_deref())?;
            Ok((Arc::new(remote), said))
        }
    }
}

/// Could a session begin, as far as can be seen without starting or asking anything? A key in
/// the environment is there for `serve` only.
pub fn check(server: &McpServer) -> Result<(), String> {
    match &server.at {
        McpAt::Command { program, .. } => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let endings: &[&str] = if cfg!(windows) { &["", ".exe"] } else { &[""] };
            // A path with a directory in it replaces what it is joined to, or is looked for here.
            let mut places: Vec<_> = std::env::split_paths(&path).collect();
            places.push(".".into());
            let found = places.iter().any(|dir| {
                let is_there = |end: &&str| dir.join(format!("{program}{end}")).is_file();
                endings.iter().any(is_there)
            });
            found
                .then_some(())
                .ok_or_else(|| format!("{program} is not found on the PATH"))
        }
        McpAt::Url {
            url,
            key_env,
            key_file,
        } => {
            let opened = Remote::open(url, key_env.as_deref(), key_file.as_deref());
            match opened {
                Ok(_) | Err(UpstreamError::NoKey(_)) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        }
    }
}

/// The ledger of this process, and the agent that is told of.
struct Here {
    node: Node,
    agent: Name,
}

impl Ledger for Here {
    fn tell(&self, told: Value) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(async move {
            let (node, agent) = (self.node.clone(), self.agent.clone());
            let told = tell(node, agent, agents::hooks::Client::Mcp, told).await;
            told.map_err(|why| Failure::msg(why, "the operator of daicho can tell more"))
        })
    }

    fn draft<'a>(&'a self, approval: &'a str) -> BoxFuture<'a, Option<String>> {
        let state = draft_state(&self.node, &self.agent, approval);
        Box::pin(async move { state.map(|state| state.to_string()) })
    }
}
