//! A receiver and a server that die and return at random while events come, over each transport.
//! At the end the receiver's own file is judged: nothing may lack.
//!
//! `DAICHO_STORM=600000` runs it at length, by hand.

use crate::common::pki::Authority;
use crate::common::rsyslog::{Rsyslog, TlsSide};
use crate::common::syslog_ng::SyslogNg;
use crate::world::{Dice, Ledger, ORIGIN, Server, drill, overwrite, say};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Events of a run where nobody asks for more, and how many come together.
const EVENTS: u64 = 12_000;
const TOGETHER: u64 = 200;

/// A death for so many events, but some in a short run too.
const EVENTS_PER_DEATH: u64 = 40_000;
const DEATHS: u64 = 6;

/// What a death can send again over RELP: the window, and what the cursor lags by.
const RESENT_PER_DEATH: u64 = 128 + 1_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Relp,
    RelpTls,
    Tcp,
    Tls,
}

impl Wire {
    fn answers(self) -> bool {
        matches!(self, Wire::Relp | Wire::RelpTls)
    }
}

/// A receiver that writes what comes to one file.
enum Receiver {
    Rsyslog(Rsyslog),
    SyslogNg(SyslogNg),
}

impl Receiver {
    fn port(&self) -> u16 {
        match self {
            Receiver::Rsyslog(receiver) => receiver.port,
            Receiver::SyslogNg(receiver) => receiver.port,
        }
    }

    fn kill(&mut self) {
        match self {
            Receiver::Rsyslog(receiver) => receiver.kill(),
            Receiver::SyslogNg(receiver) => receiver.kill(),
        }
    }

    fn terminate(&mut self) {
        match self {
            Receiver::Rsyslog(receiver) => receiver.terminate(),
            Receiver::SyslogNg(receiver) => receiver.terminate(),
        }
    }

    fn start_again(&mut self) {
        match self {
            Receiver::Rsyslog(receiver) => receiver.start_again(),
            Receiver::SyslogNg(receiver) => receiver.start_again(),
        }
    }

    fn stored(&self) -> Vec<u8> {
        match self {
            Receiver::Rsyslog(receiver) => receiver.stored(),
            Receiver::SyslogNg(receiver) => receiver.stored(),
        }
    }
}

fn rsyslog(wire: Wire, authority: &Authority) -> Option<Receiver> {
    let receiver = authority.issue("receiver.example");
    let ca = authority.certificate();
    let secured = |permitted_peer| {
        Some(TlsSide {
            driver: "ossl",
            ca: &ca,
            certificate: &receiver.certificate,
            key: &receiver.key,
            permitted_peer,
        })
    };
    let started = match wire {
        Wire::Relp => Rsyslog::relp(None, ""),
        Wire::RelpTls => Rsyslog::relp(secured(Some("ledger.example")), ""),
        Wire::Tcp => Rsyslog::start(None),
        Wire::Tls => Rsyslog::start(secured(None)),
    };
    let mut started = started?;
    if wire.answers() {
        // An answer for what is in its memory would be one for what a kill takes.
        started.answer_after_writing();
    }
    Some(Receiver::Rsyslog(started))
}

/// It does not speak RELP.
fn syslog_ng(wire: Wire, authority: &Authority) -> Option<Receiver> {
    let receiver = authority.issue("receiver.example");
    let transport = match wire {
        Wire::Tls => format!(
            r#"transport("tls") tls(ca-file("{}") cert-file("{}") key-file("{}") peer-verify(optional-untrusted))"#,
            authority.certificate().display(),
            receiver.certificate.display(),
            receiver.key.display(),
        ),
        _ => r#"transport("tcp")"#.to_owned(),
    };
    SyslogNg::start(&SYSLOG_NG.replace("{transport}", &transport)).map(Receiver::SyslogNg)
}

/// As exporters/receivers/syslog-ng.conf has it, but for the wire.
const SYSLOG_NG: &str = r#"@version: 3.35
options { keep-hostname(yes); use-dns(no); stats-freq(0); log-msg-size(131072); };
source s { syslog(ip("127.0.0.1") port({port}) {transport} flags(store-raw-message) log-iw-size(10000)); };
destination d { file("{dir}/stored" template("${RAWMSG}\n") log-fifo-size(20000)); };
log { source(s); destination(d); flags(flow-control); };
"#;

/// What was struck down, until it is raised again.
#[derive(Debug)]
enum Down {
    Receiver,
    Server,
}

type Started = fn(Wire, &Authority) -> Option<Receiver>;

struct Storm {
    ledger: Ledger,
    receiver: Receiver,
    /// Its files are read at each start.
    _authority: Authority,
    server: Option<Server>,
    dice: Dice,
    sent: u64,
    /// What this server's exporter had handed over at the last death.
    handed_over: u64,
}

impl Storm {
    fn over(wire: Wire, start: Started, name: &str) -> Option<Storm> {
        let dice = Dice::thrown(name);
        let (ledger, authority) = (Ledger::new(), Authority::new());
        let receiver = start(wire, &authority)?;
        std::fs::copy(authority.certificate(), ledger.dir.join("ca.pem")).unwrap();
        let transport = match wire {
            Wire::Relp => "transport = 'relp'",
            Wire::Tcp => "transport = 'tcp'",
            Wire::Tls => "transport = 'tls'\nca_file = 'ca.pem'\nserver_name = 'receiver.example'",
            Wire::RelpTls => {
                authority.issue_to("ledger.example", &ledger.dir);
                "transport = 'relp-tls'\nca_file = 'ca.pem'\nserver_name = 'receiver.example'\n\
                 client_certificate_file = 'ledger.example.pem'\nclient_key_file = 'ledger.example.key'"
            }
        };
        let config = ledger.dir.join("daicho.toml");
        let before = std::fs::read_to_string(&config).unwrap();
        let port = receiver.port();
        let export = format!("[[export]]\nname = 'hq'\nhost = '127.0.0.1'\nport = {port}\n");
        overwrite(
            &config,
            format!("{before}\n{export}{transport}\n").as_bytes(),
        );
        let server = Some(ledger.serve());
        Some(Storm {
            ledger,
            receiver,
            _authority: authority,
            server,
            dice,
            sent: 0,
            handed_over: 0,
        })
    }

    fn server(&mut self) -> &Server {
        self.server.get_or_insert_with(|| self.ledger.serve())
    }

    fn feed(&mut self) {
        let from = self.sent;
        let lines = (from..from + TOGETHER).map(|n| format!("{}\n", drill(&format!("drill-{n}"))));
        let lines: String = lines.collect();
        let answer = self.server().post("application/x-ndjson", lines).send();
        assert!(answer.unwrap().status().is_success());
        self.sent += TOGETHER;
    }

    /// The exporter as its server sees it, once that is so.
    fn exporter(&mut self, what: &str, so: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let row = self.server().json("/api/v1/export")[0].clone();
            if so(&row) {
                return row;
            }
            assert!(Instant::now() < until, "in vain: {what}: {row}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Into a stream that is under way: one that was never made again since the last death has
    /// nothing to lose.
    fn strike(&mut self) -> Down {
        let before = self.handed_over;
        self.exporter("a stream", |row| {
            row["connected"] == true && row["sent"].as_u64() > Some(before)
        });
        match self.dice.below(4) {
            0 => self.receiver.kill(),
            1 => self.receiver.terminate(),
            way => {
                if let Some(server) = self.server.take() {
                    match way {
                        2 => server.kill(),
                        _ => assert_eq!(server.stop(), 0),
                    }
                }
                self.handed_over = 0;
                return Down::Server;
            }
        }
        let row = self.exporter("the break", |row| row["connected"] == false);
        self.handed_over = row["sent"].as_u64().unwrap();
        Down::Receiver
    }

    /// Events, and deaths among them. Gives how many of these.
    fn rage(&mut self, events: u64) -> u64 {
        let deaths = (events / EVENTS_PER_DEATH).max(DEATHS);
        let rounds = events / TOGETHER;
        for death in 0..deaths {
            let until = rounds * (death + 1) / deaths * TOGETHER;
            let strike = self.sent + self.dice.below((until - self.sent) / TOGETHER) * TOGETHER;
            while self.sent < until {
                self.feed();
                if self.sent - TOGETHER == strike {
                    let down = self.strike();
                    if let Down::Receiver = down {
                        for _ in 0..self.dice.below(4) {
                            self.feed();
                        }
                        self.receiver.start_again();
                    }
                }
            }
        }
        deaths
    }

    /// Everything is handed over, and then what the receiver has stored, as `export check` sees it.
    fn end(&mut self) -> Value {
        let patience = Duration::from_secs(120 + self.sent / 500);
        let until = Instant::now() + patience;
        loop {
            let server = self.server();
            let (status, size) = (server.json("/api/v1/export"), server.size());
            if status[0]["position"].as_u64() >= Some(size) && status[0]["connected"] == true {
                let report = self.judged();
                let chain = &report["chains"][ORIGIN];
                if chain["entries"].as_u64() >= Some(size) {
                    return report;
                }
                assert!(Instant::now() < until, "{status} {report}");
            }
            assert!(Instant::now() < until, "{status}");
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    fn judged(&self) -> Value {
        let stored = self.ledger.beside("stored");
        std::fs::write(&stored, self.receiver.stored()).unwrap();
        let stored = stored.display().to_string();
        let ran = self
            .ledger
            .run(&["export", "check", &stored, "--ledger", "--json"]);
        serde_json::from_str(&ran.out).expect("a report")
    }
}

fn storm(wire: Wire, start: Started, name: &str) {
    let asked = std::env::var("DAICHO_STORM").ok();
    let events = asked.map_or(EVENTS, |events| events.parse().expect("a number of events"));
    let Some(mut storm) = Storm::over(wire, start, name) else {
        return;
    };
    let deaths = storm.rage(events);
    let report = storm.end();
    let chain = &report["chains"][ORIGIN];
    let count = |what: &str| chain[what]["count"].as_u64().unwrap();
    for fault in ["gaps", "altered", "forged"] {
        assert_eq!(count(fault), 0, "{report}");
    }
    let duplicates = chain["duplicates"].as_u64().unwrap();
    say(&format!(
        "{name}: {} entries, {deaths} deaths, {duplicates} duplicates, {} cut lines, none lost",
        chain["entries"],
        count("truncated") + report["torn"]["count"].as_u64().unwrap(),
    ));
    if wire.answers() {
        assert!(duplicates <= deaths * RESENT_PER_DEATH, "{report}");
    }
    assert_eq!(storm.server.take().map(Server::stop), Some(0));
    storm.ledger.verify();
}

#[test]
fn nothing_is_lost_over_relp() {
    storm(Wire::Relp, rsyslog, "storm over relp");
}

#[test]
fn nothing_is_lost_over_relp_with_tls() {
    storm(Wire::RelpTls, rsyslog, "storm over relp-tls");
}

#[test]
fn nothing_is_lost_over_tcp() {
    storm(Wire::Tcp, rsyslog, "storm over tcp");
}

#[test]
fn nothing_is_lost_over_tls() {
    storm(Wire::Tls, rsyslog, "storm over tls");
}

#[test]
fn nothing_is_lost_over_tcp_into_syslog_ng() {
    storm(Wire::Tcp, syslog_ng, "storm over tcp into syslog-ng");
}

#[test]
fn nothing_is_lost_over_tls_into_syslog_ng() {
    storm(Wire::Tls, syslog_ng, "storm over tls into syslog-ng");
}
