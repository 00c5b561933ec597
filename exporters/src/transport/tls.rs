//! TLS as RFC 5425 wants it: the sender is the client; path and name are checked, or the
//! certificate is the one that was agreed on.

mod own;
mod pinned;

pub use own::{Names, SelfSigned, names, self_signed};
pub use pinned::Fingerprint;

use super::tcp::{Socket, is_pause};
use super::{CONNECT_TIMEOUT, TICK, Tls, TransportError, Wire};
use pinned::Pinned;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// In TLS 1.3 a client whose certificate is refused has finished its handshake before it can
/// know: hundreds of writes succeeded into such connections when measured. A round trip and
/// this much later the refusal has come, if one was on its way.
const REFUSAL: Duration = Duration::from_millis(100);

pub(super) struct TlsConnection {
    socket: Socket,
    session: ClientConnection,
    name: String,
    heard: Vec<u8>,
}

impl TlsConnection {
    pub fn shake_hands(
        socket: Socket,
        host: &str,
        tls: &Tls,
    ) -> Result<TlsConnection, TransportError> {
        let name = tls.server_name.as_deref().unwrap_or(host).to_owned();
        let server = ServerName::try_from(name.clone())
            .map_err(|_| TransportError::ServerName(name.clone()))?;
        let session = ClientConnection::new(Arc::new(configured(tls)?), server).map_err(|e| {
            TransportError::Handshake {
                to: socket.to.clone(),
                reason: e.to_string(),
            }
        })?;
        let mut connection = TlsConnection {
            socket,
            session,
            name,
            heard: Vec::new(),
        };
        connection.session.set_buffer_limit(None);
        connection.finish_handshake().map_err(|fault| match fault {
            // Whoever hangs up on a handshake may not speak TLS at all.
            TransportError::Closed { to } => TransportError::Handshake {
                to,
                reason: "the receiver hung up".to_owned(),
            },
            other => other,
        })?;
        connection.await_refusal().map_err(|fault| match fault {
            // Some receivers hang up on a certificate without saying why.
            TransportError::Closed { to } => TransportError::Refused {
                to,
                reason: "it hung up right after the handshake".to_owned(),
            },
            other => other,
        })?;
        Ok(connection)
    }

    fn finish_handshake(&mut self) -> Result<(), TransportError> {
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        while self.session.is_handshaking() {
            self.socket.stopped()?;
            self.flush()?;
            if Instant::now() > deadline {
                return Err(TransportError::Silent {
                    to: self.socket.to.clone(),
                    seconds: CONNECT_TIMEOUT.as_secs(),
                });
            }
            self.take_in(Some(TICK))?;
        }
        self.flush()
    }

    fn await_refusal(&mut self) -> Result<(), TransportError> {
        let deadline = Instant::now() + self.socket.round_trip + REFUSAL;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            self.socket.stopped()?;
            self.take_in(Some(left))?;
        }
        Ok(())
    }

    fn take_in(&mut self, patience: Option<Duration>) -> Result<(), TransportError> {
        let mut buffer = [0; 4_096];
        let read = self.socket.read(patience, &mut buffer)?;
        let Some(read) = read else { return Ok(()) };
        let mut bytes = &buffer[..read];
        while !bytes.is_empty() {
            self.session
                .read_tls(&mut bytes)
                .map_err(|e| self.socket.broken(e))?;
            let state = match self.session.process_new_packets() {
                Ok(state) => state,
                Err(fault) => {
                    // Our alert tells the receiver's log why; that it may not arrive is fine.
                    let _ = self.session.write_tls(&mut self.socket.stream);
                    return Err(self.blame(fault));
                }
            };
            let plain = state.plaintext_bytes_to_read();
            if plain > 0 {
                let start = self.heard.len();
                self.heard.resize(start + plain, 0);
                let read = self.session.reader().read_exact(&mut self.heard[start..]);
                read.map_err(|e| self.socket.broken(e))?;
            }
            if state.peer_has_closed() {
                let to = self.socket.to.clone();
                return Err(TransportError::Closed { to });
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TransportError> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket.stream) {
                Ok(_) => {}
                Err(e) if is_pause(&e) => {
                    self.socket.stopped()?;
                    self.take_in(None)?;
                }
                Err(e) => {
                    // The reason may have come before the break.
                    self.take_in(None)?;
                    return Err(self.socket.broken(e));
                }
            }
        }
        Ok(())
    }

    fn blame(&self, fault: rustls::Error) -> TransportError {
        blame(&fault, self.socket.to.clone(), &self.name)
    }
}

/// Whose fault it is, towards a receiver of this name.
pub(super) fn blame(fault: &rustls::Error, to: String, name: &str) -> TransportError {
    let reason = match fault {
        // What is ours to say, without how it is wrapped.
        rustls::Error::InvalidCertificate(CertificateError::Other(ours)) => ours.0.to_string(),
        fault => fault.to_string(),
    };
    match fault {
        rustls::Error::InvalidCertificate(_) => TransportError::Untrusted {
            to,
            name: name.to_owned(),
            reason,
        },
        rustls::Error::AlertReceived(_) => TransportError::Refused { to, reason },
        _ => TransportError::Handshake { to, reason },
    }
}

impl Wire for TlsConnection {
    fn to(&self) -> &str {
        &self.socket.to
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        self.take_in(None)?;
        self.session
            .writer()
            .write_all(bytes)
            .map_err(|e| self.socket.broken(e))?;
        self.flush()
    }

    fn hear(&mut self, patience: Option<Duration>) -> Result<(), TransportError> {
        self.take_in(patience)
    }

    fn heard(&mut self) -> &mut Vec<u8> {
        &mut self.heard
    }

    fn close(&mut self) {
        // RFC 5425 §4.4: close_notify before the end, so that no one can cut the stream unseen.
        self.session.send_close_notify();
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket.stream) {
                Ok(_) => {}
                Err(_) => break,
            }
        }
        let _ = self.socket.stream.shutdown(Shutdown::Write);
    }
}

/// Made anew for every connection: files are re-read, and no resumed session can keep an
/// old certificate alive.
pub(super) fn configured(tls: &Tls) -> Result<ClientConfig, TransportError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3");
    let builder = match tls.fingerprint {
        None => builder.with_root_certificates(authorities(tls.authority.as_deref())?),
        Some(fingerprint) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned::to(fingerprint, &provider))),
    };
    let mut config = match &tls.client {
        None => builder.with_no_client_auth(),
        Some((chain_file, key_file)) => {
            let chain = certificates("the client certificate", chain_file)?;
            let key = PrivateKeyDer::from_pem_file(key_file)
                .map_err(|e| unreadable("the client's key", key_file, e))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| unreadable("the client certificate with its key", chain_file, e))?
        }
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore, TransportError> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(roots);
    };
    const WHAT: &str = "the authority's certificate";
    for certificate in certificates(WHAT, file)? {
        roots
            .add(certificate)
            .map_err(|e| unreadable(WHAT, file, e))?;
    }
    Ok(roots)
}

fn certificates(
    what: &'static str,
    file: &Path,
) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let found = CertificateDer::pem_file_iter(file)
        .and_then(|found| found.collect::<Result<Vec<_>, _>>())
        .map_err(|e| unreadable(what, file, e))?;
    match found.is_empty() {
        true => Err(unreadable(what, file, "no PEM certificate in it")),
        false => Ok(found),
    }
}

fn unreadable(what: &'static str, path: &Path, reason: impl ToString) -> TransportError {
    TransportError::File {
        what,
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
