//! A time-stamping authority: OpenSSL's `ts`, its own certificates, and a door of HTTP.

use crate::world::run;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Everything an authority has lies in one directory.
pub struct Tsa {
    dir: TempDir,
}

/// How a certificate is made and used.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    pub name: &'a str,
    /// As `openssl genpkey` takes it.
    pub key: &'a [&'a str],
    /// Who issued its certificate: `ca`, or another made by [`Tsa::intermediate`].
    pub issuer: &'a str,
    pub usage: &'a str,
    pub digest: &'a str,
    /// What its signed attributes name it with: `sha1` (RFC 3161) or `sha256` (RFC 5816).
    pub ess: &'a str,
}

pub const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
pub const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
pub const P384: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];

pub const HONEST: Signer<'static> = Signer {
    name: "tsa",
    key: RSA,
    issuer: "ca",
    usage: "critical,timeStamping",
    digest: "sha256",
    ess: "sha1",
};

impl Tsa {
    /// An authority with a root and an honest signer.
    pub fn new() -> Tsa {
        let tsa = Tsa::without_signer();
        tsa.issue(HONEST, None);
        tsa
    }

    pub fn without_signer() -> Tsa {
        let dir = TempDir::new().unwrap();
        let tsa = Tsa { dir };
        tsa.key("ca", RSA);
        tsa.openssl(
            None,
            &[
                "req",
                "-x509",
                "-new",
                "-key",
                "ca.key",
                "-subj",
                "/O=Example/CN=Root",
                "-days",
                "10000",
                "-out",
                "ca.pem",
                "-addext",
                "keyUsage=critical,keyCertSign",
            ],
        );
        tsa
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Runs OpenSSL in the directory, at another time where one is given.
    #[track_caller]
    pub fn openssl(&self, at: Option<&str>, args: &[&str]) {
        let mut command = match at {
            Some(time) => {
                let mut command = Command::new("faketime");
                command.args([time, "openssl"]);
                command
            }
            None => Command::new("openssl"),
        };
        command.args(args).current_dir(self.dir.path());
        command.env("TZ", "UTC");
        run(command, b"").ok();
    }

    fn key(&self, name: &str, key: &[&str]) {
        let file = format!("{name}.key");
        self.openssl(None, &[&["genpkey", "-out", &file], key].concat());
    }

    /// A key and a certificate for a signer, of ten days from now or from another time.
    pub fn issue(&self, signer: Signer<'_>, from: Option<&str>) {
        static SERIAL: AtomicU32 = AtomicU32::new(1);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        self.key(signer.name, signer.key);
        self.certify(signer, signer.name, serial, from);
    }

    /// A certificate of a signer's key under a name, in the signer's file.
    pub fn certify(&self, signer: Signer<'_>, subject: &str, serial: u32, from: Option<&str>) {
        let usage = signer.usage;
        let extensions = format!(
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage={usage}\n"
        );
        self.sign(signer, subject, serial, from, &extensions);
    }

    /// An issuer below the root.
    pub fn intermediate(&self, name: &str) {
        let issuer = Signer { name, ..HONEST };
        self.key(name, issuer.key);
        let extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";
        self.sign(issuer, name, 1, None, extensions);
    }

    fn sign(
        &self,
        signer: Signer<'_>,
        subject: &str,
        serial: u32,
        from: Option<&str>,
        extensions: &str,
    ) {
        let name = signer.name;
        std::fs::write(self.path("extensions"), extensions).unwrap();
        let [key, request, out] = ["key", "csr", "pem"].map(|end| format!("{name}.{end}"));
        let (subject, serial) = (format!("/O=Example/CN={subject}"), serial.to_string());
        let ask = [
            "req", "-new", "-key", &key, "-subj", &subject, "-out", &request,
        ];
        self.openssl(None, &ask);
        let [ca, ca_key] = ["pem", "key"].map(|end| format!("{}.{end}", signer.issuer));
        #[rustfmt::skip]
        let sign = [
            "x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-set_serial",
            &serial, "-days", "10", "-extfile", "extensions", "-out", &out,
        ];
        self.openssl(from, &sign);
    }

    /// What `openssl ts -reply` answers to a query.
    pub fn reply(&self, signer: Signer<'_>, query: &[u8], at: Option<&str>) -> Vec<u8> {
        let Signer {
            name,
            issuer,
            digest,
            ess,
            ..
        } = signer;
        std::fs::write(self.path("query.tsq"), query).unwrap();
        let config = format!(
            "[tsa]\ndefault_tsa = it\n[it]\nserial = ./serial\ncrypto_device = builtin\n\
             signer_cert = ./{name}.pem\nsigner_key = ./{name}.key\ncerts = ./{issuer}.pem\n\
             signer_digest = {digest}\ness_cert_id_alg = {ess}\ndefault_policy = 1.2.3.4.1\n\
             other_policies = 1.2.3.4.2\ndigests = sha256, sha512\naccuracy = secs:1\n\
             clock_precision_digits = 3\nordering = yes\ntsa_name = yes\n\
             ess_cert_id_chain = no\n"
        );
        std::fs::write(self.path("tsa.cnf"), config).unwrap();
        self.openssl(
            at,
            &[
                "ts",
                "-reply",
                "-config",
                "tsa.cnf",
                "-section",
                "it",
                "-queryfile",
                "query.tsq",
                "-out",
                "reply.tsr",
            ],
        );
        self.read("reply.tsr")
    }

    /// A token over the content of an honest one that any certificate signs: OpenSSL's `ts`
    /// would refuse to sign with some of them.
    pub fn forge(&self, signer: Signer<'_>, response: &[u8]) -> Vec<u8> {
        std::fs::write(self.path("honest.tsr"), response).unwrap();
        let token = [
            "ts",
            "-reply",
            "-in",
            "honest.tsr",
            "-token_out",
            "-out",
            "honest.tst",
        ];
        self.openssl(None, &token);
        self.openssl(
            None,
            &[
                "cms",
                "-verify",
                "-noverify",
                "-inform",
                "DER",
                "-in",
                "honest.tst",
                "-out",
                "info.der",
            ],
        );
        let (certificate, key) = (
            format!("{}.pem", signer.name),
            format!("{}.key", signer.name),
        );
        self.openssl(
            None,
            &[
                "cms",
                "-sign",
                "-binary",
                "-nodetach",
                "-nosmimecap",
                "-cades",
                "-md",
                signer.digest,
                "-econtent_type",
                "1.2.840.113549.1.9.16.1.4",
                "-in",
                "info.der",
                "-signer",
                &certificate,
                "-inkey",
                &key,
                "-outform",
                "DER",
                "-out",
                "forged.der",
            ],
        );
        let token = self.read("forged.der");
        let granted = [0x30, 0x03, 0x02, 0x01, 0x00];
        let length = u16::try_from(granted.len() + token.len()).unwrap();
        [&[0x30, 0x82][..], &length.to_be_bytes(), &granted, &token].concat()
    }
}

/// What the authority does with a request.
pub type Answer = Box<dyn FnMut(&[u8]) -> (u16, Vec<u8>) + Send>;

/// The authority on HTTP, for as long as the process lives.
pub struct Door {
    pub url: String,
    answer: Arc<Mutex<Answer>>,
}

impl Door {
    pub fn open(answer: Answer) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/tsa", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(answer));
        let theirs = Arc::clone(&answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that leaves early is no concern of an authority.
                let _ = serve(stream, &theirs);
            }
        });
        Door { url, answer }
    }

    /// From now on it does this.
    pub fn change(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }
}

fn serve(stream: TcpStream, answer: &Mutex<Answer>) -> std::io::Result<()> {
    let mut request = BufReader::new(stream);
    let (mut length, mut media) = (0, String::new());
    loop {
        let mut line = String::new();
        request.read_line(&mut line)?;
        let lower = line.trim().to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if let Some(value) = lower.strip_prefix("content-type:") {
            media = value.trim().to_owned();
        }
        if lower.is_empty() {
            break;
        }
    }
    let mut query = vec![0; length];
    request.read_exact(&mut query)?;
    let (status, body) = if media == "application/timestamp-query" {
        (answer.lock().unwrap())(&query)
    } else {
        (415, Vec::new())
    };
    let mut stream = request.into_inner();
    write!(
        stream,
        "HTTP/1.1 {status} -\r\ncontent-type: application/timestamp-reply\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}
