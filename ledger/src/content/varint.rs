//! Numbers as LEB128: seven bits a byte, the lowest first, in the fewest bytes.

pub fn write(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number off the front; `None` when none of this form stands there.
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for (i, byte) in bytes.iter().enumerate().take(9) {
        number |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            *bytes = &bytes[i + 1..];
            return (*byte != 0 || i == 0).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_form() {
        for number in [0, 1, 127, 128, 300, 16_383, 16_384, (1 << 63) - 1] {
            let mut bytes = Vec::new();
            write(number, &mut bytes);
            assert_eq!(take(&mut &bytes[..]), Some(number));
            assert_eq!(take(&mut &bytes[..bytes.len() - 1]), None);
        }
        for wrong in [&[][..], &[0x80, 0], &[0xff, 0x80, 0], &[0xff; 12]] {
            assert_eq!(take(&mut &wrong[..]), None);
        }
    }
}
