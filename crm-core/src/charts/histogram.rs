//! A histogram before and after: the number of values in each range, in two series side by side.

use super::{
    scale::{Scale, thousandths, ticks},
    svg::{Anchor, Svg, width_of},
};

/// Counts of values by range, before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bins {
    /// The edges of the ranges in thousandths, ascending: one more than there are ranges. A range includes its lower
    /// edge; the last one also includes its upper edge.
    pub edges: Vec<i64>,
    /// The number of values in each range before; missing entries count as 0.
    pub before: Vec<u64>,
    /// The number of values in each range after; missing entries count as 0.
    pub after: Vec<u64>,
}

impl Bins {
    /// Counts the values, in thousandths, in approximately `about` ranges between round edges. O(n).
    pub fn of(before: &[i64], after: &[i64], about: u16) -> Self {
        let all = || before.iter().chain(after);
        let (Some(&least), Some(&greatest)) = (all().min(), all().max()) else { return Self::default() };
        // A single value has a range of one.
        let finest = if least == greatest { 1000 } else { 1 };
        let edges = ticks(i128::from(least), i128::from(greatest), i128::from(about.max(1)), finest);
        let (first, step) = (edges[0], edges[1] - edges[0]);
        let count = |values: &[i64]| {
            let mut counts = vec![0_u64; edges.len() - 1];
            for &value in values {
                let at = usize::try_from((i128::from(value) - first) / step).unwrap_or_default();
                let at = at.min(counts.len() - 1);
                counts[at] += 1;
            }
            counts
        };
        let narrow = |edge: i128| i64::try_from(edge).unwrap_or(if edge < 0 { i64::MIN } else { i64::MAX });
        let (before, after) = (count(before), count(after));
        Self { edges: edges.into_iter().map(narrow).collect(), before, after }
    }

    fn ranges(&self) -> usize {
        self.edges.len().saturating_sub(1)
    }

    fn count(series: &[u64], at: usize) -> u64 {
        series.get(at).copied().unwrap_or_default()
    }
}

/// The appearance of a histogram.
#[derive(Clone, Debug)]
pub struct HistogramOptions {
    /// The title: the accessible name and the heading.
    pub title: String,
    /// The unit of the values.
    pub unit: String,
    /// The name of the counted items.
    pub counted: String,
    /// The name of the first series.
    pub before: String,
    /// The name of the second series.
    pub after: String,
    /// The width in pixels, clamped to 320 to 4,000.
    pub width: u32,
    /// The height in pixels, clamped to 160 to 4,000.
    pub height: u32,
}

impl Default for HistogramOptions {
    /// 640 by 280 pixels, for leads by points.
    fn default() -> Self {
        Self {
            title: "Scores before and after".into(),
            unit: "points".into(),
            counted: "leads".into(),
            before: "before".into(),
            after: "after".into(),
            width: 640,
            height: 280,
        }
    }
}

/// Pixels above and below the plot.
const HEAD: f64 = 44.0;
const FOOT: f64 = 36.0;

/// Draws two series of counts by range: before as outlines and after filled, so that they differ without colours too.
pub fn histogram(bins: &Bins, options: &HistogramOptions) -> String {
    let width = f64::from(options.width.clamp(320, 4000));
    let height = f64::from(options.height.clamp(160, 4000));
    let mut svg = Svg::new(width, height, &options.title, &described(bins, options));
    svg.fitted("h", (8.0, 18.0), Anchor::Start, &options.title, (width - 16.0) / 1.2);
    let both = || bins.before.iter().chain(&bins.after);
    if bins.ranges() == 0 || both().all(|&count| count == 0) {
        svg.text("m", (width / 2.0, height / 2.0), Anchor::Middle, "no data yet");
        return svg.finish();
    }
    let greatest = both().max().copied().unwrap_or_default();
    let bottom = height - FOOT;
    let about = ((bottom - HEAD) / 32.0).max(2.0) as i128;
    let levels = ticks(0, i128::from(greatest), about, 1);
    let labels: Vec<String> = levels.iter().map(ToString::to_string).collect();
    let left = labels.iter().map(|label| width_of(label)).fold(0.0, f64::max) + 14.0;
    let right = width - 20.0;
    let y = Scale { low: 0, high: levels[levels.len() - 1], from: bottom, to: HEAD };
    for (level, label) in levels.iter().zip(&labels) {
        let at = y.at(*level);
        svg.line("grid", (left, at), (right, at));
        svg.text("m", (left - 5.0, at + 4.0), Anchor::End, label);
    }
    svg.fitted("m", (8.0, HEAD - 10.0), Anchor::Start, &options.counted, width * 0.25);
    legend(&mut svg, options, right);

    let slot = (right - left) / bins.ranges() as f64;
    let gap = (slot * 0.1).min(6.0);
    let bar = (slot - 2.0 * gap) / 2.0;
    for at in 0..bins.ranges() {
        let begins = left + slot * at as f64 + gap;
        for (series, class, name, x) in
            [(&bins.before, "old", &options.before, begins), (&bins.after, "fill", &options.after, begins + bar)]
        {
            let count = Bins::count(series, at);
            if count > 0 {
                let top = y.at(count.into());
                let says = format!("{}: {name} {count} {}", range(bins, at, options), options.counted);
                svg.rect(class, (x + 0.5, top), ((bar - 1.0).max(0.5), bottom - top), &says);
            }
        }
    }
    svg.line("axis", (left, bottom), (right, bottom));
    let mut free = 0.0;
    for (at, &edge) in bins.edges.iter().enumerate() {
        let place = left + slot * at as f64;
        svg.line("axis", (place, bottom), (place, bottom + 4.0));
        let label = thousandths(edge.into());
        let half = width_of(&label) / 2.0;
        if place - half >= free {
            svg.text("m", (place, bottom + 15.0), Anchor::Middle, &label);
            free = place + half + 6.0;
        }
    }
    svg.fitted("m", (f64::midpoint(left, right), height - 6.0), Anchor::Middle, &options.unit, right - left);
    svg.finish()
}

fn range(bins: &Bins, at: usize, options: &HistogramOptions) -> String {
    let edge = |at: usize| thousandths(bins.edges[at].into());
    format!("{} to {} {}", edge(at), edge(at + 1), options.unit)
}

/// Returns the text alternative.
fn described(bins: &Bins, options: &HistogramOptions) -> String {
    if bins.ranges() == 0 {
        return "No data yet.".to_owned();
    }
    let all: Vec<String> = (0..bins.ranges())
        .map(|at| {
            let (before, after) = (Bins::count(&bins.before, at), Bins::count(&bins.after, at));
            format!("{}: {} {before}, {} {after}", range(bins, at, options), options.before, options.after)
        })
        .collect();
    format!("Numbers of {}. {}.", options.counted, all.join("; "))
}

/// Draws the legend at the upper right.
fn legend(svg: &mut Svg, options: &HistogramOptions, right: f64) {
    let mut x = right;
    for (class, name) in [("fill", &options.after), ("old", &options.before)] {
        let width = width_of(name).min(120.0);
        x -= width;
        svg.fitted("t", (x, HEAD - 10.0), Anchor::Start, name, width);
        x -= 16.0;
        svg.rect(class, (x, HEAD - 19.0), (10.0, 10.0), name);
        x -= 14.0;
    }
}
