//! Notices of the data by others that is inside the program: their licences ask that they go
//! with every copy, and a copy may be the program's file alone.

/// A notice, and the data that it is of.
pub struct Notice {
    pub of: &'static str,
    pub text: &'static str,
}

/// To add data by others: its file, its notice beside it, a line here.
pub const NOTICES: [Notice; 2] = [
    Notice {
        of: "Names, words and places of the masking rules",
        text: include_str!("masking/lexicon/NOTICE"),
    },
    Notice {
        of: "Forms of credentials, gitleaks.toml (https://github.com/gitleaks/gitleaks)",
        text: include_str!("masking/rules/secret/gitleaks.LICENSE"),
    },
];
