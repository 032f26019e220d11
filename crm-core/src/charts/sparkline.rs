//! A score over time, with axes, its lowest and highest value, and the hot threshold.

use std::fmt::Write as _;

use chrono_tz::Tz;

use super::{
    scale::{Scale, calendar_ticks, thousandths, ticks},
    svg::{Anchor, Svg, width_of},
};
use crate::model::value::Time;

/// The appearance of a sparkline.
#[derive(Clone, Debug)]
pub struct SparklineOptions {
    /// The title: the accessible name and, if `heading` is set, the heading.
    pub title: String,
    /// `true` to draw the heading.
    pub heading: bool,
    /// The unit of the values.
    pub unit: String,
    /// The width in pixels, clamped to 200 to 4,000.
    pub width: u32,
    /// The height in pixels, clamped to 90 to 4,000.
    pub height: u32,
    /// The value of a dashed line, in thousandths.
    pub threshold: Option<i64>,
    /// The name of the threshold.
    pub threshold_name: String,
    /// The time zone of the time axis.
    pub zone: Tz,
}

impl Default for SparklineOptions {
    /// 360 by 150 pixels, for points, in UTC, without a threshold.
    fn default() -> Self {
        Self {
            title: "Score over time".into(),
            heading: false,
            unit: "points".into(),
            width: 360,
            height: 150,
            threshold: None,
            threshold_name: "hot".into(),
            zone: Tz::UTC,
        }
    }
}

/// Pixels below the plot, for the labels of the ticks and the name of the axis.
const FOOT: f64 = 32.0;

/// Draws a value over time. Each point is a time and a value in thousandths, in any order. If there are more points
/// than pixels, the first, lowest, highest and last point of each pixel are drawn. O(n log n).
pub fn sparkline(points: &[(Time, i64)], options: &SparklineOptions) -> String {
    let mut points = points.to_vec();
    points.sort_by_key(|(at, _)| *at);
    let width = f64::from(options.width.clamp(200, 4000));
    let height = f64::from(options.height.clamp(90, 4000));
    let mut svg = Svg::new(width, height, &options.title, &described(&points, options));
    let mut top = 20.0;
    if options.heading {
        svg.fitted("h", (8.0, 17.0), Anchor::Start, &options.title, (width - 16.0) / 1.2);
        top += 18.0;
    }
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        svg.text("m", (width / 2.0, height / 2.0), Anchor::Middle, "no data yet");
        return svg.finish();
    };

    let values = points.iter().map(|(_, value)| *value).chain(options.threshold);
    let bounds = (values.clone().min().unwrap_or_default(), values.max().unwrap_or_default());
    let bottom = height - FOOT;
    let about = ((bottom - top) / 26.0).max(2.0) as i128;
    let levels = ticks(bounds.0.into(), bounds.1.into(), about, 1);
    let labels: Vec<String> = levels.iter().map(|&level| thousandths(level)).collect();
    let left = labels.iter().map(|label| width_of(label)).fold(0.0, f64::max).min(width / 3.0) + 12.0;
    let (low, high) = (levels[0], levels[levels.len() - 1]);
    let y = Scale { low, high, from: bottom, to: top };
    for (level, label) in levels.iter().zip(&labels) {
        let at = y.at(*level);
        svg.line("grid", (left, at), (width - 12.0, at));
        svg.text("m", (left - 5.0, at + 4.0), Anchor::End, label);
    }
    svg.fitted("m", (8.0, top - 8.0), Anchor::Start, &options.unit, width / 2.0);

    // A single point is centred in a range of a day.
    let (from, to) = match (first.0, last.0) {
        (from, to) if from == to => (from.plus_micros(-43_200_000_000), to.plus_micros(43_200_000_000)),
        range => range,
    };
    let x = Scale { low: from.micros().into(), high: to.micros().into(), from: left + 4.0, to: width - 16.0 };
    svg.line("axis", (left, bottom), (width - 12.0, bottom));
    time_axis(&mut svg, (from, to), &x, bottom, options.zone);
    let middle = f64::midpoint(left, width - 12.0);
    svg.text("m", (middle, height - 4.0), Anchor::Middle, &format!("time ({})", options.zone));

    if let Some(threshold) = options.threshold {
        let at = y.at(threshold.into());
        svg.line("hot", (left, at), (width - 12.0, at));
        let name = format!("{} {}", options.threshold_name, thousandths(threshold.into()));
        svg.fitted("hott", (width - 12.0, top - 8.0), Anchor::End, &name, width / 2.0 - 20.0);
    }
    let place = |point: &(Time, i64)| (x.at(point.0.micros().into()), y.at(point.1.into()));
    let drawn: Vec<(f64, f64)> = thinned(&points, &x).iter().map(place).collect();
    if drawn.len() > 1 {
        svg.path("line", &drawn);
    }
    extremes(&mut svg, &points, place, (left, width, bottom));
    svg.finish()
}

/// Returns the text alternative.
fn described(points: &[(Time, i64)], options: &SparklineOptions) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return "No data yet.".to_owned() };
    let value = |point: &(Time, i64)| format!("{} {}", thousandths(point.1.into()), options.unit);
    let lowest = points.iter().min_by_key(|point| point.1).unwrap_or(first);
    let highest = points.iter().max_by_key(|point| point.1).unwrap_or(first);
    let mut text = format!(
        "{} values from {} to {}: first {}, last {}, lowest {}, highest {}.",
        points.len(),
        first.0.date_in(options.zone),
        last.0.date_in(options.zone),
        value(first),
        value(last),
        value(lowest),
        value(highest)
    );
    if let Some(threshold) = options.threshold {
        let above = points.iter().filter(|point| point.1 >= threshold).count();
        let name = &options.threshold_name;
        let at = thousandths(threshold.into());
        let _ = write!(text, " {above} of them are at or above the {name} threshold of {at}.");
    }
    text
}

/// Draws the ticks below the plot. Labels that would overlap the previous one, or exceed the image, are omitted.
fn time_axis(svg: &mut Svg, (from, to): (Time, Time), x: &Scale, bottom: f64, zone: Tz) {
    let about = ((x.to - x.from) / 75.0).max(1.0) as i64;
    let mut free = 0.0;
    for (at, label) in calendar_ticks(from, to, about, zone) {
        let place = x.at(at.micros().into());
        svg.line("axis", (place, bottom), (place, bottom + 4.0));
        let half = width_of(&label) / 2.0;
        if place - half >= free && place + half <= x.to + 16.0 {
            svg.text("m", (place, bottom + 15.0), Anchor::Middle, &label);
            free = place + half + 6.0;
        }
    }
}

/// Returns the first, lowest, highest and last point of each pixel if there are more points than pixels.
fn thinned(points: &[(Time, i64)], x: &Scale) -> Vec<(Time, i64)> {
    if points.len() as f64 <= (x.to - x.from) * 2.0 {
        return points.to_vec();
    }
    let pixel = |point: &(Time, i64)| x.at(point.0.micros().into()) as i64;
    points
        .chunk_by(|a, b| pixel(a) == pixel(b))
        .flat_map(|chunk| {
            let places = 0..chunk.len();
            let low = places.clone().min_by_key(|&at| chunk[at].1).unwrap_or_default();
            let high = places.max_by_key(|&at| chunk[at].1).unwrap_or_default();
            let mut kept = vec![0, low, high, chunk.len() - 1];
            kept.sort_unstable();
            kept.dedup();
            kept.into_iter().map(|at| chunk[at])
        })
        .collect()
}

/// Marks the lowest, the highest and the last value.
fn extremes(
    svg: &mut Svg,
    points: &[(Time, i64)],
    place: impl Fn(&(Time, i64)) -> (f64, f64),
    (left, width, bottom): (f64, f64, f64),
) {
    let (Some(last), Some(lowest)) = (points.last(), points.iter().min_by_key(|point| point.1)) else { return };
    // The first of several maxima: `max_by_key` alone would return the last.
    let highest = points.iter().rev().max_by_key(|point| point.1).unwrap_or(lowest);
    svg.circle("fill", place(last), 2.5);
    let mut mark = |point: &(Time, i64), name: &str, below: f64| {
        let (x, y) = place(point);
        svg.circle("fill", (x, y), 2.5);
        let label = format!("{name}{}", thousandths(point.1.into()));
        let half = width_of(&label) / 2.0;
        // Above the point if there is no space below.
        let below = if y + below > bottom - 2.0 { -6.0 } else { below };
        let x = x.clamp(left + half + 2.0, (width - 12.0 - half).max(left + half + 2.0));
        svg.text("v", (x, y + below), Anchor::Middle, &label);
    };
    if lowest.1 == highest.1 {
        mark(last, "", -6.0);
    } else {
        mark(highest, "max ", -6.0);
        mark(lowest, "min ", 13.0);
    }
}
