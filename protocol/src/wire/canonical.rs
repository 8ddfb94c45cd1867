//! The one byte form of everything that is hashed, signed, logged or used as associated data.
//!
//! `"veilsum/v1/<type>\0"`, then the fields in order: fixed-width big-endian integers, 32-byte digests as they are, and
//! byte strings behind a big-endian `u32` length. Two different values never share their bytes, whatever the lengths of
//! their fields, and a value has exactly one form: [`Canonical::from_bytes`] encodes again what it read and compares.

use zeroize::Zeroize as _;

use crate::ids::{BankIndex, Digest, Epoch, Round, Timestamp};

/// Why bytes are not the canonical form of a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Another type's bytes, or another version's.
    #[error("found another kind of record, expected {expected}")]
    Domain {
        /// The type that was asked for.
        expected: &'static str,
    },
    /// The bytes end before the field does.
    #[error("{what}: needs {needed} bytes, {left} are left")]
    Short {
        /// The field.
        what: &'static str,
        /// Bytes it needs.
        needed: usize,
        /// Bytes that are there.
        left: usize,
    },
    /// A field's value lies outside what the type allows.
    #[error("{what}: {problem}")]
    Value {
        /// The field.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Bytes are left over, or the value was not written in its one form.
    #[error("{0} bytes are left over, or the form is not canonical")]
    NotCanonical(usize),
}

impl DecodeError {
    /// A field whose value is not allowed.
    pub fn value(what: &'static str, problem: impl Into<String>) -> Self {
        Self::Value {
            what,
            problem: problem.into(),
        }
    }
}

/// Collects the fields of one value. When it outgrows its memory it wipes what it leaves: some values are secret.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Starts with the domain of `kind`.
    pub fn domain(kind: &str) -> Self {
        let mut writer = Self::default();
        writer.0.extend_from_slice(b"veilsum/v1/");
        writer.0.extend_from_slice(kind.as_bytes());
        writer.0.push(0);
        writer
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.fixed(&[value])
    }

    /// Two bytes, big-endian.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.fixed(&value.to_be_bytes())
    }

    /// The eight bytes of an IEEE 754 double, big-endian.
    pub fn f64(&mut self, value: f64) -> &mut Self {
        self.u64(value.to_bits())
    }

    /// Fixed-width bytes: the type says how many.
    pub fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.reserve(bytes.len());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Makes room for so many more bytes. What moves is wiped where it was.
    pub(crate) fn reserve(&mut self, more: usize) -> &mut Self {
        let needed = self.0.len().saturating_add(more);
        if needed > self.0.capacity() {
            let doubled = self.0.capacity().saturating_mul(2);
            let mut larger = Vec::with_capacity(needed.max(doubled).max(64));
            larger.extend_from_slice(&self.0);
            self.0.zeroize();
            self.0 = larger;
        }
        self
    }

    /// Bytes behind their length as `u32`.
    ///
    /// # Panics
    /// With 4 GiB or more; values of this protocol stay far below.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(length(bytes.len()));
        self.fixed(bytes)
    }

    /// UTF-8 text as [`Writer::bytes`].
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// A digest, 32 bytes.
    pub fn digest(&mut self, digest: &Digest) -> &mut Self {
        self.fixed(&digest.0)
    }

    /// A roster position, two bytes.
    pub fn bank(&mut self, bank: BankIndex) -> &mut Self {
        self.u16(bank.get())
    }

    /// A list: its length as `u32`, then each item.
    pub fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.count(items.len());
        for item in items {
            each(self, item);
        }
        self
    }

    /// The `u32` count of a list whose items follow.
    pub(crate) fn count(&mut self, items: usize) -> &mut Self {
        self.u32(length(items))
    }

    /// A look at the bytes so far.
    pub fn so_far(&self) -> &[u8] {
        &self.0
    }

    /// The bytes so far.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

fn length(value: usize) -> u32 {
    u32::try_from(value)
        .expect("a canonical field is always shorter than 4 GiB: every message has a limit far below")
}

/// Reads fields in order, never past the end.
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Expects the domain of `kind` at the start.
    pub fn domain(bytes: &'a [u8], kind: &'static str) -> Result<Self, DecodeError> {
        let head = Writer::domain(kind).finish();
        let left = bytes
            .strip_prefix(head.as_slice())
            .ok_or(DecodeError::Domain { expected: kind })?;
        Ok(Self { left })
    }

    /// Bytes that have not been read.
    pub fn left(&self) -> usize {
        self.left.len()
    }

    /// The next `count` bytes.
    pub fn fixed(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.left.split_at_checked(count).ok_or(DecodeError::Short {
            what,
            needed: count,
            left: self.left.len(),
        })?;
        self.left = tail;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.fixed(N, what)?);
        Ok(out)
    }

    /// One byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array(what)?))
    }

    /// Two bytes, big-endian.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array(what)?))
    }

    /// An IEEE 754 double, by its bits.
    pub fn f64(&mut self, what: &'static str) -> Result<f64, DecodeError> {
        Ok(f64::from_bits(self.u64(what)?))
    }

    /// Bytes behind their length; the length is compared with what is there before anything is allocated.
    pub fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let count = self.count(1, what)?;
        self.fixed(count, what)
    }

    /// UTF-8 text behind its length.
    pub fn text(&mut self, what: &'static str) -> Result<String, DecodeError> {
        let bytes = self.bytes(what)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| DecodeError::value(what, "not UTF-8"))
    }

    /// A digest.
    pub fn digest(&mut self, what: &'static str) -> Result<Digest, DecodeError> {
        Ok(Digest(self.array(what)?))
    }

    /// A roster position.
    pub fn bank(&mut self, what: &'static str) -> Result<BankIndex, DecodeError> {
        BankIndex::new(self.u16(what)?).ok_or_else(|| DecodeError::value(what, "bank index 0"))
    }

    /// A list; `item_bytes` is the least that one item takes, so that a false length is refused before it costs memory.
    pub fn list<T>(
        &mut self,
        item_bytes: usize,
        what: &'static str,
        mut each: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.count(item_bytes, what)?;
        (0..count).map(|_| each(self)).collect()
    }

    /// The `u32` count of a list whose items take at least `item_bytes` each; refused when fewer bytes are left.
    pub(crate) fn count(&mut self, item_bytes: usize, what: &'static str) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.u32(what)?).map_err(|_| DecodeError::value(what, "too long"))?;
        let needed = count.saturating_mul(item_bytes.max(1));
        if needed > self.left.len() {
            return Err(DecodeError::Short {
                what,
                needed,
                left: self.left.len(),
            });
        }
        Ok(count)
    }
}

/// A value with one canonical byte form.
pub trait Canonical: Sized {
    /// The type's name inside the domain prefix; no two types share it.
    const KIND: &'static str;

    /// Writes the fields behind the domain.
    fn write(&self, writer: &mut Writer);

    /// Reads what [`Canonical::write`] wrote.
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// The canonical form.
    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::domain(Self::KIND);
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads the canonical form; left-over bytes or another form of the same value are refused.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::domain(bytes, Self::KIND)?;
        let value = Self::read(&mut reader)?;
        if reader.left() != 0 || value.to_bytes() != bytes {
            return Err(DecodeError::NotCanonical(reader.left()));
        }
        Ok(value)
    }

    /// SHA-256 of the canonical form.
    fn hash(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }
}

macro_rules! number {
    ($($name:ident),*) => {$(
        impl $name {
            /// Appends the number, eight bytes big-endian.
            pub fn write(self, writer: &mut Writer) {
                writer.u64(self.0);
            }

            /// Reads the number.
            pub fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, DecodeError> {
                Ok(Self(reader.u64(what)?))
            }
        }
    )*};
}
number!(Epoch, Round, Timestamp);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Sample {
        a: Vec<u8>,
        b: Vec<u8>,
        list: Vec<u16>,
    }

    impl Canonical for Sample {
        const KIND: &'static str = "sample";

        fn write(&self, writer: &mut Writer) {
            writer
                .bytes(&self.a)
                .bytes(&self.b)
                .list(self.list.iter(), |w, x| {
                    w.u16(*x);
                });
        }

        fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
            Ok(Self {
                a: r.bytes("a")?.to_vec(),
                b: r.bytes("b")?.to_vec(),
                list: r.list(2, "list", |r| r.u16("item"))?,
            })
        }
    }

    proptest::proptest! {
        #[test]
        fn reads_what_it_wrote(a: Vec<u8>, b: Vec<u8>, list: Vec<u16>) {
            let sample = Sample { a, b, list };
            proptest::prop_assert_eq!(Sample::from_bytes(&sample.to_bytes()).unwrap(), sample);
        }

        #[test]
        fn any_changed_byte_is_another_value_or_refused(a: Vec<u8>, at: usize, flip in 1u8..) {
            let sample = Sample { a, b: vec![1, 2], list: vec![7] };
            let mut bytes = sample.to_bytes();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            if let Ok(other) = Sample::from_bytes(&bytes) {
                proptest::prop_assert_ne!(other, sample);
            }
        }
    }

    #[test]
    fn fields_of_unequal_length_do_not_run_into_each_other() {
        let one = Sample {
            a: b"ab".to_vec(),
            b: b"c".to_vec(),
            list: vec![],
        };
        let two = Sample {
            a: b"a".to_vec(),
            b: b"bc".to_vec(),
            list: vec![],
        };
        assert_ne!(one.to_bytes(), two.to_bytes());
    }

    #[test]
    fn trailing_bytes_and_length_bombs_are_refused() {
        let mut bytes = Sample {
            a: vec![],
            b: vec![],
            list: vec![],
        }
        .to_bytes();
        bytes.push(0);
        assert_eq!(Sample::from_bytes(&bytes), Err(DecodeError::NotCanonical(1)));
        let mut bomb = Writer::domain("sample");
        bomb.u32(u32::MAX);
        assert!(matches!(
            Sample::from_bytes(&bomb.finish()),
            Err(DecodeError::Short { what: "a", .. })
        ));
        let mut bomb = Writer::domain("sample");
        bomb.bytes(b"").bytes(b"").u32(u32::MAX);
        assert!(matches!(
            Sample::from_bytes(&bomb.finish()),
            Err(DecodeError::Short { what: "list", .. })
        ));
        assert_eq!(
            Sample::from_bytes(b"veilsum/v1/other\0"),
            Err(DecodeError::Domain { expected: "sample" })
        );
    }
}
