//! Time in stages: one bar for each stage, with the times of one record or the medians and quartiles of a report.

use super::{
    scale::{DurationAxis, Scale, duration},
    svg::{Anchor, Svg, width_of},
};
use crate::{
    model::{change::StageTime, records::pipeline::Stage, value::Id},
    reports::FunnelReport,
};

/// The bar of one stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageBar {
    /// The name of the stage.
    pub label: String,
    /// The time in the stage, in microseconds; `None` if unknown.
    pub micros: Option<i64>,
    /// The lower quartile, in microseconds.
    pub low: Option<i64>,
    /// The upper quartile, in microseconds.
    pub high: Option<i64>,
    /// `true` if the upper quartile is unknown because too many records are still in the stage. It is drawn as an
    /// open-ended line.
    pub open_ended: bool,
    /// An additional note, such as the number of records or stays.
    pub note: String,
}

impl StageBar {
    /// Returns the bars of the stages of one record, in the order of their first entry: cumulative times, and the
    /// latest stay if there were several.
    pub fn of_record(times: &[StageTime], name: impl Fn(Id<Stage>) -> String) -> Vec<Self> {
        let bar = |time: &StageTime| {
            let mut notes: Vec<String> = Vec::new();
            if time.times > 1 {
                notes.push(format!("{} stays, the latest {}", time.times, duration(time.latest_micros)));
            }
            if time.left_at.is_none() {
                notes.push("still there".to_owned());
            }
            Self {
                label: name(time.stage_id),
                micros: Some(time.total_micros),
                note: notes.join(", "),
                ..Self::default()
            }
        };
        times.iter().map(bar).collect()
    }

    /// Returns the bars of the open stages of a pipeline, in order: the median duration of the stays that began in the
    /// report's period, with quartiles. Won and lost stages are omitted, because records are not expected to leave
    /// them.
    pub fn of_report(report: &FunnelReport) -> Vec<Self> {
        let open = report.stages.iter().filter(|stage| stage.kind.is_open());
        open.map(|stage| {
            let time = &stage.time;
            let known = time.lower_quartile_micros.is_some() || time.median_micros.is_some();
            Self {
                label: stage.name.clone(),
                micros: time.median_micros,
                low: time.lower_quartile_micros,
                high: time.upper_quartile_micros,
                open_ended: known && time.upper_quartile_micros.is_none(),
                note: format!("{} ended, {} open", time.finished, time.open),
            }
        })
        .collect()
    }

    /// Returns the duration as text.
    fn said(&self) -> String {
        let time = self.micros.map_or("not known yet".to_owned(), duration);
        if self.note.is_empty() { time } else { format!("{time} ({})", self.note) }
    }

    /// Returns the text alternative of the bar.
    fn described(&self) -> String {
        let quartile = |micros: Option<i64>| micros.map_or("not known yet".to_owned(), duration);
        let quartiles = if self.low.is_some() || self.high.is_some() {
            format!("; quartiles {} and {}", quartile(self.low), quartile(self.high))
        } else {
            String::new()
        };
        format!("{}: {}{quartiles}", self.label, self.said())
    }

    /// Returns the longest of the durations drawn.
    fn reach(&self) -> i64 {
        self.micros.max(self.low).max(self.high).unwrap_or_default()
    }
}

/// The appearance of a chart of stage times.
#[derive(Clone, Debug)]
pub struct StageTimesOptions {
    /// The title: the accessible name and the heading.
    pub title: String,
    /// The width in pixels, clamped to 320 to 4,000. The height depends on the number of bars.
    pub width: u32,
}

impl Default for StageTimesOptions {
    /// 720 pixels wide.
    fn default() -> Self {
        Self { title: "Time in stage".into(), width: 720 }
    }
}

/// The height of a row, and of the space above and below the rows, in pixels.
const ROW: f64 = 26.0;
const HEAD: f64 = 32.0;
const FOOT: f64 = 34.0;

/// Draws horizontal bars of times in stages, in the given order, each with its quartiles as a line if known.
pub fn stage_times(bars: &[StageBar], options: &StageTimesOptions) -> String {
    let width = f64::from(options.width.clamp(320, 4000));
    let height = HEAD + ROW * (bars.len().max(1) as f64) + FOOT;
    let all: Vec<String> = bars.iter().map(StageBar::described).collect();
    let description = if all.is_empty() { "No stages.".to_owned() } else { format!("{}.", all.join(". ")) };
    let mut svg = Svg::new(width, height, &options.title, &description);
    // The heading is larger than the font for which text widths are estimated.
    svg.fitted("h", (8.0, 18.0), Anchor::Start, &options.title, (width - 16.0) / 1.2);
    if bars.is_empty() {
        svg.text("m", (width / 2.0, HEAD + ROW / 2.0 + 4.0), Anchor::Middle, "no stages yet");
        return svg.finish();
    }
    let widest = |texts: &mut dyn Iterator<Item = String>| texts.map(|text| width_of(&text)).fold(0.0, f64::max);
    let labels = widest(&mut bars.iter().map(|bar| bar.label.clone())).min(width * 0.28);
    let said = widest(&mut bars.iter().map(StageBar::said)).min(width * 0.34);
    let (left, right) = (labels + 16.0, width - said - 22.0);
    let bottom = height - FOOT;
    let greatest = bars.iter().map(StageBar::reach).max().unwrap_or_default();
    let axis = DurationAxis::up_to(greatest, ((right - left) / 60.0).max(2.0) as i64);
    let end = axis.ticks.last().copied().unwrap_or(1);
    let x = Scale { low: 0, high: end.into(), from: left, to: right };
    for &tick in &axis.ticks {
        let at = x.at(tick.into());
        svg.line("grid", (at, HEAD), (at, bottom));
        svg.text("m", (at, bottom + 14.0), Anchor::Middle, &axis.label(tick));
    }
    svg.line("axis", (left, HEAD), (left, bottom));
    svg.text("m", (f64::midpoint(left, right), height - 5.0), Anchor::Middle, axis.unit);
    for (at, bar) in bars.iter().enumerate() {
        let middle = HEAD + ROW * (at as f64 + 0.5);
        svg.fitted("t", (left - 8.0, middle + 4.0), Anchor::End, &bar.label, labels);
        svg.fitted("m", (right + 12.0, middle + 4.0), Anchor::Start, &bar.said(), said);
        row(&mut svg, bar, &x, middle);
    }
    svg.finish()
}

fn row(svg: &mut Svg, bar: &StageBar, x: &Scale, middle: f64) {
    let place = |micros: i64| x.at(micros.max(0).into());
    if let Some(micros) = bar.micros {
        // Zero durations remain visible.
        let width = (place(micros) - x.from).max(1.5);
        svg.rect("fill", (x.from, middle - 7.0), (width, 14.0), &bar.described());
    }
    let cap = |svg: &mut Svg, at: f64| svg.line("whisker", (at, middle - 4.0), (at, middle + 4.0));
    let known = bar.low.or(bar.micros).or(bar.high);
    let Some(begins) = known.map(place).filter(|_| bar.low.is_some() || bar.high.is_some() || bar.open_ended) else {
        return;
    };
    let ends = bar.high.or(bar.micros).or(bar.low).map_or(begins, place);
    svg.line("whisker", (begins, middle), (ends, middle));
    if bar.low.is_some() {
        cap(svg, begins);
    }
    if bar.high.is_some() {
        cap(svg, ends);
    }
    if bar.open_ended {
        svg.line("whisker dash", (ends, middle), (x.to, middle));
    }
}
