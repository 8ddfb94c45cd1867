//! Pair key agreement: X25519 (RFC 7748) and ML-KEM-768 (FIPS 203), always both, so that a pair key stands while either does.

use ml_kem::kem::{Decapsulate, Encapsulate, KeyExport, TryKeyInit};
use ml_kem::{DecapsulationKey, EncapsulationKey, MlKem768};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use super::entropy::{Entropy, RandCore};
use super::secret::Secret;

/// Bytes of an ML-KEM-768 encapsulation key.
pub const MLKEM_PUBLIC_BYTES: usize = 1184;
/// Bytes of an ML-KEM-768 ciphertext.
pub const MLKEM_CIPHERTEXT_BYTES: usize = 1088;

/// Why a peer's key or ciphertext cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgreementError {
    /// The X25519 result is all zeros: the peer sent a low-order point.
    #[error("the X25519 key is of low order")]
    LowOrder,
    /// Not an ML-KEM-768 encapsulation key (FIPS 203 section 7.2, modulus check).
    #[error("not an ML-KEM-768 public key")]
    MlKemKey,
    /// Not 1,088 bytes.
    #[error("an ML-KEM-768 ciphertext has 1088 bytes, found {0}")]
    Ciphertext(usize),
}

/// One bank's agreement keys of one epoch.
pub struct AgreementKeys {
    x25519: StaticSecret,
    mlkem: DecapsulationKey<MlKem768>,
}

/// The public halves.
#[derive(Clone, PartialEq, Eq)]
pub struct AgreementPublic {
    /// X25519 u-coordinate.
    pub x25519: [u8; 32],
    /// ML-KEM-768 encapsulation key, 1,184 bytes.
    pub mlkem: Vec<u8>,
}

impl AgreementKeys {
    /// Bytes of [`AgreementKeys::export`].
    pub const EXPORT_BYTES: usize = 32 + 64;

    /// Fresh keys.
    pub fn generate<E: Entropy>(entropy: &mut E) -> Self {
        let x25519 = entropy.secret();
        let mut seed = Zeroizing::new([0u8; 64]);
        entropy.fill(seed.as_mut());
        Self::from_parts(&x25519, &seed)
    }

    fn from_parts(x25519: &Secret, seed: &[u8; 64]) -> Self {
        let mut array = ml_kem::Seed::default();
        array.copy_from_slice(seed);
        let mlkem = DecapsulationKey::<MlKem768>::from_seed(array);
        array.as_mut_slice().zeroize();
        Self {
            x25519: StaticSecret::from(*x25519.expose()),
            mlkem,
        }
    }

    /// Both private keys, for the bank's own sealed state file.
    pub fn export(&self) -> Zeroizing<Vec<u8>> {
        // All of it at once: a vector that grows leaves a copy behind.
        let mut out = Zeroizing::new(Vec::with_capacity(Self::EXPORT_BYTES));
        out.extend_from_slice(self.x25519.as_bytes());
        let mut seed = self
            .mlkem
            .to_seed()
            .expect("these keys are always made from a seed");
        out.extend_from_slice(&seed);
        seed.as_mut_slice().zeroize();
        out
    }

    /// Reads [`AgreementKeys::export`]; `None` if the length is another.
    pub fn import(bytes: &[u8]) -> Option<Self> {
        let (x25519, seed) = bytes.split_first_chunk::<32>()?;
        Some(Self::from_parts(
            &Secret::from_bytes(*x25519),
            seed.try_into().ok()?,
        ))
    }

    /// The public halves.
    pub fn public(&self) -> AgreementPublic {
        AgreementPublic {
            x25519: PublicKey::from(&self.x25519).to_bytes(),
            mlkem: self.mlkem.encapsulation_key().to_bytes().to_vec(),
        }
    }

    /// X25519 with `peer`.
    ///
    /// # Errors
    /// If the result does not depend on this bank's key.
    pub fn x25519(&self, peer: &AgreementPublic) -> Result<Secret, AgreementError> {
        let shared = self.x25519.diffie_hellman(&PublicKey::from(peer.x25519));
        if !shared.was_contributory() {
            return Err(AgreementError::LowOrder);
        }
        Ok(Secret::from_bytes(*shared.as_bytes()))
    }

    /// The secret inside `ciphertext`. A ciphertext for another key gives another secret, not an error (implicit rejection);
    /// the confirmation that follows finds out.
    ///
    /// # Errors
    /// If the length is wrong.
    pub fn decapsulate(&self, ciphertext: &[u8]) -> Result<Secret, AgreementError> {
        let shared = self
            .mlkem
            .decapsulate_slice(ciphertext)
            .map_err(|_| AgreementError::Ciphertext(ciphertext.len()))?;
        Ok(Secret::from_bytes(shared.into()))
    }
}

impl AgreementPublic {
    /// Checks both keys without using them: the X25519 point must not be of low order, the ML-KEM key must be reduced.
    ///
    /// # Errors
    /// Says which key is bad.
    pub fn validate(&self) -> Result<(), AgreementError> {
        // Any scalar shows a low-order point: clamping makes every scalar a multiple of the cofactor.
        let probe = StaticSecret::from([1; 32]).diffie_hellman(&PublicKey::from(self.x25519));
        if !probe.was_contributory() {
            return Err(AgreementError::LowOrder);
        }
        self.encapsulation_key().map(|_| ())
    }

    fn encapsulation_key(&self) -> Result<EncapsulationKey<MlKem768>, AgreementError> {
        EncapsulationKey::<MlKem768>::new_from_slice(&self.mlkem).map_err(|_| AgreementError::MlKemKey)
    }

    /// A fresh secret for the owner of this key, and the ciphertext that carries it.
    ///
    /// # Errors
    /// If the key is none.
    pub fn encapsulate<E: Entropy + ?Sized>(
        &self,
        entropy: &mut E,
    ) -> Result<(Vec<u8>, Secret), AgreementError> {
        let (ciphertext, shared) = self
            .encapsulation_key()?
            .encapsulate_with_rng(&mut RandCore(entropy));
        Ok((ciphertext.to_vec(), Secret::from_bytes(shared.into())))
    }
}

impl std::fmt::Debug for AgreementPublic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AgreementPublic({}..)", hex::encode(&self.x25519[..6]))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::entropy::SeededEntropy;

    fn secret(text: &str) -> Secret {
        let mut out = [0; 32];
        hex::decode_to_slice(text, &mut out).unwrap();
        Secret::from_bytes(out)
    }

    #[test]
    fn x25519_agrees_with_rfc_7748() {
        // Section 5.2, first vector.
        let scalar = secret("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
        let keys = AgreementKeys::from_parts(&scalar, &[1; 64]);
        let mut peer = keys.public();
        peer.x25519 = *secret("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c").expose();
        assert_eq!(
            hex::encode(keys.x25519(&peer).unwrap().expose()),
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
        );
        // Section 6.1, the public half of Bob's key.
        let scalar = secret("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        assert_eq!(
            hex::encode(AgreementKeys::from_parts(&scalar, &[2; 64]).public().x25519),
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
        );
    }

    #[test]
    fn a_low_order_point_is_refused() {
        let mut entropy = SeededEntropy::new(1);
        let keys = AgreementKeys::generate(&mut entropy);
        // RFC 7748 section 6.1 and the list of small-order points on Curve25519: 0, 1, p-1, p, p+1 and a point of order 8.
        let points = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        ];
        for point in points {
            let mut peer = keys.public();
            hex::decode_to_slice(point, &mut peer.x25519).unwrap();
            assert_eq!(peer.validate(), Err(AgreementError::LowOrder), "{point}");
            assert_eq!(keys.x25519(&peer), Err(AgreementError::LowOrder), "{point}");
        }
        assert_eq!(keys.public().validate(), Ok(()));
    }

    #[test]
    fn mlkem_carries_a_secret_and_refuses_what_is_no_key() {
        let mut entropy = SeededEntropy::new(2);
        let keys = AgreementKeys::generate(&mut entropy);
        let (ciphertext, sent) = keys.public().encapsulate(&mut entropy).unwrap();
        assert_eq!(ciphertext.len(), MLKEM_CIPHERTEXT_BYTES);
        assert_eq!(keys.decapsulate(&ciphertext).unwrap(), sent);
        assert_eq!(
            keys.decapsulate(&ciphertext[1..]),
            Err(AgreementError::Ciphertext(1087))
        );
        let mut unreduced = keys.public();
        assert_eq!(unreduced.mlkem.len(), MLKEM_PUBLIC_BYTES);
        unreduced.mlkem[..3].fill(0xff);
        assert_eq!(unreduced.validate(), Err(AgreementError::MlKemKey));
        unreduced.mlkem.truncate(9);
        assert_eq!(unreduced.validate(), Err(AgreementError::MlKemKey));
    }

    #[test]
    fn keys_come_back_from_their_export() {
        let keys = AgreementKeys::generate(&mut SeededEntropy::new(4));
        let again = AgreementKeys::import(&keys.export()).unwrap();
        assert_eq!(again.public(), keys.public());
        assert!(AgreementKeys::import(&[0; 95]).is_none());
    }
}
