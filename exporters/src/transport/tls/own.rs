//! The certificate that this side shows to a receiver that pins it (RFC 5425 §4.2).

use super::{Fingerprint, certificates};
use crate::transport::TransportError;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use std::path::Path;

/// What names a certificate: its SHA-256, and its SHA-1 for a receiver that knows no other.
pub struct Names {
    pub sha256: Fingerprint,
    pub sha1: Option<Fingerprint>,
}

/// Of the first certificate of a PEM file, the one that is shown.
pub fn names(file: &Path) -> Result<Names, TransportError> {
    let chain = certificates("the client certificate", file)?;
    let shown = chain.first().map(AsRef::as_ref).unwrap_or_default();
    Ok(Names {
        sha256: Fingerprint::sha256(shown),
        sha1: Fingerprint::sha1(shown),
    })
}

/// A certificate that nobody else vouches for, and its key: both PEM.
pub struct SelfSigned {
    pub certificate: String,
    pub key: String,
}

/// For those who have no authority (RFC 5425 §4.2.1): ECDSA over P-256. It does not expire, as
/// whoever pins it asks for no time.
pub fn self_signed(name: &str) -> Result<SelfSigned, rcgen::Error> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(SelfSigned {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}
