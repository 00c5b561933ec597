//! Every kind of event, by family. A kind's struct says what its `data` holds: machine-made
//! values only, no personal data and no prompt text; what people write is sealed content.
//!
//! To add a kind: a struct in its family's file, a line in `data.rs`, and
//! `UPDATE_SCHEMAS=1 cargo test -p daicho-schemas` writes its JSON Schema.

/// Declares the data of kinds: every field known, absent fields left out.
macro_rules! facts {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        #[serde_with::skip_serializing_none]
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        $(#[$meta])*
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }
    )*};
}

/// Declares a closed list of words, written in snake_case.
macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident,)* })*) => {$(
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        $(#[$meta])*
        pub enum $name { $($(#[$variant_meta])* $variant,)* }

        impl $name {
            pub const ALL: &[$name] = &[$($name::$variant),*];
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                serde::Serialize::serialize(self, f)
            }
        }
    )*};
}

pub mod acting;
pub mod agents;
pub mod defence;
pub mod hooks;
pub mod ledger;
pub mod people;
pub mod records;
pub mod rules;
pub mod scanner;
pub mod secrets;
pub mod traffic;
