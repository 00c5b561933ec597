use super::TOLERANCE_MICROS;
use super::asn1::{
    CONTENT_TYPE, ECDSA_SHA256, ECDSA_SHA384, MESSAGE_DIGEST, PkiStatusInfo, RSA, RSA_PSS,
    RSA_SHA256, RSA_SHA384, RSA_SHA512, SHA1, SHA256, SHA384, SHA512, SIGNED_DATA,
    SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2, SigningCertificate, TIME_STAMPING, TST_INFO,
    TimeStampResp, TstInfo,
};
use cms::cert::CertificateChoices;
use cms::cert::x509::Certificate;
use cms::cert::x509::ext::pkix::{ExtendedKeyUsage, SubjectKeyIdentifier};
use cms::signed_data::{SignedAttributes, SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{Int, OctetString};
use der::oid::ObjectIdentifier as Oid;
use der::{Any, Decode, Encode, Tag, Tagged};
use ring::digest;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use schemas::Timestamp;
use webpki::ring as verifiers;

/// An authority's word that something existed at `time`. To hold one is to know that it has
/// the form of RFC 3161 and that the certificate inside, which is one for time stamps, signed
/// it. Whose certificate that is, [`super::Authority`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub time: Timestamp,
    /// Who signed, as the certificate says: `CN=…,O=…`.
    pub subject: String,
    /// The policy that it was given under, as `1.2.3.4`.
    pub policy: String,
    pub(super) nonce: Option<Vec<u8>>,
    imprint: (Oid, Vec<u8>),
    /// The signer's certificate, and the others that came with it, in DER.
    pub(super) signer: Vec<u8>,
    pub(super) others: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("not a time-stamp response (RFC 3161): {0}")]
    Malformed(&'static str),
    #[error("the authority gave no token: {0}")]
    Refused(String),
    #[error("the token is for other bytes")]
    OtherData,
    #[error("the token answers another request: its nonce is another, or absent")]
    WrongNonce,
    #[error("the token is under policy {found}, not {expected}")]
    OtherPolicy { expected: String, found: String },
    #[error("the algorithm {0} is not one that time stamps are accepted with")]
    Unsupported(String),
    #[error("the token holds no certificate of its signer")]
    NoCertificate,
    #[error("the token's signed attributes name another certificate than the one that signed")]
    OtherCertificate,
    #[error(
        "the certificate of {0} is not for time stamps alone: its extended key usage must be critical, and timeStamping only"
    )]
    WrongUsage(String),
    #[error("the token's signature does not hold")]
    WrongSignature,
    #[error("the certificate of {subject} is not the authority's: {reason}")]
    Untrusted { subject: String, reason: String },
    #[error("the token says {said}, the newest entry that it covers was recorded at {recorded}")]
    TooEarly {
        said: Timestamp,
        recorded: Timestamp,
    },
    #[error("the token says {said}, and it is {now}")]
    TooLate { said: Timestamp, now: Timestamp },
}

fn malformed<E>(what: &'static str) -> impl Fn(E) -> TokenError {
    move |_| TokenError::Malformed(what)
}

impl Token {
    /// Reads a TimeStampResp and checks all that can be checked without knowing the authority.
    pub fn parse(response: &[u8]) -> Result<Token, TokenError> {
        let response =
            TimeStampResp::from_der(response).map_err(malformed("it is no TimeStampResp"))?;
        // RFC 3161 §2.4.2: granted, granted with modifications; with every other status no token.
        if response.status.status > 1 {
            return Err(TokenError::Refused(why(&response.status)));
        }
        let token = response
            .token
            .ok_or(TokenError::Malformed("granted without a token"))?;
        if token.content_type != SIGNED_DATA {
            return Err(TokenError::Malformed("its token is no signed data"));
        }
        let signed: SignedData = token
            .content
            .decode_as()
            .map_err(malformed("its token's signed data cannot be read"))?;
        let content = &signed.encap_content_info;
        if content.econtent_type != TST_INFO {
            return Err(TokenError::Malformed("its token is about no TSTInfo"));
        }
        let content: OctetString = content
            .econtent
            .as_ref()
            .and_then(|content| content.decode_as().ok())
            .ok_or(TokenError::Malformed("its token holds no TSTInfo"))?;
        let info = TstInfo::from_der(content.as_bytes())
            .map_err(malformed("its TSTInfo cannot be read"))?;
        let critical = |extensions: &Vec<_>| {
            let mut all = extensions.iter();
            all.any(|e: &cms::cert::x509::ext::Extension| e.critical)
        };
        if info.version != 1 || info.extensions.as_ref().is_some_and(critical) {
            return Err(TokenError::Malformed("its TSTInfo is of an unknown kind"));
        }
        let [signer] = signed.signer_infos.0.as_slice() else {
            return Err(TokenError::Malformed("a token has one signer"));
        };
        let certificates = signed.certificates.iter().flat_map(|set| set.0.iter());
        let (mine, others): (Vec<_>, Vec<_>) = certificates
            .filter_map(|choice| match choice {
                CertificateChoices::Certificate(certificate) => Some(certificate),
                CertificateChoices::Other(_) => None,
            })
            .partition(|certificate| is_of(certificate, &signer.sid));
        let [certificate] = mine.as_slice() else {
            return Err(TokenError::NoCertificate);
        };
        let subject = certificate.tbs_certificate.subject.to_string();
        check_usage(certificate, &subject)?;
        let der = certificate
            .to_der()
            .map_err(malformed("its signer's certificate cannot be read"))?;
        check_signature(signer, content.as_bytes(), &der)?;
        Ok(Token {
            time: time_of(&info.gen_time).ok_or(TokenError::Malformed("its time is none"))?,
            subject,
            policy: info.policy.to_string(),
            nonce: info
                .nonce
                .as_ref()
                .map(|nonce| Int::as_bytes(nonce).to_vec()),
            imprint: (
                info.message_imprint.hash_algorithm.oid,
                info.message_imprint.hashed_message.into_bytes(),
            ),
            signer: der,
            others: others.iter().filter_map(|c| c.to_der().ok()).collect(),
        })
    }

    /// Whether these bytes are what was stamped.
    pub fn covers(&self, document: &[u8]) -> Result<(), TokenError> {
        let (algorithm, imprint) = &self.imprint;
        if *algorithm != SHA256 {
            return Err(TokenError::Unsupported(algorithm.to_string()));
        }
        if digest::digest(&digest::SHA256, document).as_ref() != imprint.as_slice() {
            return Err(TokenError::OtherData);
        }
        Ok(())
    }

    /// Whether the time can be true of entries of which the newest was `recorded` then.
    pub fn is_not_before(&self, recorded: Timestamp) -> Result<(), TokenError> {
        if self.time.micros() < recorded.micros().saturating_sub(TOLERANCE_MICROS) {
            let said = self.time;
            return Err(TokenError::TooEarly { said, recorded });
        }
        Ok(())
    }

    /// Whether the time has come.
    pub fn is_not_after(&self, now: Timestamp) -> Result<(), TokenError> {
        if self.time.micros() > now.micros().saturating_add(TOLERANCE_MICROS) {
            let said = self.time;
            return Err(TokenError::TooLate { said, now });
        }
        Ok(())
    }
}

/// What operators are told of a refusal.
fn why(status: &PkiStatusInfo) -> String {
    let word = match status.status {
        2 => "rejection",
        3 => "waiting",
        4 => "revocation warning",
        5 => "revocation notification",
        _ => "unknown status",
    };
    // RFC 3161 §2.4.2, PKIFailureInfo.
    let failures = [
        (0, "badAlg"),
        (2, "badRequest"),
        (5, "badDataFormat"),
        (14, "timeNotAvailable"),
        (15, "unacceptedPolicy"),
        (16, "unacceptedExtension"),
        (17, "addInfoNotAvailable"),
        (25, "systemFailure"),
    ];
    let mut text = word.to_owned();
    let bits: Vec<bool> = status.failure.iter().flat_map(|bits| bits.bits()).collect();
    for (bit, name) in failures {
        if bits.get(bit) == Some(&true) {
            text = format!("{text}, {name}");
        }
    }
    for said in status.text.iter().flatten() {
        text = format!("{text}: {}", schemas::Label::lossy(said).as_str());
    }
    text
}

fn is_of(certificate: &Certificate, signer: &SignerIdentifier) -> bool {
    let certificate = &certificate.tbs_certificate;
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(name) => {
            certificate.issuer == name.issuer && certificate.serial_number == name.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(id) => certificate
            .get::<SubjectKeyIdentifier>()
            .is_ok_and(|found| found.is_some_and(|(_, found)| found == *id)),
    }
}

/// RFC 3161 §2.3: one extended key usage, and it is critical.
fn check_usage(certificate: &Certificate, subject: &str) -> Result<(), TokenError> {
    match certificate.tbs_certificate.get::<ExtendedKeyUsage>() {
        Ok(Some((true, usage))) if usage.0 == [TIME_STAMPING] => Ok(()),
        _ => Err(TokenError::WrongUsage(subject.to_owned())),
    }
}

/// The one value of an attribute that stands there once.
fn attribute(attributes: &SignedAttributes, oid: Oid) -> Option<&Any> {
    let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
    let (attribute, None) = (found.next()?, found.next()) else {
        return None;
    };
    match attribute.values.as_slice() {
        [value] => Some(value),
        _ => None,
    }
}

/// RFC 5652 §5.4: the signature is over the attributes, which name content and certificate.
fn check_signature(
    signer: &SignerInfo,
    content: &[u8],
    certificate: &[u8],
) -> Result<(), TokenError> {
    let attributes = signer
        .signed_attrs
        .as_ref()
        .ok_or(TokenError::Malformed("it has no signed attributes"))?;
    let content_type = attribute(attributes, CONTENT_TYPE).and_then(|v| v.decode_as::<Oid>().ok());
    if content_type != Some(TST_INFO) {
        return Err(TokenError::Malformed(
            "its signed attributes name no TSTInfo",
        ));
    }
    let algorithm = digest_of(signer.digest_alg.oid)?;
    let stated = attribute(attributes, MESSAGE_DIGEST).and_then(|v| v.decode_as().ok());
    let stated: OctetString = stated.ok_or(TokenError::Malformed(
        "its signed attributes hold no digest",
    ))?;
    if digest::digest(algorithm, content).as_ref() != stated.as_bytes() {
        return Err(TokenError::WrongSignature);
    }
    check_certificate(attributes, certificate)?;
    let message = attributes
        .to_der()
        .map_err(malformed("its signed attributes cannot be read"))?;
    let candidates = verifiers_of(signer.signature_algorithm.oid, signer.digest_alg.oid)?;
    let certificate = CertificateDer::from(certificate);
    let certificate = webpki::EndEntityCert::try_from(&certificate)
        .map_err(malformed("its signer's certificate cannot be read"))?;
    let signature = signer.signature.as_bytes();
    candidates
        .iter()
        .any(|algorithm| {
            let verified = certificate.verify_signature(*algorithm, &message, signature);
            verified.is_ok()
        })
        .then_some(())
        .ok_or(TokenError::WrongSignature)
}

/// RFC 5816: the attribute says which certificate signed, so that no other with the same key
/// can take its place.
fn check_certificate(attributes: &SignedAttributes, certificate: &[u8]) -> Result<(), TokenError> {
    let first =
        |oid| -> Option<SigningCertificate> { attribute(attributes, oid)?.decode_as().ok() };
    let (named, default) = match (first(SIGNING_CERTIFICATE_V2), first(SIGNING_CERTIFICATE)) {
        (Some(named), _) => (named, SHA256),
        (None, Some(named)) => (named, SHA1),
        (None, None) => {
            return Err(TokenError::Malformed(
                "its signed attributes name no certificate",
            ));
        }
    };
    let named = named.certs.first().ok_or(TokenError::OtherCertificate)?;
    let oid = named.hash_algorithm.as_ref().map_or(default, |a| a.oid);
    let algorithm = match oid {
        SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        oid => digest_of(oid)?,
    };
    if digest::digest(algorithm, certificate).as_ref() != named.cert_hash.as_bytes() {
        return Err(TokenError::OtherCertificate);
    }
    Ok(())
}

fn digest_of(oid: Oid) -> Result<&'static digest::Algorithm, TokenError> {
    match oid {
        SHA256 => Ok(&digest::SHA256),
        SHA384 => Ok(&digest::SHA384),
        SHA512 => Ok(&digest::SHA512),
        other => Err(TokenError::Unsupported(other.to_string())),
    }
}

type Verifiers = Vec<&'static dyn SignatureVerificationAlgorithm>;

/// What a signature may be checked with. Many authorities name the key alone (`RSA`), and the
/// digest beside it.
fn verifiers_of(signature: Oid, digest: Oid) -> Result<Verifiers, TokenError> {
    let pkcs1: Option<Verifiers> = match digest {
        SHA256 => Some(vec![verifiers::RSA_PKCS1_2048_8192_SHA256]),
        SHA384 => Some(vec![verifiers::RSA_PKCS1_2048_8192_SHA384]),
        SHA512 => Some(vec![verifiers::RSA_PKCS1_2048_8192_SHA512]),
        _ => None,
    };
    let found: Option<Verifiers> = match (signature, digest) {
        (RSA, _) | (RSA_SHA256, SHA256) | (RSA_SHA384, SHA384) | (RSA_SHA512, SHA512) => pkcs1,
        (RSA_PSS, SHA256) => Some(vec![verifiers::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (RSA_PSS, SHA384) => Some(vec![verifiers::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (RSA_PSS, SHA512) => Some(vec![verifiers::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (ECDSA_SHA256, SHA256) => Some(vec![
            verifiers::ECDSA_P256_SHA256,
            verifiers::ECDSA_P384_SHA256,
        ]),
        (ECDSA_SHA384, SHA384) => Some(vec![
            verifiers::ECDSA_P384_SHA384,
            verifiers::ECDSA_P256_SHA384,
        ]),
        _ => None,
    };
    found.ok_or_else(|| TokenError::Unsupported(signature.to_string()))
}

/// RFC 3161 §2.4.2: `YYYYMMDDhhmmss[.f…]Z`, the fraction without zeros at its end. What is
/// finer than a microsecond is cut off.
fn time_of(value: &Any) -> Option<Timestamp> {
    let text = std::str::from_utf8(value.value()).ok()?.strip_suffix('Z')?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "000"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let sound = value.tag() == Tag::GeneralizedTime && seconds.len() == 14 && digits(seconds);
    let one_form = !text.contains('.') || !fraction.ends_with('0');
    if !sound || !digits(fraction) || !one_form {
        return None;
    }
    let micros = format!("{fraction:0<6}");
    let (date, clock) = seconds.split_at(8);
    let text = format!(
        "{}-{}-{}T{}:{}:{}.{}Z",
        &date[..4],
        &date[4..6],
        &date[6..],
        &clock[..2],
        &clock[2..4],
        &clock[4..],
        &micros[..6]
    );
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_their_one_form_with_any_fraction() {
        let read = |text: &str| {
            let value = Any::new(Tag::GeneralizedTime, text.as_bytes()).expect("short");
            time_of(&value).map(|time| time.to_string())
        };
        for (text, time) in [
            ("20261122000102Z", "2026-11-22T00:01:02.000000Z"),
            ("20261122000102.5Z", "2026-11-22T00:01:02.500000Z"),
            ("20261122000102.1234567Z", "2026-11-22T00:01:02.123456Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(time), "{text}");
        }
        for text in [
            "20261122000102",
            "20261122000102.Z",
            "20261122000102.50Z",
            "20261122000102+0900",
            "202611220001Z",
            "20261322000102Z",
            "2026112200010２Z",
            "",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
