//! Tests of the elements and texts of charts.

use super::*;
use crate::model::value::Time;

const DAY: i64 = 86_400_000_000;

fn day(days: i64) -> Time {
    "2026-01-05T09:00:00Z".parse::<Time>().unwrap().plus_days(days)
}

/// Returns the texts of the elements with a name, in document order.
fn texts<'a>(svg: &'a str, element: &str) -> Vec<&'a str> {
    let open = format!("<{element}");
    svg.split(&open)
        .skip(1)
        .filter(|rest| rest.starts_with([' ', '>']))
        .filter_map(|rest| rest.split_once('>')?.1.split('<').next())
        .collect()
}

/// Returns the number of elements with a class.
fn count(svg: &str, class: &str) -> usize {
    svg.matches(&format!("class=\"{class}\"")).count()
}

/// Asserts that every element is closed in order, and that there is one root and no text outside it.
#[track_caller]
fn assert_well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg;
    while let Some((text, after)) = rest.split_once('<') {
        assert!(!text.contains('>'), "{text}");
        assert!(!open.is_empty() || text.is_empty());
        let (tag, after) = after.split_once('>').expect("a tag ends");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{svg}");
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap_or_default());
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
    }
    assert!(open.is_empty() && rest.is_empty(), "{open:?} {rest}");
    let entities = svg.split('&').skip(1).filter_map(|rest| rest.split_once(';')).map(|(name, _)| name);
    for name in entities {
        assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name), "{name}");
    }
    // Numbers are finite, and nothing is fetched or executed.
    assert!(!svg.contains("NaN") && !svg.contains("=\"inf"), "{svg}");
    let quiet = ["<script", "javascript:", "href", "url(", "<foreignObject", "@import", " onload"];
    assert!(quiet.iter().all(|word| !svg.contains(word)));
    assert_eq!(texts(svg, "title").iter().filter(|title| !title.is_empty()).count(), texts(svg, "title").len());
}

fn report_bars() -> Vec<StageBar> {
    let bar = |label: &str, days: [Option<i64>; 3]| {
        let [low, micros, high] = days.map(|days| days.map(|days| days * DAY));
        let open_ended = low.is_some() && high.is_none();
        StageBar { label: label.into(), micros, low, high, open_ended, note: "3 ended, 2 open".into() }
    };
    vec![
        bar("Prospecting", [Some(2), Some(4), Some(9)]),
        bar("Proposal", [Some(5), Some(12), None]),
        bar("Negotiation", [None, None, None]),
    ]
}

#[test]
fn a_sparkline_has_axes_units_extremes_and_the_threshold() {
    let points = [(day(0), 12_000), (day(40), 61_500), (day(80), 48_250)];
    let options = SparklineOptions { threshold: Some(60_000), ..Default::default() };
    let svg = sparkline(&points, &options);
    assert_well_formed(&svg);
    let shown = texts(&svg, "text");
    for expected in ["points", "0", "20", "40", "60", "80", "2026-02", "2026-03", "time (UTC)", "min 12", "max 61.5"] {
        assert!(shown.contains(&expected), "{expected} is not among {shown:?}");
    }
    assert!(shown.contains(&"hot 60") && count(&svg, "hot") == 1);
    assert_eq!(svg.matches("<polyline").count(), 1);
    assert_eq!(
        texts(&svg, "desc"),
        ["3 values from 2026-01-05 to 2026-03-26: first 12 points, last 48.25 points, lowest 12 points, highest \
             61.5 points. 1 of them are at or above the hot threshold of 60."]
    );
    // The order of the points does not matter.
    let mut turned = points;
    turned.reverse();
    assert_eq!(sparkline(&turned, &options), svg);
    // Days begin at another time in another time zone.
    let there = SparklineOptions { zone: chrono_tz::Tz::Pacific__Auckland, ..Default::default() };
    assert!(texts(&sparkline(&points, &there), "text").contains(&"time (Pacific/Auckland)"));
}

#[test]
fn no_point_one_point_and_equal_points_are_drawn_too() {
    let options = SparklineOptions::default();
    let none = sparkline(&[], &options);
    assert_well_formed(&none);
    assert!(texts(&none, "text").contains(&"no data yet") && !none.contains("<polyline"));
    let one = sparkline(&[(day(0), -2_500)], &options);
    assert_well_formed(&one);
    assert!(texts(&one, "text").contains(&"−2.5") && !one.contains("<polyline") && one.contains("<circle"));
    let flat = sparkline(&[(day(0), 7_000), (day(3), 7_000)], &options);
    assert_well_formed(&flat);
    assert!(texts(&flat, "text").contains(&"7") && flat.contains("<polyline"));
}

#[test]
fn points_beyond_all_bounds_are_held_within_the_picture() {
    let options = SparklineOptions { threshold: Some(i64::MAX), ..Default::default() };
    let svg = sparkline(&[(Time::MIN, i64::MIN), (Time::MAX, i64::MAX)], &options);
    assert_well_formed(&svg);
    // A hundred thousand points are reduced to a few for each pixel, and keep their extremes.
    let many: Vec<(Time, i64)> = (0..100_000_i64)
        .map(|at| (day(0).plus_micros(at * 60_000_000), if at == 77_777 { 99_000 } else { at % 1000 }))
        .collect();
    let svg = sparkline(&many, &SparklineOptions::default());
    assert_well_formed(&svg);
    assert!(svg.len() < 40_000, "{}", svg.len());
    assert!(texts(&svg, "text").contains(&"max 99"));
}

#[test]
fn a_name_with_marks_in_it_is_text_and_nothing_else() {
    let evil = "<script>alert(\"x\")</script> & 'y' \u{0}\u{1b}";
    let bars = [StageBar { label: evil.into(), micros: Some(DAY), note: evil.into(), ..Default::default() }];
    let options = StageTimesOptions { title: evil.into(), ..Default::default() };
    let stages = stage_times(&bars, &options);
    let (title, unit) = (evil.to_owned(), evil.to_owned());
    let spark = SparklineOptions {
        title: title.clone(),
        heading: true,
        unit: unit.clone(),
        threshold: Some(1),
        threshold_name: evil.into(),
        ..Default::default()
    };
    let bins = Bins::of(&[1_000], &[2_000], 4);
    let named = HistogramOptions {
        title,
        unit,
        counted: evil.into(),
        before: evil.into(),
        after: evil.into(),
        ..Default::default()
    };
    for svg in [stages, sparkline(&[(day(0), 1)], &spark), histogram(&bins, &named)] {
        assert_well_formed(&svg);
        assert!(svg.contains("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;y&#39;"));
        assert!(!svg.contains(['\u{0}', '\u{1b}']));
    }
}

#[test]
fn stage_times_show_medians_with_quartiles_and_say_what_is_not_known() {
    let svg = stage_times(&report_bars(), &StageTimesOptions::default());
    assert_well_formed(&svg);
    let shown = texts(&svg, "text");
    for expected in ["Time in stage", "Prospecting", "Negotiation", "days", "0", "4 days (3 ended, 2 open)"] {
        assert!(shown.contains(&expected), "{expected} is not among {shown:?}");
    }
    assert!(shown.contains(&"not known yet (3 ended, 2 open)"));
    assert_eq!(count(&svg, "fill"), 2, "a bar for each median");
    assert_eq!(count(&svg, "whisker dash"), 1, "one upper quartile is not known");
    let desc = texts(&svg, "desc")[0];
    assert!(desc.starts_with("Prospecting: 4 days (3 ended, 2 open); quartiles 2 days and 9 days."), "{desc}");
    assert!(desc.contains("Proposal: 12 days (3 ended, 2 open); quartiles 5 days and not known yet."), "{desc}");
    let none = stage_times(&[], &StageTimesOptions::default());
    assert_well_formed(&none);
    assert!(texts(&none, "text").contains(&"no stages yet"));
    let long =
        StageBar { label: "a stage of a name without any end ".repeat(9), micros: Some(0), ..Default::default() };
    let svg = stage_times(&[long.clone(), StageBar { micros: Some(i64::MAX), ..long }], &StageTimesOptions::default());
    assert_well_formed(&svg);
    assert!(texts(&svg, "text").iter().any(|text| text.ends_with('…')), "{svg}");
}

#[test]
fn one_records_times_say_how_often_and_whether_it_is_still_there() {
    use crate::model::{change::StageInterval, value::Id};
    let (new, contacted) = (Id::from_parts(1, [1; 10]), Id::from_parts(1, [2; 10]));
    let stay =
        |stage_id, from, to: Option<i64>| StageInterval { stage_id, entered_at: day(from), left_at: to.map(day) };
    let stays = [stay(new, 0, Some(2)), stay(contacted, 2, Some(3)), stay(new, 3, None)];
    let times = crate::model::change::stage_times(&stays, day(6));
    let bars = StageBar::of_record(&times, |stage| if stage == new { "New".into() } else { "Contacted".into() });
    assert_eq!(bars[0].note, "2 stays, the latest 3 days, still there");
    assert_eq!((bars[0].micros, bars[1].micros, bars[1].note.as_str()), (Some(5 * DAY), Some(DAY), ""));
    assert_well_formed(&stage_times(&bars, &StageTimesOptions::default()));
}

#[test]
fn a_histogram_counts_every_value_once_and_tells_the_series_apart() {
    let bins = Bins::of(&[0, 9_999, 10_000, 55_000], &[10_000, 60_000], 6);
    assert_eq!(bins.edges, [0, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000]);
    assert_eq!((bins.before.as_slice(), bins.after.as_slice()), (&[2, 1, 0, 0, 0, 1][..], &[0, 1, 0, 0, 0, 1][..]));
    let svg = histogram(&bins, &HistogramOptions::default());
    assert_well_formed(&svg);
    // The legend, and a bar for each count above 0.
    assert_eq!((count(&svg, "old"), count(&svg, "fill")), (1 + 3, 1 + 2));
    let shown = texts(&svg, "text");
    for expected in ["before", "after", "leads", "points", "0", "10", "60", "1", "2"] {
        assert!(shown.contains(&expected), "{expected} is not among {shown:?}");
    }
    assert!(texts(&svg, "desc")[0].starts_with("Numbers of leads. 0 to 10 points: before 2, after 0; "));
    for odd in [
        Bins::default(),
        Bins::of(&[], &[], 5),
        Bins { edges: vec![1_000], ..Default::default() },
        Bins { edges: vec![0, 1_000], before: Vec::new(), after: vec![u64::MAX, 7] },
        Bins::of(&[i64::MIN], &[i64::MAX], 10),
        Bins::of(&[5_000], &[5_000], 10),
    ] {
        assert_well_formed(&histogram(&odd, &HistogramOptions::default()));
    }
    let extreme = Bins::of(&[i64::MIN], &[i64::MAX], 10);
    assert_eq!(extreme.before.iter().chain(&extreme.after).sum::<u64>(), 2);
}
