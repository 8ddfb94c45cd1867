//! What a CSV export would hold for a value.

use std::fmt::Write as _;

use csv::StringRecord;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::data_type::Int96;
use parquet::schema::types::ColumnDescriptor;
use time::{Date, Duration, PrimitiveDateTime, Time};

/// How the values of a column become texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Plain,
    Unsigned32,
    Unsigned64,
    Decimal { scale: u32 },
    Date,
    Time { per_second: i64 },
    Timestamp { per_second: i64, utc: bool },
    Text,
    Uuid,
    Float16,
}

/// What is wrong with a value: found, expected, advice.
pub(super) type Unwritable = (&'static str, &'static str, &'static str);

const SECONDS_A_DAY: i64 = 86_400;
const UNIX_EPOCH: Date = time::macros::date!(1970 - 01 - 01);
/// Digits of the longest decimal, as the format allows for 16 bytes.
const DECIMAL_BYTES: usize = 16;

impl Format {
    /// The format of a column, or what it is if no cell of a table can be made of it.
    pub(super) fn of(column: &ColumnDescriptor) -> Result<Self, String> {
        if column.max_rep_level() > 0 {
            return Err("a list".to_owned());
        }
        let physical = column.physical_type();
        let found = |what: &str| Err(format!("{what} (stored as {physical})"));
        if let Some(logical) = column.logical_type_ref() {
            return match (logical, physical) {
                (LogicalType::String | LogicalType::Enum | LogicalType::Json, Physical::BYTE_ARRAY) => {
                    Ok(Self::Text)
                }
                (LogicalType::Decimal(decimal), _) => Self::decimal(decimal.scale, physical),
                (LogicalType::Date, Physical::INT32) => Ok(Self::Date),
                (LogicalType::Time(kind), Physical::INT32 | Physical::INT64) => {
                    let per_second = per_second(&kind.unit);
                    Ok(Self::Time { per_second })
                }
                (LogicalType::Timestamp(kind), Physical::INT64) => Ok(Self::Timestamp {
                    per_second: per_second(&kind.unit),
                    utc: kind.is_adjusted_to_u_t_c,
                }),
                (LogicalType::Integer(kind), Physical::INT32 | Physical::INT64) => {
                    Ok(match (kind.is_signed, physical) {
                        (true, _) => Self::Plain,
                        (false, Physical::INT32) => Self::Unsigned32,
                        (false, _) => Self::Unsigned64,
                    })
                }
                (LogicalType::Unknown, _) => Ok(Self::Plain),
                (LogicalType::Uuid, Physical::FIXED_LEN_BYTE_ARRAY) if column.type_length() == 16 => {
                    Ok(Self::Uuid)
                }
                (LogicalType::Float16, Physical::FIXED_LEN_BYTE_ARRAY) if column.type_length() == 2 => {
                    Ok(Self::Float16)
                }
                (other, _) => found(&format!("the type {other:?}")),
            };
        }
        match (column.converted_type(), physical) {
            (ConvertedType::NONE, Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY) => {
                found("binary values")
            }
            (ConvertedType::NONE, Physical::INT96) => Ok(Self::Timestamp {
                per_second: 1_000_000_000,
                utc: false,
            }),
            (ConvertedType::NONE, _) => Ok(Self::Plain),
            (ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON, Physical::BYTE_ARRAY) => {
                Ok(Self::Text)
            }
            (ConvertedType::DECIMAL, _) => Self::decimal(column.type_scale(), physical),
            (ConvertedType::DATE, Physical::INT32) => Ok(Self::Date),
            (ConvertedType::TIME_MILLIS, Physical::INT32) => Ok(Self::Time { per_second: 1000 }),
            (ConvertedType::TIME_MICROS, Physical::INT64) => Ok(Self::Time {
                per_second: 1_000_000,
            }),
            (ConvertedType::TIMESTAMP_MILLIS, Physical::INT64) => Ok(Self::Timestamp {
                per_second: 1000,
                utc: true,
            }),
            (ConvertedType::TIMESTAMP_MICROS, Physical::INT64) => Ok(Self::Timestamp {
                per_second: 1_000_000,
                utc: true,
            }),
            (ConvertedType::INT_8 | ConvertedType::INT_16 | ConvertedType::INT_32, Physical::INT32)
            | (ConvertedType::INT_64, Physical::INT64) => Ok(Self::Plain),
            (ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32, Physical::INT32) => {
                Ok(Self::Unsigned32)
            }
            (ConvertedType::UINT_64, Physical::INT64) => Ok(Self::Unsigned64),
            (other, _) => found(&format!("the type {other}")),
        }
    }

    fn decimal(scale: i32, physical: Physical) -> Result<Self, String> {
        let numeric = matches!(
            physical,
            Physical::INT32 | Physical::INT64 | Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY
        );
        match u32::try_from(scale) {
            Ok(scale @ 0..=38) if numeric => Ok(Self::Decimal { scale }),
            _ => Err(format!("decimals of scale {scale} (stored as {physical})")),
        }
    }

    /// A label or flag of 0 and 1, which tools export as True, true, t or 1: the schema's own spelling is taken.
    pub(super) fn boolean(self, value: bool, record: &mut StringRecord) -> Result<(), Unwritable> {
        record.push_field(if value { "1" } else { "0" });
        Ok(())
    }

    pub(super) fn integer(self, value: i64, record: &mut StringRecord) -> Result<(), Unwritable> {
        let mut cell = Cell::new();
        match self {
            Self::Unsigned32 => cell.push(format_args!("{}", value & 0xffff_ffff)),
            Self::Unsigned64 => cell.push(format_args!("{}", value.cast_unsigned())),
            Self::Decimal { scale } => decimal(value.into(), scale, &mut cell),
            Self::Date => {
                let date = date(value).ok_or(FAR_DATE)?;
                cell.push(format_args!("{date}"));
            }
            Self::Time { per_second } => time_of_day(value, per_second, &mut cell).ok_or(FAR_DATE)?,
            Self::Timestamp { per_second, utc } => {
                timestamp(value.into(), per_second, utc, &mut cell).ok_or(FAR_DATE)?;
            }
            _ => cell.push(format_args!("{value}")),
        }
        record.push_field(cell.text());
        Ok(())
    }

    pub(super) fn int96(self, value: &Int96, record: &mut StringRecord) -> Result<(), Unwritable> {
        let mut cell = Cell::new();
        let &[low, high, day] = value.data() else {
            return Err(FAR_DATE);
        };
        // Nanoseconds of the day, then the Julian day.
        let nanoseconds = i128::from(high) << 32 | i128::from(low);
        let days = i128::from(day) - i128::from(UNIX_EPOCH.to_julian_day());
        let all = days * i128::from(SECONDS_A_DAY) * 1_000_000_000 + nanoseconds;
        timestamp(all, 1_000_000_000, false, &mut cell).ok_or(FAR_DATE)?;
        record.push_field(cell.text());
        Ok(())
    }

    pub(super) fn float(self, value: f32, record: &mut StringRecord) -> Result<(), Unwritable> {
        let mut cell = Cell::new();
        cell.push(format_args!("{value}"));
        record.push_field(cell.text());
        Ok(())
    }

    pub(super) fn double(self, value: f64, record: &mut StringRecord) -> Result<(), Unwritable> {
        let mut cell = Cell::new();
        cell.push(format_args!("{value}"));
        record.push_field(cell.text());
        Ok(())
    }

    pub(super) fn bytes(self, value: &[u8], record: &mut StringRecord) -> Result<(), Unwritable> {
        let mut cell = Cell::new();
        match self {
            Self::Decimal { scale } => {
                let value = big_endian(value).ok_or((
                    "a decimal of more than 16 bytes",
                    "up to 38 digits",
                    "export the column as a shorter decimal",
                ))?;
                decimal(value, scale, &mut cell);
            }
            Self::Uuid => {
                for (place, byte) in value.iter().enumerate() {
                    let dash = if matches!(place, 4 | 6 | 8 | 10) { "-" } else { "" };
                    cell.push(format_args!("{dash}{byte:02x}"));
                }
            }
            Self::Float16 => {
                let &[low, high] = value else {
                    return Err(("a short number", "16 bits", "export the file again"));
                };
                cell.push(format_args!("{}", half(u16::from_le_bytes([low, high]))));
            }
            _ => {
                let text = std::str::from_utf8(value).map_err(|_| {
                    (
                        "a text that is not UTF-8",
                        "UTF-8",
                        "export the file with UTF-8 texts",
                    )
                })?;
                record.push_field(text);
                return Ok(());
            }
        }
        record.push_field(cell.text());
        Ok(())
    }
}

const FAR_DATE: Unwritable = (
    "a date or time that no calendar has",
    "one in the years -9999 to 9999",
    "correct it, or leave the column out of the export",
);

/// A cell on its way into a record.
struct Cell(String);

impl Cell {
    fn new() -> Self {
        Self(String::new())
    }

    fn push(&mut self, args: std::fmt::Arguments<'_>) {
        self.0.write_fmt(args).expect("writing to a String cannot fail");
    }

    fn text(&self) -> &str {
        &self.0
    }
}

fn per_second(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::MILLIS => 1000,
        TimeUnit::MICROS => 1_000_000,
        TimeUnit::NANOS => 1_000_000_000,
    }
}

fn date(days: i64) -> Option<Date> {
    UNIX_EPOCH.checked_add(Duration::seconds(days.checked_mul(SECONDS_A_DAY)?))
}

fn time_of_day(value: i64, per_second: i64, cell: &mut Cell) -> Option<()> {
    let seconds = value.div_euclid(per_second);
    let hour = u8::try_from(seconds / 3600).ok()?;
    let [minute, second] = [seconds / 60 % 60, seconds % 60].map(u8::try_from);
    let time = Time::from_hms(hour, minute.ok()?, second.ok()?).ok()?;
    clock(time, value.rem_euclid(per_second), per_second, cell);
    Some(())
}

fn timestamp(value: i128, per_second: i64, utc: bool, cell: &mut Cell) -> Option<()> {
    let unit = i128::from(per_second);
    let seconds = i64::try_from(value.div_euclid(unit)).ok()?;
    let epoch = PrimitiveDateTime::new(UNIX_EPOCH, Time::MIDNIGHT);
    let at = epoch.checked_add(Duration::seconds(seconds))?;
    cell.push(format_args!("{}T", at.date()));
    clock(
        at.time(),
        i64::try_from(value.rem_euclid(unit)).ok()?,
        per_second,
        cell,
    );
    if utc {
        cell.push(format_args!("Z"));
    }
    Some(())
}

/// `12:30:45`, with the fraction of a second where there is one.
fn clock(time: Time, fraction: i64, per_second: i64, cell: &mut Cell) {
    cell.push(format_args!(
        "{:02}:{:02}:{:02}",
        time.hour(),
        time.minute(),
        time.second()
    ));
    if fraction > 0 {
        let digits = per_second.ilog10() as usize;
        let text = format!("{fraction:0digits$}");
        cell.push(format_args!(".{}", text.trim_end_matches('0')));
    }
}

fn decimal(value: i128, scale: u32, cell: &mut Cell) {
    let digits = scale as usize;
    if digits == 0 {
        return cell.push(format_args!("{value}"));
    }
    let sign = if value < 0 { "-" } else { "" };
    let all = format!("{:0width$}", value.unsigned_abs(), width = digits + 1);
    let (whole, fraction) = all.split_at(all.len() - digits);
    cell.push(format_args!("{sign}{whole}.{fraction}"));
}

/// A number in two's complement, the greatest byte first.
fn big_endian(bytes: &[u8]) -> Option<i128> {
    if bytes.len() > DECIMAL_BYTES {
        return None;
    }
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let start = if negative { -1 } else { 0 };
    Some(
        bytes
            .iter()
            .fold(start, |value: i128, &byte| value << 8 | i128::from(byte)),
    )
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}
