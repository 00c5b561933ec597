use clap::ValueEnum;
use exporters::report::{Format, Language};
use serde::{Deserialize, Serialize};

/// How a document is written: what the log's own reports have, and PDF, which another program
/// makes of the JSON.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    #[default]
    Html,
    Json,
    Csv,
    Md,
    Pdf,
}

impl Form {
    pub const ALL: [Form; 5] = [Form::Html, Form::Json, Form::Csv, Form::Md, Form::Pdf];

    /// None: PDF.
    pub fn format(self) -> Option<Format> {
        Some(match self {
            Form::Html => Format::Html,
            Form::Json => Format::Json,
            Form::Csv => Format::Csv,
            Form::Md => Format::Markdown,
            Form::Pdf => return None,
        })
    }

    /// As `report.issued` has it. JSON is in no language.
    pub fn media(self, language: Language) -> String {
        match self.format() {
            Some(format) => format.media(language),
            None => format!("application/pdf; lang={}", language.tag()),
        }
    }

    /// What a media type says, as far as it is one of these.
    pub fn of_media(media: &str) -> Option<(Form, Language)> {
        let languages = [Language::Japanese, Language::English];
        let all = Form::ALL.into_iter();
        let mut all = all.flat_map(|form| languages.map(|language| (form, language)));
        all.find(|(form, language)| form.media(*language) == media)
    }

    pub fn ending(self) -> &'static str {
        match self {
            Form::Html => "html",
            Form::Json => "json",
            Form::Csv => "csv",
            Form::Md => "md",
            Form::Pdf => "pdf",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_says_form_and_language() {
        for form in Form::ALL {
            for language in [Language::Japanese, Language::English] {
                let read = Form::of_media(&form.media(language));
                let language = match form {
                    Form::Json => Language::Japanese,
                    _ => language,
                };
                assert_eq!(read, Some((form, language)));
            }
        }
        assert_eq!(Form::of_media("text/html"), None);
    }
}
