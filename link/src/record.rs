//! Records: what travels inside a TLS connection on TCP.
//!
//! A record is one byte of kind, three bytes of length (big-endian) and that many bytes. A whole record fits in one TLS record.
//!
//! | kind | content |
//! |---|---|
//! | 0 data | 1 to [`PAYLOAD`] bytes of the stream |
//! | 1 end | nothing: no more data comes in this direction |
//! | 2 alive | nothing |
//! | 3 close | the code of [`CloseCode`](veilsum_protocol::wire::stream::CloseCode) as a `u32`, then a reason of at most [`REASON_LIMIT`] bytes |

use veilsum_protocol::wire::stream::REASON_LIMIT;

/// Bytes before the content.
pub(crate) const HEADER: usize = 4;
/// Most bytes of content: with the header they fill a TLS record (RFC 8446, section 5.1).
pub(crate) const PAYLOAD: usize = (1 << 14) - HEADER;
/// Bytes of the code in a close record.
pub(crate) const CODE: usize = 4;

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Data = 0,
    End = 1,
    Alive = 2,
    Close = 3,
}

/// A whole record. `content` has at most [`PAYLOAD`] bytes; more are left out.
pub(crate) fn record(kind: Kind, content: &[u8]) -> Vec<u8> {
    let content = content.get(..PAYLOAD).unwrap_or(content);
    let mut record = Vec::with_capacity(HEADER + content.len());
    append(kind, content, &mut record);
    record
}

fn append(kind: Kind, content: &[u8], to: &mut Vec<u8>) {
    let [_, length @ ..] = u32::try_from(content.len()).unwrap_or(0).to_be_bytes();
    to.push(kind as u8);
    to.extend_from_slice(&length);
    to.extend_from_slice(content);
}

/// Bytes as data records, one behind the other, all but the last of them full.
pub(crate) fn records(bytes: &[u8]) -> Vec<u8> {
    let count = bytes.len().div_ceil(PAYLOAD);
    let mut records = Vec::with_capacity(count * HEADER + bytes.len());
    for part in bytes.chunks(PAYLOAD) {
        append(Kind::Data, part, &mut records);
    }
    records
}

/// A close record, with the reason cut at a character boundary.
pub(crate) fn close(code: u32, reason: &str) -> Vec<u8> {
    let end = reason.floor_char_boundary(REASON_LIMIT);
    record(
        Kind::Close,
        &[&code.to_be_bytes(), &reason.as_bytes()[..end]].concat(),
    )
}

/// Kind and length of a record, before its content is read.
pub(crate) fn parse(header: [u8; HEADER]) -> Result<(Kind, usize), String> {
    let [kind, high, middle, low] = header;
    let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
    let (kind, least, most) = match kind {
        0 => (Kind::Data, 1, PAYLOAD),
        1 => (Kind::End, 0, 0),
        2 => (Kind::Alive, 0, 0),
        3 => (Kind::Close, CODE, CODE + REASON_LIMIT),
        other => return Err(format!("a record of kind {other}, expected 0 to 3")),
    };
    if !(least..=most).contains(&length) {
        return Err(format!(
            "a record {kind:?} of {length} bytes, expected {least} to {most}"
        ));
    }
    Ok((kind, length))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_layout_is_the_one_that_is_documented() {
        assert_eq!(record(Kind::Data, b"abc"), *b"\0\0\0\x03abc");
        assert_eq!(record(Kind::End, b""), [1, 0, 0, 0]);
        assert_eq!(close(2, "no"), *b"\x03\0\0\x06\0\0\0\x02no");
    }

    #[test]
    fn much_is_full_records_and_the_rest_in_the_last() {
        let bytes: Vec<u8> = (0..2 * PAYLOAD + 3).map(|at| (at % 251) as u8).collect();
        let one_by_one: Vec<u8> = bytes
            .chunks(PAYLOAD)
            .flat_map(|part| record(Kind::Data, part))
            .collect();
        assert_eq!(records(&bytes), one_by_one);
        assert_eq!(records(&[]), []);
    }

    #[test]
    fn lengths_out_of_range_and_unknown_kinds_are_refused() {
        assert_eq!(parse([0, 0, 0x3f, 0xfc]), Ok((Kind::Data, PAYLOAD)));
        for header in [
            [0, 0, 0, 0],
            [0, 0, 0x3f, 0xfd],
            [0, 0xff, 0xff, 0xff],
            [1, 0, 0, 1],
            [2, 1, 0, 0],
            [3, 0, 0, 3],
            [3, 0, 2, 5],
            [4, 0, 0, 0],
            *b"GET ",
        ] {
            assert!(parse(header).is_err(), "{header:?}");
        }
    }

    #[test]
    fn the_longest_reason_is_cut_to_what_is_accepted() {
        let close = close(3, &"é".repeat(REASON_LIMIT));
        let (kind, length) = parse(*close.first_chunk().unwrap()).unwrap();
        assert_eq!((kind, HEADER + length), (Kind::Close, close.len()));
    }
}
