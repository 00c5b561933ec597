use crate::door::Door;
use crate::outcome::Failure;
use crate::policies::Policies;
use crate::reports::IssuedReports;
use agents::approvals::draft::Drafts;
use agents::approvals::view::Approvals;
use agents::classes::Consents;
use agents::gateway::{OpenCalls, Sessions};
use agents::hooks::Witnesses;
use agents::limits::Spent;
use agents::registry::Agents;
use agents::retention::seen::SeenTime;
use agents::scanner::findings::Findings;
use ledger::query::Positions;
use ledger::{Buckets, Index, IndexError, Reader, View};
use schemas::Hash;
use std::sync::Arc;

/// Every projection that the program reads from, kept current by one index.
pub struct Views {
    index: Arc<Index>,
    pub positions: View<Positions>,
    pub policies: View<Policies>,
    pub findings: View<Findings>,
    pub approvals: View<Approvals>,
    pub drafts: View<Drafts>,
    pub tool_uses: View<Witnesses>,
    pub agents: View<Agents>,
    pub open_calls: View<OpenCalls>,
    pub sessions: View<Sessions>,
    pub consents: View<Consents>,
    pub spent: View<Spent>,
    pub buckets: View<Buckets>,
    pub seen: View<SeenTime>,
    pub issued: View<IssuedReports>,
}

impl Views {
    /// Opens the index beside the log and folds in what is new.
    pub fn open(reader: Reader) -> Result<Views, Failure> {
        let help = "delete the directory `index`: it is built again from the log";
        let mut index = Index::open(reader).map_err(|error| Failure::new(error, help))?;
        let views = Views {
            positions: index.add(),
            policies: index.add(),
            findings: index.add(),
            approvals: index.add(),
            drafts: index.add(),
            tool_uses: index.add(),
            agents: index.add(),
            open_calls: index.add(),
            sessions: index.add(),
            consents: index.add(),
            spent: index.add(),
            buckets: index.add(),
            seen: index.add(),
            issued: index.add(),
            index: Arc::new(index),
        };
        for notice in views.index.notices() {
            eprintln!("note: {notice}");
        }
        views
            .index
            .catch_up()
            .map_err(|error| Failure::new(error, "run `daicho verify`"))?;
        Ok(views)
    }

    /// Has a ledger that is held here know for whom each agent acts: what it seals for them is
    /// theirs, and can be erased alone. Asked of all that the log holds by then, however far behind
    /// the views are.
    pub fn name_persons(&self, door: &Door) {
        let Door::Here(appender) = door else { return };
        let (agents, index) = (self.agents.clone(), Arc::clone(&self.index));
        appender.acting_for(move |actor| {
            index.catch_up().map_err(|error| error.to_string())?;
            Ok(agents.read(|agents| agents.agent(actor.id())?.person.clone()))
        });
    }

    /// False when another process holds the store and this one works from memory.
    pub fn is_kept(&self) -> bool {
        self.index.is_kept()
    }

    /// How many entries every view knows.
    pub fn reached(&self) -> u64 {
        self.index.reached()
    }

    /// Whether the log holds nothing that any view does not know.
    pub fn are_current(&self) -> bool {
        self.index.is_current()
    }

    pub fn catch_up(&self) -> Result<u64, IndexError> {
        self.index.catch_up()
    }

    /// Keeps what was folded for the next start. A failure costs time then, nothing else.
    pub fn save(&self) {
        if let Err(error) = self.index.save() {
            tracing::warn!(%error, "the index was not saved");
        }
    }

    pub fn digests(&self) -> Result<Vec<(&'static str, u64, Hash)>, IndexError> {
        self.index.digests()
    }
}
