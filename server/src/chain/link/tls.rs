//! Whom to believe that they are the server: the one certificate the operator names, the authority he names, or the
//! authorities this machine trusts.

use std::io::Error;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::Place;
use crate::chain::ChainError;

/// With this file, or without one.
pub fn config(file: Option<&Path>) -> Result<ClientConfig, ChainError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(ChainError::confused)?;
    let Some(file) = file else {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    };
    let known = Arc::new(Known::read(file, provider)?);
    Ok(builder.dangerous().with_custom_certificate_verifier(known).with_no_client_auth())
}

/// Why there is no connection: a certificate nobody vouches for is the operator's matter, not the weather's.
pub fn refused(place: &Place, error: &Error) -> ChainError {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(why)) => ChainError::confused(format!(
            "{place} shows a certificate that is not trusted ({why:?}); if it is the right one, name it in chain.certificate"
        )),
        _ => ChainError::unreachable(format!("{place}, with TLS: {error}")),
    }
}

/// The certificates in the operator's file. A server that shows one of them is it, whatever the certificate says about
/// names and dates: that is how Electrum's servers are known. Else the file's certificates are authorities.
#[derive(Debug)]
struct Known {
    certificates: Vec<CertificateDer<'static>>,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Known {
    fn read(file: &Path, provider: Arc<CryptoProvider>) -> Result<Self, ChainError> {
        let odd = |why: String| ChainError::confused(format!("the certificate file {}: {why}", file.display()));
        let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let certificates = read.map_err(|error| odd(error.to_string()))?;
        if certificates.is_empty() {
            return Err(odd("there is no certificate in it".to_owned()));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.clone());
        // A file of which no certificate can be an authority still names the server itself.
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        Ok(Self { certificates, authorities: builder.build().ok(), provider })
    }
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.certificates.iter().any(|known| known == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.authorities {
            Some(all) => all.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Err(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
