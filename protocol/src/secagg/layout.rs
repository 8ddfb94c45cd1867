//! What the lanes of a contribution mean: named segments, in order.

use crate::ids::Digest;
use crate::secagg::ring::{DIGIT_BITS, Ring};
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};

/// How the values of a segment are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// Real values in `[-R, R]`, stochastically rounded, one lane each.
    Reals,
    /// Non-negative integers, this many limbs (lanes) each, least significant first.
    Integers {
        /// Limbs of one value.
        limbs: u8,
    },
}

/// One named run of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its name, the same on every side.
    pub name: String,
    /// How its values are encoded.
    pub kind: SegmentKind,
    /// Number of values.
    pub values: u32,
}

impl Segment {
    /// Lanes that it takes.
    pub fn lanes(&self) -> usize {
        let limbs = match self.kind {
            SegmentKind::Reals => 1,
            SegmentKind::Integers { limbs } => usize::from(limbs),
        };
        self.values as usize * limbs
    }
}

/// The segments of one kind of contribution, with the digit width and the range of its reals.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// `p`, bits of a digit.
    pub digit_bits: u8,
    /// `R`, the range of reals.
    pub range: f32,
    /// The segments, in lane order.
    pub segments: Vec<Segment>,
}

impl Layout {
    /// `d`, the number of lanes.
    pub fn lanes(&self) -> usize {
        self.segments.iter().map(Segment::lanes).sum()
    }

    /// The part of `lanes` that is segment `name`; `None` if there is no such segment or `lanes` is not of this layout.
    pub fn segment<'a>(&self, lanes: &'a [u32], name: &str) -> Option<&'a [u32]> {
        if lanes.len() != self.lanes() {
            return None;
        }
        let mut at = 0;
        for segment in &self.segments {
            let end = at + segment.lanes();
            if segment.name == name {
                return lanes.get(at..end);
            }
            at = end;
        }
        None
    }

    /// The sums of the integers of segment `name`; `None` if it is not there or not of integers.
    pub fn integers(&self, lanes: &[u32], name: &str) -> Option<Vec<u128>> {
        let segment = self.segments.iter().find(|segment| segment.name == name)?;
        let SegmentKind::Integers { limbs } = segment.kind else {
            return None;
        };
        let lanes = self.segment(lanes, name)?;
        let sum = |limbs: &[u32]| super::quantise::integer_sum(limbs, self.digit_bits);
        Some(lanes.chunks(usize::from(limbs)).map(sum).collect())
    }

    /// The ring for the sum of `banks` contributions; `None` outside the bounds of [`Ring::for_sum`].
    pub fn ring(&self, banks: u16) -> Option<Ring> {
        Ring::for_sum(banks, self.digit_bits)
    }

    /// Limbs that hold every integer below `2^bits`.
    pub fn limbs_for(&self, bits: u32) -> u8 {
        limbs_for(self.digit_bits, bits)
    }
}

/// Limbs of `digit_bits` bits that hold every integer below `2^bits`.
pub fn limbs_for(digit_bits: u8, bits: u32) -> u8 {
    u8::try_from(bits.div_ceil(u32::from(digit_bits))).unwrap_or(u8::MAX)
}

impl Canonical for Layout {
    const KIND: &'static str = "layout";

    fn write(&self, writer: &mut Writer) {
        writer
            .u8(self.digit_bits)
            .u32(self.range.to_bits())
            .list(self.segments.iter(), |w, segment| {
                w.text(&segment.name);
                match segment.kind {
                    SegmentKind::Reals => w.u8(0).u8(1),
                    SegmentKind::Integers { limbs } => w.u8(1).u8(limbs),
                };
                w.u32(segment.values);
            });
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let digit_bits = r.u8("digit bits")?;
        if !DIGIT_BITS.contains(&digit_bits) {
            return Err(DecodeError::value(
                "digit bits",
                format!("{digit_bits} is outside {DIGIT_BITS:?}"),
            ));
        }
        let range = f32::from_bits(r.u32("range")?);
        let segments = r.list(10, "segments", |r| {
            let name = r.text("segment name")?;
            let kind = match (r.u8("segment kind")?, r.u8("limbs")?) {
                (0, 1) => SegmentKind::Reals,
                (1, limbs) => SegmentKind::Integers { limbs },
                (kind, _) => return Err(DecodeError::value("segment kind", format!("{kind} is unknown"))),
            };
            Ok(Segment {
                name,
                kind,
                values: r.u32("values")?,
            })
        })?;
        Ok(Self {
            digit_bits,
            range,
            segments,
        })
    }
}

impl Layout {
    /// Its name in a round's context.
    pub fn digest(&self) -> Digest {
        self.hash()
    }
}
