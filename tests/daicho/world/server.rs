use super::{DEADLINE, wait_for};
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// A running `daicho serve`. Killed when dropped.
pub struct Server {
    child: Child,
    pub address: String,
    pub token: String,
    pub client: Client,
}

impl Server {
    /// Starts the server that `command` (which names binary and data directory) describes,
    /// and waits until it says where it listens.
    #[track_caller]
    pub fn start(data: &Path, mut command: Command) -> Server {
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        // Shown when the test fails, and only then.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("server: {line}");
            }
        });
        let (said, hear) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = said.send(line);
            }
        });
        // The guard first, so that a server that says nothing is killed too.
        let mut server = Server {
            child,
            address: String::new(),
            token: std::fs::read_to_string(data.join("keys/operator.token"))
                .map_or(String::new(), |token| token.trim().to_owned()),
            client: Client::builder()
                .no_proxy()
                .timeout(DEADLINE)
                .build()
                .unwrap(),
        };
        let until = Instant::now() + DEADLINE;
        while server.address.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            let line = hear.recv_timeout(left).expect("the server starts");
            if let Some((_, url)) = line.split_once("http://") {
                server.address = url.trim_end_matches('/').to_owned();
            }
        }
        // The first answer: from here on a signal finds its handler.
        server.text("/healthz");
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().unwrap()
    }

    #[track_caller]
    pub fn text(&self, path: &str) -> String {
        self.get(path).error_for_status().unwrap().text().unwrap()
    }

    /// `None` when the server is gone before it has answered whole.
    pub fn try_text(&self, path: &str) -> Option<String> {
        let answer = self.client.get(self.url(path)).send().ok()?;
        assert!(answer.status().is_success(), "{answer:?}");
        answer.text().ok()
    }

    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path)).unwrap()
    }

    /// How many entries there are, by the newest checkpoint: views may lag it.
    #[track_caller]
    pub fn size(&self) -> u64 {
        let note = self.text("/log/checkpoint");
        note.lines().nth(1).unwrap().parse().unwrap()
    }

    /// A request that appends, with the operator's token.
    pub fn post(&self, media: &str, body: impl Into<reqwest::blocking::Body>) -> RequestBuilder {
        let request = self.client.post(self.url("/api/v1/events"));
        request
            .bearer_auth(&self.token)
            .header("content-type", media)
            .body(body)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: nothing is flushed, nothing is said.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its end awaited. Gives the exit code.
    pub fn stop(mut self) -> i32 {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(sent.success());
        let mut code = None;
        wait_for("the server ends", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        code.unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
