use schemas::Label;
use serde::{Deserialize, Serialize};

/// What the sender says a bundle is. Nobody signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub bundle: u8,
    pub chosen: Chosen,
}

impl Manifest {
    /// The `bundle` of every manifest.
    pub const VERSION: u8 = 1;

    pub fn of(chosen: Chosen) -> Manifest {
        Manifest {
            bundle: Self::VERSION,
            chosen,
        }
    }
}

/// Which entries are here, besides those that introduce a key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// Positions, both included.
    pub from: u64,
    pub to: u64,
    /// What they have in common, in the sender's words: for people, and without it every
    /// position has to be here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
}

impl Chosen {
    /// How many positions of the range are missing among these.
    pub fn missing(&self, positions: impl Iterator<Item = u64>) -> u64 {
        let here = positions.filter(|seq| (self.from..=self.to).contains(seq));
        let all = self.to.saturating_sub(self.from).saturating_add(1);
        all.saturating_sub(here.count() as u64)
    }
}

impl std::fmt::Display for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "positions {} to {}", self.from, self.to)?;
        match &self.only {
            // Whoever sent it may have put anything into it.
            Some(only) => write!(f, ", {}", Label::lossy(only).as_str()),
            None => Ok(()),
        }
    }
}
