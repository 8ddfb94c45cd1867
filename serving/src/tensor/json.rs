//! The JSON form of a tensor's `data`: elements in row-major order, as one flat array or nested as the shape says. They go straight from the text
//! into a vector of their type, so that a body takes little more room than it is long.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{self, DeserializeSeed, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};
use serde_json::value::RawValue;

use crate::refusal::Refusal;
use crate::tensor::check::{Limits, lengths};
use crate::tensor::{Data, Datatype, Tensor, each};

/// Reads a tensor whose elements stand in JSON. `null` is a missing element; whether one may be is the card's matter.
///
/// # Errors
/// Elements that are not of the datatype, and arrays that are not as long as the shape says.
pub fn from_json(
    name: &str,
    datatype: Datatype,
    shape: &[i64],
    data: &RawValue,
    limits: Limits,
) -> Result<Tensor, Refusal> {
    let (shape, count) = lengths(name, shape, limits)?;
    // What is not there is not made room for: each element takes two characters at least.
    let mut sink = Sink {
        data: Data::empty(datatype, count.min(data.get().len() / 2)),
        missing: None,
        shape: &shape,
        count,
        depth: None,
        problem: None,
    };
    let mut text = serde_json::Deserializer::from_str(data.get());
    let read = text.deserialize_seq(Nested {
        sink: &mut sink,
        depth: 1,
    });
    if let Err(error) = read {
        let words = sink.problem.take().unwrap_or_else(|| error.to_string());
        return Err(Refusal::invalid(format!("input {name:?}: {words}")));
    }
    let (data, missing) = (sink.data, sink.missing);
    if data.len() != count {
        return Err(Refusal::invalid(format!(
            "input {name:?} has {} elements in its data, its shape {shape:?} says {count}",
            data.len()
        )));
    }
    Ok(Tensor {
        name: name.to_owned(),
        shape,
        data,
        missing,
    })
}

struct Sink<'a> {
    data: Data,
    missing: Option<Vec<bool>>,
    shape: &'a [usize],
    count: usize,
    /// In how many arrays the elements stand, once there was one.
    depth: Option<usize>,
    problem: Option<String>,
}

/// An array, or an element of it, in so many arrays.
struct Nested<'s, 'a> {
    sink: &'s mut Sink<'a>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Nested<'_, '_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl Nested<'_, '_> {
    fn bad<E: de::Error>(&mut self, words: String) -> E {
        self.sink.problem = Some(words);
        E::custom("an element is wrong")
    }

    fn wrong<E: de::Error>(&mut self, found: &dyn fmt::Display) -> E {
        let at = self.sink.data.len();
        let kind = self.sink.data.datatype();
        let expected = match kind {
            Datatype::Bool => "true or false",
            Datatype::Bytes => "a text in quotes",
            Datatype::Fp32 | Datatype::Fp64 => "a number in its range",
            _ => "a whole number in its range",
        };
        self.bad(format!(
            "element {at} (the first is 0): found {found}, expected {kind}, {expected}"
        ))
    }

    /// Before an element is taken: it stands as deep as those before it.
    fn place<E: de::Error>(&mut self) -> Result<(), E> {
        let rank = self.sink.shape.len();
        // Inside of the array, one less than where an element of it is visited.
        let depth = self.depth - 1;
        let known = *self.sink.depth.get_or_insert(depth);
        if known != depth || (depth != 1 && depth != rank) {
            let at = self.sink.data.len();
            let words = format!(
                "element {at} (the first is 0) stands in {depth} arrays; expected all in one, or each in {rank}, as the shape {:?} says",
                self.sink.shape
            );
            return Err(self.bad(words));
        }
        if self.sink.data.len() >= self.sink.count {
            let words = format!(
                "its data has more elements than its shape {:?} says",
                self.sink.shape
            );
            return Err(self.bad(words));
        }
        Ok(())
    }

    fn whole<E: de::Error, N>(&mut self, number: N) -> Result<(), E>
    where
        N: Copy + fmt::Display + ToF64,
        u8: TryFrom<N>,
        u16: TryFrom<N>,
        u32: TryFrom<N>,
        u64: TryFrom<N>,
        i8: TryFrom<N>,
        i16: TryFrom<N>,
        i32: TryFrom<N>,
        i64: TryFrom<N>,
    {
        self.place()?;
        macro_rules! take {
            ($vector:ident, $number:ty) => {
                <$number>::try_from(number)
                    .ok()
                    .map(|number| $vector.push(number))
            };
        }
        let taken = match &mut self.sink.data {
            Data::Uint8(to) => take!(to, u8),
            Data::Uint16(to) => take!(to, u16),
            Data::Uint32(to) => take!(to, u32),
            Data::Uint64(to) => take!(to, u64),
            Data::Int8(to) => take!(to, i8),
            Data::Int16(to) => take!(to, i16),
            Data::Int32(to) => take!(to, i32),
            Data::Int64(to) => take!(to, i64),
            Data::Fp32(to) => {
                to.push(number.to_f32());
                Some(())
            }
            Data::Fp64(to) => {
                to.push(number.to_f64());
                Some(())
            }
            Data::Bool(_) | Data::Bytes(_) => None,
        };
        match taken {
            Some(()) => self.present(),
            None => Err(self.wrong(&number)),
        }
    }

    fn present<E>(&mut self) -> Result<(), E> {
        if let Some(marks) = &mut self.sink.missing {
            marks.push(false);
        }
        Ok(())
    }
}

/// Whole numbers as floating-point ones, rounded to the nearest.
trait ToF64 {
    fn to_f64(self) -> f64;
    fn to_f32(self) -> f32;
}

impl ToF64 for u64 {
    fn to_f64(self) -> f64 {
        self as f64
    }
    fn to_f32(self) -> f32 {
        self as f32
    }
}

impl ToF64 for i64 {
    fn to_f64(self) -> f64 {
        self as f64
    }
    fn to_f32(self) -> f32 {
        self as f32
    }
}

impl<'de> Visitor<'de> for Nested<'_, '_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an array of elements in \"data\"")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut array: A) -> Result<(), A::Error> {
        if self.depth > self.sink.shape.len() {
            let words = format!(
                "its data is nested {} arrays deep, its shape {:?} says {}",
                self.depth,
                self.sink.shape,
                self.sink.shape.len()
            );
            return Err(self.bad(words));
        }
        let mut length = 0_usize;
        while array
            .next_element_seed(Nested {
                sink: self.sink,
                depth: self.depth + 1,
            })?
            .is_some()
        {
            length += 1;
        }
        let wanted = self.sink.shape.get(self.depth - 1).copied();
        let rank = self.sink.shape.len();
        let nested = rank > 1 && self.sink.depth == Some(rank);
        if nested && wanted != Some(length) {
            let words = format!(
                "an array of dimension {} has {length} elements, its shape {:?} says {}",
                self.depth - 1,
                self.sink.shape,
                wanted.unwrap_or(0)
            );
            return Err(self.bad(words));
        }
        Ok(())
    }

    fn visit_bool<E: de::Error>(mut self, truth: bool) -> Result<(), E> {
        self.place()?;
        match &mut self.sink.data {
            Data::Bool(to) => to.push(truth),
            _ => return Err(self.wrong(&truth)),
        }
        self.present()
    }

    fn visit_u64<E: de::Error>(mut self, number: u64) -> Result<(), E> {
        self.whole(number)
    }

    fn visit_i64<E: de::Error>(mut self, number: i64) -> Result<(), E> {
        self.whole(number)
    }

    fn visit_f64<E: de::Error>(mut self, number: f64) -> Result<(), E> {
        self.place()?;
        match &mut self.sink.data {
            Data::Fp64(to) => to.push(number),
            Data::Fp32(to) => {
                let narrow = number as f32;
                if narrow.is_infinite() {
                    return Err(self.wrong(&format_args!("{number:?}")));
                }
                to.push(narrow);
            }
            _ => return Err(self.wrong(&format_args!("{number:?}"))),
        }
        self.present()
    }

    fn visit_str<E: de::Error>(mut self, text: &str) -> Result<(), E> {
        self.place()?;
        match &mut self.sink.data {
            Data::Bytes(to) => to.push(text.to_owned()),
            // The text itself may be somebody's name: it is not said again.
            _ => return Err(self.wrong(&"a text")),
        }
        self.present()
    }

    fn visit_unit<E: de::Error>(mut self) -> Result<(), E> {
        self.place()?;
        let before = self.sink.data.len();
        match &mut self.sink.data {
            Data::Fp32(to) => to.push(f32::NAN),
            Data::Fp64(to) => to.push(f64::NAN),
            Data::Bool(to) => to.push(false),
            Data::Bytes(to) => to.push(String::new()),
            Data::Uint8(to) => to.push(0),
            Data::Uint16(to) => to.push(0),
            Data::Uint32(to) => to.push(0),
            Data::Uint64(to) => to.push(0),
            Data::Int8(to) => to.push(0),
            Data::Int16(to) => to.push(0),
            Data::Int32(to) => to.push(0),
            Data::Int64(to) => to.push(0),
        }
        self.sink
            .missing
            .get_or_insert_with(|| vec![false; before])
            .push(true);
        Ok(())
    }

    fn visit_map<A: de::MapAccess<'de>>(mut self, _: A) -> Result<(), A::Error> {
        Err(self.wrong(&"an object"))
    }
}

/// A tensor's elements as one flat array; what is missing or no number is `null`.
pub(crate) struct Flat<'a>(pub(crate) &'a Tensor);

impl Serialize for Flat<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Tensor { data, missing, .. } = self.0;
        let mut array = to.serialize_seq(Some(data.len()))?;
        each!(data, vector => {
            for (at, element) in vector.iter().enumerate() {
                if missing.as_ref().is_some_and(|marks| marks.get(at) == Some(&true)) {
                    array.serialize_element(&())?;
                } else {
                    // serde_json writes null for what is not finite.
                    array.serialize_element(element)?;
                }
            }
        });
        array.end()
    }
}

/// The JSON form of a tensor's `data`: one flat array in row-major order.
///
/// # Errors
/// None that a tensor can cause.
pub fn to_json(tensor: &Tensor) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::value::to_raw_value(&Flat(tensor))
}
