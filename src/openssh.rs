//! An approver's key that no file here holds: `ssh-keygen -Y sign` has it signed by the ssh-agent,
//! or by the hardware that a key file names.
//!
//! OpenSSH's own program, because it knows where the agent of this system is (a socket, or the
//! pipe `\\.\pipe\openssh-ssh-agent` of Windows), and how to ask for a touch or a PIN.

use crate::outcome::Failure;
use agents::approvals::signature::NAMESPACE;
use anyhow::Context;
use schemas::Label;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Is there an agent to ask? Windows' has a fixed place.
pub fn has_agent() -> bool {
    cfg!(windows) || std::env::var_os("SSH_AUTH_SOCK").is_some_and(|socket| !socket.is_empty())
}

/// The armoured signature of a text by the agent, under this public key.
pub fn sign_by_agent(text: &str, key: &Label) -> Result<String, Failure> {
    let mut public = tempfile::Builder::new()
        .prefix("daicho-")
        .suffix(".pub")
        .tempfile()
        .context("no place for a public key")?;
    writeln!(public, "{key}").context("no place for a public key")?;
    sign(text, public.path()).map_err(|fault| {
        let help =
            "`ssh-add -l` shows what the agent holds; `ssh-add KEY` adds one. Nothing was recorded";
        Failure::new(fault.context("the ssh-agent did not sign"), help)
    })
}

/// The same by the hardware that a private key's file names.
pub fn sign_by_file(text: &str, file: &Path) -> Result<String, Failure> {
    sign(text, file).map_err(|fault| {
        let help = "attach the hardware and touch it when asked. Nothing was recorded";
        Failure::new(fault.context("the hardware did not sign"), help)
    })
}

/// What it prompts and complains about goes to the terminal.
fn sign(text: &str, key: &Path) -> anyhow::Result<String> {
    let mut child = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("ssh-keygen cannot be started; it comes with OpenSSH")?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read says why by its exit code.
        let _ = stdin.write_all(text.as_bytes());
    }
    let ended = child.wait_with_output().context("ssh-keygen did not end")?;
    anyhow::ensure!(
        ended.status.success(),
        "ssh-keygen ended with {}",
        ended.status
    );
    String::from_utf8(ended.stdout).context("ssh-keygen wrote no signature")
}
