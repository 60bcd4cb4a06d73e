//! TLS settings: certificates from PEM files, or a self-signed one that the store keeps.
//!
//! Not here: the stream adapter (`tls_stream.rs`). Files are read before the executors start and by the signal thread on SIGHUP, never on
//! an executor. What must hold: TLS 1.2 or newer; connections that exist keep the settings they began with.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Where a store keeps its self-signed pair, relative to its folder.
const SELF_SIGNED_FOLDER: &str = "tls";

/// Where certificate chain and key are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Why TLS cannot be set up; names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, String),
    #[error("TLS: {0}")]
    Settings(#[from] rustls::Error),
    #[error("self-signed certificate: {0}")]
    SelfSigned(#[from] rcgen::Error),
}

/// The settings that new connections use, shared by all cores and replaced as a whole.
pub struct TlsSettings {
    files: CertificateFiles,
    current: ArcSwap<ServerConfig>,
}

impl TlsSettings {
    /// Loads `files`, or the self-signed pair of the store (made at the first start).
    pub fn load(files: Option<CertificateFiles>, store: &Path) -> Result<TlsSettings, TlsError> {
        let files = match files {
            Some(files) => files,
            None => self_signed(store)?,
        };
        let current = ArcSwap::from_pointee(server_config(&files)?);
        Ok(TlsSettings { files, current })
    }

    /// Reads the files again; on an error the settings in use stay.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(server_config(&self.files)?));
        Ok(())
    }

    /// A session for a new connection.
    pub fn session(&self) -> Result<Box<ServerConnection>, rustls::Error> {
        ServerConnection::new(self.current.load_full()).map(Box::new)
    }
}

/// Settings from a chain and its key.
pub fn server_config(files: &CertificateFiles) -> Result<ServerConfig, TlsError> {
    let fault =
        |path: &Path, reason: &dyn std::fmt::Display| TlsError::File(path.to_owned(), reason.to_string());
    let pem = std::fs::read(&files.certificate).map_err(|e| fault(&files.certificate, &e))?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| fault(&files.certificate, &e))?;
    if chain.is_empty() {
        return Err(fault(&files.certificate, &"no CERTIFICATE in this PEM file"));
    }
    let pem = std::fs::read(&files.key).map_err(|e| fault(&files.key, &e))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|e| fault(&files.key, &e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| fault(&files.certificate, &e))?;
    // Tickets carry the session themselves, so that a client resumes on any core; one a connection is enough.
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// The self-signed pair of a store: the one it has, so that clients see the same again, or a new one.
pub fn self_signed(store: &Path) -> Result<CertificateFiles, TlsError> {
    let folder = store.join(SELF_SIGNED_FOLDER);
    let files = CertificateFiles {
        certificate: folder.join("self-signed.pem"),
        key: folder.join("self-signed-key.pem"),
    };
    if files.certificate.exists() && files.key.exists() {
        return Ok(files);
    }
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if let Ok(host) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        names.push(host.trim().to_owned());
    }
    names.retain(|name| !name.is_empty());
    let made = rcgen::generate_simple_self_signed(names)?;
    std::fs::create_dir_all(&folder).map_err(|e| TlsError::File(folder.clone(), e.to_string()))?;
    // The key first: a pair is complete when its certificate is there.
    write_private(&files.key, made.signing_key.serialize_pem().as_bytes())?;
    write_private(&files.certificate, made.cert.pem().as_bytes())?;
    Ok(files)
}

fn write_private(path: &Path, data: &[u8]) -> Result<(), TlsError> {
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(data).and_then(|()| file.sync_all()))
        .map_err(|e| TlsError::File(path.to_owned(), e.to_string()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};
    use std::os::unix::fs::PermissionsExt;

    /// A client that trusts the pair's certificate.
    pub(crate) fn client_of(files: &CertificateFiles) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        let pem = std::fs::read(&files.certificate).unwrap();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap()
    }

    #[test]
    fn the_self_signed_pair_is_made_once_and_private() {
        let store = tempfile::tempdir().unwrap();
        let files = self_signed(store.path()).unwrap();
        let first = std::fs::read(&files.certificate).unwrap();
        assert_eq!(self_signed(store.path()).unwrap(), files);
        assert_eq!(std::fs::read(&files.certificate).unwrap(), first);
        assert_eq!(std::fs::metadata(&files.key).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_bad_file_is_named_and_a_failed_reload_changes_nothing() {
        let store = tempfile::tempdir().unwrap();
        let files = self_signed(store.path()).unwrap();
        let settings = TlsSettings::load(Some(files.clone()), store.path()).unwrap();
        std::fs::write(&files.certificate, "not PEM").unwrap();
        let error = settings.reload().unwrap_err().to_string();
        assert!(error.contains("self-signed.pem"), "{error}");
        settings.session().unwrap();
        let missing = CertificateFiles { key: store.path().join("none.pem"), ..files };
        assert!(TlsSettings::load(Some(missing), store.path()).is_err());
    }
}
