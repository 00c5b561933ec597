use ledger::{Entry, Projection};
use schemas::{Data, DataClass, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every consent that was given and not withdrawn, as the log leaves it.
#[derive(Default, Serialize, Deserialize)]
pub struct Consents {
    /// By person and purpose.
    given: BTreeMap<(Name, Name), BTreeMap<DataClass, Consent>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Where it stands in the log.
    pub position: u64,
    pub given: Timestamp,
    /// Absent: until it is withdrawn.
    pub until: Option<Timestamp>,
}

impl Consent {
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Consents {
    /// Positions of what a person consents to now for one purpose, by class.
    pub fn in_force(
        &self,
        person: &Name,
        purpose: &Name,
        now: Timestamp,
    ) -> BTreeMap<DataClass, u64> {
        let of_both = self.given.get(&(person.clone(), purpose.clone()));
        let in_force = of_both.into_iter().flatten();
        in_force
            .filter(|(_, consent)| consent.is_in_force(now))
            .map(|(class, consent)| (*class, consent.position))
            .collect()
    }

    /// All that is not withdrawn: person, purpose, class.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Name, DataClass, &Consent)> {
        self.given.iter().flat_map(|((person, purpose), classes)| {
            classes
                .iter()
                .map(move |(class, consent)| (person, purpose, *class, consent))
        })
    }

    pub fn consent(&self, person: &Name, purpose: &Name, class: DataClass) -> Option<&Consent> {
        self.given
            .get(&(person.clone(), purpose.clone()))?
            .get(&class)
    }
}

impl Projection for Consents {
    const NAME: &'static str = "consents";
    const VERSION: u32 = 1;

    fn fold(&mut self, entry: &Entry) {
        match entry.data() {
            Data::ConsentGiven(fact) => {
                let key = (fact.subject.clone(), fact.purpose.clone());
                let consent = Consent {
                    position: entry.seq(),
                    given: entry.at(),
                    until: fact.until,
                };
                let classes = self.given.entry(key).or_default();
                classes.insert(fact.data_class, consent);
            }
            Data::ConsentWithdrawn(fact) => {
                let key = (fact.subject.clone(), fact.purpose.clone());
                if let Some(classes) = self.given.get_mut(&key) {
                    classes.remove(&fact.data_class);
                    if classes.is_empty() {
                        self.given.remove(&key);
                    }
                }
            }
            _ => {}
        }
    }
}
