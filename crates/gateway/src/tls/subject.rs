//! What a service is told of a client's certificate.

use std::fmt::Write as _;

use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// A certificate as the value of `X-Forwarded-Client-Cert`, in the form that Envoy gave it:
/// `Hash=…;Subject="CN=…";URI=…;DNS=…`. The hash is SHA-256 over the certificate in hexadecimal digits, the
/// subject as RFC 4514 writes it.
pub(crate) fn forwarded_certificate(certificate: &CertificateDer<'_>) -> String {
    let mut out = String::from("Hash=");
    for byte in sha256(certificate) {
        write!(out, "{byte:02x}").expect("a String takes all that is written to it");
    }
    // It was checked by its authority, so what cannot be read here is merely beyond what is known here.
    let Ok(certificate) = Certificate::from_der(certificate) else { return out };
    let certificate = certificate.tbs_certificate;
    out.push_str(";Subject=");
    quote(&mut out, &certificate.subject.to_string());
    let Ok(Some((_, SubjectAltName(names)))) = certificate.get::<SubjectAltName>() else { return out };
    for name in &names {
        let (key, value) = match name {
            GeneralName::UniformResourceIdentifier(uri) => (";URI=", uri.as_str()),
            GeneralName::DnsName(name) => (";DNS=", name.as_str()),
            _ => continue,
        };
        out.push_str(key);
        let is_plain = value.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;=\\".contains(&byte));
        if is_plain { out.push_str(value) } else { quote(&mut out, value) }
    }
    out
}

/// What a header cannot hold becomes `\` and hexadecimal digits, as in RFC 4514.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            byte => write!(out, "\\\\{byte:02X}").expect("a String takes all that is written to it"),
        }
    }
    out.push('"');
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().expect("its name says so");
    suite.common.hash_provider.hash(bytes).as_ref().to_vec()
}
