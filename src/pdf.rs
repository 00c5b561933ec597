//! Runs `daicho-pdf`, the program that writes reports as PDF/A-3b: it is built apart
//! (`cargo build -p daicho-pdf`), so that nothing else waits for a PDF engine.

use crate::config;
use crate::outcome::Failure;
use anyhow::{Context, anyhow};
use exporters::report::Language;
use ledger::Layout;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A report's JSON as a document.
pub fn render(
    json: &str,
    language: Language,
    config: &config::Report,
    layout: &Layout,
) -> Result<Vec<u8>, Failure> {
    let program = program();
    let mut command = Command::new(&program);
    command.args(["--language", language.tag()]);
    if let Some(font) = &config.font {
        command.arg("--font").arg(layout.dir().join(font));
    }
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.stderr(Stdio::piped()).spawn().map_err(|error| {
        let fault = anyhow::Error::new(error).context(format!("{} cannot be run", program.display()));
        let help = "put daicho-pdf beside daicho or on the path (cargo build -p daicho-pdf), or choose another --format";
        Failure::new(fault, help)
    })?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // Who refuses early does not read to the end: its own words say why.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(json.as_bytes())));
        child.wait_with_output()
    });
    let output = output.context("daicho-pdf")?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        let fault = anyhow!("daicho-pdf: {}", told.trim());
        return Err(Failure::new(
            fault,
            "set [report] font in daicho.toml, or choose another --format",
        ));
    }
    Ok(output.stdout)
}

/// Beside this program, else wherever the path has it.
fn program() -> PathBuf {
    let name = format!("daicho-pdf{}", std::env::consts::EXE_SUFFIX);
    let own = std::env::current_exe().ok();
    let beside = own.and_then(|own| Some(own.parent()?.join(&name)));
    beside
        .filter(|path| path.is_file())
        .unwrap_or(PathBuf::from(name))
}
