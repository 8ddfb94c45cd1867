//! Randomness as an argument.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use ring::rand::SecureRandom;

use super::secret::Secret;

/// A source of secret, uniform bytes. The daemons use [`SystemEntropy`]; simulations use a seeded one.
pub trait Entropy {
    /// Fills `bytes`.
    fn fill(&mut self, bytes: &mut [u8]);

    /// 32 fresh secret bytes.
    fn secret(&mut self) -> Secret {
        let mut secret = Secret::zero();
        self.fill(secret.expose_mut());
        secret
    }
}

/// The operating system's generator, through ring.
#[derive(Debug)]
pub struct SystemEntropy(ring::rand::SystemRandom);

impl SystemEntropy {
    /// The operating system's generator.
    #[expect(clippy::new_without_default, reason = "randomness is asked for by name")]
    pub fn new() -> Self {
        Self(ring::rand::SystemRandom::new())
    }
}

impl Entropy for SystemEntropy {
    /// # Panics
    /// If the operating system gives no randomness: there is no safe way to go on without.
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0
            .fill(bytes)
            .expect("the operating system's random generator answers");
    }
}

/// Lends an [`Entropy`] to crates that ask for a `rand_core` generator.
pub(crate) struct RandCore<'a, E: Entropy + ?Sized>(pub(crate) &'a mut E);

impl<E: Entropy + ?Sized> TryRng for RandCore<'_, E> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl<E: Entropy + ?Sized> TryCryptoRng for RandCore<'_, E> {}

/// A seeded generator for simulations and tests: the mask stream under a known seed. Never for a real bank.
pub struct SeededEntropy {
    stream: super::prg::MaskStream,
    chunk: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl SeededEntropy {
    /// The same `seed` gives the same bytes.
    pub fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_be_bytes());
        let buffer = vec![0; super::prg::CHUNK_BYTES];
        let used = buffer.len();
        Self {
            stream: super::prg::MaskStream::new(&Secret::from_bytes(key)),
            chunk: 0,
            buffer,
            used,
        }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.used == self.buffer.len() {
                self.stream.fill(self.chunk, &mut self.buffer);
                self.chunk += 1;
                self.used = 0;
            }
            *byte = self.buffer[self.used];
            self.used += 1;
        }
    }
}
