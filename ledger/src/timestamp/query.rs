use super::asn1::{MessageImprint, SHA256, TimeStampReq};
use super::{Authority, Token, TokenError};
use cms::cert::x509::spki::AlgorithmIdentifierOwned;
use der::asn1::{Int, OctetString};
use der::oid::ObjectIdentifier as Oid;
use der::{Decode, Encode};
use sha2::{Digest, Sha256};

/// What an authority is asked: the digest of a document, under a number used once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query(TimeStampReq);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error("{0:?} is no object identifier, as 1.2.3.4 is")]
    WrongPolicy(String),
    #[error("the system gives no randomness for a nonce")]
    NoRandomness,
    #[error("not a time-stamp query with SHA-256 and a nonce")]
    Malformed,
}

impl Query {
    pub fn new(document: &[u8], policy: Option<&str>) -> Result<Query, QueryError> {
        let oid =
            |policy: &str| Oid::new(policy).map_err(|_| QueryError::WrongPolicy(policy.to_owned()));
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|_| QueryError::NoRandomness)?;
        // A positive number that has eight bytes: then it has one form.
        nonce[0] = nonce[0] & 0x3f | 0x40;
        Ok(Query(TimeStampReq {
            version: 1,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifierOwned {
                    oid: SHA256,
                    parameters: None,
                },
                hashed_message: OctetString::new(Sha256::digest(document).as_slice())
                    .map_err(|_| QueryError::Malformed)?,
            },
            req_policy: policy.map(oid).transpose()?,
            nonce: Some(Int::new(&nonce).map_err(|_| QueryError::Malformed)?),
            cert_req: true,
            extensions: None,
        }))
    }

    /// The body of a request, or a `.tsq` file.
    pub fn to_der(&self) -> Vec<u8> {
        self.0.to_der().expect("a query has few small fields")
    }

    pub fn from_der(bytes: &[u8]) -> Result<Query, QueryError> {
        let query = TimeStampReq::from_der(bytes).map_err(|_| QueryError::Malformed)?;
        let sha256 = query.message_imprint.hash_algorithm.oid == SHA256;
        let query = Query(query);
        // The reader of DER takes a default that is written out, which DER does not.
        let one_form = query.to_der() == bytes;
        if query.0.version != 1 || !sha256 || query.0.nonce.is_none() || !one_form {
            return Err(QueryError::Malformed);
        }
        Ok(query)
    }

    /// The token of a response to this query about `document`, if everything about it holds.
    pub fn answered_by(
        &self,
        response: &[u8],
        document: &[u8],
        authority: &Authority,
    ) -> Result<Token, TokenError> {
        let token = Token::parse(response)?;
        if self.0.message_imprint.hashed_message.as_bytes() != Sha256::digest(document).as_slice() {
            return Err(TokenError::OtherData);
        }
        token.covers(document)?;
        if token.nonce.as_deref() != self.0.nonce.as_ref().map(Int::as_bytes) {
            return Err(TokenError::WrongNonce);
        }
        if let Some(policy) = self.0.req_policy.map(|policy| policy.to_string())
            && policy != token.policy
        {
            return Err(TokenError::OtherPolicy {
                expected: policy,
                found: token.policy,
            });
        }
        authority.vouches_for(&token)?;
        Ok(token)
    }
}
