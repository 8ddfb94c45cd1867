//! A figure of a task by step, drawn by plotters as SVG. Its colours are stand-ins that the style sheet replaces, so that one drawing
//! serves light, dark and paper.

use maud::{Markup, PreEscaped, html};
use plotters::prelude::*;
use plotters::style::FontDesc;

/// A curve could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the curve of {curve} could not be drawn: {reason}")]
pub struct CurveError {
    curve: &'static str,
    reason: String,
}

// The style sheet maps each of these to a colour of its palette.
const INK: RGBColor = RGBColor(0x11, 0x11, 0x11);
const GRID: RGBColor = RGBColor(0x22, 0x22, 0x22);
const LINE: RGBColor = RGBColor(0x33, 0x33, 0x33);

/// Small enough for a phone; two stand side by side on a desktop.
const SIZE: (u32, u32) = (430, 236);
const FONT: f64 = 14.0;
/// Most points of a line: more could not be told apart.
const MAX_POINTS: usize = 200;
/// Most points that are marked one by one.
const MAX_DOTS: usize = 60;

/// A figure by step.
pub(super) struct Curve<'a> {
    pub(super) name: &'static str,
    /// What is better.
    pub(super) better: &'static str,
    pub(super) task: &'a str,
    /// Unique on the page.
    pub(super) id: String,
    /// By ascending step.
    pub(super) points: Vec<(u32, f64)>,
}

/// Some steps drawn together.
struct Drawn {
    step: f64,
    mean: f64,
    least: f64,
    most: f64,
}

impl Curve<'_> {
    /// The figure with its caption; nothing if no step was measured.
    pub(super) fn figure(&self) -> Result<Option<Markup>, CurveError> {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else {
            return Ok(None);
        };
        let drawn = self.drawn();
        let svg = self.draw(&drawn)?;
        let (low, high) = self.points.iter().fold((first, first), |(low, high), point| {
            (
                if point.1 < low.1 { point } else { low },
                if point.1 > high.1 { point } else { high },
            )
        });
        let description = format!(
            "{} of the consortium's model of task {} by step: {:.4} at step {}, {:.4} at step {}; least {:.4} at step {}, most \
             {:.4} at step {}.",
            self.name, self.task, first.1, first.0, last.1, last.0, low.1, low.0, high.1, high.0
        );
        let id = &self.id;
        // The drawing holds numbers only; title and description come in behind its first tag.
        let inside = svg.find('>').map(|at| svg.split_at(at + 1));
        let (tag, rest) = inside.unwrap_or(("", &svg));
        let tag = tag.replacen(
            "<svg ",
            &format!("<svg role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" "),
            1,
        );
        Ok(Some(html! {
            figure {
                figcaption {
                    span { strong { (self.name) } ", " (self.better) }
                    span.from-to { (format!("{:.3}", first.1)) " → " b { (format!("{:.3}", last.1)) } }
                }
                (PreEscaped(tag))
                title id={ (id) "-title" } { (self.name) " by step" }
                desc id={ (id) "-desc" } { (description) }
                (PreEscaped(rest))
                @if drawn.len() < self.points.len() {
                    p.note { "Each point is the mean of " (self.points.len().div_ceil(drawn.len())) " steps; the band goes from their least to their most." }
                }
            }
        }))
    }

    fn drawn(&self) -> Vec<Drawn> {
        let width = self.points.len().div_ceil(MAX_POINTS).max(1);
        let together = self.points.chunks(width).map(|points| {
            let count = points.len() as f64;
            let values = || points.iter().map(|point| point.1);
            Drawn {
                step: points.iter().map(|point| f64::from(point.0)).sum::<f64>() / count,
                mean: values().sum::<f64>() / count,
                least: values().fold(f64::INFINITY, f64::min),
                most: values().fold(f64::NEG_INFINITY, f64::max),
            }
        });
        together.collect()
    }

    fn draw(&self, drawn: &[Drawn]) -> Result<String, CurveError> {
        let mut svg = String::new();
        paint(&mut svg, drawn).map_err(|error| CurveError {
            curve: self.name,
            reason: error.to_string(),
        })?;
        Ok(svg)
    }
}

fn paint(svg: &mut String, drawn: &[Drawn]) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let first = drawn.first().map_or(0.0, |point| point.step);
    let last = drawn.last().map_or(1.0, |point| point.step).max(first + 1.0);
    let (low, high) = drawn
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| {
            (low.min(point.least), high.max(point.most))
        });
    let air = ((high - low) * 0.1).max(0.005);
    let mut chart = ChartBuilder::on(&root)
        .margin(6)
        .margin_right(14)
        .x_label_area_size(40)
        .y_label_area_size(54)
        .build_cartesian_2d(first..last, low - air..high + air)?;
    let font = FontDesc::new(FontFamily::SansSerif, FONT, FontStyle::Normal);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .x_labels(((last - first) as usize + 1).clamp(2, 6))
        .y_labels(5)
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_label_formatter(&|value| format!("{value:.3}"))
        .x_desc("step")
        .label_style(font.color(&INK))
        .draw()?;
    if drawn.iter().any(|point| point.most > point.least) {
        let up = drawn.iter().map(|point| (point.step, point.most));
        let down = drawn.iter().rev().map(|point| (point.step, point.least));
        chart.draw_series([Polygon::new(
            up.chain(down).collect::<Vec<_>>(),
            LINE.mix(0.2).filled(),
        )])?;
    }
    let line = || drawn.iter().map(|point| (point.step, point.mean));
    chart.draw_series(LineSeries::new(line(), LINE.stroke_width(3)))?;
    if drawn.len() <= MAX_DOTS {
        chart.draw_series(line().map(|point| Circle::new(point, 3, LINE.filled())))?;
    }
    root.present()
}
