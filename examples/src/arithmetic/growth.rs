//! How cost grows with the number of banks and of parameters.

use plotters::prelude::*;
use ring::digest::{Context, SHA256};
use std::hint::black_box;
use std::thread;
use veilsum_protocol::crypto::entropy::SeededEntropy;
use veilsum_protocol::secagg::accumulate::Accumulator;
use veilsum_protocol::secagg::mask::Masking;
use veilsum_protocol::secagg::quantise::Digits;

use super::ArithmeticError;
use super::bank::{DIGIT_BITS, masks, ring};
use super::coordinator::strip;
use super::pace::{seconds, time};

const BANKS: [u16; 6] = [4, 8, 16, 32, 64, 128];
const PARAMETERS: [usize; 5] = [10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
/// What stays the same while the other grows.
const PARAMETERS_BY_BANKS: usize = 1_000_000;
const BANKS_BY_PARAMETERS: u16 = 16;
const REPEATS: usize = 3;

/// One curve: cost over what grows.
struct Curve {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// Least squares through the logarithms.
    fn slope(&self) -> f64 {
        let logs: Vec<(f64, f64)> = self.points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
        let count = logs.len() as f64;
        let (x, y) = (
            logs.iter().map(|p| p.0).sum::<f64>() / count,
            logs.iter().map(|p| p.1).sum::<f64>() / count,
        );
        let above: f64 = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
        let below: f64 = logs.iter().map(|p| (p.0 - x).powi(2)).sum();
        above / below
    }
}

/// The curves, over banks and over parameters.
pub struct Growth {
    by_banks: Vec<Curve>,
    by_parameters: Vec<Curve>,
}

/// Seconds of the bank (mask, pack, hash on one core) and of the coordinator (fold every vector, take every self-mask off, all cores).
fn cost(banks: u16, lanes: usize) -> (f64, f64) {
    let ring = ring(banks);
    let masks = masks(ring, usize::from(banks));
    let mut digits = Digits::with_capacity(DIGIT_BITS, lanes);
    let block = vec![0.25; lanes.min(1 << 20)];
    let mut left = lanes;
    while left > 0 {
        let part = &block[..block.len().min(left)];
        let _ = digits.push_reals(part, 1.0, 0.5, &mut SeededEntropy::new(2));
        left -= part.len();
    }
    let mut packed = Vec::with_capacity(ring.packed_bytes(lanes));
    let least = |work: &mut dyn FnMut()| (0..REPEATS).map(|_| seconds(work)).fold(f64::INFINITY, f64::min);
    let bank = least(&mut || {
        packed.clear();
        let mut masking = Masking::new(&masks);
        let mut hash = Context::new(&SHA256);
        for (chunk, digits) in (0..).zip(digits.lanes().chunks(ring.chunk_lanes())) {
            let part = masking.chunk(chunk, digits);
            hash.update(part);
            packed.extend_from_slice(part);
        }
        black_box(hash.finish());
    });
    drop(digits);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let coordinator = least(&mut || {
        let mut accumulator = Accumulator::new(ring, lanes);
        for _ in 0..banks {
            let _ = accumulator.add(&packed);
        }
        strip(&mut accumulator, &masks, threads);
        black_box(accumulator.into_lanes());
    });
    (bank, coordinator)
}

pub(super) fn measure(most: usize, say: &mut dyn FnMut(&str)) -> Result<Growth, ArithmeticError> {
    say("| n | d | bank, one core | coordinator |");
    say("| --- | --- | --- | --- |");
    let mut curves = |points: Vec<(u16, usize, f64)>| {
        let costs: Vec<_> = points
            .iter()
            .map(|(banks, lanes, x)| {
                let (bank, coordinator) = cost(*banks, *lanes);
                say(&format!(
                    "| {banks} | {lanes} | {} | {} |",
                    time(bank),
                    time(coordinator)
                ));
                (*x, bank, coordinator)
            })
            .collect();
        let curve = |name, of: fn(&(f64, f64, f64)) -> f64| Curve {
            name,
            points: costs.iter().map(|cost| (cost.0, of(cost))).collect(),
        };
        vec![
            curve("bank, one core", |cost| cost.1),
            curve("coordinator", |cost| cost.2),
        ]
    };
    let by_banks = curves(
        BANKS
            .iter()
            .map(|banks| (*banks, PARAMETERS_BY_BANKS.min(most), f64::from(*banks)))
            .collect(),
    );
    let by_parameters = curves(
        PARAMETERS
            .iter()
            .filter(|lanes| **lanes <= most)
            .map(|lanes| (BANKS_BY_PARAMETERS, *lanes, *lanes as f64))
            .collect(),
    );
    for (over, curves) in [("n", &by_banks), ("d", &by_parameters)] {
        for curve in curves {
            say(&format!(
                "| slope over {over} (log-log) | {} | {:.2} | |",
                curve.name,
                curve.slope()
            ));
        }
    }
    Ok(Growth {
        by_banks,
        by_parameters,
    })
}

const COLOURS: [RGBColor; 2] = [RGBColor(0x1b, 0x5e, 0x9b), RGBColor(0xb8, 0x4a, 0x1a)];
const SIZE: (u32, u32) = (960, 380);

impl Growth {
    /// Two diagrams with logarithmic axes, as SVG.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn picture(&self) -> Result<String, ArithmeticError> {
        let mut svg = String::new();
        let failed = |error: &dyn std::fmt::Display| ArithmeticError::Picture(error.to_string());
        {
            let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            root.fill(&WHITE).map_err(|error| failed(&error))?;
            let (left, right) = root.split_horizontally(SIZE.0 / 2);
            draw(
                &left,
                &format!("banks n, at d = {PARAMETERS_BY_BANKS}"),
                2.0,
                &self.by_banks,
            )
            .and_then(|()| {
                draw(
                    &right,
                    &format!("parameters d, at n = {BANKS_BY_PARAMETERS}"),
                    10.0,
                    &self.by_parameters,
                )
            })
            .map_err(|error| failed(&error))?;
            root.present().map_err(|error| failed(&error))?;
        }
        Ok(svg)
    }
}

fn draw<D: DrawingBackend>(
    area: &DrawingArea<D, plotters::coord::Shift>,
    over: &str,
    base: f64,
    curves: &[Curve],
) -> Result<(), DrawingAreaErrorKind<D::ErrorType>> {
    let all = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let bounds = |of: fn((f64, f64)) -> f64, margin: f64| {
        let (least, most) = all()
            .map(of)
            .fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
                (least.min(value), most.max(value))
            });
        (least / margin)..(most * margin)
    };
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .margin_right(24)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(
            bounds(|point| point.0, 1.15).log_scale().base(base),
            bounds(|point| point.1, 1.6).log_scale(),
        )?;
    chart
        .configure_mesh()
        .light_line_style(RGBColor(0xee, 0xee, 0xee))
        .x_desc(over)
        .y_desc("seconds")
        .x_labels(8)
        .y_labels(4)
        .x_label_formatter(&|x| {
            if base > 2.0 {
                format!("{x:e}")
            } else {
                format!("{x:.0}")
            }
        })
        .y_label_formatter(&|y| format!("{y:e}"))
        .draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS) {
        chart
            .draw_series(LineSeries::new(
                curve.points.iter().copied(),
                colour.stroke_width(2),
            ))?
            .label(format!("{}: slope {:.2}", curve.name, curve.slope()))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(
            curve
                .points
                .iter()
                .map(|point| Circle::new(*point, 3, colour.filled())),
        )?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(RGBColor(0xbb, 0xbb, 0xbb))
        .draw()
}
