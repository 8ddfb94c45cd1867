//! How a record is encrypted, and bound to its place.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Length of a file's header.
pub const HEADER_BYTES: usize = 32;
pub(super) const MAGIC: &[u8; 16] = b"veilsum-decide-1";
/// Of a record's ciphertext, with its tag.
pub(super) const MOST_BYTES: u32 = 1 << 30;
/// Set in the length of the closing record.
pub(super) const CLOSING: u32 = 1 << 31;
/// Most records of a file: the index has four bytes.
pub(super) const MOST_RECORDS: u32 = u32::MAX;

/// The key of a bank's decisions, AES-256.
pub struct Key(LessSafeKey);

impl Key {
    /// From 32 random bytes that the caller keeps.
    ///
    /// # Panics
    /// Never: the length is that of the algorithm.
    pub fn new(bytes: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, bytes).expect("32 bytes are a key of AES-256");
        Self(LessSafeKey::new(key))
    }
}

/// Where a record stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) header: &'a [u8; HEADER_BYTES],
    pub(super) index: u32,
    pub(super) offset: u64,
    /// The length field as it stands in the file.
    pub(super) length: u32,
}

impl Place<'_> {
    fn nonce(&self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.header[24..]);
        nonce[8..].copy_from_slice(&self.index.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    fn bound(&self) -> [u8; HEADER_BYTES + 16] {
        let mut bound = [0; HEADER_BYTES + 16];
        bound[..32].copy_from_slice(self.header);
        bound[32..36].copy_from_slice(&self.index.to_be_bytes());
        bound[36..44].copy_from_slice(&self.offset.to_be_bytes());
        bound[44..].copy_from_slice(&self.length.to_be_bytes());
        bound
    }

    /// Ciphertext and tag in the place of the text.
    pub(super) fn seal(&self, key: &Key, text: &mut Vec<u8>) -> Result<(), String> {
        key.0
            .seal_in_place_append_tag(self.nonce(), Aad::from(self.bound()), text)
            .map_err(|_| "a record could not be encrypted".to_owned())
    }

    /// The text, if this is the record that was written here.
    pub(super) fn open<'t>(&self, key: &Key, sealed: &'t mut [u8]) -> Option<&'t [u8]> {
        let text = key.0.open_in_place(self.nonce(), Aad::from(self.bound()), sealed);
        text.ok().map(|text| &*text)
    }
}
