//! The three verifiers of a bundle, each as its user has it.

use crate::world::{Ran, cannot_run, clean, run};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A bundle, and what the auditor brings.
#[derive(Clone, Default)]
pub struct Question {
    pub name: String,
    pub bundle: PathBuf,
    pub vkey: Option<String>,
    pub witness: Option<String>,
    pub kept: Vec<PathBuf>,
}

impl Question {
    pub fn vkey(self, vkey: &str) -> Question {
        Question {
            vkey: Some(vkey.to_owned()),
            ..self
        }
    }

    pub fn witness(self, vkey: &str) -> Question {
        Question {
            witness: Some(vkey.to_owned()),
            ..self
        }
    }

    pub fn kept(self, path: &Path) -> Question {
        let mut kept = self.kept;
        kept.push(path.to_owned());
        Question { kept, ..self }
    }

    fn args(&self) -> Vec<String> {
        let mut args = vec![self.bundle.display().to_string()];
        let mut add = |flag: &str, value: String| args.extend([flag.to_owned(), value]);
        self.vkey.iter().for_each(|key| add("--vkey", key.clone()));
        self.witness
            .iter()
            .for_each(|key| add("--witness", key.clone()));
        for path in &self.kept {
            add("--checkpoint", path.display().to_string());
        }
        args
    }

    pub fn ask_daicho(&self) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daicho"));
        clean(&mut command);
        command.arg("verify-bundle").args(self.args());
        run(command, b"")
    }

    pub fn ask_python(&self, python: &Python) -> Ran {
        let mut command = Command::new(&python.program);
        // Isolated, or a package of this host could decide.
        command.args(&python.args).arg(source("verify.py"));
        command.args(self.args()).args(&python.more);
        run(command, b"")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn source(name: &str) -> PathBuf {
    root().join("exporters/src/bundle").join(name)
}

pub struct Python {
    program: PathBuf,
    args: Vec<&'static str>,
    more: Vec<String>,
}

impl Python {
    /// With one more argument.
    pub fn with(&self, flag: &str, path: &Path) -> Python {
        Python {
            program: self.program.clone(),
            args: self.args.clone(),
            more: vec![flag.to_owned(), path.display().to_string()],
        }
    }

    /// With the package `cryptography`.
    pub fn with_cryptography() -> Option<Python> {
        let own = root().join("tests/.tools/venv/bin/python");
        let program = [own, PathBuf::from("python3")].into_iter().find(|python| {
            let mut asked = Command::new(python);
            asked
                .args(["-c", "import cryptography"])
                .output()
                .is_ok_and(|asked| asked.status.success())
        })?;
        Some(Python {
            program,
            args: Vec::new(),
            more: Vec::new(),
        })
    }

    /// The standard library alone.
    pub fn bare() -> Option<Python> {
        // -S: without the packages that are installed.
        crate::world::has("python3", "--version").then(|| Python {
            program: "python3".into(),
            args: vec!["-S", "-I"],
            more: Vec::new(),
        })
    }
}

/// What the page shows for each question; `None` where there is no Chromium.
pub fn ask_page(questions: &[Question]) -> Option<Vec<Value>> {
    let script = root().join("tests/browser/bundle.mjs");
    let there = ["node", "chromium"]
        .iter()
        .all(|program| crate::world::has(program, "--version"));
    if !there
        || !root()
            .join("tests/.tools/node_modules/playwright-core")
            .is_dir()
    {
        cannot_run("bundle", "no chromium, node or playwright-core");
        return None;
    }
    let jobs: Vec<Value> = questions
        .iter()
        .enumerate()
        .map(|(i, question)| {
            let mut job = json!({ "bundle": question.bundle, "drop": i % 2 == 0 });
            question
                .vkey
                .iter()
                .for_each(|key| job["vkey"] = json!(key));
            question
                .witness
                .iter()
                .for_each(|key| job["witness"] = json!(key));
            if !question.kept.is_empty() {
                job["kept"] = json!(question.kept);
            }
            job
        })
        .collect();
    let mut command = Command::new("node");
    command.arg(script).arg(source("verify.html"));
    let shown = run(command, json!(jobs).to_string().as_bytes()).lines();
    assert_eq!(shown.len(), questions.len());
    for (shown, question) in shown.iter().zip(questions) {
        let name = &question.name;
        assert_eq!(
            shown["heard"],
            json!([]),
            "{name}: the page asked for something, or failed"
        );
        assert_eq!(shown["strange"], 0, "{name}: a text became something else");
    }
    Some(shown)
}

/// All three give this exit code, or its verdict.
#[track_caller]
pub fn all_say(questions: &[(Question, i32)]) {
    let python = Python::with_cryptography();
    if python.is_none() {
        cannot_run("bundle", "no python3 with the package cryptography");
    }
    for (question, code) in questions {
        let ran = question.ask_daicho();
        assert_eq!(ran.code, *code, "daicho on {}: {ran:?}", question.name);
        let proven = ran.out.lines().any(|line| line.starts_with("PROVEN"));
        assert_eq!(proven, *code != 1, "daicho on {}: {ran:?}", question.name);
        if let Some(python) = &python {
            let ran = question.ask_python(python);
            assert_eq!(ran.code, *code, "verify.py on {}: {ran:?}", question.name);
            let proven = ran.out.lines().any(|line| line.starts_with("PROVEN"));
            assert_eq!(
                proven,
                *code != 1,
                "verify.py on {}: {ran:?}",
                question.name
            );
            assert!(!ran.err.contains("Traceback"), "{ran:?}");
        }
    }
    let asked: Vec<Question> = questions
        .iter()
        .map(|(question, _)| question.clone())
        .collect();
    for (shown, (question, code)) in ask_page(&asked).into_iter().flatten().zip(questions) {
        let verdict = match (code, &question.vkey) {
            (0, Some(_)) => "proven",
            (0, None) => "if-key",
            _ => "wrong",
        };
        assert_eq!(
            shown["verdict"], verdict,
            "verify.html on {}: {shown}",
            question.name
        );
        assert_eq!(
            shown["proven"] == json!([]),
            *code == 1,
            "verify.html on {}: {shown}",
            question.name
        );
        assert_eq!(
            shown["wrong"] != json!([]),
            *code == 1,
            "verify.html on {}: {shown}",
            question.name
        );
    }
}
