//! How files are written: bytes, numbers, and runs of bytes behind their length.

#[derive(Default)]
pub(crate) struct Writer(pub Vec<u8>);

impl Writer {
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// In as few groups of seven bits as it needs (LEB128): most numbers are small.
    pub fn number(&mut self, mut number: usize) {
        while number > 0x7F {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.extend_from_slice(bytes);
    }
}

/// What is left to be read; none of its methods reads beyond.
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    /// None if it is larger than any length can be.
    pub fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            let group = usize::from(byte & 0x7F);
            if group << shift >> shift != group {
                return None;
            }
            number |= group << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.number()?;
        self.take(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let mut writer = Writer::default();
        let numbers = [0, 1, 127, 128, 300, 1 << 32, usize::MAX - 1, usize::MAX];
        numbers.iter().for_each(|&number| writer.number(number));
        let mut reader = Reader(&writer.0);
        assert!(numbers.iter().all(|&number| reader.number() == Some(number)));
        assert_eq!((reader.number(), reader.bytes()), (None, None));
        assert_eq!(Reader(&[0xFF; 10]).number(), None, "more than 64 bits");
        assert_eq!(Reader(&[5, 1, 2]).bytes(), None, "fewer bytes than there are to be");
    }
}
