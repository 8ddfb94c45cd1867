//! Frames: a message as bytes under a size limit, and back.
//!
//! A frame is a big-endian `u32` length and that many bytes of body. The body is bincode with fixed-width big-endian
//! integers, so that the size of a message follows from its shape and not from the values in it.
//!
//! This is the one module that knows bincode. The crate is pinned to 2.0.1 and no longer maintained (RUSTSEC-2025-0141),
//! which bounds what it may do here: it sees complete slices only, never more than the caller's limit, every byte must
//! be used, and nothing that is signed or hashed depends on its format.

use bincode::config::{BigEndian, Configuration, Fixint, Limit};
use serde::Serialize;
use serde::de::DeserializeOwned;

mod promise;

use promise::Unpromised;

/// Bytes of the length before a body.
pub const HEADER: usize = 4;

/// The largest body that any limit may allow: 16 MiB. Bulk data (updates, blobs) travels as raw bytes, not in frames.
pub const MAX_BODY: usize = 1 << 24;

/// Why bytes are not a frame, or a message does not fit in one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The announced or actual body is larger than the receiver takes.
    #[error("a frame of {found} bytes; at most {limit} are accepted here")]
    TooLarge {
        /// Bytes announced or present.
        found: usize,
        /// Bytes accepted.
        limit: usize,
    },
    /// The message ended before the body did.
    #[error("{left_over} bytes are left over after the message; it must fill its frame exactly")]
    LeftOver {
        /// Bytes after the end of the message.
        left_over: usize,
    },
    /// The body is not an encoding of the expected type.
    #[error("the frame is not a message of the expected type: {0}; is the peer's version the same?")]
    Malformed(String),
    /// The message has no encoding (for example a sequence of unknown length).
    #[error("the message cannot be encoded: {0}")]
    NotEncodable(String),
}

type Layout = Configuration<BigEndian, Fixint>;
type Bounded<const N: usize> = Configuration<BigEndian, Fixint, Limit<N>>;

const LAYOUT: Layout = bincode::config::standard()
    .with_big_endian()
    .with_fixed_int_encoding();

/// The body of a message, without the length before it.
///
/// # Errors
/// [`FrameError::TooLarge`] when the body has more than `limit` bytes (or than [`MAX_BODY`]), [`FrameError::NotEncodable`]
/// when its type has no encoding.
pub fn encode<T: Serialize>(message: &T, limit: usize) -> Result<Vec<u8>, FrameError> {
    let body = bincode::serde::encode_to_vec(message, LAYOUT)
        .map_err(|error| FrameError::NotEncodable(error.to_string()))?;
    within(body.len(), limit)?;
    Ok(body)
}

/// A message as a whole frame: length and body.
///
/// # Errors
/// As [`encode`].
pub fn encode_frame<T: Serialize>(message: &T, limit: usize) -> Result<Vec<u8>, FrameError> {
    frame_bytes(&encode(message, limit)?, limit)
}

/// Puts the length before a body that is already bytes.
///
/// # Errors
/// [`FrameError::TooLarge`] when `body` is longer than `limit`.
pub fn frame_bytes(body: &[u8], limit: usize) -> Result<Vec<u8>, FrameError> {
    within(body.len(), limit)?;
    let length = u32::try_from(body.len()).map_err(|_| FrameError::TooLarge {
        found: body.len(),
        limit,
    })?;
    let mut frame = Vec::with_capacity(HEADER + body.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(body);
    Ok(frame)
}

/// How many body bytes follow a header, checked before the caller allocates them.
///
/// # Errors
/// [`FrameError::TooLarge`] when the header announces more than `limit` bytes (or than [`MAX_BODY`]).
pub fn body_length(header: [u8; HEADER], limit: usize) -> Result<usize, FrameError> {
    let announced = usize::try_from(u32::from_be_bytes(header)).unwrap_or(usize::MAX);
    within(announced, limit)?;
    Ok(announced)
}

/// The message in a body, which must be used up to its last byte.
///
/// No memory is set aside because a length inside the body promises something: lists grow with the elements that are there. A text is
/// the exception; at most 16 times the size of the body (or 4 KiB, if that is more) is reserved on the promise of one.
///
/// # Errors
/// [`FrameError::TooLarge`], [`FrameError::LeftOver`] or [`FrameError::Malformed`].
pub fn decode<T: DeserializeOwned>(body: &[u8], limit: usize) -> Result<T, FrameError> {
    within(body.len(), limit)?;
    // bincode takes its limit as a constant; the nearest power of 16 above the body keeps promises near its real size.
    match body.len() {
        0..=0x1000 => decode_bounded::<T, 0x1000>(body),
        0x1001..=0x1_0000 => decode_bounded::<T, 0x1_0000>(body),
        0x1_0001..=0x10_0000 => decode_bounded::<T, 0x10_0000>(body),
        _ => decode_bounded::<T, MAX_BODY>(body),
    }
}

fn decode_bounded<T: DeserializeOwned, const N: usize>(body: &[u8]) -> Result<T, FrameError> {
    let layout: Bounded<N> = LAYOUT.with_limit::<N>();
    let (Unpromised(message), used) = bincode::serde::decode_from_slice(body, layout)
        .map_err(|error| FrameError::Malformed(error.to_string()))?;
    match body.len().saturating_sub(used) {
        0 => Ok(message),
        left_over => Err(FrameError::LeftOver { left_over }),
    }
}

fn within(found: usize, limit: usize) -> Result<(), FrameError> {
    let limit = limit.min(MAX_BODY);
    if found > limit {
        Err(FrameError::TooLarge { found, limit })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Sample {
        Empty,
        Numbers { a: u64, b: Option<u16> },
        Text(String),
        List(Vec<(u32, [u8; 32])>),
        Bytes(Vec<u8>),
    }

    fn sample() -> impl Strategy<Value = Sample> {
        prop_oneof![
            Just(Sample::Empty),
            (any::<u64>(), any::<Option<u16>>()).prop_map(|(a, b)| Sample::Numbers { a, b }),
            ".{0,60}".prop_map(Sample::Text),
            prop::collection::vec((any::<u32>(), any::<[u8; 32]>()), 0..20).prop_map(Sample::List),
            prop::collection::vec(any::<u8>(), 0..6000).prop_map(Sample::Bytes),
        ]
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(message in sample()) {
            let frame = encode_frame(&message, 1 << 16).unwrap();
            let (header, body) = frame.split_first_chunk::<HEADER>().unwrap();
            prop_assert_eq!(body_length(*header, 1 << 16).unwrap(), body.len());
            prop_assert_eq!(decode::<Sample>(body, 1 << 16).unwrap(), message);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(message) = decode::<Sample>(&body, 300) {
                prop_assert_eq!(encode(&message, 300).unwrap(), body);
            }
        }

        #[test]
        fn a_cut_or_lengthened_body_is_refused(message in sample(), cut in 1usize..8, extra in 1usize..8) {
            let body = encode(&message, 1 << 16).unwrap();
            prop_assert!(decode::<Sample>(&body[..body.len().saturating_sub(cut)], 1 << 16).is_err());
            let mut longer = body.clone();
            longer.resize(body.len() + extra, 0);
            prop_assert_eq!(decode::<Sample>(&longer, 1 << 16), Err(FrameError::LeftOver { left_over: extra }));
        }

        #[test]
        fn the_size_follows_from_the_shape(a in any::<u64>(), b in any::<u16>()) {
            let zero = encode(&Sample::Numbers { a: 0, b: Some(0) }, 64).unwrap();
            prop_assert_eq!(encode(&Sample::Numbers { a, b: Some(b) }, 64).unwrap().len(), zero.len());
        }
    }

    #[test]
    fn the_length_is_checked_before_anything_else() {
        assert_eq!(body_length([0, 0, 4, 0], 1024), Ok(1024));
        assert_eq!(
            body_length([0, 0, 4, 1], 1024),
            Err(FrameError::TooLarge {
                found: 1025,
                limit: 1024
            })
        );
        let all = u32::MAX.to_be_bytes();
        let found = usize::try_from(u32::MAX).unwrap();
        assert_eq!(
            body_length(all, usize::MAX),
            Err(FrameError::TooLarge {
                found,
                limit: MAX_BODY
            })
        );
    }

    #[test]
    fn a_message_over_the_limit_is_not_sent() {
        let error = encode(&Sample::Bytes(vec![0; 100]), 100).unwrap_err();
        assert_eq!(
            error,
            FrameError::TooLarge {
                found: 112,
                limit: 100
            }
        );
        assert_eq!(
            decode::<Sample>(&[0; 11], 10),
            Err(FrameError::TooLarge { found: 11, limit: 10 })
        );
    }

    /// Tag of the variant, then the length of a text or list, then nothing: a promise of up to 2^64 elements.
    #[test]
    fn a_length_bomb_inside_the_body_is_refused() {
        for (tag, count) in [
            (2u32, u64::MAX),
            (2, 1 << 40),
            (3, u64::MAX),
            (3, 1 << 20),
            (4, u64::MAX),
            (4, 9),
        ] {
            let mut body = tag.to_be_bytes().to_vec();
            body.extend_from_slice(&count.to_be_bytes());
            body.extend_from_slice(&[7; 8]);
            assert!(
                matches!(decode::<Sample>(&body, 64), Err(FrameError::Malformed(_))),
                "{tag} {count}"
            );
        }
    }

    #[test]
    fn the_layout_is_fixed_width_and_big_endian() {
        let body = encode(
            &Sample::Numbers {
                a: 0x0102,
                b: Some(3),
            },
            64,
        )
        .unwrap();
        assert_eq!(body, [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2, 1, 0, 3]);
    }
}
