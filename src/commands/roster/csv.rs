//! RFC 4180, with a head, in UTF-8: as spreadsheets write it.

use zeroize::Zeroizing;

/// What is wrong with a file. Says where, never what stands there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    #[error("the file is not UTF-8 (byte {0})")]
    NotUtf8(usize),
    #[error("the file has no column `name`")]
    NoName,
    #[error("column {0} is none of name, kana, reading, romaji, phone, email")]
    UnknownColumn(usize),
    #[error("line {0} has another number of columns than the head, or a quote without its end")]
    Columns(usize),
    #[error("the file lists nobody")]
    Empty,
}

/// One line each: name, kana, romaji, with tabs between. Phones and mailboxes are found by
/// their form: they are not kept.
pub fn people(bytes: &[u8]) -> Result<Vec<Zeroizing<String>>, CsvError> {
    let text = std::str::from_utf8(bytes).map_err(|e| CsvError::NotUtf8(e.valid_up_to()))?;
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let head = lines
        .next()
        .and_then(|(_, head)| cells(head))
        .ok_or(CsvError::NoName)?;
    let (mut name, mut kana, mut romaji) = (None, None, None);
    for (at, column) in head.iter().enumerate() {
        match column.trim().to_ascii_lowercase().as_str() {
            "name" => name = Some(at),
            "kana" | "reading" => kana = Some(at),
            "romaji" => romaji = Some(at),
            "phone" | "email" => {}
            _ => return Err(CsvError::UnknownColumn(at + 1)),
        }
    }
    let name = name.ok_or(CsvError::NoName)?;
    let mut people = Vec::new();
    for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let cells = cells(line).filter(|cells| cells.len() == head.len());
        let cells = cells.ok_or(CsvError::Columns(index + 1))?;
        let cell = |at: Option<usize>| at.map_or_else(String::new, |at| spaced(&cells[at]));
        let person = [cell(Some(name)), cell(kana), cell(romaji)].join("\t");
        people.push(Zeroizing::new(person));
    }
    if people.is_empty() {
        return Err(CsvError::Empty);
    }
    Ok(people)
}

/// One space between words, none around them.
fn spaced(cell: &str) -> String {
    cell.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cells(line: &str) -> Option<Vec<String>> {
    let mut cells = vec![String::new()];
    let mut chars = line.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        let cell = cells.last_mut()?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() => quoted = true,
            ',' if !quoted => cells.push(String::new()),
            c => cell.push(c),
        }
    }
    (!quoted).then_some(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, CsvError> {
        let people = people(text.as_bytes())?;
        Ok(people.iter().map(|person| person.to_string()).collect())
    }

    #[test]
    fn columns_come_in_any_order_and_what_is_not_needed_is_not_kept() {
        let text = "\u{feff}email,romaji,\"name\",kana\r\na@example.com,Yamada Taro,山田　太郎,\"ヤマダ  タロウ\"\r\n\r\n,,鈴木 花,\r\n";
        let people = read(text).expect("sound");
        assert_eq!(
            people,
            ["山田 太郎\tヤマダ タロウ\tYamada Taro", "鈴木 花\t\t"]
        );
    }

    #[test]
    fn each_fault_is_named_by_its_place() {
        for (text, error) in [
            ("kana\nア イ\n", CsvError::NoName),
            ("", CsvError::NoName),
            ("name,age\n", CsvError::UnknownColumn(2)),
            ("name,kana\n\n山田 太郎\n", CsvError::Columns(3)),
            ("name\n\"山田 太郎\n", CsvError::Columns(2)),
            ("name\n", CsvError::Empty),
        ] {
            assert_eq!(read(text), Err(error), "{text}");
        }
        assert_eq!(people(b"name\n\xff"), Err(CsvError::NotUtf8(5)));
    }
}
