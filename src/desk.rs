use crate::config::Config;
use crate::door::{Door, append_failed};
use crate::masking;
use crate::outcome::Failure;
use crate::policies;
use crate::views::Views;
use agents::masking::Masker;
use ledger::{Layout, Reader, Receipt, Submission};
use schemas::Timestamp;
use std::path::{Path, PathBuf};

/// Where a command works that reads, concludes and appends.
pub struct Desk {
    data: PathBuf,
    pub config: Config,
    pub door: Door,
    pub reader: Reader,
    pub views: Views,
}

impl Desk {
    pub fn open(data: &Path) -> Result<Desk, Failure> {
        let config = Config::load(&Layout::new(data))?;
        let (door, reader) = Door::open(data)?;
        let views = Views::open(reader.clone())?;
        views.name_persons(&door);
        let mut desk = Desk {
            data: data.to_owned(),
            config: Config::default(),
            door,
            reader,
            views,
        };
        let settled = desk
            .views
            .policies
            .read(|p| policies::settle(p, &desk.reader, config, &desk.door))?;
        settled.tell();
        desk.config = settled.config;
        if !settled.batch.is_empty() {
            desk.append(settled.batch)?;
        }
        Ok(desk)
    }

    /// The log's time: the host's clock, or the newest entry where that is behind. Deadlines are
    /// measured by it, as every fold does.
    pub fn now(&self) -> Timestamp {
        self.door.now().max(self.reader.head().at)
    }

    /// The masking rules in force, with the roster beside them.
    pub fn masker(&self) -> Result<Masker, Failure> {
        let masker = masking::in_force(&self.reader, &self.views, &self.config)?;
        Ok(masker.at(self.now()))
    }

    /// Appends, and shows the views what was appended.
    pub fn append(&mut self, batch: Vec<Submission>) -> Result<Vec<Receipt>, Failure> {
        let receipts = self.door.append(batch).map_err(append_failed)?;
        self.refresh()?;
        Ok(receipts)
    }

    fn refresh(&mut self) -> Result<(), Failure> {
        if let Door::Server { .. } = self.door {
            // A reader beside the server sees what was there when it was opened.
            self.reader = Reader::open(&self.data).map_err(crate::commands::open_failed)?;
            self.views = Views::open(self.reader.clone())?;
        }
        self.views.catch_up()?;
        Ok(())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.views.save();
    }
}
