//! TensorBoard's event files: records as TensorFlow writes them (`tensorflow/core/lib/io/record_writer.h`), each an `Event` message
//! (`tensorflow/core/util/event.proto`) in the encoding of protocol buffers. Only what scalars need.

use crate::history::TaskHistory;

/// `file_version` of the first event, which every reader asks for.
const VERSION: &str = "brain.Event:2";

/// A file's bytes, and what is in it.
pub(super) struct Events {
    pub(super) bytes: Vec<u8>,
    pub(super) steps: usize,
    pub(super) values: usize,
}

/// The results of a task that have figures. The step of an event counts the steps that the judged model had gone through.
pub(super) fn of(task: &TaskHistory) -> Events {
    let opened = |seconds: u64| seconds_of(seconds);
    let begun = task.results.first().map_or(0.0, |first| opened(first.opened_at));
    let mut bytes = record(&version(begun));
    let (mut steps, mut values) = (0, 0);
    for result in &task.results {
        let mut scalars = vec![("banks_in_sum", f32::from(result.survivors))];
        if let Some(metrics) = &result.metrics {
            steps += 1;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "TensorBoard's scalars are single precision"
            )]
            let figures = metrics
                .figures
                .iter()
                .filter_map(|(figure, value)| Some((figure.key(), (*value)? as f32)));
            scalars.extend(figures);
        }
        values += scalars.len();
        let event = scalars_event(opened(result.opened_at), result.step.into(), &scalars);
        bytes.extend(record(&event));
    }
    Events { bytes, steps, values }
}

#[expect(clippy::cast_precision_loss, reason = "Unix seconds are far below 2^53")]
fn seconds_of(seconds: u64) -> f64 {
    seconds as f64
}

/// Length, its checksum, the data, its checksum; all little-endian.
fn record(data: &[u8]) -> Vec<u8> {
    let length = u64::try_from(data.len()).unwrap_or(u64::MAX).to_le_bytes();
    let mut bytes = Vec::with_capacity(data.len() + 16);
    bytes.extend(length);
    bytes.extend(masked(&length).to_le_bytes());
    bytes.extend(data);
    bytes.extend(masked(data).to_le_bytes());
    bytes
}

/// A CRC-32C, turned and moved, so that a checksum of bytes that hold a checksum does not come out as a constant
/// (`tensorflow/core/lib/hash/crc32c.h`).
fn masked(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn version(wall_time: f64) -> Vec<u8> {
    let mut event = Vec::new();
    double(&mut event, 1, wall_time);
    bytes_field(&mut event, 3, VERSION.as_bytes());
    event
}

fn scalars_event(wall_time: f64, step: u64, scalars: &[(&str, f32)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in scalars {
        let mut one = Vec::new();
        bytes_field(&mut one, 1, tag.as_bytes());
        key(&mut one, 2, 5);
        one.extend(value.to_le_bytes());
        bytes_field(&mut summary, 1, &one);
    }
    let mut event = Vec::new();
    double(&mut event, 1, wall_time);
    key(&mut event, 2, 0);
    varint(&mut event, step);
    bytes_field(&mut event, 5, &summary);
    event
}

/// A field's number and the type of what follows: 0 a variable integer, 1 eight bytes, 2 bytes with their length, 5 four bytes.
fn key(out: &mut Vec<u8>, field: u64, wire: u64) {
    varint(out, field << 3 | wire);
}

fn double(out: &mut Vec<u8>, field: u64, value: f64) {
    key(out, field, 1);
    out.extend(value.to_le_bytes());
}

fn bytes_field(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    key(out, field, 2);
    varint(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a file that Python's tensorboard wrote, but for the time.
    #[test]
    fn the_first_record_is_the_one_of_every_event_file() {
        // RFC 3720, B.4.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c::crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(masked(&[0; 32]), 0x0fd7_fffa);
        let expected = "1800000000000000a37f4b220900000000000000001a0d627261696e2e4576656e743a32eedf28a3";
        assert_eq!(hex::encode(record(&version(0.0))), expected);
    }

    #[test]
    fn an_event_is_laid_out_by_hand() {
        let event = scalars_event(2.0, 300, &[("auc", 0.5)]);
        let expected = [
            &[0x09][..],                     // field 1, eight bytes
            &[0, 0, 0, 0, 0, 0, 0, 0x40],    // 2.0
            &[0x10, 0xac, 0x02],             // field 2, integer 300
            &[0x2a, 0x0c],                   // field 5, twelve bytes
            &[0x0a, 0x0a],                   // its field 1, ten bytes
            &[0x0a, 0x03, b'a', b'u', b'c'], // tag
            &[0x15, 0x00, 0x00, 0x00, 0x3f], // field 2, four bytes, 0.5
        ]
        .concat();
        assert_eq!(event, expected);
    }
}
