//! Notices of the data by others that is inside the program: their licences ask that they go
//! with every copy, and a copy may be the program's file alone.

/// A notice, and the data that it is of.
pub struct Notice {
    pub of: &'static str,
    pub text: &'static str,
}

/// To add data by others: its file, its notice beside it, a line here. Data that comes with a
/// library has its notice in `notices/`, as the library's package has it.
pub const NOTICES: [Notice; 5] = [
    Notice {
        of: "Names, words and places of the masking rules",
        text: include_str!("masking/lexicon/NOTICE"),
    },
    Notice {
        of: "Forms of credentials, gitleaks.toml (https://github.com/gitleaks/gitleaks)",
        text: include_str!("masking/rules/secret/gitleaks.LICENSE"),
    },
    Notice {
        of: "CMap resources, by which the text of PDFs is read (hayro-cmap)",
        text: include_str!("notices/cmaps.LICENSE"),
    },
    Notice {
        of: "Fonts of PDFium, in the reader of PDFs (hayro-font)",
        text: include_str!("notices/fonts.LICENSE"),
    },
    Notice {
        of: "Certificates of public authorities (webpki-roots)",
        text: include_str!("notices/roots.LICENSE"),
    },
];
