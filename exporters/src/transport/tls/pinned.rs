//! A receiver known by its certificate alone (RFC 5425 §4.2.2): no authority, no name, no expiry.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A hash of a certificate's DER, written `sha-256:AB:CD:…` or `sha-1:AB:CD:…`.
///
/// RFC 5425 obliges both sides to know SHA-1, and receivers of its time show nothing else, so it is
/// taken, with a warning that names the SHA-256. Nobody can make a certificate for another's SHA-1;
/// two that share one can be made, by whoever makes both. Such a pair shows in either
/// (counter-cryptanalysis, Stevens 2013), and is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fingerprint {
    Sha256([u8; 32]),
    Sha1([u8; 20]),
}

const SHA_256: &str = "sha-256:";
const SHA_1: &str = "sha-1:";

impl Fingerprint {
    pub fn sha256(certificate: &[u8]) -> Fingerprint {
        Fingerprint::Sha256(Sha256::digest(certificate).into())
    }

    /// `None` for one that is made to share its SHA-1 with another.
    pub fn sha1(certificate: &[u8]) -> Option<Fingerprint> {
        let hash = sha1_checked::Sha1::try_digest(certificate);
        (!hash.has_collision()).then(|| Fingerprint::Sha1((*hash.hash()).into()))
    }
}

impl FromStr for Fingerprint {
    type Err = ();

    fn from_str(text: &str) -> Result<Fingerprint, ()> {
        if let Some(pairs) = text.strip_prefix(SHA_256) {
            return pairs_of(pairs).map(Fingerprint::Sha256);
        }
        pairs_of(text.strip_prefix(SHA_1).ok_or(())?).map(Fingerprint::Sha1)
    }
}

fn pairs_of<const BYTES: usize>(text: &str) -> Result<[u8; BYTES], ()> {
    let pairs: Vec<&str> = text.split(':').collect();
    let hex = pairs.iter().all(|pair| pair.len() == 2);
    let mut bytes = [0; BYTES];
    if pairs.len() != BYTES || !hex {
        return Err(());
    }
    hex::decode_to_slice(pairs.concat(), &mut bytes).map_err(|_| ())?;
    Ok(bytes)
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (label, bytes) = match self {
            Fingerprint::Sha256(bytes) => (SHA_256, &bytes[..]),
            Fingerprint::Sha1(bytes) => (SHA_1, &bytes[..]),
        };
        let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        write!(f, "{label}{}", pairs.join(":"))
    }
}

#[derive(Debug)]
pub(super) struct Pinned {
    fingerprint: Fingerprint,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    pub fn to(fingerprint: Fingerprint, provider: &CryptoProvider) -> Pinned {
        Pinned {
            fingerprint,
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

/// Whoever pins a certificate wants to see which one came.
#[derive(Debug, thiserror::Error)]
enum Misfit {
    #[error("it is not the pinned one but {0}")]
    Another(Fingerprint),
    #[error(
        "it is made to share its SHA-1 with another certificate: have the receiver's replaced, and set its sha-256"
    )]
    Twin,
}

impl Pinned {
    fn fit(&self, certificate: &[u8]) -> Result<(), Misfit> {
        let sha256 = Fingerprint::sha256(certificate);
        let shown = match self.fingerprint {
            Fingerprint::Sha256(_) => sha256,
            Fingerprint::Sha1(_) => Fingerprint::sha1(certificate).ok_or(Misfit::Twin)?,
        };
        if shown != self.fingerprint {
            return Err(Misfit::Another(sha256));
        }
        if shown != sha256 {
            tracing::warn!(
                "a receiver is known by the SHA-1 of its certificate; set server_fingerprint = \"{sha256}\" instead"
            );
        }
        Ok(())
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.fit(end_entity).map_err(|misfit| {
            let misfit = OtherError(Arc::new(misfit));
            Error::InvalidCertificate(CertificateError::Other(misfit))
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first of a pair of messages that share their SHA-1 (Leurent and Peyrin, 2020).
    const COLLISION: &[u8] = include_bytes!("collision.bin");

    #[test]
    fn what_is_made_to_share_its_sha_1_has_none() {
        assert_eq!(Fingerprint::sha1(COLLISION), None);
        let mut other = COLLISION.to_vec();
        other[0] ^= 1;
        assert!(Fingerprint::sha1(&other).is_some());
        // RFC 3174 §7.3, test 1.
        let abc = Fingerprint::sha1(b"abc").expect("no collision");
        let known = "sha-1:A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D";
        assert_eq!(abc.to_string(), known);
    }

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        for (label, bytes) in [("sha-256", 32), ("sha-1", 20)] {
            let text = format!("{label}:{}", vec!["0F"; bytes].join(":"));
            let read: Fingerprint = text.parse().expect("sound");
            assert_eq!(read.to_string(), text);
            assert_eq!(text.to_lowercase().parse(), Ok(read));
            for odd in [
                "",
                "sha-256:",
                "sha-1:0F",
                "md5:0F",
                &text[..text.len() - 3],
                &text.replace(':', ""),
            ] {
                assert_eq!(odd.parse::<Fingerprint>(), Err(()), "{odd}");
            }
        }
    }
}
