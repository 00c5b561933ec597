use zeroize::Zeroizing;

/// Raw bytes from an agent or a provider, before masking.
///
/// Neither `Debug` nor `Serialize`: raw text can be masked, or sealed as content, and
/// cannot slip into a log line, an error or an event. Wiped from memory when dropped.
pub struct Capture(Held);

/// Whether it is text is asked once, not by everyone who reads it.
enum Held {
    Text(Zeroizing<String>),
    /// And the first byte that is none.
    Bytes(Zeroizing<Vec<u8>>, usize),
}

impl Capture {
    pub fn new(bytes: Vec<u8>) -> Capture {
        Capture(match String::from_utf8(bytes) {
            Ok(text) => Held::Text(Zeroizing::new(text)),
            Err(error) => {
                let offset = error.utf8_error().valid_up_to();
                Held::Bytes(Zeroizing::new(error.into_bytes()), offset)
            }
        })
    }

    pub(crate) fn raw(&self) -> &[u8] {
        match &self.0 {
            Held::Text(text) => text.as_bytes(),
            Held::Bytes(bytes, _) => bytes,
        }
    }

    /// Or the first byte that is no UTF-8.
    pub(crate) fn text(&self) -> Result<&str, usize> {
        match &self.0 {
            Held::Text(text) => Ok(text),
            Held::Bytes(_, offset) => Err(*offset),
        }
    }

    pub fn len_bytes(&self) -> u64 {
        self.raw().len() as u64
    }
}
