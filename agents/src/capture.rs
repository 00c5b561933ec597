use zeroize::Zeroizing;

/// Raw bytes from an agent or a provider, before masking.
///
/// Neither `Debug` nor `Serialize`: raw text can be masked, or sealed as content, and
/// cannot slip into a log line, an error or an event. Wiped from memory when dropped.
pub struct Capture(Zeroizing<Vec<u8>>);

impl Capture {
    pub fn new(bytes: Vec<u8>) -> Capture {
        Capture(Zeroizing::new(bytes))
    }

    pub(crate) fn raw(&self) -> &[u8] {
        &self.0
    }

    pub fn len_bytes(&self) -> u64 {
        self.0.len() as u64
    }
}
