//! One connection, plain or TLS, blocking or not. TLS is TLS from the first octet (RFC 8314); STARTTLS is not used.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::{Error, Result};

/// Where a server listens.
#[derive(Clone)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    /// `None`: no TLS.
    pub tls: Option<Arc<ClientConfig>>,
    /// For connecting, and for each answer while the connection is blocking.
    pub timeout: Duration,
}

impl Endpoint {
    /// Without TLS. Preparations (copies of large mailboxes) may take long.
    pub fn plain(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.to_owned(), port, tls: None, timeout: Duration::from_secs(900) }
    }
}

/// TLS settings: certificates of `authorities` (PEM) are trusted, or, with `None`, any certificate at all, which is for
/// servers with throw-away certificates.
pub fn tls(authorities: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let wrong = |what: &dyn std::fmt::Display| Error::Protocol(format!("TLS: {what}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(&e))?;
    let config = match authorities {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))? {
                roots.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
            .with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// Trusts whoever answers.
#[derive(Debug)]
struct Anyone(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A connected socket. On a blocking one reads and writes wait (with the endpoint's timeout), else they return `WouldBlock`.
pub struct Transport {
    pub socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Transport {
    pub fn connect(to: &Endpoint) -> Result<Transport> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{} has no address", to.host));
        for address in (to.host.as_str(), to.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, to.timeout) {
                Ok(socket) => {
                    socket.set_nodelay(true)?;
                    socket.set_read_timeout(Some(to.timeout))?;
                    socket.set_write_timeout(Some(to.timeout))?;
                    let tls = match &to.tls {
                        None => None,
                        Some(config) => {
                            let name = ServerName::try_from(to.host.clone())
                                .map_err(|e| Error::Protocol(format!("{}: {e}", to.host)))?;
                            let connection = ClientConnection::new(config.clone(), name)
                                .map_err(|e| Error::Protocol(format!("TLS: {e}")))?;
                            Some(Box::new(connection))
                        }
                    };
                    return Ok(Transport { socket, tls });
                }
                Err(error) => last = error,
            }
        }
        Err(Error::Io(last))
    }

    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.socket.set_nonblocking(on)
    }

    /// Some octets; 0 at the end of the stream.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.read(into) };
        loop {
            match tls.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            if tls.wants_write() {
                tls.write_tls(&mut self.socket)?;
                continue;
            }
            if tls.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        }
    }

    /// Takes as many of `bytes` as it can at once; see [`Transport::flush`].
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.write(bytes) };
        let taken = tls.writer().write(bytes)?;
        match self.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && taken > 0 => Ok(taken),
            Err(error) => Err(error),
            Ok(()) => Ok(taken),
        }
    }

    /// Hands on what TLS still holds.
    pub fn flush(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.wants_write() {
            tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    /// Whether something is written that the socket has not taken yet.
    pub fn holds_output(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }
}
