//! Loss and accuracy over the epochs: four panels of one drawing.

use crate::network::Epoch;
use crate::{EPOCHS, Outcome, RATES};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;
use std::ops::Range;
use std::path::Path;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const SIZE: (u32, u32) = (1200, 810);
const HEAD: i32 = 96;
/// The rows differ in what is written above and below, so that the axes come out alike.
const TOP_PANEL: i32 = 345;
const LEFT_PANEL: i32 = 612;
/// For each of [`RATES`] one that the colour-blind tell apart, too: M. Okabe and K. Ito, "Color
/// Universal Design", 2008.
const COLORS: [RGBColor; RATES.len()] =
    [RGBColor(0, 114, 178), RGBColor(0, 158, 115), RGBColor(230, 159, 0), RGBColor(213, 94, 0)];
const INK: RGBColor = RGBColor(50, 50, 50);
const GRID: RGBColor = RGBColor(225, 225, 225);
/// The axis of the loss, with room for the label 0.001. What is beyond is drawn at its end.
const LOSS: Range<f64> = 0.9e-3..10.0;

/// A curve's colour and its points: the epoch, from 1, and the value.
type Curve = (RGBColor, Vec<(i32, f64)>);

/// Writes an SVG file: loss above accuracy, with batch norm beside without, a colour for each rate.
pub fn draw(path: &Path, outcomes: &[Outcome]) -> Result<(), Box<dyn Error>> {
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(HEAD);
    draw_head(&head, outcomes)?;
    let (left, right) = body.split_horizontally(LEFT_PANEL);
    for (area, batch_norm) in [(left, true), (right, false)] {
        let curves = |value: fn(&Epoch) -> f64| -> Vec<Curve> {
            let column = outcomes.iter().filter(|o| o.batch_norm == batch_norm);
            let points = |o: &Outcome| (1..).zip(o.epochs.iter().map(value)).collect();
            column.map(|o| (color(o.rate), points(o))).collect()
        };
        let loss = curves(|e| (e.loss as f64).clamp(LOSS.start, LOSS.end));
        let accuracy = curves(|e| e.accuracy as f64 * 100.0);
        let (title, loss_label, accuracy_label) = match batch_norm {
            true => ("with batch norm", "training loss", "test accuracy, %"),
            false => ("without batch norm", "", ""),
        };
        let (top, bottom) = area.split_vertically(TOP_PANEL);
        draw_panel(&top, [title, "", loss_label], LOSS.log_scale(), &loss)?;
        draw_panel(&bottom, ["", "epoch", accuracy_label], 0.0..100.0, &accuracy)?;
    }
    root.present()?;
    // They all borrow the text.
    drop((head, body, root));
    std::fs::write(path, svg).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(())
}

fn color(rate: f32) -> RGBColor {
    RATES.iter().zip(COLORS).find(|(r, _)| **r == rate).map_or(INK, |(_, color)| color)
}

/// The title, and a legend for all panels.
fn draw_head(area: &Area<'_>, outcomes: &[Outcome]) -> Result<(), Box<dyn Error>> {
    let at = |h| Pos::new(h, VPos::Center);
    let title = ("sans-serif", 32).into_font().color(&INK).pos(at(HPos::Center));
    let middle = SIZE.0 as i32 / 2;
    area.draw(&Text::new(
        "Learning handwritten digits with and without batch norm",
        (middle, 32),
        title,
    ))?;

    const ENTRY: i32 = 90;
    const LINE: i32 = 34;
    let y = 74;
    let text = ("sans-serif", 22).into_font().color(&INK);
    let entries: Vec<_> = outcomes.iter().filter(|o| o.batch_norm).map(|o| o.rate).collect();
    // The words on the left are wider than those on the right.
    let mut x = middle - (entries.len() as i32 - 1) * ENTRY / 2 + 38;
    area.draw(&Text::new("learning rate", (x - 16, y), text.pos(at(HPos::Right))))?;
    for rate in entries {
        let line = vec![(x, y), (x + LINE, y)];
        area.draw(&PathElement::new(line, color(rate).stroke_width(4)))?;
        area.draw(&Text::new(rate.to_string(), (x + LINE + 8, y), text.pos(at(HPos::Left))))?;
        x += ENTRY;
    }
    Ok(())
}

/// One set of axes with its curves.
fn draw_panel<Y>(
    area: &Area<'_>,
    [title, x_label, y_label]: [&str; 3],
    y_axis: Y,
    curves: &[Curve],
) -> Result<(), Box<dyn Error>>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let font = |size| ("sans-serif", size).into_font().color(&INK);
    let mut chart = ChartBuilder::on(area)
        .caption(title, font(26))
        .margin(14)
        .x_label_area_size(if x_label.is_empty() { 30 } else { 56 })
        .y_label_area_size(if y_label.is_empty() { 60 } else { 84 })
        .build_cartesian_2d(0..EPOCHS as i32, y_axis)?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style(font(19))
        .axis_desc_style(font(22))
        .x_labels(4)
        .y_labels(6)
        .y_label_formatter(&|value| value.to_string())
        .x_desc(x_label)
        .y_desc(y_label)
        .draw()?;
    for (color, points) in curves {
        // A line ends where its values are no numbers.
        for part in points.split(|(_, value)| value.is_nan()) {
            chart.draw_series(LineSeries::new(part.iter().copied(), color.stroke_width(3)))?;
            let dots = part.iter().map(|&point| Circle::new(point, 4, color.filled()));
            chart.draw_series(dots)?;
        }
    }
    Ok(())
}
