use exporters::bundle::{Trust, check as check_bundle, zip};
use std::collections::BTreeMap;

/// What is read of a zip writes the same zip again; what is wrong in a bundle leaves nothing
/// proven.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(members) = zip::read(bytes) else {
        return false;
    };
    let owned = members
        .into_iter()
        .map(|(name, bytes)| (name, bytes.to_vec()));
    let owned: BTreeMap<_, _> = owned.collect();
    assert_eq!(zip::write(&owned).as_deref(), Ok(bytes));
    let report = check_bundle(bytes, &Trust::default());
    assert_eq!(report.proven.is_empty(), !report.is_sound());
    report.is_sound()
}
