use std::path::Path;
use std::process::{Child, Command, Stdio};

/// An HTTP server that others wrote: keeps each body as a line of a file, answers as told.
pub fn receiver(kept: &Path, status: u16) -> Option<(Child, u16)> {
    if !super::has("python3", "-V") {
        return None;
    }
    const SERVER: &str = "\
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        with open(sys.argv[1], 'ab') as kept: kept.write(body + b'\\n')
        self.send_response(int(sys.argv[2])); self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
";
    let mut child = Command::new("python3")
        .args(["-c", SERVER])
        .arg(kept)
        .arg(status.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = child.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    Some((child, line.trim().parse().unwrap()))
}
