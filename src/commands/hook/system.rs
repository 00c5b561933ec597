//! What of Claude Code's settings is another on each system: where they stand, and how a line names
//! a program.

/// The system that the client runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    Linux,
    MacOs,
    Windows,
}

impl System {
    /// The one that this program was built for.
    pub const HERE: System = if cfg!(windows) {
        System::Windows
    } else if cfg!(target_os = "macos") {
        System::MacOs
    } else {
        System::Linux
    };

    /// Where its administrator puts settings that no user can change.
    pub fn managed_dir(self) -> &'static str {
        match self {
            System::Linux => "/etc/claude-code",
            System::MacOs => "/Library/Application Support/ClaudeCode",
            System::Windows => r"C:\Program Files\ClaudeCode",
        }
    }

    /// A program's path as one word of a line that the client gives to a shell: `sh`, or on Windows
    /// `cmd`, which knows no quotes but these and whose paths hold none.
    pub fn quoted(self, program: &str) -> String {
        match self {
            System::Windows => format!("\"{program}\""),
            System::Linux | System::MacOs => format!("'{}'", program.replace('\'', r"'\''")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_system_has_its_place_and_its_quotes() {
        let table = [
            (
                System::Linux,
                "/etc/claude-code",
                "/opt/the company's/daicho",
                r"'/opt/the company'\''s/daicho'",
            ),
            (
                System::MacOs,
                "/Library/Application Support/ClaudeCode",
                "/Applications/daicho $1/daicho",
                "'/Applications/daicho $1/daicho'",
            ),
            (
                System::Windows,
                r"C:\Program Files\ClaudeCode",
                r"C:\Program Files\daicho\daicho.exe",
                "\"C:\\Program Files\\daicho\\daicho.exe\"",
            ),
        ];
        for (system, dir, program, quoted) in table {
            assert_eq!(system.managed_dir(), dir);
            assert_eq!(system.quoted(program), quoted);
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_shell_finds_the_program_wherever_it_stands() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("a b $HOME `id` 'c' \"d\" \\e");
        std::fs::create_dir(&place).unwrap();
        let program = place.join("daicho");
        std::fs::write(&program, "#!/bin/sh\necho \"$1 $2\"\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let line = System::HERE.quoted(program.to_str().unwrap());
        let line = format!("{line} hook token");
        let mut shell = std::process::Command::new("sh");
        let said = shell.args(["-c", &line]).output().unwrap();
        assert_eq!(said.stdout, b"hook token\n", "{said:?}");
    }
}
