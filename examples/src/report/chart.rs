//! The pictures, drawn by plotters as SVG. Their colours are stand-ins that the style sheet replaces, so that one
//! drawing serves light and dark; each is drawn twice, for a desktop's width and for a phone's.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::FontDesc;

use super::input::{Role, RoundRow, TableRow};
use crate::score::CalibrationPoint;

/// A picture could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the {picture} could not be drawn: {reason}")]
pub struct ChartError {
    picture: &'static str,
    reason: String,
}

// The style sheet maps each of these to a colour of the light or dark palette.
const INK: RGBColor = RGBColor(0x11, 0x11, 0x11);
const GRID: RGBColor = RGBColor(0x22, 0x22, 0x22);
const FEDERATED: RGBColor = RGBColor(0x33, 0x33, 0x33);
const POOLED: RGBColor = RGBColor(0x44, 0x44, 0x44);
const ALONE: RGBColor = RGBColor(0x55, 0x55, 0x55);

/// One picture at both widths.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) wide: String,
    pub(super) narrow: String,
}

/// A horizontal line or band to compare the curve with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct References {
    pub(super) pooled: Option<f64>,
    /// Mean, least and most over the banks alone.
    pub(super) alone: Option<(f64, f64, f64)>,
}

impl References {
    /// Of the figure at `place` among those of the results.
    pub(super) fn of(results: &[TableRow], place: usize) -> Self {
        let of = |role| {
            results
                .iter()
                .filter(move |row| row.role == role)
                .map(move |row| row.score.figures[place].1)
        };
        let alone: Vec<f64> = of(Role::Alone).collect();
        Self {
            pooled: of(Role::Pooled).next(),
            alone: (!alone.is_empty()).then(|| {
                let mean = alone.iter().sum::<f64>() / alone.len() as f64;
                let least = alone.iter().copied().fold(f64::INFINITY, f64::min);
                let most = alone.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                (mean, least, most)
            }),
        }
    }
}

#[derive(Clone, Copy)]
struct Canvas {
    size: (u32, u32),
    font: i32,
    stroke: u32,
}

const WIDE: Canvas = Canvas {
    size: (880, 330),
    font: 15,
    stroke: 3,
};
const NARROW: Canvas = Canvas {
    size: (360, 280),
    font: 13,
    stroke: 2,
};
const WIDE_SQUARE: Canvas = Canvas {
    size: (430, 400),
    font: 14,
    stroke: 3,
};
const NARROW_SQUARE: Canvas = Canvas {
    size: (360, 340),
    font: 13,
    stroke: 2,
};

type Root<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// The figure at `place` by round, before the references. `None` if no round was measured.
pub(super) fn by_round(
    picture: &'static str,
    rounds: &[RoundRow],
    place: usize,
    references: References,
) -> Result<Option<Picture>, ChartError> {
    let curve: Vec<(f64, f64)> = rounds
        .iter()
        .filter_map(|round| {
            Some((
                round.round as f64,
                round
                    .score
                    .map(|score| score.figures[place].1)
                    .filter(|value| value.is_finite())?,
            ))
        })
        .collect();
    if curve.is_empty() {
        return Ok(None);
    }
    let draw = |canvas| {
        paint(picture, canvas, |root, canvas| {
            draw_curve(root, canvas, &curve, references)
        })
    };
    Ok(Some(Picture {
        wide: draw(WIDE)?,
        narrow: draw(NARROW)?,
    }))
}

/// Observed over predicted share of rows with label 1. `None` without points.
pub(super) fn calibration(points: &[CalibrationPoint]) -> Result<Option<Picture>, ChartError> {
    if points.is_empty() {
        return Ok(None);
    }
    let draw = |canvas| {
        paint("calibration curve", canvas, |root, canvas| {
            draw_calibration(root, canvas, points)
        })
    };
    Ok(Some(Picture {
        wide: draw(WIDE_SQUARE)?,
        narrow: draw(NARROW_SQUARE)?,
    }))
}

fn paint(
    picture: &'static str,
    canvas: Canvas,
    draw: impl FnOnce(&Root<'_>, Canvas) -> Drawn,
) -> Result<String, ChartError> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, canvas.size).into_drawing_area();
        draw(&root, canvas)
            .and_then(|()| root.present())
            .map_err(|error| ChartError {
                picture,
                reason: error.to_string(),
            })?;
    }
    Ok(svg)
}

fn draw_curve(root: &Root<'_>, canvas: Canvas, curve: &[(f64, f64)], references: References) -> Drawn {
    let first = curve.first().map_or(0.0, |point| point.0);
    let last = curve.last().map_or(1.0, |point| point.0).max(first + 1.0);
    let lines = references
        .pooled
        .into_iter()
        .chain(references.alone.into_iter().flat_map(|(a, b, c)| [a, b, c]));
    let (low, high) = span(curve.iter().map(|point| point.1).chain(lines));
    let digits = if high - low < 0.06 { 3 } else { 2 };
    let mut chart = ChartBuilder::on(root)
        .margin(8)
        .margin_right(16)
        .x_label_area_size(canvas.font * 3)
        .y_label_area_size(canvas.font * 4)
        .build_cartesian_2d(first..last, low..high)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .x_labels(if canvas.size.0 > 500 { 12 } else { 6 })
        .y_labels(6)
        .x_label_formatter(&|round| format!("{round:.0}"))
        .y_label_formatter(&|value| format!("{value:.digits$}"))
        .x_desc("round")
        .label_style(font(canvas))
        .draw()?;
    if let Some((mean, least, most)) = references.alone {
        let band = vec![(first, least), (last, least), (last, most), (first, most)];
        chart.draw_series([Polygon::new(band, ALONE.mix(0.16).filled())])?;
        chart.draw_series(dashed(first, last, mean, ALONE.stroke_width(2)))?;
    }
    if let Some(pooled) = references.pooled {
        chart.draw_series(dashed(first, last, pooled, POOLED.stroke_width(2)))?;
    }
    chart.draw_series(LineSeries::new(
        curve.iter().copied(),
        FEDERATED.stroke_width(canvas.stroke),
    ))?;
    let dot = canvas.stroke + 1;
    chart.draw_series(
        curve
            .iter()
            .map(|&point| Circle::new(point, dot, FEDERATED.filled())),
    )?;
    Ok(())
}

fn draw_calibration(root: &Root<'_>, canvas: Canvas, points: &[CalibrationPoint]) -> Drawn {
    let most = points
        .iter()
        .flat_map(|point| [point.predicted, point.observed])
        .fold(0.05, f64::max);
    let end = (most * 1.08).min(1.0);
    let percent = |share: &f64| format!("{:.0} %", 100.0 * share);
    let mut chart = ChartBuilder::on(root)
        .margin(8)
        .margin_right(16)
        .x_label_area_size(canvas.font * 3)
        .y_label_area_size(canvas.font * 5)
        .build_cartesian_2d(0.0..end, 0.0..end)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&percent)
        .y_label_formatter(&percent)
        .x_desc("predicted")
        .y_desc("came true")
        .label_style(font(canvas))
        .draw()?;
    let ideal = DashedLineSeries::new([(0.0, 0.0), (end, end)], 6, 5, ALONE.stroke_width(2));
    chart.draw_series(ideal)?;
    let curve: Vec<(f64, f64)> = points
        .iter()
        .map(|point| (point.predicted, point.observed))
        .collect();
    chart.draw_series(LineSeries::new(
        curve.iter().copied(),
        FEDERATED.stroke_width(canvas.stroke),
    ))?;
    let dot = canvas.stroke + 1;
    chart.draw_series(
        curve
            .iter()
            .map(|&point| Circle::new(point, dot, FEDERATED.filled())),
    )?;
    Ok(())
}

fn dashed(
    from: f64,
    to: f64,
    height: f64,
    style: ShapeStyle,
) -> DashedLineSeries<std::array::IntoIter<(f64, f64), 2>, i32> {
    DashedLineSeries::new([(from, height), (to, height)], 7, 5, style)
}

fn font(canvas: Canvas) -> TextStyle<'static> {
    FontDesc::new(FontFamily::SansSerif, f64::from(canvas.font), FontStyle::Normal).color(&INK)
}

/// Least and most with some air, never empty.
fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let air = ((high - low) * 0.08).max(0.002);
    (low - air, high + air)
}
