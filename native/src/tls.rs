//! TLS 1.2 and 1.3 with certificates of the mesh's root, always with the newest of ours.

use std::sync::{Arc, Mutex};

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use tokio_rustls::TlsAcceptor;

use crate::shared::locked;

/// PEM texts.
pub struct Identity<'a> {
    pub key: &'a [u8],
    pub chain: &'a [u8],
    pub roots: &'a [u8],
}

/// What new connections are met with.
pub struct Acceptor {
    /// Whether a caller may come without a certificate.
    optional: bool,
    newest: Mutex<TlsAcceptor>,
}

impl Acceptor {
    pub fn new(identity: &Identity, optional: bool) -> Result<Self, String> {
        Ok(Acceptor { optional, newest: Mutex::new(acceptor(identity, optional)?) })
    }

    /// New handshakes see this one; open connections go on with what they began with.
    pub fn renew(&self, identity: &Identity) -> Result<(), String> {
        let made = acceptor(identity, self.optional)?;
        *locked(&self.newest) = made;
        Ok(())
    }

    pub fn newest(&self) -> TlsAcceptor {
        locked(&self.newest).clone()
    }
}

fn acceptor(identity: &Identity, optional: bool) -> Result<TlsAcceptor, String> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    for root in certificates(identity.roots, "root")? {
        roots.add(root).map_err(|error| format!("a root certificate cannot be used: {error}"))?;
    }
    let mut callers = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    if optional {
        callers = callers.allow_unauthenticated();
    }
    let callers = callers.build().map_err(|error| format!("the roots cannot be used: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(identity.key).map_err(|error| format!("the key cannot be read: {error}"))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(callers)
        .with_single_cert(certificates(identity.chain, "chain")?, key)
        .map_err(|error| format!("key and certificate cannot be used: {error}"))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // Every connection shows its certificate: one that is no longer valid is not resumed.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| format!("the {what} cannot be read: {error}"))
}
