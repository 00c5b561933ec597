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

/// SHA-256 of a certificate's DER, written `sha-256:AB:CD:…`. RFC 5425 has SHA-1 too, for which
/// two certificates can be made that share one: it is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

const LABEL: &str = "sha-256:";

impl Fingerprint {
    fn of(certificate: &CertificateDer) -> Fingerprint {
        Fingerprint(Sha256::digest(certificate).into())
    }
}

impl FromStr for Fingerprint {
    type Err = ();

    fn from_str(text: &str) -> Result<Fingerprint, ()> {
        let pairs: Vec<&str> = text.strip_prefix(LABEL).ok_or(())?.split(':').collect();
        let mut bytes = [0; 32];
        let hex = pairs.iter().all(|pair| pair.len() == 2);
        if pairs.len() != bytes.len() || !hex {
            return Err(());
        }
        hex::decode_to_slice(pairs.concat(), &mut bytes).map_err(|_| ())?;
        Ok(Fingerprint(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<_> = self.0.iter().map(|byte| format!("{byte:02X}")).collect();
        write!(f, "{LABEL}{}", pairs.join(":"))
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
#[error("it is not the pinned one but {0}")]
struct Another(Fingerprint);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Fingerprint::of(end_entity);
        match shown == self.fingerprint {
            true => Ok(ServerCertVerified::assertion()),
            false => {
                let another = OtherError(Arc::new(Another(shown)));
                Err(Error::InvalidCertificate(CertificateError::Other(another)))
            }
        }
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

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        let text = format!("sha-256:{}", ["0F"; 32].join(":"));
        let read: Fingerprint = text.parse().expect("sound");
        assert_eq!(read.to_string(), text);
        assert_eq!(text.to_lowercase().parse(), Ok(read));
        for odd in [
            "",
            "sha-256:",
            "sha-1:0F",
            &text[..text.len() - 3],
            &text.replace(':', ""),
        ] {
            assert_eq!(odd.parse::<Fingerprint>(), Err(()), "{odd}");
        }
    }
}
