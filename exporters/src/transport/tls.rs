//! Syslog over TLS (RFC 5425): the sender is the client; path and name are checked.

use super::tcp::{Socket, is_pause};
use super::{CONNECT_TIMEOUT, Connection, TICK, Tls, TransportError};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::Write;
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
            self.flush()?;
            if Instant::now() > deadline {
                return Err(TransportError::Silent {
                    to: self.socket.to.clone(),
                    seconds: CONNECT_TIMEOUT.as_secs(),
                });
            }
            self.hear(Some(TICK))?;
        }
        self.flush()
    }

    fn await_refusal(&mut self) -> Result<(), TransportError> {
        let deadline = Instant::now() + self.socket.round_trip + REFUSAL;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            self.socket.stopped()?;
            self.hear(Some(left))?;
        }
        Ok(())
    }

    /// Takes in what the receiver sent: within `patience`, or only what is there already.
    fn hear(&mut self, patience: Option<Duration>) -> Result<(), TransportError> {
        let mut buffer = [0; 4_096];
        let read = match patience {
            Some(patience) => self.socket.read_within(patience, &mut buffer)?,
            None => self.socket.read_now(&mut buffer)?,
        };
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
            let to = self.socket.to.clone();
            if state.plaintext_bytes_to_read() > 0 {
                let bytes = state.plaintext_bytes_to_read();
                return Err(TransportError::Spoke { to, bytes });
            }
            if state.peer_has_closed() {
                return Err(TransportError::Closed { to });
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TransportError> {
        while self.session.wants_write() {
            self.socket.stopped()?;
            match self.session.write_tls(&mut self.socket.stream) {
                Ok(_) => {}
                Err(e) if is_pause(&e) => self.hear(None)?,
                Err(e) => {
                    // The reason may have come before the break.
                    self.hear(None)?;
                    return Err(self.socket.broken(e));
                }
            }
        }
        self.socket.stopped()
    }

    fn blame(&self, fault: rustls::Error) -> TransportError {
        let to = self.socket.to.clone();
        let reason = fault.to_string();
        match fault {
            rustls::Error::InvalidCertificate(_) => TransportError::Untrusted {
                to,
                name: self.name.clone(),
                reason,
            },
            rustls::Error::AlertReceived(_) => TransportError::Refused { to, reason },
            _ => TransportError::Handshake { to, reason },
        }
    }
}

impl Connection for TlsConnection {
    fn send(&mut self, frames: &[u8]) -> Result<(), TransportError> {
        self.hear(None)?;
        self.session
            .writer()
            .write_all(frames)
            .map_err(|e| self.socket.broken(e))?;
        self.flush()
    }

    fn listen(&mut self) -> Result<(), TransportError> {
        self.hear(None)
    }

    fn close(mut self: Box<Self>) {
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
fn configured(tls: &Tls) -> Result<ClientConfig, TransportError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .with_root_certificates(authorities(tls.authority.as_deref())?);
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
