//! A signing key on a PKCS #11 token: the token signs (CKM_EDDSA), the key never leaves it.

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use ledger::note::VerifierKey;
use ledger::{SignError, Signer, TokenKey, UnlockError};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use zeroize::Zeroizing;

/// Ed25519 as the curve of an Edwards key: DER of OID 1.3.101.112 (RFC 8410).
const ED25519: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x70];

/// A process may initialise a module once.
static LOADED: LazyLock<Mutex<HashMap<PathBuf, Pkcs11>>> = LazyLock::new(Mutex::default);

/// The library of a token's maker, loaded.
#[derive(Clone)]
pub struct Module(Pkcs11);

impl Module {
    pub fn load(path: &Path) -> Result<Module, UnlockError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = loaded.get(path) {
            return Ok(Module(known.clone()));
        }
        let shown = path.display();
        let unfit = |what: &str, error: Error| {
            UnlockError::Token(format!("its module {shown} {what}: {error}"))
        };
        let module = Pkcs11::new(path).map_err(|error| unfit("cannot be loaded", error))?;
        let threads = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        module
            .initialize(threads)
            .map_err(|error| unfit("does not start", error))?;
        loaded.insert(path.to_owned(), module.clone());
        Ok(Module(module))
    }

    /// The one token of this label.
    fn slot(&self, label: &str) -> Result<Slot, UnlockError> {
        let slots = self.0.get_slots_with_token().map_err(fault("be listed"))?;
        let is_it = |slot: &Slot| {
            let told = self.0.get_token_info(*slot);
            told.is_ok_and(|token| token.label() == label)
        };
        let mut found = slots.into_iter().filter(is_it);
        match (found.next(), found.next()) {
            (Some(slot), None) => Ok(slot),
            (None, _) => Err(UnlockError::Token(format!(
                "no token {label:?} is attached"
            ))),
            _ => Err(UnlockError::Token(format!(
                "more than one token is labelled {label:?}"
            ))),
        }
    }
}

/// Signs with a key on a token, in as many sessions as there are callers at once.
pub struct TokenSigner {
    module: Module,
    pin: Zeroizing<String>,
    place: TokenKey,
    verifier: VerifierKey,
    idle: Mutex<Vec<Logged>>,
}

/// A session that is logged in, and the private key as it is known there.
struct Logged {
    session: Session,
    key: ObjectHandle,
}

impl TokenSigner {
    /// The key that a key file names.
    pub fn find(
        module: Module,
        pin: Zeroizing<String>,
        verifier: &VerifierKey,
        place: &TokenKey,
    ) -> Result<TokenSigner, UnlockError> {
        let session = log_in(&module, &pin, place, false)?;
        let key = find_key(&session, place)?.ok_or_else(|| no_key(place))?;
        let found = public_key(&session, place, verifier.name())?;
        if found != *verifier {
            return Err(UnlockError::OtherKey {
                expected: verifier.to_string(),
                found: found.to_string(),
            });
        }
        Ok(TokenSigner {
            module,
            pin,
            place: place.clone(),
            verifier: found,
            idle: Mutex::new(vec![Logged { session, key }]),
        })
    }

    /// The key of this label; made on the token if it has none.
    pub fn make(
        module: Module,
        pin: Zeroizing<String>,
        origin: &str,
        place: &TokenKey,
    ) -> Result<TokenSigner, UnlockError> {
        let session = log_in(&module, &pin, place, true)?;
        if find_key(&session, place)?.is_none() {
            generate(&session, place).map_err(fault("make a key"))?;
        }
        let verifier = public_key(&session, place, origin)?;
        let signer = TokenSigner::find(module, pin, &verifier, place)?;
        // What it cannot do is found out before an entry names it.
        signer
            .sign(b"daicho/probe\n")
            .map_err(|error| UnlockError::Token(error.reason))?;
        Ok(signer)
    }

    fn logged(&self) -> Result<Logged, UnlockError> {
        let session = log_in(&self.module, &self.pin, &self.place, false)?;
        let key = find_key(&session, &self.place)?.ok_or_else(|| no_key(&self.place))?;
        Ok(Logged { session, key })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Logged>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signer for TokenSigner {
    fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let failed = |reason: String| SignError { reason };
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
        let sign = |logged: &Logged| logged.session.sign(&mechanism, logged.key, message);
        let idle = self.idle().pop();
        // A session ends when the token is pulled out or starts anew: once more with a fresh one.
        let given = idle.and_then(|logged| sign(&logged).ok().map(|given| (logged, given)));
        let (logged, signature) = match given {
            Some(given) => given,
            None => {
                let logged = self.logged().map_err(|error| failed(error.to_string()))?;
                let signature = sign(&logged).map_err(|error| failed(error.to_string()))?;
                (logged, signature)
            }
        };
        let signature: [u8; 64] = signature
            .try_into()
            .map_err(|_| failed("the token's signature is not of 64 bytes".to_owned()))?;
        // Before it stands in the log for ever.
        if !self.verifier.holds(message, &signature) {
            return Err(failed("the token's signature does not hold".to_owned()));
        }
        self.idle().push(logged);
        Ok(signature)
    }
}

fn log_in(
    module: &Module,
    pin: &str,
    place: &TokenKey,
    writes: bool,
) -> Result<Session, UnlockError> {
    let slot = module.slot(&place.token)?;
    let session = if writes {
        module.0.open_rw_session(slot)
    } else {
        module.0.open_ro_session(slot)
    };
    let session = session.map_err(fault("open a session"))?;
    match session.login(UserType::User, Some(&AuthPin::new(pin.into()))) {
        // All sessions of a process are logged in together.
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange, _)) => {
            Err(UnlockError::Token("the PIN is not the token's".to_owned()))
        }
        Err(Error::Pkcs11(RvError::PinLocked, _)) => Err(UnlockError::Token(
            "its PIN is locked after too many wrong ones; its security officer unlocks it"
                .to_owned(),
        )),
        Err(error) => Err(fault("log in")(error)),
    }
}

/// The private key of this label.
fn find_key(session: &Session, place: &TokenKey) -> Result<Option<ObjectHandle>, UnlockError> {
    let mut found = session
        .find_objects(&template(ObjectClass::PRIVATE_KEY, place))
        .map_err(fault("be searched"))?
        .into_iter();
    match (found.next(), found.next()) {
        (found, None) => Ok(found),
        _ => Err(UnlockError::Token(format!(
            "more than one key is labelled {:?}",
            place.key
        ))),
    }
}

fn public_key(
    session: &Session,
    place: &TokenKey,
    origin: &str,
) -> Result<VerifierKey, UnlockError> {
    let found = session
        .find_objects(&template(ObjectClass::PUBLIC_KEY, place))
        .map_err(fault("be searched"))?;
    let [handle] = found[..] else {
        return Err(UnlockError::Token(format!(
            "{} public keys are labelled {:?}, where one is due",
            found.len(),
            place.key
        )));
    };
    let told = session
        .get_attributes(handle, &[AttributeType::EcPoint])
        .map_err(fault("tell its public key"))?;
    let point = told.iter().find_map(|attribute| match attribute {
        Attribute::EcPoint(point) => Some(point.as_slice()),
        _ => None,
    });
    // The standard wants a DER OCTET STRING; some tokens give the bytes themselves.
    let point = point.unwrap_or_default();
    let bytes = point.strip_prefix(&[0x04, 32]).unwrap_or(point);
    let unfit = || UnlockError::Token(format!("{:?} is no sound Ed25519 key", place.key));
    let bytes: &[u8; 32] = bytes.try_into().map_err(|_| unfit())?;
    VerifierKey::from_public(origin, bytes).map_err(|_| unfit())
}

fn template(class: ObjectClass, place: &TokenKey) -> Vec<Attribute> {
    vec![
        Attribute::Class(class),
        Attribute::KeyType(KeyType::EC_EDWARDS),
        Attribute::Label(place.key.clone().into_bytes()),
    ]
}

/// A key pair whose private half cannot be read out.
fn generate(session: &Session, place: &TokenKey) -> Result<(), Error> {
    let (label, id) = (
        place.key.clone().into_bytes(),
        place.key.clone().into_bytes(),
    );
    let public = [
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Verify(true),
        Attribute::EcParams(ED25519.to_vec()),
        Attribute::Label(label.clone()),
        Attribute::Id(id.clone()),
    ];
    let private = [
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::Label(label),
        Attribute::Id(id),
    ];
    session
        .generate_key_pair(&Mechanism::EccEdwardsKeyPairGen, &public, &private)
        .map(|_| ())
}

fn no_key(place: &TokenKey) -> UnlockError {
    UnlockError::Token(format!(
        "token {:?} holds no Ed25519 key {:?}",
        place.token, place.key
    ))
}

fn fault(what: &'static str) -> impl Fn(Error) -> UnlockError {
    move |error| UnlockError::Token(format!("it did not {what}: {error}"))
}
