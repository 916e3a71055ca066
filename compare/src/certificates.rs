//! Certificates for one run: of the proxies, of a client, and of a client that nobody knows.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The name in the client's certificate.
pub(crate) const CLIENT: &str = "client.example";

/// Writes `ca.pem`, and `server`, `client` and `stranger`, each as `.pem` and `.key`; `server.both` has both.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let (ca, ours) = authority("Suites")?;
    let (_, others) = authority("Somebody else")?;
    fs::write(folder.join("ca.pem"), &ca).context("cannot write a certificate")?;
    let server = issue(folder, "server", &["localhost", "127.0.0.1"], &ours)?;
    fs::write(folder.join("server.both"), server).context("cannot write a certificate")?;
    issue(folder, "client", &[CLIENT], &ours)?;
    issue(folder, "stranger", &[CLIENT], &others)?;
    Ok(())
}

fn authority(name: &str) -> Result<(String, Issuer<'static, KeyPair>)> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?.pem();
    Ok((certificate, Issuer::new(params, key)))
}

/// Returns certificate and key together.
fn issue(folder: &Path, file: &str, names: &[&str], issuer: &Issuer<'_, KeyPair>) -> Result<String> {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or_default());
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?.pem();
    fs::write(folder.join(file).with_extension("pem"), &certificate)?;
    fs::write(folder.join(file).with_extension("key"), key.serialize_pem())?;
    Ok(certificate + &key.serialize_pem())
}
