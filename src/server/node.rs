use super::api::Tries;
use super::gateway::{Gateway, ProviderKey, Side, Upstream};
use super::ingest::Listener;
use super::listen::Faults;
use super::mcp::Sessions;
use super::notify::Notify;
use super::reports::Reports;
use super::timestamps::Timestamps;
use super::witnesses::Witnesses;
use crate::commands::open_failed;
use crate::config::{self, Config};
use crate::door::{Door, append_failed};
use crate::keyring::Keyring;
use crate::masking::{self, Guard};
use crate::outcome::Failure;
use crate::policies::{self, InForce};
use crate::timestamp::Client;
use crate::views::Views;
use agents::gateway::{Provider, close_open_calls};
use exporters::forward::Forwarder;
use ledger::timestamp::Authority;
use ledger::{Appender, Layout, Reader};
use schemas::{Actor, Event, Hash, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// One running ledger: what every handler works with.
#[derive(Clone)]
pub struct Node {
    pub appender: Appender,
    pub reader: Reader,
    /// Opens the signing key, and makes the next.
    pub keyring: Arc<Keyring>,
    pub views: Arc<Views>,
    pub guard: Arc<Guard>,
    /// SHA-256 of the operator's token.
    pub operator: Hash,
    pub gateway: Arc<Gateway>,
    /// What clients did wrong before anybody knew them.
    pub connections: Arc<Faults>,
    /// Decisions that came to nothing.
    pub tries: Arc<Tries>,
    /// Tool servers, and who is at work with them.
    pub mcp: Arc<Sessions>,
    /// Of the providers whose key was given.
    upstreams: BTreeMap<Provider, Arc<Upstream>>,
    /// One per receiver of the log.
    pub forwarders: Arc<Vec<Forwarder>>,
    /// One per source of lines that is listened for.
    pub listeners: Arc<Vec<Listener>>,
    /// How approvers are told.
    pub notify: Arc<Notify>,
    /// How reports are made, and by which schedule.
    pub reports: Arc<Reports>,
    /// Absent when no policy is configured.
    pub witnesses: Option<Arc<Witnesses>>,
    /// Absent when no time-stamping authority is configured.
    pub timestamps: Option<Arc<Timestamps>>,
    /// Whose time stamps say that content may end.
    pub authority: Option<Arc<Authority>>,
    /// How long people have to decide.
    pub approvals: config::Approvals,
    pub protection: config::Protection,
    /// Held by whoever ends content or settles holds.
    pub keeping: Arc<Mutex<()>>,
}

impl Node {
    /// Opens a ledger to serve it: adopts the configuration's policies, ends the calls that
    /// an earlier process left open, begins to forward.
    pub fn open(
        data: &Path,
        config: Config,
        keys: BTreeMap<Provider, ProviderKey>,
    ) -> Result<Node, Failure> {
        let layout = Layout::new(data);
        // Before anything is written: a port that is in use changes nothing.
        let listeners = config.ingest.iter().map(|one| Listener::bind(one, data));
        let listeners = listeners.filter_map(Result::transpose);
        let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
        let keyring = Arc::new(Keyring::of(data));
        let (appender, reader) = ledger::open(data, keyring.options()).map_err(open_failed)?;
        let operator = config::operator_digest(&layout)?;
        let views = Arc::new(Views::open(reader.clone())?);
        let door = Door::Here(appender.clone());
        views.name_persons(&door);
        let settled = views
            .policies
            .read(|policies| policies::settle(policies, &reader, config, &door))?;
        settled.tell();
        let (config, mut batch) = (settled.config, settled.batch);
        let masker = Arc::new(masking::in_force(&reader, &views, &config)?);
        batch.extend(views.open_calls.read(close_open_calls));
        appender.append(batch).map_err(append_failed)?;
        views.catch_up()?;

        let mut upstreams = BTreeMap::new();
        for (provider, key) in keys {
            let upstream = config.upstream(provider).open(provider, key)?;
            upstreams.insert(provider, Arc::new(upstream));
        }
        let rules = InForce::new(
            reader.clone(),
            &views,
            masking::tag_key(&layout)?,
            Arc::clone(&masker),
            config.classes,
            config.limits,
        );
        let gateway = Gateway::new(appender.clone(), rules, Arc::clone(&views), config.gateway);
        let gateway = Arc::new(gateway);
        let mcp = Arc::new(Sessions::new(config.mcp));
        let notify = Arc::new(Notify::open(config.notify, data)?);
        let reports = Reports::open(config.report, &config.timestamp, data)?;
        let witnesses = Witnesses::open(config.witness, data, &reader)?.map(Arc::new);
        let timestamps = Timestamps::open(&config.timestamp, data, &reader)?.map(Arc::new);
        let authority = Client::open(&config.timestamp, data)?;
        let authority = authority.map(|client| Arc::new(client.authority));
        let mut forwarders = Vec::new();
        for destination in config.export {
            let name = destination.name().clone();
            let record = record_export(appender.clone());
            let forwarder =
                Forwarder::start(destination, reader.clone(), data, record).map_err(|error| {
                    Failure::new(
                        error,
                        format!("correct [[export]] {name}, or see `daicho verify`"),
                    )
                })?;
            forwarders.push(forwarder);
        }
        let clock = appender.clone();
        let guard = Arc::new(Guard::new(masker, move || clock.now()));
        let forwarders = Arc::new(forwarders);
        Ok(Node {
            appender,
            reader,
            keyring,
            views,
            guard,
            operator,
            gateway,
            connections: Arc::default(),
            tries: Arc::default(),
            mcp,
            upstreams,
            forwarders,
            listeners: Arc::new(listeners),
            notify,
            reports: Arc::new(reports),
            witnesses,
            timestamps,
            authority,
            approvals: config.approvals,
            protection: config.protection,
            keeping: Arc::default(),
        })
    }

    /// Digests are compared, so that the time taken tells nothing about the token.
    pub fn is_operator(&self, token: &str) -> bool {
        Hash(Sha256::digest(token.trim()).into()) == self.operator
    }

    /// The log's time: the host's clock, or the newest entry where that is behind. Deadlines are
    /// measured by it, as every fold does.
    pub fn now(&self) -> Timestamp {
        self.appender.now().max(self.reader.head().at)
    }

    pub fn providers(&self) -> impl Iterator<Item = Provider> {
        self.upstreams.keys().copied()
    }

    /// The gateway as this provider, if there is a key for it.
    pub fn side(&self, provider: Provider) -> Option<Side> {
        let upstream = self.upstreams.get(&provider)?;
        Some(Side::new(Arc::clone(&self.gateway), Arc::clone(upstream)))
    }

    /// Why nothing is acknowledged at the moment although the ledger could record it.
    pub fn withheld(&self) -> Option<&'static str> {
        let stops = self.witnesses.as_ref().is_some_and(|w| w.stops());
        stops.then_some("the quorum of witnesses is missed, and without it nothing is acknowledged")
    }
}

/// Puts on record what a receiver could not be given as it is.
fn record_export(appender: Appender) -> exporters::forward::Record {
    let actor = Actor::Service("export".parse().expect("a literal name is sound"));
    Box::new(move |degraded| {
        let event = Event::new(appender.new_id(), actor.clone(), degraded);
        // Sending goes on: a ledger that takes nothing more says so itself, and louder.
        if let Err(error) = appender.append(vec![event.into()]) {
            tracing::error!("export.degraded is not recorded: {error}");
        }
    })
}
