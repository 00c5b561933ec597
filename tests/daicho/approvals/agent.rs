//! Decisions that OpenSSH's own agent signs.

use super::{FAR, Office, id, requested};
use crate::world::{cannot_run, daicho, has, run, ssh_key, wait_for};
use std::process::{Child, Command, Stdio};

/// OpenSSH's own agent. Killed when dropped.
struct Agent {
    child: Child,
    socket: std::path::PathBuf,
}

impl Agent {
    fn start(office: &Office) -> Agent {
        let socket = office.ledger.beside("agent");
        let mut command = Command::new("ssh-agent");
        let child = command
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn();
        let agent = Agent {
            child: child.unwrap(),
            socket,
        };
        wait_for("the agent listens", || agent.socket.exists());
        agent
    }

    fn add(&self, args: &[&str]) {
        let mut command = Command::new("ssh-add");
        command.args(args).env("SSH_AUTH_SOCK", &self.socket);
        assert!(command.stderr(Stdio::null()).status().unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_ssh_agent_signs_with_the_registered_key_and_no_other() {
    if !has("ssh-agent", "-?") || !has("ssh-keygen", "-?") || !has("ssh-add", "-?") {
        return cannot_run("approvals", "OpenSSH's agent is not there");
    }
    let office = Office::new("", &["s002", "s003"]);
    let policy = office.policy();
    let asked = [requested(1, &policy, FAR), requested(2, &policy, FAR)];
    office.ledger.append(&asked);
    let ids: Vec<String> = office.waiting().iter().map(id).collect();
    let agent = Agent::start(&office);
    let decide = |verb: &str, approval: &str, more: &[&str]| {
        let mut command = daicho(&office.ledger.dir);
        command.env("SSH_AUTH_SOCK", &agent.socket);
        command.args(["approvals", verb, approval, "--by", "user:s002"]);
        command.args(more);
        run(command, b"")
    };
    decide("grant", &ids[0], &["--agent"]).refused(&["the ssh-agent did not sign"]);
    let other = ssh_key(&office.ledger.beside("other"));
    agent.add(&[&other]);
    agent.add(&[&office.keys[1]]);
    decide("grant", &ids[0], &[]).refused(&["the ssh-agent did not sign"]);
    agent.add(&[&office.keys[0]]);
    // From here on only the agent has the secret.
    std::fs::remove_file(&office.keys[0]).unwrap();
    decide("grant", &ids[0], &["--agent"]).ok();
    decide("deny", &ids[1], &[]).ok();
    let evidence = office.ledger.beside("evidence").display().to_string();
    let command = ["approvals", "evidence", &ids[0], "--output", &evidence];
    let command = office.ledger.run(&command).ok();
    let judged = Command::new("sh")
        .args(["-c", command.trim()])
        .output()
        .unwrap();
    assert!(
        judged.status.success(),
        "OpenSSH accepts what its agent signed"
    );
    office.ledger.verify();
}

#[test]
fn without_a_key_and_an_agent_nobody_decides() {
    if !has("ssh-keygen", "-?") {
        return cannot_run("approvals", "ssh-keygen is not there");
    }
    let office = Office::new("", &["s002"]);
    let policy = office.policy();
    office.ledger.append(&[requested(1, &policy, FAR)]);
    let approval = id(&office.waiting()[0]);
    let decide = ["approvals", "approve", &approval, "--by", "user:s002"];
    office
        .ledger
        .run(&decide)
        .refused(&["there is no key to sign with"]);
}
