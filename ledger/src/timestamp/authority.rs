use super::{Token, TokenError};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// DER of id-kp-timeStamping (RFC 3161 §2.3), as `rustls-webpki` wants it: the value alone.
const TIME_STAMPING: &[u8] = &[43, 6, 1, 5, 5, 7, 3, 8];

/// Whose word on time is taken: everybody that these certificates issue time-stamping
/// certificates to.
pub struct Authority {
    anchors: Vec<TrustAnchor<'static>>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    #[error("no certificate in PEM")]
    None,
    #[error("not a certificate in PEM that can be trusted: {0}")]
    Malformed(String),
}

impl Authority {
    pub fn from_pem(pem: &[u8]) -> Result<Authority, AuthorityError> {
        let malformed = |reason: String| AuthorityError::Malformed(reason);
        let anchors = CertificateDer::pem_slice_iter(pem)
            .map(|certificate| {
                let certificate = certificate.map_err(|e| malformed(e.to_string()))?;
                let anchor =
                    anchor_from_trusted_cert(&certificate).map_err(|e| malformed(e.to_string()))?;
                Ok(anchor.to_owned())
            })
            .collect::<Result<Vec<_>, _>>()?;
        if anchors.is_empty() {
            return Err(AuthorityError::None);
        }
        Ok(Authority { anchors })
    }

    /// Whether the certificate that signed the token comes from here, and was valid then: one
    /// that has expired since is as good as it was.
    pub fn vouches_for(&self, token: &Token) -> Result<(), TokenError> {
        let untrusted = |error: webpki::Error| TokenError::Untrusted {
            subject: token.subject.clone(),
            reason: match error {
                webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey => {
                    "another authority issued it".to_owned()
                }
                webpki::Error::CertExpired { .. } => {
                    format!("it, or one above it, had expired at {}", token.time)
                }
                webpki::Error::CertNotValidYet { .. } => {
                    format!("it, or one above it, was not valid yet at {}", token.time)
                }
                other => other.to_string(),
            },
        };
        let seconds = u64::try_from(token.time.micros()).unwrap_or_default() / 1_000_000;
        let signer = CertificateDer::from(token.signer.as_slice());
        let signer = EndEntityCert::try_from(&signer).map_err(untrusted)?;
        let others: Vec<CertificateDer<'_>> = token
            .others
            .iter()
            .map(|certificate| CertificateDer::from(certificate.as_slice()))
            .collect();
        signer
            .verify_for_usage(
                ALL_VERIFICATION_ALGS,
                &self.anchors,
                &others,
                UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
                // The signer has it, or there were no token; an issuer above need not have any.
                KeyUsage::required_if_present(TIME_STAMPING),
                None,
                None,
            )
            .map(|_| ())
            .map_err(untrusted)
    }
}
