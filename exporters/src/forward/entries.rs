//! The log's entries one after the other, each with what names the one before it.

use crate::format::{Before, Form};
use ledger::{Entry, ReadError, Reader};

pub(super) struct Entries<'a> {
    reader: &'a Reader,
    /// Whether the messages name the event before.
    named: bool,
    /// The newest that was read.
    last: Option<(u64, Before)>,
}

impl Entries<'_> {
    pub fn of<'a>(reader: &'a Reader, form: &Form) -> Entries<'a> {
        Entries {
            reader,
            named: form.names_before(),
            last: None,
        }
    }

    pub fn entry(&mut self, seq: u64) -> Result<(Entry, Option<Before>), ReadError> {
        let before = match seq.checked_sub(1) {
            Some(before) if self.named => Some(self.name(before)?),
            _ => None,
        };
        let entry = self.reader.entry(seq)?;
        self.last = Some((seq, Before::of(&entry)));
        Ok((entry, before))
    }

    fn name(&self, seq: u64) -> Result<Before, ReadError> {
        match self.last {
            Some((last, name)) if last == seq => Ok(name),
            _ => Ok(Before::of(&self.reader.entry(seq)?)),
        }
    }
}
